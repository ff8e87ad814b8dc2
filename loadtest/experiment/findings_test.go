package experiment

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// What cells say is tested here without measuring any; whole runs are tested from outside of the package.

func known(x float64) *float64 { return &x }

// measured is a cell that was offered so much of what so many at a time can do, 20/s each.
func measured(concurrency int, offered float64, validity results.Validity) results.Cell {
	capacity := 20 * float64(concurrency)
	return results.Cell{
		Role: roleMeasured, Validity: validity, Params: results.Params{Concurrency: concurrency, Offered: offered, WorkMs: 50},
		OfferedRate: offered * capacity, PredictedCapacity: known(capacity), CompletedRate: results.Interval{Mean: min(1, offered) * capacity},
	}
}

func TestOneLimitDoesNotShowThatItSetsTheThroughput(t *testing.T) {
	kind := results.Valid
	group := func(concurrency int) []results.Cell {
		return []results.Cell{measured(concurrency, 0.6, kind), measured(concurrency, 0.9, kind), measured(concurrency, 1.3, kind)}
	}
	c := Config{Work: 50 * time.Millisecond}
	two := group(2)
	kind = results.Contaminated
	finding, _ := answer(lookup("E1"), c, append(two, group(8)...))
	if want := "With 2 at a time the system completes at most 40.0 subjects/s (predicted 40.0); whether MaximumConcurrency sets it takes a second limit. Left out as not valid: 3 contaminated."; finding != want {
		t.Errorf("got %q, want %q", finding, want)
	}
	kind = results.Valid
	finding, _ = answer(lookup("E1"), c, append(two, group(8)...))
	if want := "MaximumConcurrency sets the throughput: whatever is offered, the system completes at most 40.0 with 2 at a time (predicted 40.0) and 160 with 8 at a time (predicted 160) subjects/s; measured over predicted is 1.00 to 1.00."; finding != want {
		t.Errorf("got %q, want %q", finding, want)
	}
}

func TestWhatIsMoreThanPredictedDoesNotSpeakAgainstTheLimit(t *testing.T) {
	// two completes so much of what is predicted with 2 at a time, eight with 8 at a time.
	for _, test := range []struct {
		name       string
		two, eight float64
		doubt      results.Validity
		begins     string
		ends       string
	}{
		{"a little more than predicted", 1.06, 0.98, "", "MaximumConcurrency sets the throughput:", "measured over predicted is 0.98 to 1.06."},
		{"less than predicted", 1, 0.94, "", "MaximumConcurrency does not explain the throughput alone:", "measured over predicted is 0.94 to 1.00."},
		{"much more than predicted", 1.11, 0.94, "", "Whether MaximumConcurrency sets the throughput cannot be told from these predictions:", "measured over predicted is 0.94 to 1.11."},
		{"by a calibration that may not be believed", 1, 1, results.Contaminated, "Whether MaximumConcurrency sets the throughput cannot be told from these predictions:",
			"What is predicted is made of the calibration, which is contaminated: it may not be believed."},
	} {
		two, eight := measured(2, 1.3, results.Valid), measured(8, 1.3, results.Valid)
		two.CompletedRate.Mean *= test.two
		eight.CompletedRate.Mean *= test.eight
		finding, _ := answer(lookup("E1"), Config{doubt: test.doubt}, []results.Cell{two, eight})
		if !strings.HasPrefix(finding, test.begins) || !strings.HasSuffix(finding, test.ends) {
			t.Errorf("%s: got %q, want %q ... %q", test.name, finding, test.begins, test.ends)
		}
	}
	behind := measured(2, 2.25, results.Valid)
	behind.Backlog, behind.Diagnosis, behind.LittleRatio = results.Backlog{Verdict: string(stats.Unstable)}, string(stats.LimitedElsewhere), known(0.8)
	for _, id := range []string{"E2", CustomID} {
		if finding, _ := answer(lookup(id), Config{doubt: results.Contaminated}, []results.Cell{behind}); strings.Contains(finding, "bottleneck") || !strings.Contains(finding, "Little 0.80") || !strings.Contains(finding, "may not be believed") {
			t.Errorf("%s, by a calibration that may not be believed: %q", id, finding)
		}
	}
}

