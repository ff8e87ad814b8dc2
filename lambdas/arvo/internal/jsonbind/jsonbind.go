// Package jsonbind reads JSON text into Go values, the way encoding/json does except where that is unsafe for data that
// was held against a schema first:
//
//   - A member fills the field that is called exactly like it. encoding/json takes {"AMOUNT": -5} for a field "amount",
//     past a schema that has looked at "amount" only.
//   - A member that appears twice, for fields of a struct, and a lone surrogate in a string are errors.
//   - An integer field takes every number that is whole, 1.0 and 1e2 too, as JSON Schema's integer does.
//
// The fields of a type are looked up once, which also makes it two to three times as fast. A type that unmarshals itself
// does so; what lies inside an interface is encoding/json's.
//
// No message of an error holds data, but for the names of members: see [TypeError].
package jsonbind

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/jsontext"
)

// A Decoder reads values of one type. It is safe for concurrent use.
type Decoder struct {
	read reader
}

// reader reads the value at text[i:] into v, which is settable, and returns the position behind it.
type reader func(text []byte, i int, v reflect.Value) (int, error)

// NewDecoder prepares for values of type t. The error names the field that cannot be read.
func NewDecoder(t reflect.Type) (*Decoder, error) {
	c := compiler{readers: make(map[reflect.Type]*reader)}
	r, err := c.reader(t, t.String())
	if err != nil {
		return nil, err
	}
	return &Decoder{r}, nil
}

// Decode reads text, one JSON value, into what the pointer into points to.
func (d *Decoder) Decode(text []byte, into any) error {
	end, err := d.read(text, jsontext.Space(text, 0), reflect.ValueOf(into).Elem())
	if err != nil {
		return err
	}
	return jsontext.End(text, end)
}

// A Field is a struct field as JSON knows it.
type Field struct {
	Name     string // in JSON
	Optional bool   // omitempty or omitzero
	Index    []int  // for reflect.Value.FieldByIndex
	reflect.StructField
}

// Fields lists the fields of a struct that encoding/json sees, embedded ones included. Of two fields with one name
// encoding/json takes the less deep or neither; here that, and names that differ in case only, is an error, and so is the
// option "string".
func Fields(t reflect.Type) ([]Field, error) { return fields(t, nil, t.String()) }

