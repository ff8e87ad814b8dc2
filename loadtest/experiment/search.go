package experiment

import (
	"context"
	"fmt"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/stats"
)

const (
	searchTolerance = 0.05 // between the highest rate that is kept up and the lowest that is not
	searchStep      = 1.15 // of the bracket
	maxProbes       = 24
	probesExpected  = 6
)

// probe is a cell that tries a rate.
func probe(c Config, rate float64) spec {
	return spec{experiment: "E9", name: "rate=" + results.Short(rate), repeat: 1, settings: limited(c.Concurrency, 1), work: c.Work, load: func(float64) []stage {
		stages := c.steady(rate, c.Work)
		stages[1].Duration *= 2 // a little too much has to have the time to show
		return stages
	}}
}

// search finds a rate r such that the SLO is kept at lo and is not at hi, lo <= r < hi: it begins at the predicted capacity, goes
// up or down from there in steps until both sides are known, and then halves what is between.
func search(r *runner, ctx context.Context, e *results.Experiment) error {
	start, err := predict(limited(r.c.Concurrency, 1).on(r.out.Setup), probe(r.c, 1), r.overhead)
	if err != nil {
		return err
	}
	var lo, hi float64 // not known: 0
	rate := start.rate
	tried := 0
	for tried < maxProbes && (lo == 0 || hi == 0 || (hi-lo)/hi > searchTolerance) {
		tried++
		rate = min(rate, r.c.MaxRate)
		s := probe(r.c, rate)
		cell, err := r.measure(ctx, s)
		if cell.ID != "" {
			e.Order = append(e.Order, cell.ID)
		}
		if err != nil {
			e.Finding = fmt.Sprintf("the sustainable rate is %s.", bracket(lo, hi))
			return err
		}
		if cell.Validity != results.Valid && cell.Validity != results.TargetLimited {
			e.Finding = fmt.Sprintf("The search ended at %s/s, because the cell is %s; the sustainable rate is %s.", number(rate), cell.Validity, bracket(lo, hi))
			return nil
		}
		if r.kept {
			lo = rate
		} else {
			hi = rate
		}
		switch {
		case lo == r.c.MaxRate:
			e.Finding = fmt.Sprintf("%s/s, the highest rate that is offered, is sustainable: %s.", number(rate), r.keeps())
			return nil
		case hi == 0:
			rate = lo * searchStep
		case lo == 0:
			rate = hi / searchStep
		default:
			rate = (lo + hi) / 2
		}
	}
	e.Finding = fmt.Sprintf("With %d at a time the sustainable rate is %s (capacity predicted %s): %s.", r.c.Concurrency, bracket(lo, hi), number(start.rate), r.keeps())
	return nil
}

func (r *runner) keeps() string {
	return fmt.Sprintf("%v %% of the subjects end within %v, and the backlog does not grow", r.c.SLO.Quantile*100, r.c.SLO.EndToEnd)
}

func bracket(lo, hi float64) string {
	switch {
	case lo == 0 && hi == 0:
		return "not known"
	case lo == 0:
		return fmt.Sprintf("below %s/s", number(hi))
	case hi == 0:
		return fmt.Sprintf("at least %s/s", number(lo))
	}
	return fmt.Sprintf("[%s, %s) subjects/s", number(lo), number(hi))
}

// keeps reports whether a cell keeps the SLO: the share of its measured subjects that ended in time is large enough, and none was lost
// or rejected, and the backlog did not surely grow.
func (slo SLO) keeps(l *ledger.Ledger, clock ledger.Clock, measured func(string) bool, c results.Cell) bool {
	n, inTime := 0, 0
	for r := range l.All() {
		if !measured(r.Stage) {
			continue
		}
		n++
		if d, ok := r.EndToEnd(clock); ok && d <= slo.EndToEnd {
			inTime++
		}
	}
	return n > 0 && float64(inTime) >= slo.Quantile*float64(n)-1e-9 && stats.Verdict(c.Backlog.Verdict) != stats.Unstable &&
		c.Counts.Lost+c.Counts.Rejected+c.Counts.Unanswered+c.Counts.DeadLettered == 0
}
