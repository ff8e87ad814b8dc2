package experiment

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/stats"
)

// What makes a cell not valid.
const (
	slipLimit    = 50 * time.Millisecond // p99
	stillLimit   = time.Second           // without a sign of life
	spareLittle  = 0.9                   // fewer slots than this share in use, and it falls behind
	slowService  = 1.2                   // times the work that was asked for
	noisyService = 10 * time.Millisecond // and by more than this
)

// Bounds of what a cell keeps.
const (
	blocksOfBins = 10 // bins of a block of [stats.Blocks]
	maxSlowest   = 10
	maxExamples  = 20
	maxSteps     = 600 // of a series, about
)

// forecast returns the cell as it is before its load: what it is, and what is predicted.
func (m *measurement) forecast(stages []stage) results.Cell {
	role := m.spec.role
	if role == "" {
		role = roleMeasured
	}
	c := results.Cell{
		ID: m.spec.id(), Experiment: m.spec.experiment, Role: role, Repeat: max(1, m.spec.repeat),
		Params: results.Params{
			Concurrency: m.predicted.capacity.Concurrency, Batch: int(m.predicted.capacity.Batch), Parallelism: m.predicted.capacity.Parallelism,
			VisibilityS: m.setup.VisibilityS, WorkMs: results.Milliseconds(m.spec.work), Queue: m.spec.queue(), Arrivals: m.c.Arrivals,
			OutageS: m.spec.outage.Seconds(), Offered: m.spec.offered,
		},
		Validity: results.Valid, Started: m.began,
		CapacityModel: model(m.predicted.capacity),
	}
	if role == roleCalibration {
		c.Params.Arrivals = Constant
	}
	for _, s := range stages {
		c.Stages = append(c.Stages, results.Stage{Name: s.Name, From: s.From, To: s.To, Seconds: s.Duration.Seconds(), Measured: s.measured})
	}
	c.OfferedRate = offeredRate(stages)
	if role == roleCalibration {
		c.PredictedNote = "it is what predictions are made of"
		return c
	}
	rate := m.predicted.rate
	c.PredictedCapacity = finite(rate)
	if m.spec.via != ViaFunction {
		behind := fluid(stages, rate, m.spec.outage)
		if d, ok := stats.Drain(behind.end, rate, 0); ok {
			c.PredictedDrainS = finite(d.Seconds())
		}
		if behind.peak >= 1 {
			c.PredictedNote = fmt.Sprintf("up to %s behind", subjects(behind.peak))
		} else {
			c.PredictedNote = "it keeps up"
		}
	}
	if m.spec.outage > 0 {
		if d, ok := stats.Recovery(m.spec.outage, stages[0].From/rate); ok {
			c.PredictedRecoveryS = finite(d.Seconds())
		}
	}
	if m.spec.predict != nil {
		c.PredictedNote = m.spec.predict(m.predicted)
	} else if v := seconds(m.setup.VisibilityS); m.spec.queue() == RouteQueue && v > 0 && v < m.predicted.capacity.Invocation() {
		c.PredictedNote += fmt.Sprintf("; the visibility timeout of %v is over before an invocation of %v ends, so subjects will be done again and less is completed than this", v, m.predicted.capacity.Invocation().Round(time.Millisecond))
	}
	return c
}

func model(c stats.Capacity) results.Model {
	return results.Model{C: c.Concurrency, B: c.Batch, P: c.Parallelism, Oms: results.Milliseconds(c.Overhead), Sms: results.Milliseconds(c.Service)}
}

// offeredRate returns the mean rate of the measured stages.
func offeredRate(stages []stage) float64 {
	var subjects, took float64
	for _, s := range stages {
		if s.measured {
			subjects += (s.From + s.To) / 2 * s.Duration.Seconds()
			took += s.Duration.Seconds()
		}
	}
	if took == 0 {
		return 0
	}
	return subjects / took
}

