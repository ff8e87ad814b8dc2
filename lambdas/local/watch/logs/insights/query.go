// Package insights is the part of CloudWatch Logs Insights' query language that this project asks in:
//
//	fields @timestamp, subject, durationMs / 1000 as seconds
//	| filter level = "ERROR" and (@message like /timed out/ or attempt in [2, 3]) and not ispresent(ignored)
//	| sort @timestamp desc
//	| limit 20
//
//	stats count(*) as n, avg(durationMs), pct(durationMs, 99) by bin(1m), event_type | sort n desc
//
// # The language
//
//   - fields, display: what to show, each perhaps computed and named with as. display is the last word.
//   - filter: and, or, not, = != < <= > >=, in [ ], not in, like and =~ with "text" or /regular expression/, not like.
//   - parse FIELD "text * text" as a, b, or /(?<a>...)/.
//   - stats: count, count_distinct, sum, avg, min, max, pct, median, stddev, earliest and latest, by fields and bin(30s).
//   - sort, limit (head is a synonym), dedup.
//   - arithmetic + - * / %, and the functions abs ceil floor round, strlen tolower toupper trim concat strcontains, ispresent isblank
//     isempty coalesce if, bin datefloor.
//   - # begins a comment. Names with other characters than letters, digits, _ . @ : stand in `backquotes`.
//
// Anything else is an [*Error] that names it and its place.
//
// # Values
//
// Fields are @timestamp @message @logStream @log @ingestionTime @ptr, what Lambda's REPORT lines tell (@requestId @type @duration
// @billedDuration @initDuration @memorySize @maxMemoryUsed @xrayTraceId @xraySegmentId), and the members of JSON events: a.b, a.0. A
// field that an event lacks is no value: a comparison with it fails, != too, and so only not turns it around. Two values that both
// read as numbers are compared as such.
//
// What differs from AWS: durations in REPORT lines of JSON have Lambda's own names (record.metrics.durationMs) and the @-names both;
// sorting is stable; there are no patterns, diffs, lookups, unmasking, no SQL and no PPL.
package insights

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxLength   = 10_000 // characters, of CloudWatch
	maxDepth    = 64     // of expressions
	maxCommands = 64

	// DefaultLimit is how many rows a query returns that does not say. Source: "limit" in the user guide.
	DefaultLimit = 10_000
	maxLimit     = 100_000
)

// An Error says what is wrong with a query, and where: offsets in characters.
type Error struct {
	Start, End int
	Message    string
}

func (e *Error) Error() string { return fmt.Sprintf("at character %d: %s", e.Start+1, e.Message) }

// A Query is a parsed query.
type Query struct {
	commands []command
	shown    []column // by fields, in order
	display  []column // by display
	grouped  bool     // there is a stats
	limited  bool     // there is a limit
}

// A column is an expression and the name that it is shown by.
type column struct {
	name string
	of   expression
}

// A command makes rows of rows.
type command interface {
	run(*run, []*Row) ([]*Row, error)
}

// An expression is computed from a row.
type expression interface{ value(*Row) Value }

// Parse reads a query. The error is an [*Error].
func Parse(text string) (*Query, error) {
	if utf8.RuneCountInString(text) > maxLength {
		return nil, &Error{0, 0, fmt.Sprintf("the query has more than %d characters", maxLength)}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{0, 0, "the query is not UTF-8"}
	}
	p := &parser{text: text}
	if err := p.next(); err != nil {
		return nil, err
	}
	q := &Query{}
	for {
		if p.token.kind == end && len(q.commands) == 0 && len(q.shown)+len(q.display) == 0 {
			return nil, p.fail("a command is due")
		}
		if len(q.commands) == maxCommands {
			return nil, p.fail("more than %d commands", maxCommands)
		}
		if err := p.command(q); err != nil {
			return nil, err
		}
		if p.token.kind == end {
			return q, nil
		}
		if err := p.expect("|"); err != nil {
			return nil, err
		}
	}
}

