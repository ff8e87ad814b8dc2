// Package jsontext walks and writes JSON text without building a value of it.
//
// # Reading
//
// The reader works on positions in one text: [Value] checks the syntax of the value that begins at a position (RFC 8259,
// depth bounded by [MaxDepth]) and returns where it ends, [Members] and [Elements] step through a container, [StringEnd]
// finds the end of a string literal. What a literal says has two readings, which differ on \ud800 without its partner,
// legal in JSON and in no UTF-8: [Unquote] refuses it, [Text] puts U+FFFD in its place, as encoding/json does. What a parser
// of another package builds upon ([Space], StringEnd, Text) takes strings as well as bytes.
//
// Only [Valid], and what is built on it, checks that the text is UTF-8; the others pass over bytes beyond ASCII as they
// are.
//
// # Writing
//
// [AppendString], [AppendNumber] and [Marshal] write what ECMAScript's JSON.stringify writes: no HTML escaping, U+2028 and
// U+2029 as they are, numbers in their shortest form. [AppendAWSString] is AppendString with the escapes of the services
// in lambdas/local. Broken UTF-8 in a string becomes U+FFFD, so that what is written is JSON whatever was given;
// in a json.RawMessage, which stays as it is but for white space, it is an error.
//
// # Why not encoding/json
//
// It can do neither half. A Decoder builds values (or hands out tokens as interfaces), matches object keys without regard
// to case, keeps the last of two equal keys in silence and replaces broken Unicode; its encoder escapes <, >, &, U+2028
// and U+2029 on one side or the other of SetEscapeHTML. And it takes several times as long, on the path of every event.
//
// # What stays elsewhere
//
// Three walks over JSON in lambdas/local are deliberately not made of this package's: patterns look at an event only as
// far as a rule asks and do not check the rest; the bus drops the white space of a detail in the same pass that checks it,
// to a depth of 1000 rather than MaxDepth; the table's parser calls back for each typed attribute and answers with AWS's
// errors. The latter two read their strings with this package.
package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"
)

// MaxDepth bounds how deep objects and arrays may nest, so that a hostile text cannot exhaust the stack.
const MaxDepth = 128

// A SyntaxError says what is wrong with a text and at which byte.
type SyntaxError struct {
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return e.Reason + " at byte " + strconv.Itoa(e.Offset)
}

func errorAt[T ~string | ~[]byte](b T, i int, want string) error {
	if i >= len(b) {
		return &SyntaxError{len(b), "the text ends where " + want + " is expected"}
	}
	found, _ := utf8.DecodeRuneInString(string(b[i:min(i+utf8.UTFMax, len(b))]))
	return &SyntaxError{i, fmt.Sprintf("%q where %s is expected", found, want)}
}

// A Kind is the JSON type of a value.
type Kind uint8

// The kinds, told apart by a value's first byte.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"invalid", "null", "boolean", "number", "string", "array", "object"}[k]
}

var kinds = func() (t [256]Kind) {
	t['n'], t['t'], t['f'], t['"'], t['['], t['{'], t['-'] = Null, Bool, Bool, String, Array, Object, Number
	for c := '0'; c <= '9'; c++ {
		t[c] = Number
	}
	return t
}()

// KindAt is the kind of the value that begins at i; Invalid when none does.
func KindAt(b []byte, i int) Kind {
	if i >= len(b) {
		return Invalid
	}
	return kinds[b[i]]
}

