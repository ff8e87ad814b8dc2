package arvo

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"example.com/arvo/lambdas/arvo/internal/jsonschema"
	"example.com/arvo/lambdas/jsontext"
)

// The factories make the events of a contract out of drafts. They set type, dataschema and datacontenttype, clean the
// data (see Schema.Clean) and leave the rest to New. A draft must say its source. Without a subject the event begins a
// process of its own: the subject's initiator is the draft's source, its orchestrator the event's type, and a redirectto
// goes into its meta. A source that begins a process is a reverse-DNS name of at least three segments, as all initiators are.

// The beginnings of what the factories say about data that breaks the contract.
const (
	acceptFailed = "Accept Event data validation failed"
	emitFailed   = "Emit Event data validation failed"
	initFailed   = "Init Event data validation failed"
)

// Accepts makes the event that the contract accepts. Data that breaks it is a *ValidationError.
//
// Without a Subject the event begins a process, and the draft's Source is its initiator, who gets the answer: a reverse-DNS
// name of at least three segments, like api.thin.lambda. With a Subject, that of the process it belongs to, any Source will
// do.
func (v *Version) Accepts(d Draft) (Event, error) {
	return v.make(acceptFailed, v.contract.spec.Type, v.accepts, d)
}

// Emits makes one of the events that the contract emits. Its To is by default its own type: an answer must name its
// receiver.
func (v *Version) Emits(eventType string, d Draft) (Event, error) {
	schema, ok := v.emits[eventType]
	if !ok {
		return Event{}, unknownEmit(eventType)
	}
	return v.make(emitFailed, eventType, schema, d)
}

func unknownEmit(eventType string) error {
	return &ValidationError{emitFailed, []Issue{{[]string{}, CodeCustom, "No contract available for " + eventType}}}
}

func (v *Version) make(what, eventType string, schema Schema, d Draft) (Event, error) {
	data, err := cleaned(what, schema, d.Data)
	if err != nil {
		return Event{}, err
	}
	d.Data = data
	return v.finish(eventType, v.dataSchema, d)
}

// cleaned is data in JSON, as the schema wants it.
func cleaned(what string, schema Schema, data any) (json.RawMessage, error) {
	text, err := marshalled(what, data)
	if err != nil {
		return nil, err
	}
	return schema.apply(what, text, jsonschema.Clean)
}

func marshalled(what string, data any) (json.RawMessage, error) {
	if data == nil {
		return json.RawMessage("null"), nil
	}
	text, err := jsontext.Marshal(data)
	if err != nil {
		return nil, &ValidationError{what, []Issue{{[]string{}, CodeCustom, "data has no JSON form" + culprit(err)}}}
	}
	return text, nil
}

// culprit says what had no JSON form, by its type: the messages of encoding/json, and of types that write themselves, quote
// values.
func culprit(err error) string {
	if e, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		return fmt.Sprintf(": there is a %s in it", e.Type)
	}
	if e, ok := errors.AsType[*json.UnsupportedValueError](err); ok && e.Value.IsValid() {
		return fmt.Sprintf(": a %s in it has none", e.Value.Type())
	}
	if e, ok := errors.AsType[*json.MarshalerError](err); ok {
		return fmt.Sprintf(": a %s in it fails to write itself", e.Type)
	}
	if e, ok := errors.AsType[*jsontext.SyntaxError](err); ok {
		return ": " + e.Error()
	}
	return ""
}

// finish names the event and gives it a subject if it has none.
func (v *Version) finish(eventType, dataSchema string, d Draft) (Event, error) {
	d.Type, d.DataSchema, d.DataContentType = eventType, dataSchema, DataContentType
	if d.Source == "" { // before it is missed as the initiator of a subject, by a name that the author has never heard
		return Event{}, &ValidationError{"invalid event", []Issue{{[]string{"source"}, CodeTooSmall, "must not be empty"}}}
	}
	if d.Subject == "" {
		spec := SubjectSpec{Orchestrator: eventType, Version: v.number, Initiator: d.Source, Domain: d.Domain}
		if d.RedirectTo != "" {
			spec.Meta = map[string]string{"redirectto": d.RedirectTo}
		}
		var err error
		if d.Subject, err = NewSubject(spec); err != nil {
			if !isEventType(d.Source) {
				err = fmt.Errorf("arvo: the draft of %s has no Subject, so it begins a process with its Source %q as initiator, which has to be a name like api.thin.lambda; or give it a Subject: %w", eventType, d.Source, err)
			}
			return Event{}, err
		}
	}
	return New(d)
}

