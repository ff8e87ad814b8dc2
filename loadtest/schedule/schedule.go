// Package schedule says when each subject of a load test is due.
//
// A [Schedule] is a whole profile (warm-up, steps, ramps, bursts, pauses) as one [vegeta.Pacer], so one attack with one
// pool of connections sends all of it:
//
//	s, err := schedule.New(
//		schedule.Constant("warm-up", 20, 5*time.Second),
//		schedule.Ramp("ramp", 20, 160, 10*time.Second),
//		schedule.Constant("hold", 160, 30*time.Second),
//	)
//	...
//	for result := range attacker.Attack(targeter, s, 0, run) {
//		due := began.Add(s.At(result.Seq)) // and not result.Timestamp, which is when it was sent
//	}
//
// # Promises
//
//   - At is a function of the sequence number alone, in closed form. It does not depend on what was sent before, nor on how
//     the sender keeps up: latency that is counted from At has no coordinated omission.
//   - At never decreases. Each stage has the arrivals [Schedule.Range] tells, due within [Schedule.Span].
//   - A Schedule does not change; any number of goroutines may use it.
//
// # Design
//
// Rates change linearly within a stage, so the number of arrivals that are due by t, Λ(t), is a quadratic function in
// each, and arrival n is due when Λ reaches n:
//
//	rate                     Λ(τ) = From·τ + (To-From)/(2·Duration)·τ²       τ since the stage began
//	  │      ┌─────┐         At(n) = 2n / (From + √(From² + 2n·(To-From)/Duration))
//	  │    ╱ │     │
//	  │──╱   │     │         The usual form of the root, (-b+√(b²+4an))/2a, divides nothing by nothing for a flat
//	  └──────┴─────┴── t     stage and cancels for one that is almost flat. This form does neither.
//
// The first arrival of a constant rate is due at once, the last one interval before the end: 10/s for 1 s are due at 0,
// 100, ... 900 ms. (vegeta's ConstantPacer waits one interval first, its LinearPacer does not, and neither can begin at
// zero, which it takes to mean "as fast as possible".)
//
// # Poisson
//
// Equal intervals are the kindest load there is: the same rate with exponential intervals makes queues that equal ones
// do not. [Schedule.Poisson] has the rates of its parent and random arrivals: Λ⁻¹ of a walk with unit-rate exponential
// steps, which is a Poisson process of that rate (Lewis and Shedler 1979, inversion). It is drawn from a seed when it is
// made, so At is as fixed as before; the number of arrivals is then random, too.
package schedule

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"time"
	"unicode"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Limits of what New and Poisson accept.
const (
	MaxRate     = 1e9                 // arrivals per second
	MaxDuration = 30 * 24 * time.Hour // of all stages together
	MaxTotal    = 1e11                // arrivals; a float64 still counts them to a ten-thousandth
	MaxPoisson  = 1 << 24             // arrivals of a Poisson schedule, which keeps eight bytes for each
)

// A Stage is a piece of a profile: the rate moves linearly from From to To over Duration.
type Stage struct {
	Name     string  // unique within its schedule; 1 to 100 printable bytes
	From, To float64 // arrivals per second; both zero for a pause
	Duration time.Duration
}

// Constant is a stage at one rate.
func Constant(name string, rate float64, d time.Duration) Stage {
	return Stage{Name: name, From: rate, To: rate, Duration: d}
}

// Ramp is a stage whose rate changes linearly.
func Ramp(name string, from, to float64, d time.Duration) Stage {
	return Stage{Name: name, From: from, To: to, Duration: d}
}

// Pause is a stage in which nothing is due. One at the end is part of Duration, but an attack ends before it.
func Pause(name string, d time.Duration) Stage {
	return Stage{Name: name, Duration: d}
}

// expected returns how many arrivals are due within the first tau seconds of the stage.
func (s Stage) expected(tau float64) float64 {
	return tau * (s.From + (s.To-s.From)*tau/s.Duration.Seconds()/2)
}

// due returns the second of the stage at which n arrivals are due: the inverse of expected.
func (s Stage) due(n float64) float64 {
	if n <= 0 {
		return 0
	}
	// Rounding may take the root of a ramp down to zero below zero at its very end.
	root := math.Sqrt(max(0, s.From*s.From+2*n*(s.To-s.From)/s.Duration.Seconds()))
	return min(2*n/(s.From+root), s.Duration.Seconds())
}

// A Schedule tells when each arrival of a profile is due. Make one with New.
type Schedule struct {
	stages []Stage
	start  []time.Duration // of each stage, and the end of the last one
	before []float64       // Λ at the start of each stage, and at the end of the last one
	first  []uint64        // the first arrival of each stage, and the number of all
	random []time.Duration // At, for a Poisson schedule
}

var _ vegeta.Pacer = (*Schedule)(nil)

// New returns the schedule of stages in their order.
func New(stages ...Stage) (*Schedule, error) {
	if len(stages) == 0 {
		return nil, errors.New("schedule: no stages")
	}
	s := &Schedule{stages: append([]Stage(nil), stages...), start: []time.Duration{0}, before: []float64{0}, first: []uint64{0}}
	names := map[string]bool{}
	for i, stage := range stages {
		if err := stage.check(); err != nil {
			return nil, fmt.Errorf("schedule: stage %d: %w", i+1, err)
		}
		if names[stage.Name] {
			return nil, fmt.Errorf("schedule: stage %d: there is another stage %q", i+1, stage.Name)
		}
		names[stage.Name] = true
		end := s.start[i] + stage.Duration
		if end > MaxDuration {
			return nil, fmt.Errorf("schedule: stage %q ends after %v: at most %v", stage.Name, end, MaxDuration)
		}
		total := s.before[i] + stage.expected(stage.Duration.Seconds())
		if total > MaxTotal {
			return nil, fmt.Errorf("schedule: %.0f arrivals by the end of stage %q: at most %.0f", total, stage.Name, float64(MaxTotal))
		}
		s.start = append(s.start, end)
		s.before = append(s.before, total)
		s.first = append(s.first, atLeast(total))
	}
	return s, nil
}

