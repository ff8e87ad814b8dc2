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

	// Of each leg: what it can do; how many of its invocations run at a rate, and are begun a second; how many may run, and how
	// many have to; and how many would run if they might.
	type use struct{ rate, running, begun, publishes, most, least, raised float64 }
	use1 := func(l Leg, rate float64) use {
		full := c.Capacity(l)
		invocation := full.Invocation().Seconds()
		most := float64(full.Concurrency)
		// One subject in each as long as pollers wait; then batches fill, and invocations are as many as they can be.
		alone := (l.Overhead + c.service(l, 1)).Seconds()
		turn := min(full.Batch, float64(full.Parallelism))
		u := use{
			rate: most * full.Batch / invocation, running: min(most, rate*alone), begun: min(rate, most/invocation),
			most: most, least: rate * invocation / full.Batch,
		}
		u.raised = min(max(most, u.least), rate*alone)
		u.publishes = min(rate, u.rate/min(10, turn))
		return u
	}
	both := func(rate float64, f func(use) float64) float64 {
		return f(use1(s.Requests, rate)) + f(use1(s.Responses, rate))
	}
	running := func(rate float64) float64 {
		return rate*accept + both(rate, func(u use) float64 { return u.running })
	}
	begun := func(rate float64) float64 { return rate + both(rate, func(u use) float64 { return u.begun }) }
	puts := func(rate float64) float64 { return rate + use1(s.Requests, rate).publishes }

	units := s.Accept.WriteUnits + s.Requests.WriteUnits + s.Responses.WriteUnits
	if s.Requests.Publishes {
		units -= s.Requests.WriteUnits // a handler that publishes does not write
	}
	concurrency := float64(q.Concurrency)
	turn := min(float64(q.batch(s.Requests, s.EventBytes)), float64(s.Requests.Parallelism), 10)
	ceilings := []Ceiling{
		{APIThrottle, min(q.APIRate, s.ThrottleRate), "requests a second of stage and account", min(q.APIRate, s.ThrottleRate), wanted, math.Inf(1)},
		{AccountConcurrency, highest(running, concurrency), "concurrent executions of the account", concurrency, wanted*accept + both(wanted, func(u use) float64 { return u.raised }), math.Inf(1)},
		{InvokeRate, highest(begun, q.InvokeRate*concurrency), "concurrent executions of the account", concurrency, begun(wanted) / q.InvokeRate, math.Inf(1)},
		{PutEventsQuota, highest(puts, q.PutEventsRate), "PutEvents calls a second", q.PutEventsRate, wanted + wanted/turn, math.Inf(1)},
		{BusQuota, q.BusInvocations / 2, "bus deliveries a second", q.BusInvocations, 2 * wanted, math.Inf(1)},
	}
	if units > 0 {
		ceilings = append(ceilings, Ceiling{TableThroughput, min(q.TableWarm, q.TableQuota) / units, "warm write units of the table", min(q.TableWarm, q.TableQuota), wanted * units, math.Inf(1)})
	}
	for _, l := range []struct {
		Leg
		full, inFlight Limit
	}{{s.Requests, RequestsConcurrency, RequestsInFlight}, {s.Responses, ResponsesConcurrency, ResponsesInFlight}} {
		u := use1(l.Leg, wanted)
		ceilings = append(ceilings, Ceiling{l.full, u.rate, "MaximumConcurrency of the mapping", u.most, u.least, float64(min(q.MaximumConcurrency, q.MappingMax))})
		if held := u.most * float64(q.batch(l.Leg, s.EventBytes)); held > float64(q.InFlight) {
			ceilings = append(ceilings, Ceiling{l.inFlight, u.rate * float64(q.InFlight) / held, "messages in flight", float64(q.InFlight), held, float64(q.InFlight)})
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
