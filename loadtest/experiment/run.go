package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/stats"
)

// Outcome is what was found. It is whole at any time: what was not measured is not in it.
type Outcome struct {
	Setup       results.Setup // before anything was changed
	Clock       results.Clock // the surest of the cells
	Experiments []results.Experiment
	Cells       []results.Cell // the calibration first
	Interrupted string         // why it did not come to its end; "" when it did
	Notes       []string
}

// Calibration is the id of the cell that the overhead of an invocation is taken from.
const Calibration = "calibration"

// Run asks the experiments of a configuration, and restores the system whatever happens. An error says that nothing was
// measured, because the configuration or the system does not allow it; whatever ends a run later is in [Outcome.Interrupted], beside what
// was measured until then.
func Run(ctx context.Context, sys System, c Config) (*Outcome, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	r := &runner{sys: sys, c: c, limits: limitsOf(c), out: &Outcome{}}
	if r.out.Setup, err = r.setup(ctx); err != nil {
		return nil, err
	}
	plan, specs := newPlan(c, r.out.Setup)
	c.Watch.Planned(plan)
	r.known = map[string]bool{}
	if err := r.deadLetters(ctx, func(subject string) { r.known[subject] = true }); err != nil {
		return nil, fmt.Errorf("experiment: look into the dead-letter queues: %w", err)
	}

	err = r.all(ctx, plan, specs)
	if restoreErr := r.restore(ctx); restoreErr != nil {
		r.note("The stack could not be restored: %v. The next run tries again.", restoreErr)
	}
	if err != nil {
		r.out.Interrupted = err.Error()
		if len(r.out.Cells) == 0 {
			return nil, err
		}
	}
	return r.out, nil
}

// A runner runs experiments one after the other. Nothing in it is used by two goroutines.
type runner struct {
	sys    System
	c      Config
	limits limits
	out    *Outcome

	overhead time.Duration // o of an invocation, as the calibration found it: beside the work that was asked for
	outside  time.Duration // of an invocation, what passes before a subject is received and after it is answered

	ledgers int             // that were made
	primed  string          // the settings that were primed last
	kept    bool            // the last cell kept the SLO
	known   map[string]bool // subjects whose messages in dead-letter queues are no news
}

// limits are how long things may take.
type limits struct {
	call    time.Duration // one question to the system
	apply   time.Duration // until settings hold
	empty   time.Duration // until queues that should be empty are
	settle  time.Duration // without a message and without an end, after which nothing is on its way any more
	silence time.Duration // without any answer of the system, after which it is dead
	drain   time.Duration // at most
	slack   time.Duration // of a drain, beside twice the predicted time
}

func limitsOf(c Config) limits {
	if c.AWS {
		return limits{call: 30 * time.Second, apply: 10 * time.Minute, empty: 5 * time.Minute, settle: 90 * time.Second, silence: 2 * time.Minute, drain: time.Hour, slack: 2 * time.Minute}
	}
	return limits{call: 10 * time.Second, apply: time.Minute, empty: 10 * time.Second, settle: 2 * time.Second, silence: 5 * time.Second, drain: 15 * time.Minute, slack: 10 * time.Second}
}

// all runs the calibration and each experiment, until something makes going on useless: the error says what.
func (r *runner) all(ctx context.Context, plan Plan, specs [][]spec) error {
	if err := r.calibrate(ctx); err != nil {
		return err
	}
	if plan.Experiments[0].ID == CustomID { // it leaves what it is not told as it was found; the others set all that they depend on
		if err := r.restore(ctx); err != nil {
			return fmt.Errorf("experiment: restore the stack after the calibration: %w", err)
		}
	}
	for i, e := range plan.Experiments {
		q := lookup(e.ID)
		first := len(r.out.Cells)
		e.Order = nil // as they were run
		var err error
		if q.search != nil {
			err = q.search(r, ctx, &e)
		} else {
			for _, s := range specs[i] {
				var cell results.Cell
				cell, err = r.measure(ctx, s)
				if cell.ID != "" {
					e.Order = append(e.Order, cell.ID)
				}
				if err != nil {
					break
				}
			}
		}
		cells := r.out.Cells[first:]
		r.compareControl(cells)
		if e.Finding == "" {
			e.Finding, e.Fits = answer(q, r.c, cells)
		}
		if err != nil {
			e.Finding = "Interrupted: " + e.Finding
		}
		if len(cells) > 0 {
			r.out.Experiments = append(r.out.Experiments, e)
			r.c.Watch.Found(e)
		}
		if err != nil {
			return err
		}
		if err := r.restore(ctx); err != nil { // the next one begins with the stack as it was
			return fmt.Errorf("experiment: restore the stack after %s: %w", e.ID, err)
		}
		r.primed = ""
	}
	return nil
}

