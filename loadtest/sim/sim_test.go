package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/sim"
	"example.com/arvo/loadtest/stats"
)

const ms = time.Millisecond

// config returns the template's system in us-east-1 with a constant load.
func config(t interface{ Fatal(...any) }, rate float64, d time.Duration) sim.Config {
	q, err := sim.QuotasOf("us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	return sim.Config{System: sim.Template(50 * ms), Quotas: q, Latencies: sim.AWS2026(), Prices: sim.USEast1(), Load: constant(t, rate, d), Drain: 2 * time.Hour}
}

func constant(t interface{ Fatal(...any) }, rate float64, d time.Duration) *schedule.Schedule {
	s, err := schedule.New(schedule.Constant("hold", rate, d))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unlimited raises all quotas beyond what any load of these tests needs.
func unlimited(c sim.Config) sim.Config {
	c.System.ThrottleRate, c.System.ThrottleBurst = 1e9, 1e9
	c.System.Requests.Concurrency, c.System.Responses.Concurrency = 2000, 2000
	q := &c.Quotas
	q.APIRate, q.APIBurst, q.PutEventsRate, q.BusInvocations = 1e9, 1e9, 1e9, 1e9
	q.Concurrency, q.NewEnvironments.Count = 1e8, 1e8
	q.MaximumConcurrency, q.MappingMax, q.MappingInitial = 1e6, 1e6, 1e6
	q.InFlight, q.TableWarm, q.TableQuota = 1e9, 1e9, 1e9
	return c
}

func run(t interface{ Fatal(...any) }, c sim.Config) *sim.Result {
	r, err := sim.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func within(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want) }

// completed returns the subjects that were completed a second in a part of the series.
func completed(r *sim.Result, from, to int) float64 {
	var n int64
	for _, s := range r.Series[from:to] {
		n += s.Completed
	}
	return float64(n) / (float64(to-from) * r.Step.Seconds())
}

func TestEverySubjectIsSomewhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := config(t, 1, time.Second)
		rate := rapid.Float64Range(0, 3000)
		load, err := schedule.New(
			schedule.Ramp("up", rate.Draw(t, "from"), rate.Draw(t, "to"), time.Duration(rapid.IntRange(1, 3000).Draw(t, "up"))*ms),
			schedule.Constant("hold", rate.Draw(t, "hold"), time.Duration(rapid.IntRange(1, 3000).Draw(t, "for"))*ms),
		)
		if err != nil {
			t.Fatal(err)
		}
		c.Load = load
		c.Cohort = rapid.SampledFrom([]int64{0, 1, 1, 7, 100, 10_000}).Draw(t, "cohort")
		c.Seed = rapid.Uint64().Draw(t, "seed")
		c.Drain = time.Duration(rapid.SampledFrom([]int{0, 1, 60, 7200}).Draw(t, "drain")) * time.Second
		if rapid.Bool().Draw(t, "no latency") {
			c.Latencies = sim.Latencies{}
		}
		quota := func(name string) float64 {
			return rapid.SampledFrom([]float64{1, 20, 500, 1e6}).Draw(t, name)
		}
		q, s := &c.Quotas, &c.System
		s.ThrottleRate, s.ThrottleBurst = quota("throttle"), quota("burst")
		q.PutEventsRate, q.BusInvocations, q.TableWarm = quota("puts"), quota("deliveries"), quota("table")
		q.Concurrency, q.NewEnvironments.Count, q.InvokeRate = int(quota("concurrency")), int(quota("environments")), quota("invokes")
		q.MappingInitial, q.InFlight = int(quota("pollers")), int64(quota("in flight"))
		for _, l := range []*sim.Leg{&s.Requests, &s.Responses} {
			l.Concurrency = rapid.SampledFrom([]int{0, 2, 10, 1000}).Draw(t, "MaximumConcurrency")
			l.BatchSize = rapid.SampledFrom([]int{1, 3, 10, 100}).Draw(t, "batch")
			l.Parallelism = rapid.SampledFrom([]int{1, 4, 10}).Draw(t, "parallelism")
			l.MaxReceives = rapid.IntRange(1, 3).Draw(t, "receives")
			l.Delay = time.Duration(rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "delay")) * time.Second
			if l.Window = time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "window")) * time.Second; l.Window == 0 {
				l.BatchSize = min(l.BatchSize, 10)
			}
			l.Work = time.Duration(rapid.IntRange(0, 100).Draw(t, "work")) * ms
		}
		if q.Concurrency == 500 {
			s.Accept.Reserved, s.Requests.Reserved = rapid.IntRange(0, 200).Draw(t, "reserved"), rapid.IntRange(0, 200).Draw(t, "of the handler")
		}
		r := run(t, c)
		n := r.Counts
		if n.Sent != int64(load.Total()) || n.Sent != n.Rejected+n.Dead+n.Done+n.InSystem {
			t.Fatalf("%d sent of %d: %+v", n.Sent, load.Total(), n)
		}
		if n.Rejected < 0 || n.Dead < 0 || n.Done < 0 || n.InSystem < 0 || n.Accepted > n.Sent-n.Rejected {
			t.Fatalf("%+v", n)
		}
		if n.Done != r.EndToEnd.N() || n.Accepted != r.Answered.N() {
			t.Fatalf("%d end-to-end latencies, %d of answers: %+v", r.EndToEnd.N(), r.Answered.N(), n)
		}
		if r.Drained != (n.InSystem == 0) {
			t.Fatalf("drained is %t: %+v", r.Drained, n)
		}
		var refused, given int64
		for _, l := range r.Limits {
			if l.Refused < 0 || l.Dead < 0 || l.Peak < 0 || l.Behind < 0 || l.Behind > l.Peak {
				t.Fatalf("%+v", l)
			}
			refused, given = refused+l.Refused, given+l.Dead
		}
		if refused != n.Rejected || given != n.Dead {
			t.Fatalf("limits refused %d and gave up %d: %+v", refused, given, n)
		}
		var offered, done int64
		for i, s := range r.Series {
			offered, done = offered+s.Offered, done+s.Completed
			if s.Offered < 0 || s.Accepted < 0 || s.Completed < 0 || s.Rejected < 0 || s.Bus < 0 || s.Requests < 0 || s.Responses < 0 || s.Service < 0 {
				t.Fatalf("step %d: %+v", i, s)
			}
		}
		if offered > n.Sent || done > n.Done {
			t.Fatalf("the series has %d offered and %d completed: %+v", offered, done, n)
		}
		if r.EndToEnd.Negative() != 0 || r.Phases.Accept < 0 || r.Phases.Request < 0 || r.Phases.Service < 0 || r.Phases.Response < 0 || r.Phases.Store < 0 {
			t.Fatalf("something took less than no time: %+v", r.Phases)
		}
	})
}

