package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// began is when the runs of these tests begin.
var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// after returns the time so many milliseconds after the beginning.
func after(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

// newLedger returns the ledger of n subjects, one each 100 ms.
func newLedger(t interface {
	Helper()
	Fatal(...any)
}, n int) *ledger.Ledger {
	t.Helper()
	s, err := schedule.New(schedule.Constant("hold", 10, time.Duration(n)*100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New("run", began, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func record(t *testing.T, l *ledger.Ledger, seq int) ledger.Record {
	t.Helper()
	for r := range l.All() {
		if r.Seq == uint64(seq) {
			return r
		}
	}
	t.Fatalf("there is no record %d", seq)
	return ledger.Record{}
}

func TestFates(t *testing.T) {
	answer := func(code int) func(*ledger.Ledger) error {
		return func(l *ledger.Ledger) error {
			return l.Answer(0, ledger.Answer{Sent: after(0), Acked: after(5), Code: code, Subject: "s"})
		}
	}
	observe := func(o ledger.Observation) func(*ledger.Ledger) error {
		return func(l *ledger.Ledger) error { return l.Observe(0, o) }
	}
	accepted := observe(ledger.Observation{Subject: "s", Accepted: after(3)})
	completed := observe(ledger.Observation{Subject: "s", Status: ledger.Completed, Stored: after(80)})
	failed := observe(ledger.Observation{Subject: "s", Status: ledger.Failed, Stored: after(80)})
	dead := func(l *ledger.Ledger) error { l.DeadLetter("s"); return nil }
	closed := func(l *ledger.Ledger) error { l.Close(); return nil }
	for _, test := range []struct {
		name string
		is   []func(*ledger.Ledger) error
		want ledger.Fate
		late bool
	}{
		{"nobody has told anything", nil, ledger.Unsent, false},
		{"202", []func(*ledger.Ledger) error{answer(202)}, ledger.Open, false},
		{"202 and an answer", []func(*ledger.Ledger) error{answer(202), completed}, ledger.Done, false},
		{"an answer that is seen before the 202", []func(*ledger.Ledger) error{completed, answer(202)}, ledger.Done, false},
		{"202 and a system error", []func(*ledger.Ledger) error{answer(202), failed}, ledger.Errored, false},
		{"202 and a dead letter", []func(*ledger.Ledger) error{answer(202), dead}, ledger.Dead, false},
		{"202 and an answer, of which a copy is dead", []func(*ledger.Ledger) error{answer(202), dead, completed}, ledger.Done, false},
		{"202 and nothing until the deadline", []func(*ledger.Ledger) error{answer(202), closed}, ledger.Lost, false},
		{"202 and a dead letter after the deadline", []func(*ledger.Ledger) error{answer(202), closed, dead}, ledger.Dead, false},
		{"202 and an answer after the deadline", []func(*ledger.Ledger) error{answer(202), closed, completed}, ledger.Done, false},
		{"422 is a promise not to do it", []func(*ledger.Ledger) error{answer(422), closed}, ledger.Rejected, false},
		{"so is 429", []func(*ledger.Ledger) error{answer(429)}, ledger.Rejected, false},
		{"and 503, though the API had stored it", []func(*ledger.Ledger) error{answer(503), accepted, closed}, ledger.Rejected, false},
		{"503, and done all the same", []func(*ledger.Ledger) error{answer(503), completed}, ledger.Done, true},
		{"500 promises nothing", []func(*ledger.Ledger) error{answer(500), closed}, ledger.Unanswered, false},
		{"504, though the API had accepted it", []func(*ledger.Ledger) error{answer(504), accepted}, ledger.Open, false},
		{"no answer", []func(*ledger.Ledger) error{answer(0), closed}, ledger.Unanswered, false},
		{"no answer, and accepted, and gone", []func(*ledger.Ledger) error{answer(0), accepted, closed}, ledger.Lost, false},
		{"no answer, and done", []func(*ledger.Ledger) error{answer(0), completed}, ledger.Done, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t, 1)
			for _, is := range test.is {
				if err := is(l); err != nil {
					t.Fatal(err)
				}
			}
			r := record(t, l, 0)
			if got := r.Fate(); got != test.want || r.Late() != test.late {
				t.Errorf("fate %s, late %t; want %s, %t", got, r.Late(), test.want, test.late)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	long := strings.Repeat("x", ledger.MaxID+1)
	ok := ledger.Answer{Sent: after(0), Acked: after(1), Code: 202}
	for _, test := range []struct {
		name string
		do   func(*ledger.Ledger) error
		want string
	}{
		{"a subject that is not scheduled", func(l *ledger.Ledger) error { return l.Answer(2, ok) }, "there is no subject 2: 2 are scheduled"},
		{"one that is not scheduled is observed", func(l *ledger.Ledger) error { return l.Observe(1<<63, ledger.Observation{}) }, "there is no subject"},
		{"an answer before the question", func(l *ledger.Ledger) error {
			return l.Answer(0, ledger.Answer{Sent: after(1), Acked: after(0)})
		}, "subject 0: sent at"},
		{"an answer without a time", func(l *ledger.Ledger) error { return l.Answer(0, ledger.Answer{}) }, "subject 0: sent at"},
		{"a status that is none", func(l *ledger.Ledger) error {
			return l.Answer(0, ledger.Answer{Sent: after(0), Acked: after(1), Code: 99})
		}, "HTTP status 99"},
		{"an error that breaks the line", func(l *ledger.Ledger) error {
			return l.Answer(0, ledger.Answer{Sent: after(0), Acked: after(1), Error: "a\nb"})
		}, "not printable"},
		{"a subject that is too long", func(l *ledger.Ledger) error {
			return l.Answer(0, ledger.Answer{Sent: after(0), Acked: after(1), Code: 202, Subject: long})
		}, "an id of 1001 bytes"},
		{"a trace id that is no text", func(l *ledger.Ledger) error { return l.Observe(0, ledger.Observation{TraceID: "\xff"}) }, "not printable"},
		{"a subject that becomes another", func(l *ledger.Ledger) error {
			if err := l.Observe(0, ledger.Observation{Subject: "a"}); err != nil {
				return err
			}
			return l.Observe(0, ledger.Observation{Subject: "b"})
		}, `subject 0 is both "a" and "b"`},
		{"two subjects of one name", func(l *ledger.Ledger) error {
			if err := l.Observe(0, ledger.Observation{Subject: "a"}); err != nil {
				return err
			}
			return l.Observe(1, ledger.Observation{Subject: "a"})
		}, `"a" is both subject 0 and subject 1`},
		{"an end without a time", func(l *ledger.Ledger) error {
			return l.Observe(0, ledger.Observation{Status: ledger.Completed})
		}, "completed, without a time"},
		{"a status that it does not know", func(l *ledger.Ledger) error { return l.Observe(0, ledger.Observation{Status: "lost"}) }, `status "lost"`},
		{"a time of another age", func(l *ledger.Ledger) error {
			return l.Observe(0, ledger.Observation{Accepted: began.AddDate(1000, 0, 0)})
		}, "is not within"},
		{"a time before the run", func(l *ledger.Ledger) error {
			return l.Observe(0, ledger.Observation{Accepted: began.Add(-2 * time.Hour)})
		}, "is not within"},
		{"a negative number of deliveries", func(l *ledger.Ledger) error { return l.Observe(0, ledger.Observation{Deliveries: -1}) }, "-1 deliveries"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t, 2)
			if err := test.do(l); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	huge, err := schedule.New(schedule.Constant("s", ledger.MaxRecords+1, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.New("run", began, huge); err == nil {
		t.Error("a ledger of more than MaxRecords subjects was made")
	}
	small, err := schedule.New(schedule.Constant("s", 1, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"", "a b", "ü", strings.Repeat("a", 101)} {
		if _, err := ledger.New(run, began, small); err == nil {
			t.Errorf("%q is a run", run)
		}
	}
	if _, err := ledger.New("run", time.Time{}, small); err == nil {
		t.Error("a run began at no time")
	}
}

func TestKey(t *testing.T) {
	l := newLedger(t, 11)
	for key, want := range map[string]int{"run-0": 0, "run-10": 10, "run-11": -1, "run-": -1, "run-01": -1, "run-+1": -1, "ruN-1": -1, "other-1": -1, "": -1, "run--1": -1} {
		if seq, ok := l.Seq(key); ok != (want >= 0) || ok && seq != uint64(want) {
			t.Errorf("%q is the key of %d, %t; want %d", key, seq, ok, want)
		}
	}
	if got := l.Key(10); got != "run-10" {
		t.Errorf("the key of subject 10 is %q", got)
	}
}

func TestLaterObservationsAdd(t *testing.T) {
	l := newLedger(t, 1)
	for _, o := range []ledger.Observation{
		{Subject: "s", Accepted: after(1)},
		{Accepted: after(2), Received: after(10), Answered: after(60), Delivered: after(90), Stored: after(95), Status: ledger.Completed, Deliveries: 1, Events: 1},
		{Stored: after(200), Status: ledger.Failed, Deliveries: 3, Events: 1, TraceID: "1-2-3"},
		{},
	} {
		if err := l.Observe(0, o); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := l.Subject("s")
	want := ledger.Record{
		Stage: "hold", Intended: ledger.At(began), Subject: "s", TraceID: "1-2-3",
		Accepted: ledger.At(after(1)), Received: ledger.At(after(10)), Answered: ledger.At(after(60)), Delivered: ledger.At(after(90)), Stored: ledger.At(after(95)),
		Status: ledger.Completed, Deliveries: 3, Events: 1,
	}
	if !ok || got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Duplicates() != 2 {
		t.Errorf("%d duplicates, want 2", got.Duplicates())
	}
	if c := l.Count(nil); c.Duplicated != 1 || c.Duplicates != 2 || c.Deliveries != 3 {
		t.Errorf("%d subjects with %d duplicates of %d deliveries; want 1, 2, 3", c.Duplicated, c.Duplicates, c.Deliveries)
	}
	if _, ok := l.Subject("t"); ok {
		t.Error("a subject that nobody named is known")
	}
}

// Something between client and servers may answer by itself, with a subject that is another's.
func TestTheKeyIsRight(t *testing.T) {
	end := ledger.Observation{Subject: "told", TraceID: "1-2-4", Accepted: after(1), Stored: after(5), Status: ledger.Completed, Deliveries: 2, Events: 1}
	for _, test := range []struct {
		name       string
		byKey      string
		err        string
		fate, then ledger.Fate // after the key, and after what is known of the subject that it names
	}{
		{"it names what the client was told", "told", "", ledger.Done, ledger.Done},
		{"it names another", "right", `subject 0: the client was told "told", and the servers have "right" by its key`, ledger.Open, ledger.Done},
		{"it is not known", "", `subject 0: the client was told "told", and the servers do not know its key`, ledger.Open, ledger.Open},
		{"it names one that is another record's", "other", `"other" is both subject 1 and subject 0`, ledger.Open, ledger.Open},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t, 2)
			if err := l.Observe(1, ledger.Observation{Subject: "other", ByKey: true}); err != nil {
				t.Fatal(err)
			}
			if err := l.Answer(0, ledger.Answer{Sent: after(0), Acked: after(1), Code: 202, Subject: "told", TraceID: "1-2-3"}); err != nil {
				t.Fatal(err)
			}
			l.DeadLetter("told")
			if err := l.Observe(0, end); err != nil {
				t.Fatal(err)
			}
			err := l.Observe(0, ledger.Observation{Subject: test.byKey, ByKey: true})
			if got := fmt.Sprint(err); test.err == "" && err != nil || !strings.Contains(got, test.err) {
				t.Errorf("got %v, want %q", err, test.err)
			}
			r := record(t, l, 0)
			if r.Fate() != test.fate || r.Sent == 0 || r.Acked == 0 || r.Code != 202 {
				t.Errorf("%s: %+v", r.Fate(), r)
			}
			if _, ok := l.Subject("told"); ok != (test.err == "") {
				t.Errorf("the subject that the client was told is known: %t", ok)
			}
			if r.ByKey && (r.Subject != test.byKey || test.byKey == "other") || !r.ByKey && r.Subject != "" {
				t.Errorf("by key: %+v", r)
			}
			if r.ByKey {
				ended := end
				ended.Subject, ended.ByKey = test.byKey, true
				if err := l.Observe(0, ended); err != nil {
					t.Error(err)
				}
				if err := l.Observe(0, ledger.Observation{Subject: "third", ByKey: true}); err == nil || !strings.Contains(err.Error(), "is both") {
					t.Errorf("a key that changes its mind: %v", err)
				}
			}
			if r := record(t, l, 0); r.Fate() != test.then {
				t.Errorf("%s, want %s", r.Fate(), test.then)
			}
			l.Close()
			if c := l.Count(nil); test.then == ledger.Open && c.Lost != 1 {
				t.Errorf("in the end %+v", c)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	l := newLedger(t, 6)
	for seq, code := range []int{202, 429, 0, 202, 202} { // 5 is not sent
		if err := l.Answer(uint64(seq), ledger.Answer{Sent: after(seq * 100), Acked: after(seq*100 + 1), Code: code, Subject: fmt.Sprint(seq)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Observe(3, ledger.Observation{Status: ledger.Completed, Stored: after(1000)}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		after uint64
		limit int
		want  []uint64
	}{{0, 10, []uint64{0, 2, 4}}, {0, 2, []uint64{0, 2}}, {1, 10, []uint64{2, 4}}, {6, 10, nil}} {
		var got []uint64
		for _, r := range l.Open(test.after, test.limit) {
			got = append(got, r.Seq)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("after %d, at most %d: %v, want %v", test.after, test.limit, got, test.want)
		}
	}
}

// history does to a ledger what a run may do to it, in any order.
func history(t *rapid.T, l *ledger.Ledger) {
	ms := rapid.IntRange(0, 20_000)
	for range rapid.IntRange(0, 60).Draw(t, "steps") {
		seq := rapid.IntRange(0, l.Len()-1).Draw(t, "seq")
		subject := fmt.Sprintf("subject, %q %d", "ü", seq)
		var err error
		switch rapid.SampledFrom([]string{"answer", "observe", "dead", "close"}).Draw(t, "what") {
		case "answer":
			a := ledger.Answer{Sent: after(ms.Draw(t, "sent")), Code: rapid.SampledFrom([]int{0, 202, 202, 400, 429, 500, 503}).Draw(t, "code")}
			a.Acked = a.Sent.Add(time.Duration(rapid.IntRange(0, 5_000_000).Draw(t, "took")))
			if a.Code == 0 {
				a.Error = rapid.SampledFrom([]string{"timeout", "refused, \"it\" said"}).Draw(t, "error")
			} else if a.Code == 202 {
				a.Subject, a.TraceID = subject, fmt.Sprintf("1-%08x-%024x", seq, seq)
			}
			err = l.Answer(uint64(seq), a)
		case "observe":
			o := ledger.Observation{Subject: subject, Status: rapid.SampledFrom([]ledger.Status{ledger.Pending, ledger.Completed, ledger.Failed}).Draw(t, "status")}
			for _, at := range []*time.Time{&o.Accepted, &o.Received, &o.Answered, &o.Delivered, &o.Stored} {
				if at == &o.Stored && o.Status != ledger.Pending || rapid.Bool().Draw(t, "known") {
					*at = after(ms.Draw(t, "at"))
				}
			}
			o.Deliveries, o.Events = rapid.IntRange(0, 3).Draw(t, "deliveries"), rapid.IntRange(0, 2).Draw(t, "events")
			err = l.Observe(uint64(seq), o)
		case "dead":
			l.DeadLetter(subject)
		case "close":
			l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEverySubjectIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t, rapid.IntRange(1, 12).Draw(t, "subjects"))
		history(t, l)
		c := l.Count(nil)
		if sum := c.Unsent + c.Rejected + c.Unanswered + c.Open + c.Lost + c.DeadLettered + c.Failed + c.Completed; sum != c.Scheduled || c.Scheduled != l.Len() {
			t.Fatalf("%d of %d accounted for: %+v", sum, l.Len(), c)
		}
		sent := 0
		for _, n := range c.Codes {
			sent += n
		}
		if sent+c.Unsent > c.Scheduled {
			t.Fatalf("%d answers and %d unsent of %d: %+v", sent, c.Unsent, c.Scheduled, c)
		}
		split := l.Count(func(r ledger.Record) bool { return r.Seq%2 == 0 }).Completed + l.Count(func(r ledger.Record) bool { return r.Seq%2 == 1 }).Completed
		if split != c.Completed {
			t.Fatalf("%d completed in halves, %d as a whole", split, c.Completed)
		}
		l.Close()
		if c := l.Count(nil); c.Open != 0 {
			t.Fatalf("%d are open after the deadline", c.Open)
		}
	})
}

// Answers, completions and dead letters arrive from several goroutines; whichever comes first, the ledger is the same.
func TestOrderDoesNotMatter(t *testing.T) {
	const n = 200
	var files []string
	for seed := range uint64(4) {
		l := newLedger(t, n)
		rng := rand.New(rand.NewPCG(seed, 0))
		orders := [2][]int{rng.Perm(n), rng.Perm(n)}
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, seq := range orders[0] {
				if err := l.Answer(uint64(seq), ledger.Answer{Sent: after(seq * 100), Acked: after(seq*100 + 2), Code: 202, Subject: fmt.Sprint(seq)}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for _, seq := range orders[1] {
				if err := l.Observe(uint64(seq), ledger.Observation{Subject: fmt.Sprint(seq), Accepted: after(seq*100 + 1), Stored: after(seq*100 + 50), Status: ledger.Completed}); err != nil {
					t.Error(err)
				}
				l.Open(uint64(seq), 3)
				l.DeadLetter(fmt.Sprint(seq)) // known by now, whoever was first
			}
		})
		wg.Wait()
		var all strings.Builder
		for r := range l.All() {
			fmt.Fprintln(&all, r)
		}
		files = append(files, all.String())
	}
	for _, file := range files[1:] {
		if file != files[0] {
			t.Error("the order in which things become known makes a difference")
		}
	}
}
