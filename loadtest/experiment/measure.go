package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// calibrationConcurrency is small, so that the machine that all runs on is idle for most of the time, and yet has the company of
// others that an invocation has in the cells: on two cores it costs half as much again at 8 a time as at 2.
const calibrationConcurrency = 4

func calibrationSpec(c Config) spec {
	warm, hold := c.size(c.Work)
	return spec{name: Calibration, role: roleCalibration, settings: limited(calibrationConcurrency, 1), work: c.Work, offered: 1.5, load: func(capacity float64) []stage {
		rate := min(1.5*capacity, c.MaxRate)
		return []stage{{schedule.Constant(stageWarmUp, rate, warm), false}, {schedule.Constant(stageHold, rate, hold), true}}
	}}
}

// calibrate measures the overhead of an invocation: all slots are kept busy, and what a slot takes beyond the work is overhead.
// The measurement is used up by that. A prediction for other concurrencies and batch sizes is one; that the calibrated cell
// itself fits proves nothing.
func (r *runner) calibrate(ctx context.Context) error {
	cell, err := r.measure(ctx, calibrationSpec(r.c))
	if err != nil {
		return err
	}
	if cell.Validity != results.Valid {
		r.c.doubt = cell.Validity
		r.note("The calibration is %s: predictions are as good as it.", cell.Validity)
	}
	return nil
}

// calibrated takes the overhead from the ledger: see [stats.Capacity.Calibrate].
func (m *measurement) calibrated() error {
	c := m.predicted.capacity
	if n := m.ledger.Count(nil).Duplicated; n > 0 { // slots were busy with what was done already
		m.contaminate(fmt.Sprintf("%d subjects were done more than once: how long an invocation takes is not known, and taken to be the work alone", n))
		return nil
	}
	rate := saturated(m.ledger.Timeline(m.clock, nil), c.Concurrency*int(c.Batch))
	if rate == 0 {
		return cause{"experiment: the calibration says nothing: too few subjects were completed"}
	}
	found, err := c.Calibrate(rate)
	if err != nil {
		return fmt.Errorf("experiment: the calibration contradicts the work that was asked for: %w", err)
	}
	m.overhead, m.outside = found.Overhead, found.Invocation()
	if service, _ := m.service(); service > 0 { // in batches of one it is exact
		m.outside = max(0, found.Invocation()-service)
	}
	return nil
}

// saturated returns the rate at which subjects ended while all slots were busy, whose invocations take so many at a time. It counts
// whole rounds of the slots: where they work in step, completions come in lots, and the rate of a time that cuts a lot in two is wrong
// by that. The first two rounds and the last one are left out, and so are moments at which the machine was away: stretches of five
// rounds that took half as long again as most.
func saturated(line ledger.Timeline, round int) float64 {
	const rounds = 5 // of a stretch
	var took []time.Duration
	for last := 2*round + rounds*round; last < len(line.Ended)-round; last += rounds * round {
		took = append(took, line.Ended[last].Sub(line.Ended[last-rounds*round]))
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	var sum time.Duration
	n := 0
	for _, d := range took {
		if d <= took[len(took)/2]*3/2 {
			sum += d
			n++
		}
	}
	if sum <= 0 {
		return 0
	}
	return float64(n*rounds*round) / sum.Seconds()
}

// A cause ends a run: there is no use in going on.
type cause struct{ why string }

func (c cause) Error() string { return c.why }

// measure sets the stack up, puts a load on it, and appends what came of it to the outcome. An error ends the run; the cell has
// then what was measured, and no ID if that is nothing.
func (r *runner) measure(ctx context.Context, s spec) (results.Cell, error) {
	if ctx.Err() != nil {
		return results.Cell{}, stopped(ctx)
	}
	if err := r.apply(ctx, s.settings); err != nil {
		return results.Cell{}, r.because(ctx, err)
	}
	setup, err := r.setup(ctx)
	if err != nil {
		return results.Cell{}, r.because(ctx, err)
	}
	if limit := setup.FunctionTimeoutS; limit > 0 && s.work.Seconds() >= limit {
		return results.Cell{}, fmt.Errorf("experiment: %s: work of %v in a function that has %v", s.id(), s.work, seconds(limit))
	}
	m := &measurement{runner: r, spec: s, setup: setup}
	m.contaminate(s.settings.differences(setup)...)
	if m.predicted, err = predict(setup, s, r.overhead); err != nil {
		return results.Cell{}, err
	}
	if v := seconds(setup.VisibilityS); s.queue() == RouteQueue && v > 0 && v < m.predicted.capacity.Invocation() {
		m.spec.repeats, m.spec.extra = true, max(m.spec.extra, time.Minute) // until the queue has given up what is visible again and again
	}
	if m.incarnation, err = r.incarnation(ctx); err != nil {
		return results.Cell{}, r.because(ctx, err)
	}
	before, err := r.empty(ctx, r.limits.empty)
	if err != nil {
		return results.Cell{}, r.because(ctx, fmt.Errorf("experiment: read how many messages wait: %w", err))
	}
	if key := s.settings.String() + s.via + s.work.String(); key != r.primed {
		if err := m.prime(ctx); err != nil {
			return results.Cell{}, r.because(ctx, err)
		}
		r.primed = key
		if before, err = r.empty(ctx, r.limits.empty); err != nil {
			return results.Cell{}, r.because(ctx, fmt.Errorf("experiment: read how many messages wait: %w", err))
		}
	}
	if n := before.Waiting(); n > 0 {
		m.contaminate(fmt.Sprintf("%d messages were in the queues before it began", n))
	}

	if m.items, m.counted, err = r.items(ctx); err != nil {
		return results.Cell{}, r.because(ctx, fmt.Errorf("experiment: count the items of the tables: %w", err))
	}

	stages := s.load(m.predicted.rate)
	if err := m.begin(stages); err != nil {
		return results.Cell{}, err
	}
	cell := m.forecast(stages)
	r.c.Watch.Predicted(cell)
	ended := m.run(ctx)
	if s.role == roleCalibration && ended == nil {
		if ended = m.calibrated(); ended == nil {
			m.predicted, ended = predict(setup, s, r.overhead)
		}
	}
	cell = m.cell(cell, ended)
	r.out.Cells = append(r.out.Cells, cell)
	if cell.Clock.N > 0 && (r.out.Clock.N == 0 || cell.Clock.ErrorMs < r.out.Clock.ErrorMs) {
		r.out.Clock = cell.Clock
	}
	if r.c.Subjects != nil {
		if err := r.c.Subjects.Write(cell.ID, m.ledger, m.clock); err != nil {
			r.note("The subjects of %s could not be written: %v", cell.ID, err)
		}
	}
	r.kept = r.c.SLO.keeps(m.ledger, m.clock, m.measures, cell)
	r.c.Watch.Measured(cell)
	if ended == nil && m.left > 0 { // what is still in the queues would be the next cell's
		r.note("After %s %d messages were left, and purged.", cell.ID, m.left)
		if err := r.purge(ctx); err != nil {
			return cell, r.because(ctx, err)
		}
	}
	return cell, ended
}

// because returns why a run ends: if it was told to, that is why, whatever failed of it.
func (r *runner) because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	return err
}

