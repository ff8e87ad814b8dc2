package segment

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
)

const (
	// MaxSize is the largest document, in bytes, that X-Ray and [Decode] take.
	MaxSize = 64 << 10

	// MaxSubsegments is how many subsegments a decoded document may hold, nested ones included. It refuses nothing that
	// X-Ray takes: the shortest valid subsegment has 72 bytes, so no more than 910 fit into MaxSize.
	MaxSubsegments = 1000

	// MaxReturned is the largest document, in bytes, that [DecodeReturned] takes. A document is part of a trace, and X-Ray takes
	// no more than 500 KB of one. For its size it may hold as many subsegments as one that is sent.
	MaxReturned = 16 * MaxSize
)

// Decode reads a document that is sent. The error is an [*Error] that names what PutTraceSegments would. The document is as it was
// sent; [Document.Validate] checks that it is complete.
func Decode(text []byte) (Document, error) { return decode(text, MaxSize, MaxSubsegments) }

// DecodeReturned reads a document as BatchGetTraces returns it: subsegments that were sent by themselves are put into their
// segment, which is then larger than what may be sent.
func DecodeReturned(text []byte) (Document, error) {
	return decode(text, MaxReturned, MaxReturned/MaxSize*MaxSubsegments)
}

func decode(text []byte, maxSize, maxSubsegments int) (Document, error) {
	var doc Document
	if len(text) > maxSize {
		return doc, &Error{Code: ParseError, Reason: fmt.Sprintf("%d bytes, at most %d", len(text), maxSize)}
	}
	if !utf8.Valid(text) {
		return doc, &Error{Code: ParseError, Reason: "broken UTF-8"}
	}
	// The strings of the document are parts of one copy of the text.
	d := decoder{b: text, s: string(text), maxSubsegments: maxSubsegments}
	end, err := d.document(jsontext.Space(text, 0), 0, &doc)
	if err == nil {
		err = jsontext.End(text, end)
	}
	if err != nil {
		return Document{}, asError(err, doc.ID)
	}
	return doc, nil
}

// Split returns the documents of a text that is one document or an array of them, as a TraceSegmentDocument of
// PutTraceSegments may be. They are parts of text. Their syntax is checked and nothing else. An array has at most
// [MaxSubsegments] of them.
func Split(text []byte) ([][]byte, error) {
	from := jsontext.Space(text, 0)
	if jsontext.KindAt(text, from) != jsontext.Array {
		if err := jsontext.Valid(text); err != nil {
			return nil, asError(err, ID{})
		}
		return [][]byte{text}, nil
	}
	var docs [][]byte
	e, err := jsontext.OpenArray(text, from, 0)
	for err == nil && e.Next() {
		if len(docs) == MaxSubsegments {
			return nil, &Error{Code: ParseError, Reason: fmt.Sprintf("more than %d documents", MaxSubsegments)}
		}
		e.End, err = jsontext.Value(text, e.Value, 1)
		docs = append(docs, text[e.Value:e.End])
	}
	end, err := e.Close(err)
	if err == nil {
		err = jsontext.End(text, end)
	}
	if err != nil {
		return nil, asError(err, ID{})
	}
	return docs, nil
}

// A decoder reads one text. Its methods take the position of a value and return the position behind it. Those that read
// a value of one type pass over a value of another.
type decoder struct {
	b           []byte
	s           string // the same text
	subsegments int

	maxSubsegments int
}

// object calls member for each member of the object at i.
func (d *decoder) object(i, depth int, member func(key string, i, depth int) (int, error)) (int, error) {
	if jsontext.KindAt(d.b, i) != jsontext.Object {
		return jsontext.Value(d.b, i, depth)
	}
	m, err := jsontext.OpenObject(d.b, i, depth)
	for err == nil && m.Next() {
		m.End, err = member(d.key(&m), m.Value, depth+1)
	}
	return m.Close(err)
}

// array calls element for each element of the array at i.
func (d *decoder) array(i, depth int, element func(i, depth int) (int, error)) (int, error) {
	if jsontext.KindAt(d.b, i) != jsontext.Array {
		return jsontext.Value(d.b, i, depth)
	}
	e, err := jsontext.OpenArray(d.b, i, depth)
	for err == nil && e.Next() {
		e.End, err = element(e.Value, depth+1)
	}
	return e.Close(err)
}

