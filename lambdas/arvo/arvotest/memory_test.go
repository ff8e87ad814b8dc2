package arvotest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheMemoryInProcessKeepsThePromises(t *testing.T) {
	TestMemory(t, func(*testing.T) arvo.Memory { return new(Memory) })
}

func TestTheMemoryWithLocksKeepsThePromises(t *testing.T) {
	shared := new(LockingMemory) // what other promises have left is in nobody's way
	TestMemory(t, func(*testing.T) arvo.Memory { return shared })
}

func TestALockEndsThoughItsHolderHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewLockingMemory()
		s := &notebook{T: t, memory: m, subject: "order/1"}
		s.lock(m, true)
		time.Sleep(lockFor - time.Nanosecond)
		s.lock(m, false)
		time.Sleep(time.Nanosecond)
		s.lock(m, true)
		s.lock(m, false)
	})
}

// What Before refuses has not happened; what After refuses has.
func TestTheMemoryFailsWhereItIsTold(t *testing.T) {
	lost := errors.New("lost")
	m := NewLockingMemory()
	s := &notebook{T: t, memory: m, subject: "order/1"}
	w, r := s.step(1, "in-1")
	var before, after error
	var calls []Call
	m.Before = func(_ context.Context, c Call) error { calls = append(calls, c); return before }
	m.After = func(context.Context, Call) error { return after }

	before = lost
	for _, err := range m.callAll(t, s.subject, w, r) {
		if !errors.Is(err, lost) {
			t.Errorf("the request was lost: got error %v", err)
		}
	}
	before = nil
	s.holds(nil)
	s.lock(m, true)
	s.unlock(m)

	after, calls = lost, nil
	for _, err := range m.callAll(t, s.subject, w, r) {
		if !errors.Is(err, lost) {
			t.Errorf("the answer was lost: got error %v", err)
		}
	}
	want := []Call{{OpLock, "order/1"}, {OpRecall, "order/1"}, {OpCommit, "order/1"}, {OpHistory, "order/1"}, {OpUnlock, "order/1"}}
	if !slices.Equal(calls, want) {
		t.Errorf("got the calls  %v\nwant %v", calls, want)
	}
	after = nil
	s.holds(&w, r)
	s.lock(m, true) // it was given back
	if got := m.Subjects(); !slices.Equal(got, []string{"order/1"}) {
		t.Errorf("the subjects are %q", got)
	}
}

// callAll makes each call once and returns the errors.
func (m *LockingMemory) callAll(t *testing.T, subject string, w arvo.Workflow, r arvo.Record) (errs []error) {
	got, err := m.Lock(t.Context(), subject)
	if got {
		t.Error("a lock that failed is held")
	}
	errs = append(errs, err)
	kept, record, err := m.Recall(t.Context(), subject, r.Input.Key())
	if kept != nil || record != nil {
		t.Error("recall failed and found something")
	}
	errs = append(errs, err, m.Commit(t.Context(), subject, w, r))
	records, err := m.History(t.Context(), subject)
	if records != nil {
		t.Error("history failed and found something")
	}
	return append(errs, err, m.Unlock(t.Context(), subject))
}

func TestARecordBelongsToItsRevision(t *testing.T) {
	m := NewMemory()
	s := &notebook{T: t, memory: m, subject: "order/1"}
	w, _ := s.step(1, "in-1")
	_, r := s.step(2, "in-1")
	if err := m.Commit(t.Context(), s.subject, w, r); err == nil || errors.Is(err, arvo.ErrRevision) {
		t.Errorf("got error %v, want one that no retry heals", err)
	}
	s.holds(nil)
}

// Two steps of a workflow in a memory that is new each time.
func BenchmarkMemory(b *testing.B) {
	s := &notebook{subject: "order/1"}
	var w [2]arvo.Workflow
	var r [2]arvo.Record
	w[0], r[0] = s.step(1, "in-1")
	w[1], r[1] = s.step(2, "in-2")
	w[0].Awaited = []arvo.Awaited{{ID: "call-1", Type: "com.test.call", To: "com.test.call", URI: "#/test/call"}}
	b.ReportAllocs()
	for b.Loop() {
		m := NewMemory()
		for i := range w {
			if _, _, err := m.Recall(b.Context(), s.subject, r[i].Input.Key()); err != nil {
				b.Fatal(err)
			}
			if err := m.Commit(b.Context(), s.subject, w[i], r[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
