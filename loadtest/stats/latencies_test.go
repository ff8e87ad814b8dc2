package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/stats"
)

func TestQuantileIsKnownFromTenAboveIt(t *testing.T) {
	for _, test := range []struct {
		name  string
		q     float64
		n     int64
		known bool
	}{
		{"the median takes 20", 0.5, 20, true},
		{"not 19", 0.5, 19, false},
		{"p99 takes 1,000", 0.99, 1000, true},
		{"not 999", 0.99, 999, false},
		{"p99.9 takes 10,000", 0.999, 10_000, true},
		{"not 9,999", 0.999, 9_999, false},
		{"nothing has no median", 0.5, 0, false},
		{"the maximum is no quantile", 1, 1_000_000, false},
		{"nor is the minimum", 0, 1_000_000, false},
		{"nor is what is no number", math.NaN(), 1_000_000, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := stats.NewLatencies()
			l.Record(time.Second, test.n)
			q := l.Quantile(test.q)
			if q.Known != test.known || q.N != test.n {
				t.Errorf("known %t of %d, want %t of %d", q.Known, q.N, test.known, test.n)
			}
			if !q.Known && (q.Value != 0 || q.Lo != 0 || q.Hi != 0) {
				t.Errorf("an unknown quantile has the values %v [%v, %v]", q.Value, q.Lo, q.Hi)
			}
		})
	}
}

// The referee is a sorted slice: the q-quantile is the ⌈nq⌉th smallest.
func TestQuantileIsExactToAThousandth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := rapid.IntRange(1000, 5000).Draw(t, "n")
		scale := rapid.SampledFrom([]float64{1e-5, 1e-2, 10, 3600}).Draw(t, "scale")
		all := make([]time.Duration, n)
		l := stats.NewLatencies()
		var sum float64
		for i := range all {
			all[i] = time.Duration(rng.ExpFloat64() * scale * 1e9)
			sum += all[i].Seconds()
			l.Record(all[i], 1)
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.9, 0.99} {
			got := l.Quantile(q)
			want := all[int(math.Ceil(float64(n)*q-1e-9))-1]
			if math.Abs(float64(got.Value-want)) > 0.001*float64(want)+1000 {
				t.Fatalf("quantile %v of %d is %v, not %v", q, n, got.Value, want)
			}
			if got.Hi > l.Max() {
				t.Fatalf("quantile %v: %v is above the maximum %v", q, got.Hi, l.Max())
			}
			if got.Lo > got.Value || got.Hi < got.Value {
				t.Fatalf("quantile %v: %v is not within [%v, %v]", q, got.Value, got.Lo, got.Hi)
			}
		}
		if got, want := l.Mean().Seconds(), sum/float64(n); math.Abs(got-want) > 1e-9+1e-9*want {
			t.Fatalf("mean %v, want %v", got, want)
		}
		if got, want := l.Max(), all[n-1]; got != want {
			t.Fatalf("maximum %v, want %v", got, want)
		}
	})
}

func TestQuantileIntervalHoldsTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs, n = 400, 1000
	truth := time.Duration(-math.Log(0.1) * 1e8) // p90 of an exponential with a mean of 100 ms
	held := 0
	for range runs {
		l := stats.NewLatencies()
		for range n {
			l.Record(time.Duration(rng.ExpFloat64()*1e8), 1)
		}
		if q := l.Quantile(0.9); q.Lo <= truth && truth <= q.Hi {
			held++
		}
	}
	if share := float64(held) / runs; share < 0.92 || share > 0.99 {
		t.Errorf("the 95 %% interval held the truth in %.1f %% of %d runs", 100*share, runs)
	}
}

func TestLatenciesOutsideTheRangeAreCounted(t *testing.T) {
	l := stats.NewLatencies()
	l.Record(-time.Millisecond, 3)
	l.Record(time.Hour, 4)
	l.Record(48*time.Hour, 5)
	l.Record(time.Second, 0)
	if l.N() != 12 || l.Negative() != 3 || l.Clipped() != 5 {
		t.Errorf("%d recorded, %d negative, %d clipped; want 12, 3, 5", l.N(), l.Negative(), l.Clipped())
	}
	if l.Max() != 48*time.Hour {
		t.Errorf("maximum %v", l.Max())
	}
	if empty := stats.NewLatencies(); empty.Mean() != 0 || empty.Max() != 0 {
		t.Errorf("of nothing the mean is %v and the maximum %v", empty.Mean(), empty.Max())
	}
}

func TestTheMaximumIsOneThatWasRecorded(t *testing.T) {
	const longest = 2_158_123_457 * time.Nanosecond // within a bucket of 1024 µs, whose upper edge is 2.158591 s
	for _, test := range []struct {
		name     string
		recorded []time.Duration
		want     time.Duration
	}{
		{"of some", []time.Duration{time.Second, longest, time.Millisecond}, longest},
		{"of clocks that went backwards is zero", []time.Duration{-time.Second}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := stats.NewLatencies()
			for _, d := range test.recorded {
				l.Record(d, 1)
			}
			if l.Max() != test.want {
				t.Errorf("it is %v, not %v", l.Max(), test.want)
			}
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	l := stats.NewLatencies()
	for i := 0; b.Loop(); i++ {
		l.Record(time.Duration(i%1000)*time.Millisecond, 1)
	}
}
