package schedule_test

import (
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"example.com/arvo/loadtest/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAt(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name   string
		stages []schedule.Stage
		want   []time.Duration
	}{
		{
			"a constant rate begins at once and ends an interval before its end",
			[]schedule.Stage{schedule.Constant("s", 5, time.Second)},
			[]time.Duration{0, 200 * ms, 400 * ms, 600 * ms, 800 * ms},
		},
		{
			"a ramp from zero is the square root of the sequence number",
			[]schedule.Stage{schedule.Ramp("s", 0, 8, 1*time.Second)}, // Λ(t) = 4t²
			[]time.Duration{0, 500 * ms, 707106781, 866025404},
		},
		{
			"a ramp down to zero is its mirror image",
			[]schedule.Stage{schedule.Ramp("s", 8, 0, 1*time.Second)}, // Λ(t) = 8t - 4t²
			[]time.Duration{0, 133974596, 292893219, 500 * ms},
		},
		{
			"nothing is due in a pause",
			[]schedule.Stage{schedule.Constant("a", 2, time.Second), schedule.Pause("p", 3*time.Second), schedule.Constant("b", 4, 500*ms)},
			[]time.Duration{0, 500 * ms, 4 * time.Second, 4250 * ms},
		},
		{
			"what a stage does not complete is carried into the next one",
			[]schedule.Stage{schedule.Constant("a", 1, 1500*ms), schedule.Constant("b", 2, time.Second)}, // Λ(1.5) = 1.5
			[]time.Duration{0, time.Second, 1750 * ms, 2250 * ms},
		},
		{
			"ten stages of a tenth of an arrival make one",
			func() (stages []schedule.Stage) {
				for i := range 10 {
					stages = append(stages, schedule.Constant(string(rune('a'+i)), 0.1, time.Second))
				}
				return stages
			}(),
			[]time.Duration{0},
		},
		{
			"ten stages of 0.7 arrivals make seven, though their sum is rounded up",
			func() (stages []schedule.Stage) {
				for i := range 10 {
					stages = append(stages, schedule.Constant(string(rune('a'+i)), 0.7, time.Second))
				}
				return stages
			}(),
			[]time.Duration{0, 1428571429, 2857142857, 4285714286, 5714285714, 7142857143, 8571428571},
		},
		{"pauses alone are a schedule without arrivals", []schedule.Stage{schedule.Pause("p", time.Second)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSchedule(t, test.stages...)
			if got := all(s); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if end := s.At(s.Total()); end != s.Duration() {
				t.Errorf("the arrival after the last is due at %v, not at the end, %v", end, s.Duration())
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		stages []schedule.Stage
		want   string
	}{
		{"no stages", nil, "no stages"},
		{"a stage without a name", []schedule.Stage{schedule.Constant("", 1, 1)}, `stage 1: name "": 1 to 100 printable bytes`},
		{"a name that would break a line", []schedule.Stage{schedule.Constant("a\nb", 1, 1)}, `name "a\nb"`},
		{"two stages of one name", []schedule.Stage{schedule.Constant("a", 1, 1), schedule.Constant("a", 1, 1)}, `stage 2: there is another stage "a"`},
		{"a negative rate", []schedule.Stage{schedule.Ramp("a", 1, -1, 1)}, `"a": a rate of 1 to -1`},
		{"a rate that is no number", []schedule.Stage{schedule.Constant("a", math.NaN(), 1)}, "a rate of NaN"},
		{"an infinite rate", []schedule.Stage{schedule.Constant("a", math.Inf(1), 1)}, "a rate of +Inf"},
		{"a stage without a length", []schedule.Stage{schedule.Constant("a", 1, 0)}, "it lasts 0s"},
		{"stages that overflow a duration", []schedule.Stage{schedule.Pause("a", schedule.MaxDuration), schedule.Pause("b", 1)}, `stage "b" ends after 720h0m0.000000001s`},
		{"more than can be counted", []schedule.Stage{schedule.Constant("a", 1e9, time.Hour)}, "arrivals by the end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := schedule.New(test.stages...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if _, err := newSchedule(t, schedule.Constant("s", 1e6, time.Minute)).Poisson(1); err == nil {
		t.Error("a Poisson schedule of 60 million arrivals was made")
	}
}

// profiles draws schedules of up to 10,000 arrivals.
var profiles = rapid.Custom(func(t *rapid.T) *schedule.Schedule {
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 500), rapid.Float64Range(1e-9, 1e-3))
	var stages []schedule.Stage
	for i := range rapid.IntRange(1, 5).Draw(t, "stages") {
		d := time.Duration(rapid.Int64Range(1, 4e9).Draw(t, "duration"))
		stage := schedule.Constant(string(rune('a'+i)), rate.Draw(t, "rate"), d)
		if rapid.Bool().Draw(t, "ramp") {
			stage.To = rate.Draw(t, "to")
		}
		stages = append(stages, stage)
	}
	s, err := schedule.New(stages...)
	if err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "poisson") {
		if s, err = s.Poisson(rapid.Uint64().Draw(t, "seed")); err != nil {
			t.Fatal(err)
		}
	}
	return s
})

