package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/sim"
)

// A Calibration is what hops take on a stack that was measured, on the average. The zero value has them take no time, as they
// nearly do on the local stack. What an invocation takes besides its subjects is not in it: a cell has that in its own
// capacity model, and has it from before it was measured.
type Calibration struct {
	Accept time.Duration // due ... accepted by the API
	Hop    time.Duration // answered ... in the sink: the bus, and a queue that does not back up
	Store  time.Duration // ... stored
}

// Calibrated takes a calibration from a cell that was measured. Its responses must not have backed up, as those of a
// calibration cell do not: what they wait is what a hop takes.
func Calibrated(cell results.Cell) (Calibration, error) {
	if cell.Waits == nil {
		return Calibration{}, fmt.Errorf("forecast: it is not known where subjects of %s spent their time", cell.ID)
	}
	w := cell.Waits
	for _, ms := range []float64{w.Accept, w.Response, w.Store} {
		if !(math.Abs(ms) <= 60_000) {
			return Calibration{}, fmt.Errorf("forecast: subjects of %s waited %v ms to be accepted, %v ms for the sink and %v ms to be stored: at most a minute", cell.ID, w.Accept, w.Response, w.Store)
		}
	}
	// Clocks that differ may make times of next to nothing negative.
	d := func(ms float64) time.Duration { return max(0, time.Duration(ms*1e6)) }
	return Calibration{Accept: d(w.Accept), Hop: d(w.Response), Store: d(w.Store)}, nil
}

// ErrNotComparable is that of a cell whose load or setup is not what is simulated. The error says what.
var ErrNotComparable = errors.New("forecast: it is not simulated")

// Compare simulates a cell's load on the cell's setup, and returns what the cell should have measured: the completed rate of its
// measured stages and the drain time. What the cell does not vary is taken from setup, how the stack was found. Nothing that
// the cell has measured goes into it.
//
// What is simulated is the local stack: no quotas but the account's concurrency, mappings without a ramp. Arrivals that are
// random are drawn from the seed, and are not those of the cell.
func Compare(ctx context.Context, cell results.Cell, setup results.Setup, cal Calibration, seed uint64) (results.Simulated, error) {
	c, err := local(cell, setup, cal, seed)
	if err != nil {
		return results.Simulated{}, fmt.Errorf("%w: %s: %w", ErrNotComparable, cell.ID, err)
	}
	r, err := sim.Run(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return results.Simulated{}, err
		}
		return results.Simulated{}, fmt.Errorf("%w: %s: %w", ErrNotComparable, cell.ID, err)
	}
	from, to := measured(cell.Stages)
	s := results.Simulated{CompletedRate: completed(r, from, to) / (to - from).Seconds()}
	if r.Drained {
		// A cell counts from when the last subject was accepted; the load may end with a pause.
		drain := max(0, r.Last-c.Load.At(c.Load.Total()-1)-cal.Accept).Seconds()
		s.DrainS = &drain
	}
	return s, nil
}

// local returns the simulation of a cell.
func local(cell results.Cell, setup results.Setup, cal Calibration, seed uint64) (sim.Config, error) {
	p, m := cell.Params, cell.CapacityModel
	switch {
	case p.Queue != "sqs":
		return sim.Config{}, fmt.Errorf("queue %.40q", p.Queue)
	case p.OutageS != 0:
		return sim.Config{}, fmt.Errorf("an outage of %v s", p.OutageS)
	case !(m.Oms >= 0 && m.Oms < 900_000) || !(p.WorkMs >= 0 && p.WorkMs < 900_000):
		return sim.Config{}, fmt.Errorf("overhead of %v ms, work of %v ms", m.Oms, p.WorkMs)
	case setup.AccountConc < 1:
		return sim.Config{}, fmt.Errorf("account concurrency %d", setup.AccountConc)
	}
	load, err := loadOf(cell, seed)
	if err != nil {
		return sim.Config{}, err
	}
	if from, to := measured(cell.Stages); to <= from {
		return sim.Config{}, errors.New("no stage of it is measured")
	}

	s := sim.Template(time.Duration(p.WorkMs * 1e6))
	s.ThrottleRate, s.ThrottleBurst = math.Inf(1), math.Inf(1)
	s.Accept.Work, s.Accept.TableCalls, s.Accept.WriteUnits = 0, 0, 0
	h := &s.Requests
	h.Concurrency, h.BatchSize, h.Parallelism = or(p.Concurrency, setup.Concurrency), or(p.Batch, setup.Batch), or(p.Parallelism, setup.Parallelism)
	h.Window, h.Overhead, h.MaxReceives = span(setup.WindowS), time.Duration(m.Oms*1e6), setup.MaxReceiveCount
	h.Visibility = span(setup.VisibilityS)
	if p.VisibilityS != 0 {
		h.Visibility = span(p.VisibilityS)
	}
	// Lambda refuses a mapping whose queue shows messages again before the function has timed out, and so does the simulation. What
	// matters is that invocations end before.
	h.Timeout = min(span(setup.FunctionTimeoutS), h.Visibility)
	if setup.ReservedConc != nil {
		if h.Reserved = *setup.ReservedConc; h.Reserved == 0 {
			return sim.Config{}, errors.New("reserved concurrency 0: the handler never runs")
		}
	}
	r := &s.Responses
	r.Concurrency, r.BatchSize = setup.ResponsesConc, setup.ResponsesBatch
	r.Overhead, r.TableCalls, r.WriteUnits = cal.Store, 0, 0
	if r.BatchSize > 10 {
		r.Window = time.Second // Lambda's least for these
	}

	const much = 1e9
	q := sim.Quotas{
		APIRate: much, APIBurst: much, PutEventsRate: much, BusInvocations: much, EntryBytes: 1 << 20,
		Concurrency: setup.AccountConc, InvokeRate: much,
		MaximumConcurrency: 1000, MappingInitial: 1250, MappingPerMinute: 300, MappingMax: 1250, MappingQuiet: 20 * time.Second,
		InFlight: 120_000, PayloadBytes: 6 << 20, TableWarm: much, TableQuota: much, TableDouble: 30 * time.Minute,
	}
	q.NewEnvironments.Count, q.NewEnvironments.Per = much, time.Second
	return sim.Config{
		System: s, Quotas: q, Prices: sim.USEast1(), Load: load, Drain: Patience, Step: resolution(load), Cohort: 1, Seed: seed,
		Latencies: sim.Latencies{Gateway: sim.Distribution{Median: cal.Accept}, BusToTarget: sim.Distribution{Median: cal.Hop}},
	}, nil
}

