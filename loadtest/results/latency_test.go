package results

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/loadtest/stats"
)

func TestLatencyOf(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	l := stats.NewLatencies()
	l.Record(56100*time.Microsecond, 98)
	l.Record(-time.Millisecond, 1)
	l.Record(48*time.Hour, 1)
	want := Latency{
		N: 100, Mean: 1728054.968, P50: f(56.1), P90: f(56.1), Max: 172_800_000, P50Lo: f(56.1), P50Hi: f(56.1), Negative: 1, Clipped: 1,
	}
	near := cmp.Comparer(func(a, b float64) bool { return a > 0.999*b && a < 1.001*b || a == b })
	if diff := cmp.Diff(want, LatencyOf(l), near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Latency{}, LatencyOf(stats.NewLatencies())); diff != "" {
		t.Error("of nothing", diff)
	}
}

func TestMillisecondsLeaveNoDust(t *testing.T) {
	for us := range 100_000 {
		if got, want := Milliseconds(time.Duration(us)*time.Microsecond), float64(us)/1000; got != want {
			t.Fatalf("%d µs are %v ms, not %v", us, got, want)
		}
	}
	if got := Milliseconds(1500 * time.Nanosecond); got != 0.0015 {
		t.Errorf("1.5 µs are %v ms", got)
	}
}
