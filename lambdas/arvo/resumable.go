package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
	"example.com/arvo/lambdas/arvo/internal/jsonschema"
	"example.com/arvo/lambdas/jsontext"
)

// A Resumable is a workflow behind the contract of an orchestrator: a handler that remembers. It has one implementation
// for each version, a function that is called once for each event rather than one that blocks until its calls are
// answered; what it leaves in its state is there when the next event comes. See [Resume] and [Step].
//
// It is safe for concurrent use as far as its implementations and its memory are.
type Resumable struct {
	emitter
	memory          Memory
	locker          Locker // nil: steps are not locked
	locking         *bool
	implementations map[string]resumption
	callees         map[string]*Version // by the type that is sent to them
	repliers        map[string]*Version // by the type that is heard of them
	stamp           func(ctx context.Context, cause, out Event) Event
	jitter          func() float64
}

// resumption is the untyped form of what Resume is given. It returns the new state.
type resumption func(ctx context.Context, a *attempt) (json.RawMessage, error)

type resumableOption func(*Resumable) error

func (o resumableOption) applyToResumable(r *Resumable) error { return o(r) }

// Resume is the implementation of one version.
//
// S is the author's state. It is kept as encoding/json writes it, between any two steps, so what is in unexported fields
// is gone in the next one. A new release reads the state that an old one has left.
//
// I is the Go form of the data that starts the version, without [ParentSubject]; it is read like the T of [Implement].
//
// f is called for each event that the workflow takes, see [Step]. It has to be pure: what it does is to change the state
// and to ask for events. It may be called several times for one event, with the same state, when other steps come first
// or the host dies; what one of these calls has led to is kept and sent, and what the others have is forgotten.
//
// An error that f returns, if it is or wraps a [Violation], goes to the host, and the workflow stays as it was. Any other
// error ends the workflow as failed: the one event sys.<type>.error goes to whoever began it, whatever f had asked for
// besides.
func Resume[S, I any](version string, f func(ctx context.Context, step *Step[S, I]) error) ResumableOption {
	return resumableOption(func(r *Resumable) error {
		if _, ok := r.implementations[version]; ok {
			return &Violation{Kind: KindConfig, Message: fmt.Sprintf("version %s has two implementations", version)}
		}
		if f == nil {
			return fmt.Errorf("version %s: the implementation is nil", version)
		}
		decoder, err := jsonbind.NewDecoder(reflect.TypeFor[I]())
		if err != nil {
			return fmt.Errorf("version %s: init: %w", version, err)
		}
		if v := r.contract.versions[version]; v != nil {
			if err := related(reflect.TypeFor[I](), v.accepts); err != nil {
				return fmt.Errorf("version %s: init: %w", version, err)
			}
		}
		var unsupported *json.UnsupportedTypeError
		if _, err := json.Marshal(new(S)); errors.As(err, &unsupported) {
			return fmt.Errorf("version %s: state: %w", version, err)
		}
		r.implementations[version] = func(ctx context.Context, a *attempt) (json.RawMessage, error) {
			var run struct {
				step  Step[S, I]
				state S
				init  I
			}
			step := &run.step
			*step = Step[S, I]{Event: *a.in, State: &run.state, Version: a.self, Subject: *a.subject, attempt: a}
			if len(a.state) > 0 {
				if err := json.Unmarshal(a.state, &run.state); err != nil {
					return nil, &Violation{
						Kind: KindExecution, Cause: err,
						Message: fmt.Sprintf("the state that is kept does not fit the type %s%s", reflect.TypeFor[S](), misfit(err)),
					}
				}
			}
			if a.init {
				step.Init = &run.init
				if err := bind(decoder, a.in.Data, step.Init); err != nil {
					return nil, err
				}
			}
			if err := f(ctx, step); err != nil {
				return nil, err
			}
			state, err := jsontext.Marshal(step.State)
			if err != nil {
				return nil, &Violation{Kind: KindExecution, Message: "the state has no JSON form" + culprit(err), Cause: err}
			}
			return state, nil
		}
		return nil
	})
}