// Space returns the first position from i on that is not white space.
func Space[T ~string | ~[]byte](b T, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// End checks that nothing but white space follows position i.
func End(b []byte, i int) error {
	if i = Space(b, i); i < len(b) {
		return errorAt(b, i, "the end of the text")
	}
	return nil
}

// Valid checks that b is one JSON value, in UTF-8, and nothing else.
func Valid(b []byte) error {
	if !utf8.Valid(b) {
		return &SyntaxError{firstInvalid(b), "broken UTF-8"}
	}
	i, err := Value(b, Space(b, 0), 0)
	if err != nil {
		return err
	}
	return End(b, i)
}

func firstInvalid(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}

// Value checks the value that begins exactly at i, nested in depth containers, and returns the position behind it.
func Value(b []byte, i, depth int) (int, error) {
	switch KindAt(b, i) {
	case Null:
		return literal(b, i, "null")
	case Bool:
		if b[i] == 't' {
			return literal(b, i, "true")
		}
		return literal(b, i, "false")
	case Number:
		return number(b, i)
	case String:
		end, _, err := StringEnd(b, i)
		return end, err
	case Object:
		m, err := OpenObject(b, i, depth)
		for err == nil && m.Next() {
			m.End, err = Value(b, m.Value, depth+1)
		}
		return m.Close(err)
	case Array:
		e, err := OpenArray(b, i, depth)
		for err == nil && e.Next() {
			e.End, err = Value(b, e.Value, depth+1)
		}
		return e.Close(err)
	}
	return i, errorAt(b, i, "a value")
}

func literal(b []byte, i int, word string) (int, error) {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word), nil
	}
	return i, errorAt(b, i, word)
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func number(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		return i, errorAt(b, i, "a digit")
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = digits(b, from); i == from {
			return i, errorAt(b, i, "a digit")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = digits(b, from); i == from {
			return i, errorAt(b, i, "a digit")
		}
	}
	return i, nil
}

// Members steps through an object. The caller sets End to the position behind each value before the next call of Next:
//
//	m, err := OpenObject(b, i, depth)
//	for err == nil && m.Next() {
//		m.End, err = Value(b, m.Value, depth+1)
//	}
//	end, err := m.Close(err)
type Members struct {
	b       []byte
	Start   int  // the opening quote of the current key
	KeyEnd  int  // behind the closing quote of the current key
	Escaped bool // the key holds escapes
	Value   int  // the first byte of the current value
	End     int  // behind the current value; set by the caller
	first   bool
	err     error
}

// OpenObject begins at the brace at i, which lies depth containers deep.
func OpenObject(b []byte, i, depth int) (Members, error) {
	end, err := open(b, i, depth, '{')
	return Members{b: b, End: end, first: true}, err
}

// open is the position behind the bracket that opens a container at i. It is a function of its own so that OpenObject and
// OpenArray can be inlined: what they return is large.
func open(b []byte, i, depth int, bracket byte) (int, error) {
	switch {
	case i < len(b) && b[i] == bracket && depth < MaxDepth:
		return i + 1, nil
	case i >= len(b) || b[i] != bracket:
		want := "an object"
		if bracket == '[' {
			want = "an array"
		}
		return i, errorAt(b, i, want)
	default:
		return i, &SyntaxError{i, "nesting deeper than " + strconv.Itoa(MaxDepth)}
	}
}

// Next moves to the next member. It is false at the closing brace and at a syntax error, which Close reports.
func (m *Members) Next() bool {
	b := m.b
	i := Space(b, m.End)
	switch {
	case i < len(b) && b[i] == '}':
		m.End = i
		return false
	case m.first:
		m.first = false
	case i < len(b) && b[i] == ',':
		i = Space(b, i+1)
	default:
		m.err = errorAt(b, i, "a comma or a closing brace")
		return false
	}
	end, escaped, err := StringEnd(b, i)
	if err != nil {
		m.err = err
		return false
	}
	m.Start, m.KeyEnd, m.Escaped = i, end, escaped
	i = Space(b, end)
	if i >= len(b) || b[i] != ':' {
		m.err = errorAt(b, i, "a colon")
		return false
	}
	m.Value = Space(b, i+1)
	return true
}

// RawKey is the text of the key when it holds no escapes.
func (m *Members) RawKey() []byte { return m.b[m.Start+1 : m.KeyEnd-1] }

