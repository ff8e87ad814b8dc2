package forecast

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/loadtest/sim"
)

// Probe is the service that the load test asks for: its requests go the way that is simulated.
const Probe = "com.workload.simulate"

// FromTemplate reads a template, as `sam deploy` would with these parameters, and returns the system that it makes: the way
// of a request for [Probe] from the API to the response. What the template says is taken from it: throttles, batch sizes,
// windows, concurrency, parallelism, delays, visibility, timeouts, receives, memory, reserved concurrency, sampling. What it does not
// say, how often a function writes and how large an event is, is that of [sim.Template], with no work in the handler.
//
// Errors are [*template.Error], or several joined, with file and line: of a template that AWS would not take, and of one that
// has no such way or one that cannot be simulated.
func FromTemplate(file string, params map[string]string) (sim.System, error) {
	t, err := template.ParseFile(file)
	if err != nil {
		return sim.System{}, err
	}
	stack, err := t.Resolve(template.Inputs{StackName: "arvo", Parameters: params})
	if err != nil {
		return sim.System{}, err
	}
	g := graph{file: file, Stack: stack}
	return g.system()
}

// A graph is a resolved template, in which the way of a request is looked for.
type graph struct {
	file string
	*template.Stack
}

// fault is an error about a resource, or about the whole file when there is none.
func (g graph) fault(resource, format string, args ...any) error {
	e := &template.Error{File: g.file, Msg: fmt.Sprintf(format, args...)}
	for _, r := range g.Resources {
		if r.LogicalID == resource {
			e.Line, e.Path = r.Line, "Resources."+resource
		}
	}
	return e
}

func (g graph) system() (sim.System, error) {
	s := sim.Template(0)
	if len(g.APIs) != 1 {
		return sim.System{}, g.fault("", "it has %d APIs: requests come in by one", len(g.APIs))
	}
	api := g.APIs[0]
	front, err := g.behind(api)
	if err != nil {
		return sim.System{}, err
	}
	s.ThrottleRate, s.ThrottleBurst = api.ThrottleRate, float64(api.ThrottleBurst)
	if api.ThrottleRate == 0 {
		s.ThrottleRate, s.ThrottleBurst = math.Inf(1), math.Inf(1)
	}
	s.TraceSampleRate, s.TraceReservoir = g.sampling(api)

	requests, err := g.delivered(Probe)
	if err != nil {
		return sim.System{}, err
	}
	handler, toHandler, err := g.consumer(requests)
	if err != nil {
		return sim.System{}, err
	}
	toSink, responses, err := g.fed(front)
	if err != nil {
		return sim.System{}, err
	}
	if handler.ARN == front.ARN {
		return sim.System{}, g.fault(handler.LogicalID, "it answers the API and handles %s: they are two functions where this is simulated", Probe)
	}

	s.Accept.MemoryMB = front.MemoryMB
	var faults []error
	reserved := func(f template.Function) int {
		if f.ReservedConcurrency == nil {
			return 0
		}
		if *f.ReservedConcurrency == 0 {
			faults = append(faults, g.fault(f.LogicalID, "ReservedConcurrentExecutions is 0: the function never runs"))
		}
		return *f.ReservedConcurrency
	}
	s.Accept.Reserved = reserved(front)
	for _, l := range []struct {
		leg      *sim.Leg
		queue    template.Queue
		mapping  template.Mapping
		function template.Function
	}{{&s.Requests, requests, toHandler, handler}, {&s.Responses, responses, toSink, front}} {
		switch {
		case !l.mapping.Enabled:
			faults = append(faults, g.fault(l.mapping.LogicalID, "the mapping is disabled: nothing is taken from %s", l.queue.LogicalID))
		case !l.mapping.ReportBatchItemFailures:
			faults = append(faults, g.fault(l.mapping.LogicalID, "without ReportBatchItemFailures one message brings back its whole batch, which is not simulated"))
		case len(l.mapping.Filters) > 0:
			faults = append(faults, g.fault(l.mapping.LogicalID, "it filters messages, which is not simulated"))
		}
		l.leg.Concurrency, l.leg.BatchSize, l.leg.Window = l.mapping.MaximumConcurrency, l.mapping.BatchSize, l.mapping.Window
		l.leg.Delay, l.leg.Visibility, l.leg.MaxReceives = l.queue.Delay, l.queue.VisibilityTimeout, l.queue.MaxReceiveCount
		l.leg.Timeout, l.leg.MemoryMB, l.leg.Traced = l.function.Timeout, l.function.MemoryMB, l.function.Tracing == "Active"
	}
	s.Requests.Reserved = reserved(handler)
	if text := handler.Environment["BATCH_PARALLELISM"]; text != "" { // else it is the handler's default; the sink knows no other
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			faults = append(faults, g.fault(handler.LogicalID, "BATCH_PARALLELISM is %.40q: a whole number from 1", text))
		}
		s.Requests.Parallelism = n
	}
	if len(faults) > 0 {
		return sim.System{}, errors.Join(faults...)
	}
	return s, nil
}

