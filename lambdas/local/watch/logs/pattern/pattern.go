// Package pattern is CloudWatch Logs' filter patterns, by which FilterLogEvents chooses.
//
//	ERROR timeout                 both terms
//	?ERROR ?WARN                  either; beside terms of another kind, those with ? are ignored, as CloudWatch does
//	ERROR -"Task timed out"       the one and not the other
//	%us-east-[12]%                a regular expression
//	{ $.level = "ERROR" && ($.attempt > 2 || $.subject = "order-*") }
//
// A term matches anywhere in an event, upper and lower case apart. What is not letters, digits and _ stands in double quotes.
// In a pattern of JSON a selector begins with $. and goes on with names, ["names"], [n] and [*]; it is compared by = and !=
// with a text (* stands for anything), a number or %a regular expression%, by < > <= >= with a number, and by IS TRUE, IS FALSE,
// IS NULL, IS NOT NULL, EXISTS, NOT EXISTS. A comparison with a field that an event does not have fails, != too. Source: "Filter pattern
// syntax" in the CloudWatch Logs user guide.
//
// What differs from AWS: patterns of space-delimited events, [a, b, c], are refused. Regular expressions are RE2's, of
// which those of CloudWatch are a part.
package pattern

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxLength  = 1024 // characters, of CloudWatch
	maxRegexps = 2    // of CloudWatch
	maxDepth   = 32   // of parentheses
)

// A Pattern is a parsed filter pattern. The zero value matches every event.
type Pattern struct {
	all, any, none []term
	json           node
}

// A term is a text or a regular expression.
type term struct {
	text   string
	regexp *regexp.Regexp
}

func (t term) match(s string) bool {
	if t.regexp != nil {
		return t.regexp.MatchString(s)
	}
	return strings.Contains(s, t.text)
}

// Match tells whether the pattern matches an event's message.
func (p *Pattern) Match(message string) bool {
	if p.json != nil {
		return matchJSON(p.json, message)
	}
	for _, t := range p.all {
		if !t.match(message) {
			return false
		}
	}
	for _, t := range p.none {
		if t.match(message) {
			return false
		}
	}
	if len(p.any) == 0 || len(p.all)+len(p.none) > 0 {
		return true
	}
	for _, t := range p.any {
		if t.match(message) {
			return true
		}
	}
	return false
}