func fields(t reflect.Type, index []int, at string) (list []Field, err error) {
	if len(index) > jsontext.MaxDepth { // a struct that embeds a pointer to itself
		return nil, fmt.Errorf("%s: nested too deeply", t)
	}
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		opts := strings.Split(options, ",")
		if slices.Contains(opts, "string") {
			return nil, fmt.Errorf("%s.%s: the json option string is not supported", at, f.Name)
		}
		path := append(slices.Clone(index), f.Index...)
		ft := f.Type
		if f.Anonymous && ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if f.Anonymous && name == "" && ft.Kind() == reflect.Struct {
			if !f.IsExported() && f.Type.Kind() == reflect.Pointer {
				return nil, fmt.Errorf("%s.%s: a pointer to an unexported struct cannot be set", at, f.Name)
			}
			inner, err := fields(ft, path, at+"."+f.Name)
			if err != nil {
				return nil, err
			}
			list = append(list, inner...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		list = append(list, Field{name, slices.Contains(opts, "omitempty") || slices.Contains(opts, "omitzero"), path, f})
	}
	for i, f := range list {
		if slices.ContainsFunc(list[:i], func(g Field) bool { return strings.EqualFold(f.Name, g.Name) }) {
			return nil, fmt.Errorf("%s.%s: another field is called %q in JSON", at, f.StructField.Name, f.Name)
		}
	}
	return list, nil
}

var (
	rawType             = reflect.TypeFor[json.RawMessage]()
	numberType          = reflect.TypeFor[json.Number]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// A compiler keeps the reader of each type, so that a type may hold itself.
type compiler struct {
	readers map[reflect.Type]*reader
}

func (c *compiler) reader(t reflect.Type, at string) (reader, error) {
	if r, ok := c.readers[t]; ok {
		return func(text []byte, i int, v reflect.Value) (int, error) { return (*r)(text, i, v) }, nil
	}
	r := new(reader)
	c.readers[t] = r
	var err error
	*r, err = c.compile(t, at)
	return *r, err
}

func (c *compiler) compile(t reflect.Type, at string) (reader, error) {
	switch {
	case t == rawType:
		return readRaw, nil
	case t != numberType && t.Kind() != reflect.Pointer &&
		(reflect.PointerTo(t).Implements(unmarshalerType) || reflect.PointerTo(t).Implements(textUnmarshalerType)):
		return readStandard, nil
	}
	switch t.Kind() {
	case reflect.String:
		if t == numberType {
			return readStandard, nil
		}
		return readString, nil
	case reflect.Bool:
		return readBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return readInt, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return readUint, nil
	case reflect.Float32, reflect.Float64:
		return readFloat, nil
	case reflect.Pointer:
		elem, err := c.reader(t.Elem(), at)
		if err != nil {
			return nil, err
		}
		return func(text []byte, i int, v reflect.Value) (int, error) {
			if jsontext.KindAt(text, i) == jsontext.Null {
				v.SetZero()
				return jsontext.Value(text, i, 0)
			}
			if v.IsNil() {
				v.Set(reflect.New(t.Elem()))
			}
			return elem(text, i, v.Elem())
		}, nil
	case reflect.Slice:
		if p := reflect.PointerTo(t.Elem()); t.Elem().Kind() == reflect.Uint8 && !p.Implements(unmarshalerType) && !p.Implements(textUnmarshalerType) {
			return readBytes, nil // bytes by any name
		}
		return c.slice(t, at)
	case reflect.Array:
		return c.array(t, at)
	case reflect.Map:
		if t.Key().Kind() != reflect.String || reflect.PointerTo(t.Key()).Implements(textUnmarshalerType) {
			return nil, fmt.Errorf("%s: the keys of %s are not plain strings", at, t)
		}
		return c.mapping(t, at)
	case reflect.Struct:
		return c.structure(t, at)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return readStandard, nil
		}
	}
	return nil, fmt.Errorf("%s: %s cannot be read from JSON", at, t)
}

// mismatch is the error for a value at i that is not of the type wanted. Null passes without effect, as in
// encoding/json.
func mismatch(text []byte, i int, want string) (int, error) {
	switch got := jsontext.KindAt(text, i); got {
	case jsontext.Null, jsontext.Invalid:
		return jsontext.Value(text, i, 0)
	default:
		return i, fmt.Errorf("expected %s, received %s", want, got)
	}
}

func readRaw(text []byte, i int, v reflect.Value) (int, error) {
	end, err := jsontext.Value(text, i, 0)
	if err == nil {
		v.SetBytes(slices.Clone(text[i:end]))
	}
	return end, err
}

func readStandard(text []byte, i int, v reflect.Value) (int, error) {
	end, err := jsontext.Value(text, i, 0)
	if err != nil {
		return end, err
	}
	if err := json.Unmarshal(text[i:end], v.Addr().Interface()); err != nil {
		return end, &TypeError{v.Type(), err}
	}
	return end, nil
}

func readString(text []byte, i int, v reflect.Value) (int, error) {
	if jsontext.KindAt(text, i) != jsontext.String {
		return mismatch(text, i, "string")
	}
	end, escaped, err := jsontext.StringEnd(text, i)
	if err != nil {
		return end, err
	}
	if !escaped {
		v.SetString(string(text[i+1 : end-1]))
		return end, nil
	}
	s, err := jsontext.Unquote(text[i:end])
	v.SetString(s)
	return end, err
}

func readBytes(text []byte, i int, v reflect.Value) (int, error) {
	switch jsontext.KindAt(text, i) {
	case jsontext.String:
	case jsontext.Null:
		v.SetZero()
		fallthrough
	default:
		return mismatch(text, i, "string")
	}
	end, _, err := jsontext.StringEnd(text, i)
	if err != nil {
		return end, err
	}
	s, err := jsontext.Unquote(text[i:end])
	if err != nil {
		return end, err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	v.SetBytes(b)
	return end, err
}

func readBool(text []byte, i int, v reflect.Value) (int, error) {
	if jsontext.KindAt(text, i) != jsontext.Bool {
		return mismatch(text, i, "boolean")
	}
	end, err := jsontext.Value(text, i, 0)
	if err == nil {
		v.SetBool(text[i] == 't')
	}
	return end, err
}

// number is the literal at i; ok is false, with the result of mismatch, when there is none.
func number(text []byte, i int) (literal []byte, end int, ok bool, err error) {
	if jsontext.KindAt(text, i) != jsontext.Number {
		end, err = mismatch(text, i, "number")
		return nil, end, false, err
	}
	if end, err = jsontext.Value(text, i, 0); err != nil {
		return nil, end, false, err
	}
	return text[i:end], end, true, nil
}

func readInt(text []byte, i int, v reflect.Value) (int, error) {
	literal, end, ok, err := number(text, i)
	if !ok {
		return end, err
	}
	n, err := strconv.ParseInt(string(literal), 10, 64)
	if err != nil {
		f, ok := whole(literal)
		if !ok || f < -1<<53 || f > 1<<53 {
			return end, outOfRange(v)
		}
		n = int64(f)
	}
	if v.OverflowInt(n) {
		return end, outOfRange(v)
	}
	v.SetInt(n)
	return end, nil
}

func readUint(text []byte, i int, v reflect.Value) (int, error) {
	literal, end, ok, err := number(text, i)
	if !ok {
		return end, err
	}
	n, err := strconv.ParseUint(string(literal), 10, 64)
	if err != nil {
		f, ok := whole(literal)
		if !ok || f < 0 || f > 1<<53 {
			return end, outOfRange(v)
		}
		n = uint64(f)
	}
	if v.OverflowUint(n) {
		return end, outOfRange(v)
	}
	v.SetUint(n)
	return end, nil
}

// whole reads a whole number that is written with a fraction or an exponent.
func whole(literal []byte) (float64, bool) {
	f, err := strconv.ParseFloat(string(literal), 64)
	return f, err == nil && f == math.Trunc(f)
}

func outOfRange(v reflect.Value) error { return fmt.Errorf("the number is no %s", v.Type()) }

func readFloat(text []byte, i int, v reflect.Value) (int, error) {
	literal, end, ok, err := number(text, i)
	if !ok {
		return end, err
	}
	f, err := strconv.ParseFloat(string(literal), v.Type().Bits())
	if err != nil {
		return end, outOfRange(v)
	}
	v.SetFloat(f)
	return end, nil
}

func (c *compiler) slice(t reflect.Type, at string) (reader, error) {
	elem, err := c.reader(t.Elem(), at+"[]")
	if err != nil {
		return nil, err
	}
	return func(text []byte, i int, v reflect.Value) (int, error) {
		switch jsontext.KindAt(text, i) {
		case jsontext.Array:
		case jsontext.Null:
			v.SetZero()
			fallthrough
		default:
			return mismatch(text, i, "array")
		}
		v.SetZero()
		e, err := jsontext.OpenArray(text, i, 0)
		for err == nil && e.Next() {
			if e.Index == v.Cap() {
				v.Grow(4)
			}
			v.SetLen(e.Index + 1)
			if e.End, err = elem(text, e.Value, v.Index(e.Index)); err != nil {
				err = within(strconv.Itoa(e.Index), err)
			}
		}
		if e.Index < 0 {
			v.Set(reflect.MakeSlice(t, 0, 0)) // empty, not nil
		}
		return e.Close(err)
	}, nil
}

func (c *compiler) array(t reflect.Type, at string) (reader, error) {
	elem, err := c.reader(t.Elem(), at+"[]")
	if err != nil {
		return nil, err
	}
	return func(text []byte, i int, v reflect.Value) (int, error) {
		if jsontext.KindAt(text, i) != jsontext.Array {
			return mismatch(text, i, "array")
		}
		v.SetZero()
		e, err := jsontext.OpenArray(text, i, 0)
		for err == nil && e.Next() {
			if e.Index >= t.Len() {
				err = fmt.Errorf("expected at most %d items", t.Len())
				break
			}
			if e.End, err = elem(text, e.Value, v.Index(e.Index)); err != nil {
				err = within(strconv.Itoa(e.Index), err)
			}
		}
		return e.Close(err)
	}, nil
}

func (c *compiler) mapping(t reflect.Type, at string) (reader, error) {
	elem, err := c.reader(t.Elem(), at+"[]")
	if err != nil {
		return nil, err
	}
	return func(text []byte, i int, v reflect.Value) (int, error) {
		switch jsontext.KindAt(text, i) {
		case jsontext.Object:
		case jsontext.Null:
			v.SetZero()
			fallthrough
		default:
			return mismatch(text, i, "object")
		}
		v.Set(reflect.MakeMap(t))
		m, err := jsontext.OpenObject(text, i, 0)
		for err == nil && m.Next() {
			var key string
			if key, err = m.Key(); err != nil {
				break
			}
			one := reflect.New(t.Elem()).Elem()
			if m.End, err = elem(text, m.Value, one); err != nil {
				err = within(key, err)
				break
			}
			v.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), one)
		}
		return m.Close(err)
	}, nil
}

