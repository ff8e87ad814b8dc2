package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
	"example.com/arvo/lambdas/arvo/internal/jsonschema"
)

// A Service is a handler behind a contract: one implementation for each version. It checks what comes in and what goes
// out; the implementation is left with the business. It is safe for concurrent use as far as its implementations are.
type Service struct {
	contract        *Contract
	implementations map[string]implementation
	units           *float64
	emitDomains     []string
	errorDomains    []string
	now             func() time.Time
}

var _ Handler = (*Service)(nil)

// implementation is the untyped form of what Implement is given: event with checked data in, outputs out.
type implementation func(ctx context.Context, in Event, v *Version) ([]Output, error)

// An Option is a part of a service.
type Option func(*Service) error

// Input is what an implementation gets.
type Input[T any] struct {
	Event   Event    // as it came: Event.Data has members that the contract does not list, and lacks defaults
	Data    T        // Event.Data, read into T
	Version *Version // the version that is spoken
}

// Output is one event that an implementation wants to be sent. What it does not name is not for it to decide: the source
// is the handler, the subject and the parent are the input's.
type Output struct {
	Type           string      // one of the version's EmitTypes
	Data           any         // marshals to what the contract says; cleaned
	To             string      // "": the input's RedirectTo or else its Source
	RedirectTo     string      // "": none; the input's is spent
	AccessControl  string      // "": the input's
	ExecutionUnits *float64    // nil: the service's
	ID             string      // "": derived, see DeriveID
	Time           string      // "": now
	Extensions     []Extension // custom extensions
	Domains        []string    // one copy is sent to each distinct domain; nil: the service's EmitDomains
}

// Implement is the implementation of one version. T is the Go form of the data that the version accepts, usually the
// type that SchemaFor was given. It is read like encoding/json reads, except that a member must be called exactly like
// its field: {"AMOUNT": -5} does not get into a field "amount" past the contract. Defaults of the contract are not filled
// in for what is received; a field of pointer type tells a missing member from a zero.
//
// An error that f returns, if it is or wraps a [Violation], goes to the host. Any other error is an answer: the one event
// sys.<type>.error, whatever outputs came with it. It may have a method ErrorName() string to be told by.
func Implement[T any](version string, f func(ctx context.Context, in Input[T]) ([]Output, error)) Option {
	return func(s *Service) error {
		if _, ok := s.implementations[version]; ok {
			return fmt.Errorf("version %s has two implementations", version)
		}
		if f == nil {
			return fmt.Errorf("version %s: the implementation is nil", version)
		}
		decoder, err := jsonbind.NewDecoder(reflect.TypeFor[T]())
		if err != nil {
			return fmt.Errorf("version %s: input: %w", version, err)
		}
		s.implementations[version] = func(ctx context.Context, in Event, v *Version) ([]Output, error) {
			if _, err := v.accepts.apply(inputFailed, in.Data, jsonschema.Check); err != nil {
				return nil, &Violation{Kind: KindContract, Message: err.Error(), Cause: err}
			}
			input := Input[T]{Event: in, Version: v}
			if err := decoder.Decode(in.Data, &input.Data); err != nil {
				return nil, &Violation{
					Kind: KindContract, Cause: err,
					Message: fmt.Sprintf("%s: the data fits the contract but not the type %s: %v", inputFailed, reflect.TypeFor[T](), err),
				}
			}
			return f(ctx, input)
		}
		return nil
	}
}

const inputFailed = "Input event payload validation failed"

// ExecutionUnits is what an output costs that does not say; without it, it is null.
func ExecutionUnits(units float64) Option {
	return func(s *Service) error {
		s.units = &units
		return nil
	}
}

// EmitDomains is where outputs go that name no domains. The default is DomainOrchestrationContext.
func EmitDomains(domains ...string) Option {
	return func(s *Service) error {
		if len(domains) == 0 {
			return errors.New("EmitDomains is empty; DomainLocal is the name of none")
		}
		s.emitDomains = slices.Clone(domains)
		return nil
	}
}

// ErrorDomains is where system errors go. The default is DomainOrchestrationContext.
func ErrorDomains(domains ...string) Option {
	return func(s *Service) error {
		if len(domains) == 0 {
			return errors.New("ErrorDomains is empty; DomainLocal is the name of none")
		}
		s.errorDomains = slices.Clone(domains)
		return nil
	}
}

