package experiment_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
)

func TestMain(m *testing.M) {
	// Each check of a property here is a run of a minute; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// A witness watches a run, and may do something when a cell begins.
type witness struct {
	t     testing.TB
	began func(id string)

	plans     []experiment.Plan
	predicted []results.Cell
	measured  []string
	found     []results.Experiment
	notes     []string
	progress  []experiment.Progress
}

func (w *witness) Planned(p experiment.Plan) { w.plans = append(w.plans, p) }

func (w *witness) Predicted(c results.Cell) {
	if len(w.predicted) != len(w.measured) {
		w.t.Errorf("%s is predicted before the cell before it is measured", c.ID)
	}
	w.predicted = append(w.predicted, c)
	if w.began != nil {
		w.began(c.ID)
	}
}

func (w *witness) Progress(p experiment.Progress) { w.progress = append(w.progress, p) }

func (w *witness) Measured(c results.Cell) {
	if n := len(w.predicted); n == 0 || w.predicted[n-1].ID != c.ID {
		w.t.Errorf("%s is measured, and was not predicted", c.ID)
	}
	w.measured = append(w.measured, c.ID)
}

func (w *witness) Found(e results.Experiment) { w.found = append(w.found, e) }
func (w *witness) Note(text string)           { w.notes = append(w.notes, text) }

// ask runs a configuration and waits until nothing of the system goes on.
func ask(t testing.TB, ctx context.Context, p *pretended, c experiment.Config) (*experiment.Outcome, *witness) {
	t.Helper()
	w, ok := c.Watch.(*witness)
	if !ok {
		w = &witness{}
		c.Watch = w
	}
	w.t = t
	if c.RunID == "" {
		c.RunID = "run"
	}
	out, err := experiment.Run(ctx, p, c)
	p.inJourney.Wait()
	if err != nil {
		t.Fatal(err)
	}
	whole(t, out)
	return out, w
}

// whole checks what is true of any outcome.
func whole(t testing.TB, out *experiment.Outcome) {
	t.Helper()
	ids := map[string]bool{}
	for _, c := range out.Cells {
		n := c.Counts
		if sum := n.Unsent + n.Rejected + n.Unanswered + n.Open + n.Lost + n.DeadLettered + n.Failed + n.Completed; sum != n.Scheduled {
			t.Errorf("%s: %d subjects are somewhere, of %d: %+v", c.ID, sum, n.Scheduled, n)
		}
		codes := 0
		for _, k := range n.Codes {
			codes += k
		}
		if codes != n.Scheduled-n.Unsent {
			t.Errorf("%s: %d requests have a status or none, of %d that were sent", c.ID, codes, n.Scheduled-n.Unsent)
		}
		var offered, completed float64
		for i := range c.Series.Offered {
			offered += c.Series.Offered[i]
			completed += c.Series.Completed[i]
		}
		if int(completed) != n.Completed+n.Failed {
			t.Errorf("%s: the series has %v completions of %d", c.ID, completed, n.Completed)
		}
		if c.Validity == results.Valid && int(offered) != n.Scheduled {
			t.Errorf("%s: the series has %v of %d offered", c.ID, offered, n.Scheduled)
		}
		if (c.Validity == results.Valid) != (len(c.Why) == 0) {
			t.Errorf("%s is %s: %q", c.ID, c.Validity, c.Why)
		}
		if ids[c.ID] || strings.Contains(c.ID, " ") {
			t.Errorf("cell %q: there is another one, or a blank in it", c.ID)
		}
		ids[c.ID] = true
	}
	r := results.Results{Schema: results.Schema, Cells: out.Cells, Experiments: out.Experiments, Assertions: []results.Assertion{}}
	if err := results.Encode(io.Discard, r); err != nil {
		t.Errorf("the results cannot be written: %v", err)
	}
}

// find returns a cell by its id.
func find(t testing.TB, out *experiment.Outcome, id string) results.Cell {
	t.Helper()
	i := slices.IndexFunc(out.Cells, func(c results.Cell) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("there is no cell %s: interrupted %q", id, out.Interrupted)
	}
	return out.Cells[i]
}

func near(t testing.TB, what string, got, want, share float64) {
	t.Helper()
	if !(math.Abs(got-want) <= share*want) {
		t.Errorf("%s is %.3f, theory says %.3f", what, got, want)
	}
}

// theory is the rate of so many at a time, each for 50 ms of work and 4 ms beside it.
func theory(concurrency int) float64 { return float64(concurrency) / 0.054 }

func TestFindingsEqualTheory(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id      string
		finding string // what it begins with
		check   func(*testing.T, *experiment.Outcome)
	}{
		{"E1", "MaximumConcurrency sets the throughput: whatever is offered, the system completes at most 37", func(t *testing.T, out *experiment.Outcome) {
			for _, concurrency := range []int{2, 8} {
				for _, x := range []float64{0.6, 0.9, 1.3} {
					c := find(t, out, fmt.Sprintf("E1/C=%d/offered=%v", concurrency, x))
					near(t, c.ID+" predicted", *c.PredictedCapacity, theory(concurrency), 0.005)
					near(t, c.ID+" offered", c.OfferedRate, x*theory(concurrency), 0.02)
					near(t, c.ID+" completed", c.CompletedRate.Mean, min(x, 1)*theory(concurrency), 0.02)
					near(t, c.ID+" Little", *c.LittleRatio, min(x, 1), 0.03)
					if x > 1 {
						near(t, c.ID+" growth", c.Backlog.Growth.Mean, (x-1)*theory(concurrency), 0.05)
						near(t, c.ID+" drain", *c.Backlog.DrainS, *c.PredictedDrainS, 0.05)
						if c.Backlog.Verdict != "unstable" || c.Diagnosis != "concurrency" {
							t.Errorf("%s is %s, limited by %s", c.ID, c.Backlog.Verdict, c.Diagnosis)
						}
					}
				}
			}
			for _, f := range out.Experiments[0].Fits {
				near(t, "the slope of "+f.Series, f.Slope, 1, 0.02)
			}
		}},
		{"E2", "At 90.0/s offered, 2 at a time completed 37", func(t *testing.T, out *experiment.Outcome) {
			for _, concurrency := range []int{2, 4, 8, 16} {
				c := find(t, out, fmt.Sprintf("E2/C=%d", concurrency))
				near(t, c.ID+" completed", c.CompletedRate.Mean, min(90, theory(concurrency)), 0.02)
				near(t, c.ID+" Little", *c.LittleRatio, min(1, 90/theory(concurrency)), 0.02)
				if want := map[bool]string{true: "concurrency", false: "nothing"}[theory(concurrency) < 90]; c.Diagnosis != want {
					t.Errorf("%s is limited by %s, want %s", c.ID, c.Diagnosis, want)
				}
			}
			near(t, "the drain of C=2", *find(t, out, "E2/C=2").Backlog.DrainS, (90-theory(2))*3.7/theory(2), 0.05)
		}},
		{"E3", "In a burst of twice the capacity, with SQS ", func(t *testing.T, out *experiment.Outcome) {
			queue, hidden, none := find(t, out, "E3/sqs"), find(t, out, "E3/hidden"), find(t, out, "E3/none")
			for _, c := range []results.Cell{queue, hidden} {
				if c.Counts.Completed != c.Counts.Scheduled || c.Params.Queue != strings.TrimPrefix(c.ID, "E3/") {
					t.Errorf("%s: %+v", c.ID, c.Counts)
				}
			}
			near(t, "what waits with a queue", float64(queue.Backlog.Peak), 2*theory(4), 0.1)
			near(t, "what is rejected without one", float64(none.Counts.Rejected), 2*theory(4), 0.1)
			if none.Counts.Completed+none.Counts.Rejected != none.Counts.Scheduled || none.EndToEnd.Max > 100 {
				t.Errorf("without a queue: %+v, the slowest in %v ms", none.Counts, none.EndToEnd.Max)
			}
			if hidden.EndToEnd.Max < 1.5*queue.EndToEnd.Max {
				t.Errorf("Lambda's queue makes nobody wait longer: %v and %v ms", hidden.EndToEnd.Max, queue.EndToEnd.Max)
			}
		}},
		{"E4", "With 2 at a time the system completes 19", func(t *testing.T, out *experiment.Outcome) {
			for _, batch := range []int{1, 2, 10} {
				c := find(t, out, fmt.Sprintf("E4/B=%d", batch))
				near(t, c.ID, c.CompletedRate.Mean, float64(batch)*2/0.104, 0.02)
				near(t, c.ID+" Little", *c.LittleRatio, 1, 0.03)
			}
		}},
		{"E5", "Of work that takes 2s, at 0.75 of the capacity: with a visibility timeout of 1s, ", func(t *testing.T, out *experiment.Outcome) {
			short, long := find(t, out, "E5/visibility=1s"), find(t, out, "E5/visibility=10s")
			if n := short.Counts; float64(n.Deliveries) < 1.5*float64(n.Completed) || n.Lost != 0 || len(short.Examples.Duplicated) == 0 {
				t.Errorf("too short: %+v", n)
			}
			if n := long.Counts; n.Duplicated != 0 || n.Completed != n.Scheduled {
				t.Errorf("long enough: %+v", n)
			}
			if short.EndToEnd.Mean < 1.3*long.EndToEnd.Mean {
				t.Errorf("work that is done again costs nothing: %v and %v ms", short.EndToEnd.Mean, long.EndToEnd.Mean)
			}
		}},
		{"E6", "Headroom is what recovers: at 0.5 of the capacity, an outage of ", func(t *testing.T, out *experiment.Outcome) {
			for _, share := range []float64{0.5, 0.75} {
				c := find(t, out, fmt.Sprintf("E6/load=%v", share))
				near(t, c.ID+" outage", c.Params.OutageS, 3, 0.03)
				near(t, c.ID+" predicted", *c.PredictedRecoveryS, c.Params.OutageS*share/(1-share), 0.005)
				near(t, c.ID+" recovery", *c.RecoveryS, *c.PredictedRecoveryS, 0.05)
			}
		}},
		{"E9", "With 4 at a time the sustainable rate is [", func(t *testing.T, out *experiment.Outcome) {
			var lo, hi float64
			if _, err := fmt.Sscanf(out.Experiments[0].Finding, "With 4 at a time the sustainable rate is [%f, %f) subjects/s", &lo, &hi); err != nil {
				t.Fatal(err)
			}
			if lo > 1.03*theory(4) || hi < theory(4) || hi-lo > 0.05*hi {
				t.Errorf("[%v, %v), theory says %v", lo, hi, theory(4))
			}
		}},
	} {
		t.Run(test.id, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPretended()
				out, w := ask(t, t.Context(), p, experiment.Config{Quick: true, Experiments: []string{test.id}, Seed: 7})
				if out.Interrupted != "" || len(out.Notes) != 0 || len(out.Experiments) != 1 {
					t.Fatalf("%+v", out)
				}
				e := out.Experiments[0]
				if !strings.HasPrefix(e.Finding, test.finding) {
					t.Errorf("found %q, want %q ...", e.Finding, test.finding)
				}
				if planned := w.plans[0].Experiments[0].Order; len(planned) > 0 && !slices.Equal(planned, e.Order) {
					t.Errorf("planned %q, done %q", planned, e.Order)
				}
				for _, c := range out.Cells {
					if c.Validity != results.Valid || c.Counts.Lost+c.Counts.Open+c.Counts.Unsent+c.Counts.Late != 0 {
						t.Errorf("%s is %s: %q, %+v", c.ID, c.Validity, c.Why, c.Counts)
					}
				}
				test.check(t, out)
				if p.setup != p.original || p.route != experiment.RouteQueue || p.reserved != 0 || !p.enabled {
					t.Errorf("the system is not as it was: %+v, %s, %d, %t", p.setup, p.route, p.reserved, p.enabled)
				}
			})
		})
	}
}

