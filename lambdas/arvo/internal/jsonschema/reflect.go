package jsonschema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
	"example.com/arvo/lambdas/jsontext"
)

// tagKeywords are the struct tags that become keywords, each called like its keyword, with the type of its value.
var tagKeywords = []struct {
	name  string
	value jsontext.Kind
	on    []string // the JSON types that it makes sense on; none means any
}{
	{"minLength", jsontext.Number, []string{"string"}},
	{"maxLength", jsontext.Number, []string{"string"}},
	{"pattern", jsontext.String, []string{"string"}},
	{"format", jsontext.String, []string{"string"}},
	{"minimum", jsontext.Number, []string{"number", "integer"}},
	{"exclusiveMinimum", jsontext.Number, []string{"number", "integer"}},
	{"maximum", jsontext.Number, []string{"number", "integer"}},
	{"exclusiveMaximum", jsontext.Number, []string{"number", "integer"}},
	{"multipleOf", jsontext.Number, []string{"number", "integer"}},
	{"minItems", jsontext.Number, []string{"array"}},
	{"maxItems", jsontext.Number, []string{"array"}},
	{"uniqueItems", jsontext.Bool, []string{"array"}},
	{"enum", jsontext.Array, []string{"string", "number", "integer"}},
	{"default", jsontext.Invalid, nil},
}

var (
	timeType          = reflect.TypeFor[time.Time]()
	rawType           = reflect.TypeFor[json.RawMessage]()
	numberType        = reflect.TypeFor[json.Number]()
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// For writes the schema of a Go type as encoding/json would read and write it. See arvo.SchemaFor for the rules.
func For(t reflect.Type) ([]byte, error) {
	w := writer{}
	if err := w.schema(t, "", t.String()); err != nil {
		return nil, err
	}
	return w.out, nil
}

type writer struct {
	out    []byte
	within []reflect.Type // the structs being written, to find recursion
}

func (w *writer) key(name string) {
	if c := w.out[len(w.out)-1]; c != '{' {
		w.out = append(w.out, ',')
	}
	w.out = append(jsontext.AppendString(w.out, name), ':')
}

func (w *writer) keyText(name, text string) {
	w.key(name)
	w.out = jsontext.AppendString(w.out, text)
}

// schema writes the schema of t; at is where t stands, for errors. tag holds the constraints of the field that has t.
func (w *writer) schema(t reflect.Type, tag reflect.StructTag, at string) error {
	nullable := false
	for t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), true
	}
	return w.typed(t, tag, nullable, at)
}

func (w *writer) typed(t reflect.Type, tag reflect.StructTag, nullable bool, at string) error {
	name := ""
	switch {
	case t == timeType:
		name = "string"
	case t == numberType:
		name = "number"
	case t == rawType || t.Kind() == reflect.Interface && t.NumMethod() == 0:
	case t.Implements(marshalerType) || reflect.PointerTo(t).Implements(marshalerType):
		return fmt.Errorf("%s: %s marshals itself; write its schema by hand", at, t)
	case t.Implements(textMarshalerType) || reflect.PointerTo(t).Implements(textMarshalerType):
		name = "string"
	default:
		switch t.Kind() {
		case reflect.String:
			name = "string"
		case reflect.Bool:
			name = "boolean"
		case reflect.Float32, reflect.Float64:
			name = "number"
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
			name = "integer"
		case reflect.Slice, reflect.Array:
			name = "array"
			if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
				name = "string" // base64
			}
		case reflect.Map:
			if t.Key().Kind() != reflect.String {
				return fmt.Errorf("%s: the keys of %s are not strings", at, t)
			}
			name = "object"
		case reflect.Struct:
			name = "object"
		default:
			return fmt.Errorf("%s: %s has no JSON form", at, t)
		}
	}
	// A nullable object or array keeps its members' issues apart from "or null" by standing in an anyOf.
	if wrap := nullable && (name == "object" || name == "array"); wrap {
		w.out = append(w.out, `{"anyOf":[`...)
		if err := w.body(t, name, "", false, at); err != nil {
			return err
		}
		w.out = append(w.out, `,{"type":"null"}]`...)
		if err := w.constraints(tag, "", false, at); err != nil {
			return err
		}
		w.out = append(w.out, '}')
		return nil
	}
	return w.body(t, name, tag, nullable, at)
}