type kind int

const (
	end kind = iota
	name
	quoted
	number
	pattern
	symbol
)

type token struct {
	kind       kind
	text       string // without quotes
	start, end int    // bytes
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return strconv.Quote(t.text)
}

type parser struct {
	text  string
	at    int
	token token
	depth int
}

func (p *parser) fail(format string, args ...any) error { return p.failAt(p.token, format, args...) }

func (p *parser) failAt(t token, format string, args ...any) error {
	return &Error{utf8.RuneCountInString(p.text[:t.start]), utf8.RuneCountInString(p.text[:t.end]), fmt.Sprintf(format, args...)}
}

// next reads a token. A slash begins a regular expression where a value is due, which the grammar alone knows: see regexp.
func (p *parser) next() error {
	for p.at < len(p.text) {
		if p.text[p.at] == '#' {
			if line := strings.IndexByte(p.text[p.at:], '\n'); line >= 0 {
				p.at += line
				continue
			}
			p.at = len(p.text)
		} else if strings.IndexByte(" \t\r\n", p.text[p.at]) < 0 {
			break
		} else {
			p.at++
		}
	}
	start := p.at
	p.token = token{kind: end, start: start, end: start}
	if start == len(p.text) {
		return nil
	}
	switch c := p.text[start]; {
	case c == '"' || c == '\'' || c == '`':
		return p.quote(c)
	case isDigit(c) || c == '.' && start+1 < len(p.text) && isDigit(p.text[start+1]):
		for p.at < len(p.text) && (isDigit(p.text[p.at]) || isName(p.text[p.at]) || p.text[p.at] == '.') {
			p.at++
		}
		p.token = token{number, p.text[start:p.at], start, p.at}
	case isName(c):
		for p.at < len(p.text) && (isName(p.text[p.at]) || isDigit(p.text[p.at]) || p.text[p.at] == '.' || p.text[p.at] == ':') {
			p.at++
		}
		p.token = token{name, p.text[start:p.at], start, p.at}
	default:
		length := 1
		if rest := p.text[start:]; slices.Contains([]string{"!=", "<=", ">=", "=~", "=="}, rest[:min(2, len(rest))]) {
			length = 2
		}
		if length == 1 && strings.IndexByte("|,()[]=<>+-*/%", c) < 0 {
			_, size := utf8.DecodeRuneInString(p.text[start:])
			p.token.end = start + size
			return p.fail("%q means nothing here", p.text[start:start+size])
		}
		p.at += length
		p.token = token{symbol, p.text[start:p.at], start, p.at}
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '@' || c >= utf8.RuneSelf
}

func (p *parser) quote(q byte) error {
	start := p.at
	var b strings.Builder
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text) && q != '`':
			i++
			switch p.text[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(p.text[i])
			}
		case c == q:
			p.at = i + 1
			p.token = token{quoted, b.String(), start, p.at}
			if q == '`' {
				p.token.kind = name
			}
			return nil
		default:
			b.WriteByte(c)
		}
	}
	p.token.end = len(p.text)
	return p.fail("the quotation does not end")
}

// is tells whether the token is a symbol or, in any case, a word.
func (p *parser) is(text string) bool {
	return p.token.kind == symbol && p.token.text == text || p.token.kind == name && strings.EqualFold(p.token.text, text) && p.text[p.token.start] != '`'
}

func (p *parser) take(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.next()
}

func (p *parser) expect(text string) error {
	if !p.is(text) {
		return p.fail("%s is due, not %s", text, p.token)
	}
	return p.next()
}

