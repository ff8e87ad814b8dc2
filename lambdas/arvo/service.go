package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
	"example.com/arvo/lambdas/arvo/internal/jsonschema"
)

// A Service is a handler behind a contract: one implementation for each version. It checks what comes in and what goes
// out; the implementation is left with the business. It is safe for concurrent use as far as its implementations are.
type Service struct {
	emitter
	implementations map[string]implementation
}

// implementation is the untyped form of what Implement is given: event with checked data in, outputs out.
type implementation func(ctx context.Context, in Event, v *Version) ([]Output, error)

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
// in for what is received; a field of pointer type tells a missing member from a zero. A struct none of whose members the
// contract lists is refused.
//
// An error that f returns, if it is or wraps a [Violation], goes to the host. Any other error is an answer: the one event
// sys.<type>.error, whatever outputs came with it. It may have a method ErrorName() string to be told by.
func Implement[T any](version string, f func(ctx context.Context, in Input[T]) ([]Output, error)) ServiceOption {
	return serviceOption(func(s *Service) error {
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
		if v := s.contract.versions[version]; v != nil {
			if err := related(reflect.TypeFor[T](), v.accepts); err != nil {
				return fmt.Errorf("version %s: input: %w", version, err)
			}
		}
		s.implementations[version] = func(ctx context.Context, in Event, v *Version) ([]Output, error) {
			if _, err := v.accepts.apply(inputFailed, in.Data, jsonschema.Check); err != nil {
				return nil, &Violation{Kind: KindContract, Message: err.Error(), Cause: err}
			}
			data := new(T)
			if err := bind(decoder, in.Data, data); err != nil {
				return nil, err
			}
			return f(ctx, Input[T]{Event: in, Data: *data, Version: v})
		}
		return nil
	})
}

type serviceOption func(*Service) error

func (o serviceOption) applyToService(s *Service) error { return o(s) }

// inputFailed begins what is said of received data that breaks its contract.
const inputFailed = "Input event payload validation failed"

// NewService puts implementations behind a contract. Every version needs one.
func NewService(c *Contract, options ...ServiceOption) (*Service, error) {
	if c == nil {
		return nil, errors.New("arvo: service without a contract")
	}
	s := &Service{emitter: newEmitter(c), implementations: make(map[string]implementation)}
	for _, option := range options {
		if err := option.applyToService(s); err != nil {
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
func (s *Service) Handle(ctx context.Context, in Event) (events []Event, err error) {
	v, err := s.version(&in)
	if err != nil {
		return nil, err
	}
	defer guard(&events, &err, s.contract.spec.Type, v.number)
	outputs, err := s.implementations[v.number](ctx, in, v)
	if err == nil {
		if events, err = s.answer(&in, v, outputs); err == nil {
			return events, nil
		}
	}
	if violation := forHost(ctx, err); violation != nil {
		return nil, violation
	}
	return s.fail(&in, err)
}

// version finds the version that an event asks for.
func (s *Service) version(in *Event) (*Version, error) {
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

// answer makes the events of what the implementation returned. The error is a violation, or tooLarge.
func (s *Service) answer(in *Event, v *Version, outputs []Output) ([]Event, error) {
	if len(outputs) == 0 {
		return nil, nil
	}
	events := make([]Event, 0, len(outputs))
	for i := range outputs {
		var err error
		if events, err = s.answerOne(events, in, v, i, &outputs[i]); err != nil {
			var large *tooLarge
			if errors.As(err, &large) {
				return nil, err
			}
			return nil, broken(err)
		}
	}
	return events, nil
}

func (s *Service) answerOne(events []Event, in *Event, v *Version, index int, out *Output) ([]Event, error) {
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
	if d.To, err = encodeAddress(emitFailed, "to", out.To); err != nil {
		return nil, err
	}
	if d.RedirectTo, err = encodeAddress(emitFailed, "redirectto", out.RedirectTo); err != nil {
		return nil, err
	}
	if d.To == "" {
		d.To = in.RedirectTo
	}
	domains := out.Domains
	if len(domains) == 0 {
		domains = s.emitDomains
	}
	return s.reply(events, in, &d, data, strconv.Itoa(index), domains)
}

// fail makes the system error event of err.
func (s *Service) fail(in *Event, err error) ([]Event, error) {
	d := s.systemError()
	events, err := s.reply(nil, in, &d, systemErrorData(err), "error", s.errorDomains)
	if err != nil {
		return nil, broken(err)
	}
	return events, nil
}

// reply completes d to an answer to in. What comes from the input is encoded already.
func (s *Service) reply(events []Event, in *Event, d *Draft, data json.RawMessage, index string, domains []string) ([]Event, error) {
	d.Subject, d.ParentID = in.Subject, in.ID
	if d.To == "" {
		d.To = in.Source
	}
	where := DomainContext{SelfContract: s.contract, EventContract: s.contract, TriggeringEvent: *in}
	return s.emit(events, in, &where, d, data, index, domains)
}