// Parse reads a pattern. Errors say what is wrong and where.
func Parse(text string) (*Pattern, error) {
	switch {
	case utf8.RuneCountInString(text) > maxLength:
		return nil, fmt.Errorf("filter pattern: more than %d characters", maxLength)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("filter pattern: it is not UTF-8")
	}
	p := parser{text: text}
	p.space()
	out := new(Pattern)
	var err error
	switch {
	case strings.HasPrefix(text[p.at:], "["):
		err = p.fail("patterns of space-delimited events are not supported")
	case p.take("{"):
		if out.json, err = p.disjunction(0); err == nil && !p.take("}") {
			err = p.fail("} is due")
		}
		if p.space(); err == nil && p.at < len(text) {
			err = p.fail("nothing may follow }")
		}
	default:
		err = p.terms(out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

type parser struct {
	text    string
	at      int
	regexps int
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("filter pattern: at character %d: %s", utf8.RuneCountInString(p.text[:p.at])+1, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take reads a symbol or a word, and the white space before it.
func (p *parser) take(word string) bool {
	p.space()
	if len(p.text)-p.at < len(word) || !strings.EqualFold(p.text[p.at:p.at+len(word)], word) {
		return false
	}
	if end := p.at + len(word); isWord(word[len(word)-1]) && end < len(p.text) && isWord(p.text[end]) {
		return false
	}
	p.at += len(word)
	return true
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func (p *parser) terms(out *Pattern) error {
	for p.space(); p.at < len(p.text); p.space() {
		list := &out.all
		switch p.text[p.at] {
		case '?':
			list = &out.any
			p.at++
		case '-':
			list = &out.none
			p.at++
		}
		t, err := p.term()
		if err != nil {
			return err
		}
		*list = append(*list, t)
	}
	return nil
}

func (p *parser) term() (term, error) {
	if p.at == len(p.text) {
		return term{}, p.fail("a term is due")
	}
	switch p.text[p.at] {
	case '"':
		text, err := p.quoted()
		return term{text: text}, err
	case '%':
		re, err := p.regexp()
		return term{regexp: re}, err
	}
	start := p.at
	for p.at < len(p.text) && isWord(p.text[p.at]) {
		p.at++
	}
	if p.at == start || p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) < 0 {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:])
		return term{}, p.fail("%q may stand in double quotes only", r)
	}
	return term{text: p.text[start:p.at]}, nil
}

// quoted reads a text in quotes, in which a backslash makes a quote or a backslash stand for itself.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\'):
			i++
			b.WriteByte(p.text[i])
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("the quotation does not end")
}

func (p *parser) regexp() (*regexp.Regexp, error) {
	length := strings.IndexByte(p.text[p.at+1:], '%')
	if length < 0 {
		return nil, p.fail("the regular expression does not end with %%")
	}
	if p.regexps++; p.regexps > maxRegexps {
		return nil, p.fail("more than %d regular expressions", maxRegexps)
	}
	re, err := regexp.Compile(p.text[p.at+1 : p.at+1+length])
	if err != nil {
		return nil, p.fail("%v", err)
	}
	p.at += length + 2
	return re, nil
}

// Patterns of JSON.

type node interface{ match(event any) bool }

type (
	both   []node
	either []node
)

func (n both) match(event any) bool {
	for _, part := range n {
		if !part.match(event) {
			return false
		}
	}
	return true
}

func (n either) match(event any) bool {
	for _, part := range n {
		if part.match(event) {
			return true
		}
	}
	return false
}

// A condition looks at the values that a selector leads to; any of them will do.
type condition struct {
	selector []step
	absent   bool // it holds if there is no value
	holds    func(value any) bool
}

func (c condition) match(event any) bool {
	exists, holds := false, false
	visit(event, c.selector, func(v any) {
		exists = true
		holds = holds || c.holds != nil && c.holds(v)
	})
	if c.absent {
		return !exists
	}
	return holds
}

// A step of a selector goes to a member, to an element, or to all elements.
type step struct {
	name  string
	index int // of an element if name is empty; -1 for all
}

func visit(v any, steps []step, found func(any)) {
	for i, s := range steps {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[s.name]
			if s.name == "" || !ok {
				return
			}
			v = next
		case []any:
			if s.name != "" || s.index >= len(in) {
				return
			}
			if s.index < 0 {
				for _, element := range in {
					visit(element, steps[i+1:], found)
				}
				return
			}
			v = in[s.index]
		default:
			return
		}
	}
	found(v)
}

func matchJSON(n node, message string) bool {
	if start := strings.TrimLeft(message, " \t\r\n"); start == "" || start[0] != '{' && start[0] != '[' {
		return false
	}
	d := json.NewDecoder(strings.NewReader(message))
	d.UseNumber()
	var event any
	return d.Decode(&event) == nil && n.match(event)
}

func (p *parser) disjunction(depth int) (node, error) {
	var parts either
	for {
		n, err := p.conjunction(depth)
		if err != nil {
			return nil, err
		}
		if parts = append(parts, n); !p.take("||") {
			return parts, nil
		}
	}
}

func (p *parser) conjunction(depth int) (node, error) {
	var parts both
	for {
		n, err := p.condition(depth)
		if err != nil {
			return nil, err
		}
		if parts = append(parts, n); !p.take("&&") {
			return parts, nil
		}
	}
}

func (p *parser) condition(depth int) (node, error) {
	if p.take("(") {
		if depth == maxDepth {
			return nil, p.fail("more than %d levels", maxDepth)
		}
		n, err := p.disjunction(depth + 1)
		if err == nil && !p.take(")") {
			err = p.fail(") is due")
		}
		return n, err
	}
	selector, err := p.selector()
	if err != nil {
		return nil, err
	}
	c := condition{selector: selector}
	switch {
	case p.take("NOT"):
		if c.absent = true; !p.take("EXISTS") {
			return nil, p.fail("EXISTS is due after NOT")
		}
		return c, nil
	case p.take("EXISTS"):
		c.holds = func(any) bool { return true }
		return c, nil
	case p.take("IS"):
		c.holds, err = p.is()
		return c, err
	}
	c.holds, err = p.comparison()
	return c, err
}

func (p *parser) is() (func(any) bool, error) {
	negated := p.take("NOT")
	switch {
	case p.take("NULL"):
		return func(v any) bool { return (v == nil) != negated }, nil
	case !negated && p.take("TRUE"):
		return func(v any) bool { return v == true }, nil
	case !negated && p.take("FALSE"):
		return func(v any) bool { return v == false }, nil
	}
	return nil, p.fail("TRUE, FALSE, NULL or NOT NULL is due after IS")
}

func (p *parser) selector() ([]step, error) {
	if !p.take("$") {
		return nil, p.fail("a selector is due, such as $.level")
	}
	var steps []step
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case '.':
			p.at++
			start := p.at
			for p.at < len(p.text) && (isWord(p.text[p.at]) || strings.IndexByte("-@$:/", p.text[p.at]) >= 0) {
				p.at++
			}
			if start < p.at {
				steps = append(steps, step{name: p.text[start:p.at]})
				continue
			}
			if p.at == len(p.text) || p.text[p.at] != '[' {
				return nil, p.fail("a name is due after the dot")
			}
		case '[':
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			steps = append(steps, s)
		default:
			return p.selected(steps)
		}
	}
	return p.selected(steps)
}

