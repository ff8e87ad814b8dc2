package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"example.com/arvo/loadtest/stats"
)

// A Ceiling is the rate at which a limit is reached, by arithmetic: what a simulation should find, and what to raise next.
type Ceiling struct {
	Limit   Limit
	Rate    float64 // subjects a second, in the long run
	Setting string  // what to raise
	Have    float64 // what the setting is
	Need    float64 // what it has to be for the rate that is wanted
	Most    float64 // what it can be; +Inf where AWS decides on request
}

// Enough reports whether the setting is high enough for the rate that is wanted.
func (c Ceiling) Enough() bool { return c.Need <= c.Have*(1+1e-9) }

// Possible reports whether it can be.
func (c Ceiling) Possible() bool { return c.Need <= c.Most }

// String formats the ceiling as "PutEvents quota at 9091/s: PutEvents calls a second, 10000 -> 11000".
func (c Ceiling) String() string {
	s := fmt.Sprintf("%s at %.0f/s: %s, %.0f", c.Limit, c.Rate, c.Setting, c.Have)
	switch {
	case c.Enough():
		return s + " is enough"
	case !c.Possible():
		return fmt.Sprintf("%s -> %.0f, and %.0f is the most", s, math.Ceil(c.Need), c.Most)
	}
	return fmt.Sprintf("%s -> %.0f", s, math.Ceil(c.Need))
}

// Capacity returns what the consumers of a leg can do with full batches, by the formula of package stats. Its service time is the work
// on a subject and, of the calls that are made side by side, the slowest on the average.
func (c Config) Capacity(l Leg) stats.Capacity {
	batch := c.Quotas.batch(l, c.System.EventBytes)
	return stats.Capacity{
		Concurrency: int(c.Quotas.pollers(l)), Batch: float64(batch), Parallelism: l.Parallelism,
		Overhead: l.Overhead, Service: c.service(l, float64(min(batch, int64(l.Parallelism)))),
	}
}

// service returns how long a turn of m subjects takes.
func (c Config) service(l Leg, m float64) time.Duration {
	calls := c.Latencies.Table.lognormal().times(l.TableCalls)
	if l.Publishes {
		calls = c.Latencies.PutEvents.lognormal()
	}
	return l.Work + time.Duration(calls.greatest(m))
}

