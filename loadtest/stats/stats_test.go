package stats_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/stats"
)

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

func TestMean(t *testing.T) {
	for _, test := range []struct {
		name         string
		x            []float64
		mean, lo, hi float64
	}{
		{"nothing is known of nothing", nil, 0, math.Inf(-1), math.Inf(1)},
		{"one observation has no interval", []float64{3}, 3, math.Inf(-1), math.Inf(1)},
		{"equal observations leave no doubt", []float64{3, 3, 3}, 3, 3, 3},
		// R: t.test(c(1, 2, 3, 4, 5))$conf.int
		{"five observations, as R has it", []float64{1, 2, 3, 4, 5}, 3, 1.036757, 4.963243},
		// R: t.test(1:40)$conf.int
		{"forty, beyond the table", count(40), 20.5, 16.76126, 24.23874},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := stats.Mean(test.x)
			if !near(got.Mean, test.mean, 1e-9) || !(got.Lo == test.lo || near(got.Lo, test.lo, 2e-4)) || !(got.Hi == test.hi || near(got.Hi, test.hi, 2e-4)) {
				t.Errorf("got %v, want %v [%v, %v]", got, test.mean, test.lo, test.hi)
			}
		})
	}
}

func count(n int) (x []float64) {
	for i := range n {
		x = append(x, float64(i+1))
	}
	return x
}

func TestBatchMeans(t *testing.T) {
	got := stats.BatchMeans([]float64{0, 2, 3, 5, 7, 9, 100}, 3) // 1, 4, 8; the last does not fill a block
	want := stats.Mean([]float64{1, 4, 8})
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := stats.BatchMeans([]float64{1, 3}, 10); got != stats.Mean([]float64{1, 3}) {
		t.Errorf("two values in ten blocks: %v", got)
	}
	if got := stats.BatchMeans(nil, 10); got.N != 0 {
		t.Errorf("no values: %v", got)
	}
}

// A series in which each value resembles the last makes the interval of single values lie, and that of blocks not.
func TestBatchMeansKnowOfAutocorrelation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const runs, n = 300, 600
	single, blocks := 0, 0
	for range runs {
		x := make([]float64, n)
		var state float64
		for i := range x {
			state = 0.8*state + rng.NormFloat64() // its mean is 0
			x[i] = state
		}
		if i := stats.Mean(x); i.Lo <= 0 && 0 <= i.Hi {
			single++
		}
		if i := stats.BatchMeans(x, stats.Blocks); i.Lo <= 0 && 0 <= i.Hi {
			blocks++
		}
	}
	if share := float64(blocks) / runs; share < 0.89 {
		t.Errorf("the interval of blocks held the mean in %.0f %% of runs", 100*share)
	}
	if share := float64(single) / runs; share > 0.75 {
		t.Errorf("the interval of single values held the mean in %.0f %% of runs: this test shows nothing", 100*share)
	}
}

func TestGrowthAndVerdict(t *testing.T) {
	line := func(slope float64) (b []float64) {
		for i := range 101 {
			b = append(b, 7+slope*float64(i)/10) // a sample every 100 ms
		}
		return b
	}
	wild := make([]float64, 101)
	for i := range wild {
		if i/10%2 == 1 {
			wild[i] = 50
		}
	}
	rising := slices.Clone(wild)
	rising[100] = 50
	for _, test := range []struct {
		name    string
		backlog []float64
		growth  float64
		want    stats.Verdict
	}{
		{"a backlog that grows by half the load", line(50), 50, stats.Unstable},
		{"one that grows by a hundredth of it cannot be told from noise", line(1), 1, stats.Stable},
		{"one that stays", line(0), 0, stats.Stable},
		{"one that goes away", line(-30), -30, stats.Stable},
		{"one that jumps", wild, 0, stats.Inconclusive},
		{"one that jumps and ends higher", rising, 5, stats.Inconclusive},
		{"one sample", line(0)[:1], 0, stats.Inconclusive},
		{"no sample", nil, 0, stats.Inconclusive},
		{"two samples are one difference", line(50)[:2], 50, stats.Inconclusive},
	} {
		t.Run(test.name, func(t *testing.T) {
			growth := stats.Growth(test.backlog, 100*time.Millisecond, stats.Blocks)
			if !near(growth.Mean, test.growth, 1e-9) {
				t.Errorf("grows by %v/s, want %v", growth, test.growth)
			}
			if got := stats.Judge(growth, 100); got != test.want {
				t.Errorf("%s, want %s (growth %v)", got, test.want, growth)
			}
		})
	}
	if got := stats.Judge(stats.Growth(line(0), time.Second, 10), 0); got != stats.Inconclusive {
		t.Errorf("without a load the verdict is %s", got)
	}
}

// A departures heap of the times at which servers become free.
type servers []float64

func (s servers) Len() int           { return len(s) }
func (s servers) Less(i, j int) bool { return s[i] < s[j] }
func (s servers) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *servers) Push(x any)        { *s = append(*s, x.(float64)) }
func (s *servers) Pop() any          { last := (*s)[len(*s)-1]; *s = (*s)[:len(*s)-1]; return last }

