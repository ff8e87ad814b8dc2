package attribute

import "strings"

// AppendOrdered appends an encoding of a scalar (S, N or B) whose byte order is the values' order, and which ends itself:
// no encoding is a prefix of another one, so several can stand one after another and still compare field by field.
//
//	text      the bytes, each 00 as 00 FF, then 00 01
//	negative  00, the complement of (exponent + 200, digits + 1 …), FF, then as text
//	zero      01, then as text
//	positive  02, exponent + 200, digits + 1 …, then as text
func AppendOrdered(dst []byte, v Value) []byte {
	return append(appendEscaped(dst, orderedText(v)), 0, 1)
}

// AppendOrderedPrefix appends what all encodings of values that begin with v (S or B) have in common.
func AppendOrderedPrefix(dst []byte, v Value) []byte { return appendEscaped(dst, v.Text) }

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:i]...), 0, 0xff)
		s = s[i+1:]
	}
}

func orderedText(v Value) string {
	if v.Type != N {
		return v.Text
	}
	d := mustDecimal(v.Text)
	if d.digits == "" {
		return "\x01"
	}
	const bias = 200 // exponents run from -129 to 126; two bytes hold them
	b := make([]byte, 0, len(d.digits)+4)
	b = append(b, 2, byte((d.exp+bias)>>8), byte(d.exp+bias))
	for i := 0; i < len(d.digits); i++ {
		b = append(b, d.digits[i]-'0'+1)
	}
	if d.negative {
		b[0] = 0
		for i := 1; i < len(b); i++ {
			b[i] = ^b[i]
		}
		b = append(b, 0xff)
	}
	return string(b)
}