func (d *decoder) key(m *jsontext.Members) string {
	if !m.Escaped {
		return d.s[m.Start+1 : m.KeyEnd-1]
	}
	key, _, err := jsontext.Text(d.s, m.Start)
	if err != nil {
		return "" // the walk has seen the key already, so this cannot be
	}
	return key
}

func (d *decoder) skip(i, depth int) (int, error) { return jsontext.Value(d.b, i, depth) }

func (d *decoder) string(i, depth int, into *string) (int, error) {
	if jsontext.KindAt(d.b, i) != jsontext.String {
		return d.skip(i, depth)
	}
	text, end, err := jsontext.Text(d.s, i)
	if err == nil {
		*into = text
	}
	return end, err
}

func (d *decoder) strings(i, depth int, into *[]string) (int, error) {
	return d.array(i, depth, func(i, depth int) (int, error) {
		if jsontext.KindAt(d.b, i) != jsontext.String {
			return d.skip(i, depth)
		}
		text, end, err := jsontext.Text(d.s, i)
		*into = append(*into, text)
		return end, err
	})
}

func (d *decoder) bool(i, depth int, into *bool) (int, error) {
	end, err := d.skip(i, depth)
	if err == nil && jsontext.KindAt(d.b, i) == jsontext.Bool {
		*into = d.b[i] == 't'
	}
	return end, err
}

func (d *decoder) int(i, depth int, into *int64) (int, error) {
	end, err := d.skip(i, depth)
	if err != nil || jsontext.KindAt(d.b, i) != jsontext.Number {
		return end, err
	}
	if n, err := strconv.ParseInt(d.s[i:end], 10, 64); err == nil {
		*into = n
	} else if f, err := strconv.ParseFloat(d.s[i:end], 64); err == nil && math.Abs(f) < 1<<53 {
		*into = int64(f) // 200.0, 2e2
	}
	return end, nil
}

func (d *decoder) smallInt(i, depth int, into *int) (int, error) {
	var n int64
	end, err := d.int(i, depth, &n)
	if err == nil && n == int64(int32(n)) {
		*into = int(n)
	}
	return end, err
}

// isNull tells whether the value at i is null, which counts as absent where a type is insisted on.
func (d *decoder) isNull(i int) bool { return jsontext.KindAt(d.b, i) == jsontext.Null }

// time reads epoch seconds. It is strict: a time that is no number is an error.
func (d *decoder) time(i, depth int, name string, into *Time) (int, error) {
	end, err := d.skip(i, depth)
	if err != nil || d.isNull(i) {
		return end, err
	}
	if jsontext.KindAt(d.b, i) != jsontext.Number {
		return end, invalid(name, fmt.Sprintf("%.64s is not a number of seconds", d.s[i:end]))
	}
	seconds, err := strconv.ParseFloat(d.s[i:end], 64)
	if err != nil || seconds < 0 || seconds >= maxSeconds {
		return end, invalid(name, fmt.Sprintf("%.64s is not between 0 and 2^32 seconds", d.s[i:end]))
	}
	// Below 2^32 seconds a float64 is within a quarter of a microsecond of what was written, and so is its product: the
	// nearest whole microsecond is the one that was written.
	*into = Time(math.Round(seconds * 1e6))
	return end, nil
}

const maxSeconds = 1 << 32

// name reads the member name. It is strict.
func (d *decoder) name(i, depth int, into *string) (int, error) {
	end, err := d.skip(i, depth)
	if err != nil || d.isNull(i) {
		return end, err
	}
	if jsontext.KindAt(d.b, i) != jsontext.String {
		return end, invalid("name", fmt.Sprintf("%.64s is not a string", d.s[i:end]))
	}
	return d.string(i, depth, into)
}