// A measurement is a cell while it is measured.
type measurement struct {
	*runner
	spec        spec
	setup       results.Setup
	predicted   prediction
	incarnation string
	items       int  // of the tables, before the load
	counted     bool // that they are so many is known

	plan    []stage
	load    *schedule.Schedule
	ledger  *ledger.Ledger
	began   time.Time
	report  attack.Report
	seen    *tracker
	clock   ledger.Clock
	ended   time.Time // of the load, as it was
	silent  bool      // no progress is told
	cutOff  bool      // the load did not come to its end
	drained bool      // all subjects have ended, or nothing is on its way any more
	full    bool      // batches were: the system fell behind
	left    int       // messages that were still in the queues at the deadline

	mu           sync.Mutex
	contaminated []string
}

// contaminate records why the cell may not be believed.
func (m *measurement) contaminate(why ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range why {
		if len(m.contaminated) < 10 {
			m.contaminated = append(m.contaminated, w)
		}
	}
}

// begin makes the schedule and its ledger. The load begins a moment later, when all goroutines are there.
func (m *measurement) begin(stages []stage) error {
	plain := make([]schedule.Stage, len(stages))
	for i, s := range stages {
		plain[i] = s.Stage
	}
	load, err := schedule.New(plain...)
	if err == nil && m.c.Arrivals == Poisson && m.spec.role != roleCalibration {
		load, err = load.Poisson(m.c.Seed + uint64(m.ledgers))
	}
	if err != nil {
		return fmt.Errorf("experiment: %s: %w", m.spec.id(), err)
	}
	const head = 20 * time.Millisecond
	m.plan, m.load, m.began = stages, load, time.Now().Add(head)
	m.ledgers++
	m.ledger, err = ledger.New(fmt.Sprintf("%s.%d", m.c.RunID, m.ledgers), m.began, load)
	if err != nil {
		return fmt.Errorf("experiment: %s: %w", m.spec.id(), err)
	}
	m.seen = newTracker(m.ledger)
	return nil
}

