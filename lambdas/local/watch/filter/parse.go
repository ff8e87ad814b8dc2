package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
)

const (
	maxLength = 8 << 10 // bytes of an expression; X-Ray gives no limit but that of a group's, 2 KB
	maxDepth  = 32      // of parentheses, braces and !
)

// A SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Offset int // characters before the place
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter expression: at character %d: %s", e.Offset+1, e.Reason)
}

// Parse reads an expression. White space alone is the expression that matches everything. The error is a [*SyntaxError].
func Parse(text string) (Expression, error) {
	p := parser{text: text}
	if len(text) > maxLength {
		return Expression{}, &SyntaxError{0, fmt.Sprintf("%d bytes, at most %d", len(text), maxLength)}
	}
	if !utf8.ValidString(text) {
		return Expression{}, &SyntaxError{0, "it is not UTF-8"}
	}
	if p.next(); p.token.kind == end {
		return Expression{}, nil
	}
	n, err := p.disjunction()
	if err == nil && p.token.kind != end {
		err = p.fail("%s is out of place", p.token)
	}
	if err == nil {
		err = p.broken
	}
	if err != nil {
		return Expression{}, err
	}
	return Expression{n}, nil
}

type kind int

const (
	end kind = iota
	word
	quoted
	numeral
	symbol
)

type token struct {
	kind kind
	text string // of a quoted one, what it says
	at   int
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return strconv.Quote(t.text)
}

func (t token) is(symbolText string) bool { return t.kind == symbol && t.text == symbolText }

// keyword is the token as a keyword, in lower case.
func (t token) keyword() string {
	if t.kind != word {
		return ""
	}
	return strings.ToLower(t.text)
}

type parser struct {
	text   string
	at     int // behind the token
	token  token
	depth  int
	braces int
	broken error // the first token that is none
}

func (p *parser) fail(format string, args ...any) error {
	if p.broken != nil {
		return p.broken
	}
	return p.failAt(p.token.at, format, args...)
}

func (p *parser) failAt(at int, format string, args ...any) error {
	return &SyntaxError{utf8.RuneCountInString(p.text[:at]), fmt.Sprintf(format, args...)}
}

// next reads a token. What is none becomes the end, with the error in broken.
func (p *parser) next() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	start := p.at
	p.token = token{kind: end, at: start}
	if start == len(p.text) {
		return
	}
	switch c := p.text[start]; {
	case c == '"':
		p.quoted()
	case isLetter(c):
		p.at++
		for p.at < len(p.text) && (isLetter(p.text[p.at]) || isDigit(p.text[p.at]) || p.text[p.at] == '.') {
			p.at++
		}
		p.token = token{word, p.text[start:p.at], start}
	case isDigit(c) || c == '-' || c == '.':
		p.at++
		for p.at < len(p.text) && (isDigit(p.text[p.at]) || strings.IndexByte(".eE", p.text[p.at]) >= 0 ||
			strings.IndexByte("+-", p.text[p.at]) >= 0 && strings.IndexByte("eE", p.text[p.at-1]) >= 0) {
			p.at++
		}
		p.token = token{numeral, p.text[start:p.at], start}
	default:
		n := 1
		if start+1 < len(p.text) && p.text[start+1] == '=' && strings.IndexByte("!<>", c) >= 0 {
			n = 2
		}
		if strings.IndexByte("!=<>(){}[],:", c) < 0 {
			r, _ := utf8.DecodeRuneInString(p.text[start:])
			p.at = len(p.text)
			if p.broken == nil {
				p.broken = p.failAt(start, "%q means nothing here", r)
			}
			return
		}
		p.at += n
		p.token = token{symbol, p.text[start:p.at], start}
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// quoted reads a text in quotes, in which a backslash makes the next character stand for itself.
func (p *parser) quoted() {
	start := p.at
	var b strings.Builder
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		case c == '"':
			p.at = i + 1
			p.token = token{quoted, b.String(), start}
			return
		default:
			b.WriteByte(c)
		}
	}
	p.at = len(p.text)
	if p.broken == nil {
		p.broken = p.failAt(start, "the quotation does not end")
	}
}

