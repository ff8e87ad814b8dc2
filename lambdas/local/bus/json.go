package bus

import (
	"bytes"
	"unicode/utf8"
)

// This file is the JSON that PutEvents reads and writes for each event; see BenchmarkDecodeEntries for why.

// maxDepth is how deep the JSON of a detail may nest.
const maxDepth = 1000

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, as in encoding/json.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// appendObject appends a JSON object without the white space between its tokens. Order, duplicate members, numbers and
// escapes stay as they are. It is not ok if src is not exactly one object.
func appendObject(dst, src []byte) (_ []byte, ok bool) {
	var open [64]byte // the brackets that are open; more of them go to the heap
	stack := open[:0]
	i := space(src, 0)
	if i >= len(src) || src[i] != '{' {
		return dst, false
	}
	// The loop is at the start of a value, or of a key if key is set.
	key := false
	for {
		if i >= len(src) {
			return dst, false
		}
		start := i
		c := src[i]
		switch {
		case key:
			if i, ok = stringEnd(src, i); !ok {
				return dst, false
			}
			dst = append(dst, src[start:i]...)
			if i = space(src, i); i >= len(src) || src[i] != ':' {
				return dst, false
			}
			dst = append(dst, ':')
			i = space(src, i+1)
			key = false
			continue
		case c == '{' || c == '[':
			if len(stack) >= maxDepth {
				return dst, false
			}
			stack = append(stack, c+2) // the bracket that closes it
			dst = append(dst, c)
			i = space(src, i+1)
			if i < len(src) && src[i] == c+2 {
				break // empty: closed below
			}
			key = c == '{'
			continue
		case c == '"':
			i, ok = stringEnd(src, i)
		case c == '-' || '0' <= c && c <= '9':
			i, ok = numberEnd(src, i)
		default:
			i, ok = literalEnd(src, i)
		}
		if c != '{' && c != '[' {
			if !ok {
				return dst, false
			}
			dst = append(dst, src[start:i]...)
		}
		// After a value: close what ends here, then go on behind a comma.
		for {
			i = space(src, i)
			if i >= len(src) {
				return dst, false
			}
			c := src[i]
			i++
			top := len(stack) - 1
			if c == stack[top] {
				dst = append(dst, c)
				if stack = stack[:top]; top == 0 {
					return dst, space(src, i) == len(src)
				}
				continue
			}
			if c != ',' {
				return dst, false
			}
			dst = append(dst, ',')
			i = space(src, i)
			key = stack[top] == '}'
			break
		}
	}
}

// space returns the place of the first byte from i on that is no white space.
func space(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the place behind the string that starts at i, if there is one.
func stringEnd(src []byte, i int) (int, bool) {
	if i >= len(src) || src[i] != '"' {
		return i, false
	}
	for i++; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			return i + 1, true
		case c < 0x20:
			return i, false
		case c == '\\':
			i++
			if i >= len(src) {
				return i, false
			}
			switch src[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(src, i+1); !ok {
					return i, false
				}
				i += 4
			default:
				return i, false
			}
		}
	}
	return i, false
}

// hex4 reads four hexadecimal digits at i.
func hex4(src []byte, i int) (r rune, ok bool) {
	if i+4 > len(src) {
		return 0, false
	}
	for _, c := range src[i : i+4] {
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

// numberEnd returns the place behind the number that starts at i, if there is one.
func numberEnd(src []byte, i int) (int, bool) {
	digits := func() bool {
		start := i
		for i < len(src) && '0' <= src[i] && src[i] <= '9' {
			i++
		}
		return i > start
	}
	if src[i] == '-' {
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(src) && src[i] == '.' {
		if i++; !digits() {
			return i, false
		}
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		if i++; i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

func literalEnd(src []byte, i int) (int, bool) {
	for _, l := range []string{"true", "false", "null"} {
		if len(src)-i >= len(l) && string(src[i:i+len(l)]) == l {
			return i + len(l), true
		}
	}
	return i, false
}

// unquote returns the text of a JSON string, whose quotes are its first and last byte. Without escapes it is a part of
// the argument, which is valid.
func unquote(quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i >= 0 {
		out = append(out, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(text, 0)
			text = text[4:]
			if 0xd800 <= r && r < 0xe000 {
				var pair rune = utf8.RuneError
				if r < 0xdc00 && len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					if low, _ := hex4(text, 2); 0xdc00 <= low && low < 0xe000 {
						pair = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
						text = text[6:]
					}
				}
				r = pair
			}
			out = utf8.AppendRune(out, r)
			i = bytes.IndexByte(text, '\\')
			continue
		}
		out = append(out, c)
		i = bytes.IndexByte(text, '\\')
	}
	return append(out, text...)
}