// misfit says where a text does not fit its Go type, without the text, which encoding/json's own message quotes.
func misfit(err error) string {
	if at, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if at.Field == "" {
			return fmt.Sprintf(": it is no %s", at.Type)
		}
		return fmt.Sprintf(": %s is no %s", at.Field, at.Type)
	}
	return "" // what a type that reads itself says of it may be anything
}

// Calls are the contracts, by version, that the workflow sends to and hears from. Each has another URI, none is the
// workflow's own, and no two of them accept or emit one type: an answer is told by its type.
func Calls(services ...*Version) ResumableOption {
	return resumableOption(func(r *Resumable) error {
		refuse := func(format string, args ...any) error {
			return &Violation{Kind: KindConfig, Message: fmt.Sprintf(format, args...)}
		}
		for _, v := range services {
			switch {
			case v == nil:
				return errors.New("Calls: a version is nil")
			case v.contract.URI() == r.contract.URI() || v.contract.Type() == r.contract.Type():
				return refuse("Calls: %s is the workflow's own contract; a workflow that calls itself may never end", v.contract.URI())
			}
			for _, other := range r.callees {
				if other.contract.URI() == v.contract.URI() {
					return refuse("Calls: the contract %s is there twice", v.contract.URI())
				}
			}
			if other, ok := r.callees[v.contract.Type()]; ok {
				return refuse("Calls: %s and %s both accept %s", other.contract.URI(), v.contract.URI(), v.contract.Type())
			}
			r.callees[v.contract.Type()] = v
			for _, t := range append([]string{v.contract.SystemErrorType()}, v.emitTypes...) {
				if other, ok := r.repliers[t]; ok {
					return refuse("Calls: %s and %s both emit %s", other.contract.URI(), v.contract.URI(), t)
				}
				r.repliers[t] = v
			}
		}
		return nil
	})
}

// Stamp is what the host adds to each event that a step sends before it is kept, so that it is kept with it and sent alike
// whenever the step's event comes again: trace context, extensions. cause is the event that the step takes. The default
// gives the output the cause's trace context. It must leave alone what tells where the event goes, and may add some two
// kilobytes. f is called from several goroutines at once.
func Stamp(f func(ctx context.Context, cause, out Event) Event) ResumableOption {
	return resumableOption(func(r *Resumable) error {
		if f == nil {
			return errors.New("Stamp is nil")
		}
		r.stamp = f
		return nil
	})
}

// Locking says whether a step locks its subject first, which needs a memory that is a [Locker]. The default is to lock if
// the memory can and more than one service is called. A workflow is right without: see Locker.
func Locking(on bool) ResumableOption {
	return resumableOption(func(r *Resumable) error {
		r.locking = &on
		return nil
	})
}

// Jitter is where the randomness of pauses comes from. When another step of a workflow has been kept first, a step pauses
// before it is taken again, for the share f() in [0, 1) of 10 ms at first and of 500 ms in the end, so that steps that have met
// do not meet again. The default is math/rand/v2's. f is called from several goroutines at once, for which a rand.Rand of
// one's own is not made. What a step comes to does not depend on it.
func Jitter(f func() float64) ResumableOption {
	return resumableOption(func(r *Resumable) error {
		if f == nil {
			return errors.New("Jitter is nil")
		}
		r.jitter = f
		return nil
	})
}

