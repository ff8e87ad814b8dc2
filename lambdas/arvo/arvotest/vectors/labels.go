package vectors

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/jsontext"
)

// Labels writes JSON the way the recordings write it: what is random or of its time becomes a label. The labels are
// numbered by first appearance, so everything of a case has to go through one Labels in the order of the recording.
type Labels struct {
	// Subjects are the contents of the generated subjects by label, themselves with labels.
	Subjects map[string]any

	uuids    map[string]string
	subjects []labelled // in the order of appearance
}

type labelled struct{ label, value string }

// NewLabels returns labels without any.
func NewLabels() *Labels {
	return &Labels{Subjects: make(map[string]any), uuids: make(map[string]string)}
}

// Name gives a subject a label beforehand.
func (l *Labels) Name(label, subject string) {
	l.subjects = append(l.subjects, labelled{label, subject})
}

// Value is what a label stands for: the subject or the UUID.
func (l *Labels) Value(label string) (value string, ok bool) {
	for _, s := range l.subjects {
		if s.label == label {
			return s.value, true
		}
	}
	for value, known := range l.uuids {
		if known == label {
			return value, true
		}
	}
	return "", false
}

// Event is the event with labels, as a JSON value. An event of the flavor v2 has neither a parent nor a domain: an
// implementation of v3 writes both, and readers of v2 drop them.
func (l *Labels) Event(e arvo.Event, flavor string) (any, error) {
	text, err := e.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	value, err := l.JSON(text)
	if err != nil {
		return nil, err
	}
	if flavor == "v2" {
		delete(value.(map[string]any), "parentid")
		delete(value.(map[string]any), "domain")
	}
	return value, nil
}

// JSON is the value of a JSON text, with labels.
func (l *Labels) JSON(text []byte) (any, error) {
	value, at, err := l.read(text, jsontext.Space(text, 0), "")
	if err == nil {
		err = jsontext.End(text, at)
	}
	return value, err
}

// read reads the value at text[i:], the member called key, and returns the position behind it.
func (l *Labels) read(text []byte, i int, key string) (any, int, error) {
	switch jsontext.KindAt(text, i) {
	case jsontext.Object:
		object := make(map[string]any)
		m, err := jsontext.OpenObject(text, i, 0)
		for err == nil && m.Next() {
			var name string
			var value any
			if name, err = m.Key(); err != nil {
				break
			}
			name = l.hide(name)
			value, m.End, err = l.read(text, m.Value, name)
			object[name] = value
		}
		end, err := m.Close(err)
		return object, end, err
	case jsontext.Array:
		list := []any{}
		a, err := jsontext.OpenArray(text, i, 0)
		for err == nil && a.Next() {
			var value any
			value, a.End, err = l.read(text, a.Value, "")
			list = append(list, value)
		}
		end, err := a.Close(err)
		return list, end, err
	}
	end, err := jsontext.Value(text, i, 0)
	if err != nil {
		return nil, i, err
	}
	var value any
	if err := json.Unmarshal(text[i:end], &value); err != nil {
		return nil, i, err
	}
	if s, ok := value.(string); ok {
		value, err = l.text(s, key)
	}
	return value, end, err
}

// shortestSubject is the length up to which the recorder takes a text for no generated subject.
const shortestSubject = 40

func (l *Labels) text(s, key string) (string, error) {
	if i := slices.IndexFunc(l.subjects, func(known labelled) bool { return known.value == s }); i >= 0 {
		return l.subjects[i].label, nil
	}
	if key == "errorStack" {
		return "<stack>", nil
	}
	if len(s) > shortestSubject {
		if subject, err := arvo.ParseSubject(s); err == nil {
			label := fmt.Sprintf("<subject:%d>", len(l.Subjects))
			l.subjects = append(l.subjects, labelled{label, s})
			l.Subjects[label] = nil // its number is taken before it is looked into
			l.Subjects[label], err = l.JSON([]byte(subject.Content))
			return label, err
		}
	}
	for _, known := range l.subjects {
		if len(known.value) > shortestSubject {
			s = strings.ReplaceAll(s, known.value, known.label)
		}
	}
	return l.hide(timePattern.ReplaceAllString(s, "<time>")), nil
}

var (
	timePattern = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00`)
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
)

// hide puts labels in the place of UUIDs.
func (l *Labels) hide(s string) string {
	return uuidPattern.ReplaceAllStringFunc(s, func(id string) string {
		if _, ok := l.uuids[id]; !ok {
			l.uuids[id] = fmt.Sprintf("<uuid:%d>", len(l.uuids))
		}
		return l.uuids[id]
	})
}