// prime has each slot do two subjects, so that no measured one pays for a cold start. Subjects of a prime are in no result.
func (m *measurement) prime(ctx context.Context) error {
	n := float64(2 * min(m.predicted.capacity.Concurrency, 500))
	rate := min(m.c.MaxRate, n*10) // within 100 ms
	p := &measurement{runner: m.runner, spec: m.spec, setup: m.setup, predicted: m.predicted, incarnation: m.incarnation}
	p.spec.outage, p.silent = 0, true
	if err := p.begin([]stage{{schedule.Constant("prime", rate, seconds(n/rate)), false}}); err != nil {
		return err
	}
	if err := p.run(ctx); err != nil {
		return err
	}
	c := p.ledger.Count(nil)
	if c.Completed == 0 && m.way() == ViaAPI {
		return cause{fmt.Sprintf("experiment: none of %d subjects that were to warm the functions up was completed: %d accepted, %d rejected, %d without an answer (%s)", c.Scheduled, c.Acknowledged, c.Rejected, c.Unanswered, reasons(c))}
	}
	if missing := c.Lost + c.Unanswered + c.Open; missing > 0 {
		m.runner.note("Before %s, %d of %d subjects that warm functions up did not end.", m.spec.id(), missing, c.Scheduled)
	}
	return nil
}

// reasons tells statuses and errors of requests.
func reasons(c ledger.Counts) string {
	text := ""
	for code, n := range c.Codes {
		if code != 0 && code/100 != 2 {
			text += fmt.Sprintf("%d of HTTP %d, ", n, code)
		}
	}
	for reason, n := range c.Errors {
		text += fmt.Sprintf("%d %s, ", n, reason)
	}
	if text == "" {
		return "all accepted"
	}
	return text[:len(text)-2]
}

// run puts the load on the system, and watches it until nothing is on its way any more. An error says why the run cannot go on.
func (m *measurement) run(ctx context.Context) error {
	request, err := m.sys.Request(m.way(), m.spec.work)
	if err != nil {
		return fmt.Errorf("experiment: %s: %w", m.spec.id(), err)
	}
	loadCtx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	watchCtx, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer unwatch()

	w := &watch{measurement: m, died: cut, looking: make(chan struct{}, 1)}
	watchers.Go(func() { w.sample(watchCtx) })
	watchers.Go(func() { w.guard(watchCtx) })
	outage := make(chan error, 1)
	go func() { outage <- m.interruptMapping(loadCtx) }()

	m.report, err = attack.Run(loadCtx, attack.Config{
		Schedule: m.load, Ledger: m.ledger, Request: request, MaxWorkers: m.c.MaxWorkers, Timeout: m.c.Timeout, Live: &m.seen.live,
	})
	m.ended = time.Now()
	if err != nil {
		cut(err)
	}
	if outageErr := <-outage; err == nil {
		err = outageErr
	}
	if loadCtx.Err() != nil {
		m.cutOff = m.report.Sent < m.load.Total()
		err = m.why(loadCtx)
	}
	if err == nil {
		if err = m.drain(loadCtx, w); err != nil && loadCtx.Err() != nil {
			err = m.why(loadCtx)
		}
	}
	unwatch()
	watchers.Wait()
	m.last(ctx, err)
	return err
}

// why returns why a load was cut off: the system died, or the run was told to end.
func (m *measurement) why(ctx context.Context) error {
	var c cause
	if errors.As(context.Cause(ctx), &c) {
		return c
	}
	return stopped(ctx)
}

func (m *measurement) way() string {
	if m.spec.via == "" {
		return ViaAPI
	}
	return m.spec.via
}

// interruptMapping disables the mapping for as long as the stage of the outage lasts.
func (m *measurement) interruptMapping(ctx context.Context) error {
	if m.spec.outage == 0 {
		return nil
	}
	at := time.Duration(0)
	for _, s := range m.plan {
		if s.Name == stageOutage {
			break
		}
		at += s.Duration
	}
	off, on := false, true
	if sleep(ctx, time.Until(m.began.Add(at))) != nil {
		return nil // the load was cut off, which is said elsewhere
	}
	if err := m.apply(ctx, Settings{Enabled: &off}); err != nil {
		return err
	}
	if sleep(ctx, time.Until(m.began.Add(at+m.spec.outage))) != nil {
		return nil // and Restore enables the mapping
	}
	if err := m.apply(ctx, Settings{Enabled: &on}); err != nil {
		return err
	}
	var err error
	m.incarnation, err = m.runner.incarnation(ctx) // it was we who changed it
	return err
}