// Ceilings returns the rates at which limits are reached in the long run, the lowest first, and what each setting has to be
// for a rate that is wanted. The ramps of mappings and functions are not among them: they end.
//
// Invocations and PutEvents calls are counted for batches of one, as pollers that wait make them. A system that reaches the
// ceiling of those may go on above it, as its queues back up and batches fill.
func (c Config) Ceilings(wanted float64) ([]Ceiling, error) {
	for _, err := range []error{c.Quotas.check(), c.Latencies.check(), c.System.check(c.Quotas)} {
		if err != nil {
			return nil, fmt.Errorf("sim: %w", err)
		}
	}
	if !(wanted >= 0 && wanted <= 1e9) {
		return nil, fmt.Errorf("sim: %v subjects a second: 0 to 10⁹", wanted)
	}
	q, s := c.Quotas, c.System
	write := c.Latencies.Table.lognormal()
	accept := s.Accept.Work.Seconds() + write.times(s.Accept.TableCalls).greatest(1)/1e9 + c.Latencies.PutEvents.lognormal().greatest(1)/1e9

	handler, sink := c.consumer(s.Requests), c.consumer(s.Responses)
	running := func(rate float64) float64 {
		return rate*accept + handler.running(rate) + sink.running(rate)
	}
	begun := func(rate float64) float64 { return rate + handler.begun(rate) + sink.begun(rate) }
	puts := func(rate float64) float64 { return rate + min(rate, handler.rate/handler.turn) }

	units := s.Accept.WriteUnits + s.Responses.WriteUnits
	concurrency := float64(q.Concurrency)
	ceilings := []Ceiling{
		{APIThrottle, min(q.APIRate, s.ThrottleRate), "requests a second of stage and account", min(q.APIRate, s.ThrottleRate), wanted, math.Inf(1)},
		{AccountConcurrency, highest(running, concurrency), "concurrent executions of the account", concurrency, wanted*accept + handler.raised(wanted) + sink.raised(wanted), math.Inf(1)},
		{InvokeRate, highest(begun, q.InvokeRate*concurrency), "concurrent executions of the account", concurrency, begun(wanted) / q.InvokeRate, math.Inf(1)},
		{PutEventsQuota, highest(puts, q.PutEventsRate), "PutEvents calls a second", q.PutEventsRate, wanted + wanted/handler.turn, math.Inf(1)},
		{BusQuota, q.BusInvocations / 2, "bus deliveries a second", q.BusInvocations, 2 * wanted, math.Inf(1)},
	}
	if units > 0 {
		ceilings = append(ceilings, Ceiling{TableThroughput, min(q.TableWarm, q.TableQuota) / units, "warm write units of the table", min(q.TableWarm, q.TableQuota), wanted * units, math.Inf(1)})
	}
	if reserved := float64(s.Accept.Reserved); reserved > 0 {
		api := func(rate float64) float64 { return rate*accept + sink.running(rate) }
		ceilings = append(ceilings, Ceiling{APIReserved, highest(api, reserved), "reserved concurrency of api_lambda", reserved, wanted*accept + sink.raised(wanted), math.Inf(1)})
	}
	if reserved := float64(s.Requests.Reserved); reserved > 0 {
		ceilings = append(ceilings, Ceiling{HandlerReserved, highest(handler.running, reserved), "reserved concurrency of the handler", reserved, handler.raised(wanted), math.Inf(1)})
	}
	for _, l := range []struct {
		consumer
		full, inFlight Limit
	}{{handler, RequestsConcurrency, RequestsInFlight}, {sink, ResponsesConcurrency, ResponsesInFlight}} {
		ceilings = append(ceilings, Ceiling{l.full, l.rate, "MaximumConcurrency of the mapping", l.most, l.least(wanted), float64(min(q.MaximumConcurrency, q.MappingMax))})
		if held := l.most * l.batch; held > float64(q.InFlight) {
			ceilings = append(ceilings, Ceiling{l.inFlight, l.rate * float64(q.InFlight) / held, "messages in flight", float64(q.InFlight), min(held, wanted*l.invocation), float64(q.InFlight)})
		}
	}
	slices.SortStableFunc(ceilings, func(a, b Ceiling) int {
		switch {
		case a.Rate < b.Rate:
			return -1
		case a.Rate > b.Rate:
			return 1
		}
		return 0
	})
	return ceilings, nil
}

// A consumer is what a leg does at a rate, by arithmetic.
type consumer struct {
	rate       float64 // subjects a second, at most
	batch      float64 // subjects of a full invocation
	most       float64 // invocations at a time, at most
	invocation float64 // seconds that a full one takes
	alone      float64 // seconds that one with a single subject takes
	turn       float64 // events of a PutEvents call, when turns are full
}

func (c Config) consumer(l Leg) consumer {
	full := c.Capacity(l)
	invocation := full.Invocation().Seconds()
	return consumer{
		rate: float64(full.Concurrency) * full.Batch / invocation, batch: full.Batch, most: float64(full.Concurrency),
		invocation: invocation, alone: (l.Overhead + c.service(l, 1)).Seconds(),
		turn: min(full.Batch, float64(l.Parallelism), 10),
	}
}

// running returns how many invocations run at a rate. There is one subject in each as long as pollers wait; then batches fill.
func (c consumer) running(rate float64) float64 { return min(c.most, rate*c.alone) }

// begun returns how many begin in a second.
func (c consumer) begun(rate float64) float64 { return min(rate, c.most/c.invocation) }

// least returns how many have to run, with full batches.
func (c consumer) least(rate float64) float64 { return rate * c.invocation / c.batch }

// raised returns how many run at a rate when as many may as have to.
func (c consumer) raised(rate float64) float64 {
	return min(max(c.most, c.least(rate)), rate*c.alone)
}

// highest returns the rate at which something that grows with it reaches a limit.
func highest(use func(rate float64) float64, limit float64) float64 {
	low, high := 0.0, 1e9
	if use(high) <= limit {
		return math.Inf(1)
	}
	for range 60 {
		if middle := (low + high) / 2; use(middle) <= limit {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