// compareControl notes when the cell that was repeated in the end has another rate than before.
func (r *runner) compareControl(cells []results.Cell) {
	const drift = 0.05
	for _, control := range cells {
		if control.Role != roleControl || control.Validity != results.Valid {
			continue
		}
		first := slices.IndexFunc(cells, func(c results.Cell) bool {
			return c.ID == strings.TrimSuffix(control.ID, "/"+roleControl) && c.Validity == results.Valid
		})
		if first < 0 {
			continue
		}
		before, after := cells[first].CompletedRate.Mean, control.CompletedRate.Mean
		if math.Abs(after-before) > drift*before {
			r.note("%s completed %s/s at first and %s/s in the end: the system or the machine changed while %s was asked.", cells[first].ID, number(before), number(after), control.Experiment)
		}
	}
}

// answer returns what the cells of an experiment say, and why they say nothing if they do not.
func answer(q question, c Config, cells []results.Cell) (string, []results.Fit) {
	var valid []results.Cell
	invalid := map[results.Validity]int{}
	for _, cell := range cells {
		if cell.Role == roleMeasured && (cell.Validity == results.Valid || cell.Validity == results.TargetLimited || q.late && cell.Validity == results.GeneratorLimited) {
			valid = append(valid, cell)
		} else if cell.Validity != results.Valid {
			invalid[cell.Validity]++
		}
	}
	if len(valid) == 0 {
		return fmt.Sprintf("No finding: none of %d cells is valid%s.", len(cells), listInvalid(invalid)), nil
	}
	finding, fits := q.find(c, valid)
	if c.doubt != "" && q.leans {
		finding += fmt.Sprintf(" What is predicted is made of the calibration, which is %s: it may not be believed.", c.doubt)
	}
	if len(invalid) > 0 {
		finding += fmt.Sprintf(" Left out as not valid%s.", listInvalid(invalid))
	}
	return finding, fits
}

func listInvalid(n map[results.Validity]int) string {
	text := ""
	for _, v := range []results.Validity{results.GeneratorLimited, results.TargetLimited, results.Contaminated, results.Interrupted} {
		if n[v] > 0 {
			sep := ", "
			if text == "" {
				sep = ": "
			}
			text += fmt.Sprintf("%s%d %s", sep, n[v], v)
		}
	}
	return text
}

// newPlan returns what a configuration makes of a setup, and the cells of each experiment in their order. Cells with the same
// settings stay together, in random order; so do the settings: each change takes a while to hold, on AWS a minute.
func newPlan(c Config, setup results.Setup) (Plan, [][]spec) {
	plan := Plan{Seed: c.Seed}
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	var specs [][]spec
	calibration := calibrationSpec(c)
	plan.add(c, setup, calibration, true)
	for _, id := range c.Experiments {
		q := lookup(id)
		e := results.Experiment{ID: q.ID, Title: q.Title, Question: q.Question, Method: q.method(c)}
		var ordered []spec
		for repeat := 1; q.cells != nil && repeat <= c.Repeats; repeat++ {
			groups := q.cells(c)
			rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
			for _, group := range groups {
				if !q.fixed {
					rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
				}
				for _, s := range group {
					s.experiment, s.repeat = q.ID, repeat
					ordered = append(ordered, s)
				}
			}
		}
		if q.control != nil && !c.Quick {
			s := q.control(c)
			s.experiment, s.repeat, s.role = q.ID, 1, roleControl
			ordered = append(ordered, s)
		}
		fresh := ""
		for _, s := range ordered {
			e.Order = append(e.Order, s.id())
			plan.add(c, setup, s, s.settings.String() != fresh)
			fresh = s.settings.String()
		}
		if q.search != nil {
			for range probesExpected {
				plan.add(c, setup, probe(c, nominal(c, setup, probe(c, 1)).rate*0.95), false)
			}
		}
		plan.Experiments = append(plan.Experiments, e)
		specs = append(specs, ordered)
	}
	return plan, specs
}

