package arvotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// TestMemory holds an implementation to what [arvo.Memory] promises, and to what [arvo.Locker] does if it is one. open is
// called once for each promise; it may return the same memory each time, and one that holds workflows already, a table of
// AWS for instance: the subjects are new in every run. The whole suite commits some 500 steps, 10 MB together.
func TestMemory(t *testing.T, open func(t *testing.T) arvo.Memory) {
	for _, test := range []struct {
		promise string
		hold    func(s *notebook)
	}{
		{"a subject without a workflow has neither state nor history", holdNothing},
		{"a step is kept whole: its state and its record", holdStep},
		{"every field of a workflow comes back", holdWorkflow},
		{"a workflow can lose what it had: calls awaited, state", holdLoss},
		{"the events of a step come back to the byte", holdBytes},
		{"a record is found by source and id, both of them", holdKeys},
		{"sources and ids may hold any character and be long", holdOddKeys},
		{"a subject may be as long as subjects get", holdLongSubject},
		{"subjects do not see each other, though one begins like the other", holdSubjects},
		{"a revision that is taken is refused, and nothing of its step is kept", holdRevision},
		{"a revision that leaves a gap is refused", holdGap},
		{"an input that is taken is refused, and nothing of its step is kept", holdInput},
		{"of steps taken at once from one revision one is kept", holdRace},
		{"of one input taken many times at once one step is kept", holdSameInput},
		{"steps that are taken again when they are refused are all kept, one after another", holdAll},
		{"a state of 256 KiB and events of 350 KiB are kept", holdSize},
		{"a long history comes back in order, each step whole", holdHistory},
		{"a call without time left fails and leaves nothing behind", holdContext},
		{"what has been handed over or returned is the caller's to change", holdCopies},
	} {
		t.Run(test.promise, func(t *testing.T) {
			test.hold(&notebook{T: t, memory: open(t), subject: "arvotest/" + strings.ToLower(rand.Text())})
		})
	}
	for _, test := range []struct {
		promise string
		hold    func(s *notebook, m arvo.Locker)
	}{
		{"a lock that is held is denied", holdLock},
		{"a lock that is given back can be had", holdUnlock},
		{"locks of two subjects are two locks", holdTwoLocks},
		{"of those who want a lock at once one gets it", holdLockRace},
		{"a lock stands in nobody's way who takes a step without", holdLockApart},
	} {
		t.Run(test.promise, func(t *testing.T) {
			memory, ok := open(t).(arvo.Locker)
			if !ok {
				t.Skip("this memory is no Locker, and none has to be")
			}
			test.hold(&notebook{T: t, memory: memory, subject: "arvotest/" + strings.ToLower(rand.Text())}, memory)
		})
	}
}

// A notebook is a memory with one subject open.
type notebook struct {
	*testing.T
	memory  arvo.Memory
	subject string
}

// at is the same memory with another subject open.
func (s *notebook) at(subject string) *notebook { return &notebook{s.T, s.memory, subject} }

// keep commits a step that has to be kept.
func (s *notebook) keep(w arvo.Workflow, r arvo.Record) {
	s.Helper()
	if err := s.memory.Commit(s.Context(), s.subject, w, r); err != nil {
		s.Fatalf("commit of revision %d: %v", w.Revision, err)
	}
}

// refuse commits a step that must not be kept.
func (s *notebook) refuse(w arvo.Workflow, r arvo.Record) {
	s.Helper()
	if err := s.memory.Commit(s.Context(), s.subject, w, r); !errors.Is(err, arvo.ErrRevision) {
		s.Errorf("commit of revision %d with the input %q: got error %v, want ErrRevision", w.Revision, r.Input.ID, err)
	}
}

func (s *notebook) recall(input arvo.Key) (*arvo.Workflow, *arvo.Record) {
	s.Helper()
	w, r, err := s.memory.Recall(s.Context(), s.subject, input)
	if err != nil {
		s.Fatalf("recall: %v", err)
	}
	return w, r
}

