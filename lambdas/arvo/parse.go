package arvo

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
)

// ErrSyntax is wrapped by the error of Parse when the text is not JSON, or is no JSON object, or is too large or nested
// too deeply to be looked at. Any other failure of Parse is a *ValidationError.
var ErrSyntax = errors.New("not a JSON object")

// maxText is the size of the largest text that Parse looks at: a full SQS message. It bounds memory; it is larger than
// MaxEvent because white space and what the way adds come on top.
const maxText = 1 << 20

// Parse reads a serialised event and validates it. It never encodes, trims or defaults what is there, so parsing and
// serialising again gives the same event; unknown members become custom extensions, in the order of the text.
//
// It is lenient where versions of the wire differ: a nullable attribute may be missing (parentid and domain are, in
// events of older writers). It is strict where two readers could see two events in one text: an attribute that appears
// twice, a lone surrogate and broken UTF-8 are refused.
func Parse(src []byte) (Event, error) { return parse(src, false) }

// ParseStrict is Parse for a text that must spell out every attribute but datacontenttype, as a conforming writer does.
func ParseStrict(src []byte) (Event, error) { return parse(src, true) }

// UnmarshalJSON is Parse.
func (e *Event) UnmarshalJSON(src []byte) error {
	parsed, err := Parse(src)
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

func syntaxError(err error) error { return fmt.Errorf("arvo: event is %w: %w", ErrSyntax, err) }

func parse(src []byte, strict bool) (Event, error) {
	if len(src) > maxText {
		return Event{}, syntaxError(fmt.Errorf("%d bytes are over the limit of %d", len(src), maxText))
	}
	if !utf8.Valid(src) {
		return Event{}, syntaxError(jsontext.Valid(src))
	}
	var (
		e     Event
		kinds [attributes]jsontext.Kind
		text  = string(src) // one copy that all attributes share
	)
	m, err := jsontext.OpenObject(src, jsontext.Space(src, 0), 0)
	for err == nil && m.Next() {
		kind, escaped := jsontext.KindAt(src, m.Value), false
		if kind == jsontext.String {
			m.End, escaped, err = jsontext.StringEnd(src, m.Value)
		} else {
			m.End, err = jsontext.Value(src, m.Value, 1)
		}
		if err != nil {
			break
		}
		var a attribute
		name, known := "", false
		if m.Escaped {
			if name, err = m.Key(); err != nil {
				break
			}
			a, known = attributeNamed([]byte(name))
		} else {
			name = text[m.Start+1 : m.KeyEnd-1]
			a, known = attributeNamed(m.RawKey())
		}
		value := src[m.Value:m.End]
		if !known {
			if len(e.Extensions) <= maxExtensions {
				e.Extensions = append(e.Extensions, Extension{Name: name, Value: bytes.Clone(value)})
			}
			continue
		}
		if kinds[a] != jsontext.Invalid {
			return Event{}, &ValidationError{"invalid event", []Issue{{[]string{name}, CodeCustom, "appears twice"}}}
		}
		kinds[a] = kind
		switch {
		case a == attrData:
			if kind == jsontext.Object {
				e.Data = bytes.Clone(value)
			}
		case a == attrExecutionUnits:
			if kind == jsontext.Number {
				units, err := strconv.ParseFloat(string(value), 64)
				_ = err // out of range is ±Inf, which the checker refuses; the syntax is known to be good
				e.ExecutionUnits = &units
			}
		case kind == jsontext.String:
			s := text[m.Value+1 : m.End-1]
			if escaped {
				if s, err = jsontext.Unquote(value); err != nil {
					return Event{}, &ValidationError{"invalid event", []Issue{{[]string{name}, CodeInvalidString, err.Error()}}}
				}
			}
			*e.text(a) = s
		}
	}
	end, err := m.Close(err)
	if err == nil {
		err = jsontext.End(src, end)
	}
	if err != nil {
		return Event{}, syntaxError(err)
	}
	if kinds[attrDataContentType] == jsontext.Invalid {
		e.DataContentType, kinds[attrDataContentType] = DataContentType, jsontext.String
	}
	c := checker{event: &e, kinds: &kinds, strict: strict}
	if err := c.check(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// text is the field of an attribute that is a string.
func (e *Event) text(a attribute) *string {
	switch a {
	case attrID:
		return &e.ID
	case attrTime:
		return &e.Time
	case attrSource:
		return &e.Source
	case attrSpecVersion:
		return &e.SpecVersion
	case attrType:
		return &e.Type
	case attrSubject:
		return &e.Subject
	case attrDataContentType:
		return &e.DataContentType
	case attrDataSchema:
		return &e.DataSchema
	case attrTo:
		return &e.To
	case attrAccessControl:
		return &e.AccessControl
	case attrRedirectTo:
		return &e.RedirectTo
	case attrParentID:
		return &e.ParentID
	case attrDomain:
		return &e.Domain
	case attrTraceparent:
		return &e.Traceparent
	}
	return &e.Tracestate
}
