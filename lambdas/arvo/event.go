package arvo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/jsontext"
)

// Limits and constants of the wire.
const (
	// MaxEvent is the room that the way gives an event: 256 KiB, serialised. See [Service] for what becomes of a larger
	// output.
	MaxEvent = 256 << 10

	// SpecVersion is the version of CloudEvents.
	SpecVersion = "1.0"

	// DataContentType marks an event of Arvo's profile.
	DataContentType = "application/cloudevents+json;charset=UTF-8;profile=arvo"
)

// An Event is one immutable fact on its way from a source to a destination: a CloudEvent with Arvo's attributes.
// "" stands for null in the attributes that may be null.
//
// Events come from [New], from the factories of a [Version] or from [Parse], which validate. Treat one as a value: to
// change it, use the With methods; a shared Data or Extensions must not be written to.
type Event struct {
	ID              string // not empty; unique within (subject, source)
	Source          string // who says it; URI-encoded
	SpecVersion     string // "1.0"
	Type            string // reverse-DNS name of at least three segments, e.g. com.payment.charge
	Subject         string // the process it belongs to; URI-encoded; usually made by [NewSubject]
	DataContentType string
	DataSchema      string // nullable; <contract uri>/<version>
	Data            json.RawMessage
	Time            string // RFC 3339, as it was written

	To             string   // nullable; the source of the handler it is for; URI-encoded
	AccessControl  string   // nullable; opaque, never evaluated and never logged
	RedirectTo     string   // nullable; where the answer goes instead of to Source; URI-encoded
	ExecutionUnits *float64 // nullable; what producing it cost, in a unit of the author's choice
	Traceparent    string   // nullable; W3C trace context, not checked
	Tracestate     string   // nullable
	ParentID       string   // nullable; the id of the event that caused it
	Domain         string   // nullable; lower-case letters, digits and dots; see the Domain constants

	Extensions []Extension // custom extensions, in the order they were given
}

// An Extension is a custom attribute: a name of lower-case letters and digits, a JSON string, number, boolean or null.
type Extension struct {
	Name  string
	Value json.RawMessage
}

// A Draft is what an author says about an event before [New] or a factory completes it. Its fields are those of [Event]
// as an author would write them: not URI-encoded, data not yet serialised.
type Draft struct {
	ID              string // "" or white space: a random UUIDv4
	Source          string
	SpecVersion     string // "": 1.0
	Type            string
	Subject         string
	DataContentType string // "": DataContentType
	DataSchema      string
	Data            any    // marshals to a JSON object; a json.RawMessage is taken as it is
	Time            string // "": now, in UTC with milliseconds
	To              string // "": Type
	AccessControl   string
	RedirectTo      string
	ExecutionUnits  *float64
	Traceparent     string
	Tracestate      string
	ParentID        string
	Domain          string
	Extensions      []Extension
}

// New completes a draft with defaults, URI-encodes source, subject, to, redirectto, dataschema and parentid, and
// validates the result; the error is a *ValidationError. Encoding is not idempotent: a draft holds plain text, and an
// attribute copied from an event into a draft would be encoded twice.
func New(d Draft) (Event, error) {
	data, err := jsontext.Marshal(d.Data)
	if d.Data == nil {
		data, err = nil, nil
	}
	var issues []Issue
	encode := func(a attribute, s *string) {
		encoded, ok := encodeURI(*s)
		if !ok {
			issues = append(issues, Issue{Path: []string{attributeNames[a]}, Code: CodeCustom, Message: "URI malformed: not UTF-8"})
		}
		*s = encoded
	}
	if d.To == "" {
		d.To = d.Type
	}
	encode(attrSource, &d.Source)
	encode(attrSubject, &d.Subject)
	encode(attrDataSchema, &d.DataSchema)
	encode(attrTo, &d.To)
	encode(attrRedirectTo, &d.RedirectTo)
	encode(attrParentID, &d.ParentID)
	if len(issues) > 0 {
		return Event{}, &ValidationError{What: "invalid event", Issues: issues}
	}
	var e Event
	if err := e.complete(&d, data, err); err != nil {
		return Event{}, err
	}
	return e, nil
}