func TestAVerdictOnRepeatsIsThatOfAllOfThem(t *testing.T) {
	cell := func(v stats.Verdict, d stats.Diagnosis, little float64) results.Cell {
		c := measured(2, 2.25, results.Valid)
		c.Backlog, c.Diagnosis, c.LittleRatio = results.Backlog{Verdict: string(v), Growth: results.Interval{Mean: 50}}, string(d), known(little)
		return c
	}
	behind, elsewhere := cell(stats.Unstable, stats.LimitedByConcurrency, 1), cell(stats.Unstable, stats.LimitedElsewhere, 0.8)
	keptUp, unknown := cell(stats.Stable, stats.NotLimited, 0.5), cell(stats.Inconclusive, stats.Undecided, 0.9)
	for _, test := range []struct {
		name  string
		cells []results.Cell
		want  string
	}{
		{"all fell behind for the same reason", []results.Cell{behind, behind}, " (predicted 40.0; the backlog grew by 50.0/s; the concurrency limit is the bottleneck, Little 1)."},
		{"all fell behind, limited by something else", []results.Cell{elsewhere}, "; the concurrency limit is not the bottleneck, Little 0.80)."},
		{"all fell behind, for different reasons", []results.Cell{behind, elsewhere}, "the backlog grew by 50.0/s; Little 0.90)."},
		{"all kept up", []results.Cell{keptUp, keptUp}, " and kept up."},
		{"they do not agree", []results.Cell{keptUp, behind, keptUp}, " (it kept up in 2 of 3 repeats and fell behind in 1 of 3 repeats)."},
		{"they do not agree, and the first one fell behind", []results.Cell{behind, keptUp}, " (it kept up in 1 of 2 repeats and fell behind in 1 of 2 repeats)."},
		{"some say nothing", []results.Cell{keptUp, unknown}, " (it kept up in 1 of 2 repeats and fell behind in 0 of 2 repeats)."},
		{"all say nothing", []results.Cell{unknown, unknown}, " (whether it kept up, this load is too short to say)."},
	} {
		finding, _ := findLimits(Config{}, test.cells)
		want := "At 90.0/s offered, 2 at a time completed 40.0/s"
		if !strings.HasPrefix(finding, want) || !strings.HasSuffix(finding, strings.Replace(test.want, "Little 1)", "Little 1.00)", 1)) {
			t.Errorf("%s: got %q, want %q ... %q", test.name, finding, want, test.want)
		}
	}
}

func TestAControlThatDriftsByMoreThanATwentiethIsNoted(t *testing.T) {
	for _, test := range []struct {
		after  float64
		kind   results.Validity
		differ bool
	}{{100, results.Valid, false}, {95.1, results.Valid, false}, {104.9, results.Valid, false}, {94.9, results.Valid, true}, {105.1, results.Valid, true}, {50, results.Contaminated, false}} {
		r := &runner{c: Config{Watch: nobody{}}, out: &Outcome{}}
		r.compareControl([]results.Cell{
			{ID: "E1/C=8/offered=1.2", Role: roleMeasured, Validity: results.Valid, CompletedRate: results.Interval{Mean: 100}},
			{ID: "E1/C=8/offered=1.2/control", Role: roleControl, Experiment: "E1", Validity: test.kind, CompletedRate: results.Interval{Mean: test.after}},
		})
		if (len(r.out.Notes) == 1) != test.differ {
			t.Errorf("100/s at first, and %v/s in the end (%s): notes %q", test.after, test.kind, r.out.Notes)
		}
	}
}

