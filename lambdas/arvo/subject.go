package arvo

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/jsontext"
)

// MaxSubject is the largest subject in bytes that is made here: a subject is a key in tables and part of every event.
// Subjects of other makers are read whatever their size.
const MaxSubject = 1000

// WildcardVersion is the version "of no particular version": of a subject whose maker does not care, and in the
// dataschema of system errors. No contract can have it.
const WildcardVersion = "0.0.0"

// A Subject is what an orchestration subject says: the process that an event belongs to. On the wire it is this JSON,
//
//	{"orchestrator":{"name":…,"version":…},"execution":{"id":…,"initiator":…,"domain":…},"meta":{…}}
//
// in a zlib stream in base64. Two subjects are equal when their strings are: compressors differ, so encoding one again
// makes another. Handlers that are not orchestrators need not look inside and accept any subject.
type Subject struct {
	Orchestrator Orchestrator
	Execution    Execution
	Meta         map[string]string

	// Content is the JSON that travelled, members included that Arvo does not know. ParseSubject sets it, Encode does
	// not read it.
	Content string
}

// Orchestrator names who leads a process: an event type of three segments or more and a contract version.
type Orchestrator struct{ Name, Version string }

// Execution is one run of a process. ID is not empty and holds no semicolon; Initiator, an event source of three
// segments or more, is who gets the answer; Domain is "" for none.
type Execution struct{ ID, Initiator, Domain string }

// A SubjectSpec is what NewSubject and SubjectFrom are told.
type SubjectSpec struct {
	Orchestrator string            // the orchestrator's name
	Version      string            // "": WildcardVersion
	Initiator    string            // not read by SubjectFrom
	Domain       string            // "": none, or the parent's
	ID           string            // "": a random UUIDv4
	Meta         map[string]string // free; "redirectto" sends the completion elsewhere than to the initiator
}

// NewSubject begins a process.
func NewSubject(spec SubjectSpec) (string, error) {
	s := Subject{
		Orchestrator: Orchestrator{spec.Orchestrator, spec.Version},
		Execution:    Execution{spec.ID, spec.Initiator, spec.Domain},
		Meta:         spec.Meta,
	}
	if s.Orchestrator.Version == "" {
		s.Orchestrator.Version = WildcardVersion
	}
	if s.Execution.ID == "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return "", fmt.Errorf("arvo: no id for the subject: %w", err)
		}
		s.Execution.ID = id.String()
	}
	return s.Encode()
}

// SubjectFrom begins a process on behalf of another: its initiator is the parent's orchestrator, its domain the
// parent's unless spec says otherwise, its meta the parent's with spec's laid over.
func SubjectFrom(parent string, spec SubjectSpec) (string, error) {
	p, err := ParseSubject(parent)
	if err != nil {
		return "", err
	}
	spec.Initiator = p.Orchestrator.Name
	if spec.Domain == "" {
		spec.Domain = p.Execution.Domain
	}
	meta := maps.Clone(p.Meta)
	maps.Copy(meta, spec.Meta)
	spec.Meta = meta
	return NewSubject(spec)
}

// Encode checks s and writes it as a string of at most MaxSubject bytes.
func (s Subject) Encode() (string, error) {
	if problem := s.problem(); problem != "" {
		return "", fmt.Errorf("arvo: cannot create subject: %s", problem)
	}
	b := make([]byte, 0, 512)
	b = jsontext.AppendString(append(b, `{"orchestrator":{"name":`...), s.Orchestrator.Name)
	b = jsontext.AppendString(append(b, `,"version":`...), s.Orchestrator.Version)
	b = jsontext.AppendString(append(b, `},"execution":{"id":`...), s.Execution.ID)
	b = jsontext.AppendString(append(b, `,"initiator":`...), s.Execution.Initiator)
	b = appendNullable(append(b, `,"domain":`...), s.Execution.Domain)
	b = append(b, `},"meta":{`...)
	for n, key := range slices.Sorted(maps.Keys(s.Meta)) {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, key), ':')
		b = jsontext.AppendString(b, s.Meta[key])
	}
	b = append(b, '}', '}')
	encoded := deflate(b)
	if len(encoded) > MaxSubject {
		return "", &subjectTooLarge{len(encoded)}
	}
	return encoded, nil
}

// subjectTooLarge is the failure of a workflow whose child would have a longer subject than there may be.
type subjectTooLarge struct{ size int }

