package results

import (
	"time"
)

func f(v float64) *float64 { return &v }

// full returns results in which every member has a value: what an old file looks like to a later program.
func full() Results {
	lat := Latency{N: 12_000, Mean: 71.5, P50: f(60), P90: f(110.25), P99: f(320), P999: f(480), Max: 512.5,
		P50Lo: f(59.5), P50Hi: f(60.5), P99Lo: f(310), P99Hi: f(335), Negative: 2, Clipped: 1}
	waits := Waits{Accept: 4, Request: 12.5, Service: 51, Response: 3, Store: 1}
	series := Series{StepS: 0.5, Offered: []float64{48, 48}, Accepted: []float64{48, 47}, Completed: []float64{20, 40}, Backlog: []float64{28, 35}}
	reserved, usd := 4, 0.25
	level := Level{
		Offered: 1000, Cohort: 2, Accepted: 999.5, Completed: 790, Settled: 795, Rejected: 12, Dead: 3, PeakBack: 463_644, DrainS: f(233.2),
		EndToEnd: lat, Ack: lat, Waits: waits, Binding: "table write throughput", BindingWhy: "of 600,000 subjects 123,543 refused",
		Raise: []string{"table write throughput at 571/s"}, Raised: []string{"warm write units of the table, 4000 -> 8400"},
		USDMillion: 26.69, Cost: []Cost{{"API Gateway", 7}}, ComputeS: 1.8, Series: series,
	}
	steady := level
	steady.Offered, steady.Binding, steady.BindingWhy, steady.Completed, steady.Settled = 100, "", "", 100, 100
	return Results{
		Schema: Schema,
		Run: Run{
			ID: "2026-11-23T16-00-00-1", Started: time.Date(2026, 11, 23, 16, 0, 0, 123e6, time.UTC), Ended: time.Date(2026, 11, 23, 16, 1, 2, 0, time.UTC),
			Interrupted: "Ctrl-C", Command: []string{"--quick", "--seed=7"}, Seed: 7, Target: "local", Stack: "arvo", Region: "us-east-1", Endpoint: "http://127.0.0.1:4566",
			Git: "0123abc+", Go: "go1.26.0", Host: Host{CPU: "AMD EPYC", Cores: 2, OS: "linux"}, Clock: Clock{OffsetMs: -0.1, ErrorMs: 0.4, N: 100, Dropped: 1},
			Setup: Setup{
				Concurrency: 10, Batch: 10, WindowS: 0, Parallelism: 10, VisibilityS: 180, FunctionTimeoutS: 30, ReservedConc: &reserved, ResponsesConc: 5, ResponsesBatch: 10,
				AccountConc: 1000, MaxReceiveCount: 5, HandlerFunction: "arvo-federated_handler", RequestsMappingID: "5e5c2b2a-0000-4000-8000-000000000000",
			},
			CostUSD: &usd, MemoryMB: f(212.5), Notes: []string{"the queue was not empty"},
		},
		Experiments: []Experiment{{
			ID: "E1", Title: "Knee by MaximumConcurrency", Question: "Does it set the throughput?", Finding: "It does.", Method: "Stairs.", Order: []string{"E1/C=4/offered=1.2"},
			Fits: []Fit{{X: "offered_rate", Series: "C=4", Slope: 1, Ceiling: f(79.2), At: f(79.2), Residual: 0.01}},
		}},
		Cells: []Cell{
			{
				ID: "E1/C=4/offered=1.2", Experiment: "E1", Role: "measured", Repeat: 1,
				Params:   Params{Concurrency: 4, Batch: 1, Parallelism: 10, VisibilityS: 30, WorkMs: 50, Queue: "sqs", Arrivals: "constant", OutageS: 2, Offered: 1.2},
				Validity: Valid, Started: time.Date(2026, 11, 23, 16, 0, 10, 0, time.UTC), Stages: []Stage{{Name: "hold", From: 96, To: 96, Seconds: 10, Measured: true}},
				PredictedCapacity: f(80), CapacityModel: Model{C: 4, B: 1, P: 10, Oms: 0.6, Sms: 50}, PredictedDrainS: f(2), PredictedNote: "falls behind", RecoveryS: f(6.1), PredictedRecoveryS: f(6), Why: []string{"why"},
				OfferedRate: 96, AcceptedRate: 95.9, CompletedRate: Interval{Mean: 79.2, Lo: f(78.4), Hi: f(80.1), Blocks: 10}, LittleRatio: f(1.001), Diagnosis: "concurrency",
				Backlog:  Backlog{Peak: 168, Growth: Interval{Mean: 16.8, Lo: f(16), Hi: f(17.5), Blocks: 10}, Verdict: "unstable", DrainS: f(2.05)},
				EndToEnd: lat, Uncorrected: lat, Acknowledged: lat, Slip: Latency{N: 960, Mean: 0.2, P50: f(0.1), P90: f(0.4), Max: 2},
				Waits:  &waits,
				Counts: Counts{Scheduled: 960, Completed: 960, Acknowledged: 960, Deliveries: 961, Duplicated: 1, Duplicates: 1, Codes: map[string]int{"202": 960}, Errors: map[string]int{}},
				Clock:  Clock{OffsetMs: -0.1, ErrorMs: 0.4, N: 960, Dropped: 1}, Sender: Sender{Workers: 64, CPUCores: 0.05}, Series: series,
				Slowest:   []Traced{{Subject: "arvo-1", TraceID: "1-5759e988-bd862e3fe1be46a994272793", E2Ems: 512.5, Link: "http://127.0.0.1/trace", Waits: &waits, Hops: []Hop{{Name: "requests", Kind: HopQueue, Depth: 2, StartMs: 4.5, TookMs: f(12.5), Failed: true}}}},
				Examples:  Examples{Lost: []string{"a"}, DeadLettered: []string{"b"}, Duplicated: []string{"arvo-1"}, Failed: []string{"c"}, Late: []string{"d"}, Unanswered: []string{"e"}},
				Simulated: &Simulated{CompletedRate: 79, DrainS: f(2.01)},
			},
			{
				ID: "E1/C=8/offered=0.7", Experiment: "E1", Role: "measured", Repeat: 1, Params: Params{Concurrency: 8, WorkMs: 50, Queue: "sqs", Arrivals: "poisson", Offered: 0.7}, Validity: Valid,
				Stages: []Stage{{Name: "hold", From: 112, To: 112, Seconds: 10, Measured: true}}, PredictedCapacity: f(160), OfferedRate: 112, AcceptedRate: 112,
				CompletedRate: Interval{Mean: 112, Lo: f(110), Hi: f(114), Blocks: 10}, LittleRatio: f(0.7), Diagnosis: "nothing", Backlog: Backlog{Peak: 12, Verdict: "stable", DrainS: f(0.06)},
				EndToEnd: Latency{N: 300, Mean: 62, P50: f(61), Max: 90}, Counts: Counts{Scheduled: 1120, Completed: 1120, Acknowledged: 1120, Deliveries: 1120}, Series: series,
			},
			{
				ID: "E1/calibration", Experiment: "E1", Role: "calibration", Repeat: 1, Params: Params{Concurrency: 2, WorkMs: 50, Queue: "sqs", Arrivals: "constant"}, Validity: Valid,
				CompletedRate: Interval{Mean: 39.5}, OfferedRate: 200, Backlog: Backlog{Verdict: "unstable"}, Counts: Counts{Scheduled: 10, Lost: 10},
			},
		},
		Forecast: &Forecast{
			Region: "us-east-1", Seconds: 600, WorkMs: 50, Template: "template.yaml", Prices: "list prices of us-east-1, 2026-11",
			Levels: []Level{steady, level}, Changed: []string{"TraceSampleRate=0.05"}, Fitted: []Level{steady},
		},
		Assertions: []Assertion{{Expr: "lost==0", Value: "0", OK: true}},
	}
}