// cell returns what the ledger says. The end is why the run cannot go on, nil if it can.
func (m *measurement) cell(c results.Cell, end error) results.Cell {
	if c.Role == roleCalibration {
		c.CapacityModel = model(m.predicted.capacity)
	}
	line := m.ledger.Timeline(m.clock, nil)
	from, to := m.window()
	c.OfferedRate, c.AcceptedRate, _ = line.Rates(from, to)
	completed, growth := m.rates(line, from, to)
	c.CompletedRate = intervalOf(completed)

	verdict := stats.Judge(growth, c.OfferedRate)
	peak, _ := line.Peak()
	c.Backlog = results.Backlog{Peak: peak, Growth: intervalOf(growth), Verdict: string(verdict)}
	if drain, ok := line.Drain(); ok && end == nil {
		c.Backlog.DrainS = finite(max(0, drain.Seconds()))
	}
	if n := len(line.Accepted); n > 0 && c.Role != roleCalibration && m.spec.via != ViaFunction {
		// Those that were behind when the last one was accepted have the whole capacity, as it was predicted.
		c.PredictedDrainS = nil
		if d, ok := stats.Drain(float64(line.Backlog(line.Accepted[n-1])), m.predicted.rate, 0); ok {
			c.PredictedDrainS = finite(d.Seconds())
		}
	}
	m.full = verdict == stats.Unstable
	little := math.NaN() // not known
	if held := m.held(); held > 0 && completed.N > 0 {
		little = stats.Little(completed.Mean, held, float64(m.predicted.capacity.Concurrency))
	}
	c.LittleRatio, c.Diagnosis = finite(little), string(stats.Diagnose(little, verdict))
	if from, to, ok := m.outage(line); ok && m.spec.outage > 0 {
		c.Params.OutageS, c.PredictedRecoveryS = to.Sub(from).Seconds(), nil
		if d, ok := stats.Recovery(to.Sub(from), m.plan[0].From/m.predicted.rate); ok {
			c.PredictedRecoveryS = finite(d.Seconds())
		}
		if d, ok := m.recovery(line, from, to); ok {
			c.RecoveryS = finite(d.Seconds())
		}
	}

	e2e, uncorrected, ack, slip := stats.NewLatencies(), stats.NewLatencies(), stats.NewLatencies(), stats.NewLatencies()
	var waits meanWaits
	var slowest []ledger.Record
	for r := range m.ledger.All() {
		if !m.measures(r.Stage) {
			continue
		}
		if d, ok := r.EndToEnd(m.clock); ok {
			e2e.Record(d, 1)
			slowest = withSlow(slowest, r)
		}
		if d, ok := r.Uncorrected(m.clock); ok {
			uncorrected.Record(d, 1)
		}
		if r.Acknowledged() {
			ack.Record(r.Acked.Sub(r.Intended), 1)
		}
		if d, ok := r.Slip(); ok {
			slip.Record(d, 1)
		}
		waits.add(&r, m.clock)
	}
	c.EndToEnd, c.Uncorrected, c.Acknowledged, c.Slip = results.LatencyOf(e2e), results.LatencyOf(uncorrected), results.LatencyOf(ack), results.LatencyOf(slip)
	c.Waits = waits.mean()
	for _, r := range slowest {
		d, _ := r.EndToEnd(m.clock) // it has one
		t := results.Traced{Subject: r.Subject, TraceID: r.TraceID, E2Ems: results.Milliseconds(d)}
		if r.TraceID != "" || r.Subject != "" {
			t.Link = m.sys.TraceLink(r.TraceID, r.Subject)
		}
		if w, ok := r.Waits(m.clock); ok {
			t.Waits = waitsOf(w)
		}
		c.Slowest = append(c.Slowest, t)
	}
	c.Counts = countsOf(m.ledger.Count(nil))
	c.Examples = m.examples()
	c.Clock = results.Clock{OffsetMs: results.Milliseconds(m.clock.Offset), ErrorMs: results.Milliseconds(m.clock.Error), N: m.clock.N, Dropped: m.clock.Dropped}
	c.Sender = results.Sender{Workers: m.c.MaxWorkers, CPUCores: m.report.CPUCores}
	c.Series = m.series(line)
	m.judge(&c, verdict, line, end)
	return c
}

// withSlow returns the slowest records, the slowest first, with another one if it is among them.
func withSlow(slowest []ledger.Record, r ledger.Record) []ledger.Record {
	took := func(r ledger.Record) time.Duration { return r.Stored.Sub(r.Intended) }
	i := sort.Search(len(slowest), func(i int) bool { return took(slowest[i]) < took(r) })
	if i == maxSlowest {
		return slowest
	}
	slowest = slices.Insert(slowest, i, r)
	return slowest[:min(len(slowest), maxSlowest)]
}

// measures reports whether the subjects of a stage are measured.
func (m *measurement) measures(name string) bool {
	return slices.ContainsFunc(m.plan, func(s stage) bool { return s.Name == name && s.measured })
}