// sent returns a ledger of a subject a second, each sent so late, and answered at once.
func sent(t *testing.T, late ...time.Duration) *measurement {
	t.Helper()
	load, err := schedule.New(schedule.Constant(stageHold, 1, time.Duration(len(late))*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l, err := ledger.New("run.1", began, load)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range late {
		at := began.Add(load.At(uint64(i)) + d)
		if err := l.Answer(uint64(i), ledger.Answer{Sent: at, Acked: at, Code: 202, Subject: fmt.Sprint("s-", i)}); err != nil {
			t.Fatal(err)
		}
	}
	return &measurement{runner: &runner{}, ledger: l, load: load}
}

func TestOneOfAHundredMayBeSentLate(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name    string
		n, late int
		by      time.Duration
		limited bool
	}{
		{"two of two hundred", 200, 2, 51 * ms, false},
		{"three of two hundred", 200, 3, 51 * ms, true},
		{"all of them, by no more than the limit", 200, 200, 50 * ms, false},
		{"one of ten", 10, 1, time.Second, false},
		{"two of ten", 10, 2, 51 * ms, true},
	} {
		late := make([]time.Duration, test.n)
		for i := range test.late {
			late[i] = test.by
		}
		m := sent(t, late...)
		if why := m.sentLate(results.Cell{Counts: countsOf(m.ledger.Count(nil))}); (len(why) > 0) != test.limited {
			t.Errorf("%s: %q", test.name, why)
		}
	}
}

func TestARateThatLosesOneSubjectIsNotSustainable(t *testing.T) {
	m := sent(t, make([]time.Duration, 200)...)
	for seq := range uint64(200) {
		stored := m.ledger.Began().Time().Add(m.load.At(seq) + 80*time.Millisecond)
		if seq < 2 { // as many as the SLO allows
			stored = stored.Add(2 * time.Second)
		}
		if err := m.ledger.Observe(seq, ledger.Observation{Stored: stored, Status: ledger.Completed, Deliveries: 1, Events: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		c    results.Cell
		slo  SLO
		want bool
	}{
		"99 of 100 in time":                 {results.Cell{}, DefaultSLO, true},
		"and that is not enough":            {results.Cell{}, SLO{0.995, time.Second}, false},
		"and it surely falls behind":        {results.Cell{Backlog: results.Backlog{Verdict: string(stats.Unstable)}}, DefaultSLO, false},
		"and it is not sure that it does":   {results.Cell{Backlog: results.Backlog{Verdict: string(stats.Inconclusive)}}, DefaultSLO, true},
		"one was lost":                      {results.Cell{Counts: results.Counts{Lost: 1}}, DefaultSLO, false},
		"one was rejected":                  {results.Cell{Counts: results.Counts{Rejected: 1}}, DefaultSLO, false},
		"one was not answered":              {results.Cell{Counts: results.Counts{Unanswered: 1}}, DefaultSLO, false},
		"one came into a dead-letter queue": {results.Cell{Counts: results.Counts{DeadLettered: 1}}, DefaultSLO, false},
	} {
		if got := test.slo.keeps(m.ledger, ledger.Clock{}, func(string) bool { return true }, test.c); got != test.want {
			t.Errorf("%s: kept is %t", name, got)
		}
	}
}

func TestTheSlowestAreThoseThatTookLongest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all, slowest []ledger.Record
	for seq := range uint64(200) {
		r := ledger.Record{Seq: seq, Intended: 1000, Stored: 1000 + ledger.Instant(rng.IntN(50))} // many take as long as others
		all, slowest = append(all, r), withSlow(slowest, r)
	}
	slices.SortStableFunc(all, func(a, b ledger.Record) int { return cmp.Compare(b.Stored, a.Stored) })
	if !slices.Equal(slowest, all[:maxSlowest]) {
		t.Errorf("got %v, want %v", slowest, all[:maxSlowest])
	}
}