// one is a load of 100 a second on 8 at a time, for ten seconds.
func one(c experiment.Config) experiment.Config {
	c.Experiments = []string{experiment.CustomID}
	if c.Custom.Rate == 0 && c.Custom.Stages == nil {
		c.Custom.Rate, c.Custom.Duration = 100, 10*time.Second
	}
	if c.Custom.Concurrency == 0 {
		c.Custom.Concurrency = 8
	}
	c.Custom.Batch, c.Quick = 1, true
	return c
}

func TestALongLoadIsMeasuredToOneInAHundred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, _ := ask(t, t.Context(), newPretended(), one(experiment.Config{Custom: experiment.Custom{Rate: 150, Duration: 30 * time.Second, Concurrency: 4}}))
		c := find(t, out, "run")
		near(t, "completed", c.CompletedRate.Mean, theory(4), 0.01)
		near(t, "growth", c.Backlog.Growth.Mean, 150-theory(4), 0.01)
		near(t, "drain", *c.Backlog.DrainS, (150-theory(4))*30/theory(4), 0.01)
		near(t, "Little's ratio", *c.LittleRatio, 1, 0.01)
		near(t, "e2e p50", *c.EndToEnd.P50, 1e3*16*(150-theory(4))/theory(4), 0.02) // of those in the middle of the measured time
		if len(c.Slowest) != 10 || math.Abs(c.Slowest[0].E2Ems/c.EndToEnd.Max-1) > 0.001 || c.Slowest[0].Link == "" || c.Slowest[0].Waits == nil {
			t.Errorf("slowest: %+v", c.Slowest)
		}
		if f := out.Experiments[0].Finding; !strings.Contains(f, "the concurrency limit is the bottleneck, Little 1.00") {
			t.Error(f)
		}
	})
}