func TestLatencyIsTheSumOfTheHops(t *testing.T) {
	c := unlimited(config(t, 200, 100*time.Second))
	c.Latencies.ColdStart = sim.Distribution{}
	r := run(t, c)
	if n := r.Counts; n.Done != 20_000 || r.Batch(0) > 1.001 {
		t.Fatalf("%+v, batches of %v", n, r.Batch(0))
	}
	p := r.Phases
	if sum := p.Accept + p.Request + p.Service + p.Response + p.Store; (sum - r.EndToEnd.Mean()).Abs() > time.Microsecond {
		t.Errorf("phases sum up to %v of %v", sum, r.EndToEnd.Mean())
	}
	// Means of log-normals with the medians and 99th percentiles of AWS2026: median · exp(σ²/2), σ = ln(p99/median)/2.3263.
	mean := func(floor, median, p99 float64) float64 {
		sigma := math.Log((p99-floor)/(median-floor)) / 2.3263
		return floor + (median-floor)*math.Exp(sigma*sigma/2)
	}
	gateway, put, table, bus, hop := mean(0, 8, 30), mean(0, 12, 40), mean(0, 4, 12), mean(0, 45, 130), mean(12, 16.2, 105)
	for _, phase := range []struct {
		name string
		got  time.Duration
		want float64 // ms
	}{
		{"accept", p.Accept, gateway + 2 + table + put},
		{"request", p.Request, bus + hop},
		{"service", p.Service, 2 + 50 + put},
		{"response", p.Response, bus + hop},
		{"store", p.Store, 2 + 2*table},
	} {
		if got := phase.got.Seconds() * 1000; !within(got, phase.want, 0.02) {
			t.Errorf("%s takes %.2f ms on the average, want %.2f", phase.name, got, phase.want)
		}
	}
}

