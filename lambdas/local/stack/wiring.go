package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/lambdas/local/latency"
	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/local/watch"
	"example.com/arvo/lambdas/local/watch/native"
	"example.com/arvo/lambdas/local/watch/sampling"
	"example.com/arvo/lambdas/local/watch/xray"
	"example.com/arvo/lambdas/local/wire"
)

// at is where the template declares a resource: "template.yaml:12: Bus".
func (s *Stack) at(logicalID string) string {
	for _, r := range s.graph.Resources {
		if r.LogicalID == logicalID {
			return fmt.Sprintf("%s:%d: %s", s.template, r.Line, logicalID)
		}
	}
	return s.template + ": " + logicalID
}

// wire makes every service of the graph and connects them.
func (s *Stack) wire(c Config, binaries map[string]string) error {
	draws := latency.NewSource(fault.Rand(c.Seed, "latency"))
	if err := s.addTables(c, draws); err != nil {
		return err
	}
	if err := s.addQueues(c, draws); err != nil {
		return err
	}
	if err := s.addFunctions(c, draws, binaries); err != nil {
		return err
	}
	if err := s.addBus(c, draws); err != nil { // after its targets: schedules run from now on
		return err
	}
	mux := &wire.Mux{Log: s.log}
	s.watch.Register(mux, s.functions)
	mux.Handle(s.tables.Wire())
	mux.Handle(s.queues.Wire())
	mux.Handle(s.bus.Wire())
	mux.HandleQuery(cloudFormation(s.graph, time.Now()))
	for _, prefix := range function.Paths {
		mux.HandlePath(prefix, s.functions.Handler())
	}
	s.mappings = mapping.New(mapping.Options{
		Invoker: invoker{s.functions}, Ramp: mapping.Ramp(c.Latency.Ramp), Timeout: s.functions.Timeout, Rand: fault.Rand(c.Seed, "mapping"), Log: s.log,
	})
	mux.HandlePath(mapping.Path, s.mappings.Handler())
	mux.HandlePath(mapping.Path+"/", s.mappings.Handler())
	// Before the mappings: what they invoke calls back.
	s.aws.serve(&http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}, s.log)
	if err := s.addMappings(); err != nil {
		return err
	}
	api, err := s.makeAPI(c)
	if err != nil {
		return err
	}
	s.api.serve(api.Server(), s.log)
	return nil
}

func (s *Stack) addTables(c Config, draws *latency.Source) error {
	s.tables = table.New(table.Options{
		Region: Region, Account: Account,
		Latency: draws.Of(c.Latency.Table), Throttle: fault.Chance(c.Seed, "throttle table", c.Faults.Throttle),
	})
	for _, t := range s.graph.Tables {
		schema := table.Schema{Name: t.Name, Key: table.Key(t.Key), Attributes: t.Attributes, TTLAttribute: t.TTLAttribute}
		for _, i := range t.Indexes {
			schema.Indexes = append(schema.Indexes, table.Index{Name: i.Name, Key: table.Key(i.Key), Local: !i.Global, Projection: i.Projection, NonKey: i.Include})
		}
		if err := s.tables.Create(schema); err != nil {
			return fmt.Errorf("%s: %w", s.at(t.LogicalID), err)
		}
	}
	return nil
}

func (s *Stack) addQueues(c Config, draws *latency.Source) error {
	s.queues = queue.New(queue.Options{
		Region: Region, Account: Account, BaseURL: s.aws.url(), Rand: fault.Rand(c.Seed, "queue"),
		Latency: draws.Of(c.Latency.QueueToFunction), Duplicate: fault.Chance(c.Seed, "duplicate", c.Faults.Duplicate),
	})
	// A queue may name its dead-letter queue only when that exists: in rounds, those first whose own exist.
	waiting := s.graph.Queues
	for len(waiting) > 0 {
		var later []template.Queue
		for _, q := range waiting {
			if q.DeadLetterARN != "" && !s.hasQueue(q.DeadLetterARN) {
				later = append(later, q)
				continue
			}
			if err := s.addQueue(q); err != nil {
				return fmt.Errorf("%s: %w", s.at(q.LogicalID), err)
			}
		}
		if len(later) == len(waiting) {
			return fmt.Errorf("%s: its dead-letter queue %s does not come to exist", s.at(later[0].LogicalID), later[0].DeadLetterARN)
		}
		waiting = later
	}
	return nil
}