func or(n, otherwise int) int {
	if n != 0 {
		return n
	}
	return otherwise
}

// span returns seconds as a duration, and one that is refused for what is none.
func span(s float64) time.Duration {
	if !(s >= 0 && s <= 1e6) {
		return -1
	}
	return time.Duration(s * 1e9)
}

// resolution returns the steps of a simulation: short ones, and not a million of them.
func resolution(load *schedule.Schedule) time.Duration {
	return max(10*time.Millisecond, (load.Duration()+Patience)/500_000)
}

// loadOf returns a cell's load as a schedule.
func loadOf(cell results.Cell, seed uint64) (*schedule.Schedule, error) {
	stages := make([]schedule.Stage, len(cell.Stages))
	for i, s := range cell.Stages {
		stages[i] = schedule.Stage{Name: strconv.Itoa(i), From: s.From, To: s.To, Duration: span(s.Seconds)}
	}
	load, err := schedule.New(stages...)
	if err != nil {
		return nil, err
	}
	if load.Total() > 5_000_000 {
		return nil, fmt.Errorf("%d subjects: at most 5,000,000", load.Total())
	}
	switch cell.Params.Arrivals {
	case "constant":
		return load, nil
	case "poisson":
		return load.Poisson(seed)
	}
	return nil, fmt.Errorf("arrivals %.40q", cell.Params.Arrivals)
}

// measured returns from when to when the measured stages are, since the beginning of the load.
func measured(stages []results.Stage) (from, to time.Duration) {
	from = -1
	var at time.Duration
	for _, s := range stages {
		if s.Measured && from < 0 {
			from = at
		}
		if at += span(s.Seconds); s.Measured {
			to = at
		}
	}
	return max(0, from), to
}

// completed returns how many subjects ended in a time. A step of which a part is in it counts for that part.
func completed(r *sim.Result, from, to time.Duration) float64 {
	var n float64
	for i, s := range r.Series {
		begin := time.Duration(i) * r.Step
		if part := min(to, begin+r.Step) - max(from, begin); part > 0 {
			n += float64(s.Completed) * float64(part) / float64(r.Step)
		}
	}
	return n
}

// CompareAll adds what is simulated to the cells of a run on the local stack: to those that were measured, are valid, and can be
// simulated. Hops are calibrated with the calibration cell of the same experiment, or with the first of the run. When ctx ends
// it returns its error, and the cells that were done have theirs.
func CompareAll(ctx context.Context, r *results.Results) error {
	calibrations := map[string]Calibration{} // by experiment; "" for the run
	for _, cell := range r.Cells {
		if cell.Role != "calibration" {
			continue
		}
		cal, err := Calibrated(cell)
		if err != nil {
			continue // hops then take no time
		}
		for _, key := range []string{cell.Experiment, ""} {
			if _, ok := calibrations[key]; !ok {
				calibrations[key] = cal
			}
		}
	}
	for i := range r.Cells {
		cell := &r.Cells[i]
		if cell.Role == "calibration" || cell.Validity != results.Valid {
			continue
		}
		cal, ok := calibrations[cell.Experiment]
		if !ok {
			cal = calibrations[""]
		}
		s, err := Compare(ctx, *cell, r.Run.Setup, cal, r.Run.Seed)
		switch {
		case errors.Is(err, ErrNotComparable):
			continue
		case err != nil:
			return err
		}
		cell.Simulated = &s
	}
	return nil
}
