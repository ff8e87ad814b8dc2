package report_test

import (
	"fmt"
	"math"
	"strings"
	"time"

	"example.com/arvo/loadtest/results"
)

// The runs that tests report are made here, by the formulas of the architecture: a fluid queue with C slots, and a ripple
// instead of noise.

var began = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func known(v float64) *float64 { return &v }

// load is what a cell is asked to do.
type load struct {
	experiment, id string
	c, batch       int
	offered        float64 // subjects/s
	seconds        float64
	work           float64 // ms
	queue          string
	outage         float64
	visibility     float64
}

const overheadMs = 0.8

// cellOf returns what a system that does as the formula says makes of a load.
func cellOf(l load) results.Cell {
	if l.batch == 0 {
		l.batch = 1
	}
	if l.work == 0 {
		l.work = 50
	}
	if l.queue == "" {
		l.queue = "sqs"
	}
	if l.visibility == 0 {
		l.visibility = 30
	}
	capacity := float64(l.c*l.batch) / (overheadMs + math.Ceil(float64(l.batch)/10)*l.work) * 1000
	step := .5
	s := results.Series{StepS: step}
	backlog, peak, done, drained := 0.0, 0.0, 0.0, 0.0
	for t := 0.0; t < l.seconds || backlog > .5; t += step {
		ripple := 1 + .015*math.Sin(t*2.1+float64(l.c))
		in, out := 0.0, capacity*step*ripple
		if t < l.seconds {
			in = l.offered * step
		}
		if l.queue == "none" {
			in = min(in, capacity*step)
		}
		if l.outage > 0 && t >= 5 && t < 5+l.outage {
			out = 0
		}
		out = min(out, backlog+in)
		backlog += in - out
		peak = max(peak, backlog)
		if t < l.seconds {
			done += out
		}
		drained = t + step - l.seconds
		s.Offered, s.Accepted = append(s.Offered, math.Round(l.offered*step*b(t < l.seconds))), append(s.Accepted, math.Round(in))
		s.Completed, s.Backlog = append(s.Completed, math.Round(out)), append(s.Backlog, math.Round(backlog))
	}
	scheduled := int(l.offered * l.seconds)
	accepted := scheduled
	if l.queue == "none" {
		accepted = int(min(l.offered, capacity) * l.seconds)
	}
	rate := done / l.seconds
	growth := max(0, l.offered-capacity)
	verdict, diagnosis := "stable", "nothing"
	if growth > .02*l.offered && l.queue != "none" {
		verdict, diagnosis = "unstable", "concurrency"
	}
	wait := peak / capacity / 2 * 1000
	base := l.work + 6
	c := results.Cell{
		ID: l.experiment + "/" + l.id, Experiment: l.experiment, Role: "measured", Repeat: 1, Validity: results.Valid,
		Params:  results.Params{Concurrency: l.c, Batch: l.batch, Parallelism: 10, VisibilityS: l.visibility, WorkMs: l.work, Queue: l.queue, Arrivals: "constant", OutageS: l.outage},
		Started: began, Stages: []results.Stage{{Name: "hold", From: l.offered, To: l.offered, Seconds: l.seconds, Measured: true}},
		PredictedCapacity: known(capacity), CapacityModel: results.Model{C: l.c, B: float64(l.batch), P: 10, Oms: overheadMs, Sms: l.work},
		PredictedDrainS: known(max(0, l.offered-capacity) * l.seconds / capacity),
		OfferedRate:     l.offered, AcceptedRate: float64(accepted) / l.seconds,
		CompletedRate: results.Interval{Mean: rate, Lo: known(rate * .988), Hi: known(rate * 1.011), Blocks: 10},
		LittleRatio:   known(min(1, l.offered/capacity)), Diagnosis: diagnosis,
		Backlog:  results.Backlog{Peak: int(peak), Growth: results.Interval{Mean: growth, Lo: known(growth - .8), Hi: known(growth + .9), Blocks: 10}, Verdict: verdict, DrainS: known(max(.05, drained))},
		EndToEnd: latency(accepted, base, wait), Uncorrected: latency(accepted, base-1.4, wait*.99), Acknowledged: latency(accepted, 4.1, 0), Slip: latency(accepted, 1.1, 0),
		Waits:  &results.Waits{Accept: 4.1, Request: 1.2 + wait, Service: l.work + .4, Response: 1.1, Store: 3.2},
		Counts: results.Counts{Scheduled: scheduled, Rejected: scheduled - accepted, Completed: accepted, Acknowledged: accepted, Deliveries: accepted, Codes: map[string]int{"202": accepted}},
		Clock:  results.Clock{OffsetMs: .03, ErrorMs: .4, N: accepted}, Sender: results.Sender{Workers: 8, CPUCores: .06},
		Series: s,
	}
	if c.Counts.Rejected > 0 {
		c.Counts.Codes["429"] = c.Counts.Rejected
	}
	for i := range 10 {
		c.Slowest = append(c.Slowest, results.Traced{
			Subject: fmt.Sprintf("eJyNjjEOwjAMRe%02dSlRqJsiAhnIW5yjRQKYoTSFUJIe4Ozd0YMUL8/n97gzdqbXCSBW", i), TraceID: fmt.Sprintf("1-6543210f-%024x", i+l.c*100),
			Link: fmt.Sprintf("http://127.0.0.1:8080/#trace/1-6543210f-%024x", i+l.c*100), E2Ems: c.EndToEnd.Max * (1 - float64(i)/500), Waits: c.Waits})
	}
	return c
}