// Clock is where the time of an output comes from. The default is time.Now.
func Clock(now func() time.Time) Option {
	return func(s *Service) error {
		s.now = now
		return nil
	}
}

// NewService puts implementations behind a contract. Every version needs one.
func NewService(c *Contract, options ...Option) (*Service, error) {
	if c == nil {
		return nil, errors.New("arvo: service without a contract")
	}
	s := &Service{
		contract: c, implementations: make(map[string]implementation), now: time.Now,
		emitDomains: []string{DomainOrchestrationContext}, errorDomains: []string{DomainOrchestrationContext},
	}
	for _, option := range options {
		if err := option(s); err != nil {
			return nil, fmt.Errorf("arvo: service %s: %w", c.Type(), err)
		}
	}
	for number := range s.implementations {
		if !slices.Contains(c.sorted, number) {
			return nil, fmt.Errorf("arvo: service %s: contract %s has no version %s", c.Type(), c.URI(), number)
		}
	}
	for _, number := range c.sorted {
		if s.implementations[number] == nil {
			return nil, fmt.Errorf("arvo: service %s: contract %s requires handler implementation for version %s", c.Type(), c.URI(), number)
		}
	}
	return s, nil
}

// MustService panics on err; it is for services that are put together in a main function.
func MustService(s *Service, err error) *Service {
	if err != nil {
		panic(err)
	}
	return s
}

// Contract is what the service promises.
func (s *Service) Contract() *Contract { return s.contract }

// Source is the source of the service's events and the address that it is reached under: the contract's type.
func (s *Service) Source() string { return s.contract.Type() }

// Handle runs the implementation that the event's dataschema asks for; without one that can be read, the latest. To is
// not looked at: routing is the host's.
//
// The error is always a violation: Config for an event of another type or of a version that there is not; Contract for
// one of another contract, for data that breaks the contract and for outputs that do; Execution when the implementation
// panics or when ctx ends. Anything else the implementation returns is answered with a system error, and so is an output
// that would not fit through the way (see MaxEvent). Handled again, the same input gives the same ids.
func (s *Service) Handle(ctx context.Context, in Event) ([]Event, error) {
	v, err := s.version(in)
	if err != nil {
		return nil, err
	}
	outputs, err := s.run(ctx, in, v)
	if err == nil {
		var events []Event
		if events, err = s.emit(in, v, outputs); err == nil {
			return events, nil
		}
	}
	switch {
	case IsViolation(err):
		return nil, err
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		// The host has run out of time or is stopping: nothing that the requester should hear of as an answer.
		return nil, &Violation{Kind: KindExecution, Message: err.Error(), Cause: err}
	}
	return s.fail(in, v, err)
}

// version finds the version that an event asks for.
func (s *Service) version(in Event) (*Version, error) {
	if in.Type != s.contract.Type() {
		return nil, &Violation{Kind: KindConfig, Message: fmt.Sprintf(
			"Event type mismatch: handler expects '%s' but the event is '%s'", s.contract.Type(), in.Type)}
	}
	uri, number, ok := ParseDataSchema(in.DataSchema)
	if !ok {
		number = "latest"
	}
	if uri != "" && uri != s.contract.URI() {
		return nil, &Violation{Kind: KindContract, Message: fmt.Sprintf(
			"Contract URI mismatch: handler expects '%s' but the dataschema of the event is '%s'", s.contract.URI(), in.DataSchema)}
	}
	v, err := s.contract.Version(number)
	if err != nil {
		return nil, &Violation{Kind: KindConfig, Cause: err, Message: fmt.Sprintf(
			"Invalid contract version: %s. Available versions: %s", number, strings.Join(s.contract.sorted, ", "))}
	}
	return v, nil
}

// run calls the implementation. A panic is a violation and not a system error: it is a defect or a broken process and no
// answer that the implementation has chosen, and a retry, perhaps by the next release, may well heal it. The dead-letter
// queue keeps the event if not.
func (s *Service) run(ctx context.Context, in Event, v *Version) (outputs []Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			cause, _ := p.(error)
			said := fmt.Sprintf("%T", p) // the value itself may hold the event's data, and messages are logged
			if fault, ok := p.(runtime.Error); ok {
				said = fault.Error()
			}
			outputs, err = nil, &Violation{
				Kind: KindExecution, Message: fmt.Sprintf("panic in %s %s: %s", s.Source(), v.number, said),
				Cause: cause, Metadata: map[string]any{"stack": string(debug.Stack())},
			}
		}
	}()
	return s.implementations[v.number](ctx, in, v)
}