func (p *parser) command(q *Query) error {
	t := p.token
	if t.kind != name {
		return p.fail("a command is due, not %s", t)
	}
	word := strings.ToLower(t.text)
	if err := p.next(); err != nil {
		return err
	}
	switch word {
	case "fields", "display":
		columns, err := p.columns()
		if err != nil {
			return err
		}
		if word == "display" {
			q.display = columns
		} else {
			q.shown = append(q.shown, columns...)
		}
		q.commands = append(q.commands, compute(columns))
	case "filter":
		e, err := p.expression()
		if err != nil {
			return err
		}
		q.commands = append(q.commands, filter{e})
	case "sort", "order":
		return p.sort(q)
	case "limit", "head":
		return p.limit(q)
	case "dedup":
		columns, err := p.columns()
		q.commands = append(q.commands, dedup(columns))
		return err
	case "stats":
		q.grouped = true
		q.shown, q.display = nil, nil // those before it say what stats computes from
		return p.stats(q)
	case "parse":
		return p.parse(q)
	default:
		return p.failAt(t, "the command %s is not supported: fields, display, filter, parse, stats, sort, limit and dedup are", t)
	}
	return nil
}

// columns reads expressions with their names, separated by commas.
func (p *parser) columns() ([]column, error) {
	var list []column
	for {
		c, err := p.column()
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		if more, err := p.take(","); !more || err != nil {
			return list, err
		}
	}
}

func (p *parser) column() (column, error) {
	start := p.token.start
	e, err := p.expression()
	if err != nil {
		return column{}, err
	}
	c := column{p.written(start), e}
	if f, ok := e.(field); ok {
		c.name = string(f)
	}
	if as, err := p.take("as"); !as || err != nil {
		return c, err
	}
	if p.token.kind != name {
		return c, p.fail("a name is due after as, not %s", p.token)
	}
	c.name = p.token.text
	return c, p.next()
}

// written is what stands between a place and the token, as it was written.
func (p *parser) written(start int) string { return strings.TrimSpace(p.text[start:p.token.start]) }

func (p *parser) sort(q *Query) error {
	if by, err := p.take("by"); by && err != nil {
		return err
	}
	var s sortBy
	for {
		e, err := p.expression()
		if err != nil {
			return err
		}
		k := sortKey{of: e}
		if k.descending, err = p.take("desc"); err != nil {
			return err
		}
		if !k.descending {
			if _, err = p.take("asc"); err != nil {
				return err
			}
		}
		s = append(s, k)
		if more, err := p.take(","); err != nil {
			return err
		} else if !more {
			q.commands = append(q.commands, s)
			return nil
		}
	}
}

func (p *parser) limit(q *Query) error {
	n, err := strconv.Atoi(p.token.text)
	if p.token.kind != number || err != nil || n < 1 || n > maxLimit {
		return p.fail("a number from 1 to %d is due, not %s", maxLimit, p.token)
	}
	q.commands, q.limited = append(q.commands, limit(n)), true
	return p.next()
}

