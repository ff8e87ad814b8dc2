package stats

import (
	"fmt"
	"math"
	"time"
)

// A Capacity is what the consumers of a queue can do, by the operational laws (Denning and Buzen 1978): C invocations at a
// time, each of which takes B subjects, P of them at a time.
//
//	          C · B
//	X = ───────────────────      o: what an invocation takes besides its subjects
//	     o + ⌈B / P⌉ · s         s: what a subject takes
type Capacity struct {
	Concurrency int     // C: invocations at a time
	Batch       float64 // B: subjects in a batch, as received on the average; under load that is the batch size
	Parallelism int     // P: subjects of a batch at a time
	Overhead    time.Duration
	Service     time.Duration
}

func (c Capacity) check() error {
	if c.Concurrency < 1 || !(c.Batch >= 1) || c.Parallelism < 1 || c.Overhead < 0 || c.Service < 0 {
		return fmt.Errorf("stats: capacity of concurrency %d, batch %v, parallelism %d, overhead %v, service %v: the first three are at least 1, times are not negative",
			c.Concurrency, c.Batch, c.Parallelism, c.Overhead, c.Service)
	}
	return nil
}

// waves returns how many subjects of a batch are handled one after the other.
func (c Capacity) waves() float64 { return math.Ceil(c.Batch / float64(c.Parallelism)) }

// Invocation returns how long an invocation takes.
func (c Capacity) Invocation() time.Duration {
	return c.Overhead + time.Duration(c.waves()*float64(c.Service))
}

// Rate returns X in subjects per second, and +Inf when invocations take no time.
func (c Capacity) Rate() (float64, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	return float64(c.Concurrency) * c.Batch / c.Invocation().Seconds(), nil
}

// Calibrate returns c with the overhead that explains a rate that was measured with all slots in use. The measurement is
// then used up: it cannot be a test of what it calibrates. A rate higher than the service time allows is an error.
func (c Capacity) Calibrate(rate float64) (Capacity, error) {
	c.Overhead = 0
	if err := c.check(); err != nil {
		return Capacity{}, err
	}
	if !(rate > 0) {
		return Capacity{}, fmt.Errorf("stats: calibrate: a rate of %v per second", rate)
	}
	total := time.Duration(float64(c.Concurrency) * c.Batch / rate * 1e9)
	overhead := total - c.Invocation()
	// A measured rate has noise of its own; a hundredth of it is not a contradiction.
	if overhead < -total/100 {
		return Capacity{}, fmt.Errorf("stats: calibrate: %.1f per second with %d at a time leave %v for an invocation: its subjects alone take %v", rate, c.Concurrency, total, c.Invocation())
	}
	c.Overhead = max(0, overhead)
	return c, nil
}

// Drain returns how long a backlog takes to go away at a capacity, while arrivals go on; both are subjects per second. It
// returns false when it never does.
func Drain(backlog, capacity, arrivals float64) (time.Duration, bool) {
	if backlog <= 0 {
		return 0, true
	}
	seconds := backlog / (capacity - arrivals)
	if !(capacity > arrivals) || seconds > math.MaxInt64/1e9 {
		return 0, false
	}
	return time.Duration(seconds * 1e9), true
}

// Recovery returns how long after an outage the backlog of it is gone, when arrivals went on at a utilisation ρ < 1 of the
// capacity: outage · ρ/(1-ρ). A system that runs at 95 % takes 19 times as long as it was away. It returns false when it
// never recovers.
func Recovery(outage time.Duration, utilisation float64) (time.Duration, bool) {
	return Drain(outage.Seconds()*utilisation, 1, utilisation)
}