// queue returns the backlog, each second, of an M/G/4 queue's first seconds at a utilisation, with lognormal service.
func queue(rng *rand.Rand, utilisation float64, seconds int) []float64 {
	const c, mean, sigma = 4, 0.05, 0.5
	free := make(servers, c)
	backlog := make([]float64, seconds+1)
	rate := utilisation * c / mean
	for arrival := rng.ExpFloat64() / rate; arrival < float64(seconds); arrival += rng.ExpFloat64() / rate {
		start := max(heap.Pop(&free).(float64), arrival)
		end := start + mean*math.Exp(sigma*rng.NormFloat64()-sigma*sigma/2)
		heap.Push(&free, end)
		for s := int(math.Ceil(arrival)); s <= seconds && float64(s) < end; s++ {
			backlog[s]++
		}
	}
	return backlog
}

func TestVerdictsOfQueues(t *testing.T) {
	const runs = 60
	for _, test := range []struct {
		utilisation float64
		never, most stats.Verdict
	}{
		{0.7, stats.Unstable, stats.Stable},
		{0.9, stats.Unstable, stats.Stable},
		{1.2, stats.Stable, stats.Unstable},
		{1.5, stats.Stable, stats.Unstable},
	} {
		rng := rand.New(rand.NewPCG(9, uint64(test.utilisation*100)))
		said := map[stats.Verdict]int{}
		for range runs {
			backlog := queue(rng, test.utilisation, 72)[12:]
			said[stats.Judge(stats.Growth(backlog, time.Second, stats.Blocks), test.utilisation*80)]++
		}
		if said[test.never] > 0 || said[test.most] < runs*8/10 {
			t.Errorf("at a utilisation of %v: %v", test.utilisation, said)
		}
	}
}

func TestLittleAndDiagnosis(t *testing.T) {
	// Four at a time, 50 ms each: 80 a second keep all four busy.
	if got := stats.Little(80, 50*time.Millisecond, 4); !near(got, 1, 1e-12) {
		t.Errorf("Little %v, want 1", got)
	}
	if got := stats.Little(80, 50*time.Millisecond, 0); !math.IsNaN(got) {
		t.Errorf("Little without slots %v", got)
	}
	for _, test := range []struct {
		name    string
		little  float64
		verdict stats.Verdict
		want    stats.Diagnosis
	}{
		{"behind with all slots busy", 1.00, stats.Unstable, stats.LimitedByConcurrency},
		{"behind with slots to spare", 0.60, stats.Unstable, stats.LimitedElsewhere},
		{"behind with most slots busy", 0.93, stats.Unstable, stats.Undecided},
		{"behind with all slots busy, by times that are a little too long", 1.04, stats.Unstable, stats.LimitedByConcurrency},
		{"more busy than there are: the numbers are wrong", 1.11, stats.Unstable, stats.Undecided},
		{"keeps up", 0.95, stats.Stable, stats.NotLimited},
		{"who knows", 1.00, stats.Inconclusive, stats.Undecided},
		{"no slots", math.NaN(), stats.Unstable, stats.Undecided},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := stats.Diagnose(test.little, test.verdict); got != test.want {
				t.Errorf("limited by %s, want %s", got, test.want)
			}
		})
	}
}

func TestCapacity(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		c    stats.Capacity
		want float64
	}{
		{"four at a time, one by one", stats.Capacity{Concurrency: 4, Batch: 1, Parallelism: 1, Service: 50 * ms}, 80},
		{"overhead is paid once a batch", stats.Capacity{Concurrency: 4, Batch: 5, Parallelism: 1, Overhead: 40 * ms, Service: 10 * ms}, 4 * 5 / 0.09},
		{"a batch side by side takes as long as one subject", stats.Capacity{Concurrency: 4, Batch: 10, Parallelism: 10, Overhead: 10 * ms, Service: 50 * ms}, 4 * 10 / 0.06},
		{"eleven by ten take two turns", stats.Capacity{Concurrency: 1, Batch: 11, Parallelism: 10, Service: 50 * ms}, 110},
		{"a mean batch below the parallelism takes one turn", stats.Capacity{Concurrency: 1, Batch: 9.3, Parallelism: 10, Service: 50 * ms}, 186},
		{"no time is no limit", stats.Capacity{Concurrency: 1, Batch: 1, Parallelism: 1}, math.Inf(1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.c.Rate()
			if err != nil || !(got == test.want || near(got, test.want, 1e-6*test.want)) {
				t.Errorf("%v/s (%v), want %v/s", got, err, test.want)
			}
			if math.IsInf(test.want, 0) {
				return
			}
			again, err := test.c.Calibrate(test.want)
			if err != nil || !near(float64(again.Overhead), float64(test.c.Overhead), 1000) {
				t.Errorf("calibrated by its own rate the overhead is %v (%v), not %v", again.Overhead, err, test.c.Overhead)
			}
		})
	}
	for name, c := range map[string]stats.Capacity{
		"no concurrency":    {Batch: 1, Parallelism: 1},
		"no batch":          {Concurrency: 1, Parallelism: 1},
		"a batch of NaN":    {Concurrency: 1, Batch: math.NaN(), Parallelism: 1},
		"no parallelism":    {Concurrency: 1, Batch: 1},
		"negative overhead": {Concurrency: 1, Batch: 1, Parallelism: 1, Overhead: -1},
	} {
		if _, err := c.Rate(); err == nil {
			t.Errorf("%s is a capacity", name)
		}
	}
	c := stats.Capacity{Concurrency: 4, Batch: 1, Parallelism: 1, Service: 50 * ms}
	if _, err := c.Calibrate(100); err == nil || !strings.Contains(err.Error(), "100.0 per second") {
		t.Errorf("100/s of a service that allows 80/s: %v", err)
	}
	if _, err := c.Calibrate(0); err == nil {
		t.Error("calibrated by nothing")
	}
	if got, err := c.Calibrate(80.4); err != nil || got.Overhead != 0 {
		t.Errorf("noise of half a per cent: overhead %v, %v", got.Overhead, err)
	}
}