// The formula of package stats, and the cells of the experiments that it predicts.
func TestOverloadCompletesTheCapacity(t *testing.T) {
	for _, test := range []struct {
		concurrency, batch, parallelism int
		overhead, work                  time.Duration
		want                            float64
	}{
		{2, 1, 1, 0, 50 * ms, 40},
		{4, 1, 1, 0, 50 * ms, 80},
		{8, 1, 10, 0, 50 * ms, 160},
		{16, 1, 1, 0, 50 * ms, 320},
		{32, 1, 1, 0, 100 * ms, 320},
		{4, 10, 1, 40 * ms, 10 * ms, 4 * 10 / 0.14},
		{4, 10, 10, 10 * ms, 50 * ms, 4 * 10 / 0.06},
		{4, 10, 4, 10 * ms, 50 * ms, 4 * 10 / 0.16},
	} {
		t.Run(fmt.Sprintf("C=%d B=%d P=%d s=%v", test.concurrency, test.batch, test.parallelism, test.work), func(t *testing.T) {
			c := unlimited(config(t, 1.5*test.want, 20*time.Second))
			c.Latencies = sim.Latencies{}
			c.System.Requests.Concurrency, c.System.Requests.BatchSize, c.System.Requests.Parallelism = test.concurrency, test.batch, test.parallelism
			c.System.Requests.Overhead, c.System.Requests.Work = test.overhead, test.work
			predicted, err := c.Capacity(c.System.Requests).Rate()
			if err != nil || !within(predicted, test.want, 1e-6) {
				t.Fatalf("predicted %v (%v), want %v", predicted, err, test.want)
			}
			r := run(t, c)
			if got := completed(r, 5, 20); !within(got, test.want, 0.01) {
				t.Errorf("%.2f completed a second, want %.2f", got, test.want)
			}
			if use, ok := r.Binding(); !ok || use.Limit != sim.RequestsConcurrency {
				t.Errorf("binding is %+v, %t", use, ok)
			}
			drain, _ := stats.Drain(float64(r.Series[19].Backlog()), test.want, 0)
			if !r.Drained || !within(r.Drain.Seconds(), drain.Seconds(), 0.02) {
				t.Errorf("drained in %v, predicted %v", r.Drain, drain)
			}
		})
	}
}

func TestCohortsAgree(t *testing.T) {
	const rate = 10_000
	for _, test := range []struct {
		name    string
		prepare func(*sim.Config)
		steady  bool
	}{
		{"with quotas out of the way", func(*sim.Config) {}, true},
		{"with a handler that falls behind", func(c *sim.Config) { c.System.Requests.Concurrency = 50 }, false},
		{"with a sink that falls behind", func(c *sim.Config) { c.System.Responses.Concurrency = 8 }, false},
		{"with a bus that delivers late", func(c *sim.Config) { c.Quotas.BusInvocations = 12_000 }, false},
		{"with an API that refuses", func(c *sim.Config) { c.System.ThrottleRate, c.System.ThrottleBurst = 6000, 3000 }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := unlimited(config(t, rate, 4*time.Second))
			c.Latencies.ColdStart = sim.Distribution{}
			test.prepare(&c)
			c.Cohort = 1
			one := run(t, c)
			c.Cohort = 100
			hundred := run(t, c)
			if one.Cohort != 1 || hundred.Cohort != 100 || hundred.Events*5 > one.Events {
				t.Errorf("cohorts of %d and %d took %d and %d events", one.Cohort, hundred.Cohort, one.Events, hundred.Events)
			}
			compare := func(name string, a, b float64) {
				t.Helper()
				if !within(b, a, 0.01) {
					t.Errorf("%s: %v one by one, %v in hundreds", name, a, b)
				}
			}
			compare("completed", float64(one.Counts.Done), float64(hundred.Counts.Done))
			compare("rejected", float64(one.Counts.Rejected), float64(hundred.Counts.Rejected))
			if !test.steady {
				compare("completed a second", completed(one, 2, 4), completed(hundred, 2, 4))
				if a, b := one.Series[3].Backlog(), hundred.Series[3].Backlog(); !within(float64(b), float64(a), 0.02) { // two or three cohorts more or less
					t.Errorf("backlog in the end: %v one by one, %v in hundreds", a, b)
				}
				compare("mean", one.EndToEnd.Mean().Seconds(), hundred.EndToEnd.Mean().Seconds())
				return // a quantile of 500 cohorts is within 2 %
			}
			// Nobody waits for anybody: latencies are draws, of which cohorts of a hundred have enough in 100 s.
			c.Load = constant(t, rate, 100*time.Second)
			hundred = run(t, c)
			compare("completed a second", completed(one, 1, 4), completed(hundred, 1, 100))
			compare("mean", one.EndToEnd.Mean().Seconds(), hundred.EndToEnd.Mean().Seconds())
			compare("p50", one.EndToEnd.Quantile(0.5).Value.Seconds(), hundred.EndToEnd.Quantile(0.5).Value.Seconds())
			compare("p90", one.EndToEnd.Quantile(0.9).Value.Seconds(), hundred.EndToEnd.Quantile(0.9).Value.Seconds())
			if one.Counts.Rejected == 0 {
				compare("cost", one.PerMillionCost, hundred.PerMillionCost)
				compare("GB-seconds", one.Usage.GBSeconds/4, hundred.Usage.GBSeconds/100)
				compare("batch", one.Batch(0), hundred.Batch(0))
			}
		})
	}
}