func (s *notebook) history() []arvo.Record {
	s.Helper()
	records, err := s.memory.History(s.Context(), s.subject)
	if err != nil {
		s.Fatalf("history: %v", err)
	}
	return records
}

// holds checks all that is kept of the subject.
func (s *notebook) holds(w *arvo.Workflow, records ...arvo.Record) {
	s.Helper()
	inputs := []arvo.Key{{Source: "nobody", ID: "nothing"}}
	for _, r := range records {
		inputs = append(inputs, r.Input.Key())
	}
	for i, input := range inputs {
		gotW, gotR := s.recall(input)
		if got, want := workflowText(s.T, gotW), workflowText(s.T, w); got != want {
			s.Errorf("recall with %v: the workflow differs\n got %s\nwant %s", input, shorten(got), shorten(want))
		}
		want := (*arvo.Record)(nil)
		if i > 0 {
			want = &records[i-1]
		}
		if got, want := recordText(s.T, gotR), recordText(s.T, want); got != want {
			s.Errorf("recall with %v: the record differs\n got %s\nwant %s", input, shorten(got), shorten(want))
		}
	}
	s.remembers(records...)
}

// remembers checks the history of the subject.
func (s *notebook) remembers(records ...arvo.Record) {
	s.Helper()
	history := s.history()
	if len(history) != len(records) {
		s.Errorf("the history has %d records, want %d", len(history), len(records))
	}
	for i := range min(len(history), len(records)) {
		if got, want := recordText(s.T, &history[i]), recordText(s.T, &records[i]); got != want {
			s.Errorf("record %d of the history differs\n got %s\nwant %s", i+1, shorten(got), shorten(want))
		}
	}
}

// event is a small event of the subject.
func (s *notebook) event(source, id string) arvo.Event {
	return arvo.Event{
		ID: id, Source: source, SpecVersion: arvo.SpecVersion, Type: "com.test.event", Subject: s.subject,
		DataContentType: arvo.DataContentType, DataSchema: "#/test/event/1.0.0", Data: json.RawMessage(`{"a":1}`),
		Time: "2026-11-23T07:00:00.123+00:00", To: "arvo.orc.test",
	}
}

// moment is a time as exact as a memory has to keep it.
var moment = time.Date(2026, 11, 23, 7, 0, 0, 123e6, time.UTC)

// step is a workflow of a revision, and the record of the input that led there.
func (s *notebook) step(revision int, input string) (arvo.Workflow, arvo.Record) {
	w := arvo.Workflow{
		Revision: int64(revision), Status: arvo.StatusActive, InitID: "in-1",
		State: fmt.Appendf(nil, `{"after":%q}`, input),
	}
	r := arvo.Record{
		Revision: int64(revision), At: moment.Add(time.Duration(revision) * time.Second),
		Input:    s.event("com.test.service", input),
		Produced: []arvo.Event{s.event("arvo.orc.test", "out-"+input+"-0"), s.event("arvo.orc.test", "out-"+input+"-1")},
	}
	return w, r
}

func holdNothing(s *notebook) { s.holds(nil) }

func holdStep(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	s.keep(w1, r1)
	s.holds(&w1, r1)
	w2, r2 := s.step(2, "in-2")
	r2.Produced = nil
	s.keep(w2, r2)
	s.holds(&w2, r1, r2)
}