func TestDrainAndRecovery(t *testing.T) {
	for _, test := range []struct {
		name                        string
		backlog, capacity, arrivals float64
		want                        time.Duration
		ok                          bool
	}{
		{"nothing arrives", 800, 80, 0, 10 * time.Second, true},
		{"half of the capacity arrives", 800, 80, 40, 20 * time.Second, true},
		{"as much arrives as leaves", 800, 80, 80, 0, false},
		{"more arrives", 800, 80, 90, 0, false},
		{"there is nothing to drain", 0, 0, 10, 0, true},
		{"it would take longer than time can tell", 1e12, 1e-3, 0, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := stats.Drain(test.backlog, test.capacity, test.arrivals)
			if got != test.want || ok != test.ok {
				t.Errorf("%v %t, want %v %t", got, ok, test.want, test.ok)
			}
		})
	}
	for utilisation, want := range map[float64]float64{0.5: 20, 0.8: 80, 0.95: 380} {
		if got, ok := stats.Recovery(20*time.Second, utilisation); !ok || !near(got.Seconds(), want, 1e-6) {
			t.Errorf("20 s at %v take %v to recover from, want %v s", utilisation, got, want)
		}
	}
	if _, ok := stats.Recovery(time.Second, 1); ok {
		t.Error("a system without headroom recovers")
	}
}

func TestFitKnee(t *testing.T) {
	for _, test := range []struct {
		name                    string
		x, y                    []float64
		slope, ceiling, at, off float64
	}{
		{"two lines are found again", []float64{1, 2, 4, 6, 8, 12, 16}, []float64{20, 40, 80, 120, 160, 175, 175}, 20, 175, 8.75, 1e-9},
		{"in any order", []float64{12, 1, 16, 4, 8, 2, 6}, []float64{175, 20, 175, 80, 160, 40, 120}, 20, 175, 8.75, 1e-9},
		{"a line alone has no knee", []float64{1, 2, 4}, []float64{10, 20, 40}, 10, math.Inf(1), math.Inf(1), 1e-9},
		// Measured: a limit of 5 ms under a lock.
		{"a measured ceiling", []float64{1, 2, 4, 6, 8, 12, 16}, []float64{19.5, 39, 78, 117, 155.5, 175.5, 175}, 19.49, 175.2, 8.99, 0.002},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := stats.FitKnee(test.x, test.y)
			if err != nil {
				t.Fatal(err)
			}
			same := func(got, want float64) bool { return got == want || near(got, want, 1e-3*want) }
			if !same(got.Slope, test.slope) || !same(got.Ceiling, test.ceiling) || !same(got.At, test.at) || got.Residual > test.off {
				t.Errorf("%+v, want slope %v, ceiling %v at %v", got, test.slope, test.ceiling, test.at)
			}
		})
	}
	for name, points := range map[string][2][]float64{
		"two points":      {{1, 2}, {1, 2}},
		"unequal lengths": {{1, 2, 3}, {1, 2}},
		"a zero":          {{1, 2, 3}, {1, 0, 2}},
		"NaN":             {{1, 2, 3}, {1, math.NaN(), 2}},
		"infinity":        {{1, 2, math.Inf(1)}, {1, 2, 2}},
	} {
		if _, err := stats.FitKnee(points[0], points[1]); err == nil {
			t.Errorf("%s have a knee", name)
		}
	}
}

func TestFitKneeFindsNoisyKnees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slope := rapid.Float64Range(1, 100).Draw(t, "slope")
		at := rapid.Float64Range(3, 12).Draw(t, "at")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var x, y []float64
		for i := range 16 {
			x = append(x, float64(i+1))
			y = append(y, min(slope*x[i], slope*at)*(1+0.01*rng.NormFloat64()))
		}
		got, err := stats.FitKnee(x, y)
		if err != nil || !near(got.At, at, 0.04*at) {
			t.Fatalf("%+v (%v), the knee is at %v", got, err, at)
		}
	})
}
