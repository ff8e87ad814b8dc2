package expression

import (
	"strconv"
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/wire"
)

// A token is a slice of the text: a word, a placeholder with its # or :, a number, an operator or any other character.
// The one after the last is empty.
type token struct {
	text string
	pos  int
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (t token) number() bool { return t.text != "" && t.text[0] >= '0' && t.text[0] <= '9' }

func (t token) word() bool { return t.text != "" && wordByte(t.text[0]) && !t.number() }

// is reports whether the token is that keyword, in any case.
func (t token) is(keyword string) bool { return strings.EqualFold(t.text, keyword) }

func lex(text string) []token {
	tokens := make([]token, 0, 16)
	for pos := 0; pos < len(text); {
		start := pos
		switch c := text[pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			pos++
			continue
		case wordByte(c):
			for pos < len(text) && wordByte(text[pos]) {
				pos++
			}
		case c == '#' || c == ':':
			for pos++; pos < len(text) && wordByte(text[pos]); {
				pos++
			}
		case strings.HasPrefix(text[pos:], "<>") || strings.HasPrefix(text[pos:], "<=") || strings.HasPrefix(text[pos:], ">="):
			pos += 2
		default:
			for pos++; pos < len(text) && text[pos]&0xc0 == 0x80; { // the rest of a character in UTF-8
				pos++
			}
		}
		tokens = append(tokens, token{text[start:pos], start})
	}
	return append(tokens, token{"", len(text)})
}

// A fault ranks mistakes: of several, the one of the lowest rank is reported, and of these the first.
type fault int

const (
	faultParentheses fault = iota
	faultUnknownFunction
	faultMisusedFunction
	faultReserved
	faultUnknownUpdateFunction
	faultSection
	faultName
	faultValue
	faultOverlap
	faultConflict
	faultOperator
	faultOperands
	faultDistinct
	faultOperandType
	noFault
)

type parser struct {
	kind      Kind
	text      string
	tokens    []token
	next      int
	subs      *Substitutions
	operators int
	rank      fault
	message   string
}

func newParser(kind Kind, text string, subs *Substitutions) (*parser, error) {
	p := &parser{kind: kind, text: text, subs: subs, rank: noFault}
	if strings.TrimSpace(text) == "" {
		return nil, p.error("The expression can not be empty;")
	}
	if len(text) > maxSize {
		return nil, p.error("Expression size has exceeded the maximum allowed size; expression size: %d", len(text))
	}
	p.tokens = lex(text)
	return p, nil
}

func (p *parser) error(format string, args ...any) *wire.Error {
	return invalid("Invalid "+string(p.kind)+": "+format, args...)
}

// mistake notes a mistake that is no syntax error.
func (p *parser) mistake(rank fault, format string, args ...any) {
	if rank < p.rank {
		p.rank, p.message = rank, p.error(format, args...).Message
	}
}

// finish reports what is wrong at the end of the text.
func (p *parser) finish() error {
	if p.peek().text != "" {
		return p.syntax()
	}
	if p.rank != noFault {
		return invalid("%s", p.message)
	}
	if p.operators > maxOperators {
		return p.error("The expression contains too many operators or functions; operator or function count: %d", p.operators)
	}
	return nil
}

// syntax refuses the token at hand. "Near" is it with its neighbours as they stand in the text.
func (p *parser) syntax() error {
	t := p.peek()
	from, to := t.pos, t.pos+len(t.text)
	if p.next > 0 {
		from = p.tokens[p.next-1].pos
	}
	name := t.text
	if name == "" {
		name = "<EOF>"
		before := p.tokens[max(p.next-1, 0)]
		to = before.pos + len(before.text)
	} else if after := p.tokens[p.next+1]; after.text != "" {
		to = after.pos + len(after.text)
	}
	return p.error(`Syntax error; token: "%s", near: "%s"`, name, p.text[from:to])
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) peekSecond() token {
	if p.next+1 < len(p.tokens) {
		return p.tokens[p.next+1]
	}
	return token{}
}

func (p *parser) accept(text string) bool {
	if p.peek().text == text {
		p.next++
		return true
	}
	return false
}

func (p *parser) acceptWord(keyword string) bool {
	if p.peek().is(keyword) {
		p.next++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.syntax()
	}
	return nil
}

// startsPath reports whether a document path is at hand.
func (p *parser) startsPath() bool {
	t := p.peek()
	return t.word() || len(t.text) > 1 && t.text[0] == '#'
}

// path reads name {.name | [index]}.
func (p *parser) path() (Path, error) {
	var path Path
	name, err := p.step()
	if err != nil {
		return nil, err
	}
	for path = append(path, Step{Name: name}); ; {
		switch {
		case p.accept("."):
			name, err := p.step()
			if err != nil {
				return nil, err
			}
			path = append(path, Step{Name: name})
		case p.accept("["):
			t := p.peek()
			index, err := strconv.Atoi(t.text)
			if !t.number() || err != nil && !allDigits(t.text) {
				return nil, p.syntax()
			}
			if err != nil || index > 1<<30 {
				return nil, p.error("List index is not within the allowable range; index: [%s]", t.text)
			}
			p.next++
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			path = append(path, Step{Index: index})
		default:
			if len(path) > maxSteps {
				return nil, p.error("The document path has too many nesting levels; nesting levels: %d", len(path))
			}
			return path, nil
		}
	}
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// step reads a name and resolves it. After a mistake it returns the placeholder, which keeps the path's shape.
func (p *parser) step() (string, error) {
	if !p.startsPath() {
		return "", p.syntax()
	}
	t := p.peek()
	p.next++
	if t.text[0] != '#' {
		if Reserved(t.text) {
			p.mistake(faultReserved, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		return t.text, nil
	}
	name, ok := p.subs.name(t.text)
	if !ok {
		p.mistake(faultName, "An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		return t.text, nil
	}
	return name, nil
}

func (p *parser) startsValue() bool {
	t := p.peek()
	return len(t.text) > 1 && t.text[0] == ':'
}

// value reads a :placeholder. After a mistake it returns the zero Value.
func (p *parser) value() (attribute.Value, error) {
	if !p.startsValue() {
		return attribute.Value{}, p.syntax()
	}
	t := p.peek()
	p.next++
	v, ok := p.subs.value(t.text)
	if !ok {
		rank := faultName // in conditions the first one counts, whether name or value
		if p.kind == Update {
			rank = faultValue
		}
		p.mistake(rank, "An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	return v, nil
}

// distinct notes a mistake if two paths clash.
func (p *parser) distinct(paths []Path) {
	const format = "Two document paths %s with each other; must remove or rewrite one of these paths; path one: %s, path two: %s"
	for i, second := range paths {
		for _, first := range paths[:i] {
			switch overlap, conflict := first.clash(second); {
			case overlap:
				p.mistake(faultOverlap, format, "overlap", first, second)
				return // no other clash is graver, and there may be millions
			case conflict:
				p.mistake(faultConflict, format, "conflict", first, second)
			}
		}
	}
}

// ParseProjection reads path {, path}.
func ParseProjection(text string, subs *Substitutions) (Selection, error) {
	p, err := newParser(Projection, text, subs)
	if err != nil {
		return nil, err
	}
	var paths []Path
	for {
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
		if !p.accept(",") {
			break
		}
	}
	p.distinct(paths)
	return paths, p.finish()
}