func TestArrivalsAreInOrderAndInTheirStages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := profiles.Draw(t, "schedule")
		var before time.Duration
		var next uint64
		for i := range s.Stages() {
			from, to := s.Span(i)
			first, end := s.Range(i)
			if first != next {
				t.Fatalf("stage %d begins with arrival %d, the one before ended with %d", i, first, next)
			}
			next = end
			for seq := first; seq < end; seq++ {
				at := s.At(seq)
				if at < before || at < from || at > to {
					t.Fatalf("arrival %d is due at %v: the one before at %v, stage %d is %v to %v", seq, at, before, i, from, to)
				}
				if got := s.StageOf(seq); got != i {
					t.Fatalf("arrival %d is said to be of stage %d, not %d", seq, got, i)
				}
				before = at
			}
		}
		if next != s.Total() {
			t.Fatalf("%d arrivals in stages, %d in all", next, s.Total())
		}
	})
}

func TestAtInvertsExpected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := profiles.Draw(t, "schedule")
		if s.Total() > 0 && s.At(0) > 0 && s.Expected(s.At(0)) > 1e-6 {
			t.Skip("a Poisson schedule: it leaves its arrivals to chance")
		}
		for seq := range s.Total() {
			// At is rounded to a nanosecond, in which up to 500·10⁻⁹ arrivals are due.
			if got := s.Expected(s.At(seq)); math.Abs(got-float64(seq)) > 1e-6 {
				t.Fatalf("arrival %d is due at %v, when %v are", seq, s.At(seq), got)
			}
		}
	})
}

func TestRateIsTheSlopeOfExpected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := profiles.Draw(t, "schedule")
		var sum float64
		const steps = 2000
		for i := range steps {
			sum += s.Rate(time.Duration((float64(i) + 0.5) / steps * float64(s.Duration())))
		}
		sum *= s.Duration().Seconds() / steps
		if want := s.Expected(s.Duration()); math.Abs(sum-want) > 0.01*want+1500*s.Duration().Seconds()/steps+1e-6 {
			t.Fatalf("the rate sums up to %v arrivals of %v", sum, want)
		}
	})
	s := newSchedule(t, schedule.Constant("s", 5, time.Second))
	if s.Rate(-1) != 0 || s.Rate(time.Second) != 0 {
		t.Error("there is a rate before the beginning or after the end")
	}
}

