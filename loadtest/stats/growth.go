package stats

import (
	"math"
	"time"
)

// Growth returns how fast a backlog grows, in subjects per second. The backlog is sampled every step; it is cut into
// blocks, and the difference over each is one observation (see BatchMeans).
func Growth(backlog []float64, step time.Duration, blocks int) Interval {
	intervals := len(backlog) - 1
	blocks = min(max(blocks, 1), intervals)
	if blocks < 1 || step <= 0 {
		return Mean(nil)
	}
	size := intervals / blocks
	growth := make([]float64, blocks)
	for i := range growth {
		growth[i] = (backlog[(i+1)*size] - backlog[i*size]) / (float64(size) * step.Seconds())
	}
	return Mean(growth)
}

// A Verdict says whether a system keeps up with a load.
type Verdict string

const (
	Stable       Verdict = "stable"       // the backlog does not grow by 5 % of what is offered
	Unstable     Verdict = "unstable"     // the backlog grows, by more than 2 % of what is offered
	Inconclusive Verdict = "inconclusive" // the interval allows both: measure for longer
)

// Judge says whether a backlog that grows at this rate belongs to a system that keeps up with offered subjects per second.
//
// A load is Unstable when growth is surely above zero and its mean is more than 2 % of the load: a smaller one takes so long to
// matter that a step of seconds cannot tell it from noise. It is Stable when growth is surely below 5 %. Simulations of
// M/G/4 queues show no false alarm below a utilisation of 0.95; to tell ±5 % of capacity takes steps of a minute, ±10 %
// half a minute, and 0.7 from 1.2 ten seconds (some 2,400 subjects a step).
func Judge(growth Interval, offered float64) Verdict {
	switch {
	case growth.N < 2 || !(offered > 0):
		return Inconclusive
	case growth.Lo > 0 && growth.Mean > 0.02*offered:
		return Unstable
	case growth.Hi < 0.05*offered:
		return Stable
	}
	return Inconclusive
}

// Little returns which share of its slots a stage had in use: completed subjects per second times the mean time for which each
// held a slot, over the number of slots (Little 1961, L = λW). A slot is an invocation at a time. A subject in a batch
// shares the slot with the others: held is then the time of the invocation over the subjects in it.
//
// It is 1 when slots are what limits, and cannot be more: what it has above 1 says how far the times or the counts are
// wrong. It is NaN without slots.
func Little(completed float64, held time.Duration, slots float64) float64 {
	if !(slots > 0) {
		return math.NaN()
	}
	return completed * held.Seconds() / slots
}

// A Diagnosis says what limits a stage.
type Diagnosis string

const (
	LimitedByConcurrency Diagnosis = "concurrency"    // it falls behind with all slots in use: more of them help
	LimitedElsewhere     Diagnosis = "something else" // it falls behind with slots to spare: more of them do not help
	NotLimited           Diagnosis = "nothing"        // it keeps up
	Undecided            Diagnosis = "undecided"
)

// Diagnose says what limits a stage, from its share of slots in use (see Little) and its verdict. A little more than all slots are all
// of them, and the times a little too long; with a tenth more than all, the times say nothing.
func Diagnose(little float64, v Verdict) Diagnosis {
	switch {
	case v == Stable:
		return NotLimited
	case v == Unstable && little >= 0.97 && little <= 1.1:
		return LimitedByConcurrency
	case v == Unstable && little < 0.9:
		return LimitedElsewhere
	}
	return Undecided
}
