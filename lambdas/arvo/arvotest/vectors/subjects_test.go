package vectors_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// subjects are orchestration subjects: made, read, and made from one another.
var subjects = suite{
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		return func(_ string, c vectors.Case) error { return checkSubject(f, c) }, nil
	},
	deviations: map[string]deviation{
		"domain missing":          olderSubject,
		"pre-domain (v2) content": olderSubject,
		"domain invalid": {flavor: "v2", why: "execution.domain is Arvo's own since v3, and checked in every subject", instead: func(f *vectors.File, c vectors.Case) error {
			s, err := readSubjectCase(c)
			if err != nil {
				return err
			}
			if _, err = arvo.ParseSubject(encoded(s.Content)); err == nil || !strings.Contains(err.Error(), "execution.domain") {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}},
		"trailing garbage bytes": {flavor: "v3", why: "what lies behind the stream is ignored, as the original did in its line v2", instead: func(_ *vectors.File, c vectors.Case) error {
			s, err := readSubjectCase(c)
			if err != nil {
				return err
			}
			_, err = arvo.ParseSubject(s.Subject)
			return err
		}},
	},
}

// olderSubject: the original's line v3 cannot read the subjects of its line v2.
var olderSubject = deviation{flavor: "v3", why: "a missing domain is null, as writers of v2 mean it", instead: func(_ *vectors.File, c vectors.Case) error {
	s, err := readSubjectCase(c)
	if err != nil {
		return err
	}
	if s.Op == "create+parse" {
		s.Subject = encoded(s.Content)
	}
	read, err := arvo.ParseSubject(s.Subject)
	if err == nil && read.Execution.Domain != "" {
		err = fmt.Errorf("the domain is %q", read.Execution.Domain)
	}
	return err
}}

// A subjectCase is a case of any of the operations of subjects.json.
type subjectCase struct {
	Name, Op string
	OK       bool
	Error    json.RawMessage // a recordedError or the message alone

	// create+parse: Content is written to Encoded and read back.
	Content json.RawMessage
	Encoded string
	JSON    string // what is in the stream

	// parse
	Subject string
	IsValid bool
	Parsed  json.RawMessage // what was read, also of create+parse

	// new, from: Decoded is what the new subject holds.
	Param struct {
		Orchestrator string  `json:"orchestator"` // as the original spells it
		Version      *string // null: the wildcard
		Initiator    string
		Domain       string
		Subject      string
		Meta         map[string]string
	}
	Decoded json.RawMessage
}

func readSubjectCase(c vectors.Case) (s subjectCase, err error) { return s, c.Decode(&s) }

func checkSubject(f *vectors.File, c vectors.Case) error {
	s, err := readSubjectCase(c)
	if err != nil {
		return err
	}
	switch s.Op {
	case "create+parse":
		return s.checkCreate(f.Flavor)
	case "parse":
		return s.checkParse(f.Flavor)
	case "new", "from":
		return s.checkNew(f.Flavor)
	}
	return fmt.Errorf("the op %q is not known", s.Op)
}

func (s *subjectCase) checkCreate(flavor string) error {
	var content struct {
		Orchestrator *arvo.Orchestrator
		Execution    *struct {
			ID, Initiator string
			Domain        *string
		}
		Meta map[string]string
	}
	unsayable := json.Unmarshal(s.Content, &content) != nil || // a value of another type
		content.Orchestrator == nil || content.Execution == nil || content.Meta == nil
	var made string
	var err error
	if !unsayable {
		subject := arvo.Subject{Orchestrator: *content.Orchestrator, Meta: content.Meta}
		subject.Execution = arvo.Execution{ID: content.Execution.ID, Initiator: content.Execution.Initiator}
		if flavor == "v3" && content.Execution.Domain != nil { // v2 does not look at it
			subject.Execution.Domain = *content.Execution.Domain
		}
		made, err = subject.Encode()
	}
	if !s.OK {
		if !unsayable {
			return s.refused(err)
		}
		_, err = arvo.ParseSubject(encoded(s.Content))
		return s.refused(err)
	}
	if err != nil {
		return err
	}
	// What we write says the same; members besides Arvo's have no place in a Subject that is written.
	var parsed map[string]any
	if err := json.Unmarshal(s.Parsed, &parsed); err != nil {
		return err
	}
	known := map[string]any{"orchestrator": parsed["orchestrator"], "execution": parsed["execution"], "meta": parsed["meta"]}
	if err := holds(made, flavor, known); err != nil {
		return fmt.Errorf("made: %w", err)
	}
	// What the original wrote says what it said, whatever members it has.
	if err := holds(s.Encoded, flavor, parsed); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// holds fails when a subject says something else.
func holds(subject, flavor string, recorded any) error {
	read, err := arvo.ParseSubject(subject)
	if err != nil {
		return err
	}
	got, err := vectors.NewLabels().JSON([]byte(read.Content))
	if err != nil {
		return err
	}
	if flavor == "v2" {
		withoutDomain(got)
		withoutDomain(recorded)
	}
	return same("the content", recorded, got)
}

// withoutDomain drops the domain of a subject's content. The line v2 does not know it: it neither writes nor checks it.
func withoutDomain(content any) {
	if object, ok := content.(map[string]any); ok {
		if execution, ok := object["execution"].(map[string]any); ok {
			delete(execution, "domain")
		}
	}
}

func (s *subjectCase) checkParse(flavor string) error {
	if s.OK != s.IsValid {
		return errors.New("the recording contradicts itself")
	}
	if !s.OK {
		_, err := arvo.ParseSubject(s.Subject)
		return s.refused(err)
	}
	return holds(s.Subject, flavor, value(s.Parsed))
}

func (s *subjectCase) checkNew(flavor string) error {
	spec := arvo.SubjectSpec{
		Orchestrator: s.Param.Orchestrator, Initiator: s.Param.Initiator, Domain: s.Param.Domain, Meta: s.Param.Meta,
	}
	if s.Param.Version != nil {
		spec.Version = *s.Param.Version
	}
	var made string
	var err error
	if s.Op == "new" {
		made, err = arvo.NewSubject(spec)
	} else {
		made, err = arvo.SubjectFrom(s.Param.Subject, spec)
	}
	if s.Decoded == nil {
		return s.refused(err)
	}
	if err != nil {
		return err
	}
	return holds(made, flavor, value(s.Decoded))
}

// refused compares a failure.
func (s *subjectCase) refused(err error) error {
	recorded := recordedError{Kind: "Error"}
	if json.Unmarshal(s.Error, &recorded) != nil {
		recorded.Message = textOf(s.Error)
	}
	return subjectRefused(err, &recorded)
}

// subjectRefused compares the failure of a subject. The original's validator lists all that is wrong, we stop at the
// first: it must be one of those. The recorder has cut off long lists.
func subjectRefused(err error, recorded *recordedError) error {
	if err == nil {
		return fmt.Errorf("accepted; the original says %s", recorded.Message)
	}
	places := recorded.issues()
	for _, i := range places {
		if path, _, _ := strings.Cut(i, " "); strings.Contains(err.Error(), path) {
			return nil
		}
	}
	if len(places) > 0 && strings.Contains(recorded.Message, "\n]\n") {
		return fmt.Errorf("names none of %q: %w", places, err)
	}
	return nil
}

// encoded is a subject of any content, right or wrong.
func encoded(content []byte) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(content) // a bytes.Buffer does not fail
	_ = w.Close()           // nor does it now
	return base64.StdEncoding.EncodeToString(out.Bytes())
}
