package experiment

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
)

// Config is what to ask, and how.
type Config struct {
	RunID       string        // what Idempotency-Keys begin with: 1 to 80 letters, digits, '.', '_' or '-'
	Experiments []string      // of [Catalog], in any order and case; empty for those of Quick, or all that are possible
	Quick       bool          // short loads and few cells
	AWS         bool          // real services: they take a minute to settle, and queues tell their depths late
	Seed        uint64        // of the order of cells and of random arrivals
	Repeats     int           // of each cell; 0 for 1
	Work        time.Duration // that a subject asks for, where the experiment does not say; 0 for [DefaultWork]
	Concurrency int           // where the experiment does not vary it; 0 for 4
	Arrivals    string        // Constant or Poisson; "" for Constant
	SLO         SLO           // of E9
	Custom      Custom        // of the experiment "run"

	Watch    Watcher        // nil for none
	Subjects *ledger.Writer // every subject of every cell is written to it; nil for none

	MaxWorkers int           // of the sender; 0 for its default
	Timeout    time.Duration // of a request; 0 for the sender's default
	MaxRate    float64       // that may be offered; 0 for [DefaultMaxRate]

	doubt results.Validity // of predictions: what the calibration is, unless it is valid
}

// Defaults.
const (
	DefaultWork    = 50 * time.Millisecond
	DefaultMaxRate = 2000 // a local stack, not its sender, is to be what is measured
)

// Arrivals of a load.
const (
	Constant = "constant" // equal intervals
	Poisson  = "poisson"  // random, of the same rates
)

// SLO is what a rate has to keep to be called sustainable: of a hundred subjects, 99 end within a time. The zero value is
// DefaultSLO.
type SLO struct {
	Quantile float64       // such as 0.99
	EndToEnd time.Duration // from when a subject was due
}

// DefaultSLO is one that a system without a backlog keeps easily.
var DefaultSLO = SLO{Quantile: 0.99, EndToEnd: time.Second}

// Custom is one load on one setup, as a user puts it together. Zero fields leave the stack as it is.
type Custom struct {
	Rate        float64          // subjects per second
	Duration    time.Duration    // at that rate
	Stages      []schedule.Stage // instead of both; see [ParseStages]
	Concurrency int
	Batch       int
	Visibility  time.Duration
}

// A Watcher is told what happens while it happens. Its methods are called by one goroutine at a time, and hold up what they
// watch.
type Watcher interface {
	Planned(Plan)             // before anything is touched
	Predicted(results.Cell)   // before its load
	Progress(Progress)        // about four times a second
	Measured(results.Cell)    // whatever became of it
	Found(results.Experiment) // after its last cell
	Note(text string)         // what a reader should know
}

// Plan is what is going to be done.
type Plan struct {
	Seed        uint64
	Experiments []results.Experiment // without findings; Order is that of their cells, and empty when it depends on what is found
	Cells       int
	Subjects    int           // about: primes and calibration included
	Rate        float64       // subjects per second, at the most
	Concurrency int           // batches at a time, at the most
	Duration    time.Duration // about
}

// Progress is what a cell is doing now. What has ended is only known of subjects that were asked for, the oldest ones: it is a
// little less than the truth, and the cell's results are not made of it.
type Progress struct {
	Cell                         string
	Phase                        string        // a stage's name, or PhaseDrain
	Elapsed, Of                  time.Duration // of the load
	Offered, Accepted, Completed float64       // subjects per second, in the last second
	Backlog                      int           // when the tables were last asked: accepted by then, and not completed
	P99                          time.Duration // end to end, of the last second; 0 when nothing has ended
	Slip                         time.Duration // of the latest request
}

// PhaseDrain is the phase after the load.
const PhaseDrain = "drain"

// Check returns what is wrong with a configuration, as [Run] would before it asks anything of a system.
func (c Config) Check() error {
	_, err := c.check()
	return err
}

