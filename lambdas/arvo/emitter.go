package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A ServiceOption is a part of a [Service].
type ServiceOption interface{ applyToService(*Service) error }

// A ResumableOption is a part of a [Resumable].
type ResumableOption interface{ applyToResumable(*Resumable) error }

// An EmitterOption is a part of a Service and of a Resumable alike: something about what they send.
type EmitterOption func(*emitter) error

func (o EmitterOption) applyToService(s *Service) error { return o(&s.emitter) }

func (o EmitterOption) applyToResumable(r *Resumable) error { return o(&r.emitter) }

// ExecutionUnits is what an output costs that does not say; without it, it is null.
func ExecutionUnits(units float64) EmitterOption {
	return func(e *emitter) error {
		if math.IsNaN(units) || math.IsInf(units, 0) {
			return fmt.Errorf("ExecutionUnits: %v is no finite number", units)
		}
		e.units = &units
		return nil
	}
}

// EmitDomains is where answers go that name no domains: the outputs of a service, the completion of a workflow. The
// default is DomainOrchestrationContext. (The calls of a workflow are local if they do not say otherwise.)
func EmitDomains(domains ...string) EmitterOption {
	return func(e *emitter) error {
		e.emitDomains = slices.Clone(domains)
		return checkDomains("EmitDomains", domains)
	}
}

// ErrorDomains is where system errors go. The default is DomainOrchestrationContext.
func ErrorDomains(domains ...string) EmitterOption {
	return func(e *emitter) error {
		e.errorDomains = slices.Clone(domains)
		return checkDomains("ErrorDomains", domains)
	}
}

func checkDomains(option string, domains []string) error {
	if len(domains) == 0 {
		return fmt.Errorf("%s is empty; DomainLocal is the name of none", option)
	}
	for _, domain := range domains { // the symbols have the form of domains as well
		if domain != DomainLocal && !isDomain(domain) {
			return fmt.Errorf("%s: the domain %q has characters besides lower-case letters, digits and dots", option, domain)
		}
	}
	return nil
}

// Clock is where the time of an output comes from, and from when the Timeout of a call counts. The default is time.Now.
// now is called from several goroutines at once.
func Clock(now func() time.Time) EmitterOption {
	return func(e *emitter) error {
		if now == nil {
			return errors.New("Clock is nil")
		}
		e.now = now
		return nil
	}
}

// An emitter makes the events that a handler sends: what a Service and a Resumable have in common.
type emitter struct {
	contract     *Contract
	units        *float64
	emitDomains  []string
	errorDomains []string
	now          func() time.Time
}

func newEmitter(c *Contract) emitter {
	return emitter{
		contract: c, now: time.Now,
		emitDomains: []string{DomainOrchestrationContext}, errorDomains: []string{DomainOrchestrationContext},
	}
}

// emit completes d to an output of the handling of in and appends one event for each distinct domain. The draft's
// addresses are encoded already; its subject and parent are set.
func (m *emitter) emit(events []Event, in *Event, where *DomainContext, d *Draft, data json.RawMessage, index string, domains []string) ([]Event, error) {
	id := strings.TrimSpace(d.ID)
	var room [4]string
	for _, d.Domain = range where.resolve(room[:0], domains) {
		d.ID = id
		var err error
		if events, err = m.make(events, in, d, data, index); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// make appends one event made of d, in d.Domain. What d does not say of id, source, access control, cost and time, it fills in.
func (m *emitter) make(events []Event, in *Event, d *Draft, data json.RawMessage, index string) ([]Event, error) {
	d.Source = m.contract.spec.Type
	if d.ID == "" {
		d.ID = DeriveID(in.Subject, in.Source, in.ID, d.Source, index, d.Domain)
	}
	if d.AccessControl == "" {
		d.AccessControl = in.AccessControl
	}
	if d.ExecutionUnits == nil {
		d.ExecutionUnits = m.units
	}
	if d.Time == "" {
		d.Time = formatTime(m.now())
	}
	events = append(events, Event{})
	e := &events[len(events)-1] // made where it stays: an event is large
	if err := e.complete(d, data, nil); err != nil {
		return nil, err
	}
	if size := serialisedSize(e); size > maxOutput {
		return nil, &tooLarge{e.Type, size}
	}
	return events, nil
}

// encodeAddress encodes what an author gave for to or redirectto.
func encodeAddress(what, attribute, address string) (string, error) {
	encoded, ok := encodeURI(address)
	if !ok {
		return "", &ValidationError{what, []Issue{{[]string{attribute}, CodeCustom, "URI malformed: not UTF-8"}}}
	}
	return encoded, nil
}

// systemError is the draft of the event that says that the handler failed. Its data is systemErrorData.
func (m *emitter) systemError() Draft {
	return Draft{Type: m.contract.SystemErrorType(), DataSchema: m.contract.URI() + "/" + WildcardVersion}
}

// broken is the violation for an output that is no event or none of the contract's.
func broken(err error) error { return &Violation{Kind: KindContract, Message: err.Error(), Cause: err} }

// forHost is err if it is for the host and no answer, else nil.
func forHost(ctx context.Context, err error) error {
	switch {
	case IsViolation(err):
		return err
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		// The host has run out of time or is stopping: nothing that the requester should hear of as an answer.
		return &Violation{Kind: KindExecution, Message: err.Error(), Cause: err}
	}
	return nil
}

// guard, deferred, makes a panic an Execution violation. It is a violation and not a system error: it is a defect or a
// broken process and no answer that the implementation has chosen, and a retry, perhaps by the next release, may well
// heal it. The dead-letter queue keeps the event if not.
func guard(events *[]Event, err *error, source, version string) {
	p := recover()
	if p == nil {
		return
	}
	cause, _ := p.(error)
	said := fmt.Sprintf("%T", p) // the value itself may hold the event's data, and messages are logged
	if fault, ok := p.(runtime.Error); ok {
		said = fault.Error()
	}
	*events, *err = nil, &Violation{
		Kind: KindExecution, Message: fmt.Sprintf("panic in %s %s: %s", source, version, said),
		Cause: cause, Metadata: map[string]any{"stack": string(debug.Stack())},
	}
}

// maxOutput leaves room in MaxEvent for what is added on the way: trace context, an extension or two, the envelope.
const maxOutput = MaxEvent - 2<<10

// serialisedSize is the length of e in JSON, or of less than maxOutput when that is certain.
func serialisedSize(e *Event) int {
	text := len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + len(e.DataContentType) + len(e.DataSchema) + len(e.Time) +
		len(e.To) + len(e.AccessControl) + len(e.RedirectTo) + len(e.Traceparent) + len(e.Tracestate) + len(e.ParentID) + len(e.Domain)
	for _, x := range e.Extensions {
		text += len(x.Name) + len(x.Value)
	}
	// No character needs more than six bytes, names and punctuation fewer than 512 plus four an extension.
	if most := 6*text + len(e.Data) + 512 + 4*len(e.Extensions); most <= maxOutput {
		return most
	}
	b, err := e.AppendJSON(nil)
	if err != nil { // complete has validated it
		return 0
	}
	return len(b)
}

// tooLarge is the answer in place of an output that no bus would carry.
type tooLarge struct {
	eventType string
	size      int
}

func (e *tooLarge) Error() string {
	return fmt.Sprintf("the event %s is %d bytes, over the limit of %d", e.eventType, e.size, maxOutput)
}

// ErrorName is the errorName of the system error.
func (e *tooLarge) ErrorName() string { return "EventTooLarge" }