func (p *parser) selected(steps []step) ([]step, error) {
	if len(steps) == 0 {
		return nil, p.fail("a name is due after $")
	}
	return steps, nil
}

// bracket reads [0], [*], ["name"] or ['name'].
func (p *parser) bracket() (step, error) {
	length := strings.IndexByte(p.text[p.at:], ']')
	if length < 0 {
		return step{}, p.fail("the bracket does not close")
	}
	inner := strings.TrimSpace(p.text[p.at+1 : p.at+length])
	var s step
	if n, err := strconv.ParseUint(inner, 10, 31); err == nil {
		s.index = int(n)
	} else if inner == "*" {
		s.index = -1
	} else if len(inner) > 2 && strings.IndexByte(`"'`, inner[0]) >= 0 && inner[len(inner)-1] == inner[0] {
		s.name = inner[1 : len(inner)-1]
	} else {
		return step{}, p.fail("[%.40s] is neither an index nor * nor a name in quotes", inner)
	}
	p.at += length + 1
	return s, nil
}

func (p *parser) comparison() (func(any) bool, error) {
	operator := ""
	for _, o := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(o) {
			operator = o
			break
		}
	}
	if operator == "" {
		return nil, p.fail("an operator is due")
	}
	p.space()
	equality := operator == "=" || operator == "!="
	switch {
	case p.at == len(p.text):
		return nil, p.fail("a value is due after %s", operator)
	case p.text[p.at] == '%' && equality:
		re, err := p.regexp()
		return func(v any) bool { s, ok := text(v); return ok && re.MatchString(s) == (operator == "=") }, err
	}
	start, value, isText := p.at, "", false
	if p.text[p.at] == '"' {
		var err error
		if value, err = p.quoted(); err != nil {
			return nil, err
		}
		isText = true
	} else {
		for p.at < len(p.text) && (isWord(p.text[p.at]) || strings.IndexByte("+-.*", p.text[p.at]) >= 0) {
			p.at++
		}
		value = p.text[start:p.at]
	}
	if number, err := strconv.ParseFloat(value, 64); err == nil && !isText {
		return func(v any) bool {
			n, ok := v.(json.Number)
			if !ok {
				return false
			}
			f, err := n.Float64()
			return err == nil && compare(f, operator, number)
		}, nil
	}
	switch {
	case !equality:
		p.at = start
		return nil, p.fail("%s compares numbers", operator)
	case value == "" && !isText:
		return nil, p.fail("a value is due after %s", operator)
	}
	return func(v any) bool { s, ok := text(v); return ok && wild(value, s) == (operator == "=") }, nil
}

func compare(a float64, operator string, b float64) bool {
	switch operator {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// text is a scalar as CloudWatch compares it with texts.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// wild matches a text with a pattern in which * stands for anything.
func wild(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