// Pollers that come one by one while cohorts wait for them join to groups, and stand still for some milliseconds to do so.
func TestCohortsRampAlike(t *testing.T) {
	c := unlimited(config(t, 10_000, 4*time.Second))
	c.Latencies.ColdStart = sim.Distribution{}
	c.System.Requests.Concurrency, c.Quotas.MappingInitial, c.Quotas.MappingPerMinute = 400, 5, 1500
	c.Cohort = 1
	one := run(t, c)
	c.Cohort = 100
	hundred := run(t, c)
	if a, b := completed(one, 2, 4), completed(hundred, 2, 4); !within(b, a, 0.02) {
		t.Errorf("%v a second one by one, %v in hundreds", a, b)
	}
	if hundred.Events*5 > one.Events {
		t.Errorf("%d events one by one, %d in hundreds", one.Events, hundred.Events)
	}
}

// Accepts and answers compete for a table that has a third of what they ask for, and retry. That is as near as cohorts come.
func TestCohortsCompeteAlike(t *testing.T) {
	c := unlimited(config(t, 10_000, 4*time.Second))
	c.Quotas.TableWarm = 23_000
	c.Cohort = 1
	one := run(t, c)
	c.Cohort = 100
	hundred := run(t, c)
	if a, b := one.Counts, hundred.Counts; !within(float64(b.Done), float64(a.Done), 0.03) || !within(float64(b.Rejected), float64(a.Rejected), 0.03) {
		t.Errorf("%+v one by one, %+v in hundreds", a, b)
	}
}