func (p *parser) stats(q *Query) error {
	var s stats
	for {
		a, err := p.aggregate()
		if err != nil {
			return err
		}
		s.aggregates = append(s.aggregates, a)
		more, err := p.take(",")
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	by, err := p.take("by")
	if err == nil && by {
		s.by, err = p.columns()
	}
	if err != nil {
		return err
	}
	for _, c := range s.by {
		q.shown = append(q.shown, column{c.name, field(c.name)})
	}
	for _, a := range s.aggregates {
		q.shown = append(q.shown, column{a.name, field(a.name)})
	}
	q.commands = append(q.commands, s)
	return nil
}

func (p *parser) aggregate() (aggregate, error) {
	t := p.token
	var a aggregate
	if t.kind != name {
		return a, p.fail("a function such as count(*) is due, not %s", t)
	}
	a.function = strings.ToLower(t.text)
	if !slices.Contains(aggregates, a.function) {
		return a, p.fail("stats has no function %s: %s are supported", t, strings.Join(aggregates, ", "))
	}
	err := p.next()
	if err == nil {
		err = p.expect("(")
	}
	if err != nil {
		return a, err
	}
	all, err := p.take("*")
	switch {
	case err != nil:
	case all && a.function != "count":
		err = p.failAt(t, "%s(*) counts nothing: a field is due", a.function)
	case p.is(")") && a.function == "count" || all:
	default:
		a.of, err = p.expression()
	}
	if err == nil && a.function == "pct" {
		if err = p.expect(","); err == nil {
			a.percent, err = strconv.ParseFloat(p.token.text, 64)
			if err != nil || !(a.percent >= 0 && a.percent <= 100) {
				return a, p.fail("a percentage is due, not %s", p.token)
			}
			err = p.next()
		}
	}
	if err == nil {
		err = p.expect(")")
	}
	if err != nil {
		return a, err
	}
	a.name = p.written(t.start)
	as, err := p.take("as")
	if err != nil || !as {
		return a, err
	}
	if p.token.kind != name {
		return a, p.fail("a name is due after as, not %s", p.token)
	}
	a.name = p.token.text
	return a, p.next()
}

// parse reads FIELD "text * text" as a, b or FIELD /(?<a>...)/. The field may be left out: it is @message.
func (p *parser) parse(q *Query) error {
	c := extract{from: field("@message")}
	if p.token.kind == name {
		c.from = field(p.token.text)
		if err := p.next(); err != nil {
			return err
		}
	}
	t := p.token
	var err error
	switch {
	case t.kind == quoted:
		parts := strings.Split(t.text, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		expression := strings.Join(parts, "(.*?)")
		if strings.HasSuffix(t.text, "*") {
			expression += "$"
		}
		if c.pattern, err = regexp.Compile("(?s)" + expression); err != nil {
			return p.fail("%v", err)
		}
		if err = p.next(); err == nil {
			err = p.expect("as")
		}
		for err == nil {
			if p.token.kind != name {
				return p.fail("a name is due after as, not %s", p.token)
			}
			c.names = append(c.names, p.token.text)
			more := false
			if err = p.next(); err == nil {
				more, err = p.take(",")
			}
			if !more {
				break
			}
		}
		if err == nil && len(c.names) != c.pattern.NumSubexp() {
			err = p.failAt(t, "%d names for %d times *", len(c.names), c.pattern.NumSubexp())
		}
	case p.is("/"):
		if c.pattern, err = p.regexp(); err == nil {
			c.names = c.pattern.SubexpNames()[1:]
			if c.pattern.NumSubexp() == 0 || slices.Contains(c.names, "") {
				err = p.failAt(t, "each group of the regular expression needs a name: (?<name>...)")
			}
		}
	default:
		err = p.fail(`"text with *" or /regular expression/ is due, not %s`, t)
	}
	q.commands = append(q.commands, c)
	return err
}

// regexp reads a regular expression of which the token is the first slash.
func (p *parser) regexp() (*regexp.Regexp, error) {
	start := p.token
	var b strings.Builder
	for i := start.end; i < len(p.text); i++ {
		switch {
		case p.text[i] == '\\' && i+1 < len(p.text) && p.text[i+1] == '/':
			i++
			b.WriteByte('/')
		case p.text[i] == '\\' && i+1 < len(p.text):
			b.WriteString(p.text[i : i+2])
			i++
		case p.text[i] == '/':
			p.at = i + 1
			re, err := regexp.Compile(b.String())
			if err != nil {
				start.end = p.at
				return nil, p.failAt(start, "%v", err)
			}
			return re, p.next()
		default:
			b.WriteByte(p.text[i])
		}
	}
	return nil, p.failAt(start, "the regular expression does not end")
}

// duration reads 30s, 5m, 1h and the like: the argument of bin.
func duration(text string) (time.Duration, bool) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseInt(digits, 10, 32)
	unit, ok := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour, "hr": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}[text[len(digits):]]
	if err != nil || !ok || n <= 0 || time.Duration(n) > 1<<62/unit {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