func holdWorkflow(s *notebook) {
	w, r := s.step(1, "in-1")
	w.ParentSubject = strings.Repeat("p", arvo.MaxSubject)
	w.InitID = "init#1 ü"
	w.AccessControl = "key:<other>"
	w.State = json.RawMessage(`{"b":1.0,"a":[12345678901234567890,1e-7,{"z":null}],"text":"<&> \u2028 \ud83d\ude00"}`)
	w.Awaited = []arvo.Awaited{
		{ID: "call-2", Type: "com.test.call", To: "com.test.call", URI: "#/test/call", Due: moment.Add(time.Minute), AccessControl: "key:value",
			Domain: "human.desk", Traceparent: "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01", Tracestate: "a=b"},
		{ID: "call-1", Type: "com.test.other", To: "com.elsewhere", URI: "#/test/other"},
		{ID: "call-3", Type: "com.test.call", To: "com.test.call", URI: "#/test/call", Due: moment.Add(30 * time.Second)},
	}
	w.TimedOut = []string{"call-0", "call-#"}
	s.keep(w, r)
	s.holds(&w, r)
	kept, _ := s.recall(arvo.Key{})
	if due, ok := kept.Due(); !ok || !due.Equal(moment.Add(30*time.Second)) {
		s.Errorf("the first call is due at %v (%v), want %v", due, ok, moment.Add(30*time.Second))
	}
	if _, ok := (&arvo.Workflow{Awaited: kept.Awaited[1:2]}).Due(); ok {
		s.Error("a call without a time is due at some time")
	}

	failed, r2 := s.step(2, "in-2")
	failed.Status = arvo.StatusFailed
	failed.Failure = &arvo.Failure{Name: "Out of stock", Message: "no \"sku-1\" <left>\n"}
	s.keep(failed, r2)
	s.holds(&failed, r, r2)
}

func holdLoss(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	w1.Awaited = []arvo.Awaited{{ID: "call-1", Type: "com.test.call", To: "com.test.call", URI: "#/test/call", Due: moment}}
	w1.TimedOut = []string{"call-0"}
	s.keep(w1, r1)
	w2, r2 := s.step(2, "in-2")
	w2.Status, w2.State = arvo.StatusDone, nil
	s.keep(w2, r2)
	s.holds(&w2, r1, r2)
}

func holdBytes(s *notebook) {
	w, r := s.step(1, "in-1")
	units, none := -0.125, 0.0
	odd := s.event("com.test.service", "in-1")
	odd.Data = json.RawMessage(`{ "z":1.0, "a":1E+2,"a2":[ ],"big":12345678901234567890123,"text":"<b>&amp;\u003c\/ é \u00e9 ` + "\u2028" + `","":{}}`)
	odd.Time = "2026-11-23T07:00+05:30"
	odd.AccessControl, odd.RedirectTo, odd.ParentID, odd.Domain = "user:1;role:a", "com.else%20where", "parent 1", "human.desk"
	odd.Traceparent, odd.Tracestate = "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01", "rojo=00f067aa0ba902b7,congo=t61r"
	odd.ExecutionUnits = &units
	odd.Extensions = []arvo.Extension{
		{Name: "10", Value: json.RawMessage(`"ten"`)}, {Name: "9", Value: json.RawMessage(`9.50`)},
		{Name: "zeta", Value: json.RawMessage(`"\u003c<"`)}, {Name: "receivedat", Value: json.RawMessage(`1732345678901`)},
		{Name: "alpha", Value: json.RawMessage(`null`)}, {Name: "flag", Value: json.RawMessage(`false`)},
	}
	bare := s.event("arvo.orc.test", "out-1")
	bare.DataSchema, bare.Data, bare.ExecutionUnits = "", json.RawMessage(`{}`), &none
	elsewhere := s.event("arvo.orc.test", "out-2") // a completion is of the parent's subject
	elsewhere.Subject = s.subject + "/parent"
	r.Input, r.Produced = odd, []arvo.Event{bare, elsewhere, odd}
	s.keep(w, r)
	s.holds(&w, r)
}