// For each limit a system in which it is the lowest one, and the load 1.5 times that.
func TestBindingLimit(t *testing.T) {
	roomy := func(c *sim.Config) {
		c.Quotas.TableWarm, c.Quotas.TableQuota = 1e6, 1e6
		c.System.Requests.Concurrency, c.System.Responses.Concurrency = 1000, 1000
		c.Quotas.Concurrency = 100_000
		c.Quotas.MappingInitial = 1000
		c.Quotas.PutEventsRate, c.Quotas.BusInvocations = 1e6, 1e6
	}
	for _, test := range []struct {
		limit   sim.Limit
		prepare func(*sim.Config)
	}{
		{sim.TableThroughput, func(*sim.Config) {}}, // as the template is deployed, on a new table
		{sim.RequestsConcurrency, func(c *sim.Config) { roomy(c); c.System.Requests.Concurrency = 10 }},
		{sim.ResponsesConcurrency, func(c *sim.Config) { roomy(c); c.System.Responses.Concurrency = 2 }},
		{sim.PutEventsQuota, func(c *sim.Config) {
			roomy(c)
			c.Quotas.PutEventsRate = 400
			c.System.Requests.BatchSize = 1
		}},
		{sim.BusQuota, func(c *sim.Config) { roomy(c); c.Quotas.BusInvocations = 750 }},
		{sim.APIThrottle, func(c *sim.Config) { roomy(c); c.System.ThrottleRate = 500 }},
		{sim.AccountConcurrency, func(c *sim.Config) { roomy(c); c.Quotas.Concurrency = 100; c.Quotas.InvokeRate = 100 }},
		{sim.InvokeRate, func(c *sim.Config) { roomy(c); c.Quotas.InvokeRate = 0.02 }},
		{sim.APIReserved, func(c *sim.Config) { roomy(c); c.System.Accept.Reserved = 60 }},
		{sim.HandlerReserved, func(c *sim.Config) { roomy(c); c.System.Requests.Reserved = 20; c.System.Requests.BatchSize = 1 }},
	} {
		t.Run(string(test.limit), func(t *testing.T) {
			c := config(t, 1, time.Second)
			test.prepare(&c)
			ceilings, err := c.Ceilings(0)
			if err != nil {
				t.Fatal(err)
			}
			lowest := ceilings[0]
			if lowest.Limit != test.limit {
				t.Fatalf("the lowest ceiling is that of %v", lowest)
			}
			if lowest.Rate > 2000 {
				c.Cohort = 10
			}
			c.Load, c.Drain = constant(t, 0.7*lowest.Rate, 20*time.Second), 0
			if use, ok := run(t, c).Binding(); ok {
				t.Errorf("at 0.7 of %.0f/s %+v binds", lowest.Rate, use)
			}
			c.Load = constant(t, 1.6*lowest.Rate, 20*time.Second)
			r := run(t, c)
			if use, ok := r.Binding(); !ok || use.Limit != test.limit {
				t.Errorf("at 1.6 of %.0f/s %+v binds: %+v", lowest.Rate, use, r.Limits)
			}
			again, err := c.Ceilings(1.6 * lowest.Rate)
			if err != nil {
				t.Fatal(err)
			}
			for _, ceiling := range again {
				if ceiling.Enough() != (ceiling.Rate >= 1.6*lowest.Rate) && ceiling.Limit == test.limit {
					t.Errorf("%v: it is reached at %.0f/s", ceiling, ceiling.Rate)
				}
			}
		})
	}
}