func (s *Stack) hasQueue(arn string) bool {
	_, ok := s.queues.Lookup(arn)
	return ok
}

func (s *Stack) addQueue(q template.Queue) error {
	cfg := queue.Config{
		Name: q.Name, VisibilityTimeout: &q.VisibilityTimeout, Retention: q.Retention, Delay: q.Delay,
		ReceiveWait: q.ReceiveWait, MaximumMessageSize: q.MaximumMessageSize, SSE: &q.SSE,
	}
	if q.DeadLetterARN != "" {
		cfg.DeadLetter = &queue.DeadLetter{TargetARN: q.DeadLetterARN, MaxReceiveCount: q.MaxReceiveCount}
	}
	if q.RedrivePermission != "" {
		cfg.RedriveAllow = &queue.RedriveAllow{Permission: q.RedrivePermission, SourceARNs: q.RedriveSources}
	}
	for _, p := range s.graph.QueuePolicies {
		for _, url := range p.QueueURLs {
			if url == q.URL {
				cfg.Policy = string(p.Policy)
			}
		}
	}
	_, err := s.queues.Create(cfg)
	return err
}

func (s *Stack) addBus(c Config, draws *latency.Source) error {
	slow, late := draws.Of(c.Latency.BusToTarget), fault.Delay(c.Seed, "delay", c.Faults.Delay)
	opts := bus.Options{
		Region: Region, Account: Account, Target: s.target,
		PutLatency: draws.Of(c.Latency.PutEvents), DeliveryLatency: sum(slow, late),
		Random: rand.NewPCG(c.Seed, 1), Log: s.log,
	}
	if refuse := fault.Chance(c.Seed, "putevents", c.Faults.PutEvents); refuse != nil {
		opts.FailEntry = func() (string, bool) { return "InternalFailure", refuse() }
	}
	s.bus = bus.New(opts)
	for _, b := range s.graph.Buses {
		if err := s.bus.CreateBus(b.Name); err != nil {
			return fmt.Errorf("%s: %w", s.at(b.LogicalID), err)
		}
	}
	for _, r := range s.graph.Rules {
		rule := bus.Rule{Name: r.Name, Bus: r.Bus, Description: r.Description, Pattern: r.Pattern, Schedule: r.Schedule, Enabled: r.Enabled}
		for _, t := range r.Targets {
			target := bus.TargetConfig{
				ID: t.ID, ARN: t.ARN, Input: t.Input, InputPath: t.InputPath, DeadLetterARN: t.DeadLetterARN,
				Retry: bus.RetryPolicy{MaximumRetryAttempts: &t.MaximumRetries, MaximumEventAge: t.MaximumAge},
			}
			if t.Transformer != nil {
				target.InputTransformer = &bus.InputTransformer{PathsMap: t.Transformer.Paths, Template: t.Transformer.Template}
			}
			rule.Targets = append(rule.Targets, target)
		}
		if err := s.bus.CreateRule(rule); err != nil {
			return fmt.Errorf("%s: %w", s.at(r.LogicalID), err)
		}
	}
	return nil
}

// sum adds what two functions draw; either may be nil.
func sum(a, b func() time.Duration) func() time.Duration {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func() time.Duration { return a() + b() }
}

// target finds the queue or function that a rule sends to.
func (s *Stack) target(arn string) (bus.Target, bool) {
	if q, ok := s.queues.Lookup(arn); ok {
		return queueTarget{q}, true
	}
	for _, f := range s.graph.Functions {
		if f.ARN == strings.TrimSuffix(arn, ":$LATEST") { // the only version there is
			return functionTarget{s.functions, f.Name}, true
		}
	}
	return nil, false
}