// complete is New without the encoding: d.Data has become data, or dataErr says why it could not. After an error e is of
// no use.
func (e *Event) complete(d *Draft, data json.RawMessage, dataErr error) error {
	*e = Event{
		ID: strings.TrimSpace(d.ID), Source: d.Source, SpecVersion: d.SpecVersion, Type: d.Type, Subject: d.Subject,
		DataContentType: d.DataContentType, DataSchema: d.DataSchema, Data: data, Time: d.Time,
		To: d.To, AccessControl: d.AccessControl, RedirectTo: d.RedirectTo, ExecutionUnits: d.ExecutionUnits,
		Traceparent: d.Traceparent, Tracestate: d.Tracestate, ParentID: d.ParentID, Domain: d.Domain,
		Extensions: d.Extensions,
	}
	if e.ID == "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return fmt.Errorf("arvo: no id for the event: %w", err)
		}
		e.ID = id.String()
	}
	if e.SpecVersion == "" {
		e.SpecVersion = SpecVersion
	}
	if e.DataContentType == "" {
		e.DataContentType = DataContentType
	}
	if e.Time == "" {
		e.Time = formatTime(time.Now())
	}
	if e.To == "" {
		e.To = e.Type
	}
	if dataErr == nil {
		dataErr = tooDeep(data)
	}
	kinds := e.kinds()
	c := checker{event: e, kinds: &kinds, noData: reason(dataErr)}
	return c.check()
}

// String is for people who look at a test or a terminal: what the event is, from whom, to whom, and its data as text, which is
// as private as it is. Of the access control it tells no more than that there is one.
func (e Event) String() string {
	b := fmt.Appendf(nil, "%s %s from %s to %s", e.Type, e.ID, e.Source, e.To)
	for _, a := range []struct{ name, value string }{
		{"subject", e.Subject}, {"dataschema", e.DataSchema}, {"time", e.Time}, {"redirectto", e.RedirectTo}, {"parentid", e.ParentID},
		{"domain", e.Domain}, {"traceparent", e.Traceparent}, {"tracestate", e.Tracestate},
	} {
		if a.value != "" {
			b = fmt.Appendf(b, " %s=%s", a.name, a.value)
		}
	}
	if e.ExecutionUnits != nil {
		b = fmt.Appendf(b, " executionunits=%v", *e.ExecutionUnits)
	}
	for _, x := range e.Extensions {
		b = fmt.Appendf(b, " %s=%s", x.Name, x.Value)
	}
	if e.AccessControl != "" {
		b = append(b, " accesscontrol=(not shown)"...)
	}
	return string(append(append(b, " data="...), e.Data...))
}

// LogValue is what package slog writes of an event: what tells which one it is, neither its data nor its access control. (Of
// what lies in a slice or a struct slog does not ask this.)
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(slog.String("type", e.Type), slog.String("id", e.ID), slog.String("source", e.Source),
		slog.String("to", e.To), slog.String("subject", e.Subject))
}

// WithTrace returns the event with another trace context.
func (e Event) WithTrace(traceparent, tracestate string) Event {
	e.Traceparent, e.Tracestate = traceparent, tracestate
	return e
}

// Extension returns the value of a custom extension.
func (e Event) Extension(name string) (json.RawMessage, bool) {
	for _, x := range e.Extensions {
		if x.Name == name {
			return x.Value, true
		}
	}
	return nil, false
}

// WithExtension returns the event with a custom extension set, in its place if it was there and at the end otherwise. v
// is a string, a boolean, a number, nil or a json.RawMessage of one. A name that is an attribute's is refused.
func (e Event) WithExtension(name string, v any) (Event, error) {
	value, err := jsontext.Marshal(v)
	if err != nil {
		return Event{}, fmt.Errorf("arvo: extension %q: %w", name, err)
	}
	x := Extension{Name: name, Value: value}
	if code, message := extensionIssue(x); code != "" {
		return Event{}, &ValidationError{"invalid event", []Issue{{Path: []string{name}, Code: code, Message: message}}}
	}
	e.Extensions = slices.Clone(e.Extensions)
	if i := slices.IndexFunc(e.Extensions, func(x Extension) bool { return x.Name == name }); i >= 0 {
		e.Extensions[i] = x
	} else {
		e.Extensions = append(e.Extensions, x)
	}
	return e, nil
}

