// Package jsontext walks and writes JSON text without building a value of it.
//
// The reader works on positions in one byte slice: Value checks the syntax of the value that begins at a position (RFC
// 8259, depth bounded by MaxDepth) and returns where it ends, Members and Elements step through a container, Unquote
// gives the text of a string literal. The writer half, AppendString and AppendNumber, writes what ECMAScript's
// JSON.stringify writes: no HTML escaping, U+2028 and U+2029 as they are, numbers in their shortest form.
//
// encoding/json is not used for this because it cannot do either half: a Decoder builds values (or hands out tokens as
// interfaces), matches object keys without regard to case, keeps the last of two equal keys in silence and replaces
// broken Unicode; its encoder escapes <, >, &, U+2028 and U+2029 on one side or the other of SetEscapeHTML.
package jsontext

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"unicode/utf16"
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

func errorAt(b []byte, i int, want string) error {
	if i >= len(b) {
		return &SyntaxError{len(b), "the text ends where " + want + " is expected"}
	}
	return &SyntaxError{i, fmt.Sprintf("%q where %s is expected", rune(b[i]), want)}
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
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
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

// plain marks the bytes that stand for themselves inside a string literal.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 256; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// allPlain reports whether all eight bytes of x are plain. The high bit of a byte of (v - ones) &^ v is set where the byte
// of v is zero, and of (v - ones*n) &^ v where it is below n; a borrow from a lower byte may set it once more, where one
// is set already.
func allPlain(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^ones*'"', x^ones*'\\'
	return ((x-ones*0x20)&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&high == 0
}

// StringEnd checks the string literal whose opening quote is at i. It returns the position behind the closing quote and
// whether the literal holds escapes. Surrogate escapes need not pair up here; see Unquote.
func StringEnd(b []byte, i int) (end int, escaped bool, err error) {
	if i >= len(b) || b[i] != '"' {
		return i, false, errorAt(b, i, "a string")
	}
	for i++; i < len(b); i++ {
		for i+8 <= len(b) && allPlain(binary.LittleEndian.Uint64(b[i:])) {
			i += 8
		}
		if i == len(b) {
			break
		}
		if plain[b[i]] {
			continue
		}
		switch b[i] {
		case '"':
			return i + 1, escaped, nil
		case '\\':
			escaped = true
			if i++; i >= len(b) {
				return i, true, errorAt(b, i, "the rest of an escape")
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b, i+1); !ok {
					return i, true, errorAt(b, i+1, "an escape of four hexadecimal digits")
				}
				i += 4
			default:
				return i, true, errorAt(b, i, "an escape letter")
			}
		default:
			return i, escaped, &SyntaxError{i, "a control character in a string"}
		}
	}
	return i, escaped, errorAt(b, i, "a closing quote")
}

func hex4(b []byte, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// ErrSurrogate is the failure of Unquote on a surrogate escape without its partner, which no Go string can hold.
var ErrSurrogate = errors.New("a lone surrogate")

// Unquote is the text of a literal that StringEnd has accepted.
func Unquote(lit []byte) (string, error) {
	in := lit[1 : len(lit)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return string(in), nil
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' {
			out = append(out, in[i])
			continue
		}
		i++
		switch c := in[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(in, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), i+2 < len(in) && in[i+1] == '\\' && in[i+2] == 'u'
				if ok {
					low, ok = hex4(in, i+3)
				}
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return "", ErrSurrogate
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
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
	m := Members{b: b, End: i, first: true}
	if i >= len(b) || b[i] != '{' {
		return m, errorAt(b, i, "an object")
	}
	if depth >= MaxDepth {
		return m, &SyntaxError{i, "nesting deeper than " + strconv.Itoa(MaxDepth)}
	}
	m.End = i + 1
	return m, nil
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
	m.Start = i
	if m.KeyEnd, m.Escaped, m.err = StringEnd(b, i); m.err != nil {
		return false
	}
	i = Space(b, m.KeyEnd)
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
	e := Elements{b: b, Index: -1, End: i}
	if i >= len(b) || b[i] != '[' {
		return e, errorAt(b, i, "an array")
	}
	if depth >= MaxDepth {
		return e, &SyntaxError{i, "nesting deeper than " + strconv.Itoa(MaxDepth)}
	}
	e.End = i + 1
	return e, nil
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

// AppendString appends s as a string literal, as JSON.stringify writes it. Broken UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				const hex = "0123456789abcdef"
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[from:i]...)
			dst = append(dst, "\uFFFD"...)
			from = i + n
		}
		i += n
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
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
// characters nor U+2028 and U+2029 escaped. A json.RawMessage is checked and compacted, not re-encoded.
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