func TestALoadOfOnesOwnIsPutOnTheStackAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := experiment.Config{Experiments: []string{experiment.CustomID}, Custom: experiment.Custom{Rate: 100, Duration: 10 * time.Second}}
		out, _ := ask(t, t.Context(), newPretended(), c)
		if p := find(t, out, "run").Params; p.Concurrency != 10 || p.Batch != 10 {
			t.Errorf("it was found with 10 batches of 10, and measured with %d of %d", p.Concurrency, p.Batch)
		}
	})
}

// A light load is handled one by one, whatever the batch size is: how many slots are in use cannot be told from that size.
func TestLittlesRatioIsNotToldOfBatchesThatAreNotFull(t *testing.T) {
	t.Parallel()
	for _, parallelism := range []int{10, 1} {
		synctest.Test(t, func(t *testing.T) {
			p := newPretended()
			p.parallelism = parallelism
			c := one(experiment.Config{Custom: experiment.Custom{Rate: 25, Duration: 10 * time.Second, Concurrency: 2}})
			c.Custom.Batch = 10
			out, _ := ask(t, t.Context(), p, c)
			cell := find(t, out, experiment.CustomID)
			if cell.LittleRatio != nil || cell.Diagnosis != "nothing" || cell.Validity != results.Valid {
				t.Errorf("with %d side by side Little's ratio is %v, limited by %s; %s %q", parallelism, *cell.LittleRatio, cell.Diagnosis, cell.Validity, cell.Why)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // behind, batches are full
		p := newPretended()
		p.parallelism = 4
		c := one(experiment.Config{Custom: experiment.Custom{Rate: 200, Duration: 20 * time.Second, Concurrency: 2}})
		c.Custom.Batch = 10
		out, _ := ask(t, t.Context(), p, c)
		near(t, "Little's ratio of full batches", *find(t, out, experiment.CustomID).LittleRatio, 1, 0.03)
	})
}

func TestASearchThatComesToTheHighestRateInTheMiddleGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPretended()
		w := &witness{began: func(id string) {
			if strings.HasPrefix(id, "E9/") {
				p.mu.Lock()
				p.throttle = 65
				p.mu.Unlock()
			}
		}}
		out, _ := ask(t, t.Context(), p, experiment.Config{Quick: true, Experiments: []string{"E9"}, Concurrency: 8, MaxRate: 70, Watch: w})
		var lo, hi float64
		f := out.Experiments[0].Finding
		if _, err := fmt.Sscanf(f, "With 8 at a time the sustainable rate is [%f, %f) subjects/s", &lo, &hi); err != nil || lo < 60 || lo > 65 || hi <= 65 || hi > 70 {
			t.Errorf("of an API that takes 65/s is found: %s", f)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		out, _ := ask(t, t.Context(), newPretended(), experiment.Config{Quick: true, Experiments: []string{"E9"}, Concurrency: 8, MaxRate: 70})
		if f := out.Experiments[0].Finding; !strings.HasPrefix(f, "70.0/s, the highest rate that is offered, is sustainable") || len(out.Experiments[0].Order) != 1 {
			t.Errorf("of a system that can do more is found: %s", f)
		}
	})
}

