package results

import (
	"time"

	"example.com/arvo/loadtest/stats"
)

// LatencyOf returns what is kept of a distribution.
func LatencyOf(l *stats.Latencies) Latency {
	p50, p90, p99, p999 := l.Quantile(0.5), l.Quantile(0.9), l.Quantile(0.99), l.Quantile(0.999)
	known := func(q stats.Quantile, d time.Duration) *float64 {
		if !q.Known {
			return nil
		}
		ms := Milliseconds(d)
		return &ms
	}
	return Latency{
		N: l.N(), Mean: Milliseconds(l.Mean()), Max: Milliseconds(l.Max()),
		P50: known(p50, p50.Value), P90: known(p90, p90.Value), P99: known(p99, p99.Value), P999: known(p999, p999.Value),
		P50Lo: known(p50, p50.Lo), P50Hi: known(p50, p50.Hi), P99Lo: known(p99, p99.Lo), P99Hi: known(p99, p99.Hi),
		Negative: l.Negative(), Clipped: l.Clipped(),
	}
}

// Milliseconds returns d as the form has times. It is a quotient of whole numbers: 56.1 ms is 56.1, and not 56.1 and dust, which
// d.Seconds()*1e3 makes of it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
