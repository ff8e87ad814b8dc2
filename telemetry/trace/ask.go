package main

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/telemetry/segment"
)

// A question is what the argument asks for: a trace, or a subject whose trace is to be found.
type question struct {
	trace    segment.TraceID // zero: not known, search for the subjects
	subjects []string        // what the subject may be, the likeliest first; none when the argument is a trace id
	arvo     *arvo.Subject   // the first of subjects, if it is of Arvo's form
}

// ask reads the argument. Every text may be a subject of some maker, so the forms that mean something else are looked for
// and nothing is refused but the empty text.
func ask(argument string) (question, error) {
	text := strings.TrimSpace(argument)
	if text == "" {
		return question{}, errors.New("the subject is empty")
	}
	if id, err := segment.ParseTraceID(text); err == nil {
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
	return q, nil
}

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

// annotated is a subject as the annotation has it: whoever writes an annotation leaves out control characters and cuts it
// at X-Ray's limit.
func annotated(subject string) string {
	if len(subject) > segment.MaxAnnotationValue {
		subject = subject[:segment.MaxAnnotationValue]
		subject = strings.ToValidUTF8(subject, "")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, subject)
}

// expression is the filter expression that finds the traces of the subjects.
func (q *question) expression() string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for _, s := range q.subjects {
		if s = annotated(s); s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString(`annotation.subject = "` + quote.Replace(s) + `"`)
	}
	return b.String()
}
