// Package fault decides, from a seed, when the local services misbehave the way the real ones do.
//
// [Parse] reads what a user asks for:
//
//	duplicate=0.05,kill=0.01,putevents=0.05,throttle=0.05,delay=500ms
//
//	duplicate  share of messages that a queue hands out once more although they were deleted
//	kill       share of invocations in which the execution environment is killed half-way
//	putevents  share of PutEvents entries that the bus refuses with a passing error
//	throttle   share of invocations and of DynamoDB calls that are throttled
//	delay      longest extra time between the bus and a queue, drawn evenly from 0: events overtake each other
//
// Each fault draws from a sequence of its own, so that asking for one does not move the others. With the same seed
// each sequence is the same; which call gets which draw depends on the order of the calls, and so, in a system with
// real processes, on the machine.
package fault

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rates are the faults to inject: shares from 0 to 1, and a time. The zero value injects nothing.
type Rates struct {
	Duplicate, Kill, PutEvents, Throttle float64
	Delay                                time.Duration
}

// Parse reads rates in the form of the package comment. An empty string means none.
func Parse(s string) (Rates, error) {
	var r Rates
	if strings.TrimSpace(s) == "" {
		return r, nil
	}
	shares := map[string]*float64{"duplicate": &r.Duplicate, "kill": &r.Kill, "putevents": &r.PutEvents, "throttle": &r.Throttle}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return Rates{}, fmt.Errorf("faults: %q is not name=value", part)
		}
		if seen[name] {
			return Rates{}, fmt.Errorf("faults: %s is given twice", name)
		}
		seen[name] = true
		if share := shares[name]; share != nil {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil || !(f >= 0 && f <= 1) {
				return Rates{}, fmt.Errorf("faults: %s=%s: a share from 0 to 1 is due", name, value)
			}
			*share = f
			continue
		}
		if name != "delay" {
			return Rates{}, fmt.Errorf("faults: there is no %q; there are duplicate, kill, putevents, throttle and delay", name)
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 || d > 15*time.Minute {
			return Rates{}, fmt.Errorf("faults: delay=%s: a time from 0 to 15m is due, such as 500ms", value)
		}
		r.Delay = d
	}
	return r, nil
}

// Chance returns a function that is true in the given share of its calls, drawn from seed and name, or nil when the
// share is 0. It may be called by many goroutines.
func Chance(seed uint64, name string, share float64) func() bool {
	if share <= 0 {
		return nil
	}
	draw := sequence(seed, name)
	return func() bool { return draw() < share }
}

// Delay returns a function that draws times evenly from 0 to longest, or nil when longest is 0.
func Delay(seed uint64, name string, longest time.Duration) func() time.Duration {
	if longest <= 0 {
		return nil
	}
	draw := sequence(seed, name)
	return func() time.Duration { return time.Duration(draw() * float64(longest)) }
}

// Rand returns the random sequence of a name.
func Rand(seed uint64, name string) *rand.Rand {
	var h uint64 = 14695981039346656037 // FNV-1a
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

func sequence(seed uint64, name string) func() float64 {
	rng := Rand(seed, name)
	var mu sync.Mutex
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return rng.Float64()
	}
}