func TestCeilings(t *testing.T) {
	c := config(t, 1, time.Second)
	ceilings, err := c.Ceilings(100_000)
	if err != nil {
		t.Fatal(err)
	}
	got := map[sim.Limit]string{}
	for i, ceiling := range ceilings {
		got[ceiling.Limit] = ceiling.String()
		if i > 0 && ceiling.Rate < ceilings[i-1].Rate {
			t.Errorf("%v comes after %v", ceiling, ceilings[i-1])
		}
	}
	for limit, want := range map[sim.Limit]string{
		sim.TableThroughput: "table write throughput at 571/s: warm write units of the table, 4000 -> 700000",
		sim.APIThrottle:     "API throttle at 10000/s: requests a second of stage and account, 10000 -> 100000",
		sim.BusQuota:        "bus delivery quota at 9375/s: bus deliveries a second, 18750 -> 200000",
	} {
		if got[limit] != want {
			t.Errorf("got  %s\nwant %s", got[limit], want)
		}
	}
	c.System.Requests.Concurrency = 1000
	ceilings, err = c.Ceilings(200_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, ceiling := range ceilings {
		if ceiling.Limit == sim.RequestsConcurrency && (ceiling.Possible() || !strings.Contains(ceiling.String(), "and 1000 is the most")) {
			t.Errorf("one mapping can do 200,000/s: %v", ceiling)
		}
	}
	if _, err := c.Ceilings(math.NaN()); err == nil {
		t.Error("a rate of NaN has ceilings")
	}
}

func TestMappingRamps(t *testing.T) {
	c := unlimited(config(t, 300, 30*time.Second))
	c.Latencies = sim.Latencies{}
	c.Quotas.MappingInitial, c.Quotas.MappingMax = 5, 1250
	c.System.Requests.Concurrency = 0
	c.System.Requests.Work, c.System.Requests.Overhead, c.System.Requests.BatchSize = time.Second, 0, 1
	r := run(t, c)
	// 5 batches at a time, and 5 more each second: 5(t+1) subjects a second.
	for _, at := range []int{5, 15, 25} {
		if got, want := completed(r, at, at+1), 5*(float64(at)-0.5+1); !within(got, want, 0.1) {
			t.Errorf("%v a second after %d s, want some %v", got, at, want)
		}
	}
	if use, ok := r.Binding(); !ok || use.Limit != sim.RequestsRamp {
		t.Errorf("%+v binds", use)
	}
}

func TestQuotaOfPutEventsKillsMessages(t *testing.T) {
	c := config(t, 100, 20*time.Second)
	c.Quotas.PutEventsRate = 102 // enough for requests, not for answers
	c.System.Requests.Concurrency, c.System.Requests.BatchSize, c.System.Requests.MaxReceives = 1000, 1, 2
	c.Quotas.MappingInitial = 1000
	r := run(t, c)
	if r.Counts.Dead == 0 || r.Limits[0].Limit != sim.PutEventsQuota || !r.Drained {
		t.Errorf("%+v, %+v", r.Counts, r.Limits)
	}
}

func TestMessagesDieAfterTheirReceives(t *testing.T) {
	c := unlimited(config(t, 50, 2*time.Second))
	c.System.Accept.TableCalls, c.System.Accept.WriteUnits = 0, 0
	c.Quotas.TableWarm = 0.01 // one write, and then none for minutes
	c.System.Responses.MaxReceives = 3
	r := run(t, c)
	n := r.Counts
	if n.Dead < 95 || !r.Drained || r.Limits[0].Limit != sim.TableThroughput {
		t.Errorf("%+v, %+v", n, r.Limits)
	}
	if r.Received[1] < 3*n.Dead+n.Done || r.Received[1] > 3*(n.Dead+n.Done) {
		t.Errorf("%d receives of %+v", r.Received[1], n)
	}
}

// The API's requests, which wait to write, have all environments. More of them would wait likewise.
func TestFullEnvironmentsAreNotTheCause(t *testing.T) {
	c := config(t, 10_000, 10*time.Second)
	c.Cohort = 20
	if use, ok := run(t, c).Binding(); !ok || use.Limit != sim.TableThroughput {
		t.Errorf("%+v binds", use)
	}
}

func TestInFlight(t *testing.T) {
	c := unlimited(config(t, 1000, 10*time.Second))
	c.Latencies = sim.Latencies{}
	c.Quotas.InFlight = 20
	c.System.Requests.Concurrency = 1000
	r := run(t, c)
	// 20 at a time, for 52 ms.
	if got := completed(r, 2, 10); !within(got, 20/0.052, 0.01) {
		t.Errorf("%v a second, want %v", got, 20/0.052)
	}
	if use, ok := r.Binding(); !ok || use.Limit != sim.RequestsInFlight {
		t.Errorf("%+v binds", use)
	}
}

func TestTableDoubles(t *testing.T) {
	c := unlimited(config(t, 1000, 90*time.Minute))
	c.Quotas.TableWarm, c.Quotas.TableQuota = 4000, 12_000 // for 571 a second
	c.Cohort, c.Drain, c.Step = 1000, 0, time.Minute
	r := run(t, c)
	if first := r.Series[20]; first.Rejected == 0 {
		t.Errorf("1,000 a second on a new table: %+v", first)
	}
	if last := r.Series[85]; last.Rejected != 0 || !within(float64(last.Accepted)/60, 1000, 0.01) {
		t.Errorf("an hour later: %+v", last)
	}
}

// A poller that waits gathers for its window; five of them share what comes.
func TestWindowFillsBatches(t *testing.T) {
	for _, test := range []struct {
		name          string
		rate          float64
		window, delay time.Duration
		batch, wait   float64 // subjects, and seconds on the average
	}{
		{"without a window each message is a batch", 5, 0, 0, 1, 0},
		{"few messages wait for the end of the window", 5, 4 * time.Second, 0, 20.0 / 5, 2},
		{"many messages fill batches before it ends", 100, 4 * time.Second, 0, 10, 0.225},
		{"messages are hidden for the queue's delay", 5, 0, 3 * time.Second, 1, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := unlimited(config(t, test.rate, 100*time.Second))
			c.Latencies = sim.Latencies{}
			c.System.Requests.Concurrency, c.System.Requests.Window, c.System.Requests.Delay = 5, test.window, test.delay
			r := run(t, c)
			if got := r.Batch(0); !within(got, test.batch, 0.06) {
				t.Errorf("batches of %.2f, want %.2f", got, test.batch)
			}
			if got := r.Phases.Request.Seconds(); math.Abs(got-test.wait) > 0.05*test.wait+0.001 {
				t.Errorf("messages wait for %.3f s, want %.3f", got, test.wait)
			}
		})
	}
}