// check returns the configuration with its defaults, or what is wrong with it.
func (c Config) check() (Config, error) {
	if c.Repeats == 0 {
		c.Repeats = 1
	}
	if c.Work == 0 {
		c.Work = DefaultWork
	}
	if c.Concurrency == 0 {
		c.Concurrency = 4
	}
	if c.Arrivals == "" {
		c.Arrivals = Constant
	}
	if c.SLO == (SLO{}) {
		c.SLO = DefaultSLO
	}
	if c.MaxRate == 0 {
		c.MaxRate = DefaultMaxRate
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = attack.DefaultMaxWorkers
	}
	if c.Watch == nil {
		c.Watch = nobody{}
	}
	switch {
	case len(c.RunID) < 1 || len(c.RunID) > 80 || strings.ContainsFunc(c.RunID, notOfID):
		return c, fmt.Errorf("run id %q: 1 to 80 letters, digits, '.', '_' or '-'", c.RunID)
	case c.Repeats < 1 || c.Repeats > 100:
		return c, fmt.Errorf("%d repeats: 1 to 100", c.Repeats)
	case c.Work < time.Millisecond || c.Work > 15*time.Minute || c.Work%time.Millisecond != 0:
		return c, fmt.Errorf("work of %v: whole milliseconds, 1ms to 15m", c.Work)
	case c.Concurrency < 2 || c.Concurrency > 1000:
		return c, fmt.Errorf("concurrency %d: a mapping's MaximumConcurrency is 2 to 1000", c.Concurrency)
	case c.Arrivals != Constant && c.Arrivals != Poisson:
		return c, fmt.Errorf("arrivals %q: %s or %s", c.Arrivals, Constant, Poisson)
	case !(c.SLO.Quantile > 0 && c.SLO.Quantile < 1) || c.SLO.EndToEnd <= 0:
		return c, fmt.Errorf("an SLO of %v within %v: the quantile is between 0 and 1, the time above 0", c.SLO.Quantile, c.SLO.EndToEnd)
	case !(c.MaxRate > 0) || math.IsInf(c.MaxRate, 1):
		return c, fmt.Errorf("a rate of at most %v per second: more than 0", c.MaxRate)
	case c.MaxWorkers < 0 || c.Timeout < 0:
		return c, fmt.Errorf("%d requests at a time, each for at most %v: neither is negative", c.MaxWorkers, c.Timeout)
	}
	if len(c.Experiments) == 0 {
		for _, e := range Catalog() {
			if e.ID != CustomID && (!c.Quick || e.Quick) && (!c.AWS || e.AWS) {
				c.Experiments = append(c.Experiments, e.ID)
			}
		}
	}
	seen := map[string]bool{}
	c.Experiments = slices.Clone(c.Experiments)
	for n, id := range c.Experiments {
		i := slices.IndexFunc(catalog, func(q question) bool { return strings.EqualFold(q.ID, id) })
		if i >= 0 {
			id = catalog[i].ID
			c.Experiments[n] = id
		}
		switch {
		case i < 0:
			return c, fmt.Errorf("there is no %q: there are %s", id, strings.Join(names(), ", "))
		case seen[id]:
			return c, fmt.Errorf("%s is asked for twice", id)
		case c.AWS && !catalog[i].AWS:
			return c, fmt.Errorf("%s is not possible on AWS: %s", id, catalog[i].WhyNot)
		}
		seen[id] = true
	}
	if seen[CustomID] {
		if err := c.Custom.check(c.MaxRate); err != nil {
			return c, err
		}
	}
	return c, nil
}

// notOfID reports whether a character is none of an id of a run.
func notOfID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
}

func (c Custom) check(maxRate float64) error {
	switch {
	case len(c.Stages) == 0 && !(c.Rate > 0 && c.Rate <= maxRate):
		return fmt.Errorf("a rate of %v per second: more than 0, and at most %v", c.Rate, maxRate)
	case len(c.Stages) == 0 && (c.Duration < time.Second || c.Duration > 24*time.Hour):
		return fmt.Errorf("a duration of %v: 1s to 24h", c.Duration)
	case len(c.Stages) > 0 && (c.Rate != 0 || c.Duration != 0):
		return errors.New("stages, or a rate and a duration, not both")
	case c.Concurrency < 0 || c.Concurrency == 1 || c.Concurrency > 1000:
		return fmt.Errorf("concurrency %d: a mapping's MaximumConcurrency is 2 to 1000", c.Concurrency)
	case c.Batch < 0 || c.Batch > 10:
		return fmt.Errorf("batch size %d: 1 to 10", c.Batch)
	case c.Visibility < 0 || c.Visibility > 12*time.Hour || c.Visibility%time.Second != 0:
		return fmt.Errorf("visibility timeout %v: whole seconds, up to 12h", c.Visibility)
	}
	for _, s := range c.Stages {
		if !(max(s.From, s.To) <= maxRate) {
			return fmt.Errorf("a rate of %v per second: at most %v", max(s.From, s.To), maxRate)
		}
	}
	stages := c.Stages
	if len(stages) == 0 {
		stages = []schedule.Stage{schedule.Constant(stageHold, c.Rate, c.Duration)}
	}
	load, err := schedule.New(stages...)
	if err != nil {
		return err
	}
	if load.Total() > ledger.MaxRecords {
		return fmt.Errorf("a load of %d subjects: at most %d", load.Total(), ledger.MaxRecords)
	}
	return nil
}

// ParseStages reads a profile: stages separated by commas, each "RATE@TIME", or "FROM..TO@TIME" for a ramp. Rates are subjects
// per second, times as [time.ParseDuration] has them; "0@5s" is a pause.
//
//	20@10s,20..160@10s,160@30s
func ParseStages(text string) ([]schedule.Stage, error) {
	var stages []schedule.Stage
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		rates, length, ok := strings.Cut(part, "@")
		if !ok {
			return nil, fmt.Errorf("stage %d, %q: RATE@TIME or FROM..TO@TIME, such as 20..160@10s", i+1, part)
		}
		d, err := time.ParseDuration(length)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("stage %d, %q: %q is no time above 0, such as 10s", i+1, part, length)
		}
		from, to, ramp := strings.Cut(rates, "..")
		if !ramp {
			to = from
		}
		stage := schedule.Stage{Name: fmt.Sprintf("%d: %s", i+1, part), Duration: d}
		for _, r := range []struct {
			text string
			rate *float64
		}{{from, &stage.From}, {to, &stage.To}} {
			*r.rate, err = strconv.ParseFloat(r.text, 64)
			if err != nil || !(*r.rate >= 0 && *r.rate <= schedule.MaxRate) {
				return nil, fmt.Errorf("stage %d, %q: %q is no rate of subjects per second", i+1, part, r.text)
			}
		}
		stages = append(stages, stage)
	}
	if _, err := schedule.New(stages...); err != nil {
		return nil, err
	}
	return stages, nil
}

// nobody watches.
type nobody struct{}

func (nobody) Planned(Plan)             {}
func (nobody) Predicted(results.Cell)   {}
func (nobody) Progress(Progress)        {}
func (nobody) Measured(results.Cell)    {}
func (nobody) Found(results.Experiment) {}
func (nobody) Note(string)              {}