// A functionTarget is invoked asynchronously, as EventBridge does it: what becomes of the event then is Lambda's affair. One
// that is larger than Lambda takes, 1 MB with its envelope, is refused, and so goes to the rule's dead-letter queue.
type functionTarget struct {
	functions *function.Service
	name      string
}

func (t functionTarget) Deliver(_ context.Context, body []byte, traceHeader string, _ map[string]string) error {
	return t.functions.InvokeAsync(function.Request{Function: t.name, Payload: body, TraceHeader: traceHeader})
}

type queueTarget struct{ queue *queue.Queue }

func (t queueTarget) Deliver(ctx context.Context, body []byte, traceHeader string, attributes map[string]string) error {
	m := queue.Message{Body: string(body), TraceHeader: traceHeader}
	if attributes != nil {
		m.Attributes = make(map[string]queue.Attribute, len(attributes))
		for name, value := range attributes {
			m.Attributes[name] = queue.Attribute{DataType: "String", StringValue: value}
		}
	}
	_, err := t.queue.Send(ctx, m)
	return err
}

func (s *Stack) addFunctions(c Config, draws *latency.Source, binaries map[string]string) error {
	killed := fault.Chance(c.Seed, "kill", c.Faults.Kill)
	var told sync.Map // functions, by name: one that does not start is tried again and again
	opts := function.Options{
		Region: Region, Account: Account, AccountConcurrency: c.AccountConcurrency,
		Environment: map[string]string{
			"AWS_ENDPOINT_URL":             s.aws.url(),
			"AWS_ENDPOINT_URL_DYNAMODB":    s.aws.url(),
			"AWS_ENDPOINT_URL_EVENTBRIDGE": s.aws.url(),
			"AWS_ENDPOINT_URL_SQS":         s.aws.url(),
			"AWS_XRAY_DAEMON_ADDRESS":      s.watch.DaemonAddress(),
		},
		ColdStart: draws.Of(c.Latency.ColdStart), Throttle: fault.Chance(c.Seed, "throttle function", c.Faults.Throttle),
		Sample: func() bool { // no rule of the template decides about traces that begin at a function
			return s.watch.Sample(sampling.Request{ServiceName: "*", ServiceType: "AWS::Lambda::Function"})
		},
		Observe: s.watch.Invocation, Logger: s.log,
		InitFailed: func(name string, err error) {
			if _, again := told.LoadOrStore(name, true); !again {
				s.log.Warn("a function does not start, and what it is for waits", "function", name, "error", err)
			}
		},
	}
	if c.LogLine != nil {
		opts.Log = func(group string, line function.Line) { c.LogLine(group, line.Message) }
	}
	if killed != nil {
		after := fault.Delay(c.Seed, "kill after", 20*time.Millisecond)
		opts.Kill = func() (time.Duration, bool) { return after(), killed() }
	}
	s.functions = function.New(opts)
	for _, f := range s.graph.Functions {
		err := s.functions.Create(function.Config{
			Name: f.Name, Binary: binaries[f.CodeURI], Handler: f.Handler, Timeout: f.Timeout, MemoryMB: f.MemoryMB,
			Environment: maps.Clone(f.Environment), ReservedConcurrency: f.ReservedConcurrency,
			LogGroup: f.LogGroup, LogFormat: f.LogFormat, Tracing: f.Tracing,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.at(f.LogicalID), err)
		}
	}
	return nil
}

// invoker lets mappings invoke functions.
type invoker struct{ functions *function.Service }

func (i invoker) Invoke(ctx context.Context, name string, payload []byte, traces []string) (mapping.Result, error) {
	out, err := i.functions.Invoke(ctx, function.Request{Function: name, Payload: payload, Messages: traces})
	if function.Throttled(err) {
		return mapping.Result{}, fmt.Errorf("%w: %w", mapping.ErrThrottled, err)
	}
	if err != nil {
		return mapping.Result{}, err
	}
	return mapping.Result{Payload: out.Payload, FunctionError: out.FunctionError}, nil
}

