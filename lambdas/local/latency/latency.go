// Package latency draws how long the real services take, so that a stack on one machine can be as slow as AWS is.
//
// A [Profile] has one [Distribution] for each place where the real system spends time, and the [Ramp] by which event
// source mappings grow. The zero Profile is "none": nothing waits. [AWS2026] holds the published figures; [Parse]
// reads a profile from YAML:
//
//	putEvents: {median: 12ms, p99: 40ms}            # one PutEvents call
//	busToTarget: {median: 45ms, p99: 130ms}         # accepted by the bus -> delivered to the rule's target
//	queueToFunction: {floor: 12ms, median: 16ms, p99: 105ms}  # sent to a queue -> visible to a poller
//	table: {median: 4ms, p99: 12ms}                 # one DynamoDB call
//	coldStart: {median: 90ms, p99: 200ms}           # added to the start of an execution environment
//	ramp: {initial: 5, perMinute: 300, max: 1250}   # concurrent batches of an event source mapping
//
// A distribution is a floor plus a log-normal variable, given by its median and its 99th percentile: that is the
// form in which latencies are published. Draws come from one seed, so two runs with the same seed and the same order
// of calls wait alike.
package latency

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Distribution is Floor + exp(N(mu, sigma)) with the given median and 99th percentile of the sum. The zero value
// always draws 0; a P99 of 0 draws the median. A P99 above the median wants a median above the floor.
type Distribution struct {
	Floor  time.Duration `yaml:"floor"`
	Median time.Duration `yaml:"median"`
	P99    time.Duration `yaml:"p99"`
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// longest bounds draws: a far tail may be beyond what a Duration holds.
const longest = time.Hour

// Draw returns one latency, for a draw from the standard normal distribution. None is longer than an hour.
func (d Distribution) Draw(normal float64) time.Duration {
	body := float64(d.Median - d.Floor)
	if d.P99 <= d.Median || body <= 0 {
		return d.Median
	}
	sigma := math.Log(float64(d.P99-d.Floor)/body) / z99
	return d.Floor + time.Duration(min(body*math.Exp(sigma*normal), float64(longest-d.Floor)))
}

func (d Distribution) validate(name string) error {
	switch {
	case d.Floor < 0 || d.Median < 0 || d.P99 < 0:
		return fmt.Errorf("%s: a latency cannot be negative", name)
	case d.Median < d.Floor:
		return fmt.Errorf("%s: median %v is below floor %v", name, d.Median, d.Floor)
	case d.P99 != 0 && d.P99 < d.Median:
		return fmt.Errorf("%s: p99 %v is below median %v", name, d.P99, d.Median)
	case d.P99 > d.Median && d.Median == d.Floor:
		return fmt.Errorf("%s: p99 %v goes with a median above the floor %v", name, d.P99, d.Floor)
	case d.Median > time.Minute || d.P99 > 10*time.Minute:
		return fmt.Errorf("%s: longer than a minute (median) or ten (p99)", name)
	}
	return nil
}

// A Ramp is how an event source mapping adds concurrent batches. The zero Ramp gives all of them at once.
type Ramp struct {
	Initial   int `yaml:"initial"`
	PerMinute int `yaml:"perMinute"`
	Max       int `yaml:"max"`
}

// A Profile says how slow each hop is.
type Profile struct {
	PutEvents       Distribution `yaml:"putEvents"`
	BusToTarget     Distribution `yaml:"busToTarget"`
	QueueToFunction Distribution `yaml:"queueToFunction"`
	Table           Distribution `yaml:"table"`
	ColdStart       Distribution `yaml:"coldStart"`
	Ramp            Ramp         `yaml:"ramp"`
}

// AWS2026 returns the published latencies of the real services. Bus: p50 45, p90 80, p99 130 ms, fitted to AWS's
// claim for p99 and to a p90 reported at 2,000 events/s. Queue: p50 16.2, p99 105 ms, measured in public by
// bitesizedserverless.com (2023). PutEvents and DynamoDB: assumptions, as AWS publishes "single-digit milliseconds"
// at most. Cold start of a Go binary on provided.al2023: 80-150 ms as callers report it. Ramp: the Lambda guide.
func AWS2026() Profile {
	const ms = time.Millisecond
	return Profile{
		PutEvents:       Distribution{Median: 12 * ms, P99: 40 * ms},
		BusToTarget:     Distribution{Median: 45 * ms, P99: 130 * ms},
		QueueToFunction: Distribution{Floor: 12 * ms, Median: 16200 * time.Microsecond, P99: 105 * ms},
		Table:           Distribution{Median: 4 * ms, P99: 12 * ms},
		ColdStart:       Distribution{Median: 90 * ms, P99: 200 * ms},
		Ramp:            Ramp{Initial: 5, PerMinute: 300, Max: 1250},
	}
}

// Parse reads a profile from YAML. Unknown members are errors; absent ones mean no latency.
func Parse(src []byte) (Profile, error) {
	var p Profile
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("latency profile: %w", err)
	}
	for _, d := range []struct {
		name string
		Distribution
	}{{"putEvents", p.PutEvents}, {"busToTarget", p.BusToTarget}, {"queueToFunction", p.QueueToFunction}, {"table", p.Table}, {"coldStart", p.ColdStart}} {
		if err := d.validate(d.name); err != nil {
			return Profile{}, fmt.Errorf("latency profile: %w", err)
		}
	}
	if r := p.Ramp; r != (Ramp{}) && (r.Initial < 1 || r.PerMinute < 0 || r.Max < r.Initial) {
		return Profile{}, fmt.Errorf("latency profile: ramp: initial %d must be at least 1, perMinute %d at least 0, max %d at least initial", r.Initial, r.PerMinute, r.Max)
	}
	return p, nil
}

// A Source draws from one seed; it may be used by many goroutines.
type Source struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// NewSource returns a Source that draws from rng, which it owns from then on.
func NewSource(rng *rand.Rand) *Source { return &Source{rng: rng} }

// Of returns a function that draws from d, or nil when d never waits, so that callers can skip timers altogether.
func (s *Source) Of(d Distribution) func() time.Duration {
	if d == (Distribution{}) {
		return nil
	}
	return func() time.Duration {
		s.mu.Lock()
		normal := s.rng.NormFloat64()
		s.mu.Unlock()
		return d.Draw(normal)
	}
}