// NewResumable puts implementations behind the contract of an orchestrator. Every version needs one.
func NewResumable(c *Contract, memory Memory, options ...ResumableOption) (*Resumable, error) {
	if c == nil {
		return nil, errors.New("arvo: workflow without a contract")
	}
	fail := func(format string, args ...any) (*Resumable, error) {
		return nil, fmt.Errorf("arvo: workflow %s: "+format, append([]any{c.Type()}, args...)...)
	}
	if memory == nil {
		return fail("there is no memory")
	}
	if !c.IsOrchestrator() {
		return fail("the contract %s is not of an orchestrator", c.URI())
	}
	r := &Resumable{
		emitter: newEmitter(c), memory: memory, implementations: make(map[string]resumption),
		callees: make(map[string]*Version), repliers: make(map[string]*Version), jitter: rand.Float64,
		stamp: func(_ context.Context, cause, out Event) Event {
			return out.WithTrace(cause.Traceparent, cause.Tracestate)
		},
	}
	for _, option := range options {
		if err := option.applyToResumable(r); err != nil {
			return fail("%w", err)
		}
	}
	for number := range r.implementations {
		if !slices.Contains(c.sorted, number) {
			return fail("contract %s has no version %s", c.URI(), number)
		}
	}
	for _, number := range c.sorted {
		if r.implementations[number] == nil {
			return fail("contract %s requires handler implementation for version %s", c.URI(), number)
		}
	}
	locker, ok := memory.(Locker)
	switch {
	case r.locking == nil && len(r.callees) > 1, r.locking != nil && *r.locking && ok:
		r.locker = locker
	case r.locking != nil && *r.locking:
		return fail("Locking: the memory %T is no Locker", memory)
	}
	return r, nil
}

// MustResumable panics on err; it is for workflows that are put together in a main function.
func MustResumable(r *Resumable, err error) *Resumable {
	if err != nil {
		panic(err)
	}
	return r
}

// Contract is what the workflow promises.
func (r *Resumable) Contract() *Contract { return r.contract }

// Source is the source of the workflow's events and the address that it is reached under: the contract's type.
func (r *Resumable) Source() string { return r.contract.Type() }

// Handle takes one step of the workflow that the event's subject names: it recalls the workflow, calls the implementation
// that the subject asks for, keeps what that has led to and returns the events to be sent. The host sends them; if it dies
// before that and the event comes again, Handle returns exactly these events once more.
//
// Nothing happens, and there is neither an event nor an error, when the event is not for this workflow or comes too late:
// the subject is another orchestrator's, the workflow is over or has begun already, an answer has no workflow, or the call
// that it answers has timed out.
//
// The error is always a violation, and leaves the workflow as it was: Execution when the subject is none of an
// orchestration, when the implementation panics, when ctx ends; Config for a version that there is not and for a type that
// nobody emits who is called; Contract for data that breaks a contract, on the way in and out; Transaction when the memory
// fails, with a [*MemoryError] as its cause. (If it failed after it had kept the step, that is found when the event comes
// again.) Any other error of the implementation is answered: see [Resume].
func (r *Resumable) Handle(ctx context.Context, in Event) (events []Event, err error) {
	subject, err := ParseSubject(in.Subject)
	if err != nil {
		return nil, &Violation{
			Kind: KindExecution, Cause: err,
			Message: fmt.Sprintf("the subject of the event (id=%s) is not that of an orchestration: %v", in.ID, err),
		}
	}
	if subject.Orchestrator.Name != r.Source() {
		return nil, nil
	}
	defer guard(&events, &err, r.Source(), subject.Orchestrator.Version)
	if r.locker != nil {
		locked, err := r.locker.Lock(ctx, in.Subject)
		switch {
		case err != nil:
			return nil, memoryFailed(LockFailed, err)
		case !locked:
			return nil, memoryFailed(LockUnacquired, errors.New("another step is being taken"))
		}
		defer r.unlock(ctx, in.Subject)
	}
	return r.persist(ctx, &in, &subject)
}

// unlock gives the lock back even when ctx has ended: the next step need not wait for the lock to end by itself.
func (r *Resumable) unlock(ctx context.Context, subject string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.locker.Unlock(ctx, subject) // the step is taken or is not; the lock ends by itself
}

// How long a step that others overtake pauses before it is taken again, and for how long in all if ctx has no deadline.
// With one, it is until four fifths of the time to it are gone.
const (
	firstPause    = 10 * time.Millisecond
	longestPause  = 500 * time.Millisecond
	patience      = 5 * time.Second
	patienceShare = 0.8
)