func holdKeys(s *notebook) {
	w1, r1 := s.step(1, "same")
	s.keep(w1, r1)
	w2, r2 := s.step(2, "same")
	r2.Input.Source = "com.test.other"
	s.keep(w2, r2)
	w3, r3 := s.step(3, "another")
	s.keep(w3, r3)
	s.holds(&w3, r1, r2, r3)
	for _, key := range []arvo.Key{{}, {Source: "com.test.service"}, {ID: "same"}, {Source: "com.test.other", ID: "another"}, {Source: "com.test.service", ID: "sam"}} {
		if _, r := s.recall(key); r != nil {
			s.Errorf("recall with %+v found the record of revision %d", key, r.Revision)
		}
	}
}

func holdOddKeys(s *notebook) {
	var records []arvo.Record
	var w arvo.Workflow
	for i, key := range []arvo.Key{
		{Source: "a", ID: "b#c"}, {Source: "a#b", ID: "c"}, {Source: "a#", ID: "b#c"}, {Source: "a", ID: "#b#c"},
		{Source: "a%20b", ID: "a b"}, {Source: "a", ID: "%20"}, {Source: "a", ID: "日本 😀"}, {Source: "a", ID: "e\u0301"}, {Source: "a", ID: "\u00e9"},
		{Source: "a", ID: "\x00"}, {Source: "a", ID: "\n\t\"\\"}, {Source: "a", ID: "A"}, {Source: "A", ID: "a"}, {Source: "a", ID: "a "},
		{Source: "a", ID: strings.Repeat("i", 5000)}, {Source: "a", ID: strings.Repeat("i", 5000) + "j"},
		{Source: strings.Repeat("s", 3000), ID: "1"}, {Source: strings.Repeat("s", 3000) + "t", ID: "1"},
		{Source: "STATE", ID: "STATE"}, {Source: "a", ID: strings.Repeat("日", 400)},
	} {
		var r arvo.Record
		w, r = s.step(i+1, fmt.Sprint("in-", i))
		r.Input.Source, r.Input.ID = key.Source, key.ID
		s.keep(w, r)
		records = append(records, r)
	}
	s.holds(&w, records...)
	for _, r := range records {
		next, again := s.step(len(records)+1, "in-again")
		again.Input = r.Input
		s.refuse(next, again)
	}
}

func holdLongSubject(s *notebook) {
	long := s.subject + "/" + strings.Repeat("+/=#", arvo.MaxSubject)
	a, b := s.at(long[:arvo.MaxSubject-1]+"a"), s.at(long[:arvo.MaxSubject-1]+"b")
	for _, s := range []*notebook{a, b} {
		w, r := s.step(1, "in-1")
		s.keep(w, r)
		s.holds(&w, r)
	}
}

func holdSubjects(s *notebook) {
	subjects := []*notebook{s, s.at(s.subject + "#"), s.at(s.subject + "#1"), s.at(s.subject[:len(s.subject)-1]), s.at(strings.ToUpper(s.subject))}
	for i, s := range subjects {
		for revision := 1; revision <= i+1; revision++ {
			w, r := s.step(revision, fmt.Sprint("in-", revision))
			s.keep(w, r)
		}
	}
	for i, s := range subjects {
		var records []arvo.Record
		var w arvo.Workflow
		for revision := 1; revision <= i+1; revision++ {
			var r arvo.Record
			w, r = s.step(revision, fmt.Sprint("in-", revision))
			records = append(records, r)
		}
		s.holds(&w, records...)
	}
}

func holdRevision(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	s.keep(w1, r1)
	s.refuse(s.step(1, "late-1"))
	s.holds(&w1, r1)
	w2, r2 := s.step(2, "in-2")
	s.keep(w2, r2)
	s.refuse(s.step(1, "late-1"))
	s.refuse(s.step(2, "late-2"))
	s.holds(&w2, r1, r2)
	if _, r := s.recall(arvo.Key{Source: "com.test.service", ID: "late-2"}); r != nil {
		s.Error("the record of a step that was refused is kept")
	}
}

func holdGap(s *notebook) {
	s.refuse(s.step(2, "in-2"))
	s.holds(nil)
	w1, r1 := s.step(1, "in-1")
	s.keep(w1, r1)
	s.refuse(s.step(3, "in-3"))
	s.holds(&w1, r1)
}