func (p *parser) take(symbolText string) bool {
	if !p.token.is(symbolText) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(symbolText, after string) error {
	if !p.take(symbolText) {
		return p.fail("%s is due after %s, not %s", symbolText, after, p.token)
	}
	return nil
}

func (p *parser) disjunction() (node, error) {
	var parts either
	for {
		n, err := p.conjunction()
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
		if p.token.keyword() != "or" {
			break
		}
		p.next()
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return parts, nil
}

func (p *parser) conjunction() (node, error) {
	var parts all
	for {
		n, err := p.unary()
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
		if p.token.keyword() == "and" {
			p.next()
			continue
		}
		// Side by side means AND: ok !partial duration <3
		if p.token.keyword() == "or" || !(p.token.kind == word || p.token.is("!") || p.token.is("(")) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return parts, nil
}

func (p *parser) unary() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("more than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("!") || p.token.keyword() == "not" && p.skip():
		n, err := p.unary()
		return not{n}, err
	case p.take("("):
		n, err := p.disjunction()
		if err == nil {
			err = p.expect(")", "the expression in parentheses")
		}
		return n, err
	case p.token.kind != word:
		return nil, p.fail("a keyword is due, not %s", p.token)
	}
	return p.term()
}

func (p *parser) skip() bool {
	p.next()
	return true
}

// refused are keywords of X-Ray that mean nothing here.
var refused = []string{"rootcause", "first", "last", "remote", "index", "coverage", "json", "instance", "availabilityzone"}

// term reads a keyword and what belongs to it.
func (p *parser) term() (node, error) {
	first := p.token
	keyword := p.token.keyword()
	p.next()
	if is := booleans[keyword]; is != nil {
		return p.boolean(is)
	}
	if of := numbers[keyword]; of != nil {
		operator, operand, err := p.comparison(keyword, jsontext.Number)
		return number{of, operator, operand.number}, err
	}
	if of := textual[keyword]; of != nil {
		operator, operand, err := p.comparison(keyword, jsontext.String)
		return texts{of, operator, operand.text}, err
	}
	switch {
	case keyword == "group.name" || keyword == "group.arn":
		operator, operand, err := p.comparison(keyword, jsontext.String)
		if err == nil && operator != "=" && operator != "!=" {
			err = p.failAt(first.at, "%s is compared with = or != only", keyword)
		}
		return group{operator, operand.text}, err
	case keyword == "annotation" || strings.HasPrefix(keyword, "annotation."):
		return p.annotation(first)
	case (keyword == "service" || keyword == "edge") && p.braces > 0:
		// It would mean every pair of services, and one more level every three: hours, for a trace of some size.
		return nil, p.failAt(first.at, "%s cannot stand within the braces of service or edge", keyword)
	case keyword == "service":
		return p.service()
	case keyword == "edge":
		return p.edge()
	}
	for _, r := range refused {
		if keyword == r || strings.HasPrefix(keyword, r+".") {
			return nil, p.failAt(first.at, "%s is not supported by this X-Ray", keyword)
		}
	}
	return nil, p.failAt(first.at, "there is no keyword %q", first.text)
}

func (p *parser) boolean(is func(*scope) bool) (node, error) {
	n := boolean{is}
	operator := p.token.text
	if !p.take("=") && !p.take("!=") {
		return n, nil
	}
	word := strings.ToLower(p.token.text)
	if p.token.kind == symbol || word != "true" && word != "false" {
		return nil, p.fail("true or false is due after %s, not %s", operator, p.token)
	}
	p.next()
	if (word == "true") == (operator == "=") {
		return n, nil
	}
	return not{n}, nil
}

// comparison reads an operator and a value of the kind.
func (p *parser) comparison(keyword string, want jsontext.Kind) (string, value, error) {
	operator, err := p.operator(keyword)
	if err != nil {
		return "", value{}, err
	}
	at := p.token.at
	v, err := p.value(operator)
	if err == nil && v.kind != want {
		err = p.failAt(at, "%s is compared with a %s, not with %s", keyword, want, v)
	}
	if err == nil {
		err = p.fits(at, operator, v)
	}
	return operator, v, err
}

func (p *parser) operator(keyword string) (string, error) {
	operator := p.token.text
	switch {
	case p.token.kind == symbol && strings.Contains(" = != < <= > >= ", " "+operator+" "):
	case p.token.kind == word && strings.Contains(" CONTAINS BEGINSWITH ENDSWITH ", " "+strings.ToUpper(operator)+" "):
		operator = strings.ToUpper(operator)
	default:
		return "", p.fail("an operator is due after %s, not %s", keyword, p.token)
	}
	p.next()
	return operator, nil
}

// fits tells whether values of that kind have the operator.
func (p *parser) fits(at int, operator string, v value) error {
	isOrder, isText := strings.ContainsAny(operator, "<>"), operator[0] >= 'A'
	if v.kind != jsontext.Number && isOrder || v.kind != jsontext.String && isText {
		return p.failAt(at, "%s does not go with %s", operator, v)
	}
	return nil
}

func (p *parser) value(operator string) (value, error) {
	t := p.token
	switch {
	case t.kind == quoted:
		p.next()
		return value{kind: jsontext.String, text: t.text}, nil
	case t.kind == numeral:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil || math.IsInf(f, 0) {
			return value{}, p.fail("%s is no number", t)
		}
		p.next()
		return value{kind: jsontext.Number, number: f}, nil
	case t.keyword() == "true" || t.keyword() == "false":
		p.next()
		return value{kind: jsontext.Bool, yes: t.keyword() == "true"}, nil
	}
	return value{}, p.fail("a value is due after %s, not %s", operator, t)
}

// annotation reads annotation.key or annotation[key], and perhaps a comparison.
func (p *parser) annotation(first token) (node, error) {
	if p.braces > 0 {
		return nil, p.failAt(first.at, "an annotation cannot stand within the braces of service or edge")
	}
	key := ""
	if len(first.text) > len("annotation") {
		key = first.text[len("annotation."):]
		// A key may hold a colon (aws:api_id), which elsewhere is a symbol.
		for p.token.is(":") && p.at < len(p.text) && isLetter(p.text[p.at]) {
			p.next()
			key += ":" + p.token.text
			p.next()
		}
	} else {
		if !p.token.is("[") {
			return nil, p.fail("annotation.key or annotation[key] is due, not annotation and %s", p.token)
		}
		length := strings.IndexByte(p.text[p.at:], ']')
		if length < 0 {
			return nil, p.fail("the bracket does not close")
		}
		key = strings.Trim(strings.TrimSpace(p.text[p.at:p.at+length]), `"`)
		p.at += length + 1
		p.next()
	}
	if key == "" {
		return nil, p.failAt(first.at, "the annotation has no key")
	}
	if p.token.kind == end || p.token.kind == word && !strings.Contains(" CONTAINS BEGINSWITH ENDSWITH ", " "+strings.ToUpper(p.token.text)+" ") ||
		p.token.kind == symbol && !strings.ContainsAny(p.token.text, "=<>") {
		return exists{key}, nil
	}
	operator, err := p.operator(first.text)
	if err != nil {
		return nil, err
	}
	at := p.token.at
	v, err := p.value(operator)
	if err == nil {
		err = p.fits(at, operator, v)
	}
	return &annotation{key, operator, v}, err
}

func (p *parser) service() (node, error) {
	var n services
	err := p.expect("(", "service")
	if err == nil && !p.token.is(")") {
		n.which, err = p.selector()
	}
	if err == nil {
		err = p.expect(")", "the service")
	}
	if err == nil {
		n.where, err = p.where()
	}
	return n, err
}

func (p *parser) edge() (node, error) {
	var n edges
	err := p.expect("(", "edge")
	if err == nil && !p.token.is(")") {
		if n.from, err = p.selector(); err == nil {
			err = p.expect(",", "the edge's source")
		}
		if err == nil {
			n.to, err = p.selector()
		}
	}
	if err == nil {
		err = p.expect(")", "the edge's destination")
	}
	if err == nil {
		n.where, err = p.where()
	}
	return n, err
}

// selector reads "name" or id(name: "", type: "", account.id: "").
func (p *parser) selector() (selector, error) {
	var s selector
	if p.token.kind == quoted {
		s.name = p.token.text
		p.next()
		return s, nil
	}
	if p.token.keyword() != "id" {
		return s, p.fail(`a name in quotes or id(name: "...", type: "...") is due, not %s`, p.token)
	}
	p.next()
	if err := p.expect("(", "id"); err != nil {
		return s, err
	}
	for {
		part := p.token
		p.next()
		if err := p.expect(":", part.String()); err != nil {
			return s, err
		}
		if p.token.kind != quoted {
			return s, p.fail("a text in quotes is due, not %s", p.token)
		}
		switch part.keyword() {
		case "name":
			s.name = p.token.text
		case "type":
			s.typ = p.token.text
		case "account.id": // there is one account
		default:
			return s, p.failAt(part.at, "id has name, type and account.id, not %s", part)
		}
		p.next()
		if p.take(")") {
			return s, nil
		}
		if err := p.expect(",", "a part of id"); err != nil {
			return s, err
		}
	}
}

// where reads what stands in braces, if there are any. Braces with nothing within ask for nothing.
func (p *parser) where() (node, error) {
	if !p.take("{") || p.take("}") {
		return nil, p.broken
	}
	p.braces++
	defer func() { p.braces-- }()
	n, err := p.disjunction()
	if err == nil {
		err = p.expect("}", "the expression in braces")
	}
	return n, err
}
