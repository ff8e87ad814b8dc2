package experiment

import (
	"fmt"
	"math"
	"strings"
	"time"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// Roles of cells.
const (
	roleMeasured    = "measured"
	roleCalibration = "calibration"
	roleControl     = "control"
)

// A spec is a cell before it is measured.
type spec struct {
	experiment, name string
	role             string // "" for measured
	repeat           int

	settings Settings
	via      string        // "" for ViaAPI
	work     time.Duration // of a subject

	load    func(capacity float64) []stage // for what the setup is predicted to do
	offered float64                        // the load as a multiple of capacity; 0 when it is not one
	outage  time.Duration                  // of the mapping, as long as the stage "outage" lasts

	repeats bool                             // subjects are expected to be done more than once
	extra   time.Duration                    // that the drain may take longer than predicted
	predict func(p prediction) (note string) // what is predicted beside capacity and backlog; nil for nothing
}

// A stage is a piece of a load.
type stage struct {
	schedule.Stage
	measured bool
}

func (s spec) id() string {
	id := s.experiment
	if s.name != "" {
		id += "/" + s.name
	}
	if s.role == roleControl {
		id += "/control"
	}
	if s.repeat > 1 {
		id += fmt.Sprintf("/repeat=%d", s.repeat)
	}
	return strings.TrimPrefix(id, "/")
}

// queue returns the way of the subjects as results name it.
func (s spec) queue() string {
	switch {
	case s.via == ViaFunction:
		return ViaFunction
	case s.settings.Route != nil:
		return *s.settings.Route
	}
	return RouteQueue
}

// String tells the settings that are to be changed, such as "MaximumConcurrency 4, batch size 1".
func (s Settings) String() string {
	var parts []string
	if s.Concurrency != nil {
		parts = append(parts, fmt.Sprintf("MaximumConcurrency %d", *s.Concurrency))
	}
	if s.Batch != nil {
		parts = append(parts, fmt.Sprintf("batch size %d", *s.Batch))
	}
	if s.Visibility != nil {
		parts = append(parts, fmt.Sprintf("visibility timeout %v", *s.Visibility))
	}
	if s.Reserved != nil {
		parts = append(parts, fmt.Sprintf("reserved concurrency %d", *s.Reserved))
	}
	if s.Route != nil {
		parts = append(parts, "route "+*s.Route)
	}
	if s.Enabled != nil {
		parts = append(parts, fmt.Sprintf("mapping enabled %t", *s.Enabled))
	}
	if len(parts) == 0 {
		return "what it is"
	}
	return strings.Join(parts, ", ")
}

// differences returns what of the settings does not hold. Reserved concurrency that was taken away has to be unknown; the
// route is not part of a setup.
func (s Settings) differences(have results.Setup) []string {
	var different []string
	say := func(name string, have, want any) {
		different = append(different, fmt.Sprintf("%s is %v, though it was set to %v", name, have, want))
	}
	if s.Concurrency != nil && have.Concurrency != *s.Concurrency {
		say("MaximumConcurrency", have.Concurrency, *s.Concurrency)
	}
	if s.Batch != nil && have.Batch != *s.Batch {
		say("the batch size", have.Batch, *s.Batch)
	}
	if s.Visibility != nil && have.VisibilityS != s.Visibility.Seconds() {
		say("the visibility timeout", seconds(have.VisibilityS), *s.Visibility)
	}
	if s.Reserved != nil {
		switch {
		case *s.Reserved < 0 && have.ReservedConc != nil:
			say("reserved concurrency", *have.ReservedConc, "none")
		case *s.Reserved >= 0 && have.ReservedConc == nil:
			say("reserved concurrency", "none", *s.Reserved)
		case *s.Reserved >= 0 && *have.ReservedConc != *s.Reserved:
			say("reserved concurrency", *have.ReservedConc, *s.Reserved)
		}
	}
	return different
}

// A prediction is what a setup should do.
type prediction struct {
	capacity stats.Capacity
	rate     float64 // subjects per second
}

// predict returns the capacity of a setup for a cell. It looks at the setup as it is, not as the cell wanted it.
func predict(setup results.Setup, s spec, overhead time.Duration) (prediction, error) {
	c := stats.Capacity{Batch: 1, Parallelism: max(1, setup.Parallelism), Overhead: overhead, Service: s.work}
	slots := []int{setup.AccountConc}
	if setup.ReservedConc != nil {
		slots = append(slots, *setup.ReservedConc)
	}
	if s.queue() == RouteQueue {
		slots = append(slots, setup.Concurrency)
		c.Batch = float64(max(1, setup.Batch))
	}
	for _, n := range slots {
		if n > 0 && (c.Concurrency == 0 || n < c.Concurrency) {
			c.Concurrency = n
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1000 // of an account by default
	}
	rate, err := c.Rate()
	if err != nil {
		return prediction{}, fmt.Errorf("experiment: %s: %w", s.id(), err)
	}
	return prediction{c, rate}, nil
}

// nominalOverhead is what an invocation is taken to cost where only the length of a run is estimated.
const nominalOverhead = 5 * time.Millisecond

// nominal predicts a cell before anything is known of the stack but its setup.
func nominal(c Config, setup results.Setup, s spec) prediction {
	setup = s.settings.on(setup)
	p, err := predict(setup, s, nominalOverhead)
	if err != nil { // of a setup without sense; Run will say so
		return prediction{stats.Capacity{Concurrency: c.Concurrency, Batch: 1, Parallelism: 1, Service: s.work}, float64(c.Concurrency) / s.work.Seconds()}
	}
	return p
}

// on returns the setup that settings make of another.
func (s Settings) on(setup results.Setup) results.Setup {
	if s.Concurrency != nil {
		setup.Concurrency = *s.Concurrency
	}
	if s.Batch != nil {
		setup.Batch = *s.Batch
	}
	if s.Visibility != nil {
		setup.VisibilityS = s.Visibility.Seconds()
	}
	if s.Reserved != nil {
		setup.ReservedConc = nil
		if *s.Reserved >= 0 {
			setup.ReservedConc = s.Reserved
		}
	}
	return setup
}

// A course is how far behind a system falls, by arithmetic.
type course struct{ peak, end float64 }

// fluid follows a load through a system of a capacity as if subjects were a liquid. During an outage nothing ends.
func fluid(stages []stage, capacity float64, outage time.Duration) course {
	const steps = 1000 // of a stage
	var c course
	for _, s := range stages {
		dt := s.Duration.Seconds() / steps
		able := capacity
		if outage > 0 && s.Name == stageOutage {
			able = 0
		}
		for i := range steps {
			rate := s.From + (s.To-s.From)*(float64(i)+0.5)/steps
			c.end = max(0, c.end+(rate-able)*dt)
			c.peak = max(c.peak, c.end)
		}
	}
	return c
}

// Names of stages.
const (
	stageWarmUp = "warm-up"
	stageHold   = "hold"
	stageOutage = "outage"
)

// size is how long the parts of a cell are: at least so long that many invocations fit in.
func (c Config) size(work time.Duration) (warm, hold time.Duration) {
	warm, hold = 2*time.Second, 10*time.Second
	switch {
	case c.AWS:
		warm, hold = 10*time.Second, time.Minute
	case c.Quick:
		warm, hold = 700*time.Millisecond, 3*time.Second
	}
	return max(warm, 10*work), max(hold, 60*work)
}

// steady returns a load at one rate, whose beginning is not measured.
func (c Config) steady(rate float64, work time.Duration) []stage {
	warm, hold := c.size(work)
	rate = min(rate, c.MaxRate)
	return []stage{
		{schedule.Constant(stageWarmUp, rate, warm), false},
		{schedule.Constant(stageHold, rate, hold), true},
	}
}

// times returns a steady load of a multiple of the capacity.
func (c Config) times(x float64, work time.Duration) func(float64) []stage {
	return func(capacity float64) []stage { return c.steady(x*capacity, work) }
}

// at returns a steady load.
func (c Config) at(rate float64, work time.Duration) func(float64) []stage {
	return func(float64) []stage { return c.steady(rate, work) }
}

// limited returns settings with which the requests mapping is the limit.
func limited(concurrency, batch int) Settings {
	return Settings{Concurrency: &concurrency, Batch: &batch}
}

func seconds(s float64) time.Duration {
	if !(math.Abs(s) < math.MaxInt64/1e9) {
		return math.MaxInt64
	}
	return time.Duration(math.Round(s * 1e9))
}

// Findings and reasons have numbers as the report has them (package draw).

func number(x float64) string { return draw.Number.Format(x) }

// subjects are whole.
func subjects(n float64) string { return draw.Count.Format(n) }

func short(d time.Duration) string { return draw.Seconds.Format(d.Seconds()) }
