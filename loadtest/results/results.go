// Package results is what a load test has found, in the form in which it is kept: results.json.
//
// Everything that is told of a run (terminal, report.html, bench.txt, assertions) is told from a [Results], so whoever has
// the file can tell it again. Units are in the names: _s and _ms are seconds and milliseconds, rates are subjects per
// second. What is not known is null or absent, never zero.
//
// # Promises
//
//   - Within version 1 members are added, never changed or taken away. The committed schema says what they are.
//   - A Results is whole at any time: one that was interrupted says so, and has what was measured until then.
package results

import (
	"time"
)

// Schema names the version of the form.
const Schema = "https://arvo.example.com/loadtest/results.v1.json"

// Results is a run of the load test.
type Results struct {
	Schema      string       `json:"schema"`
	Run         Run          `json:"run"`
	Experiments []Experiment `json:"experiments"`
	Cells       []Cell       `json:"cells"`
	Forecast    *Forecast    `json:"forecast,omitempty"`
	Assertions  []Assertion  `json:"assertions"`
}

// Run says what was measured, with what, and when.
type Run struct {
	ID          string    `json:"id"` // what Idempotency-Keys begin with
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Interrupted string    `json:"interrupted,omitempty"` // why, if it did not end by itself
	Command     []string  `json:"command"`               // arguments, without the program
	Seed        uint64    `json:"seed"`
	Target      string    `json:"target"` // local, endpoint, aws or sim
	Stack       string    `json:"stack"`
	Region      string    `json:"region,omitempty"`
	Endpoint    string    `json:"endpoint,omitempty"`
	Git         string    `json:"git,omitempty"` // commit of the working tree, "+" at its end when there are changes
	Go          string    `json:"go"`
	Host        Host      `json:"host"`
	Clock       Clock     `json:"clock"`
	Setup       Setup     `json:"setup"`
	CostUSD     *float64  `json:"cost_usd,omitempty"`  // estimated before the run, on AWS
	MemoryMB    *float64  `json:"memory_mb,omitempty"` // the most that the local stack and its Lambdas took at one time (PSS, MiB), where it can be told
	Notes       []string  `json:"notes,omitempty"`     // what a reader should know: what could not be restored, what did not fit
}