func TestWithoutRedriveNothingIsGivenUp(t *testing.T) {
	c := unlimited(config(t, 50, 2*time.Second))
	c.System.Accept.TableCalls, c.System.Accept.WriteUnits = 0, 0
	c.Quotas.TableWarm = 0.01 // one write, and then none for minutes
	c.System.Responses.MaxReceives, c.Drain = 0, 20*time.Minute
	if n := run(t, c).Counts; n.Dead != 0 || n.InSystem < 50 {
		t.Errorf("%+v", n)
	}
}

func TestReservoirIsTracedFirst(t *testing.T) {
	c := unlimited(config(t, 50, 100*time.Second))
	c.System.TraceReservoir, c.System.TraceSampleRate = 10, 0.1
	c.System.Requests.Traced, c.System.Responses.Traced = false, false
	if got, want := run(t, c).Usage.Traces, 100*(10+0.1*40.0); !within(got, want, 0.01) {
		t.Errorf("%v traces, want %v", got, want)
	}
}

func TestColdStarts(t *testing.T) {
	c := unlimited(config(t, 100, 30*time.Second))
	c.Latencies = sim.Latencies{ColdStart: sim.Distribution{Median: 500 * ms}}
	r := run(t, c)
	if got := r.EndToEnd.Max(); got < 1050*ms {
		t.Errorf("the slowest took %v: two functions start cold", got)
	}
	if got := r.EndToEnd.Quantile(0.5).Value; got > 60*ms {
		t.Errorf("the median is %v, with warm functions", got)
	}
}

func TestEqualConfigsHaveEqualResults(t *testing.T) {
	c := config(t, 1000, 5*time.Second)
	figures := func(seed uint64) string {
		c.Seed = seed
		r := run(t, c)
		return fmt.Sprintf("%+v %v %v %+v %v", r.Counts, r.Events, r.EndToEnd.Mean(), r.Limits, r.Series)
	}
	first, second := figures(1), figures(1)
	if first != second {
		t.Error("two runs of one seed differ")
	}
	if first == figures(2) {
		t.Error("another seed makes no difference")
	}
}

