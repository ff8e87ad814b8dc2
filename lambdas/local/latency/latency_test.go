package latency_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/latency"
)

func TestDrawsHaveTheGivenPercentiles(t *testing.T) {
	p := latency.AWS2026()
	for _, d := range []latency.Distribution{p.PutEvents, p.BusToTarget, p.QueueToFunction, p.Table, p.ColdStart} {
		draw := latency.NewSource(rand.New(rand.NewPCG(1, 2))).Of(d)
		const n = 100_000
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = draw()
		}
		slices.Sort(all)
		if all[0] < d.Floor {
			t.Errorf("%+v drew %v, below its floor", d, all[0])
		}
		for _, q := range []struct {
			name      string
			got, want time.Duration
		}{{"median", all[n/2], d.Median}, {"p99", all[n*99/100], d.P99}} {
			if ratio := float64(q.got) / float64(q.want); ratio < 0.97 || ratio > 1.03 {
				t.Errorf("%+v: %s is %v, want %v", d, q.name, q.got, q.want)
			}
		}
	}
}

func TestAFarTailIsBounded(t *testing.T) {
	d := latency.Distribution{Floor: time.Second, Median: time.Second + 1, P99: 10 * time.Minute}
	if got := d.Draw(8); got != time.Hour {
		t.Errorf("drew %v", got)
	}
}

func TestNoneNeverWaits(t *testing.T) {
	var none latency.Profile
	if latency.NewSource(rand.New(rand.NewPCG(1, 2))).Of(none.Table) != nil {
		t.Error("a zero distribution should give no function")
	}
}

func TestSameSeedSameDraws(t *testing.T) {
	d := latency.AWS2026().Table
	a, b := latency.NewSource(rand.New(rand.NewPCG(7, 7))).Of(d), latency.NewSource(rand.New(rand.NewPCG(7, 7))).Of(d)
	for range 100 {
		if x, y := a(), b(); x != y {
			t.Fatalf("%v and %v", x, y)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"an unknown hop", "tables: {median: 1ms}", "field tables not found"},
		{"a median below the floor", "table: {floor: 5ms, median: 1ms}", "table: median 1ms is below floor 5ms"},
		{"a p99 below the median", "table: {median: 5ms, p99: 1ms}", "table: p99 1ms is below median 5ms"},
		{"a p99 without a median, which would never be drawn", "table: {p99: 10ms}", "table: p99 10ms goes with a median above the floor 0s"},
		{"a p99 with the median on the floor", "table: {floor: 5ms, median: 5ms, p99: 10ms}", "table: p99 10ms goes with a median above the floor 5ms"},
		{"a negative latency", "table: {floor: -1ms}", "table: a latency cannot be negative"},
		{"a latency of hours", "coldStart: {median: 2h}", "coldStart: longer than a minute"},
		{"something that is no duration", "table: {median: soon}", "cannot unmarshal"},
		{"a ramp without a start", "ramp: {initial: 0, perMinute: 3, max: 10}", "ramp: initial 0 must be at least 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := latency.Parse([]byte(c.src)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func ExampleParse() {
	p, err := latency.Parse([]byte("busToTarget: {median: 45ms, p99: 130ms}"))
	fmt.Println(p.BusToTarget.Draw(0), p.Table.Draw(3), err)
	// Output: 45ms 0s <nil>
}