// Key is the text of the key.
func (m *Members) Key() (string, error) {
	k, err := Unquote(m.b[m.Start:m.KeyEnd])
	if err != nil {
		return "", &SyntaxError{m.Start, err.Error() + " in a key"}
	}
	return k, nil
}

// Close returns the position behind the closing brace, or the error that ended the walk: err, if the caller met one.
func (m *Members) Close(err error) (int, error) {
	if err == nil {
		err = m.err
	}
	if err != nil {
		return m.End, err
	}
	return m.End + 1, nil
}

// Elements steps through an array as Members does through an object.
type Elements struct {
	b     []byte
	Index int // of the current element
	Value int // its first byte
	End   int // behind it; set by the caller
	err   error
}

// OpenArray begins at the bracket at i, which lies depth containers deep.
func OpenArray(b []byte, i, depth int) (Elements, error) {
	end, err := open(b, i, depth, '[')
	return Elements{b: b, Index: -1, End: end}, err
}

// Next moves to the next element. It is false at the closing bracket and at a syntax error, which Close reports.
func (e *Elements) Next() bool {
	b := e.b
	i := Space(b, e.End)
	switch {
	case i < len(b) && b[i] == ']':
		e.End = i
		return false
	case e.Index < 0:
	case i < len(b) && b[i] == ',':
		i = Space(b, i+1)
	default:
		e.err = errorAt(b, i, "a comma or a closing bracket")
		return false
	}
	e.Index++
	e.Value = i
	return true
}

// Close returns the position behind the closing bracket, or the error that ended the walk.
func (e *Elements) Close(err error) (int, error) {
	if err == nil {
		err = e.err
	}
	if err != nil {
		return e.End, err
	}
	return e.End + 1, nil
}

// AppendNumber appends f as ECMAScript's Number.prototype.toString writes it: the shortest digits that read back as f,
// in exponent form below 1e-6 and from 1e21 on, and no negative zero. f must be finite.
func AppendNumber(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0')
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// strconv pads the exponent to two digits, ECMAScript does not: e-07 becomes e-7.
	if n := len(dst); n-from >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// Marshal is v as compact JSON in the manner of AppendString: what encoding/json makes of v, with neither HTML
// characters nor U+2028 and U+2029 escaped. A json.RawMessage is checked and compacted, not re-encoded. What writes itself,
// a RawMessage within v too, in anything but UTF-8 is an error.
func Marshal(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return Compact(raw)
	}
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= maxKept {
			encoders.Put(e)
		}
	}()
	e.buf.Reset()
	if err := e.enc.Encode(v); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))
	if !utf8.Valid(out) { // of a value that writes itself, encoding/json does not ask
		return nil, &SyntaxError{firstInvalid(out), "broken UTF-8"}
	}
	if bytes.Contains(out, []byte(`\u202`)) {
		return unescapeSeparators(out), nil
	}
	return bytes.Clone(out), nil
}

// maxKept is the largest buffer that stays for the next use: one huge value must not be paid for ever after.
const maxKept = 64 << 10

type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}}

// Compact checks raw and drops its white space. It returns raw itself when there is none.
func Compact(raw []byte) ([]byte, error) {
	if err := Valid(raw); err != nil {
		return nil, err
	}
	inString := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++
		case !inString && c <= ' ':
			var buf bytes.Buffer
			buf.Grow(len(raw))
			if err := json.Compact(&buf, raw); err != nil {
				return nil, err
			}
			return buf.Bytes(), nil
		}
	}
	return raw, nil
}

// unescapeSeparators writes the two characters that encoding/json always escapes as themselves.
func unescapeSeparators(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		switch {
		case bytes.HasPrefix(b[i:], []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += 5
		case bytes.HasPrefix(b[i:], []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += 5
		default:
			out = append(out, b[i], b[i+1])
			i++
		}
	}
	return out
}
