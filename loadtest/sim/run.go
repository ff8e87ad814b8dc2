package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// A Config is everything that a simulation depends on: equal ones have equal results.
type Config struct {
	System    System
	Quotas    Quotas
	Latencies Latencies
	Prices    Prices

	Load   *schedule.Schedule
	Drain  time.Duration // how long to go on after the load; it ends sooner when all have ended
	Step   time.Duration // of the series; 0 for a second
	Cohort int64         // k: subjects that one token stands for; 0 for as many as make at most TokensByDefault
	Seed   uint64
}

const (
	TokensByDefault = 500_000
	MaxTokens       = 50_000_000
	maxSamples      = 1_000_000
)

// A Limit is something that a load may run into.
type Limit string

const (
	APIThrottle          Limit = "API throttle"
	AccountConcurrency   Limit = "account concurrency"
	NewEnvironments      Limit = "new environments of a function"
	InvokeRate           Limit = "invocations a second"
	APIReserved          Limit = "reserved concurrency of api_lambda"
	HandlerReserved      Limit = "reserved concurrency of the handler"
	PutEventsQuota       Limit = "PutEvents quota"
	BusQuota             Limit = "bus delivery quota"
	RequestsConcurrency  Limit = "requests MaximumConcurrency"
	RequestsRamp         Limit = "requests mapping ramp"
	RequestsInFlight     Limit = "requests in flight"
	ResponsesConcurrency Limit = "responses MaximumConcurrency"
	ResponsesRamp        Limit = "responses mapping ramp"
	ResponsesInFlight    Limit = "responses in flight"
	TableThroughput      Limit = "table write throughput"
)

// Limits lists all limits in the order in which a subject meets them.
var Limits = []Limit{
	APIThrottle, InvokeRate, AccountConcurrency, APIReserved, HandlerReserved, NewEnvironments, TableThroughput, PutEventsQuota, BusQuota,
	RequestsRamp, RequestsConcurrency, RequestsInFlight, ResponsesRamp, ResponsesConcurrency, ResponsesInFlight,
}

// A LimitUse is what a limit did to subjects.
type LimitUse struct {
	Limit   Limit
	Refused int64 // answered with 429 or 503, for good
	Dead    int64 // given up into a dead-letter queue
	Peak    int64 // behind because of it, in the worst step
	Behind  int64 // and in the last step of the load
}

// Held returns how many subjects the limit held back, those that it only delayed for a while left out.
func (l LimitUse) Held() int64 { return l.Refused + l.Dead + l.Behind }

// Counts says where the subjects are in the end: Sent = Rejected + Dead + Done + InSystem.
type Counts struct {
	Sent, Accepted, Rejected, Dead, Done, InSystem int64
}

// A Sample is what happened in a step, and where subjects are at the end of it.
type Sample struct {
	Offered, Accepted, Rejected, Completed int64 // in the step
	Bus                                    int64 // on the bus, or on their way into a queue
	Requests, Responses                    int64 // in a queue: visible, or hidden until they come back
	Service                                int64 // in an invocation
}

// Backlog returns how many subjects are on the bus, in queues and in invocations of handler and sink.
func (s Sample) Backlog() int64 { return s.Bus + s.Requests + s.Responses + s.Service }

// Phases are the means of where the time of a completed subject went.
type Phases struct {
	Accept   time.Duration // due ... on the bus
	Request  time.Duration // ... in an invocation of the handler
	Service  time.Duration // ... answer published
	Response time.Duration // ... in an invocation of the sink
	Store    time.Duration // ... stored
}

// A Result is what a simulation has seen.
type Result struct {
	Cohort int64 // k, as it was used
	Counts Counts
	Ended  time.Duration // simulated
	Last   time.Duration // when the last subject was done or given up
	Events uint64        // of the simulation

	Step   time.Duration
	Series []Sample

	EndToEnd *stats.Latencies // due ... stored
	Answered *stats.Latencies // due ... 202
	Phases   Phases

	Batches, Received [2]int64 // of requests and responses: invocations, and subjects in them

	Limits  []LimitUse // those that held somebody back, the worst one first
	Peak    int64      // the greatest backlog at the end of a step
	Drain   time.Duration
	Drained bool // Drain is from the end of the load until all had ended

	Usage          Usage      // of the whole simulation
	PerMillion     []CostItem // US dollars for a million completed subjects, at this usage
	PerMillionCost float64
}

// Binding returns the limit that held most subjects back, unless it is less than one in a hundred: then none binds. A ramp that a
// load had to wait for, and that is over when the load ends, does not.
func (r *Result) Binding() (LimitUse, bool) {
	if len(r.Limits) == 0 || r.Limits[0].Held()*100 < r.Counts.Sent {
		return LimitUse{}, false
	}
	return r.Limits[0], true
}

// Batch returns the mean number of subjects that an invocation received of the requests queue (0) or the responses queue (1).
func (r *Result) Batch(leg int) float64 {
	if r.Batches[leg] == 0 {
		return 0
	}
	return float64(r.Received[leg]) / float64(r.Batches[leg])
}

func (c *Config) check() error {
	if c.Load == nil {
		return errors.New("no load")
	}
	for _, err := range []error{c.Quotas.check(), c.Latencies.check()} {
		if err != nil {
			return err
		}
	}
	if err := c.System.check(c.Quotas); err != nil {
		return fmt.Errorf("system: %w", err)
	}
	if c.Step == 0 {
		c.Step = time.Second
	}
	total := c.Load.Duration() + c.Drain
	switch {
	case c.Step < time.Millisecond:
		return fmt.Errorf("steps of %v: at least 1ms", c.Step)
	case c.Drain < 0 || c.Drain > schedule.MaxDuration:
		return fmt.Errorf("drain of %v: 0 to %v", c.Drain, schedule.MaxDuration)
	case total/c.Step > maxSamples:
		return fmt.Errorf("%v in steps of %v: at most %d steps", total, c.Step, maxSamples)
	case c.Cohort < 0 || c.Cohort > 1e9:
		return fmt.Errorf("cohorts of %d: 1 to 10⁹, or 0", c.Cohort)
	}
	if c.Cohort == 0 {
		c.Cohort = int64((c.Load.Total() + TokensByDefault - 1) / TokensByDefault)
		c.Cohort = max(c.Cohort, 1)
	}
	if tokens := int64(c.Load.Total()) / c.Cohort; tokens > MaxTokens {
		return fmt.Errorf("%d tokens of %d subjects: at most %d; a greater cohort makes fewer", tokens, c.Cohort, MaxTokens)
	}
	return nil
}

// Run simulates a load on a system. It returns early, with ctx's error and no result, when ctx is done.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s := newSimulation(c)
	for {
		e, ok := s.events.pop()
		if !ok {
			break
		}
		if s.result.Events++; s.result.Events%(1<<16) == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("sim: interrupted after %v of simulated time: %w", time.Duration(s.now).Round(time.Second), err)
			}
		}
		s.now = e.at
		if s.handle(e); s.over() {
			break
		}
	}
	return s.report(), nil
}
