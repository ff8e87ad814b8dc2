package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/local/pattern"
)

const (
	maxFilters   = 5
	maxOrNesting = 16
)

// A filter lets the messages pass that match one of its patterns; without patterns it lets all pass.
type filter []bodyPattern

// A bodyPattern is a pattern over the key "body", which either looks into a JSON body or at a text as a whole.
type bodyPattern struct {
	pattern *pattern.Pattern
	form    bodyForm
}

// A bodyForm is what a message's body is, or a pattern expects it to be.
type bodyForm string

const (
	formJSON bodyForm = "JSON"
	formText bodyForm = "plain text"
)

func compileFilter(patterns []string) (filter, error) {
	if len(patterns) > maxFilters {
		return nil, invalid("FilterCriteria has %d filters, at most %d are allowed", len(patterns), maxFilters)
	}
	var f filter
	for i, text := range patterns {
		p, err := pattern.Compile([]byte(text))
		if err != nil {
			return nil, invalid("Invalid filter pattern definition: filter %d: %v", i+1, err)
		}
		form, err := expectedForm([]byte(text), 0)
		if err != nil {
			return nil, invalid("Invalid filter pattern definition: filter %d: %v", i+1, err)
		}
		f = append(f, bodyPattern{p, form})
	}
	return f, nil
}

// expectedForm finds out what a pattern that compiles says of the body: a list is about plain text, an object about
// the fields of a JSON body.
func expectedForm(text []byte, depth int) (bodyForm, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", err
	}
	var form bodyForm
	merge := func(next bodyForm) error {
		if form != "" && next != "" && form != next {
			return fmt.Errorf("its body is to be %s and %s at once; make two filters of it", form, next)
		}
		if next != "" {
			form = next
		}
		return nil
	}
	for key, value := range fields {
		value = bytes.TrimSpace(value)
		var next bodyForm
		switch {
		case key == "$or" && depth < maxOrNesting:
			var branches []json.RawMessage
			if err := json.Unmarshal(value, &branches); err != nil {
				return "", err
			}
			for _, branch := range branches {
				below, err := expectedForm(branch, depth+1)
				if err != nil {
					return "", err
				}
				if err := merge(below); err != nil {
					return "", err
				}
			}
		case key == "body" && value[0] == '[':
			next = formText
		case key == "body" || strings.HasPrefix(key, "body."):
			next = formJSON
		default:
			return "", fmt.Errorf("key %q: only \"body\" can be filtered on for SQS", key)
		}
		if err := merge(next); err != nil {
			return "", err
		}
	}
	return form, nil
}

// passes reports whether a message with this body goes to the function. A body that is not of the form that a pattern
// expects does not match it.
func (f filter) passes(body string) bool {
	if len(f) == 0 {
		return true
	}
	form := formText
	var event []byte
	if trimmed := strings.TrimSpace(body); trimmed != "" && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid([]byte(body)) {
		form = formJSON
		event = append(append(append(make([]byte, 0, len(body)+10), `{"body":`...), body...), '}')
	} else {
		event = append(appendJSON([]byte(`{"body":`), body), '}')
	}
	for _, p := range f {
		if (p.form == "" || p.form == form) && p.pattern.Match(event) {
			return true
		}
	}
	return false
}