func (e *subjectTooLarge) Error() string {
	return fmt.Sprintf("arvo: cannot create subject: %d bytes are over the limit of %d", e.size, MaxSubject)
}

// ErrorName is the errorName of the system error.
func (e *subjectTooLarge) ErrorName() string { return "SubjectTooLarge" }

// problem is the first rule that s breaks, "" if none.
func (s *Subject) problem() string {
	switch {
	case !isEventType(s.Orchestrator.Name):
		return "orchestrator.name: must be a reverse-DNS name of at least three lower-case segments"
	case !IsVersion(s.Orchestrator.Version):
		return "orchestrator.version: must be three numbers like 1.0.0"
	case s.Execution.ID == "":
		return "execution.id: must not be empty"
	case strings.Contains(s.Execution.ID, ";"):
		return "execution.id: must not hold a semicolon"
	case !isEventType(s.Execution.Initiator):
		return "execution.initiator: must be a reverse-DNS name of at least three lower-case segments"
	case s.Execution.Domain != "" && !isDomain(s.Execution.Domain):
		return "execution.domain: must contain only lower-case letters, digits and dots"
	}
	return ""
}

// ParseSubject reads an orchestration subject. Subjects from before there were domains are fine, and so is what Node
// lets pass: the URL alphabet of base64, missing padding, white space around it, a gzip stream.
func ParseSubject(subject string) (Subject, error) {
	s, err := parseSubject(subject)
	if err != nil {
		return Subject{}, fmt.Errorf("arvo: cannot parse subject: %w", err)
	}
	return s, nil
}

func parseSubject(subject string) (Subject, error) {
	text, err := inflate(subject)
	if err != nil {
		return Subject{}, err
	}
	if !utf8.Valid(text) {
		return Subject{}, errors.New("content is not UTF-8")
	}
	s := Subject{Content: string(text)}
	end, err := s.read(text, "", jsontext.Space(text, 0))
	if err == nil {
		err = jsontext.End(text, end)
	}
	if err != nil {
		return Subject{}, err
	}
	if s.Meta == nil {
		return Subject{}, errors.New("meta: required")
	}
	if problem := s.problem(); problem != "" {
		return Subject{}, errors.New(problem)
	}
	return s, nil
}

// read takes over what the object at position at says, the member called object or "" for the whole content, and returns
// the position behind it. s.Content is text.
func (s *Subject) read(text []byte, object string, at int) (int, error) {
	if kind := jsontext.KindAt(text, at); kind != jsontext.Object && kind != jsontext.Invalid {
		return at, fmt.Errorf("%s: expected object, received %s", cmp.Or(object, "content"), kind)
	}
	m, err := jsontext.OpenObject(text, at, 0)
	for err == nil && m.Next() {
		key := s.Content[m.Start+1 : m.KeyEnd-1]
		if m.Escaped {
			if key, err = m.Key(); err != nil {
				break
			}
		}
		var field *string
		switch {
		case object == "" && key == "meta":
			s.Meta = map[string]string{}
			m.End, err = s.read(text, key, m.Value)
			continue
		case object == "" && (key == "orchestrator" || key == "execution"):
			m.End, err = s.read(text, key, m.Value)
			continue
		case object == "orchestrator" && key == "name":
			field = &s.Orchestrator.Name
		case object == "orchestrator" && key == "version":
			field = &s.Orchestrator.Version
		case object == "execution" && key == "id":
			field = &s.Execution.ID
		case object == "execution" && key == "initiator":
			field = &s.Execution.Initiator
		case object == "execution" && key == "domain" && jsontext.KindAt(text, m.Value) != jsontext.Null:
			field = &s.Execution.Domain
		case object == "meta":
			field = new(string)
		}
		if m.End, err = jsontext.Value(text, m.Value, 0); err != nil {
			break
		}
		if field == nil {
			continue
		}
		if kind := jsontext.KindAt(text, m.Value); kind != jsontext.String {
			err = fmt.Errorf("%s.%s: expected string, received %s", object, key, kind)
			break
		}
		if *field = s.Content[m.Value+1 : m.End-1]; strings.IndexByte(*field, '\\') >= 0 {
			*field, err = jsontext.Unquote(text[m.Value:m.End])
		}
		switch {
		case err != nil:
			err = fmt.Errorf("%s.%s: %w", object, key, err)
		case object == "meta":
			s.Meta[key] = *field
		case *field == "":
			err = fmt.Errorf("%s.%s: must not be empty", object, key)
		}
	}
	return m.Close(err)
}
