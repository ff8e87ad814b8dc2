package results

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A scanner reads a condition from left to right. When it fails, token is where.
type scanner struct {
	src   string
	pos   int
	token int // where the last token began
}

func (p *scanner) condition() (*Condition, error) {
	c := &Condition{expr: p.src}
	name := p.name()
	if name == "" {
		return nil, p.expected("a quantity", names(quantities, func(q quantity) string { return q.name }))
	}
	i := slices.IndexFunc(quantities, func(q quantity) bool { return q.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no quantity is called %s: %s", name, names(quantities, func(q quantity) string { return q.name }))
	}
	c.quantity = &quantities[i]
	for {
		switch {
		case p.take("/"):
			if c.relative || p.name() != "predicted" {
				return nil, p.expected("predicted, once", "")
			}
			if c.quantity.predicted == nil {
				return nil, unpredicted(c.quantity)
			}
			c.relative = true
			continue
		case c.filters == nil && p.take("("):
			if err := p.filters(c); err != nil {
				return nil, err
			}
			continue
		}
		break
	}
	if err := p.test(c); err != nil {
		return nil, err
	}
	if p.take("@") {
		verdicts := []string{"stable", "unstable", "inconclusive"}
		if c.verdict = p.name(); !slices.Contains(verdicts, c.verdict) {
			return nil, p.expected("a verdict", strings.Join(verdicts, ", "))
		}
	}
	p.space()
	if p.token = p.pos; p.pos < len(p.src) {
		return nil, p.expected("the end", "")
	}
	return c, nil
}

func unpredicted(q *quantity) error {
	with := slices.DeleteFunc(slices.Clone(quantities), func(q quantity) bool { return q.predicted == nil })
	return fmt.Errorf("%s is not predicted: %s", q.name, names(with, func(q quantity) string { return q.name }))
}

func (p *scanner) filters(c *Condition) error {
	for {
		name := p.name()
		i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
		if i < 0 {
			return p.expected("what to choose cells by", names(attributes, func(a attribute) string { return a.name }))
		}
		f := filter{attribute: &attributes[i]}
		f.op = p.operator()
		if f.op == "==" {
			f.op = "="
		}
		if f.attribute.text != nil {
			if f.op != "=" && f.op != "!=" {
				return p.expected("= or != after "+name+", which is a text", "")
			}
			if f.text = p.text(); f.text == "" {
				return p.expected("a text", "")
			}
		} else {
			if f.op == "" {
				return p.expected("a comparison", "=, !=, <, <=, >, >=")
			}
			var err error
			if f.number, err = p.number(); err != nil {
				return err
			}
		}
		c.filters = append(c.filters, f)
		switch {
		case p.take(","):
			continue
		case p.take(")"):
			return nil
		}
		return p.expected(`"," or ")"`, "")
	}
}

func (p *scanner) test(c *Condition) error {
	op := p.operator()
	if op == "" && p.keyword("in") {
		op = "in"
	}
	switch {
	case c.quantity.unit == truth && op != "":
		return fmt.Errorf("%s is true or false: write %s alone", c.quantity.name, c.quantity.name)
	case c.quantity.unit == truth:
		return nil
	case op == "=":
		return errors.New(`"=" chooses cells, "==" compares`)
	case op == "":
		return p.expected("a comparison of "+c.quantity.name, `==, !=, <, <=, >, >=, or in LOW..HIGH`)
	}
	c.test = &test{op: op}
	first, err := p.limit(c)
	if err != nil {
		return err
	}
	c.test.limits = []limit{first}
	if op != "in" {
		return nil
	}
	if !p.take("..") {
		return p.expected(`".." and the higher end`, "")
	}
	second, err := p.limit(c)
	if err != nil {
		return err
	}
	if first.predicted == second.predicted && first.number > second.number {
		return errors.New("the lower end comes first")
	}
	c.test.limits = append(c.test.limits, second)
	return nil
}

func (p *scanner) limit(c *Condition) (limit, error) {
	predicted := func(factor float64) (limit, error) {
		switch {
		case c.relative:
			return limit{}, errors.New("it is compared with the prediction already")
		case c.quantity.predicted == nil:
			return limit{}, unpredicted(c.quantity)
		}
		return limit{factor, true}, nil
	}
	if p.keyword("predicted") {
		return predicted(1)
	}
	n, err := p.number()
	if err != nil {
		return limit{}, err
	}
	if p.take("*") {
		if !p.keyword("predicted") {
			return limit{}, p.expected("predicted", "")
		}
		return predicted(n)
	}
	start := p.pos
	u := p.unit()
	wanted := c.quantity.unit
	if c.relative {
		wanted = plain
	}
	switch wanted {
	case seconds, milliseconds:
		ms, ok := map[string]float64{"us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3, "m": 60e3}[u]
		if !ok {
			return limit{}, p.expected("the unit of a time", "us, ms, s, m")
		}
		if wanted == seconds {
			ms /= 1e3
		}
		return limit{n * ms, false}, nil
	case perSecond:
		if u != "" && u != "/s" {
			p.token = start
			return limit{}, fmt.Errorf("%s is subjects per second: no unit, or /s", c.quantity.name)
		}
	case plain:
		if u == "%" {
			return limit{n / 100, false}, nil
		}
		if u != "" {
			p.token = start
			return limit{}, fmt.Errorf("%s has no unit %s: none, or %%", c.quantity.name, u)
		}
	}
	return limit{n, false}, nil
}

// expected says what is wrong at the last token.
func (p *scanner) expected(what, possible string) error {
	found := "the end"
	if p.token < len(p.src) {
		found = strconv.Quote(p.src[p.token:])
	}
	if possible != "" {
		possible = " (" + possible + ")"
	}
	return fmt.Errorf("expected %s%s, found %s", what, possible, found)
}

func names[T any](all []T, name func(T) string) string {
	list := make([]string, len(all))
	for i, one := range all {
		list[i] = name(one)
	}
	return strings.Join(list, ", ")
}

func (p *scanner) space() {
	for p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t') {
		p.pos++
	}
}

// take goes past a piece of text, if it comes next.
func (p *scanner) take(text string) bool {
	p.space()
	p.token = p.pos
	if !strings.HasPrefix(p.src[p.pos:], text) {
		return false
	}
	p.pos += len(text)
	return true
}

// while goes past bytes for which is holds, and returns them.
func (p *scanner) while(is func(byte) bool) string {
	start := p.pos
	for p.pos < len(p.src) && is(p.src[p.pos]) {
		p.pos++
	}
	return p.src[start:p.pos]
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' }
func digit(b byte) bool  { return b >= '0' && b <= '9' }

func (p *scanner) name() string {
	p.space()
	p.token = p.pos
	if p.pos < len(p.src) && !letter(p.src[p.pos]) {
		return ""
	}
	return p.while(func(b byte) bool { return letter(b) || digit(b) })
}

// keyword goes past a word, if it comes next.
func (p *scanner) keyword(word string) bool {
	start := p.pos
	if p.name() == word {
		return true
	}
	p.pos = start
	return false
}

// operator returns the comparison that comes next, or "".
func (p *scanner) operator() string {
	for _, op := range []string{"<=", ">=", "==", "!=", "<", ">", "="} {
		if p.take(op) {
			return op
		}
	}
	return ""
}

// number reads 12, -0.5, 1.2e3. Two points are no part of it.
func (p *scanner) number() (float64, error) {
	p.space()
	p.token = p.pos
	start := p.pos
	if p.pos < len(p.src) && p.src[p.pos] == '-' {
		p.pos++
	}
	digits := p.while(digit)
	if rest := p.src[p.pos:]; strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "..") {
		p.pos++
		digits += p.while(digit)
	}
	if digits == "" {
		p.pos = start
		return 0, p.expected("a number", "")
	}
	if rest := p.src[p.pos:]; len(rest) > 1 && rest[0]|0x20 == 'e' {
		sign := 1
		if rest[1] == '-' || rest[1] == '+' {
			sign = 2
		}
		if len(rest) > sign && digit(rest[sign]) {
			p.pos += sign
			p.while(digit)
		}
	}
	f, err := strconv.ParseFloat(p.src[start:p.pos], 64)
	if err != nil {
		return 0, fmt.Errorf("%s is beyond all numbers", p.src[start:p.pos])
	}
	return f, nil
}

// text reads a value of a filter: all up to "," or ")", without blanks around it.
func (p *scanner) text() string {
	p.space()
	p.token = p.pos
	return strings.TrimRight(p.while(func(b byte) bool { return b != ',' && b != ')' }), " \t")
}

// unit reads a unit, or "".
func (p *scanner) unit() string {
	p.space()
	p.token = p.pos
	for _, u := range []string{"/s", "%", "µs"} {
		if p.take(u) {
			return u
		}
	}
	return p.while(letter)
}