func TestASenderThatIsLateIsAReservationOfALoadOfOnesOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPretended()
		w := &witness{began: func(id string) {
			if id == experiment.CustomID {
				p.accept = 300 * time.Millisecond // nothing is under way that reads it
			}
		}}
		out, _ := ask(t, t.Context(), p, one(experiment.Config{Watch: w, MaxWorkers: 20}))
		cell, f := find(t, out, experiment.CustomID), out.Experiments[0].Finding
		if cell.Validity != results.GeneratorLimited || !strings.HasPrefix(f, "At 100/s offered, 8 at a time completed ") ||
			!strings.Contains(f, "With a reservation, since this is not quite the load that was asked for: ") || !strings.Contains(f, "more than 50ms late") || strings.Contains(f, "Left out") {
			t.Errorf("%s: %s", cell.Validity, f)
		}
	})
}

func TestWhatIsWrongWithASystemIsSaid(t *testing.T) {
	t.Parallel()
	// during has a system do something a while after the custom cell began.
	during := func(p *pretended, after time.Duration, do func()) func(string) {
		return func(id string) {
			if id == experiment.CustomID {
				p.inJourney.Go(func() { time.Sleep(after); do() })
			}
		}
	}
	for _, test := range []struct {
		name     string
		spoil    func(*pretended, *experiment.Config, *witness)
		validity results.Validity
		why      []string // parts of the reasons, in order
		check    func(*testing.T, *experiment.Outcome, results.Cell)
	}{
		{name: "one that loses one in a thousand", validity: results.Valid, spoil: func(p *pretended, c *experiment.Config, _ *witness) {
			c.Custom.Rate, c.Custom.Duration = 100, 20*time.Second
			p.loses = func(key string) bool {
				return strings.HasSuffix(key, ".3-999") || strings.HasSuffix(key, ".4-1000") || strings.HasSuffix(key, ".4-1")
			}
		}, check: func(t *testing.T, out *experiment.Outcome, c results.Cell) {
			if c.Counts.Lost != 2 || !slices.Equal(c.Examples.Lost, []string{"s-run.4-1", "s-run.4-1000"}) {
				t.Errorf("%+v, %q", c.Counts, c.Examples.Lost)
			}
			if f := out.Experiments[0].Finding; !strings.Contains(f, "2 of 2000 subjects were lost") {
				t.Error(f)
			}
		}},
		{name: "one that does every hundredth twice", validity: results.Valid, spoil: func(p *pretended, c *experiment.Config, _ *witness) {
			p.twice = func(key string) bool { return strings.HasSuffix(key, "00") }
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			if c.Counts.Duplicated != 9 || c.Counts.Duplicates != 9 || c.Counts.Lost != 0 || len(c.Examples.Duplicated) != 9 {
				t.Errorf("%+v, %q", c.Counts, c.Examples.Duplicated)
			}
		}},
		{name: "one that stands still for two and a half seconds", validity: results.Contaminated, why: []string{"stood still from 3.", "subjects were sent more than 50ms late"}, spoil: func(p *pretended, c *experiment.Config, w *witness) {
			w.began = func(id string) {
				if id == experiment.CustomID {
					from := time.Since(p.began) + 3*time.Second
					p.frozen = func(now time.Duration) time.Duration {
						if now >= from && now < from+2500*time.Millisecond {
							return from + 2500*time.Millisecond
						}
						return 0
					}
				}
			}
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			var from, to float64
			if _, err := fmt.Sscanf(c.Why[0], "the system stood still from %f s to %f s", &from, &to); err != nil || math.Abs(from-3) > 0.2 || math.Abs(to-5.5) > 0.2 {
				t.Errorf("it stood still from 3 s to 5.5 s: %q, %v", c.Why, err)
			}
			if c.EndToEnd.Max < 2400 || c.Uncorrected.Mean > c.EndToEnd.Mean-100 {
				t.Errorf("from when it was due %+v, from when it was sent %+v", c.EndToEnd, c.Uncorrected)
			}
		}},
		{name: "one that dies", validity: results.Interrupted, why: []string{"the system has not answered for 5"}, spoil: func(p *pretended, c *experiment.Config, w *witness) {
			c.Custom.Duration = time.Minute
			w.began = during(p, 5*time.Second, p.die)
		}, check: func(t *testing.T, out *experiment.Outcome, c results.Cell) {
			if !strings.Contains(out.Interrupted, "connection refused") || !strings.HasPrefix(out.Experiments[0].Finding, "Interrupted: ") {
				t.Errorf("interrupted %q, found %q", out.Interrupted, out.Experiments[0].Finding)
			}
			if n := c.Counts; n.Completed < 400 || n.Completed > 500 || n.Lost != 0 || n.Errors["connection refused"] < 300 || n.Unsent < 4000 {
				t.Errorf("%+v", n)
			}
			near(t, "completed", float64(c.Counts.Completed), 500, 0.15)
			if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "could not be restored") {
				t.Errorf("notes %q", out.Notes)
			}
		}},
		{name: "one that takes settings and does not use them", validity: results.Contaminated, why: []string{"MaximumConcurrency is 3, though it was set to 8", "batch size is 10, though it was set to 1"}, spoil: func(p *pretended, _ *experiment.Config, _ *witness) {
			p.ignores, p.setup.Concurrency, p.original.Concurrency = true, 3, 3
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			if c.Params.Concurrency != 3 || c.Params.Batch != 10 || c.CapacityModel.C != 3 {
				t.Errorf("predicted for %+v, %+v", c.Params, c.CapacityModel)
			}
		}},
		{name: "one whose work takes longer than was asked for", validity: results.TargetLimited, why: []string{"the work took 77.0\u202fms, though 50ms were asked for"}, spoil: func(p *pretended, _ *experiment.Config, _ *witness) {
			p.slower = 1.5
		}},
		{name: "one whose work takes far longer, in batches that are not full", validity: results.TargetLimited, why: []string{"the work took at least 91.3\u202fms, though 50ms were asked for"}, spoil: func(p *pretended, c *experiment.Config, w *witness) {
			c.Custom.Rate, c.Custom.Batch, p.parallelism = 4, 10, 1
			w.began = func(id string) {
				if id == experiment.CustomID {
					p.slower = 10 // nothing is under way that reads it
				}
			}
		}},
		{name: "one that becomes slow where nobody looks", validity: results.TargetLimited, why: []string{"it falls behind with slots to spare: Little's ratio is 0.7"}, spoil: func(p *pretended, c *experiment.Config, w *witness) {
			c.Custom.Rate = 150
			w.began = during(p, 0, func() { p.mu.Lock(); defer p.mu.Unlock(); p.lag = 20 * time.Millisecond })
		}},
		{name: "one whose queue holds what others have left", validity: results.Contaminated, why: []string{"7 messages were in the queues before it began"}, spoil: func(p *pretended, _ *experiment.Config, _ *witness) {
			p.flying = 7
		}},
		{name: "one that others use", validity: results.Contaminated, why: []string{"others use the system"}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, time.Second, func() {
				for i := range 1500 {
					key := fmt.Sprint("other-", i)
					p.mu.Lock()
					p.subjects[key] = &subject{name: key}
					p.mu.Unlock()
					p.put(&message{key: key, work: 50 * time.Millisecond})
				}
			})
		}},
		{name: "one that others use, though it has room for all", validity: results.Contaminated, why: []string{"others use the system: 90 items more are in the tables than its subjects have"}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, time.Second, p.others)
		}},
		{name: "one that others use unseen, as its tables do not tell", validity: results.Valid, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			p.old, w.began = true, during(p, time.Second, p.others)
		}},
		{name: "one that is changed by others", validity: results.Contaminated, why: []string{"not the same as before: it was \"version 0\" and is \"version 1\""}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, 2*time.Second, func() { p.mu.Lock(); defer p.mu.Unlock(); p.version++ })
		}},
		{name: "one whose settings are changed by others", validity: results.Contaminated, why: []string{"MaximumConcurrency is 3, though it was set to 8"}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, 2*time.Second, func() { p.mu.Lock(); defer p.mu.Unlock(); p.setup.Concurrency = 3 })
		}},
		{name: "one that takes half of the requests", validity: results.Valid, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, 0, func() { p.mu.Lock(); defer p.mu.Unlock(); p.throttle = 50 })
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			near(t, "accepted", c.AcceptedRate, 50, 0.03)
			near(t, "completed", c.CompletedRate.Mean, 50, 0.03)
			if c.Counts.Rejected+c.Counts.Completed != 1000 || c.Counts.Codes["429"] != c.Counts.Rejected {
				t.Errorf("%+v", c.Counts)
			}
		}},
		{name: "one whose tables cannot be read loses nobody", validity: results.Contaminated, why: []string{"the tables could not be read to the end: ProvisionedThroughputExceededException"}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			w.began = during(p, 0, func() { p.mu.Lock(); defer p.mu.Unlock(); p.unknown = true })
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			if c.Counts.Lost != 0 || c.Counts.Open != 1000 {
				t.Errorf("%+v", c.Counts)
			}
		}},
		{name: "one whose dead-letter queues cannot be read loses nobody: they may be there", validity: results.Contaminated, why: []string{"the dead-letter queues could not be read: AccessDenied"}, spoil: func(p *pretended, _ *experiment.Config, w *witness) {
			p.loses = func(key string) bool { return strings.HasSuffix(key, "00") }
			w.began = during(p, 0, func() { p.mu.Lock(); defer p.mu.Unlock(); p.buried = true })
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			if c.Counts.Lost != 0 || c.Counts.Open != 9 {
				t.Errorf("%+v", c.Counts)
			}
		}},
		{name: "one that is slow to tell how much waits is not thereby used by others", validity: results.Valid, spoil: func(p *pretended, c *experiment.Config, w *witness) {
			c.Custom.Rate = 400
			w.began = during(p, 0, func() { p.mu.Lock(); defer p.mu.Unlock(); p.tardy = 3 * time.Second })
		}},
		{name: "one whose clock is a minute ahead", validity: results.Valid, spoil: func(p *pretended, _ *experiment.Config, _ *witness) {
			p.ahead = time.Minute
		}, check: func(t *testing.T, _ *experiment.Outcome, c results.Cell) {
			near(t, "the offset", c.Clock.OffsetMs, 60_000, 0.001)
			near(t, "completed", c.CompletedRate.Mean, 100, 0.01)
			if c.EndToEnd.Max > 100 {
				t.Errorf("%+v", c.EndToEnd)
			}
		}},
		{name: "one with a visibility timeout that is shorter than the work", validity: results.Valid, spoil: func(p *pretended, c *experiment.Config, _ *witness) {
			p.setup.VisibilityS, p.original.VisibilityS = 1, 1
			c.Work, c.Custom.Rate = 1500*time.Millisecond, 2
		}, check: func(t *testing.T, out *experiment.Outcome, c results.Cell) {
			if c.Counts.Duplicated == 0 || !strings.Contains(c.PredictedNote, "the visibility timeout of 1s is over before an invocation of 1.5s ends") {
				t.Errorf("%+v, %q", c.Counts, c.PredictedNote)
			}
			if first := out.Cells[0]; first.Validity != results.Contaminated || !strings.Contains(first.Why[0], "subjects were done more than once") {
				t.Errorf("the calibration is %s: %q", first.Validity, first.Why)
			}
			if f := out.Experiments[0].Finding; !strings.Contains(f, "made of the calibration, which is contaminated") {
				t.Errorf("the finding does not doubt the calibration: %q", f)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, w, c := newPretended(), &witness{}, experiment.Config{}
				c.Watch = w
				c = one(c)
				test.spoil(p, &c, w)
				out, _ := ask(t, t.Context(), p, c)
				cell := find(t, out, experiment.CustomID)
				if cell.Validity != test.validity {
					t.Errorf("it is %s, want %s: %q", cell.Validity, test.validity, cell.Why)
				}
				why := strings.Join(cell.Why, "\n")
				for _, part := range test.why {
					if !strings.Contains(why, part) {
						t.Errorf("why is %q, want ... %s", why, part)
					}
				}
				if test.check != nil {
					test.check(t, out, cell)
				}
				if p.restored == 0 {
					t.Error("it was not restored")
				}
			})
		})
	}
}

func TestARunThatIsToldToEndHasWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		after time.Duration // that the cell began
	}{{"in the middle of a load", 12 * time.Second}, {"in the middle of a drain", 24 * time.Second}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPretended()
				ctx, cancel := context.WithCancelCause(t.Context())
				var told time.Time
				w := &witness{began: func(id string) {
					if id == experiment.CustomID {
						p.inJourney.Go(func() { time.Sleep(test.after); told = time.Now(); cancel(errors.New("interrupt")) })
					}
				}}
				c := one(experiment.Config{RunID: "run", Watch: w, Custom: experiment.Custom{Rate: 150, Duration: 20 * time.Second, Concurrency: 4}})
				w.t = t
				out, err := experiment.Run(ctx, p, c)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(told); took > 2*time.Second {
					t.Errorf("it took %v to end", took)
				}
				p.inJourney.Wait()
				whole(t, out)
				cell := find(t, out, experiment.CustomID)
				if out.Interrupted != "the run was told to end: interrupt" || cell.Validity != results.Interrupted || cell.Counts.Lost != 0 || cell.Counts.Open == 0 {
					t.Errorf("%q; %s, %+v", out.Interrupted, cell.Validity, cell.Counts)
				}
				near(t, "completed", cell.CompletedRate.Mean, theory(4), 0.02)
				if p.setup != p.original {
					t.Errorf("the system is not as it was: %+v", p.setup)
				}
			})
		})
	}
}

