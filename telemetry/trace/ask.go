package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/telemetry/segment"
)

// A question is what the argument asks for: a trace, or a subject whose trace is to be found.
type question struct {
	trace    segment.TraceID // zero: not known, search for the subjects
	subjects []string        // what the subject may be, the likeliest first; none when the argument is a trace id
	arvo     *arvo.Subject   // the first of subjects, if it is of Arvo's form
}

// ask reads the argument. Almost every text may be a subject of some maker, so the forms that mean something else are looked for
// first. What is none of these is refused if nobody can have meant it: nothing, no letter or digit, a damaged id or header, a part of a
// subject of Arvo's.
func ask(argument string) (question, error) {
	text := strings.TrimSpace(argument)
	if text == "" {
		return question{}, errors.New("the subject is empty: give a subject, a trace id or a link to one")
	}
	if !utf8.ValidString(text) || !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return question{}, fmt.Errorf("%s is neither a subject nor a trace id", quoted(text))
	}
	if id, err := segment.ParseTraceID(strings.ToLower(text)); err == nil {
		return question{trace: id}, nil
	}
	if value, what := traceOfHeader(text); what != "" {
		id, err := segment.ParseTraceID(strings.ToLower(value))
		if err != nil {
			return question{}, fmt.Errorf("%s names no trace: %s", quoted(text), what)
		}
		return question{trace: id}, nil
	}
	if id, ok := traceOfLink(text); ok {
		return question{trace: id}, nil
	}
	var q question
	if value, ok := subjectOfLink(text); ok {
		q.mayBe(value)
	}
	q.mayBe(text)
	for i, s := range q.subjects {
		parsed, err := arvo.ParseSubject(s)
		if err != nil {
			continue
		}
		// What is of Arvo's form is what is meant; as it was given comes next, in case somebody uses that as a subject.
		q.arvo = &parsed
		q.subjects = append([]string{s}, slices.Delete(q.subjects, i, i+1)...)
		q.mayBeFirst(standard(s))
		// A trace id that nobody could have made is none; the subject is searched for like any other.
		if id, err := segment.ParseTraceID(parsed.Meta["trace"]); err == nil {
			q.trace = id
		}
		break
	}
	if q.arvo == nil {
		for _, s := range q.subjects {
			if err := damaged(s); err != nil {
				return question{}, fmt.Errorf("%s looks like a subject of which a part is missing (%w): copy it whole, in quotes", quoted(s), err)
			}
		}
	}
	return q, nil
}

// traceOfHeader is the trace id that a header's value names: that of X-Amzn-Trace-Id or of traceparent, with the header's name or without.
// what says what the value should look like; it is "" if the text is no such header and no try at a trace id.
func traceOfHeader(text string) (id, what string) {
	if name, value, ok := strings.Cut(text, ":"); ok && (strings.EqualFold(name, "x-amzn-trace-id") || strings.EqualFold(name, "traceparent") || strings.EqualFold(name, "_x_amzn_trace_id")) {
		text = strings.TrimSpace(value)
	}
	const root = "root="
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); len(part) >= len(root) && strings.EqualFold(part[:len(root)], root) {
			return part[len(root):], "Root=1-8 hexadecimal digits-24 hexadecimal digits is due"
		}
	}
	parts := strings.Split(text, "-")
	switch {
	case len(parts) == 4 && len(parts[0]) == 2 && isHex(parts[0]) && len(parts[2]) == 16 && len(parts[3]) == 2:
		return parts[1], "a traceparent is 00-32 hexadecimal digits-16-2, not all of them zero"
	case len(parts) == 3 && parts[0] == "1" && len(parts[1]) == 8 && isHex(parts[1]) && isHex(parts[2]):
		return text, "a trace id is 1-8 hexadecimal digits-24, not all of them zero"
	case len(text) == 32 && strings.Trim(text, "0") == "":
		return text, "a trace id is not all zeros"
	}
	return "", ""
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// damaged tells what is wrong with what begins as a subject of Arvo's and is none: base64 of zlib or gzip.
func damaged(text string) error {
	raw := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if len(raw) < 8 || strings.Trim(raw, base64Alphabet) != "" {
		return nil
	}
	head, err := base64.RawStdEncoding.DecodeString(raw[:4])
	if err != nil || !(head[0] == 0x78 && (int(head[0])<<8|int(head[1]))%31 == 0 || head[0] == 0x1f && head[1] == 0x8b) {
		return nil
	}
	_, err = arvo.ParseSubject(text)
	return last(err)
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func (q *question) mayBe(subject string) {
	if subject != "" && !slices.Contains(q.subjects, subject) {
		q.subjects = append(q.subjects, subject)
	}
}

func (q *question) mayBeFirst(subject string) {
	q.subjects = slices.DeleteFunc(q.subjects, func(s string) bool { return s == subject })
	q.subjects = append([]string{subject}, q.subjects...)
}

// subject is the likeliest subject; "" when the question is about a trace.
func (q *question) subject() string {
	if len(q.subjects) == 0 {
		return ""
	}
	return q.subjects[0]
}

// subjectOfLink is the subject that a link of the API names: ".../subjects/<base64url>" or ".../subjects?subject=...".
func subjectOfLink(text string) (string, bool) {
	if _, value, ok := strings.Cut(text, "/subjects/"); ok {
		if end := strings.IndexAny(value, "?#"); end >= 0 {
			value = value[:end]
		}
		if unescaped, err := url.PathUnescape(value); err == nil {
			value = unescaped
		}
		return value, value != ""
	}
	if _, query, ok := strings.Cut(text, "/subjects?"); ok {
		query, _, _ = strings.Cut(query, "#")
		if values, err := url.ParseQuery(query); err == nil && values.Get("subject") != "" {
			// An unescaped + is a space by then, which no subject of Arvo's contains.
			value := values.Get("subject")
			if plus := strings.ReplaceAll(value, " ", "+"); plus != value && isArvo(plus) {
				value = plus
			}
			return value, true
		}
	}
	return "", false
}

// traceOfLink is the trace that a link to the CloudWatch console names.
func traceOfLink(text string) (segment.TraceID, bool) {
	for _, before := range []string{"#xray:traces/", "#/traces/", "xray/traces/"} {
		if _, id, ok := strings.Cut(text, before); ok {
			if end := strings.IndexAny(id, "?&#/"); end >= 0 {
				id = id[:end]
			}
			if trace, err := segment.ParseTraceID(id); err == nil {
				return trace, true
			}
		}
	}
	return segment.TraceID{}, false
}

func isArvo(subject string) bool {
	_, err := arvo.ParseSubject(subject)
	return err == nil
}

// standard is a subject of Arvo's form as the events and the annotations have it: in the standard alphabet of base64 with
// padding, where the API's paths have the other one and none.
func standard(subject string) string {
	raw := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(subject)), "=")
	if b, err := base64.RawStdEncoding.DecodeString(raw); err == nil {
		return base64.StdEncoding.EncodeToString(b)
	}
	return subject
}

// ofClient is the filter expression that finds the requests of a client's own trace, if the question may be about one: they have traces of
// their own, which name the client's.
func (q *question) ofClient() string {
	if q.trace.IsZero() || len(q.subjects) > 0 {
		return ""
	}
	return `annotation.client_trace_id = "` + q.trace.W3C() + `"`
}

// expression is the filter expression that finds the traces of the subjects.
func (q *question) expression() string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for _, s := range q.subjects {
		if s = segment.AnnotationText(s); s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString(`annotation.subject = "` + quote.Replace(s) + `"`)
	}
	return b.String()
}