// window returns from when to when the measured stages are, as far as the load came; all of it if none is.
func (m *measurement) window() (from, to ledger.Instant) {
	at := time.Duration(0)
	began, first, last := m.ledger.Began(), time.Duration(-1), m.load.Duration()
	for _, s := range m.plan {
		if s.measured {
			if first < 0 {
				first = at
			}
			last = at + s.Duration
		}
		at += s.Duration
	}
	if m.cutOff {
		last = min(last, m.ended.Sub(m.began))
	}
	return began.Add(max(0, first)), began.Add(last)
}

// rates returns the completed rate and the growth of the backlog in the measured time, from blocks of equal length: the mean rate is
// all that was completed in it over its length.
func (m *measurement) rates(line ledger.Timeline, from, to ledger.Instant) (completed, growth stats.Interval) {
	bins := stats.Blocks * blocksOfBins
	length := to.Sub(from)
	if length < time.Duration(bins)*time.Microsecond {
		return stats.Mean(nil), stats.Mean(nil)
	}
	rates, backlog := make([]float64, 0, bins), make([]float64, 0, bins+1)
	edge := func(i int) ledger.Instant { return from.Add(length * time.Duration(i) / time.Duration(bins)) }
	for i := range bins + 1 {
		backlog = append(backlog, float64(line.Backlog(edge(i))))
		if i < bins {
			_, _, ended := line.Rates(edge(i), edge(i+1))
			rates = append(rates, ended)
		}
	}
	return stats.BatchMeans(rates, stats.Blocks), stats.Growth(backlog, length/time.Duration(bins), stats.Blocks)
}

// service returns how long the work on a subject took on the average, by the times in the ledger.
//
// A subject is received when its invocation begins, and answered when its own work is done. Of a batch of B with P at a time,
// those of the second turn are answered after two turns, and so on: the mean is that of all turns. Where batches were not full,
// there were fewer turns, and the work took that long at least; exact is false then. It is 0 when nothing was done.
func (m *measurement) service() (mean time.Duration, exact bool) {
	var sum, n float64
	for r := range m.ledger.All() {
		if r.Received != 0 && r.Answered != 0 && r.Answered >= r.Received {
			sum += r.Answered.Sub(r.Received).Seconds()
			n++
		}
	}
	batch, side := int(m.predicted.capacity.Batch), m.predicted.capacity.Parallelism
	if n == 0 {
		return 0, false
	}
	turns := 0.0
	for i := range batch {
		turns += float64(i/side+1) / float64(batch)
	}
	return seconds(sum / n / turns), batch <= side || m.full
}

// held returns for how long a subject holds a slot: the time of an invocation, as long as work took in this cell, over the subjects of a
// batch. It is 0 when that is not known: a batch has as many subjects as were waiting, and is full for sure only where they are as
// many as one or the system falls behind. The tables do not tell which subjects came together; that they were received in the same
// millisecond does not, since slots that are free at a time take up batches at a time.
func (m *measurement) held() time.Duration {
	c := m.predicted.capacity
	service, _ := m.service() // of full batches it is exact
	if service == 0 || c.Batch > 1 && !m.full {
		return 0
	}
	turns := math.Ceil(c.Batch / float64(c.Parallelism))
	return seconds((m.outside.Seconds() + turns*service.Seconds()) / c.Batch)
}

// outage returns from when to when the mapping took nothing, as it was: the longest time without an end that overlaps the
// stage. What was under way when it began ended a little later, and the first that it took afterwards took as long: both ends are
// moved back by an invocation.
func (m *measurement) outage(line ledger.Timeline) (from, to ledger.Instant, ok bool) {
	at := time.Duration(0)
	for _, s := range m.plan {
		if s.Name == stageOutage {
			break
		}
		at += s.Duration
	}
	began := m.ledger.Began()
	for i := 1; i < len(line.Ended); i++ {
		a, b := line.Ended[i-1], line.Ended[i]
		if a < began.Add(at+m.spec.outage) && b > began.Add(at) && b.Sub(a) > to.Sub(from) {
			from, to, ok = a, b, true
		}
	}
	took := m.predicted.capacity.Invocation()
	return from.Add(-took), to.Add(-took), ok
}

// recovery returns how long after the outage no more subjects were behind than at any time before it.
func (m *measurement) recovery(line ledger.Timeline, from, to ledger.Instant) (time.Duration, bool) {
	usual := 0
	for t := m.ledger.Began(); t < from; t = t.Add(10 * time.Millisecond) {
		usual = max(usual, line.Backlog(t))
	}
	for t := to; t < m.ledger.Began().Add(m.load.Duration()); t = t.Add(10 * time.Millisecond) {
		if line.Backlog(t) <= usual {
			return t.Sub(to), true
		}
	}
	return 0, false
}

