package arvotest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// A Memory is an [arvo.Memory] in process. It keeps copies and hands out copies: nobody can change what is kept but by
// Commit. It is safe for concurrent use, and forgets nothing. The zero value is a memory without any workflow.
//
// Before and After stand where a store is reached: they count its calls, hold them up, and make them fail. They may be
// called from several goroutines at once, have to be set before the first call, and may use the Memory themselves.
type Memory struct {
	// Before is called before anything is done. Its error is the call's, and then nothing is done: the request was lost.
	Before func(ctx context.Context, call Call) error
	// After is called after what has been done without an error. Its error is the call's all the same: the answer was lost.
	After func(ctx context.Context, call Call) error

	mu       sync.Mutex
	subjects map[string]*subject
}

// A Call is one call of a memory.
type Call struct {
	Operation Operation
	Subject   string
}

// An Operation is a method of [arvo.Memory] or [arvo.Locker], by its name.
type Operation string

// The operations of a memory.
const (
	OpRecall  Operation = "Recall"
	OpCommit  Operation = "Commit"
	OpHistory Operation = "History"
	OpLock    Operation = "Lock"
	OpUnlock  Operation = "Unlock"
)

// subject is what is kept of one subject. The step of revision n is records[n-1].
type subject struct {
	workflow arvo.Workflow
	records  []arvo.Record
}

// taken is the index of the record of an input, or -1. A workflow takes a few steps, rarely hundreds: looking through them
// costs less than keeping an index.
func (s *subject) taken(input arvo.Key) int {
	for i := range s.records {
		if e := &s.records[i].Input; e.ID == input.ID && e.Source == input.Source {
			return i
		}
	}
	return -1
}

var _ arvo.Memory = (*Memory)(nil)

// NewMemory returns a memory without any workflow.
func NewMemory() *Memory { return new(Memory) }

