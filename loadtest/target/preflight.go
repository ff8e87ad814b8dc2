package target

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/sim"
)

// A Plan is the size of what is to be done to a stack on AWS.
type Plan struct {
	Subjects    int           // of all loads together
	Rate        float64       // subjects per second, at the most
	Concurrency int           // MaximumConcurrency of the requests mapping, at the most; 0 for as it is
	Batch       int           // 0 for as it is
	Work        time.Duration // of a subject
}

// A Preflight says what a plan takes of the account, before it is begun.
type Preflight struct {
	Setup   results.Setup
	Uses    []Use
	CostUSD float64        // about, and rather too much
	Cost    []sim.CostItem // its lines
	Prices  string         // of when and where
}

// A Use is how much of a quota a plan takes.
type Use struct {
	Quota      string
	Need, Have float64
}

// Share returns which part of the quota is taken.
func (u Use) Share() float64 { return u.Need / u.Have }

func (u Use) String() string {
	return fmt.Sprintf("%s: %.0f of %.0f (%.0f %%)", u.Quota, u.Need, u.Have, 100*u.Share())
}

// MaxShare is how much of any quota a load test may take: the account has others to serve.
const MaxShare = 0.5

// Per subject, where nothing is batched: a subject's request and its answer each go over the bus, through a queue, and in
// an invocation; so does the API's request.
const (
	eventsOfSubject      = 2
	invocationsOfSubject = 3
	queueCallsOfSubject  = 2 * 3 // send, receive, delete
	readsOfSubject       = 10    // of its HEAD and its answer by Observe, which looks more than once
	apiTime              = 0.1   // seconds that a request keeps the API's function, with all its calls; a cold one takes longer
)

// Preflight compares a plan with the account's concurrency, as it is, and with the quotas that AWS gives an account in
// the region by default ([sim.QuotasOf]), and estimates what it costs. Its error names the quotas of which it would take more than
// MaxShare; what it returns then says how much.
func (s *Stack) Preflight(ctx context.Context, p Plan) (*Preflight, error) {
	if p.Subjects < 1 || !(p.Rate > 0) || math.IsInf(p.Rate, 1) || p.Concurrency < 0 || p.Batch < 0 || p.Work < 0 || p.Work > maxWork {
		return nil, fmt.Errorf("target: a plan of %d subjects at %v/s, MaximumConcurrency %d, batches of %d, work of %v", p.Subjects, p.Rate, p.Concurrency, p.Batch, p.Work)
	}
	setup, err := s.Setup(ctx)
	if err != nil {
		return nil, err
	}
	quotas, err := sim.QuotasOf(s.config.Region)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if p.Concurrency == 0 {
		p.Concurrency = setup.Concurrency
	}
	if p.Concurrency == 0 { // no maximum: the account's
		p.Concurrency = setup.AccountConc
	}
	if p.Batch == 0 {
		p.Batch = setup.Batch
	}
	system := sim.Template(p.Work)
	writes := system.Accept.WriteUnits + system.Responses.WriteUnits
	f := &Preflight{Setup: setup, Uses: []Use{
		{"API Gateway requests a second", p.Rate, quotas.APIRate},
		{"EventBridge PutEvents calls a second in " + s.config.Region, eventsOfSubject * p.Rate, quotas.PutEventsRate},
		{"EventBridge deliveries a second in " + s.config.Region, eventsOfSubject * p.Rate, quotas.BusInvocations},
		{"Lambda concurrency of the account", float64(p.Concurrency+setup.ResponsesConc) + math.Ceil(apiTime*p.Rate), float64(setup.AccountConc)},
		{"Lambda invocations a second", invocationsOfSubject * p.Rate, quotas.InvokeRate * float64(setup.AccountConc)},
		{"SQS messages in flight of a queue", float64(p.Concurrency * p.Batch), float64(quotas.InFlight)},
		{"DynamoDB write units a second of a new table", writes * p.Rate, quotas.TableWarm},
	}}
	if rate, err := strconv.ParseFloat(s.parameters["ThrottleRate"], 64); err == nil && rate < quotas.APIRate {
		f.Uses = append(f.Uses, Use{"requests a second of the API's stage (ThrottleRate)", p.Rate, rate})
	}
	prices := sim.USEast1()
	f.Prices = prices.Region + ", " + prices.Date
	f.Cost, f.CostUSD = prices.Cost(s.usage(p, system))
	var above []error
	for _, u := range f.Uses {
		if !(u.Share() <= MaxShare) {
			above = append(above, errors.New(u.String()))
		}
	}
	if len(above) > 0 {
		return f, fmt.Errorf("target: the plan takes more than %.0f %% of a quota: %s", 100*MaxShare, join(above))
	}
	return f, nil
}

func join(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// usage is what a plan is billed for, if no two subjects share a batch.
func (s *Stack) usage(p Plan, system sim.System) sim.Usage {
	n := float64(p.Subjects)
	latencies := sim.AWS2026()
	accept := system.Accept.Work + time.Duration(system.Accept.TableCalls)*latencies.Table.Median + latencies.PutEvents.Median
	handle := system.Requests.Overhead + system.Requests.Work + latencies.PutEvents.Median
	store := system.Responses.Overhead + time.Duration(system.Responses.TableCalls)*latencies.Table.Median
	memory := func(mb int) float64 { return float64(mb) / 1024 }
	rate, err := strconv.ParseFloat(s.parameters["TraceSampleRate"], 64)
	if err != nil {
		rate = 1
	}
	traces := rate
	if s.parameters["QueueFunctionTracing"] != "PassThrough" { // the two invocations have traces of their own
		traces *= invocationsOfSubject
	}
	return sim.Usage{
		APIRequests: n, EventChunks: eventsOfSubject * n * math.Ceil(float64(system.EventBytes)/float64(sim.USEast1().ChunkBytes)),
		QueueRequests: queueCallsOfSubject * n, Invocations: invocationsOfSubject * n,
		GBSeconds:  n * (accept.Seconds()*memory(system.Accept.MemoryMB) + handle.Seconds()*memory(system.Requests.MemoryMB) + store.Seconds()*memory(system.Responses.MemoryMB)),
		WriteUnits: n * (system.Accept.WriteUnits + system.Responses.WriteUnits), ReadUnits: n * readsOfSubject,
		LogBytes: n * invocationsOfSubject * system.LogBytes, Traces: n * traces,
	}
}