func holdInput(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	s.keep(w1, r1)
	s.refuse(s.step(2, "in-1"))
	s.holds(&w1, r1)
	w2, r2 := s.step(2, "in-2")
	s.keep(w2, r2)
	s.holds(&w2, r1, r2)
}

// race commits the steps at once and returns the one that was kept: it has to be one, and ErrRevision the others' end.
func (s *notebook) race(steps []arvo.Record) *arvo.Record {
	s.Helper()
	errs := make([]error, len(steps))
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range steps {
		done.Go(func() {
			w, _ := s.step(int(steps[i].Revision), steps[i].Input.ID)
			w.State = fmt.Appendf(nil, `{"by":%d}`, i)
			start.Wait()
			errs[i] = s.memory.Commit(s.Context(), s.subject, w, steps[i])
		})
	}
	start.Done()
	done.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			s.Errorf("revision %d is kept twice", steps[i].Revision)
		case !errors.Is(err, arvo.ErrRevision):
			s.Errorf("commit of revision %d: got error %v, want ErrRevision", steps[i].Revision, err)
		}
	}
	if winner < 0 {
		s.Fatal("none of the steps is kept")
	}
	w, _ := s.recall(arvo.Key{})
	if want := fmt.Sprintf(`{"by":%d}`, winner); string(w.State) != want {
		s.Errorf("the state is %s, want %s, the one of the step that was kept", w.State, want)
	}
	return &steps[winner]
}

func holdRace(s *notebook) {
	var kept []arvo.Record
	for revision := 1; revision <= 5; revision++ {
		var steps []arvo.Record
		for i := range 8 {
			_, r := s.step(revision, fmt.Sprintf("in-%d-%d", revision, i))
			steps = append(steps, r)
		}
		kept = append(kept, *s.race(steps))
	}
	s.remembers(kept...)
}

func holdSameInput(s *notebook) {
	var kept []arvo.Record
	for revision := 1; revision <= 3; revision++ {
		_, r := s.step(revision, fmt.Sprint("in-", revision))
		kept = append(kept, *s.race(slices.Repeat([]arvo.Record{r}, 8)))
	}
	s.remembers(kept...)
}