// judge says whether the cell may be believed. Of several reasons the first one here is the cell's, and all are told.
func (m *measurement) judge(c *results.Cell, verdict stats.Verdict, line ledger.Timeline, end error) {
	blame := func(v results.Validity, why ...string) {
		if len(why) == 0 {
			return
		}
		if c.Validity == results.Valid {
			c.Validity = v
		}
		c.Why = append(c.Why, why...)
	}
	if end != nil {
		text := end.Error()
		if m.cutOff {
			text += fmt.Sprintf("; %d of %d subjects had been sent", m.report.Sent, m.load.Total())
		}
		blame(results.Interrupted, text)
	}
	m.mu.Lock()
	blame(results.Contaminated, m.contaminated...)
	m.mu.Unlock()
	blame(results.Contaminated, m.standstills(line)...)
	if n := m.seen.faults; n > 0 {
		blame(results.Contaminated, fmt.Sprintf("%d answers of the tables contradict what is known; the first: %s", n, m.seen.fault))
	}
	if n := m.report.Faults; n > 0 {
		blame(results.Contaminated, fmt.Sprintf("%d answers of the API contradict what is known; the first: %s", n, m.report.Fault))
	}
	blame(results.GeneratorLimited, m.sentLate(*c)...)
	blame(results.GeneratorLimited, m.report.Errors...)
	if m.left > 0 {
		blame(results.TargetLimited, fmt.Sprintf("%d messages were still in the queues when more than twice the predicted drain time was over", m.left))
	}
	if c.LittleRatio != nil && verdict == stats.Unstable && *c.LittleRatio < spareLittle && m.spec.outage == 0 && !m.spec.repeats {
		blame(results.TargetLimited, fmt.Sprintf("it falls behind with slots to spare: Little's ratio is %.2f", *c.LittleRatio))
	}
	if s, exact := m.service(); s > seconds(slowService*m.spec.work.Seconds()) && s-m.spec.work > noisyService {
		least := ""
		if !exact {
			least = "at least "
		}
		blame(results.TargetLimited, fmt.Sprintf("the work took %s%s, though %v were asked for", least, short(s), m.spec.work))
	}
}

// sentLate returns what the sender did not keep of its schedule.
func (m *measurement) sentLate(c results.Cell) []string {
	var why []string
	if c.Counts.Unsent > 0 && !m.cutOff {
		why = append(why, fmt.Sprintf("%d of %d subjects were never sent", c.Counts.Unsent, c.Counts.Scheduled))
	}
	var slips []time.Duration
	for r := range m.ledger.All() {
		if d, ok := r.Slip(); ok {
			slips = append(slips, d)
		}
	}
	if len(slips) == 0 {
		return why
	}
	slices.Sort(slips)
	onTime, _ := slices.BinarySearch(slips, slipLimit+1)
	if late := len(slips) - onTime; late > max(1, len(slips)/100) { // one alone says nothing of few
		text := fmt.Sprintf("%d of %d subjects were sent more than %v late, one of a hundred by %s or more", late, len(slips), slipLimit, short(slips[(len(slips)*99-1)/100]))
		if m.report.Busy {
			text += fmt.Sprintf(": all %d workers were waiting for answers", m.c.MaxWorkers)
		}
		why = append(why, text)
	}
	return why
}

// standstills returns when the system gave no sign of life, though something was to be done: no request was answered and no
// subject ended.
func (m *measurement) standstills(line ledger.Timeline) []string {
	if len(line.Offered) == 0 || m.spec.repeats || m.spec.queue() == RouteHidden {
		return nil // there it may be what was asked for
	}
	limit := max(stillLimit, 4*m.predicted.capacity.Invocation())
	signs := slices.Clone(line.Ended)
	last := line.Offered[len(line.Offered)-1]
	for r := range m.ledger.All() {
		if r.Code != 0 {
			signs = append(signs, r.Acked)
		}
	}
	if m.cutOff { // until then it may have been silent
		last = min(last, m.ledger.Began().Add(m.ended.Sub(m.began)))
		signs = append(signs, last)
	}
	signs = append(signs, line.Offered[0])
	slices.Sort(signs)
	var why []string
	for i := 1; i < len(signs); i++ {
		from, to := signs[i-1], signs[i]
		if to.Sub(from) <= limit {
			continue
		}
		// What became due in the last half of the limit may be answered soon.
		due := count(line.Offered, from, to.Add(-limit/2))
		if due == 0 && line.Backlog(from) == 0 {
			continue
		}
		began := m.ledger.Began()
		why = append(why, fmt.Sprintf("the system stood still from %s to %s after the beginning: nothing was answered and nothing ended, though %d subjects became due and %d were on their way", clockTime(from.Sub(began)), clockTime(to.Sub(began)), count(line.Offered, from, to), line.Backlog(from)))
		if len(why) == 5 {
			break
		}
	}
	return why
}

