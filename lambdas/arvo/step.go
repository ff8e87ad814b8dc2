package arvo

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
)

// A Step is one event on its way through a workflow: what came, what is known, and the means to go on. It is for the one
// call of the implementation that it is given to, and for one goroutine.
type Step[S, I any] struct {
	Event   Event    // what is handled: the event that begins the workflow, or an answer to a call
	Init    *I       // the data of the event that begins the workflow, nil in later steps
	State   *S       // the author's; what is in it when the implementation returns is kept. Zero before the first step
	Version *Version // the version of the workflow's contract, as its subject says
	Subject Subject  // the workflow's; Event.Subject is its text

	attempt *attempt
}

// A Call is an event that a workflow wants to be sent to a service, or to another workflow.
type Call struct {
	// Type is what the callee accepts. If it is one of those of Calls, the data is cleaned by that contract, and an answer
	// is awaited. Any other type is sent as it is, unchecked, and nothing is awaited, as for a note to whom it may concern.
	// That goes for a misspelt type, too, unless the call has a Timeout: one that nobody answers is refused.
	Type string

	// Data marshals to what the contract says. The data of a call to another workflow need not name its ParentSubject: the
	// answer then comes to this one. If it does, null begins a process that nobody waits for, and another subject a process
	// that answers there.
	Data any

	Timeout        time.Duration // until the answer is given up: see [Timeouts]. 0: never
	To             string        // "": Type
	RedirectTo     string        // "": the workflow. The answer to an address of another's is not awaited
	AccessControl  string        // "": that of the event that is handled
	ExecutionUnits *float64      // nil: the workflow's
	ID             string        // "": derived, see DeriveID. Not that of another call that is awaited or has timed out
	Time           string        // "": now
	Extensions     []Extension   // custom extensions
	Domains        []string      // one copy is sent to each distinct domain; nil: DomainLocal
}

// A Completion is the answer of a workflow.
type Completion struct {
	Data           any      // marshals to what the contract says; cleaned
	ID             string   // "": derived, see DeriveID
	ExecutionUnits *float64 // nil: the workflow's
	AccessControl  string   // "": that of the event that is handled
	Domains        []string // one copy is sent to each distinct domain; nil: the workflow's EmitDomains
}

// Call asks for an event to be sent once the step is kept, and returns the id that it will have, the first if there is one
// for each of several domains. The id is the same however often the step is taken, so it may go into the state, and into
// what undoes the call before that is answered.
//
// The event is made at once, so the data may be changed afterwards. If it breaks the contract, the step ends as a violation
// when the implementation returns, and the id is "". If it would not fit through the way, the workflow fails.
func (s *Step[S, I]) Call(c Call) (id string) { return s.attempt.call(&c) }

// Complete ends the workflow with an answer to whoever began it: to the redirectto in its subject's meta or else the
// subject's initiator, on the parent's subject if it has a parent. Calls of the same step are sent first, and what is
// answered to them and to earlier ones is ignored.
func (s *Step[S, I]) Complete(c Completion) { s.attempt.setCompletion(&c) }

// Data reads the data of the event into v, a pointer, with members called exactly like its fields, as for [Input]. The
// contract holds for the data already; what does not fit the Go type is a Contract violation, to be returned. Fields whose
// members the data has not stay as they are, so one struct may serve the answers of several services.
func (s *Step[S, I]) Data(v any) error {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(v).IsNil() {
		return &Violation{Kind: KindExecution, Message: fmt.Sprintf("Step.Data needs a pointer that is not nil, not %T", v)}
	}
	decoder, err := decoderFor(t.Elem())
	if err != nil {
		return &Violation{Kind: KindExecution, Message: "Step.Data: " + err.Error(), Cause: err}
	}
	return bind(decoder, s.attempt.in.Data, v)
}

// Awaited counts the calls of earlier steps that have no answer yet; if the event that is handled is an answer, that one has
// come. A workflow that has sent several calls at once and wants all the answers goes on when it is 0:
//
//	if s.Awaited() > 0 {
//		return nil // the others are still to come
//	}
//
// The calls of this step do not count.
func (s *Step[S, I]) Awaited() int { return s.attempt.open }

// Replies are all events that the workflow has taken since it began, in the order that it took them, the one that is
// handled last. They are read from the history when asked for, so a workflow that needs them once need not keep them in its
// state; one that needs them in each step is better off with a counter there.
func (s *Step[S, I]) Replies(ctx context.Context) ([]Event, error) { return s.attempt.replies(ctx) }

func (a *attempt) replies(ctx context.Context) ([]Event, error) {
	if a.init {
		return nil, nil
	}
	records, err := a.r.memory.History(ctx, a.in.Subject)
	if err != nil {
		return nil, memoryFailed(ReadFailed, err)
	}
	var events []Event
	known := int64(0)
	for _, r := range records {
		// What others have added since the workflow was recalled is not of this step: it will be taken again after them.
		if r.Revision > a.revision {
			continue
		}
		known++
		if r.Input.Type != a.r.Source() {
			events = append(events, r.Input)
		}
	}
	if known != a.revision {
		return nil, memoryFailed(ReadFailed, fmt.Errorf("the history has %d of %d steps", known, a.revision))
	}
	return append(slices.Clip(events), *a.in), nil
}

// decoders keeps what reflection finds out about a type.
var decoders sync.Map // reflect.Type -> *jsonbind.Decoder

func decoderFor(t reflect.Type) (*jsonbind.Decoder, error) {
	if d, ok := decoders.Load(t); ok {
		return d.(*jsonbind.Decoder), nil
	}
	d, err := jsonbind.NewDecoder(t)
	if err != nil {
		return nil, err
	}
	decoders.Store(t, d)
	return d, nil
}

// bind reads received data, for which its contract holds, into v.
func bind(d *jsonbind.Decoder, data []byte, v any) error {
	if err := d.Decode(data, v); err != nil {
		return &Violation{
			Kind: KindContract, Cause: err,
			Message: fmt.Sprintf("%s: the data fits the contract but not the type %s: %v", inputFailed, reflect.TypeOf(v).Elem(), err),
		}
	}
	return nil
}
