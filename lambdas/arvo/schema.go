package arvo

import (
	"encoding/json"
	"fmt"
	"reflect"

	"example.com/arvo/lambdas/arvo/internal/jsonschema"
)

// A Schema says what the data of an event looks like: a JSON Schema document, compiled. It comes from SchemaFor or
// SchemaJSON; what is wrong with it comes out where it is put into a contract, or from Err.
//
// Data is held against a schema the way the original Arvo does it with zod: a member that the schema does not list is no
// error. It is dropped where an event is made, together with filling in defaults (see [Schema.Clean]), and left alone
// where an event is received. additionalProperties: false is for readers of the document; true, or a schema, keeps
// members that are not listed.
//
// The keywords are those of draft-07 and 2020-12 but for a few; one that is not enforced is refused by name. $ref stays
// within the document. format is an annotation. pattern is RE2.
type Schema struct {
	compiled *jsonschema.Schema
	err      error
}

// SchemaFor derives a schema from the Go type that data is marshalled from and unmarshalled into.
//
//	type Charge struct {
//		Order    string   `json:"order" minLength:"1" jsonschema:"the order that is paid for"`
//		Amount   float64  `json:"amount" exclusiveMinimum:"0"`
//		Currency string   `json:"currency,omitempty" enum:"EUR,USD" default:"EUR"`
//		Note     *string  `json:"note"`                 // a string or null
//		Tags     []string `json:"tags,omitempty" maxItems:"8"`
//	}
//
// Names, omission and embedding are those of encoding/json. A field is required unless it has omitempty or omitzero, or a
// default. A pointer may be null; with omitempty it may be missing instead. A slice may not be null: a nil slice needs
// omitempty. A map is an object with any keys, time.Time a string of format date-time, []byte a string in base64, any and
// json.RawMessage anything.
//
// A default is filled in where an event is made, by a factory or a handler, if the member is missing there. So a field with
// a default needs omitempty or omitzero: without, a Go value that does not set it sends its zero, "" here, which then has to
// be valid. Who receives an event gets its data as it came. Another sender may have left the member out, so a receiver that
// cannot do with the zero either has a pointer there or reads what [Schema.Clean] makes of Event.Data.
//
// The tag jsonschema is the description. Every other constraint is a tag called like its keyword: minLength, maxLength,
// pattern, format, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, minItems, maxItems, uniqueItems,
// enum (values with commas between them) and default (JSON; for a string field the bare text). A constraint that does not
// apply to the field's type is an error, and so are a type that marshals itself and a type that holds itself. Tags of
// other packages are left alone, but a tag that is a keyword but for a letter or two, minLenght, is an error, as it would
// be a rule that nobody enforces.
func SchemaFor[T any]() Schema {
	doc, err := jsonschema.For(reflect.TypeFor[T]())
	if err != nil {
		return Schema{err: err}
	}
	return SchemaJSON(doc)
}

// SchemaJSON takes a document of JSON Schema, draft-07 or 2020-12.
func SchemaJSON(doc []byte) Schema {
	compiled, err := jsonschema.Compile(doc)
	return Schema{compiled, err}
}

// Err is what is wrong with the schema, nil for nothing.
func (s Schema) Err() error {
	switch {
	case s.err != nil:
		return s.err
	case s.compiled == nil:
		return fmt.Errorf("no schema was given")
	}
	return nil
}

// object is Err, or that no object fits the schema: the data of an event is one.
func (s Schema) object() error {
	if err := s.Err(); err != nil {
		return err
	}
	_, issues, err := s.compiled.Apply([]byte("{}"), jsonschema.Check)
	if err != nil {
		return fmt.Errorf("cannot be held against {}: %w", err)
	}
	for _, i := range issues {
		if len(i.Path) == 0 && i.Code == CodeInvalidType {
			return fmt.Errorf("the data of an event is an object: %s", i.Message)
		}
	}
	return nil
}

// JSON is the document. It must not be written to.
func (s Schema) JSON() json.RawMessage {
	if s.compiled == nil {
		return nil
	}
	return s.compiled.JSON()
}

// Validate holds data against the schema; the error is a *ValidationError.
func (s Schema) Validate(data []byte) error {
	_, err := s.apply("invalid data", data, jsonschema.Check)
	return err
}

// Clean validates data, drops what the schema does not list and fills in the defaults of what is missing. It returns data
// itself when nothing changes.
func (s Schema) Clean(data []byte) (json.RawMessage, error) {
	return s.apply("invalid data", data, jsonschema.Clean)
}

// apply holds data against the schema; what begins the message of the error.
func (s Schema) apply(what string, data []byte, mode jsonschema.Mode) (json.RawMessage, error) {
	if err := s.Err(); err != nil {
		return nil, &ValidationError{what, []Issue{{[]string{}, CodeCustom, err.Error()}}}
	}
	out, issues, err := s.compiled.Apply(data, mode)
	if err != nil {
		return nil, &ValidationError{what, []Issue{{[]string{}, CodeInvalidType, "not JSON: " + err.Error()}}}
	}
	if issues == nil {
		return out, nil
	}
	invalid := &ValidationError{What: what}
	for _, i := range issues {
		invalid.Issues = append(invalid.Issues, Issue(i))
	}
	return nil, invalid
}