// Recall implements [arvo.Memory].
func (m *Memory) Recall(ctx context.Context, subject string, input arvo.Key) (w *arvo.Workflow, r *arvo.Record, err error) {
	err = m.call(ctx, Call{OpRecall, subject}, func() error {
		kept := m.subjects[subject]
		if kept == nil {
			return nil
		}
		workflow := copyWorkflow(&kept.workflow)
		w = &workflow
		if i := kept.taken(input); i >= 0 {
			record := copyRecord(&kept.records[i])
			r = &record
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return w, r, nil
}

// Commit implements [arvo.Memory].
func (m *Memory) Commit(ctx context.Context, name string, w arvo.Workflow, r arvo.Record) error {
	return m.call(ctx, Call{OpCommit, name}, func() error {
		if w.Revision != r.Revision {
			return fmt.Errorf("arvotest: the workflow is of revision %d and its record of %d", w.Revision, r.Revision)
		}
		kept := m.subjects[name]
		if kept == nil {
			kept = new(subject)
		}
		if next := int64(len(kept.records)) + 1; w.Revision != next {
			return fmt.Errorf("arvotest: revision %d does not follow %d: %w", w.Revision, next-1, arvo.ErrRevision)
		}
		if i := kept.taken(r.Input.Key()); i >= 0 {
			return fmt.Errorf("arvotest: the event %q of %s was taken by revision %d: %w", r.Input.ID, r.Input.Source, i+1, arvo.ErrRevision)
		}
		kept.workflow = copyWorkflow(&w)
		kept.records = append(kept.records, copyRecord(&r))
		if m.subjects == nil {
			m.subjects = make(map[string]*subject)
		}
		m.subjects[name] = kept
		return nil
	})
}

// History implements [arvo.Memory].
func (m *Memory) History(ctx context.Context, subject string) (records []arvo.Record, err error) {
	err = m.call(ctx, Call{OpHistory, subject}, func() error {
		if kept := m.subjects[subject]; kept != nil {
			records = make([]arvo.Record, len(kept.records))
			for i := range kept.records {
				records[i] = copyRecord(&kept.records[i])
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// Subjects lists the subjects of the workflows that are kept, in order.
func (m *Memory) Subjects() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.subjects))
}

// Idle lists the subjects of the workflows that are active and await nothing, in order: see [arvo.Workflow.Idle]. A test in
// which all has been delivered wants none.
func (m *Memory) Idle() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var idle []string
	for _, name := range slices.Sorted(maps.Keys(m.subjects)) {
		if m.subjects[name].workflow.Idle() {
			idle = append(idle, name)
		}
	}
	return idle
}

// describeIdle is a line for each workflow that is idle: which it is, and after what.
func (m *Memory) describeIdle() string {
	var text strings.Builder
	for _, name := range m.Idle() {
		m.mu.Lock()
		records := m.subjects[name].records
		last := records[len(records)-1].Input
		m.mu.Unlock()
		who := "workflow"
		if s, err := arvo.ParseSubject(name); err == nil {
			who = s.Orchestrator.Name + " " + s.Orchestrator.Version
		}
		fmt.Fprintf(&text, "%s is active and awaits nothing: after %s it has neither made a call nor completed\n", who, describe(last))
	}
	return text.String()
}

// call does f as a store that is reached by way of Before and After would.
func (m *Memory) call(ctx context.Context, call Call, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Before != nil {
		if err := m.Before(ctx, call); err != nil {
			return err
		}
	}
	err := m.locked(f)
	if err == nil && m.After != nil {
		err = m.After(ctx, call)
	}
	return err
}

func (m *Memory) locked(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f()
}

// lockFor is how long a lock lasts whose holder does not give it back.
const lockFor = time.Minute

// A LockingMemory is a [Memory] that is an [arvo.Locker]: a workflow locks before each step. A lock that is not given
// back ends after a minute. The zero value has neither workflows nor locks.
type LockingMemory struct {
	Memory
	until map[string]time.Time // guarded by Memory.mu
}

var _ arvo.Locker = (*LockingMemory)(nil)

// NewLockingMemory returns a memory without any workflow and without any lock.
func NewLockingMemory() *LockingMemory { return new(LockingMemory) }

// Lock implements [arvo.Locker].
func (m *LockingMemory) Lock(ctx context.Context, subject string) (got bool, err error) {
	err = m.call(ctx, Call{OpLock, subject}, func() error {
		now := time.Now()
		if got = !now.Before(m.until[subject]); got {
			if m.until == nil {
				m.until = make(map[string]time.Time)
			}
			m.until[subject] = now.Add(lockFor)
		}
		return nil
	})
	return got && err == nil, err
}

// Unlock implements [arvo.Locker].
func (m *LockingMemory) Unlock(ctx context.Context, subject string) error {
	return m.call(ctx, Call{OpUnlock, subject}, func() error {
		delete(m.until, subject)
		return nil
	})
}

func copyWorkflow(w *arvo.Workflow) arvo.Workflow {
	c := *w
	c.State = slices.Clone(w.State)
	c.Awaited = slices.Clone(w.Awaited)
	c.TimedOut = slices.Clone(w.TimedOut)
	if w.Failure != nil {
		failure := *w.Failure
		c.Failure = &failure
	}
	return c
}

func copyRecord(r *arvo.Record) arvo.Record {
	c := *r
	c.Input = copyEvent(&r.Input)
	c.Produced = make([]arvo.Event, len(r.Produced))
	for i := range r.Produced {
		c.Produced[i] = copyEvent(&r.Produced[i])
	}
	return c
}

func copyEvent(e *arvo.Event) arvo.Event {
	c := *e
	c.Data = slices.Clone(e.Data)
	if e.ExecutionUnits != nil {
		units := *e.ExecutionUnits
		c.ExecutionUnits = &units
	}
	if e.Extensions != nil {
		c.Extensions = make([]arvo.Extension, len(e.Extensions))
		for i, x := range e.Extensions {
			c.Extensions[i] = arvo.Extension{Name: x.Name, Value: slices.Clone[json.RawMessage](x.Value)}
		}
	}
	return c
}
