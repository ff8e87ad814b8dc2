package jsontext

import (
	"bytes"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are looked at eight bytes at a time: they are most of any text. In the functions below the high bit of a byte
// of (v - ones) &^ v is set where the byte of v is zero, and of (v - ones*n) &^ v where it is below n. A borrow may set
// the high bit of a byte above such a one, so only the lowest bit that is set is sure, which is the one that is used.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// notPlain marks, by their high bits, the bytes of x that do not stand for themselves inside a string literal. With the
// bit 2 turned over, the quote comes next after the control characters, which stay among themselves: one comparison finds
// both.
func notPlain(x uint64) uint64 {
	control, backslash := x^ones*2, x^ones*'\\'
	return ((control-ones*0x21)&^control | (backslash-ones)&^backslash) & high
}

// load8 is the eight bytes at i, the first in the lowest place.
func load8[T ~string | ~[]byte](b T, i int) uint64 {
	b = b[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// plain marks the bytes that stand for themselves inside a string literal.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 256; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// StringEnd checks the string literal whose opening quote is at i. It returns the position behind the closing quote and
// whether the literal holds escapes; on an error, the position of the fault. Surrogate escapes need not pair up here; see
// [Unquote].
func StringEnd[T ~string | ~[]byte](b T, i int) (end int, escaped bool, err error) {
	if i >= len(b) || b[i] != '"' {
		return i, false, errorAt(b, i, "a string")
	}
	for i++; i+8 <= len(b); i += 8 {
		stop := notPlain(load8(b, i))
		if stop == 0 {
			continue
		}
		if i += bits.TrailingZeros64(stop) / 8; b[i] == '"' {
			return i + 1, false, nil // nearly every literal ends here
		}
		break
	}
	return stringEnd(b, i)
}

// stringEnd is StringEnd from position i within the literal on, where no escape comes before i.
func stringEnd[T ~string | ~[]byte](b T, i int) (end int, escaped bool, err error) {
	for ; i < len(b); i++ {
		for i+8 <= len(b) {
			if stop := notPlain(load8(b, i)); stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
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

func hex4[T ~string | ~[]byte](b T, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range []byte(b[i : i+4]) {
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

// ErrSurrogate is the failure of [Unquote] on a surrogate escape without its partner, which no UTF-8 can hold.
var ErrSurrogate = errors.New("a lone surrogate")

// Unquote is the text of a literal that [StringEnd] has accepted.
func Unquote(lit []byte) (string, error) {
	in := lit[1 : len(lit)-1]
	i := bytes.IndexByte(in, '\\')
	if i < 0 {
		return string(in), nil
	}
	text, lone := appendUnescaped(make([]byte, 0, len(in)), in, i)
	if lone {
		return "", ErrSurrogate
	}
	return string(text), nil
}

// Text checks the string literal whose opening quote is at i, as [StringEnd] does, and returns what it says, with U+FFFD
// for each surrogate escape without its partner. Without escapes the text is a part of b, not a copy. On an error end is
// the position of the fault.
func Text[T ~string | ~[]byte](b T, i int) (text T, end int, err error) {
	end, escaped, err := StringEnd(b, i)
	if err != nil {
		return text, end, err
	}
	text = b[i+1 : end-1]
	if escaped {
		out, _ := appendUnescaped(make([]byte, 0, len(text)), text, backslash(text, 0))
		text = T(out)
	}
	return text, end, nil
}

// backslash returns the position of the first backslash from i on, or the end.
func backslash[T ~string | ~[]byte](in T, i int) int {
	for i+8 <= len(in) {
		x := load8(in, i) ^ ones*'\\'
		if stop := (x - ones) &^ x & high; stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
		i += 8
	}
	for i < len(in) && in[i] != '\\' {
		i++
	}
	return i
}

// appendUnescaped appends what stands between the quotes of a literal, the first backslash being at i, and tells whether
// it met a lone surrogate.
func appendUnescaped[T ~string | ~[]byte](dst []byte, in T, i int) (_ []byte, lone bool) {
	from := 0
	for i < len(in) {
		dst = append(dst, in[from:i]...)
		c := in[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(in, i)
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+6 <= len(in) && in[i] == '\\' && in[i+1] == 'u' {
					low, _ = hex4(in, i+2)
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					lone = true // what follows stands for itself
				} else {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		from = i
		i = backslash(in, i)
	}
	return append(dst, in[from:]...), lone
}

// AppendString appends s as a string literal, as JSON.stringify writes it. Broken UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	return appendString(dst, s, true)
}

// AppendAWSString appends s as the services in lambdas/local write it: as [AppendString] does, but with \u0008 and \u000c
// in place of \b and \f. What is read back is the same.
func AppendAWSString(dst []byte, s string) []byte {
	return appendString(dst, s, false)
}

func appendString(dst []byte, s string, short bool) []byte {
	start := len(dst)
	dst = append(dst, '"')
	from, i := 0, 0
	seen := uint64(0) // the bits of all bytes: the high ones tell ASCII from what may be broken
	for {
		for i+8 <= len(s) {
			x := load8(s, i)
			seen |= x
			if stop := notPlain(x); stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		for i < len(s) && plain[s[i]] {
			seen |= uint64(s[i])
			i++
		}
		if i == len(s) {
			break
		}
		c := s[i]
		dst = append(dst, s[from:i]...)
		i++
		from = i
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\b' && short:
			dst = append(dst, '\\', 'b')
		case c == '\f' && short:
			dst = append(dst, '\\', 'f')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	if seen&high != 0 && !utf8.ValidString(s) {
		return appendString(dst[:start], string([]rune(s)), short) // every byte that is out of place becomes U+FFFD
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