// id reads an id. It is strict.
func (d *decoder) id(i, depth int, name string, into *ID) (int, error) {
	var text string
	end, err := d.string(i, depth, &text)
	if err != nil || d.isNull(i) || text == "" && d.kind(i) == jsontext.String {
		return end, err
	}
	id, err := ParseID(text)
	if err != nil {
		return end, invalid(name, fmt.Sprintf("%.64s is not 16 hexadecimal digits, not all zero", d.s[i:end]))
	}
	*into = id
	return end, nil
}

// looseID reads an id without which a document is as good: a malformed one counts as absent.
func (d *decoder) looseID(i, depth int, into *ID) (int, error) {
	var text string
	end, err := d.string(i, depth, &text)
	if err != nil {
		return end, err
	}
	if id, malformed := ParseID(text); malformed == nil {
		*into = id
	}
	return end, nil
}

// traceID reads a trace id. It is strict.
func (d *decoder) traceID(i, depth int, into *TraceID) (int, error) {
	var text string
	end, err := d.string(i, depth, &text)
	if err != nil || d.isNull(i) || text == "" && d.kind(i) == jsontext.String {
		return end, err
	}
	id, err := ParseTraceID(text)
	if err != nil || len(text) == 32 { // W3C's form is not X-Ray's
		return end, invalid("trace_id", fmt.Sprintf("%.64s is not 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx, hexadecimal and not all zero", d.s[i:end]))
	}
	*into = id
	return end, nil
}

func (d *decoder) kind(i int) jsontext.Kind { return jsontext.KindAt(d.b, i) }

