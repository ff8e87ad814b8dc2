package template

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A shape says what a value may be. It is asked twice: of the template as written, where a function may stand for any
// value, and of the values that came out.
//
// CloudFormation converts between text, numbers and booleans where the property's type is clear, and so do shapes:
// "30" is a number where one is due, and 30 is text.
type shape interface {
	check(p *problems, n *node)
}

// check checks a value, looking through conditions into both branches.
func check(p *problems, s shape, n *node) {
	if n.kind == callNode {
		if n.text == "Fn::If" && n.items[0].kind == listNode && len(n.items[0].items) == 3 {
			check(p, s, n.items[0].items[1])
			check(p, s, n.items[0].items[2])
		}
		return
	}
	s.check(p, n)
}

// anything is any value at all.
type anything struct{}

func (anything) check(*problems, *node) {}

// text is a string.
type text struct {
	max     int            // in bytes; 0: no limit but the template's
	pattern *regexp.Regexp // nil: any
	what    string         // says the pattern in words
	empty   bool           // may be empty
}

func (t text) check(p *problems, n *node) {
	switch {
	case !n.scalar():
		p.add(n, "must be text, not %s", n.kind)
	case n.text == "" && !t.empty:
		p.add(n, "must not be empty")
	case t.max > 0 && len(n.text) > t.max:
		p.add(n, "%s has %d bytes; the most is %d", n.shown(), len(n.text), t.max)
	case t.pattern != nil && !t.pattern.MatchString(n.text):
		p.add(n, "%s must be %s", n.shown(), t.what)
	}
}

// matching is text of a form; what says the form in words.
func matching(pattern, what string, max int) text {
	return text{max: max, pattern: regexp.MustCompile(`^(?:` + pattern + `)$`), what: what}
}

// oneOf is one of a few words.
type oneOf []string

func (o oneOf) check(p *problems, n *node) {
	switch {
	case !n.scalar():
		p.add(n, "must be one of %s, not %s", strings.Join(o, ", "), n.kind)
	case !slices.Contains(o, n.text):
		p.add(n, "must be one of %s, not %s%s", strings.Join(o, ", "), n.shown(), n.hint(o))
	}
}

// number is a number from min to max.
type number struct {
	min, max float64
	whole    bool
}

func whole(min, max float64) number { return number{min: min, max: max, whole: true} }

func (s number) check(p *problems, n *node) {
	what := "a number"
	if s.whole {
		what = "a whole number"
	}
	if !n.scalar() || n.kind == boolNode {
		p.add(n, "must be %s, not %s", what, n.kind)
		return
	}
	f, err := parseNumber(n.text)
	if err != nil || s.whole && f != float64(int64(f)) {
		p.add(n, "must be %s, not %s", what, n.shown())
		return
	}
	if f < s.min || f > s.max {
		p.add(n, "must be from %s to %s, not %s", decimal(s.min), decimal(s.max), n.shown())
	}
}

// parseNumber reads what JSON calls a number; strconv would also take hexadecimal ones, infinities and underscores.
func parseNumber(s string) (float64, error) {
	if !jsonNumber.MatchString(s) {
		return 0, fmt.Errorf("%s is not a number", shown(s))
	}
	return strconv.ParseFloat(s, 64)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// boolean is true or false.
type boolean struct{}

func (boolean) check(p *problems, n *node) {
	if !n.scalar() || n.text != "true" && n.text != "false" {
		p.add(n, "must be true or false")
	}
}

// list is a list of min to max values; no limit when max is 0.
type list struct {
	of       shape
	min, max int
}

func (s list) check(p *problems, n *node) {
	if n.kind != listNode {
		p.add(n, "must be a list, not %s", n.kind)
		return
	}
	if len(n.items) < s.min {
		p.add(n, "must have at least %d, not %d", s.min, len(n.items))
	}
	if s.max > 0 && len(n.items) > s.max {
		p.add(n, "has %d; the most is %d", len(n.items), s.max)
	}
	for _, item := range n.items {
		check(p, s.of, item)
	}
}

// dictionary is a map with any keys.
type dictionary struct{ of shape }

func (s dictionary) check(p *problems, n *node) {
	if n.kind != mapNode {
		p.add(n, "must be a map, not %s", n.kind)
		return
	}
	for _, item := range n.items {
		check(p, s.of, item)
	}
}

// document is a JSON object whose inside is another language's: a policy, an event pattern, an OpenAPI document.
type document struct{}

func (document) check(p *problems, n *node) {
	if n.kind != mapNode {
		p.add(n, "must be a map, not %s", n.kind)
	}
}

// object is a map with known keys.
type object struct {
	name     string // whose properties these are, in messages
	fields   fields
	required []string
}

type fields map[string]shape

func (s object) check(p *problems, n *node) {
	if n.kind != mapNode {
		p.add(n, "must be a map, not %s", n.kind)
		return
	}
	for i, key := range n.keys {
		field, ok := s.fields[key]
		if !ok {
			p.addKey(n.items[i], "unknown property %s of %s%s", name(key), s.name, p.hint(key, keysOf(s.fields)))
			continue
		}
		check(p, field, n.items[i])
	}
	for _, key := range s.required {
		if n.get(key) == nil {
			p.addKey(n, "the property %s of %s is missing", key, s.name)
		}
	}
}
