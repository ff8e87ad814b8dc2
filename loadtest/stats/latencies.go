package stats

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies is a distribution of durations: an HdrHistogram (Tene 2012) of microseconds with three significant digits, so a
// quantile is right to a thousandth, up to [MaxLatency]; the mean and the maximum are exact. Its size is fixed, some 220 KB,
// whatever is recorded. The zero value is not ready: use NewLatencies. It is not safe for concurrent use.
type Latencies struct {
	h        *hdrhistogram.Histogram
	negative int64
	clipped  int64
	sum      float64 // of what was recorded, exactly, in seconds
	longest  time.Duration
}

// MaxLatency is the longest duration of which quantiles tell it from a longer one.
const MaxLatency = 24 * time.Hour

// NewLatencies returns an empty distribution.
func NewLatencies() *Latencies {
	return &Latencies{h: hdrhistogram.New(1, MaxLatency.Microseconds(), 3)}
}

// Record adds d, n times. A negative duration is an error of a clock: it counts as zero, and in [Latencies.Negative].
func (l *Latencies) Record(d time.Duration, n int64) {
	if n <= 0 {
		return
	}
	l.sum += d.Seconds() * float64(n)
	if d < 0 {
		l.negative += n
		d = 0
	}
	l.longest = max(l.longest, d)
	if d > MaxLatency {
		l.clipped += n
		d = MaxLatency
	}
	if err := l.h.RecordValues(d.Microseconds(), n); err != nil {
		panic("stats: a latency within the histogram's range was refused: " + err.Error())
	}
}

// N returns how many durations were recorded.
func (l *Latencies) N() int64 { return l.h.TotalCount() }

// Negative returns how many of them were negative.
func (l *Latencies) Negative() int64 { return l.negative }

// Clipped returns how many of them were longer than MaxLatency.
func (l *Latencies) Clipped() int64 { return l.clipped }

// Mean returns the arithmetic mean of what was recorded, unrounded, and zero for nothing.
func (l *Latencies) Mean() time.Duration {
	if l.N() == 0 {
		return 0
	}
	return time.Duration(l.sum / float64(l.N()) * 1e9)
}

// Max returns the longest duration as it was recorded, be it longer than MaxLatency, and zero for none. The histogram only
// knows the upper edge of its bucket, which no subject need have taken.
func (l *Latencies) Max() time.Duration { return l.longest }

// A Quantile is an estimate with its 95 % interval.
type Quantile struct {
	Q             float64
	Value, Lo, Hi time.Duration
	N             int64 // of how many durations
	// Known is false when N is too small for Q: less than ten durations would lie above it. Value, Lo and Hi are zero
	// then, and a report shows a dash.
	Known bool
}

// Quantile returns the q-quantile, 0 < q < 1. It is known from n >= 10/(1-q) on: 20 for the median, 1,000 for p99, 10,000
// for p99.9.
//
// The interval is that of order statistics, the (nq ± 1.96 √(nq(1-q)))th: no shape of the distribution is assumed, but
// independent durations are (Conover, Practical Nonparametric Statistics, §3.2). In an overloaded stage they are not, and
// the latency is a trend and no distribution. None of the three is above Max.
func (l *Latencies) Quantile(q float64) Quantile {
	n := l.N()
	result := Quantile{Q: q, N: n}
	if !(q > 0 && q < 1) || float64(n)*(1-q) < 10-1e-6 {
		return result
	}
	result.Known = true
	rank := float64(n) * q
	margin := 1.96 * math.Sqrt(rank*(1-q))
	result.Value = l.ranked(math.Ceil(rank - 1e-9*rank))
	result.Lo = l.ranked(math.Floor(rank - margin))
	result.Hi = l.ranked(math.Ceil(rank+margin) + 1)
	return result
}

// ranked returns the rank-th smallest duration, counted from 1.
func (l *Latencies) ranked(rank float64) time.Duration {
	n := float64(l.N())
	rank = min(max(rank, 1), n)
	edge := time.Duration(l.h.ValueAtQuantile(rank/n*100)) * time.Microsecond // which rounds to the nearest rank
	return min(edge, l.longest)
}