// behind returns the function that answers the API.
func (g graph) behind(api template.API) (template.Function, error) {
	var arn string
	for _, r := range api.Routes {
		if arn != "" && arn != r.FunctionARN {
			return template.Function{}, g.fault(api.LogicalID, "several functions answer the API: one is simulated")
		}
		arn = r.FunctionARN
	}
	i := slices.IndexFunc(g.Functions, func(f template.Function) bool { return f.ARN == arn })
	if i < 0 {
		return template.Function{}, g.fault(api.LogicalID, "no function answers the API")
	}
	return g.Functions[i], nil
}

// delivered returns the queue into which the bus puts events that are to somebody.
func (g graph) delivered(to string) (template.Queue, error) {
	var found []template.Queue
	for _, r := range g.Rules {
		if !r.Enabled || !names(r.Pattern, to) {
			continue
		}
		for _, t := range r.Targets {
			i := slices.IndexFunc(g.Queues, func(q template.Queue) bool { return q.ARN == t.ARN })
			if i < 0 {
				return template.Queue{}, g.fault(r.LogicalID, "it sends events for %s to %s: a queue is simulated", to, t.ARN)
			}
			found = append(found, g.Queues[i])
		}
	}
	if len(found) != 1 {
		return template.Queue{}, g.fault("", "events for %s go into %d queues: one is simulated. A rule is looked for whose pattern has %q among detail.to", to, len(found), to)
	}
	return found[0], nil
}

// names tells whether an event pattern has a recipient by name. Others than by name are not understood.
func names(pattern json.RawMessage, to string) bool {
	var p struct {
		Detail struct {
			To []any `json:"to"`
		} `json:"detail"`
	}
	return json.Unmarshal(pattern, &p) == nil && slices.Contains(p.Detail.To, any(to))
}

// consumer returns the function that a queue feeds, and its mapping.
func (g graph) consumer(q template.Queue) (template.Function, template.Mapping, error) {
	var found []template.Mapping
	for _, m := range g.Mappings {
		if m.QueueARN == q.ARN {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return template.Function{}, template.Mapping{}, g.fault(q.LogicalID, "%d mappings empty the queue: one is simulated", len(found))
	}
	i := slices.IndexFunc(g.Functions, func(f template.Function) bool { return f.ARN == found[0].FunctionARN })
	if i < 0 {
		return template.Function{}, template.Mapping{}, g.fault(found[0].LogicalID, "the mapping has no function of this template")
	}
	return g.Functions[i], found[0], nil
}

// fed returns the one queue that feeds a function, and its mapping.
func (g graph) fed(f template.Function) (template.Mapping, template.Queue, error) {
	var found []template.Mapping
	for _, m := range g.Mappings {
		if m.FunctionARN == f.ARN {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return template.Mapping{}, template.Queue{}, g.fault(f.LogicalID, "%d queues feed the function behind the API: one, with responses, is simulated", len(found))
	}
	i := slices.IndexFunc(g.Queues, func(q template.Queue) bool { return q.ARN == found[0].QueueARN })
	if i < 0 {
		return template.Mapping{}, template.Queue{}, g.fault(found[0].LogicalID, "the mapping has no queue of this template")
	}
	return found[0], g.Queues[i], nil
}

// sampling returns which share of the API's requests is traced, and how many a second are in any case.
func (g graph) sampling(api template.API) (rate, reservoir float64) {
	if !api.Tracing {
		return 0, 0
	}
	stage := api.Name + "/" + api.Stage
	rules := slices.Clone(g.SamplingRules)
	slices.SortStableFunc(rules, func(a, b template.SamplingRule) int { return a.Priority - b.Priority })
	for _, r := range rules {
		if matches(r.ServiceName, stage) && matches(r.ServiceType, "AWS::ApiGateway::Stage") && matches(r.HTTPMethod, "POST") && matches(r.URLPath, "/events") && r.ResourceARN == "*" && r.Host == "*" {
			return r.FixedRate, float64(r.ReservoirSize)
		}
	}
	return 0.05, 1 // the rule that X-Ray has by itself
}

// matches tells whether a text fits a glob of X-Ray: "*" is any text, slashes included, "?" any character.
func matches(glob, text string) bool {
	star, back := -1, 0 // the last "*", and how far the text is when that has taken the least
	g, t := 0, 0
	for t < len(text) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, back = g, t
			g++
		case g < len(glob) && (glob[g] == '?' || glob[g] == text[t]):
			g, t = g+1, t+1
		case star >= 0: // it takes one more
			back++
			g, t = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
