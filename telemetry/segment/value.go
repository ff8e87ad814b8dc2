package segment

import (
	"math"
	"strconv"
	"time"

	"example.com/arvo/lambdas/jsontext"
)

// A Time is a moment in microseconds since 1970, the finest that X-Ray's epoch seconds in a float hold. 0 is no time.
type Time int64

// At is the moment t.
func At(t time.Time) Time { return Time(t.UnixMicro()) }

// Time is the moment in UTC.
func (t Time) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Sub is the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// Add is the moment d after t.
func (t Time) Add(d time.Duration) Time { return t + Time(d/time.Microsecond) }

// AppendSeconds appends the time as a JSON number: seconds, in decimal notation, with as many digits as there are.
func (t Time) AppendSeconds(dst []byte) []byte {
	if t < 0 {
		dst = append(dst, '-')
		t = -t
	}
	dst = strconv.AppendInt(dst, int64(t/1e6), 10)
	fraction := int64(t % 1e6)
	if fraction == 0 {
		return dst
	}
	digits := [7]byte{'.'}
	for i := 6; i > 0; i-- {
		digits[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	n := 7
	for digits[n-1] == '0' {
		n--
	}
	return append(dst, digits[:n]...)
}

// An Attribute is a named value.
type Attribute struct {
	Key   string
	Value Value
}

// A Value is the value of an annotation, of metadata or of a link's attribute. Values compare with ==. The zero value is
// null.
type Value struct {
	kind  jsontext.Kind // Invalid in the zero value
	num   uint64        // of a bool and of numbers: the bits of an int64, or of a float64 if float
	float bool
	text  string // of a string, or the JSON of an array or object
}

// String is a value that is a text.
func String(s string) Value { return Value{kind: jsontext.String, text: s} }

// Bool is a value that is true or false.
func Bool(b bool) Value {
	if b {
		return Value{kind: jsontext.Bool, num: 1}
	}
	return Value{kind: jsontext.Bool}
}

// Int is a value that is a whole number.
func Int(n int64) Value { return Value{kind: jsontext.Number, num: uint64(n)} }

// Float is a value that is a number. JSON has no infinities and no NaN: these become texts.
func Float(f float64) Value {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return String(strconv.FormatFloat(f, 'g', -1, 64))
	case f == math.Trunc(f) && -1<<63 <= f && f < 1<<63:
		return Int(int64(f))
	}
	return Value{kind: jsontext.Number, num: math.Float64bits(f), float: true}
}

// JSON is a value of any type, given as its JSON text; null if that is no JSON.
func JSON(text []byte) Value {
	if jsontext.Valid(text) != nil {
		return Value{}
	}
	v, _, err := decodeValue(text, string(text), jsontext.Space(text, 0), 0)
	if err != nil {
		return Value{}
	}
	return v
}

// Kind is the value's JSON type.
func (v Value) Kind() jsontext.Kind {
	if v.kind == jsontext.Invalid {
		return jsontext.Null
	}
	return v.kind
}

// Scalar tells whether the value is a string, a number or a boolean, as annotations must be.
func (v Value) Scalar() bool {
	return v.kind == jsontext.String || v.kind == jsontext.Number || v.kind == jsontext.Bool
}

// Bool is the boolean that the value is; false if it is none.
func (v Value) Bool() bool { return v.kind == jsontext.Bool && v.num == 1 }

// Number is the number that the value is; 0 if it is none.
func (v Value) Number() float64 {
	switch {
	case v.kind != jsontext.Number:
		return 0
	case v.float:
		return math.Float64frombits(v.num)
	}
	return float64(int64(v.num))
}

// String is the value as a reader wants to see it: a string's text, the JSON of anything else.
func (v Value) String() string {
	if v.kind == jsontext.String || v.kind == jsontext.Array || v.kind == jsontext.Object {
		return v.text
	}
	return string(v.AppendJSON(nil))
}

// AppendJSON appends the value as JSON.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case jsontext.String:
		return jsontext.AppendString(dst, v.text)
	case jsontext.Bool:
		return strconv.AppendBool(dst, v.num == 1)
	case jsontext.Number:
		if v.float {
			return jsontext.AppendNumber(dst, math.Float64frombits(v.num))
		}
		return strconv.AppendInt(dst, int64(v.num), 10)
	case jsontext.Array, jsontext.Object:
		return append(dst, v.text...)
	}
	return append(dst, "null"...)
}
