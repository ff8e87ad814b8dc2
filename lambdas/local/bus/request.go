package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/wire"
)

// putEvents is the operation PutEvents.
func (s *Service) putEvents(ctx context.Context, body []byte) (any, error) {
	entries, err := decodeEntries(body)
	if err != nil {
		return nil, err
	}
	switch n := len(entries); {
	case entries == nil:
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value null at 'entries' failed to satisfy constraint: Member must not be null")
	case n == 0:
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxEntries:
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	trace, buses := wire.TraceHeader(ctx), *s.routes.Load()
	for i := range entries {
		if _, known := buses[s.busName(entries[i].Bus)]; !known {
			if err := checkName(entries[i].Bus, fmt.Sprintf("entries.%d.member.eventBusName", i+1), "bus to put to"); err != nil {
				return nil, err
			}
		}
		if entries[i].size() > MaxEntry {
			return nil, errOverLimit
		}
		if entries[i].TraceHeader == "" {
			entries[i].TraceHeader = trace
		}
	}
	return encodeResults(s.Put(ctx, entries)), nil
}

func encodeResults(results []Result) wire.Raw {
	failed := 0
	b := make([]byte, 0, 40+64*len(results))
	b = append(b, `{"Entries":[`...)
	for i, r := range results {
		if i > 0 {
			b = append(b, ',')
		}
		if r.ErrorCode == "" {
			b = append(b, `{"EventId":"`...)
			b = append(b, r.EventID...)
			b = append(b, `"}`...)
			continue
		}
		failed++
		b = append(b, `{"ErrorCode":`...)
		b = jsontext.AppendAWSString(b, r.ErrorCode)
		b = append(b, `,"ErrorMessage":`...)
		b = jsontext.AppendAWSString(b, r.ErrorMessage)
		b = append(b, '}')
	}
	b = append(b, `],"FailedEntryCount":`...)
	b = strconv.AppendInt(b, int64(failed), 10)
	return append(b, '}')
}

// decodeEntries reads the body of PutEvents; without Entries it returns nil. Members that it does not know are skipped, as
// AWS does.
func decodeEntries(body []byte) ([]Entry, error) {
	if !utf8.Valid(body) {
		return nil, wire.Errorf("SerializationException", "the request body is not valid UTF-8")
	}
	d := decoder{src: body}
	var entries []Entry
	d.object(func(name []byte) {
		if string(name) != "Entries" {
			d.skip()
			return
		}
		if d.peek() == '[' {
			entries = make([]Entry, 0, maxEntries)
		}
		d.array("Entries", func() {
			if len(entries) > maxEntries { // too many already: they are counted, not kept
				d.skip()
				return
			}
			entries = append(entries, Entry{})
			d.entry(&entries[len(entries)-1])
		})
	})
	if d.i = jsontext.Space(d.src, d.i); d.err == nil && d.i < len(d.src) {
		d.syntax()
	}
	if d.err != nil {
		return nil, d.err
	}
	return entries, nil
}

// A decoder reads JSON from front to back. After an error it reads nothing more.
type decoder struct {
	src []byte
	i   int
	err error
}

func (d *decoder) syntax() {
	if d.err == nil {
		d.err = wire.Errorf("SerializationException", "the request body is not valid JSON at byte %d", d.i)
	}
}

func (d *decoder) entry(e *Entry) {
	d.object(func(name []byte) {
		switch string(name) {
		case "Source":
			e.Source = string(d.string("Source"))
		case "DetailType":
			e.DetailType = string(d.string("DetailType"))
		case "Detail":
			e.Detail = d.string("Detail")
		case "EventBusName":
			e.Bus = string(d.string("EventBusName"))
		case "TraceHeader":
			e.TraceHeader = string(d.string("TraceHeader"))
		case "Time":
			e.Time = d.time()
		case "Resources":
			d.array("Resources", func() { e.Resources = append(e.Resources, string(d.string("Resources"))) })
		default:
			d.skip()
		}
	})
}

// peek returns the first byte of the next token, or 0.
func (d *decoder) peek() byte {
	if d.i = jsontext.Space(d.src, d.i); d.err != nil || d.i >= len(d.src) {
		return 0
	}
	return d.src[d.i]
}

// null reads a null if there is one.
func (d *decoder) null() bool {
	if d.peek() != 'n' {
		return false
	}
	end, err := jsontext.Value(d.src, d.i, 0)
	if err != nil {
		d.syntax()
	}
	d.i = end
	return true
}

func (d *decoder) wrongType(member, expected string) {
	if d.err == nil {
		d.err = wire.Errorf("SerializationException", "%s at byte %d must be %s", member, d.i, expected)
	}
}

// object reads an object and calls member, which must read the value, for each of its members.
func (d *decoder) object(member func(name []byte)) {
	if d.peek() != '{' {
		d.syntax()
		return
	}
	d.i++
	for first := true; ; first = false {
		switch c := d.peek(); {
		case c == '}':
			d.i++
			return
		case first:
		case c == ',':
			d.i++
		default:
			d.syntax()
			return
		}
		d.peek()
		name, end, err := jsontext.Text(d.src, d.i)
		if err != nil {
			d.syntax()
			return
		}
		d.i = end
		if d.peek() != ':' {
			d.syntax()
			return
		}
		d.i++
		if member(name); d.err != nil {
			return
		}
	}
}

// array reads an array, or null, and calls element, which must read the value, for each element.
func (d *decoder) array(name string, element func()) {
	if d.null() {
		return
	}
	if d.peek() != '[' {
		d.wrongType(name, "an array")
		return
	}
	d.i++
	for first := true; ; first = false {
		switch c := d.peek(); {
		case c == ']':
			d.i++
			return
		case first:
		case c == ',':
			d.i++
		default:
			d.syntax()
			return
		}
		if element(); d.err != nil {
			return
		}
	}
}

// string reads a string, or null. The result may be a part of the source.
func (d *decoder) string(member string) []byte {
	if d.null() {
		return nil
	}
	if d.peek() != '"' {
		d.wrongType(member, "a string")
		return nil
	}
	text, end, err := jsontext.Text(d.src, d.i)
	if err != nil {
		d.syntax()
		return nil
	}
	d.i = end
	return text
}

// The first second of the year 1 and the last of the year 9999: envelopes have no others.
const firstSecond, lastSecond = -62135596800, 253402300799

// time reads a time in seconds since 1970, or null.
func (d *decoder) time() time.Time {
	if d.null() {
		return time.Time{}
	}
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		d.wrongType("Time", "a number of seconds")
		return time.Time{}
	}
	start := d.i
	end, err := jsontext.Value(d.src, start, 0)
	if err != nil {
		d.syntax()
		return time.Time{}
	}
	d.i = end
	seconds, err := strconv.ParseFloat(string(d.src[start:end]), 64)
	if err != nil || seconds < firstSecond || seconds > lastSecond {
		d.wrongType("Time", "a time between the years 1 and 9999")
		return time.Time{}
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// skip reads any value. What it is does not matter here, so the standard library may read it.
func (d *decoder) skip() {
	if d.peek() == 0 {
		d.syntax()
		return
	}
	start, depth := d.i, 0
	for d.i < len(d.src) {
		switch c := d.src[d.i]; c {
		case '"':
			end, _, err := jsontext.StringEnd(d.src, d.i)
			if err != nil {
				d.syntax()
				return
			}
			d.i = end
		case '{', '[':
			depth++
			d.i++
		case '}', ']':
			if depth--; depth >= 0 {
				d.i++
			}
		case ',':
			if depth > 0 {
				d.i++
			}
		default:
			d.i++
		}
		if depth < 0 || depth == 0 && (d.i == len(d.src) || d.src[d.i] == ',' || d.src[d.i] == '}' || d.src[d.i] == ']') {
			break
		}
	}
	if !json.Valid(d.src[start:d.i]) {
		d.syntax()
	}
}