// persist takes the step until it is kept.
func (r *Resumable) persist(ctx context.Context, in *Event, subject *Subject) ([]Event, error) {
	begun := time.Now()
	end := begun.Add(patience)
	if deadline, ok := ctx.Deadline(); ok {
		end = begun.Add(time.Duration(patienceShare * float64(deadline.Sub(begun))))
	}
	for most := firstPause; ; most = min(2*most, longestPause) {
		events, overtaken, err := r.take(ctx, in, subject)
		if !overtaken {
			return events, err
		}
		pause := time.Duration(r.jitter() * float64(most))
		if time.Now().Add(pause).After(end) {
			return nil, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// take takes the step once. overtaken says that it is to be taken again: err is then what is said if it is not.
func (r *Resumable) take(ctx context.Context, in *Event, subject *Subject) (events []Event, overtaken bool, err error) {
	w, record, err := r.memory.Recall(ctx, in.Subject, in.Key())
	if err != nil {
		return nil, false, memoryFailed(ReadFailed, err)
	}
	if record != nil {
		return record.Produced, false, nil
	}
	init := in.Type == r.Source()
	switch {
	case w == nil && !init, w != nil && (init || w.Status != StatusActive):
		return nil, false, nil
	}
	timeout := r.isTimeout(in)
	if w != nil && late(w, in, timeout) {
		return nil, false, nil
	}
	a, err := r.prepare(in, subject, w, init, timeout)
	if err != nil {
		return nil, false, err
	}
	next, record, err := a.run(ctx)
	if err != nil {
		return nil, false, err
	}
	err = r.memory.Commit(ctx, in.Subject, *next, *record)
	if errors.Is(err, ErrTooLarge) {
		if next, record, err = a.fail(ctx, &stepTooLarge{err}); err != nil {
			return nil, false, err
		}
		err = r.memory.Commit(ctx, in.Subject, *next, *record)
	}
	switch {
	case errors.Is(err, ErrRevision):
		return nil, true, memoryFailed(WriteFailed, err)
	case err != nil:
		return nil, false, memoryFailed(WriteFailed, err)
	}
	return record.Produced, false, nil
}

// stepTooLarge is the failure of a workflow that its memory cannot keep. Like any failure it is the end at once, and nothing
// that the workflow has done is undone: what a state grows by has to be bounded before a workflow begins.
type stepTooLarge struct{ refused error }

func (e *stepTooLarge) Error() string { return e.refused.Error() }

// ErrorName is the errorName of the system error.
func (e *stepTooLarge) ErrorName() string { return "StepTooLarge" }

// late reports whether an event comes after its call's time was up, or a timeout after its answer.
func late(w *Workflow, in *Event, timeout bool) bool {
	if in.ParentID == "" {
		return false
	}
	return slices.ContainsFunc(w.TimedOut, func(id string) bool { return refersTo(in.ParentID, id) }) ||
		timeout && awaitedBy(w.Awaited, in.ParentID) < 0
}

// awaitedBy is the index of the call that a parent id refers to, or -1.
func awaitedBy(awaited []Awaited, parentID string) int {
	return slices.IndexFunc(awaited, func(a Awaited) bool { return refersTo(parentID, a.ID) })
}

// refersTo reports whether a parent id means the event with this id. Other implementations encode the one and not the
// other.
func refersTo(parentID, id string) bool {
	if len(parentID) <= len(id) {
		return parentID == id
	}
	encoded, ok := encodeURI(id)
	return ok && parentID == encoded
}

// prepare checks the event and says what a step begins with.
func (r *Resumable) prepare(in *Event, subject *Subject, w *Workflow, init, timeout bool) (*attempt, error) {
	number := subject.Orchestrator.Version
	if r.implementations[number] == nil {
		return nil, &Violation{Kind: KindConfig, Message: fmt.Sprintf(
			"Invalid contract version: %s. Available versions: %s", number, strings.Join(r.contract.sorted, ", "))}
	}
	self := r.contract.versions[number]
	speaker := self
	if !init {
		if speaker = r.repliers[in.Type]; speaker == nil {
			return nil, &Violation{Kind: KindConfig, Message: fmt.Sprintf(
				"Contract validation failed: no contract that %s calls emits '%s'", r.Source(), in.Type)}
		}
	}
	if err := accept(in, speaker); err != nil {
		return nil, err
	}
	a := &attempt{r: r, in: in, subject: subject, self: self, init: init}
	if init {
		a.initID, a.access = in.ID, in.AccessControl
		var err error
		if a.parent, err = parentOf(in.Data); err != nil {
			return nil, err
		}
		return a, nil
	}
	a.revision, a.state, a.parent, a.initID, a.access = w.Revision, w.State, w.ParentSubject, w.InitID, w.AccessControl
	a.awaited, a.timedOut = w.Awaited, w.TimedOut
	if i := awaitedBy(w.Awaited, in.ParentID); i >= 0 {
		call := w.Awaited[i]
		if in.Source != call.To && in.Source != call.Type {
			return nil, &Violation{Kind: KindContract, Message: fmt.Sprintf(
				"Answer source mismatch: the call '%s' (id=%s) went to '%s' but the event (id=%s) that answers it is of '%s'",
				call.Type, call.ID, call.To, in.ID, in.Source)}
		}
		if call.URI == speaker.contract.URI() && !speaker.contract.IsProgress(in.Type) {
			if timeout {
				a.timedOut = append(w.TimedOut, call.ID)
			}
			a.awaited = slices.Delete(w.Awaited, i, i+1)
		}
	}
	a.open = len(a.awaited)
	return a, nil
}

// accept holds an event against the version that its sender speaks. Its own version may be the wildcard.
func accept(in *Event, v *Version) error {
	uri, number, ok := ParseDataSchema(in.DataSchema)
	switch {
	case !ok:
		return &Violation{Kind: KindContract, Message: fmt.Sprintf(
			"Input validation failed: the dataschema '%s' of the event is not <uri>/<version>", in.DataSchema)}
	case uri != v.contract.URI():
		return &Violation{Kind: KindContract, Message: fmt.Sprintf(
			"Contract URI mismatch: the contract of '%s' is '%s' but the dataschema of the event is '%s'", in.Type, v.contract.URI(), in.DataSchema)}
	case number != v.number && number != WildcardVersion:
		return &Violation{Kind: KindContract, Message: fmt.Sprintf(
			"Contract version mismatch: '%s' is spoken in version %s but the dataschema of the event is '%s'", in.Type, v.number, in.DataSchema)}
	}
	schema, _ := v.Schema(in.Type) // the type is one of the version's
	if _, err := schema.apply(inputFailed, in.Data, jsonschema.Check); err != nil {
		return broken(err)
	}
	return nil
}

// parentOf is the parent's subject in the data of an init, "" for none.
func parentOf(data json.RawMessage) (string, error) {
	parent, _, err := parentSubject(data)
	if err != nil || parent == "" {
		return "", err
	}
	if _, err = ParseSubject(parent); err == nil && !uriEncoded(parent) {
		err = errors.New("it is not URI-encoded")
	}
	if err != nil {
		return "", &Violation{Kind: KindContract, Message: fmt.Sprintf("%s: %s: %v", inputFailed, ParentSubject, err), Cause: err}
	}
	return parent, nil
}

// parentSubject reads the member ParentSubject of data, an object. named is false when there is none; null is "". What else
// may be wrong with it, another type or two of it, is for the schema to say.
func parentSubject(data json.RawMessage) (subject string, named bool, err error) {
	m, err := jsontext.OpenObject(data, jsontext.Space(data, 0), 0)
	for err == nil && m.Next() {
		if m.End, err = jsontext.Value(data, m.Value, 1); err != nil {
			break
		}
		key := ""
		if key, err = m.Key(); err != nil || key != ParentSubject {
			continue
		}
		if named = true; jsontext.KindAt(data, m.Value) == jsontext.String {
			subject, err = jsontext.Unquote(data[m.Value:m.End])
		}
	}
	if _, err = m.Close(err); err != nil {
		return "", false, broken(fmt.Errorf("%s: %w", ParentSubject, err))
	}
	return subject, named, nil
}