func holdAll(s *notebook) {
	const workers, each = 8, 5
	var done sync.WaitGroup
	for worker := range workers {
		done.Go(func() {
			for i := range each {
				if err := s.insist(fmt.Sprintf("in-%d-%d", worker, i)); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	seen := make(map[string]bool)
	for i, r := range s.history() {
		if r.Revision != int64(i+1) || seen[r.Input.ID] {
			s.Errorf("record %d of the history is revision %d with the input %q, which has been seen: %v", i+1, r.Revision, r.Input.ID, seen[r.Input.ID])
		}
		seen[r.Input.ID] = true
	}
	if len(seen) != workers*each {
		s.Errorf("%d inputs are kept, want %d", len(seen), workers*each)
	}
}

// insist takes a step from what is recalled until it is kept, and looks whether it is there then. At each failure another
// step has been kept, so a bound on the attempts is one on the steps of all.
func (s *notebook) insist(input string) error {
	for range 1000 {
		kept, _, err := s.memory.Recall(s.Context(), s.subject, arvo.Key{})
		if err != nil {
			return fmt.Errorf("recall: %w", err)
		}
		if kept == nil {
			kept = &arvo.Workflow{}
		}
		w, r := s.step(int(kept.Revision)+1, input)
		switch err = s.memory.Commit(s.Context(), s.subject, w, r); {
		case errors.Is(err, arvo.ErrRevision):
			continue
		case err != nil:
			return fmt.Errorf("commit of revision %d: %w", w.Revision, err)
		}
		now, taken, err := s.memory.Recall(s.Context(), s.subject, r.Input.Key())
		if err != nil {
			return fmt.Errorf("recall: %w", err)
		}
		if now == nil || now.Revision < w.Revision || taken == nil || taken.Revision != w.Revision {
			return fmt.Errorf("revision %d was committed, but recall does not see it", w.Revision)
		}
		return nil
	}
	return fmt.Errorf("the step of the input %s is refused for ever", input)
}

// padded is data of about so many bytes, half of them such as JSON likes to escape.
func padded(size int) json.RawMessage {
	return json.RawMessage(`{"pad":"` + strings.Repeat("<aé", size/4) + `"}`)
}

func holdSize(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	w1.State = json.RawMessage(`{"pad":"` + strings.Repeat("x", 256<<10-10) + `"}`)
	r1.Input.Data = padded(250 << 10)
	r1.Produced[0].Data = padded(98 << 10)
	s.keep(w1, r1)
	w2, r2 := s.step(2, "in-2")
	w2.State = w1.State
	r2.Produced = nil
	for i := range 100 {
		out := s.event("arvo.orc.test", fmt.Sprint("out-", i))
		out.Data = padded(2900)
		r2.Produced = append(r2.Produced, out)
	}
	s.keep(w2, r2)
	s.holds(&w2, r1, r2)
}

func holdHistory(s *notebook) {
	const steps = 200
	var records []arvo.Record
	for revision := 1; revision <= steps; revision++ {
		w, r := s.step(revision, fmt.Sprintf("in-%d", (revision*37)%steps)) // ids in no order that sorts
		if revision%25 == 0 {
			r.Input.Data = padded(250 << 10)
		}
		s.keep(w, r)
		records = append(records, r)
	}
	s.remembers(records...)
}

func holdContext(s *notebook) {
	w1, r1 := s.step(1, "in-1")
	s.keep(w1, r1)
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	w2, r2 := s.step(2, "in-2")
	if err := s.memory.Commit(ended, s.subject, w2, r2); !errors.Is(err, context.Canceled) {
		s.Errorf("commit: got error %v, want context.Canceled", err)
	}
	if w, r, err := s.memory.Recall(ended, s.subject, r1.Input.Key()); !errors.Is(err, context.Canceled) || w != nil || r != nil {
		s.Errorf("recall: got %v, %v and error %v, want nothing and context.Canceled", w, r, err)
	}
	if records, err := s.memory.History(ended, s.subject); !errors.Is(err, context.Canceled) || records != nil {
		s.Errorf("history: got %d records and error %v, want none and context.Canceled", len(records), err)
	}
	s.holds(&w1, r1)
}

func holdCopies(s *notebook) {
	fresh := func() (arvo.Workflow, arvo.Record) {
		w, r := s.step(1, "in-1")
		units := 2.5
		w.Awaited, w.TimedOut, w.Failure = []arvo.Awaited{{ID: "call-1"}}, []string{"call-0"}, &arvo.Failure{Name: "a"}
		r.Input.ExecutionUnits = &units
		r.Input.Extensions = []arvo.Extension{{Name: "a", Value: json.RawMessage(`"a"`)}}
		return w, r
	}
	spoil := func(w *arvo.Workflow, r *arvo.Record) {
		if w == nil || r == nil || len(w.State) == 0 || len(w.Awaited) == 0 || len(w.TimedOut) == 0 || w.Failure == nil || r.Input.ExecutionUnits == nil || len(r.Input.Extensions) == 0 || len(r.Produced) == 0 {
			s.Fatal("not all of the step is kept")
		}
		w.State[1], w.Awaited[0].ID, w.TimedOut[0], w.Failure.Name = ' ', "spoilt", "spoilt", "spoilt"
		*r.Input.ExecutionUnits = 7
		r.Input.Data[1], r.Input.Extensions[0].Value[1] = ' ', 'b'
		r.Input.Extensions[0].Name = "spoilt"
		r.Produced[0].Data[1] = ' '
		r.Produced[1].ID = "spoilt"
	}
	want, wantRecord := fresh()
	w, r := fresh()
	s.keep(w, r)
	spoil(&w, &r)
	s.holds(&want, wantRecord)
	spoil(s.recall(wantRecord.Input.Key()))
	s.holds(&want, wantRecord)
	spoil(&w, &s.history()[0]) // w has been spoilt: it may be so twice
	s.holds(&want, wantRecord)
}

func (s *notebook) lock(m arvo.Locker, want bool) {
	s.Helper()
	if got, err := m.Lock(s.Context(), s.subject); err != nil || got != want {
		s.Errorf("lock: got %v and error %v, want %v", got, err, want)
	}
}

func (s *notebook) unlock(m arvo.Locker) {
	s.Helper()
	if err := m.Unlock(s.Context(), s.subject); err != nil {
		s.Errorf("unlock: %v", err)
	}
}

func holdLock(s *notebook, m arvo.Locker) {
	s.lock(m, true)
	s.lock(m, false)
	s.lock(m, false)
}

func holdUnlock(s *notebook, m arvo.Locker) {
	for range 3 {
		s.lock(m, true)
		s.unlock(m)
	}
}

func holdTwoLocks(s *notebook, m arvo.Locker) {
	other := s.at(s.subject + "#")
	s.lock(m, true)
	other.lock(m, true)
	s.unlock(m)
	other.lock(m, false)
	s.lock(m, true)
}

func holdLockRace(s *notebook, m arvo.Locker) {
	const workers = 8
	got, errs := make([]bool, workers), make([]error, workers)
	var done sync.WaitGroup
	for i := range workers {
		done.Go(func() { got[i], errs[i] = m.Lock(s.Context(), s.subject) })
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		s.Errorf("lock: %v", err)
	}
	held := 0
	for _, ok := range got {
		if ok {
			held++
		}
	}
	if held != 1 {
		s.Errorf("%d hold the lock, want 1", held)
	}
}

func holdLockApart(s *notebook, m arvo.Locker) {
	s.lock(m, true)
	w, r := s.step(1, "in-1")
	s.keep(w, r)
	s.holds(&w, r)
	s.lock(m, false)
	s.unlock(m)
	s.holds(&w, r)
}

// workflowText is a workflow in one form, however its state is written and wherever its times are.
func workflowText(t *testing.T, w *arvo.Workflow) string {
	t.Helper()
	if w == nil {
		return "nothing"
	}
	c := *w
	c.Awaited = slices.Clone(w.Awaited)
	for i := range c.Awaited {
		c.Awaited[i].Due = c.Awaited[i].Due.Truncate(time.Millisecond).UTC()
	}
	if len(w.State) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(w.State))
		decoder.UseNumber()
		var state any
		if err := decoder.Decode(&state); err != nil {
			t.Errorf("the state is not JSON: %v", err)
			return ""
		}
		var err error
		if c.State, err = json.Marshal(state); err != nil {
			t.Errorf("the state: %v", err)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Errorf("the workflow: %v", err)
	}
	return string(text)
}

// recordText is a record in one form, its events to the byte.
func recordText(t *testing.T, r *arvo.Record) string {
	t.Helper()
	if r == nil {
		return "nothing"
	}
	text := fmt.Appendf(nil, "revision %d at %s took ", r.Revision, r.At.Truncate(time.Millisecond).UTC().Format(time.RFC3339Nano))
	var err error
	if text, err = r.Input.AppendJSON(text); err != nil {
		t.Errorf("the input: %v", err)
	}
	for i := range r.Produced {
		if text, err = r.Produced[i].AppendJSON(append(text, "\nproduced "...)); err != nil {
			t.Errorf("event %d that was produced: %v", i+1, err)
		}
	}
	return string(text)
}

// shorten keeps large texts out of the test's output.
func shorten(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
}