func (d *decoder) document(i, depth int, doc *Document) (int, error) {
	if k := d.kind(i); k != jsontext.Object {
		if end, err := d.skip(i, depth); err != nil {
			return end, err
		}
		return i, &Error{Code: ParseError, Reason: k.String() + " where a segment is expected"}
	}
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "trace_id":
			return d.traceID(i, depth, &doc.TraceID)
		case "id":
			return d.id(i, depth, "id", &doc.ID)
		case "parent_id":
			return d.id(i, depth, "parent_id", &doc.ParentID)
		case "type":
			return d.string(i, depth, &doc.Type)
		case "name":
			return d.name(i, depth, &doc.Name)
		case "namespace":
			return d.string(i, depth, &doc.Namespace)
		case "origin":
			return d.string(i, depth, &doc.Origin)
		case "resource_arn":
			return d.string(i, depth, &doc.ResourceARN)
		case "user":
			return d.string(i, depth, &doc.User)
		case "start_time":
			return d.time(i, depth, "start_time", &doc.Start)
		case "end_time":
			return d.time(i, depth, "end_time", &doc.End)
		case "in_progress":
			return d.bool(i, depth, &doc.InProgress)
		case "inferred":
			return d.bool(i, depth, &doc.Inferred)
		case "error":
			return d.bool(i, depth, &doc.Error)
		case "throttle":
			return d.bool(i, depth, &doc.Throttle)
		case "fault":
			return d.bool(i, depth, &doc.Fault)
		case "http":
			if d.kind(i) == jsontext.Object {
				doc.HTTP = &HTTP{}
				return d.http(i, depth, doc.HTTP)
			}
		case "aws":
			if d.kind(i) == jsontext.Object {
				doc.AWS = &AWS{}
				return d.aws(i, depth, doc.AWS)
			}
		case "service":
			if d.kind(i) == jsontext.Object {
				doc.Service = &Service{}
				return d.service(i, depth, doc.Service)
			}
		case "cause":
			switch d.kind(i) {
			case jsontext.String:
				doc.Cause = &Cause{}
				return d.looseID(i, depth, &doc.Cause.ExceptionID)
			case jsontext.Object:
				doc.Cause = &Cause{}
				return d.cause(i, depth, doc.Cause)
			}
		case "annotations":
			doc.Annotations = nil
			return d.attributes(i, depth, &doc.Annotations)
		case "metadata":
			doc.Metadata = nil
			return d.object(i, depth, func(key string, i, depth int) (int, error) {
				if d.kind(i) != jsontext.Object {
					return d.skip(i, depth)
				}
				doc.Metadata = append(doc.Metadata, Namespace{Name: key})
				return d.attributes(i, depth, &doc.Metadata[len(doc.Metadata)-1].Attributes)
			})
		case "links":
			doc.Links = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				var l Link
				end, err := d.link(i, depth, &l)
				if !l.TraceID.IsZero() {
					doc.Links = append(doc.Links, l)
				}
				return end, err
			})
		case "precursor_ids":
			doc.PrecursorIDs = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				var id ID
				end, err := d.looseID(i, depth, &id)
				if !id.IsZero() {
					doc.PrecursorIDs = append(doc.PrecursorIDs, id)
				}
				return end, err
			})
		case "subsegments":
			doc.Subsegments = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				if d.subsegments++; d.subsegments > d.maxSubsegments {
					return i, &Error{Code: ParseError, Field: "subsegments", Reason: fmt.Sprintf("more than %d", d.maxSubsegments)}
				}
				var sub Document
				end, err := d.document(i, depth, &sub)
				doc.Subsegments = append(doc.Subsegments, sub)
				return end, err
			})
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) http(i, depth int, h *HTTP) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "request":
			return d.object(i, depth, func(key string, i, depth int) (int, error) {
				switch key {
				case "method":
					return d.string(i, depth, &h.Request.Method)
				case "url":
					return d.string(i, depth, &h.Request.URL)
				case "user_agent":
					return d.string(i, depth, &h.Request.UserAgent)
				case "client_ip":
					return d.string(i, depth, &h.Request.ClientIP)
				case "x_forwarded_for":
					return d.bool(i, depth, &h.Request.XForwardedFor)
				case "traced":
					return d.bool(i, depth, &h.Request.Traced)
				}
				return d.skip(i, depth)
			})
		case "response":
			return d.object(i, depth, func(key string, i, depth int) (int, error) {
				switch key {
				case "status":
					return d.smallInt(i, depth, &h.Response.Status)
				case "content_length":
					return d.int(i, depth, &h.Response.ContentLength)
				}
				return d.skip(i, depth)
			})
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) aws(i, depth int, a *AWS) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "operation":
			return d.string(i, depth, &a.Operation)
		case "region":
			return d.string(i, depth, &a.Region)
		case "account_id":
			return d.string(i, depth, &a.AccountID)
		case "request_id":
			return d.string(i, depth, &a.RequestID)
		case "queue_url":
			return d.string(i, depth, &a.QueueURL)
		case "table_name":
			return d.string(i, depth, &a.TableName)
		case "resource_names":
			a.ResourceNames = nil
			return d.strings(i, depth, &a.ResourceNames)
		case "retries":
			return d.smallInt(i, depth, &a.Retries)
		case "function_arn":
			return d.string(i, depth, &a.FunctionARN)
		case "function_name":
			return d.string(i, depth, &a.FunctionName)
		case "cloudwatch_logs":
			a.CloudWatchLogs = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				var l LogGroup
				end, err := d.object(i, depth, func(key string, i, depth int) (int, error) {
					switch key {
					case "log_group":
						return d.string(i, depth, &l.Name)
					case "arn":
						return d.string(i, depth, &l.ARN)
					}
					return d.skip(i, depth)
				})
				if l != (LogGroup{}) {
					a.CloudWatchLogs = append(a.CloudWatchLogs, l)
				}
				return end, err
			})
		case "api_gateway":
			if d.kind(i) == jsontext.Object {
				g := &APIGateway{}
				a.APIGateway = g
				return d.object(i, depth, func(key string, i, depth int) (int, error) {
					switch key {
					case "account_id":
						return d.string(i, depth, &g.AccountID)
					case "rest_api_id":
						return d.string(i, depth, &g.RestAPIID)
					case "stage":
						return d.string(i, depth, &g.Stage)
					case "request_id":
						return d.string(i, depth, &g.RequestID)
					}
					return d.skip(i, depth)
				})
			}
		case "xray":
			if d.kind(i) == jsontext.Object {
				s := &SDK{}
				a.SDK = s
				return d.object(i, depth, func(key string, i, depth int) (int, error) {
					switch key {
					case "sdk":
						return d.string(i, depth, &s.Name)
					case "sdk_version":
						return d.string(i, depth, &s.Version)
					case "auto_instrumentation":
						return d.bool(i, depth, &s.AutoInstrumentation)
					}
					return d.skip(i, depth)
				})
			}
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) service(i, depth int, s *Service) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "version":
			return d.string(i, depth, &s.Version)
		case "runtime":
			return d.string(i, depth, &s.Runtime)
		case "runtime_version":
			return d.string(i, depth, &s.RuntimeVersion)
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) cause(i, depth int, c *Cause) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "working_directory":
			return d.string(i, depth, &c.WorkingDirectory)
		case "paths":
			c.Paths = nil
			return d.strings(i, depth, &c.Paths)
		case "exceptions":
			c.Exceptions = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				if d.kind(i) != jsontext.Object {
					return d.skip(i, depth)
				}
				c.Exceptions = append(c.Exceptions, Exception{})
				return d.exception(i, depth, &c.Exceptions[len(c.Exceptions)-1])
			})
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) exception(i, depth int, e *Exception) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "id":
			return d.looseID(i, depth, &e.ID)
		case "message":
			return d.string(i, depth, &e.Message)
		case "type":
			return d.string(i, depth, &e.Type)
		case "remote":
			return d.bool(i, depth, &e.Remote)
		case "truncated":
			return d.smallInt(i, depth, &e.Truncated)
		case "skipped":
			return d.smallInt(i, depth, &e.Skipped)
		case "cause":
			return d.looseID(i, depth, &e.Cause)
		case "stack":
			e.Stack = nil
			return d.array(i, depth, func(i, depth int) (int, error) {
				if d.kind(i) != jsontext.Object {
					return d.skip(i, depth)
				}
				e.Stack = append(e.Stack, Frame{})
				f := &e.Stack[len(e.Stack)-1]
				return d.object(i, depth, func(key string, i, depth int) (int, error) {
					switch key {
					case "path":
						return d.string(i, depth, &f.Path)
					case "line":
						return d.smallInt(i, depth, &f.Line)
					case "label":
						return d.string(i, depth, &f.Label)
					}
					return d.skip(i, depth)
				})
			})
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) link(i, depth int, l *Link) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		switch key {
		case "trace_id":
			var text string
			end, err := d.string(i, depth, &text)
			if id, malformed := ParseTraceID(text); malformed == nil {
				l.TraceID = id
			}
			return end, err
		case "id":
			return d.looseID(i, depth, &l.ID)
		case "attributes":
			l.Attributes = nil
			return d.attributes(i, depth, &l.Attributes)
		}
		return d.skip(i, depth)
	})
}