func clockTime(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// count returns how many of sorted instants are after from and not after to.
func count(sorted []ledger.Instant, from, to ledger.Instant) int {
	i, _ := slices.BinarySearch(sorted, from+1)
	j, _ := slices.BinarySearch(sorted, to+1)
	return max(0, j-i)
}

// examples returns subjects that are not as they should be.
func (m *measurement) examples() results.Examples {
	var e results.Examples
	add := func(to *[]string, r *ledger.Record) {
		if len(*to) == maxExamples {
			return
		}
		name := r.Subject
		if name == "" {
			name = m.ledger.Key(r.Seq)
		}
		*to = append(*to, name)
	}
	for r := range m.ledger.All() {
		switch r.Fate() {
		case ledger.Lost:
			add(&e.Lost, &r)
		case ledger.Dead:
			add(&e.DeadLettered, &r)
		case ledger.Errored:
			add(&e.Failed, &r)
		case ledger.Unanswered:
			add(&e.Unanswered, &r)
		}
		if r.Duplicates() > 0 {
			add(&e.Duplicated, &r)
		}
		if r.Late() {
			add(&e.Late, &r)
		}
	}
	return e
}

// series returns the timeline until the last subject ended, in steps of a tenth of a second or of more.
func (m *measurement) series(line ledger.Timeline) results.Series {
	began := m.ledger.Began()
	end := began.Add(m.load.Duration())
	if m.cutOff {
		end = min(end, began.Add(m.ended.Sub(m.began)))
	}
	if n := len(line.Ended); n > 0 {
		end = max(end, line.Ended[n-1]+1)
	}
	step := 100 * time.Millisecond
	for end.Sub(began) > maxSteps*step {
		step *= 10
	}
	s, err := line.Series(began, end, step)
	if err != nil {
		panic("experiment: a series of a few hundred steps was refused: " + err.Error())
	}
	return results.Series{StepS: step.Seconds(), Offered: s.Offered, Accepted: s.Accepted, Completed: s.Ended, Backlog: s.Backlog}
}

// meanWaits is the mean of waits, as it grows.
type meanWaits struct {
	n   int
	sum [5]time.Duration
}

func (w *meanWaits) add(r *ledger.Record, c ledger.Clock) {
	one, ok := r.Waits(c)
	if !ok {
		return
	}
	w.n++
	for i, d := range [...]time.Duration{one.Accept, one.Request, one.Service, one.Response, one.Store} {
		w.sum[i] += d
	}
}

func (w *meanWaits) mean() *results.Waits {
	if w.n == 0 {
		return nil
	}
	mean := func(i int) time.Duration { return w.sum[i] / time.Duration(w.n) }
	return waitsOf(ledger.Waits{Accept: mean(0), Request: mean(1), Service: mean(2), Response: mean(3), Store: mean(4)})
}

func waitsOf(w ledger.Waits) *results.Waits {
	return &results.Waits{Accept: results.Milliseconds(w.Accept), Request: results.Milliseconds(w.Request), Service: results.Milliseconds(w.Service), Response: results.Milliseconds(w.Response), Store: results.Milliseconds(w.Store)}
}

func countsOf(c ledger.Counts) results.Counts {
	r := results.Counts{
		Scheduled: c.Scheduled, Unsent: c.Unsent, Rejected: c.Rejected, Unanswered: c.Unanswered, Open: c.Open, Lost: c.Lost,
		DeadLettered: c.DeadLettered, Failed: c.Failed, Completed: c.Completed, Acknowledged: c.Acknowledged, Late: c.Late,
		Duplicated: c.Duplicated, Duplicates: c.Duplicates, Deliveries: c.Deliveries, Codes: map[string]int{}, Errors: map[string]int{},
	}
	for code, n := range c.Codes {
		r.Codes[strconv.Itoa(code)] = n
	}
	for reason, n := range c.Errors {
		r.Errors[reason] = n
	}
	return r
}

func intervalOf(i stats.Interval) results.Interval {
	return results.Interval{Mean: i.Mean, Lo: finite(i.Lo), Hi: finite(i.Hi), Blocks: i.N}
}

// finite returns x, and nil where it is no number.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