func TestPoisson(t *testing.T) {
	flat := newSchedule(t, schedule.Constant("s", 1000, 100*time.Second))
	p, err := flat.Poisson(7)
	if err != nil {
		t.Fatal(err)
	}
	again, err := flat.Poisson(7)
	if err != nil {
		t.Fatal(err)
	}
	other, err := flat.Poisson(8)
	if err != nil {
		t.Fatal(err)
	}
	arrivals := all(p)
	if !slices.Equal(arrivals, all(again)) || slices.Equal(arrivals, all(other)) {
		t.Error("arrivals are not a function of the seed")
	}
	// 100,000 arrivals ± 4 σ, and exponential intervals: their standard deviation is their mean, ± 4 σ of an estimate.
	if n := float64(len(arrivals)); math.Abs(n-1e5) > 4*math.Sqrt(1e5) {
		t.Errorf("%v arrivals where 100,000 are to be expected", n)
	}
	var sum, squares float64
	for i := 1; i < len(arrivals); i++ {
		gap := (arrivals[i] - arrivals[i-1]).Seconds()
		sum, squares = sum+gap, squares+gap*gap
	}
	mean := sum / float64(len(arrivals)-1)
	if cv := math.Sqrt(squares/float64(len(arrivals)-1)-mean*mean) / mean; math.Abs(cv-1) > 0.02 {
		t.Errorf("intervals have a coefficient of variation of %.3f: those of a Poisson process have 1", cv)
	}
}

// A transport answers by calling a function: no socket, so that it works in fake time.
type transport func(*http.Request) int

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: t(r), Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func attack(s *schedule.Schedule, workers uint64, answer transport) (began time.Time, results []*vegeta.Result) {
	attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: answer}), vegeta.Workers(min(8, workers)), vegeta.MaxWorkers(workers))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: "http://in.process/"})
	began = time.Now()
	for result := range attacker.Attack(target, s, 0, "test") {
		results = append(results, result)
	}
	return began, results
}

func TestVegetaSendsWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(t, schedule.Ramp("up", 0, 200, 2*time.Second), schedule.Pause("rest", time.Second), schedule.Constant("hold", 50, time.Second), schedule.Ramp("down", 50, 0, time.Second))
		began, results := attack(s, 64, func(*http.Request) int { return http.StatusAccepted })
		if uint64(len(results)) != s.Total() || s.Total() != 275 {
			t.Fatalf("%d hits, %d scheduled, 275 wanted", len(results), s.Total())
		}
		for _, r := range results {
			if got, want := r.Timestamp.Sub(began), s.At(r.Seq); got != want {
				t.Errorf("hit %d was sent at %v: it was due at %v", r.Seq, got, want)
			}
		}
	})
}

// A server that stands still for a second makes everybody wait who is due in that second. A sender whose workers are
// all waiting does not even ask, and its own latencies do not show it; those from At do.
func TestLatencyFromAtHasNoCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(t, schedule.Constant("s", 500, 4*time.Second))
		thaw := time.Now().Add(2 * time.Second)
		began, results := attack(s, 20, func(*http.Request) int {
			if now := time.Now(); !now.Before(thaw.Add(-time.Second)) {
				time.Sleep(thaw.Sub(now))
			}
			return http.StatusAccepted
		})
		var theirs, ours []time.Duration
		for _, r := range results {
			theirs = append(theirs, r.Latency)
			ours = append(ours, r.End().Sub(began.Add(s.At(r.Seq))))
		}
		slices.Sort(theirs)
		slices.Sort(ours)
		p90 := len(ours) * 9 / 10
		if theirs[p90] > time.Millisecond {
			t.Fatalf("the sender saw a p90 of %v: it had workers left, so this shows nothing", theirs[p90])
		}
		// 500 of 2,000 subjects wait from 1 s down to 0: the slowest tenth, 200 of them, 600 ms and more.
		if got := ours[p90]; got < 590*time.Millisecond || got > 610*time.Millisecond {
			t.Errorf("p90 from the time when due is %v, not 600ms", got)
		}
	})
}

func all(s *schedule.Schedule) (at []time.Duration) {
	for seq := range s.Total() {
		at = append(at, s.At(seq))
	}
	return at
}

func newSchedule(t *testing.T, stages ...schedule.Stage) *schedule.Schedule {
	t.Helper()
	s, err := schedule.New(stages...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func BenchmarkAt(b *testing.B) {
	s, err := schedule.New(schedule.Ramp("up", 0, 1000, time.Minute), schedule.Constant("hold", 1000, time.Minute), schedule.Ramp("down", 1000, 0, time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		s.At(uint64(i) % s.Total())
	}
}
