package bus

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/wire"
)

// An input makes what a target gets from an event.
type input interface {
	render(ev *event, rule *route) ([]byte, error)
}

// A constant is the same for every event.
type constant string

func (c constant) render(*event, *route) ([]byte, error) { return []byte(c), nil }

// A path is a JSONPath: $.detail, $.detail.items[0].id, $.resources[*].
type path struct {
	text  string
	steps []step
	many  bool // has a wildcard, so that it yields an array
}

// A step goes to a member, an element, or all of either.
type step struct {
	name  string
	index int // of an element, if name is empty
	all   bool
}

func parsePath(targetID, text string) (path, error) {
	bad := wire.Errorf("ValidationException", "InputPath for target %s is invalid: %s.", targetID, clip(text))
	p := path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok || len(text) > 256 {
		return p, bad
	}
	for rest != "" {
		var s step
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			s.name, rest = rest[1:1+end], rest[1+end:]
			if s.name == "" {
				return p, bad
			}
			if s.name == "*" {
				s = step{all: true}
			}
		case strings.HasPrefix(rest, "['"):
			end := strings.Index(rest, "']")
			if end < 3 {
				return p, bad
			}
			s.name, rest = rest[2:end], rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 {
				return p, bad
			}
			if rest[1:end] == "*" {
				s.all = true
			} else if n, err := strconv.ParseUint(rest[1:end], 10, 31); err == nil {
				s.index = int(n)
			} else {
				return p, bad
			}
			rest = rest[end+1:]
		default:
			return p, bad
		}
		p.many = p.many || s.all
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// find returns the JSON that the path leads to, if there is any.
func (p path) find(event []byte) (json.RawMessage, bool) {
	at := []json.RawMessage{event}
	for _, s := range p.steps {
		var next []json.RawMessage
		for _, value := range at {
			next = append(next, s.from(value)...)
		}
		at = next
	}
	if len(at) == 0 {
		return nil, false
	}
	if !p.many {
		return at[0], true
	}
	var all []byte
	for i, value := range at {
		all = append(all, "[,"[min(i, 1)])
		all = append(all, value...)
	}
	return append(all, ']'), true
}

// from returns what the step leads to from a value.
func (s step) from(value json.RawMessage) []json.RawMessage {
	switch {
	case value[0] == '[':
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil || s.name != "" {
			return nil
		}
		if s.all {
			return elements
		}
		if s.index < len(elements) {
			return elements[s.index : s.index+1]
		}
	case value[0] == '{' && (s.all || s.name != ""):
		var found []json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(value))
		if _, err := dec.Token(); err != nil {
			return nil
		}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil
			}
			var member json.RawMessage
			if err := dec.Decode(&member); err != nil {
				return nil
			}
			if s.all {
				found = append(found, member)
			} else if key == s.name {
				found = []json.RawMessage{member} // the last of duplicates
			}
		}
		return found
	}
	return nil
}

// missingPath means that an InputPath leads nowhere in an event.
type missingPath struct{ path string }

func (e *missingPath) Error() string { return "InputPath " + e.path + " leads nowhere in the event" }

func (p path) render(ev *event, _ *route) ([]byte, error) {
	part, ok := p.find(ev.body)
	if !ok {
		return nil, &missingPath{p.text}
	}
	return part, nil
}

// A template is an InputTransformer taken apart.
type template []piece

// A piece is text, then a variable, unless that is nil.
type piece struct {
	text     string
	variable variable
	quoted   bool // the variable stands inside a JSON string
}

// A variable yields JSON, or nil.
type variable func(ev *event, rule *route) json.RawMessage

// predefined are the variables that need no path.
var predefined = map[string]variable{
	"aws.events.rule-arn":  func(_ *event, rule *route) json.RawMessage { return jsontext.AppendAWSString(nil, rule.arn) },
	"aws.events.rule-name": func(_ *event, rule *route) json.RawMessage { return jsontext.AppendAWSString(nil, rule.name) },
	"aws.events.event.ingestion-time": func(ev *event, _ *route) json.RawMessage {
		return jsontext.AppendAWSString(nil, ev.ingested.UTC().Format(timeLayout))
	},
	"aws.events.event.json": func(ev *event, _ *route) json.RawMessage { return ev.body },
	"aws.events.event":      withoutDetail,
}

// withoutDetail is the envelope as AWS gives it under aws.events.event: no detail, and detail-type as detailType.
func withoutDetail(ev *event, _ *route) json.RawMessage {
	head, _, _ := bytes.Cut(ev.body, []byte(`,"detail":`))
	return append(bytes.Replace(head, []byte(`,"detail-type":`), []byte(`,"detailType":`), 1), '}')
}

func parseTemplate(targetID string, t *InputTransformer) (template, error) {
	if len(t.PathsMap) > 100 {
		return nil, wire.Errorf("ValidationException", "InputPathsMap for target %s has more than 100 variables.", targetID)
	}
	if t.Template == "" || len(t.Template) > 8192 {
		return nil, wire.Errorf("ValidationException", "InputTemplate for target %s must have 1 to 8192 characters.", targetID)
	}
	paths := map[string]path{}
	for name, text := range t.PathsMap {
		if strings.HasPrefix(strings.ToLower(name), "aws.") {
			return nil, wire.Errorf("ValidationException", "InputPathsMap for target %s must not have variables that begin with AWS.", targetID)
		}
		p, err := parsePath(targetID, text)
		if err != nil {
			return nil, err
		}
		paths[name] = p
	}

	var pieces template
	quoted := false
	rest := t.Template
	for {
		// Text up to a variable; < that does not begin one is text.
		end, name := -1, ""
		for i := 0; i < len(rest) && end < 0; i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				quoted = !quoted
			case '<':
				if close := strings.IndexByte(rest[i:], '>'); close > 1 && isVariable(rest[i+1:i+close]) {
					end, name = i, rest[i+1:i+close]
				}
			}
		}
		if end < 0 {
			return append(pieces, piece{text: rest}), nil
		}
		p := piece{text: rest[:end], quoted: quoted}
		if from, ok := paths[name]; ok {
			p.variable = func(ev *event, _ *route) json.RawMessage {
				part, _ := from.find(ev.body)
				return part
			}
		} else if p.variable, ok = predefined[name]; !ok {
			return nil, wire.Errorf("ValidationException", "InputTemplate for target %s contains invalid placeholder %s.", targetID, name)
		}
		pieces = append(pieces, p)
		rest = rest[end+len(name)+2:]
	}
}

// isVariable tells whether text between < and > is the name of a variable.
func isVariable(name string) bool {
	for _, c := range name {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != ""
}

func (t template) render(ev *event, rule *route) ([]byte, error) {
	var out []byte
	for _, p := range t {
		out = append(out, p.text...)
		if p.variable == nil {
			continue
		}
		value := p.variable(ev, rule)
		switch {
		case value == nil && !p.quoted:
			out = append(out, `""`...)
		case value == nil:
		case !p.quoted:
			out = append(out, value...)
		case value[0] == '"':
			out = append(out, value[1:len(value)-1]...)
		default:
			text := jsontext.AppendAWSString(nil, string(value))
			out = append(out, text[1:len(text)-1]...)
		}
	}
	return out, nil
}