// Host is the machine that sent the load.
type Host struct {
	CPU   string `json:"cpu,omitempty"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
}

// Clock is by how much the servers' clocks are ahead, and how sure that is.
type Clock struct {
	OffsetMs float64 `json:"offset_ms"`
	ErrorMs  float64 `json:"error_ms"`
	N        int     `json:"n"`
	Dropped  int     `json:"dropped,omitempty"` // requests whose times contradict those of most others
}

// Setup is how the stack was set up when it was found: what it is restored to.
type Setup struct {
	Concurrency       int     `json:"concurrency"` // MaximumConcurrency of the requests mapping; 0 for none
	Batch             int     `json:"batch"`
	WindowS           float64 `json:"window_s"`
	Parallelism       int     `json:"parallelism"` // BATCH_PARALLELISM of the handler
	VisibilityS       float64 `json:"visibility_s"`
	FunctionTimeoutS  float64 `json:"function_timeout_s"`
	ReservedConc      *int    `json:"reserved_concurrency,omitempty"` // of the handler
	ResponsesConc     int     `json:"responses_concurrency"`
	ResponsesBatch    int     `json:"responses_batch"`
	AccountConc       int     `json:"account_concurrency"`
	MaxReceiveCount   int     `json:"max_receive_count"`
	HandlerFunction   string  `json:"handler_function"`
	RequestsMappingID string  `json:"requests_mapping_id"`
}

// Experiment is a question and its answer.
type Experiment struct {
	ID       string   `json:"id"`       // E1 ... E9
	Title    string   `json:"title"`    // "Knee by MaximumConcurrency"
	Question string   `json:"question"` // "Does MaximumConcurrency set the throughput?"
	Finding  string   `json:"finding"`  // one sentence with numbers, or why there is none
	Method   string   `json:"method"`   // what was done, in a sentence or two, and what differs from AWS
	Order    []string `json:"order"`    // its cells as they were run
	Fits     []Fit    `json:"fits,omitempty"`
}

// Fit is the curve of two lines through cells of an experiment (package stats): y = min(Slope·x, Ceiling).
type Fit struct {
	X        string   `json:"x"`      // "offered_rate" or "concurrency"
	Series   string   `json:"series"` // such as "C=4"
	Slope    float64  `json:"slope"`
	Ceiling  *float64 `json:"ceiling"` // null when nothing is on the flat part
	At       *float64 `json:"at"`
	Residual float64  `json:"residual"`
}

// Validity says whether a cell may be believed.
type Validity string

// A cell is valid, or it is not for one of these reasons; [Cell.Why] says more.
const (
	Valid            Validity = "valid"
	GeneratorLimited Validity = "generator-limited" // the sender did not keep to its schedule
	TargetLimited    Validity = "target-limited"    // the machine or another part of the system was the limit, not what was varied
	Contaminated     Validity = "contaminated"      // something else used the system, or its settings changed, or it restarted
	Interrupted      Validity = "interrupted"       // it did not run to its end
)

// Cell is one load on one setup.
type Cell struct {
	ID         string   `json:"id"`         // "E1/C=4/offered=1.2", unique in a Results, without blanks
	Experiment string   `json:"experiment"` // E1
	Role       string   `json:"role"`       // "measured", "calibration" (excluded from findings) or "control"
	Repeat     int      `json:"repeat"`     // from 1
	Params     Params   `json:"params"`
	Validity   Validity `json:"validity"`
	Why        []string `json:"why,omitempty"`

	Started time.Time `json:"started"`
	Stages  []Stage   `json:"stages"`

	PredictedCapacity *float64 `json:"predicted_capacity"` // subjects/s, said before it was measured
	CapacityModel     Model    `json:"capacity_model"`
	PredictedDrainS   *float64 `json:"predicted_drain_s"`
	PredictedNote     string   `json:"predicted_note,omitempty"` // what else was predicted, in words

	RecoveryS          *float64 `json:"recovery_s,omitempty"`           // after an outage, until no more were behind than before
	PredictedRecoveryS *float64 `json:"predicted_recovery_s,omitempty"` // outage·ρ/(1-ρ), of the outage as it was

	OfferedRate   float64  `json:"offered_rate"` // of the stage that is measured
	AcceptedRate  float64  `json:"accepted_rate"`
	CompletedRate Interval `json:"completed_rate"`
	LittleRatio   *float64 `json:"little_ratio"`
	Diagnosis     string   `json:"diagnosis"` // package stats
	Backlog       Backlog  `json:"backlog"`
	EndToEnd      Latency  `json:"e2e_ms"`         // from the intended time
	Uncorrected   Latency  `json:"uncorrected_ms"` // from the time at which it was sent
	Acknowledged  Latency  `json:"ack_ms"`         // intended ... 202
	Slip          Latency  `json:"slip_ms"`        // intended ... sent
	Waits         *Waits   `json:"waits_ms"`       // means over completed subjects
	Counts        Counts   `json:"counts"`
	Clock         Clock    `json:"clock"`
	Sender        Sender   `json:"sender"`
	Series        Series   `json:"series"`
	Slowest       []Traced `json:"slowest"`  // and where they spent their time: at most 10
	Examples      Examples `json:"examples"` // subjects that are not as they should be, at most 20 of each

	Simulated *Simulated `json:"simulated,omitempty"` // of the same load on the same setup, where that can be simulated
}

// Simulated is what a simulation says of a cell (package forecast): beside the cell's own figures it shows how far the
// forecasts of the same simulation may be believed.
type Simulated struct {
	CompletedRate float64  `json:"completed_rate"` // of the measured stages
	DrainS        *float64 `json:"drain_s"`        // null when it did not drain
}

// Params are what a cell differs in from others.
type Params struct {
	Concurrency int     `json:"concurrency,omitempty"`
	Batch       int     `json:"batch,omitempty"`
	Parallelism int     `json:"parallelism,omitempty"`
	VisibilityS float64 `json:"visibility_s,omitempty"`
	WorkMs      float64 `json:"work_ms"` // sleep_ms of each subject
	Queue       string  `json:"queue"`   // "sqs", "hidden" (the bus invokes the function), "none" (the sender does)
	Arrivals    string  `json:"arrivals"`
	OutageS     float64 `json:"outage_s,omitempty"`
	Offered     float64 `json:"offered,omitempty"` // of the predicted capacity, where the load is a multiple of it
}

// Stage is a piece of a cell's load.
type Stage struct {
	Name     string  `json:"name"`
	From     float64 `json:"from"`
	To       float64 `json:"to"`
	Seconds  float64 `json:"seconds"`
	Measured bool    `json:"measured"` // rates and growth are of the measured stages
}

// Model is the capacity formula's input: C·B/(o + ⌈B/P⌉·s).
type Model struct {
	C   int     `json:"c"`
	B   float64 `json:"b"`
	P   int     `json:"p"`
	Oms float64 `json:"o_ms"`
	Sms float64 `json:"s_ms"`
}

// Interval is a mean with its 95 % interval; Lo and Hi are null when it is infinite.
type Interval struct {
	Mean   float64  `json:"mean"`
	Lo     *float64 `json:"lo"`
	Hi     *float64 `json:"hi"`
	Blocks int      `json:"blocks"`
}

// Backlog is how far completed subjects were behind accepted ones.
type Backlog struct {
	Peak    int      `json:"peak"`
	Growth  Interval `json:"growth"` // subjects per second
	Verdict string   `json:"verdict"`
	DrainS  *float64 `json:"drain_s"` // null when it did not drain
}

// Latency is a distribution in milliseconds. Quantiles are null when there are too few subjects for them. Their intervals are
// of 95 %, if subjects do not depend on each other; with a growing backlog they do.
type Latency struct {
	N        int64    `json:"n"`
	Mean     float64  `json:"mean"`
	P50      *float64 `json:"p50"`
	P90      *float64 `json:"p90"`
	P99      *float64 `json:"p99"`
	P999     *float64 `json:"p999"`
	Max      float64  `json:"max"`
	P50Lo    *float64 `json:"p50_lo,omitempty"`
	P50Hi    *float64 `json:"p50_hi,omitempty"`
	P99Lo    *float64 `json:"p99_lo,omitempty"`
	P99Hi    *float64 `json:"p99_hi,omitempty"`
	Negative int64    `json:"negative,omitempty"` // that ended before they began, by clocks that contradict each other: zero to quantiles
	Clipped  int64    `json:"clipped,omitempty"`  // that took more than a day: a day to quantiles
}

// Waits is where the time of a subject went (package ledger).
type Waits struct {
	Accept   float64 `json:"accept"`
	Request  float64 `json:"request"`
	Service  float64 `json:"service"`
	Response float64 `json:"response"`
	Store    float64 `json:"store"`
}

// Counts is what became of all subjects of a cell, whatever their stage (package ledger).
type Counts struct {
	Scheduled    int            `json:"scheduled"`
	Unsent       int            `json:"unsent"`
	Rejected     int            `json:"rejected"`
	Unanswered   int            `json:"unanswered"`
	Open         int            `json:"open"`
	Lost         int            `json:"lost"`
	DeadLettered int            `json:"dead_lettered"`
	Failed       int            `json:"failed"`
	Completed    int            `json:"completed"`
	Acknowledged int            `json:"acknowledged"`
	Late         int            `json:"late"`
	Duplicated   int            `json:"duplicated"`
	Duplicates   int            `json:"duplicates"`
	Deliveries   int            `json:"deliveries"`
	Codes        map[string]int `json:"codes"`
	Errors       map[string]int `json:"errors"`
}

// Sender is what the sender itself used.
type Sender struct {
	Workers  int     `json:"workers"`
	CPUCores float64 `json:"cpu_cores"` // of this process, on the average
}

// Series is the timeline of a cell at equal steps. Values are counts in the step, but for Backlog, which is at its end.
type Series struct {
	StepS     float64   `json:"step_s"`
	Offered   []float64 `json:"offered"`
	Accepted  []float64 `json:"accepted"`
	Completed []float64 `json:"completed"`
	Backlog   []float64 `json:"backlog"`
}

// Traced is a subject with its trace.
type Traced struct {
	Subject string  `json:"subject"`
	TraceID string  `json:"trace_id"`
	E2Ems   float64 `json:"e2e_ms"`
	Link    string  `json:"link,omitempty"` // of a page that shows the trace
	Waits   *Waits  `json:"waits_ms"`
	Hops    []Hop   `json:"hops,omitempty"` // its trace in short; absent when it was not traced
}

// Hop is a part of a trace: what an event crossed, or a service that handled it.
type Hop struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // "work", "queue" or "bus"
	Depth   int      `json:"depth"`
	StartMs float64  `json:"start_ms"` // since the trace began
	TookMs  *float64 `json:"took_ms"`  // null when it has not ended
	Failed  bool     `json:"failed,omitempty"`
}

// Kinds of hops.
const (
	HopWork  = "work"
	HopQueue = "queue"
	HopBus   = "bus"
)

// Examples are subjects, or keys where the API told no subject.
type Examples struct {
	Lost         []string `json:"lost,omitempty"`
	DeadLettered []string `json:"dead_lettered,omitempty"`
	Duplicated   []string `json:"duplicated,omitempty"`
	Failed       []string `json:"failed,omitempty"`
	Late         []string `json:"late,omitempty"`
	Unanswered   []string `json:"unanswered,omitempty"`
}

// Forecast is what a simulation of the architecture says (package sim): one Level for each rate.
type Forecast struct {
	Region   string   `json:"region"`
	Seconds  float64  `json:"seconds"` // of load, simulated, at each rate
	WorkMs   float64  `json:"work_ms"`
	Template string   `json:"template"`
	Prices   string   `json:"prices"` // their date and region
	Levels   []Level  `json:"levels"`
	Changed  []string `json:"changed,omitempty"` // settings that differ from the template
	Fitted   []Level  `json:"fitted,omitempty"`  // the same rates, each with settings raised for it as far as is possible
}

// Level is a rate and what holds it.
type Level struct {
	Offered    float64  `json:"offered_rate"`
	Cohort     int64    `json:"cohort"` // k: subjects that one token stands for
	Accepted   float64  `json:"accepted_rate"`
	Completed  float64  `json:"completed_rate"` // while the load goes on
	Settled    float64  `json:"settled_rate"`   // completed in the last fifth of the load, when ramps are over
	Rejected   int64    `json:"rejected"`
	Dead       int64    `json:"dead_lettered"`
	PeakBack   int64    `json:"peak_backlog"`
	DrainS     *float64 `json:"drain_s"`
	EndToEnd   Latency  `json:"e2e_ms"`
	Ack        Latency  `json:"ack_ms"`
	Waits      Waits    `json:"waits_ms"`
	Binding    string   `json:"binding,omitempty"` // the limit that holds most subjects back; empty for none
	BindingWhy string   `json:"binding_why,omitempty"`
	Raise      []string `json:"raise"`            // what to raise for this rate, the lowest ceiling first
	Raised     []string `json:"raised,omitempty"` // what was raised for it
	USDMillion float64  `json:"usd_per_million"`
	Cost       []Cost   `json:"cost"`
	ComputeS   float64  `json:"compute_s"` // how long the simulation took
	Series     Series   `json:"series"`
}

// Behind returns for how long, from the beginning of the load, more subjects were behind than when the load ended, by at least as many
// as are offered in a second. It is 0 when they never were: what a ramp has left behind at first is caught up then, where nothing
// binds.
func (l Level) Behind() time.Duration {
	end := min(len(l.Series.Offered), len(l.Series.Backlog)) - 1
	for end >= 0 && l.Series.Offered[end] == 0 {
		end--
	}
	for i := end; i >= 0; i-- {
		if l.Series.Backlog[i] >= l.Series.Backlog[end]+l.Offered {
			return time.Duration(float64(i+1) * l.Series.StepS * float64(time.Second))
		}
	}
	return 0
}

// Cost is a line of the bill for a million completed subjects.
type Cost struct {
	Item string  `json:"item"`
	USD  float64 `json:"usd"`
}

// Assertion is a condition that was asked for, and whether it holds.
type Assertion struct {
	Expr  string `json:"expr"`
	Value string `json:"value"` // what it was found to be, cell by cell
	OK    bool   `json:"ok"`
}