func TestCost(t *testing.T) {
	c := unlimited(config(t, 200, 50*time.Second))
	c.System.TraceSampleRate = 0.05
	r := run(t, c)
	got := map[string]float64{}
	var sum float64
	for _, item := range r.PerMillion {
		got[item.Name] = item.USD
		sum += item.USD
	}
	for name, want := range map[string]float64{
		"API Gateway":     2 * 3.50,                               // POST and GET
		"EventBridge":     2 * 1.00,                               // request and answer
		"SQS":             6 * 0.40,                               // send, receive and delete, twice: batches of one
		"Lambda requests": 4 * 0.20,                               // POST, handler, sink, GET
		"DynamoDB":        7*0.625 + 0.125,                        // 5 write units to accept, 2 to store; one read
		"CloudWatch Logs": 4 * 1200 * 1e6 / 1e9 * .5,              // each invocation
		"X-Ray":           (0.05 + 2*(1./200+199./200/20)) * 5.00, // requests, and of invocations by queues one a second and 5 %
	} {
		if !within(got[name], want, 0.01) {
			t.Errorf("%s costs %.3f, want %.3f", name, got[name], want)
		}
	}
	if !within(sum, r.PerMillionCost, 1e-9) {
		t.Errorf("the lines sum up to %v of %v", sum, r.PerMillionCost)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*sim.Config)
		want   string
	}{
		{"no load", func(c *sim.Config) { c.Load = nil }, "no load"},
		{"a quota that is missing", func(c *sim.Config) { c.Quotas.PutEventsRate = 0 }, "quotas: PutEventsRate is 0"},
		{"a quota that is no number", func(c *sim.Config) { c.Quotas.BusInvocations = math.NaN() }, "BusInvocations is NaN"},
		{"a latency that falls", func(c *sim.Config) { c.Latencies.Table.P99 = ms }, "latencies: Table: floor 0s, median 4ms, p99 1ms"},
		{"one poller", func(c *sim.Config) { c.System.Requests.Concurrency = 1 }, "system: requests: MaximumConcurrency 1: 2 to 1000"},
		{"no batch", func(c *sim.Config) { c.System.Responses.BatchSize = 0 }, "system: responses: batch size 0"},
		{"visibility shorter than the function's timeout", func(c *sim.Config) { c.System.Requests.Visibility = 10 * time.Second }, "visibility 10s is shorter than the timeout of the function, 30s"},
		{"a batch that cannot end in time", func(c *sim.Config) { c.System.Requests.Work = time.Minute }, "a full batch takes"},
		{"an event beyond 1 MB", func(c *sim.Config) { c.System.EventBytes = 2 << 20 }, "an event of 2097152 bytes"},
		{"a handler that does not publish", func(c *sim.Config) { c.System.Requests.Publishes = false }, "the handler of requests publishes"},
		{"a handler that writes to the table", func(c *sim.Config) { c.System.Requests.TableCalls = 1 }, "1 table calls of 0 units in a leg that publishes"},
		{"a reservation of what has to stay", func(c *sim.Config) { c.System.Accept.Reserved, c.System.Requests.Reserved = 500, 401 }, "reserved concurrency of 500 and 401: of the account's 1000, 100 stay unreserved"},
		{"a large batch without a window", func(c *sim.Config) { c.System.Requests.BatchSize = 11 }, "batch size 11 with a batching window of 0s"},
		{"a window of an hour", func(c *sim.Config) { c.System.Requests.Window = time.Hour }, "batching window 1h0m0s"},
		{"a sample rate above 1", func(c *sim.Config) { c.System.TraceSampleRate = 2 }, "sample rate 2"},
		{"a negative drain", func(c *sim.Config) { c.Drain = -1 }, "drain of -1ns"},
		{"steps of nothing", func(c *sim.Config) { c.Step = 1 }, "steps of 1ns"},
		{"too many steps", func(c *sim.Config) { c.Step = ms; c.Drain = time.Hour }, "at most 1000000 steps"},
		{"negative cohorts", func(c *sim.Config) { c.Cohort = -1 }, "cohorts of -1"},
		{"too many tokens", func(c *sim.Config) { c.Load = constant(t, 1e6, time.Hour); c.Cohort = 1 }, "3600000000 tokens of 1 subjects"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, 1, time.Second)
			test.change(&c)
			if _, err := sim.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if _, err := sim.QuotasOf(""); err == nil {
		t.Error("a region without a name has quotas")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := sim.Run(ctx, config(t, 1000, 10*time.Minute)); !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

func TestQuotasOf(t *testing.T) {
	for region, want := range map[string]float64{"us-east-1": 10_000, "eu-central-1": 2400, "eu-west-2": 1200, "sa-east-1": 600, "af-south-1": 400} {
		if q, err := sim.QuotasOf(region); err != nil || q.PutEventsRate != want {
			t.Errorf("%s: %v (%v), want %v", region, q.PutEventsRate, err, want)
		}
	}
}

// Ten minutes at a million subjects a second. "as deployed" is what an account's quotas make of it, "raised" all of it.
func BenchmarkMillionASecond(b *testing.B) {
	for _, raised := range []bool{false, true} {
		b.Run(map[bool]string{false: "as deployed", true: "raised"}[raised], func(b *testing.B) {
			for b.Loop() {
				c := config(b, 1e6, 10*time.Minute)
				c.Drain = 0
				if raised {
					c = unlimited(c)
					c.System.Requests.Concurrency, c.System.Responses.Concurrency = 20_000, 10_000
				}
				r := run(b, c)
				b.ReportMetric(float64(r.Events), "events")
				b.ReportMetric(float64(r.Counts.Done), "subjects")
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/op")
		})
	}
}

func BenchmarkTenThousandASecond(b *testing.B) {
	for _, cohort := range []int64{1, 100} {
		b.Run(fmt.Sprint("k=", cohort), func(b *testing.B) {
			for b.Loop() {
				c := unlimited(config(b, 10_000, 10*time.Second))
				c.System.Requests.Concurrency, c.System.Responses.Concurrency, c.Cohort = 2000, 1000, cohort
				b.ReportMetric(float64(run(b, c).Events), "events")
			}
		})
	}
}