// SystemError makes the event that says that the handler failed with err: type sys.<type>.error, dataschema
// <uri>/0.0.0. Its errorName is err's, if err or one that it wraps has a method ErrorName() string, and "Error"
// otherwise; its errorStack is null, as Go errors have none. A name of more than 1 KiB and a message of more than 32 KiB
// are cut off. A Data in the draft is not read.
func (v *Version) SystemError(err error, d Draft) (Event, error) {
	d.Data = systemErrorData(err)
	return v.finish(v.contract.SystemErrorType(), v.contract.spec.URI+"/"+WildcardVersion, d)
}

func systemErrorData(err error) json.RawMessage {
	f := failureOf(err)
	b := jsontext.AppendString([]byte(`{"errorName":`), f.Name)
	b = jsontext.AppendString(append(b, `,"errorMessage":`...), f.Message)
	return append(b, `,"errorStack":null}`...)
}

// failureOf is what a system error says of err. It is bounded: even if each of its bytes needs six in JSON, there is room for
// it in an event.
func failureOf(err error) *Failure {
	f := &Failure{Name: "Error", Message: "<nil>"}
	var named interface{ ErrorName() string }
	if errors.As(err, &named) {
		f.Name = clip(named.ErrorName(), 1<<10)
	}
	if err != nil {
		f.Message = clip(err.Error(), 32<<10)
	}
	return f
}

// clip is s, or of a longer one the characters that its first bytes hold, and an ellipsis.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// Init makes the event that starts an orchestrator, with a subject of its own. Its data has to have a ParentSubject, which is
// null for a workflow that a client starts. A wrapper adds it to the Go form of the rest:
//
//	v.Init(arvo.Draft{Source: "api.thin.lambda", Data: struct {
//		Parent *string `json:"parentSubject$$"` // nil: null
//		Order
//	}{nil, order}})
//
// With the subject of a parent there the new subject is made from that one, and the completion goes to the draft's
// RedirectTo or else to the parent, its orchestrator. (In the original it goes to the parent's initiator, past the parent
// that waits for it.) A Subject in the draft is taken as it is, if it is one of this orchestrator: a workflow would ignore any
// other.
func (v *Version) Init(d Draft) (Event, error) {
	if !v.contract.IsOrchestrator() {
		return Event{}, v.notOrchestrator("Init")
	}
	data, err := cleaned(initFailed, v.accepts, d.Data)
	if err != nil {
		return Event{}, err
	}
	d.Data = data
	parent, _, err := parentSubject(data)
	if err != nil {
		return Event{}, fmt.Errorf("arvo: init of %s: %w", v.contract.spec.Type, err)
	}
	if d.Subject != "" {
		switch s, err := ParseSubject(d.Subject); {
		case err != nil:
			return Event{}, fmt.Errorf("arvo: init of %s: the Subject of the draft is none that begins a workflow; leave it empty for a new one: %w", v.contract.spec.Type, err)
		case s.Orchestrator.Name != v.contract.spec.Type:
			return Event{}, fmt.Errorf("arvo: init of %s: the Subject of the draft is of %s; leave it empty for a new one", v.contract.spec.Type, s.Orchestrator.Name)
		}
	}
	if d.Subject == "" && parent != "" {
		p, err := ParseSubject(parent)
		if err != nil {
			return Event{}, err
		}
		redirect := d.RedirectTo
		if redirect == "" {
			redirect = p.Orchestrator.Name // and not what the parent's meta says of the parent's own completion
		}
		d.Subject, err = SubjectFrom(parent, SubjectSpec{
			Orchestrator: v.contract.spec.Type, Version: v.number, Domain: d.Domain,
			Meta: map[string]string{"redirectto": redirect},
		})
		if err != nil {
			return Event{}, err
		}
	}
	return v.finish(v.contract.spec.Type, v.dataSchema, d)
}

// Complete makes the event with which an orchestrator answers.
func (v *Version) Complete(d Draft) (Event, error) {
	if !v.contract.IsOrchestrator() {
		return Event{}, v.notOrchestrator("Complete")
	}
	return v.Emits(v.contract.spec.Type+".done", d)
}

func (v *Version) notOrchestrator(method string) error {
	return fmt.Errorf("arvo: %s: the contract %s is not of an orchestrator", method, v.contract.spec.URI)
}