func (d *decoder) attributes(i, depth int, into *[]Attribute) (int, error) {
	return d.object(i, depth, func(key string, i, depth int) (int, error) {
		v, end, err := decodeValue(d.b, d.s, i, depth)
		if err == nil {
			*into = append(*into, Attribute{key, v})
		}
		return end, err
	})
}

// decodeValue reads any value. b and s are the same text.
func decodeValue(b []byte, s string, i, depth int) (Value, int, error) {
	kind := jsontext.KindAt(b, i)
	if kind == jsontext.String {
		text, end, err := jsontext.Text(s, i)
		return String(text), end, err
	}
	end, err := jsontext.Value(b, i, depth)
	if err != nil {
		return Value{}, end, err
	}
	switch kind {
	case jsontext.Bool:
		return Bool(b[i] == 't'), end, nil
	case jsontext.Number:
		if n, err := strconv.ParseInt(s[i:end], 10, 64); err == nil {
			return Int(n), end, nil
		}
		f, err := strconv.ParseFloat(s[i:end], 64)
		if err != nil {
			return String(s[i:end]), end, nil // beyond a float64
		}
		return Float(f), end, nil
	case jsontext.Array, jsontext.Object:
		return Value{kind: kind, text: compact(s[i:end])}, end, nil
	}
	return Value{}, end, nil
}

// compact drops the white space of JSON whose syntax has been checked.
func compact(text string) string {
	raw, err := jsontext.Compact([]byte(text))
	if err != nil {
		return text // it is not the syntax
	}
	return string(raw)
}