func TestASystemThatDoesNothingEndsTheRun(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*pretended)
		want  string
	}{
		"its API refuses all":       {func(p *pretended) { p.throttle = 1e-12 }, "none of 8 subjects that were to warm the functions up was completed: 0 accepted, 8 rejected"},
		"its mapping does nothing":  {func(p *pretended) { p.loses = func(string) bool { return true } }, "8 accepted, 0 rejected, 0 without an answer"},
		"it is not there":           {func(p *pretended) { p.die() }, "read how the stack is set up: dial tcp"},
		"its function is too short": {func(p *pretended) { p.setup.FunctionTimeoutS = 0.05 }, "work of 50ms in a function that has 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPretended()
				test.spoil(p)
				_, err := experiment.Run(t.Context(), p, experiment.Config{RunID: "run", Quick: true})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want ... %s", err, test.want)
				}
				p.inJourney.Wait()
			})
		})
	}
}

// Five seconds for the tables, and that is that.
func TestARunThatIsToldToEndDoesNotWaitForTablesThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPretended()
		ctx, cancel := context.WithCancel(t.Context())
		var told time.Time
		w := &witness{began: func(id string) {
			if id == experiment.CustomID {
				p.inJourney.Go(func() {
					time.Sleep(5 * time.Second)
					p.mu.Lock()
					p.silent = true
					p.mu.Unlock()
					told = time.Now()
					cancel()
				})
			}
		}}
		out, _ := ask(t, ctx, p, one(experiment.Config{Watch: w}))
		if took := time.Since(told); out.Interrupted == "" || took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it ended %v after it was told to; interrupted %q", took, out.Interrupted)
		}
	})
}