// nameOf is the name at the end of a function's ARN.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

func (s *Stack) addMappings() error {
	for _, m := range s.graph.Mappings {
		q, ok := s.queues.Lookup(m.QueueARN)
		if !ok {
			return fmt.Errorf("%s: there is no queue %s", s.at(m.LogicalID), m.QueueARN)
		}
		var filters []string
		for _, f := range m.Filters {
			filters = append(filters, string(f))
		}
		_, err := s.mappings.Create(mapping.Config{
			ID: m.ID, Queue: q, Function: nameOf(m.FunctionARN), BatchSize: m.BatchSize,
			Window: m.Window, MaxConcurrency: m.MaximumConcurrency, ReportBatchItemFailures: m.ReportBatchItemFailures,
			Filters: filters, Disabled: !m.Enabled,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.at(m.LogicalID), err)
		}
	}
	return nil
}

// makeAPI makes the template's REST API.
func (s *Stack) makeAPI(c Config) (*gateway.Gateway, error) {
	if len(s.graph.APIs) != 1 {
		return nil, fmt.Errorf("stack: the template has %d APIs; one is due", len(s.graph.APIs))
	}
	a := s.graph.APIs[0]
	opts := gateway.Options{
		Name: a.Name, ID: a.ID, Stage: a.Stage, Region: Region, Account: Account,
		RatePerSecond: a.ThrottleRate, Burst: a.ThrottleBurst,
		Sample: func() bool {
			return s.watch.Sample(sampling.Request{ServiceName: a.Name + "/" + a.Stage, ServiceType: "AWS::ApiGateway::Stage"})
		},
		Invoke: func(ctx context.Context, name string, payload []byte, traceHeader string) ([]byte, string, error) {
			out, err := s.functions.Invoke(ctx, function.Request{Function: name, Payload: payload, TraceHeader: traceHeader})
			return out.Payload, out.FunctionError, err
		},
	}
	stage := native.API{ID: a.ID, URL: s.api.url()}
	opts.AccessLog = func(record gateway.AccessRecord) {
		s.watch.Stage(stage, record)
		if c.LogLine == nil || a.AccessLogGroup == "" {
			return
		}
		line, err := json.Marshal(record)
		if err != nil {
			line = []byte(err.Error())
		}
		c.LogLine(a.AccessLogGroup, string(line))
	}
	for _, r := range a.Routes {
		opts.Routes = append(opts.Routes, gateway.Route{Method: r.Method, Path: r.Path, Function: nameOf(r.FunctionARN)})
	}
	api, err := gateway.New(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.at(a.LogicalID), err)
	}
	return api, nil
}

// addWatch starts X-Ray and CloudWatch Logs, with the template's sampling rules and groups.
func (s *Stack) addWatch(ctx context.Context, c Config) (err error) {
	o := watch.Options{Region: Region, Account: Account, Daemon: c.XRay, Random: rand.New(rand.NewPCG(c.Seed, 2)), Log: s.log}
	for _, r := range s.graph.SamplingRules {
		o.Rules = append(o.Rules, sampling.Rule{
			Name: r.Name, ARN: r.ARN, ResourceARN: r.ResourceARN, Priority: r.Priority, FixedRate: r.FixedRate, ReservoirSize: r.ReservoirSize,
			ServiceName: r.ServiceName, ServiceType: r.ServiceType, Host: r.Host, HTTPMethod: r.HTTPMethod, URLPath: r.URLPath, Version: 1,
		})
	}
	for _, g := range s.graph.TraceGroups {
		o.Groups = append(o.Groups, xray.Group{Name: g.Name, ARN: g.ARN, Expression: g.FilterExpression})
	}
	s.watch, err = watch.Start(ctx, o)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &AddressError{"XRay", c.XRay, errTaken}
	}
	return err
}
