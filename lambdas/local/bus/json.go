package bus

import "example.com/arvo/lambdas/jsontext"

// maxDepth is how deep the JSON of a detail may nest.
const maxDepth = 1000

// appendObject appends a JSON object without the white space between its tokens. Order, duplicate members, numbers and
// escapes stay as they are. It is not ok if src is not exactly one object. It goes over each detail that is put, so it
// checks and copies in one pass; BenchmarkDecodeEntries says what that is worth.
func appendObject(dst, src []byte) (_ []byte, ok bool) {
	var open [64]byte // the brackets that are open; more of them go to the heap
	stack := open[:0]
	i := jsontext.Space(src, 0)
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
			var err error
			if i, _, err = jsontext.StringEnd(src, i); err != nil {
				return dst, false
			}
			dst = append(dst, src[start:i]...)
			if i = jsontext.Space(src, i); i >= len(src) || src[i] != ':' {
				return dst, false
			}
			dst = append(dst, ':')
			i = jsontext.Space(src, i+1)
			key = false
			continue
		case c == '{' || c == '[':
			if len(stack) >= maxDepth {
				return dst, false
			}
			stack = append(stack, c+2) // the bracket that closes it
			dst = append(dst, c)
			i = jsontext.Space(src, i+1)
			if i < len(src) && src[i] == c+2 {
				break // empty: closed below
			}
			key = c == '{'
			continue
		default:
			var err error
			if i, err = jsontext.Value(src, i, 0); err != nil {
				return dst, false
			}
			dst = append(dst, src[start:i]...)
		}
		// After a value: close what ends here, then go on behind a comma.
		for {
			i = jsontext.Space(src, i)
			if i >= len(src) {
				return dst, false
			}
			c := src[i]
			i++
			top := len(stack) - 1
			if c == stack[top] {
				dst = append(dst, c)
				if stack = stack[:top]; top == 0 {
					return dst, jsontext.Space(src, i) == len(src)
				}
				continue
			}
			if c != ',' {
				return dst, false
			}
			dst = append(dst, ',')
			i = jsontext.Space(src, i)
			key = stack[top] == '}'
			break
		}
	}
}
