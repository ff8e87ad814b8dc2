package queue

import (
	"encoding/base64"
	"maps"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, as encoding/json does without HTML escaping.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < utf8.RuneSelf {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				b = utf8.AppendRune(b, utf8.RuneError)
			}
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// appendReceived appends the answer of ReceiveMessage. It is written by hand since it carries every message over the
// wire once: encoding/json takes three times as long for it.
func appendReceived(b []byte, messages []Received, want selection) []byte {
	if len(messages) == 0 {
		return append(b, "{}"...) // as AWS: no member rather than an empty list
	}
	size := 0
	for i := range messages {
		size += len(messages[i].Body) + len(messages[i].Body)/4 + 512
	}
	b = slices.Grow(b, size)
	b = append(b, `{"Messages":[`...)
	for i := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMessage(b, &messages[i], want)
	}
	return append(b, "]}"...)
}

func appendMessage(b []byte, r *Received, want selection) []byte {
	b = append(b, `{"MessageId":"`...)
	b = append(b, r.ID...)
	b = append(b, `","ReceiptHandle":"`...)
	b = append(b, r.ReceiptHandle...)
	b = append(b, `","MD5OfBody":"`...)
	b = append(b, r.MD5OfBody...)
	b = append(b, `","Body":`...)
	b = appendString(b, r.Body)
	if len(want.system) > 0 {
		b = append(b, `,"Attributes":{`...)
		first := true
		for name, value := range r.systemAttributes {
			if !want.wantsSystem(name) {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendString(b, name)
			b = append(b, ':')
			b = appendString(b, value)
		}
		b = append(b, '}')
	}
	if len(want.user) > 0 && len(r.MessageAttributes) > 0 {
		b = appendAttributes(b, r, want)
	}
	return append(b, '}')
}

// appendAttributes appends the message attributes that are wanted, sorted by name, with a checksum over just these.
func appendAttributes(b []byte, r *Received, want selection) []byte {
	chosen := make(map[string]Attribute, len(r.MessageAttributes))
	for name, a := range r.MessageAttributes {
		if want.wantsUser(name) {
			chosen[name] = a
		}
	}
	if len(chosen) == 0 {
		return b
	}
	sum := r.MD5OfAttributes
	if len(chosen) < len(r.MessageAttributes) {
		sum = md5OfAttributes(chosen)
	}
	b = append(b, `,"MD5OfMessageAttributes":"`...)
	b = append(b, sum...)
	b = append(b, `","MessageAttributes":{`...)
	for i, name := range slices.Sorted(maps.Keys(chosen)) {
		if i > 0 {
			b = append(b, ',')
		}
		a := chosen[name]
		b = appendString(b, name)
		if a.binary() {
			b = append(b, `:{"BinaryValue":"`...)
			b = base64.StdEncoding.AppendEncode(b, a.BinaryValue)
			b = append(b, '"')
		} else {
			b = append(b, `:{"StringValue":`...)
			b = appendString(b, a.StringValue)
		}
		b = append(b, `,"DataType":`...)
		b = appendString(b, a.DataType)
		b = append(b, '}')
	}
	return append(b, '}')
}
