package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A Memory keeps workflows between their steps. It is the ground that the promises of a [Resumable] stand on:
//
//   - A step is kept whole or not at all: the new Workflow and the Record of the input that caused it.
//   - Of two steps that were taken from one revision only the first is kept; the other gets [ErrRevision].
//   - What Recall returns is at least as new as every Commit that had returned when it was called.
//   - Events come back as they were, to the byte of their JSON. A State may come back with other white space and escapes.
//     Times come back at least to the millisecond.
//   - What is handed to it, and what it returns, is the caller's to change.
//
// arvotest.TestMemory checks them. A Memory is safe for concurrent use. Its errors need not be violations: a Resumable
// makes them so.
//
// A Memory keeps any subject of up to 1,000 bytes, inputs of any source and id, states of up to 256 KiB, and steps whose
// events have up to 350 KiB together, as JSON. What is larger it may refuse, with an error that is ErrTooLarge; the
// workflow then fails, and says so. For that a workflow that is active has to leave some room: that it has failed makes it
// larger by the [Failure], of less than 4 KiB as JSON.
type Memory interface {
	// Recall returns the workflow of a subject, and the record of an input if that one was taken before. Either is nil when
	// there is none.
	Recall(ctx context.Context, subject string, input Key) (*Workflow, *Record, error)

	// Commit keeps the state that a step led to, and the step. w.Revision and r.Revision are the same, one more than that of
	// the workflow that was recalled, 1 for the first. ErrRevision, perhaps wrapped, says that the revision is taken or that
	// the record's input is: the step has to be taken again from what Recall returns now.
	Commit(ctx context.Context, subject string, w Workflow, r Record) error

	// History lists the steps of a subject by revision.
	History(ctx context.Context, subject string) ([]Record, error)
}

// What a Commit may be refused for.
var (
	// ErrRevision says that a workflow has moved on since it was recalled.
	ErrRevision = errors.New("the workflow has moved on")
	// ErrTooLarge says that a step is too large to be kept, now or ever.
	ErrTooLarge = errors.New("the step is too large to be kept")
)

// A Locker is a Memory that lets one step of a subject be taken at a time. None has to: revisions keep steps apart as
// well, and a lock costs two more calls of a store. It saves work where steps of one workflow often meet.
type Locker interface {
	Memory
	// Lock reports false when another holds the lock, after it has waited for it as long as it likes: the step is not taken
	// then, and its event comes again. A lock must end by itself after a while: its holder may die.
	Lock(ctx context.Context, subject string) (bool, error)
	// Unlock gives the lock back. What goes wrong with that is not the workflow's failure.
	Unlock(ctx context.Context, subject string) error
}

// A MemoryError is the cause of a violation of KindTransaction: what a memory has failed at.
type MemoryError struct {
	Failed string // one of the constants below
	Err    error  // what the memory said
}

// What a memory fails at, as other Arvo implementations spell it.
const (
	LockUnacquired = "LOCK_UNACQUIRED" // another holds the lock
	LockFailed     = "LOCK_MACHINE_MEMORY_FAILURE"
	ReadFailed     = "READ_MACHINE_MEMORY_FAILURE"
	WriteFailed    = "WRITE_MACHINE_MEMORY_FAILURE" // with ErrRevision as its cause: the workflow moved on, over and over
)

// Error is "[failed] what the memory said".
func (e *MemoryError) Error() string { return "[" + e.Failed + "] " + e.Err.Error() }

// Unwrap returns what the memory said.
func (e *MemoryError) Unwrap() error { return e.Err }

// Contended reports whether nothing is wrong but that many steps of one workflow met: the event should be handled again
// soon, and that should not count as one of its failures.
func (e *MemoryError) Contended() bool {
	var contention interface{ Contended() bool }
	return e.Failed == LockUnacquired || errors.Is(e.Err, ErrRevision) || errors.As(e.Err, &contention) && contention.Contended()
}

func memoryFailed(failed string, err error) error {
	cause := &MemoryError{failed, err}
	return &Violation{Kind: KindTransaction, Message: cause.Error(), Cause: cause}
}

// A Key names an event within its subject, as all who look for duplicates name it.
type Key struct{ Source, ID string }

// Key names the event within its subject.
func (e Event) Key() Key { return Key{Source: e.Source, ID: e.ID} }

// Status is where a workflow stands.
type Status string

// Where workflows stand.
const (
	StatusActive Status = "active" // it awaits events
	StatusDone   Status = "done"   // it has answered; what comes now is ignored
	StatusFailed Status = "failed" // it has answered with a system error; what comes now is ignored
)

// A Workflow is one run of a [Resumable] as its [Memory] keeps it.
type Workflow struct {
	Revision      int64           `json:"revision"` // steps taken
	Status        Status          `json:"status"`
	ParentSubject string          `json:"parentSubject,omitempty"` // on whose behalf it runs
	InitID        string          `json:"initId"`                  // of the event that began it
	AccessControl string          `json:"accesscontrol,omitempty"` // of that event
	State         json.RawMessage `json:"state,omitempty"`         // the author's
	Awaited       []Awaited       `json:"awaited,omitempty"`       // the calls that have no answer, in the order they were made
	TimedOut      []string        `json:"timedOut,omitempty"`      // the ids of the calls that got Timeout for an answer
	Failure       *Failure        `json:"failure,omitempty"`       // with StatusFailed
}

// Due is when the first of the awaited calls times out; ok is false if none ever does.
func (w *Workflow) Due() (due time.Time, ok bool) {
	for i := range w.Awaited {
		if d := w.Awaited[i].Due; !d.IsZero() && (!ok || d.Before(due)) {
			due, ok = d, true
		}
	}
	return due, ok
}

// Idle reports whether the workflow is active and awaits nothing: no answer and no timeout wakes it, and whoever began it
// hears nothing more, unless an event comes that it has not asked for. Mostly its author has forgotten a case.
func (w *Workflow) Idle() bool { return w.Status == StatusActive && len(w.Awaited) == 0 }

// Failure is why a workflow failed: the beginning of what its system error says, so that there is room for it where a state
// has filled a memory.
type Failure struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// An Awaited is a call without an answer: what is needed of it to answer in place of a service that never does.
type Awaited struct {
	ID            string    `json:"id"`                      // of the event that was sent
	Type          string    `json:"type"`                    // of that event
	To            string    `json:"to"`                      // who was to answer
	URI           string    `json:"uri"`                     // of the contract that the answer keeps
	Due           time.Time `json:"due,omitzero"`            // when its time is up
	AccessControl string    `json:"accesscontrol,omitempty"` // "": the workflow's
	Domain        string    `json:"domain,omitempty"`
	Traceparent   string    `json:"traceparent,omitempty"`
	Tracestate    string    `json:"tracestate,omitempty"`
}

// A Record is one step of a workflow: the event that it took and the events that it sent.
type Record struct {
	Revision int64     `json:"revision"`
	Input    Event     `json:"input"`
	Produced []Event   `json:"produced"`
	At       time.Time `json:"at"`
}
