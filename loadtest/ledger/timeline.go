package ledger

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// A Timeline knows how many subjects were due, accepted and ended by any instant of the client's clock. Each slice is
// sorted.
type Timeline struct {
	Offered  []Instant // due, whether they were sent or not
	Accepted []Instant // by the API, as it says itself; without that, when it had said so
	Ended    []Instant // completed or failed, each subject once
}

// Timeline returns the timeline of the subjects for which keep returns true; nil keeps all. An instant at which a subject was
// accepted is never after the one at which it ended, even if clocks say so: a backlog is not negative.
func (l *Ledger) Timeline(c Clock, keep func(Record) bool) Timeline {
	var t Timeline
	ahead := c.Correction()
	for r := range l.All() {
		if keep != nil && !keep(r) {
			continue
		}
		t.Offered = append(t.Offered, r.Intended)
		ended := r.Stored.Add(-ahead)
		if r.Ended() {
			t.Ended = append(t.Ended, ended)
		}
		switch r.Fate() {
		case Unsent, Rejected, Unanswered:
			continue
		}
		accepted := r.Acked
		if r.Accepted != 0 {
			accepted = r.Accepted.Add(-ahead)
		}
		if r.Ended() && (accepted > ended || accepted == 0) {
			accepted = ended
		}
		if accepted == 0 { // dead-lettered, and nothing else is known
			accepted = r.Intended
		}
		t.Accepted = append(t.Accepted, accepted)
	}
	slices.Sort(t.Offered)
	slices.Sort(t.Accepted)
	slices.Sort(t.Ended)
	return t
}

// before returns how many of the sorted instants are before t.
func before(sorted []Instant, t Instant) int {
	return sort.Search(len(sorted), func(i int) bool { return sorted[i] >= t })
}

// Backlog returns how many subjects were accepted at or before an instant, and had not ended then.
func (t Timeline) Backlog(at Instant) int { return before(t.Accepted, at+1) - before(t.Ended, at+1) }

// Peak returns the greatest backlog, and when it was reached first.
func (t Timeline) Peak() (backlog int, at Instant) {
	ended := 0
	for i, accepted := range t.Accepted { // it grows at these instants only
		for ended < len(t.Ended) && t.Ended[ended] <= accepted {
			ended++
		}
		if n := i + 1 - ended; n > backlog {
			backlog, at = n, accepted
		}
	}
	return backlog, at
}

// Drain returns how long after the last subject was accepted the last one ended. It reports false when not all have.
func (t Timeline) Drain() (time.Duration, bool) {
	if len(t.Ended) == 0 || len(t.Ended) != len(t.Accepted) {
		return 0, false
	}
	return t.Ended[len(t.Ended)-1].Sub(t.Accepted[len(t.Accepted)-1]), true
}

// Rates returns the subjects per second that were offered, accepted and ended from an instant on and before another.
func (t Timeline) Rates(from, to Instant) (offered, accepted, ended float64) {
	seconds := to.Sub(from).Seconds()
	if seconds <= 0 {
		return 0, 0, 0
	}
	rate := func(sorted []Instant) float64 { return float64(before(sorted, to)-before(sorted, from)) / seconds }
	return rate(t.Offered), rate(t.Accepted), rate(t.Ended)
}

// A Series is a timeline at equal steps. Element i is about the step from From + i·Step to before From + (i+1)·Step: how many
// were offered, accepted and ended in it, and the backlog at its end.
type Series struct {
	From                              Instant
	Step                              time.Duration
	Offered, Accepted, Ended, Backlog []float64
}

// MaxSteps is the longest Series.
const MaxSteps = 1_000_000

// Series returns the timeline from one instant to another, or to the end of the step that it falls into.
func (t Timeline) Series(from, to Instant, step time.Duration) (Series, error) {
	if step < time.Millisecond {
		return Series{}, fmt.Errorf("ledger: series of %v steps: at least 1ms", step)
	}
	steps := 0
	if to > from {
		steps = int((to.Sub(from) + step - 1) / step)
	}
	if steps > MaxSteps {
		return Series{}, fmt.Errorf("ledger: series of %d steps of %v: at most %d", steps, step, MaxSteps)
	}
	s := Series{From: from, Step: step}
	offered, accepted, ended := before(t.Offered, from), before(t.Accepted, from), before(t.Ended, from)
	for i := range steps {
		end := from.Add(time.Duration(i+1) * step)
		o, a, e := before(t.Offered, end), before(t.Accepted, end), before(t.Ended, end)
		s.Offered = append(s.Offered, float64(o-offered))
		s.Accepted = append(s.Accepted, float64(a-accepted))
		s.Ended = append(s.Ended, float64(e-ended))
		s.Backlog = append(s.Backlog, float64(a-e))
		offered, accepted, ended = o, a, e
	}
	return s, nil
}