// MarshalJSON is AppendJSON into a new slice. Call it directly: json.Marshal would pass its result through its own
// encoder, which escapes <, > and &.
func (e Event) MarshalJSON() ([]byte, error) {
	return e.AppendJSON(make([]byte, 0, 512+len(e.Data)+len(e.Subject)+len(e.Tracestate)))
}

// AppendJSON appends the event as every Arvo implementation writes it: the attributes in the order id, source,
// specversion, type, subject, datacontenttype, dataschema, data, time, custom extensions, to, accesscontrol, redirectto,
// executionunits, traceparent, tracestate, parentid, domain; null where there is nothing; no white space; data exactly
// as it is held. Extensions whose names are integers come before everything else, in ascending order: an ECMAScript
// object cannot hold them elsewhere.
//
// The event is not validated again; only what would break the text is refused.
func (e Event) AppendJSON(dst []byte) ([]byte, error) {
	if n := len(e.Data); n < 2 || e.Data[0] != '{' || e.Data[n-1] != '}' {
		return nil, fmt.Errorf("arvo: event %q: data is not a JSON object", e.ID)
	}
	if u := e.ExecutionUnits; u != nil && (math.IsNaN(*u) || math.IsInf(*u, 0)) {
		return nil, fmt.Errorf("arvo: event %q: executionunits is not a finite number", e.ID)
	}
	custom := e.Extensions
	dst = append(dst, '{')
	if slices.ContainsFunc(custom, func(x Extension) bool { _, ok := integerName(x); return ok }) {
		custom = nil
		var integers []Extension
		for _, x := range e.Extensions {
			if _, ok := integerName(x); ok {
				integers = append(integers, x)
			} else {
				custom = append(custom, x)
			}
		}
		slices.SortStableFunc(integers, func(x, y Extension) int {
			m, _ := integerName(x)
			n, _ := integerName(y)
			return cmp.Compare(m, n)
		})
		for _, x := range integers {
			dst = append(appendMember(dst, x.Name, x.Value), ',')
		}
	}
	dst = jsontext.AppendString(append(dst, `"id":`...), e.ID)
	dst = jsontext.AppendString(append(dst, `,"source":`...), e.Source)
	dst = jsontext.AppendString(append(dst, `,"specversion":`...), e.SpecVersion)
	dst = jsontext.AppendString(append(dst, `,"type":`...), e.Type)
	dst = jsontext.AppendString(append(dst, `,"subject":`...), e.Subject)
	dst = jsontext.AppendString(append(dst, `,"datacontenttype":`...), e.DataContentType)
	dst = appendNullable(append(dst, `,"dataschema":`...), e.DataSchema)
	dst = append(append(dst, `,"data":`...), e.Data...)
	dst = jsontext.AppendString(append(dst, `,"time":`...), e.Time)
	for _, x := range custom {
		dst = appendMember(append(dst, ','), x.Name, x.Value)
	}
	dst = appendNullable(append(dst, `,"to":`...), e.To)
	dst = appendNullable(append(dst, `,"accesscontrol":`...), e.AccessControl)
	dst = appendNullable(append(dst, `,"redirectto":`...), e.RedirectTo)
	dst = append(dst, `,"executionunits":`...)
	if e.ExecutionUnits == nil {
		dst = append(dst, "null"...)
	} else {
		dst = jsontext.AppendNumber(dst, *e.ExecutionUnits)
	}
	dst = appendNullable(append(dst, `,"traceparent":`...), e.Traceparent)
	dst = appendNullable(append(dst, `,"tracestate":`...), e.Tracestate)
	dst = appendNullable(append(dst, `,"parentid":`...), e.ParentID)
	dst = appendNullable(append(dst, `,"domain":`...), e.Domain)
	return append(dst, '}'), nil
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsontext.AppendString(dst, s)
}

func appendMember(dst []byte, name string, value json.RawMessage) []byte {
	return append(append(jsontext.AppendString(dst, name), ':'), value...)
}

// integerName reports whether ECMAScript counts the name of x as an integer index, and which.
func integerName(x Extension) (uint32, bool) {
	s := x.Name
	if s == "" || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n < math.MaxUint32
}