func b(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

func latency(n int, base, wait float64) results.Latency {
	l := results.Latency{N: int64(n), Mean: base + wait, P50: known(base + wait), P90: known(base*1.1 + wait*1.8), Max: base*1.6 + wait*2}
	if n >= 1000 {
		l.P99 = known(base*1.3 + wait*1.98)
	}
	return l
}

func header(id, target string) results.Run {
	reserved := 100
	return results.Run{
		ID: id, Started: began, Ended: began.Add(312 * time.Second), Command: []string{"--experiment", "E1,E2,E3,E4,E5,E6", "--seed", "7"}, Seed: 7, Target: target, Stack: "arvo", Region: "us-east-1",
		Git: "7d3f0c2b9a41+", Go: "go1.26.8", Host: results.Host{CPU: "Neoverse-N1", Cores: 2, OS: "linux/arm64"}, Clock: results.Clock{OffsetMs: .03, ErrorMs: .4, N: 24110},
		Setup: results.Setup{Concurrency: 10, Batch: 10, Parallelism: 10, VisibilityS: 180, FunctionTimeoutS: 30, ReservedConc: &reserved, ResponsesConc: 5, ResponsesBatch: 10, AccountConc: 1000, MaxReceiveCount: 5,
			HandlerFunction: "arvo-federated-handler", RequestsMappingID: "0a6b3c1e-2f4d-4b8a-9c1d-5e6f7a8b9c0d"},
		MemoryMB: known(214.6), Notes: []string{"SQS takes whole seconds for a visibility timeout: E5 works for 2 s instead of 50 ms."},
	}
}

// plausible is a run of all experiments with one cell that is not valid, some work done twice, and conditions.
func plausible() results.Results {
	r := results.Results{Schema: results.Schema, Run: header("r7k2", "local")}
	calibration := cellOf(load{experiment: "E1", id: "calibration", c: 2, offered: 80, seconds: 4})
	calibration.Role = "calibration"
	r.Cells = append(r.Cells, calibration)

	var fits []results.Fit
	for _, c := range []int{2, 4, 8, 16} {
		capacity := float64(c) / (50 + overheadMs) * 1000
		for _, share := range []float64{.5, .8, .95, 1.05, 1.2, 1.5} {
			cell := cellOf(load{experiment: "E1", id: fmt.Sprintf("C=%d/offered=%g", c, share), c: c, offered: math.Round(capacity * share), seconds: 15})
			cell.Params.Offered = share
			cell.Simulated = &results.Simulated{CompletedRate: cell.CompletedRate.Mean * .997, DrainS: known(*cell.Backlog.DrainS * 1.02)}
			r.Cells = append(r.Cells, cell)
		}
		ceiling := capacity * .998
		fits = append(fits, results.Fit{X: "offered_rate", Series: fmt.Sprintf("C=%d", c), Slope: 1, Ceiling: &ceiling, At: &ceiling, Residual: .0042})
	}
	slipped := &r.Cells[len(r.Cells)-1]
	slipped.Validity, slipped.Why = results.GeneratorLimited, []string{"the sender was 212 ms late at p99, more than 50 ms"}
	slipped.Slip = latency(7000, 160, 0)
	slipped.CompletedRate.Mean *= .8

	for _, c := range []int{2, 4, 8, 16} {
		r.Cells = append(r.Cells, cellOf(load{experiment: "E2", id: fmt.Sprintf("C=%d", c), c: c, offered: 150, seconds: 20}))
	}
	for _, queue := range []string{"sqs", "hidden", "none"} {
		r.Cells = append(r.Cells, cellOf(load{experiment: "E3", id: queue, c: 4, offered: 120, seconds: 20, queue: queue}))
	}
	for _, batch := range []int{1, 2, 5, 10} {
		r.Cells = append(r.Cells, cellOf(load{experiment: "E4", id: fmt.Sprintf("B=%d", batch), c: 4, batch: batch, offered: 1200, seconds: 6}))
	}
	for _, visibility := range []float64{1, 10} {
		cell := cellOf(load{experiment: "E5", id: fmt.Sprintf("visibility=%gs", visibility), c: 4, work: 2000, offered: 1.5, seconds: 60, visibility: visibility})
		if visibility == 1 {
			cell.Counts.Duplicated, cell.Counts.Duplicates = 88, 96
			cell.Counts.Deliveries += 96
			cell.Examples.Duplicated = []string{cell.Slowest[0].Subject, cell.Slowest[1].Subject}
		}
		r.Cells = append(r.Cells, cell)
	}
	for _, rho := range []float64{.5, .8, .9} {
		cell := cellOf(load{experiment: "E6", id: fmt.Sprintf("rho=%g", rho), c: 4, offered: math.Round(79 * rho), seconds: 60, outage: 5})
		cell.RecoveryS, cell.PredictedRecoveryS = known(5.1*rho/(1-rho)), known(5*rho/(1-rho))
		r.Cells = append(r.Cells, cell)
	}

	r.Experiments = []results.Experiment{
		{ID: "E1", Title: "Knee by MaximumConcurrency", Question: "Does MaximumConcurrency set the throughput?", Fits: fits, Order: []string{"E1/C=8/offered=0.5", "E1/C=2/offered=1.2"},
			Finding: "With MaximumConcurrency 2, 4, 8 and 16 the system completes at most 39.3, 78.6, 157 and 314 subjects/s: 0.998 of what C/(o+s) predicts.", Method: "Stairs of offered rates for each limit, drained in between."},
		{ID: "E2", Title: "One load against four limits", Question: "What does the limit do to a backlog?", Order: []string{"E2/C=4", "E2/C=16", "E2/C=2", "E2/C=8"},
			Finding: "At 150/s offered, MaximumConcurrency 4 completed 78.9/s (95 % CI 77.9 to 79.7); predicted 78.7. The backlog grew by 71.3/s. The concurrency limit is the bottleneck (Little 1.00).", Method: "The same 150/s for 20 s on each."},
		{ID: "E3", Title: "Queue, hidden queue, none", Question: "What does the queue buy?", Finding: "Of the same burst the queue and the hidden queue rejected nothing; without a queue 34 % were rejected.", Method: "The rule's target and the caller were changed."},
		{ID: "E4", Title: "Batch size", Question: "Is a batch cheaper?", Finding: "Batches of 10 complete 9.9 times what batches of 1 do.", Method: "C=4, ten subjects of a batch at a time."},
		{ID: "E5", Title: "Visibility timeout too short", Question: "What does a short visibility timeout cost?", Finding: "With a visibility of 1 s and 2 s of work, 96 of 186 answers were of work done again.", Method: "AWS refuses a visibility below the function's timeout; the local stack was told not to."},
		{ID: "E6", Title: "Recovery after an outage", Question: "How long does it take to catch up?", Finding: "After 5 s of outage the system had caught up after 5.0 s at 50 %, 20 s at 80 % and 47 s at 90 % of its capacity.", Method: "The mapping was disabled for 5 s."},
	}
	r.Assertions = []results.Assertion{{Expr: "lost==0", Value: "0 in 46 cells", OK: true}, {Expr: "e2e_p99<500ms@stable", Value: "E1/C=2/offered=0.95: 72.8 ms", OK: true}}
	return r
}

// interrupted is a run that was ended in its second cell.
func interrupted() results.Results {
	r := results.Results{Schema: results.Schema, Run: header("r7k3", "local")}
	r.Run.Interrupted = "the stack ended by itself 7 s into E2/C=2 (signal: killed)"
	whole, half := cellOf(load{experiment: "E2", id: "C=4", c: 4, offered: 150, seconds: 20}), cellOf(load{experiment: "E2", id: "C=2", c: 2, offered: 150, seconds: 20})
	half.Validity, half.Why = results.Interrupted, []string{"no acknowledgement and no completion from 7.1 s on", "the stack is gone"}
	half.Backlog.DrainS, half.LittleRatio, half.Waits = nil, nil, nil
	half.Counts.Completed, half.Counts.Open, half.Counts.Unanswered = 270, 700, half.Counts.Scheduled-970
	half.EndToEnd.P99, half.CompletedRate.Lo, half.CompletedRate.Hi = nil, nil, nil
	r.Cells = []results.Cell{whole, half}
	r.Experiments = []results.Experiment{{ID: "E2", Title: "One load against four limits", Question: "What does the limit do to a backlog?", Order: []string{"E2/C=4", "E2/C=2", "E2/C=8", "E2/C=16"}}}
	r.Assertions = []results.Assertion{{Expr: "valid", Value: "E2/C=2: interrupted", OK: false}}
	return r
}

// simulated is a forecast without a run.
func simulated() results.Results {
	r := results.Results{Schema: results.Schema, Run: header("r7k4", "sim")}
	r.Run.MemoryMB, r.Run.Notes, r.Run.Command = nil, nil, []string{"--target", "sim"}
	f := &results.Forecast{Region: "us-east-1", Seconds: 600, WorkMs: 50, Template: "template.yaml", Prices: "us-east-1, November 2026"}
	capacity := 1960.0
	for _, rate := range []float64{10, 100, 1000, 1500, 2000, 5000, 10_000, 100_000, 1_000_000} {
		level := func(capacity float64) results.Level {
			l := results.Level{Offered: rate, Cohort: max(1, int64(rate/100)), Accepted: min(rate, 10_000), Completed: min(rate, capacity) * .99, Settled: min(rate, capacity), Rejected: int64(max(0, rate-10_000) * 600),
				EndToEnd: latency(int64ToInt(rate*600), 190, max(0, min(rate, 10_000)-capacity)/capacity*300_000), Ack: latency(int64ToInt(rate*600), 22, 0), DrainS: known(max(.2, (min(rate, 10_000)-capacity)/capacity*600)),
				Waits: results.Waits{Accept: 22, Request: 40 + max(0, min(rate, 10_000)-capacity)/capacity*300_000, Service: 56, Response: 40, Store: 12}, PeakBack: int64(rate*.2 + max(0, min(rate, 10_000)-capacity)*600),
				USDMillion: 14.92 - math.Log10(rate)*.4, Cost: []results.Cost{{Item: "API Gateway requests", USD: 3.5}, {Item: "EventBridge events", USD: 2}, {Item: "SQS requests", USD: 1.92 - math.Log10(rate)*.2}, {Item: "Lambda", USD: 3.1}, {Item: "DynamoDB", USD: 3.75}, {Item: "CloudWatch Logs", USD: .0042}},
				ComputeS: .4 + rate/50_000}
			switch {
			case rate > 10_000:
				l.Binding, l.BindingWhy = "API throttle", fmt.Sprintf("of %.0f subjects %.0f refused", rate*600, (rate-10_000)*600)
				l.Raise = []string{"requests MaximumConcurrency at 1961/s: MaximumConcurrency of the requests mapping, 10 -> 510", "API throttle at 10000/s: requests a second of the account, 10000 -> " + fmt.Sprint(rate), "PutEvents quota at 9091/s: PutEvents calls a second, 10000 -> 110000"}
			case rate > capacity:
				l.Binding, l.BindingWhy = "requests MaximumConcurrency", fmt.Sprintf("of %.0f subjects %.0f waiting when the load ends", rate*600, (rate-capacity)*600)
				l.Raise = []string{"requests MaximumConcurrency at 1961/s: MaximumConcurrency of the requests mapping, 10 -> 51"}
			}
			return l
		}
		f.Levels = append(f.Levels, level(capacity))
		raised := level(min(rate, 9000))
		raised.Raised = []string{"MaximumConcurrency of the requests mapping, 10 -> 51"}
		f.Fitted = append(f.Fitted, raised)
	}
	r.Forecast = f
	return r
}

func int64ToInt(v float64) int { return int(v) }

// hostile has texts in every place that could end an element, load something, or mislead.
func hostile() results.Results {
	const bad = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&--><!--` + "\x00\u202e\u2028" + `]]></style>{{.}}`
	r := plausible()
	r.Run.ID, r.Run.Stack, r.Run.Git, r.Run.Interrupted, r.Run.Endpoint, r.Run.Target = bad, bad, bad, bad, "javascript:alert(1)", "endpoint"
	r.Run.Command, r.Run.Notes = []string{bad}, []string{bad, strings.Repeat("w", 5000)}
	for i := range r.Experiments {
		e := &r.Experiments[i]
		e.Title, e.Question, e.Finding, e.Method, e.Order = bad, bad, bad, bad, []string{bad}
		for j := range e.Fits {
			e.Fits[j].Series = bad
		}
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		c.ID, c.Why, c.Diagnosis, c.Backlog.Verdict = c.Experiment+"/"+bad+fmt.Sprint(i), []string{bad}, bad, bad
		c.Counts.Lost, c.Examples.Lost = 1, []string{bad}
		for j := range c.Slowest {
			s := &c.Slowest[j]
			s.Subject, s.TraceID, s.Link = bad, bad, []string{"javascript:alert(3)", "data:text/html," + bad, "//evil.example/x", bad, "http://127.0.0.1/" + bad}[j%5]
		}
	}
	forecast := simulated().Forecast
	forecast.Region, forecast.Template, forecast.Prices, forecast.Changed = bad, bad, bad, []string{bad}
	for i := range forecast.Levels {
		l := &forecast.Levels[i]
		l.Binding, l.BindingWhy, l.Raise = bad, bad, []string{bad}
		for j := range l.Cost {
			l.Cost[j].Item = bad
		}
	}
	r.Forecast = forecast
	r.Assertions = []results.Assertion{{Expr: bad, Value: bad}}
	return r
}