type boundField struct {
	name  string
	index []int
	read  reader
}

func (c *compiler) structure(t reflect.Type, at string) (reader, error) {
	list, err := fields(t, nil, at)
	if err != nil {
		return nil, err
	}
	bound := make([]boundField, len(list))
	for n, f := range list {
		read, err := c.reader(f.Type, at+"."+f.StructField.Name)
		if err != nil {
			return nil, err
		}
		bound[n] = boundField{f.Name, f.Index, read}
	}
	return func(text []byte, i int, v reflect.Value) (int, error) {
		if jsontext.KindAt(text, i) != jsontext.Object {
			return mismatch(text, i, "object")
		}
		var seen bitset
		next := 0 // members mostly come in the order of the fields
		m, err := jsontext.OpenObject(text, i, 0)
		for err == nil && m.Next() {
			key := m.RawKey()
			if m.Escaped {
				name, kerr := m.Key()
				if kerr != nil {
					err = kerr
					break
				}
				key = []byte(name)
			}
			n := next
			if n >= len(bound) || bound[n].name != string(key) {
				n = slices.IndexFunc(bound, func(f boundField) bool { return f.name == string(key) })
			}
			if n < 0 {
				m.End, err = jsontext.Value(text, m.Value, 0)
				continue
			}
			f := &bound[n]
			if !seen.add(n) {
				err = within(f.name, errors.New("appears twice"))
				break
			}
			next = n + 1
			if m.End, err = f.read(text, m.Value, fieldOf(v, f.index)); err != nil {
				err = within(f.name, err)
			}
		}
		return m.Close(err)
	}, nil
}