func (w *writer) body(t reflect.Type, name string, tag reflect.StructTag, nullable bool, at string) error {
	w.out = append(w.out, '{')
	switch {
	case nullable && name != "":
		w.key("type")
		w.out = append(w.out, `["`+name+`","null"]`...)
	case name != "":
		w.keyText("type", name)
	}
	switch {
	case t == timeType && tag.Get("format") == "":
		w.keyText("format", "date-time")
	case name == "string" && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		w.keyText("contentEncoding", "base64")
	case name == "integer" && t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uintptr && tag.Get("minimum") == "":
		w.key("minimum")
		w.out = append(w.out, '0')
	case name == "array":
		w.key("items")
		if err := w.schema(t.Elem(), "", at+"[]"); err != nil {
			return err
		}
		if t.Kind() == reflect.Array {
			w.key("minItems")
			w.out = strconv.AppendInt(w.out, int64(t.Len()), 10)
			w.key("maxItems")
			w.out = strconv.AppendInt(w.out, int64(t.Len()), 10)
		}
	case name == "object" && t.Kind() == reflect.Map:
		w.key("additionalProperties")
		if err := w.schema(t.Elem(), "", at+"[]"); err != nil {
			return err
		}
	case name == "object":
		if err := w.fields(t, at); err != nil {
			return err
		}
	}
	if err := w.constraints(tag, name, nullable, at); err != nil {
		return err
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *writer) fields(t reflect.Type, at string) error {
	if slices.Contains(w.within, t) {
		return fmt.Errorf("%s: %s holds itself; write its schema by hand, with $ref", at, t)
	}
	w.within = append(w.within, t)
	defer func() { w.within = w.within[:len(w.within)-1] }()
	fields, err := jsonbind.Fields(t)
	if err != nil {
		return err
	}
	var required []string
	w.key("properties")
	w.out = append(w.out, '{')
	for _, f := range fields {
		if err := checkTag(f.Tag); err != nil {
			return fmt.Errorf("%s.%s: %w", at, f.StructField.Name, err)
		}
		w.key(f.Name)
		ft := f.Type
		if f.Optional && ft.Kind() == reflect.Pointer {
			ft = ft.Elem() // nil is left out, so null is not written
		}
		if err := w.schema(ft, f.Tag, at+"."+f.StructField.Name); err != nil {
			return err
		}
		if _, filled := f.Tag.Lookup("default"); !f.Optional && !filled {
			required = append(required, f.Name)
		}
	}
	w.out = append(w.out, '}')
	if required != nil {
		w.key("required")
		list, err := jsontext.Marshal(required)
		if err != nil {
			return err
		}
		w.out = append(w.out, list...)
	}
	w.key("additionalProperties")
	w.out = append(w.out, "false"...)
	return nil
}

// constraints writes the keywords out of a field's tags. jsonType is "" where the type is any or wrapped.
func (w *writer) constraints(tag reflect.StructTag, jsonType string, nullable bool, at string) error {
	if text := tag.Get("jsonschema"); text != "" {
		w.keyText("description", text)
	}
	for _, k := range tagKeywords {
		text, ok := tag.Lookup(k.name)
		if !ok {
			continue
		}
		if k.on != nil && !slices.Contains(k.on, jsonType) {
			return fmt.Errorf("%s: %s does not apply to it", at, k.name)
		}
		literal := []byte(text)
		switch {
		case k.value == jsontext.String, k.value == jsontext.Invalid && jsonType == "string":
			literal = jsontext.AppendString(nil, text)
		case k.value == jsontext.Array:
			literal = []byte{'['}
			for i, one := range strings.Split(text, ",") {
				if i > 0 {
					literal = append(literal, ',')
				}
				if jsonType == "string" {
					literal = jsontext.AppendString(literal, one)
				} else {
					literal = append(literal, one...)
				}
			}
			if nullable {
				literal = append(literal, ",null"...)
			}
			literal = append(literal, ']')
		}
		if err := jsontext.Valid(literal); err != nil {
			return fmt.Errorf("%s: %s:%q: %w", at, k.name, text, err)
		}
		w.key(k.name)
		w.out = append(w.out, literal...)
	}
	return nil
}