// add counts a cell into the plan: what it sends, and how long that and what is about it will take.
func (p *Plan) add(c Config, setup results.Setup, s spec, fresh bool) {
	predicted := nominal(c, setup, s)
	stages := s.load(predicted.rate)
	var load time.Duration
	subjects := 0.0
	for _, stage := range stages {
		load += stage.Duration
		subjects += (stage.From + stage.To) / 2 * stage.Duration.Seconds()
		p.Rate = max(p.Rate, stage.From, stage.To)
	}
	p.Concurrency = max(p.Concurrency, predicted.capacity.Concurrency)
	p.Cells++
	p.Subjects += int(subjects)
	p.Duration += load
	if drain, ok := stats.Drain(fluid(stages, predicted.rate, s.outage).end, predicted.rate, 0); ok && s.via != ViaFunction {
		p.Duration += drain
	}
	p.Duration += 300*time.Millisecond + s.extra/2 // to look at all subjects once more
	if c.AWS {
		p.Duration += 30 * time.Second
	}
	if fresh { // settings are changed and primed
		p.Subjects += 2 * predicted.capacity.Concurrency
		p.Duration += 500*time.Millisecond + 2*s.work
		if c.AWS {
			p.Duration += time.Minute
		}
	}
}

// Preview returns what Run would plan, without doing anything.
func Preview(c Config, setup results.Setup) (Plan, error) {
	c, err := c.check()
	if err != nil {
		return Plan{}, err
	}
	plan, _ := newPlan(c, setup)
	return plan, nil
}

// The questions to the system, each with its deadline.

func (r *runner) setup(ctx context.Context) (results.Setup, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.call)
	defer cancel()
	s, err := r.sys.Setup(ctx)
	if err != nil {
		return s, fmt.Errorf("experiment: read how the stack is set up: %w", err)
	}
	return s, nil
}

func (r *runner) apply(ctx context.Context, s Settings) error {
	ctx, cancel := context.WithTimeout(ctx, r.limits.apply)
	defer cancel()
	if err := r.sys.Apply(ctx, s); err != nil {
		return fmt.Errorf("experiment: set the stack to %v: %w", s, err)
	}
	return nil
}

func (r *runner) depths(ctx context.Context) (Depths, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.call)
	defer cancel()
	return r.sys.Depths(ctx)
}

func (r *runner) items(ctx context.Context) (n int, now bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.call)
	defer cancel()
	return r.sys.Items(ctx)
}

func (r *runner) incarnation(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.call)
	defer cancel()
	return r.sys.Incarnation(ctx)
}

func (r *runner) deadLetters(ctx context.Context, tell func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*r.limits.call)
	defer cancel()
	return r.sys.DeadLetters(ctx, tell)
}

// restore undoes what was applied, also when ctx is over.
func (r *runner) restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.limits.apply)
	defer cancel()
	return r.sys.Restore(ctx)
}

// empty waits until nothing is on its way. It returns what is there when it gives up.
func (r *runner) empty(ctx context.Context, patience time.Duration) (Depths, error) {
	until := time.Now().Add(patience)
	for {
		d, err := r.depths(ctx)
		if err == nil && d.Waiting() == 0 || time.Now().After(until) {
			return d, err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return d, err
		}
	}
}

// purge empties the queues of what a cell has left.
func (r *runner) purge(ctx context.Context) error {
	call, cancel := context.WithTimeout(ctx, r.limits.apply)
	defer cancel()
	if err := r.sys.Purge(call); err != nil {
		return fmt.Errorf("experiment: purge the queues: %w", err)
	}
	_, err := r.empty(ctx, r.limits.empty)
	return err
}

func (r *runner) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.out.Notes, text) {
		r.out.Notes = append(r.out.Notes, text)
		r.c.Watch.Note(text)
	}
}

// sleep waits, and returns why if its context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return stopped(ctx)
	}
}

// stopped returns why a run was told to end.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, context.Canceled) {
		return errors.New("the run was told to end")
	}
	return fmt.Errorf("the run was told to end: %w", cause)
}