// fieldOf is FieldByIndex, making the embedded structs that are nil pointers on the way.
func fieldOf(v reflect.Value, index []int) reflect.Value {
	for n, i := range index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

// bitset remembers which fields were there.
type bitset struct {
	low  uint64
	high map[int]bool // the fields from the 65th on
}

// add is false for a field that was there.
func (s *bitset) add(n int) bool {
	if n < 64 {
		was := s.low&(1<<n) != 0
		s.low |= 1 << n
		return !was
	}
	if s.high == nil {
		s.high = make(map[int]bool)
	}
	was := s.high[n]
	s.high[n] = true
	return !was
}

// A TypeError says that a value is none of a type that reads itself, or that encoding/json reads. What that says of it often
// quotes the value, so it is in Err and not in the message.
type TypeError struct {
	Type reflect.Type
	Err  error
}

func (e *TypeError) Error() string { return "is no " + e.Type.String() }

// Unwrap returns what the type said.
func (e *TypeError) Unwrap() error { return e.Err }

// A PathError says where in a value something is wrong.
type PathError struct {
	Path []string // from the root
	Err  error
}

func (e *PathError) Error() string { return strings.Join(e.Path, ".") + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *PathError) Unwrap() error { return e.Err }

func within(step string, err error) error {
	if p, ok := err.(*PathError); ok {
		p.Path = slices.Insert(p.Path, 0, step)
		return p
	}
	return &PathError{[]string{step}, err}
}