// atLeast returns the least whole number that is not below x, where x may be a rounding error above it.
func atLeast(x float64) uint64 { return uint64(math.Ceil(x - max(1e-9, 1e-12*x))) }

func (s Stage) check() error {
	switch {
	case s.Name == "" || len(s.Name) > 100 || strings.ContainsFunc(s.Name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("name %.200q: 1 to 100 printable bytes", s.Name)
	case !(s.From >= 0 && s.From <= MaxRate) || !(s.To >= 0 && s.To <= MaxRate): // so written, NaN is refused
		return fmt.Errorf("%q: a rate of %v to %v per second: it is 0 to %v", s.Name, s.From, s.To, float64(MaxRate))
	case s.Duration <= 0 || s.Duration > MaxDuration:
		return fmt.Errorf("%q: it lasts %v: more than 0 and at most %v", s.Name, s.Duration, MaxDuration)
	}
	return nil
}

// Poisson returns the schedule with the same rates and the random arrivals of a Poisson process. Equal seeds give equal
// arrivals. It fails when some MaxPoisson arrivals or more are to be expected.
func (s *Schedule) Poisson(seed uint64) (*Schedule, error) {
	expected := s.before[len(s.stages)]
	if expected+6*math.Sqrt(expected) > MaxPoisson {
		return nil, fmt.Errorf("schedule: %.0f Poisson arrivals: each is kept, so there are less than %d", expected, MaxPoisson)
	}
	p := &Schedule{stages: s.stages, start: s.start, before: s.before, first: []uint64{0}}
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) // any constant will do
	p.random = make([]time.Duration, 0, int(expected+6*math.Sqrt(expected))+1)
	stage := 0
	for walk := rng.ExpFloat64(); walk < expected; walk += rng.ExpFloat64() {
		for walk >= s.before[stage+1] {
			stage++
			p.first = append(p.first, uint64(len(p.random)))
		}
		p.random = append(p.random, s.at(stage, walk))
	}
	for len(p.first) <= len(s.stages) {
		p.first = append(p.first, uint64(len(p.random)))
	}
	return p, nil
}

// at returns when Λ reaches n, which it does in the given stage.
func (s *Schedule) at(stage int, n float64) time.Duration {
	within := s.stages[stage].due(n - s.before[stage])
	return min(s.start[stage]+time.Duration(math.Round(within*1e9)), s.start[stage+1])
}

// At returns when arrival seq, counted from 0, is due, since the beginning. Beyond the last arrival it is the end.
func (s *Schedule) At(seq uint64) time.Duration {
	switch {
	case seq >= s.Total():
		return s.Duration()
	case s.random != nil:
		return s.random[seq]
	}
	return s.at(s.StageOf(seq), float64(seq))
}

// Total returns the number of arrivals.
func (s *Schedule) Total() uint64 { return s.first[len(s.stages)] }

// Duration returns the length of all stages.
func (s *Schedule) Duration() time.Duration { return s.start[len(s.stages)] }

// Stages returns the stages in order.
func (s *Schedule) Stages() []Stage { return append([]Stage(nil), s.stages...) }

// Span returns when stage i begins and ends.
func (s *Schedule) Span(i int) (from, to time.Duration) { return s.start[i], s.start[i+1] }

// Range returns the arrivals of stage i: first <= seq < end.
func (s *Schedule) Range(i int) (first, end uint64) { return s.first[i], s.first[i+1] }

// StageOf returns the index of the stage that arrival seq belongs to; beyond the last arrival it is the last stage.
func (s *Schedule) StageOf(seq uint64) int {
	i := sort.Search(len(s.stages), func(i int) bool { return seq < s.first[i+1] })
	return min(i, len(s.stages)-1)
}

// stageAt returns the index of the stage that t falls into.
func (s *Schedule) stageAt(t time.Duration) int {
	i := sort.Search(len(s.stages), func(i int) bool { return t < s.start[i+1] })
	return min(i, len(s.stages)-1)
}

// Expected returns Λ(t): how many arrivals the rates make due by t. For a Poisson schedule it is the mean.
func (s *Schedule) Expected(t time.Duration) float64 {
	t = max(0, min(t, s.Duration()))
	i := s.stageAt(t)
	return s.before[i] + s.stages[i].expected((t - s.start[i]).Seconds())
}

// Rate returns the arrivals per second at t, and zero before the beginning and after the end. It implements
// [vegeta.Pacer].
func (s *Schedule) Rate(t time.Duration) float64 {
	if t < 0 || t >= s.Duration() {
		return 0
	}
	stage := s.stages[s.stageAt(t)]
	return stage.From + (stage.To-stage.From)*(t-s.start[s.stageAt(t)]).Seconds()/stage.Duration.Seconds()
}

// Pace returns how long to wait for the next hit, when hits have been sent, and stops after the last. It implements
// [vegeta.Pacer]; the attack needs no duration.
func (s *Schedule) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if hits >= s.Total() {
		return 0, true
	}
	return max(0, s.At(hits)-elapsed), false
}