func TestTheOrderIsRandomAndFollowsFromTheSeed(t *testing.T) {
	order := func(seed uint64) string {
		plan, err := experiment.Preview(experiment.Config{RunID: "run", Seed: seed, Repeats: 2}, newPretended().setup)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range plan.Experiments {
			all = append(all, e.Order...)
		}
		sorted := slices.Sorted(slices.Values(all))
		if n := len(slices.Compact(sorted)); n != len(all) || n < 60 {
			t.Fatalf("%d cells with %d names", len(all), n)
		}
		return strings.Join(all, " ")
	}
	first := order(1)
	if again := order(1); again != first {
		t.Error("the same seed, another order")
	}
	if order(2) == first {
		t.Error("another seed, the same order")
	}
}

func TestAQuickRunTakesAboutAMinuteAsItIsPlanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPretended()
		began := time.Now()
		var file bytes.Buffer
		subjects, err := ledger.NewWriter(&file)
		if err != nil {
			t.Fatal(err)
		}
		out, w := ask(t, t.Context(), p, experiment.Config{Quick: true, Subjects: subjects})
		took, planned := time.Since(began), w.plans[0].Duration
		if took > 60*time.Second || planned > 65*time.Second || math.Abs(took.Seconds()/planned.Seconds()-1) > 0.25 {
			t.Errorf("it took %v, planned %v", took, planned)
		}
		if len(out.Experiments) != 2 || len(w.found) != 2 || len(out.Cells) != w.plans[0].Cells {
			t.Errorf("%d experiments, %d cells of %d", len(out.Experiments), len(out.Cells), w.plans[0].Cells)
		}
		if n := len(w.progress); math.Abs(float64(n)/took.Seconds()-4) > 1 {
			t.Errorf("progress was told %d times in %v", n, took)
		}
		if err := subjects.Close(); err != nil {
			t.Fatal(err)
		}
		cells, err := ledger.Read(&file)
		if err != nil || len(cells) != len(out.Cells) {
			t.Fatalf("%d cells in the file, %v", len(cells), err)
		}
		for i, c := range out.Cells { // what other software would make of the file
			kept := 0
			for r := range cells[i].Ledger.All() {
				if r.Ended() {
					kept++
				}
			}
			if cells[i].Name != c.ID || kept != c.Counts.Completed {
				t.Errorf("%s: %d have ended in the file, %d in the results", c.ID, kept, c.Counts.Completed)
			}
		}
	})
}

