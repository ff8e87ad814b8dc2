package sim

import (
	"fmt"
	"math"
	"time"
)

// A Distribution is Floor plus a log-normal variable, such that the sum has the given median and 99th percentile: that is the
// form in which latencies are published. Zero always is 0; a P99 of 0 always is the median.
type Distribution struct{ Floor, Median, P99 time.Duration }

// Latencies are those of the services.
type Latencies struct {
	Gateway         Distribution // of API Gateway itself, around the function
	PutEvents       Distribution // one call
	BusToTarget     Distribution // accepted by the bus ... in the queue
	QueueToFunction Distribution // in the queue ... the function is invoked, if a poller waits for it
	Table           Distribution // one DynamoDB call
	ColdStart       Distribution // added to the first invocation of an environment
}

// AWS2026 returns the published latencies of the real services, those that the local stack uses under this name. Bus: p50 45,
// p90 80, p99 130 ms, fitted to AWS's claim for p99 and to a p90 reported at 2,000 events/s. Queue: p50 16.2, p99 105
// ms, measured in public by bitesizedserverless.com (2023). Cold start of a Go binary on provided.al2023: 80-150 ms as callers
// report it. PutEvents, DynamoDB and API Gateway are assumptions: AWS publishes "single-digit milliseconds" at most.
func AWS2026() Latencies {
	const ms = time.Millisecond
	return Latencies{
		Gateway:         Distribution{Median: 8 * ms, P99: 30 * ms},
		PutEvents:       Distribution{Median: 12 * ms, P99: 40 * ms},
		BusToTarget:     Distribution{Median: 45 * ms, P99: 130 * ms},
		QueueToFunction: Distribution{Floor: 12 * ms, Median: 16200 * time.Microsecond, P99: 105 * ms},
		Table:           Distribution{Median: 4 * ms, P99: 12 * ms},
		ColdStart:       Distribution{Median: 90 * ms, P99: 200 * ms},
	}
}

func (l Latencies) check() error {
	for _, d := range []struct {
		name string
		Distribution
	}{{"Gateway", l.Gateway}, {"PutEvents", l.PutEvents}, {"BusToTarget", l.BusToTarget}, {"QueueToFunction", l.QueueToFunction}, {"Table", l.Table}, {"ColdStart", l.ColdStart}} {
		if d.Floor < 0 || d.Median < d.Floor || d.P99 != 0 && d.P99 < d.Median || max(d.Median, d.P99) > time.Minute {
			return fmt.Errorf("latencies: %s: floor %v, median %v, p99 %v: they rise, from 0 to at most a minute", d.name, d.Floor, d.Median, d.P99)
		}
	}
	return nil
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// A lognormal is floor + exp(mu + sigma·Z) nanoseconds. With some is false it is the floor alone.
type lognormal struct {
	floor, mu, sigma float64
	some             bool
}

func (d Distribution) lognormal() lognormal {
	body := float64(d.Median - d.Floor)
	if body <= 0 {
		return lognormal{floor: float64(d.Median)}
	}
	if d.P99 <= d.Median {
		return lognormal{floor: float64(d.Median)}
	}
	return lognormal{floor: float64(d.Floor), mu: math.Log(body), sigma: math.Log(float64(d.P99-d.Floor)/body) / z99, some: true}
}

// at returns the value whose standard normal variable is z.
func (l lognormal) at(z float64) int64 {
	if !l.some {
		return int64(l.floor)
	}
	return int64(l.floor + math.Exp(l.mu+l.sigma*z))
}

// times returns the distribution of the sum of n independent variables: the log-normal one with the same mean and variance
// (Fenton 1960), which is near enough for a few.
func (l lognormal) times(n int) lognormal {
	if n == 0 {
		return lognormal{}
	}
	if !l.some || n == 1 {
		l.floor *= float64(n)
		return l
	}
	mean := float64(n) * math.Exp(l.mu+l.sigma*l.sigma/2)
	variance := float64(n) * math.Exp(2*l.mu+l.sigma*l.sigma) * math.Expm1(l.sigma*l.sigma)
	sigma2 := math.Log1p(variance / mean / mean)
	return lognormal{floor: l.floor * float64(n), mu: math.Log(mean) - sigma2/2, sigma: math.Sqrt(sigma2), some: true}
}

// greatest returns the mean of the greatest of n independent variables, by the midpoints of 2,000 quantiles.
func (l lognormal) greatest(n float64) float64 {
	if !l.some {
		return l.floor
	}
	const steps = 2000
	var sum float64
	for i := range steps {
		u := math.Pow((float64(i)+0.5)/steps, 1/n)
		sum += float64(l.at(normal(u)))
	}
	return sum / steps
}

// normal returns the u-quantile of the standard normal distribution.
func normal(u float64) float64 {
	// Beyond eight standard deviations there is nothing that a simulation meets.
	return math.Sqrt2 * math.Erfinv(2*min(max(u, 1e-15), 1-1e-15)-1)
}