// drain waits until all subjects have ended, nothing is on its way any more, or the deadline is over.
func (m *measurement) drain(ctx context.Context, w *watch) error {
	behind := float64(len(m.ledger.Open(0, m.ledger.Len())))
	predicted, ok := stats.Drain(behind, m.predicted.rate, 0)
	if !ok {
		predicted = m.limits.drain
	}
	deadline := time.Now().Add(min(2*predicted+m.limits.slack+m.spec.extra, m.limits.drain))
	m.seen.setDraining()
	quiet := time.Now() // since when nothing has ended, and nothing is on its way
	ended := m.seen.count()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() != nil {
			return err
		}
		now, open := m.seen.count(), len(m.ledger.Open(0, 1)) > 0
		// Where subjects are done again, the queues have to be empty too; elsewhere all is known when all have ended.
		if !open && !m.spec.repeats {
			m.drained = true
			return nil
		}
		if !open && !m.waiting(ctx) { // a message that was deleted by one invocation may still be in the hands of another
			m.drained = true
			return sleep(ctx, m.predicted.capacity.Invocation()+time.Second)
		}
		// Lambda's own queue does not tell what waits in it, for minutes between two tries.
		if now != ended || m.spec.queue() == RouteHidden || m.waiting(ctx) {
			quiet, ended = time.Now(), now
		}
		if time.Since(quiet) > m.limits.settle {
			m.drained = true
			return nil
		}
		if time.Now().After(deadline) {
			d, err := m.depths(ctx)
			if err != nil {
				return err
			}
			m.left = d.Waiting()
			m.drained = m.left == 0
			return nil
		}
		pause := 50 * time.Millisecond
		if len(m.ledger.Open(0, chunkSize)) == chunkSize {
			pause *= 5
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// waiting reports whether messages are on their way, or may be.
func (m *measurement) waiting(ctx context.Context) bool {
	d, err := m.depths(ctx)
	return err != nil || d.Waiting() > 0
}

// last asks for all subjects once more: an answer may have come a second time since it was seen. If the run has to end, it
// takes a few seconds for that and no more.
func (m *measurement) last(ctx context.Context, ended error) {
	patience := time.Minute + time.Duration(m.ledger.Len())*5*time.Millisecond
	if ended != nil {
		patience = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var chunk []ledger.Record
	ask := func() bool {
		err := m.sys.Observe(ctx, m.ledger, chunk, m.seen.tell)
		chunk = chunk[:0]
		if err != nil && ended == nil {
			m.contaminate(fmt.Sprintf("the tables could not be read to the end: %v", err))
		}
		return err == nil
	}
	whole := true
	for record := range m.ledger.All() {
		if fate := record.Fate(); fate == ledger.Unsent || fate == ledger.Rejected || ended != nil && record.Ended() {
			continue
		}
		if chunk = append(chunk, record); len(chunk) == chunkSize {
			if whole = ask(); !whole {
				break
			}
		}
	}
	if whole && len(chunk) > 0 {
		whole = ask()
	}
	others := 0
	err := m.deadLetters(ctx, func(subject string) {
		if !m.ledger.DeadLetter(subject) && !m.known[subject] {
			others++
		}
		m.known[subject] = true
	})
	switch {
	case err != nil && ended == nil:
		m.contaminate(fmt.Sprintf("the dead-letter queues could not be read: %v", err))
	case others > 0:
		m.contaminate(fmt.Sprintf("%d messages of others came into the dead-letter queues", others))
	}
	if ended == nil && whole && m.drained && err == nil { // else they may still be on their way, or given up
		m.ledger.Close()
	}
	m.clock = m.ledger.Clock()
	if ended != nil {
		return
	}
	if !m.drained || m.ledger.Count(nil).Duplicated > 0 { // messages of these may yet be given up, while another cell is measured
		for r := range m.ledger.All() {
			if r.Subject != "" {
				m.known[r.Subject] = true
			}
		}
	}
	m.contaminate(m.strangers(ctx)...)
	switch now, err := m.runner.incarnation(ctx); {
	case err != nil:
		m.contaminate(fmt.Sprintf("whether the system is the same as before is not known: %v", err))
	case now != m.incarnation:
		m.contaminate(fmt.Sprintf("the system is not the same as before: it was %q and is %q", m.incarnation, now))
	}
	if after, err := m.runner.setup(ctx); err != nil {
		m.contaminate(fmt.Sprintf("how the stack is set up could not be read again: %v", err))
	} else if changed := m.spec.settings.differences(after); len(changed) > 0 && len(m.spec.settings.differences(m.setup)) == 0 {
		m.contaminate(changed...)
	}
}

// strangers tells whether the tables have more items than this cell's subjects can have made: then others use the system too,
// which below its capacity no queue shows. A few that come from cells before this one are no news.
func (m *measurement) strangers(ctx context.Context) []string {
	if !m.counted {
		return nil
	}
	items, _, err := m.runner.items(ctx)
	if err != nil {
		return []string{fmt.Sprintf("how many items the tables have could not be read again: %v", err)}
	}
	ours := 0
	for r := range m.ledger.All() {
		if r.Sent != 0 {
			ours += 2 + max(1, r.Events) // an answer may have come since we asked
		}
	}
	others := items - m.items - ours
	if others <= 10+ours/100 {
		return nil
	}
	return []string{fmt.Sprintf("others use the system: %d items more are in the tables than its subjects have", others)}
}