func TestProgressIsCloseToTheTruth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, w := ask(t, t.Context(), newPretended(), one(experiment.Config{Custom: experiment.Custom{Rate: 150, Duration: 20 * time.Second, Concurrency: 4}}))
		looked := 0
		for _, p := range w.progress {
			if p.Cell != experiment.CustomID || p.Elapsed < 5*time.Second || p.Phase != "hold" {
				continue
			}
			looked++
			near(t, "offered", p.Offered, 150, 0.05)
			near(t, "accepted", p.Accepted, 150, 0.05)
			near(t, "completed", p.Completed, theory(4), 0.6) // it is asked for twice a second
			near(t, "the backlog", float64(p.Backlog), (150-theory(4))*p.Elapsed.Seconds(), 0.2)
			if p.P99 < time.Second || p.Slip > time.Millisecond || p.Of != 20*time.Second {
				t.Errorf("%+v", p)
			}
		}
		if looked < 50 || w.progress[len(w.progress)-1].Phase != experiment.PhaseDrain {
			t.Errorf("progress was told %d times, at last %+v", looked, w.progress[len(w.progress)-1])
		}
	})
}

func TestProgressDoesNotTakeWhatWasNotLookedAtForABacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, w := ask(t, t.Context(), newPretended(), one(experiment.Config{}))
		peak, told := find(t, out, experiment.CustomID).Backlog.Peak, 0
		for _, p := range w.progress {
			if p.Cell == experiment.CustomID {
				told = max(told, p.Backlog)
			}
		}
		if told == 0 || told > peak {
			t.Errorf("the backlog was told to be up to %d, and was %d at most", told, peak)
		}
	})
}

// Whatever a system does, each subject is somewhere, and what was found can be written.
func TestCountsSumUpWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(draw *rapid.T) {
		loses, twice := rapid.IntRange(2, 200).Draw(draw, "loses one in"), rapid.IntRange(2, 200).Draw(draw, "does twice one in")
		throttle := rapid.SampledFrom([]float64{0, 0, 30}).Draw(draw, "throttle")
		dies := rapid.SampledFrom([]time.Duration{0, 0, 3 * time.Second}).Draw(draw, "dies after")
		ends := rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Second, 4 * time.Second}).Draw(draw, "told to end after")
		arrivals := rapid.SampledFrom([]string{experiment.Constant, experiment.Poisson}).Draw(draw, "arrivals")
		var stages []schedule.Stage
		for i := range rapid.IntRange(1, 3).Draw(draw, "stages") {
			stages = append(stages, schedule.Ramp(fmt.Sprint(i), rapid.Float64Range(1, 80).Draw(draw, "from"), rapid.Float64Range(0, 80).Draw(draw, "to"), time.Second))
		}
		bad := ""
		synctest.Test(t, func(t *testing.T) {
			p := newPretended()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := &witness{t: t, began: func(id string) {
				if id != experiment.CustomID {
					return
				}
				p.mu.Lock()
				p.throttle = throttle
				p.mu.Unlock()
				n := 0
				every := func(k int) func(string) bool {
					return func(string) bool { p.mu.Lock(); defer p.mu.Unlock(); n++; return n%k == 0 }
				}
				p.loses, p.twice = every(loses), every(twice)
				p.inJourney.Go(func() {
					if dies > 0 {
						time.Sleep(dies)
						p.die()
					}
				})
				p.inJourney.Go(func() {
					if ends > 0 {
						time.Sleep(ends)
						cancel()
					}
				})
			}}
			out, err := experiment.Run(ctx, p, one(experiment.Config{RunID: "run", Quick: true, Seed: 3, Arrivals: arrivals, Watch: w, Custom: experiment.Custom{Stages: stages, Concurrency: 2}}))
			p.inJourney.Wait()
			if err != nil {
				bad = err.Error()
				return
			}
			whole(t, out)
		})
		if bad != "" || t.Failed() {
			draw.Fatalf("failed: %s", bad)
		}
	})
}