// emit makes the events of what the implementation returned. The error is a violation, or tooLarge.
func (s *Service) emit(in Event, v *Version, outputs []Output) ([]Event, error) {
	if len(outputs) == 0 {
		return nil, nil
	}
	events := make([]Event, 0, len(outputs))
	for i := range outputs {
		var err error
		if events, err = s.emitOne(events, in, v, i, &outputs[i]); err != nil {
			var large *tooLarge
			if errors.As(err, &large) {
				return nil, err
			}
			return nil, &Violation{Kind: KindContract, Message: err.Error(), Cause: err}
		}
	}
	return events, nil
}

func (s *Service) emitOne(events []Event, in Event, v *Version, index int, out *Output) ([]Event, error) {
	schema, ok := v.emits[out.Type]
	if !ok {
		return nil, unknownEmit(out.Type)
	}
	data, err := cleaned(emitFailed, schema, out.Data)
	if err != nil {
		return nil, err
	}
	d := Draft{
		ID: out.ID, Type: out.Type, DataSchema: v.dataSchema, Time: out.Time, ExecutionUnits: out.ExecutionUnits,
		AccessControl: out.AccessControl, Extensions: out.Extensions,
	}
	if d.ExecutionUnits == nil {
		d.ExecutionUnits = s.units
	}
	if d.To, ok = encodeURI(out.To); !ok {
		return nil, &ValidationError{emitFailed, []Issue{{[]string{"to"}, CodeCustom, "URI malformed: not UTF-8"}}}
	}
	if d.RedirectTo, ok = encodeURI(out.RedirectTo); !ok {
		return nil, &ValidationError{emitFailed, []Issue{{[]string{"redirectto"}, CodeCustom, "URI malformed: not UTF-8"}}}
	}
	if d.To == "" {
		d.To = in.RedirectTo
	}
	domains := out.Domains
	if len(domains) == 0 {
		domains = s.emitDomains
	}
	return s.reply(events, in, d, data, strconv.Itoa(index), domains)
}

// fail makes the system error event of err.
func (s *Service) fail(in Event, v *Version, err error) ([]Event, error) {
	d := Draft{
		Type: s.contract.SystemErrorType(), DataSchema: s.contract.URI() + "/" + WildcardVersion, ExecutionUnits: s.units,
	}
	events, err := s.reply(nil, in, d, systemErrorData(err), "error", s.errorDomains)
	if err != nil {
		return nil, &Violation{Kind: KindContract, Message: err.Error(), Cause: err}
	}
	return events, nil
}

// reply completes d to an answer to in and appends one event for each distinct domain. What comes from the input is
// encoded already.
func (s *Service) reply(events []Event, in Event, d Draft, data json.RawMessage, index string, domains []string) ([]Event, error) {
	d.Source, d.Subject, d.ParentID = s.Source(), in.Subject, in.ID
	if d.To == "" {
		d.To = in.Source
	}
	if d.AccessControl == "" {
		d.AccessControl = in.AccessControl
	}
	if d.Time == "" {
		d.Time = formatTime(s.now())
	}
	id := strings.TrimSpace(d.ID)
	where := DomainContext{SelfContract: s.contract, EventContract: s.contract, TriggeringEvent: in}
	var room [4]string
	resolved := room[:0]
	for _, domain := range domains {
		d.Domain = where.Resolve(domain)
		if slices.Contains(resolved, d.Domain) {
			continue
		}
		resolved = append(resolved, d.Domain)
		if d.ID = id; id == "" {
			d.ID = DeriveID(in.Subject, in.Source, in.ID, s.Source(), index, d.Domain)
		}
		e, err := complete(&d, data, nil)
		if err != nil {
			return nil, err
		}
		if size := serialisedSize(&e); size > maxOutput {
			return nil, &tooLarge{e.Type, size}
		}
		events = append(events, e)
	}
	return events, nil
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
