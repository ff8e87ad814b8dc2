package insights

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Value is what a field holds or an expression makes. The zero value is none.
type Value struct {
	text    string
	number  float64
	numeric bool // it is a number; text is empty
	time    bool // the number is a moment, in milliseconds since 1970
	present bool
}

// Text is a value that is a text.
func Text(s string) Value { return Value{text: s, present: true} }

// Number is a value that is a number.
func Number(f float64) Value { return Value{number: f, numeric: true, present: true} }

// Moment is a value that is a time.
func Moment(t time.Time) Value {
	return Value{number: float64(t.UnixMilli()), numeric: true, time: true, present: true}
}

// Times is a number's multiple; of what is no number, the value itself.
func (v Value) Times(factor float64) Value {
	if v.numeric && !v.time {
		v.number *= factor
	}
	return v
}

func truth(b bool) Value {
	if b {
		return Number(1)
	}
	return Number(0)
}

// String is the value as results show it.
func (v Value) String() string {
	switch {
	case v.time:
		return time.UnixMilli(int64(v.number)).UTC().Format("2006-01-02 15:04:05.000")
	case v.numeric && v.number == math.Trunc(v.number) && math.Abs(v.number) < 1e15:
		return strconv.FormatInt(int64(v.number), 10)
	case v.numeric:
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	}
	return v.text
}

// float is the value as a number, if it reads as one.
func (v Value) float() (float64, bool) {
	if v.numeric || !v.present {
		return v.number, v.numeric
	}
	if v.text == "" || v.text[0] > '9' { // the common case, by far
		return 0, false
	}
	f, err := strconv.ParseFloat(v.text, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func (v Value) true() bool {
	if v.numeric {
		return v.number != 0
	}
	return v.text != "" && v.text != "false"
}

// compare orders two values that are present: numbers by size, other texts by bytes.
func compare(a, b Value) int {
	if x, ok := a.float(); ok {
		if y, ok := b.float(); ok {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	return strings.Compare(a.String(), b.String())
}

type (
	field    string
	constant Value
	both     struct{ left, right expression }
	either   struct{ left, right expression }
	not      struct{ of expression }
	relation struct {
		operator    string
		left, right expression
	}
	like struct {
		of      expression
		text    string
		pattern *regexp.Regexp
	}
	among struct {
		of     expression
		values []expression
	}
	arithmetic struct {
		operator    byte
		left, right expression
	}
	call struct {
		function func([]Value) Value
		args     []expression
	}
	bin struct {
		of   expression
		size time.Duration
	}
)

func (e field) value(r *Row) Value  { return r.Get(string(e)) }
func (e constant) value(*Row) Value { return Value(e) }
func (e both) value(r *Row) Value   { return truth(e.left.value(r).true() && e.right.value(r).true()) }
func (e either) value(r *Row) Value { return truth(e.left.value(r).true() || e.right.value(r).true()) }
func (e not) value(r *Row) Value    { return truth(!e.of.value(r).true()) }

func (e relation) value(r *Row) Value {
	a, b := e.left.value(r), e.right.value(r)
	if !a.present || !b.present {
		return truth(false)
	}
	c := compare(a, b)
	switch e.operator {
	case "=", "==":
		return truth(c == 0)
	case "!=":
		return truth(c != 0)
	case "<":
		return truth(c < 0)
	case "<=":
		return truth(c <= 0)
	case ">":
		return truth(c > 0)
	}
	return truth(c >= 0)
}

func (e like) value(r *Row) Value {
	v := e.of.value(r)
	if e.pattern != nil {
		return truth(v.present && e.pattern.MatchString(v.String()))
	}
	return truth(v.present && strings.Contains(v.String(), e.text))
}

func (e among) value(r *Row) Value {
	v := e.of.value(r)
	for _, candidate := range e.values {
		if c := candidate.value(r); v.present && c.present && compare(v, c) == 0 {
			return truth(true)
		}
	}
	return truth(false)
}

func (e arithmetic) value(r *Row) Value {
	a, aOK := e.left.value(r).float()
	b, bOK := e.right.value(r).float()
	if !aOK || !bOK {
		return Value{}
	}
	var f float64
	switch e.operator {
	case '+':
		f = a + b
	case '-':
		f = a - b
	case '*':
		f = a * b
	case '/':
		f = a / b
	case '%':
		f = math.Mod(a, b)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Number(f)
}

func (e call) value(r *Row) Value {
	args := make([]Value, len(e.args))
	for i, a := range e.args {
		args[i] = a.value(r)
	}
	return e.function(args)
}

func (e bin) value(r *Row) Value {
	v := e.of.value(r)
	if !v.numeric {
		return Value{}
	}
	return Moment(time.UnixMilli(int64(v.number)).Truncate(e.size).UTC())
}

// functions of which the arguments are any expressions; min and max are how many there may be.
var functions = map[string]struct {
	min, max int
	of       func([]Value) Value
}{
	"abs":         {1, 1, numeric(math.Abs)},
	"ceil":        {1, 1, numeric(math.Ceil)},
	"floor":       {1, 1, numeric(math.Floor)},
	"round":       {1, 1, numeric(math.Round)},
	"strlen":      {1, 1, func(v []Value) Value { return Number(float64(len([]rune(v[0].String())))) }},
	"tolower":     {1, 1, textual(strings.ToLower)},
	"toupper":     {1, 1, textual(strings.ToUpper)},
	"trim":        {1, 1, textual(strings.TrimSpace)},
	"concat":      {1, 16, concat},
	"strcontains": {2, 2, func(v []Value) Value { return truth(v[0].present && strings.Contains(v[0].String(), v[1].String())) }},
	"ispresent":   {1, 1, func(v []Value) Value { return truth(v[0].present) }},
	"isempty":     {1, 1, func(v []Value) Value { return truth(v[0].String() == "") }},
	"isblank":     {1, 1, func(v []Value) Value { return truth(strings.TrimSpace(v[0].String()) == "") }},
	"coalesce":    {1, 16, coalesce},
	"if": {3, 3, func(v []Value) Value {
		if v[0].true() {
			return v[1]
		}
		return v[2]
	}},
}

func numeric(f func(float64) float64) func([]Value) Value {
	return func(v []Value) Value {
		n, ok := v[0].float()
		if !ok {
			return Value{}
		}
		return Number(f(n))
	}
}

func textual(f func(string) string) func([]Value) Value {
	return func(v []Value) Value {
		if !v[0].present {
			return Value{}
		}
		return Text(f(v[0].String()))
	}
}

// maxText bounds what concat makes, and with it what a query can make of a row.
const maxText = 1 << 20

func concat(v []Value) Value {
	var b strings.Builder
	for _, part := range v {
		if text := part.String(); b.Len()+len(text) <= maxText {
			b.WriteString(text)
		}
	}
	return Text(b.String())
}

func coalesce(v []Value) Value {
	for _, candidate := range v {
		if candidate.present {
			return candidate
		}
	}
	return Value{}
}

func (p *parser) expression() (expression, error) {
	left, err := p.conjunction()
	for err == nil && p.is("or") {
		var right expression
		if err = p.next(); err == nil {
			right, err = p.conjunction()
		}
		left = either{left, right}
	}
	return left, err
}

func (p *parser) conjunction() (expression, error) {
	left, err := p.negation()
	for err == nil && p.is("and") {
		var right expression
		if err = p.next(); err == nil {
			right, err = p.negation()
		}
		left = both{left, right}
	}
	return left, err
}

func (p *parser) negation() (expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("more than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	if yes, err := p.take("not"); yes || err != nil {
		if err != nil {
			return nil, err
		}
		e, err := p.negation()
		return not{e}, err
	}
	return p.relation()
}

func (p *parser) relation() (expression, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	operator := strings.ToLower(p.token.text)
	switch {
	case p.token.kind == symbol && strings.Contains(" = == != < <= > >= ", " "+operator+" "):
		if err := p.next(); err != nil {
			return nil, err
		}
		right, err := p.sum()
		return relation{operator, left, right}, err
	case p.is("in"), p.is("like"), p.is("=~"):
		return p.match(left)
	case p.is("not"):
		if err := p.next(); err != nil {
			return nil, err
		}
		if !p.is("in") && !p.is("like") {
			return nil, p.fail("in or like is due after not, not %s", p.token)
		}
		e, err := p.match(left)
		return not{e}, err
	}
	return left, nil
}

// match reads in [ ], like or =~ and what belongs to it.
func (p *parser) match(of expression) (expression, error) {
	isIn := p.is("in")
	if err := p.next(); err != nil {
		return nil, err
	}
	if !isIn {
		switch t := p.token; {
		case t.kind == quoted:
			return like{of: of, text: t.text}, p.next()
		case p.is("/"):
			re, err := p.regexp()
			return like{of: of, pattern: re}, err
		}
		return nil, p.fail(`"text" or /regular expression/ is due, not %s`, p.token)
	}
	if err := p.expect("["); err != nil {
		return nil, err
	}
	e := among{of: of}
	for {
		v, err := p.sum()
		if err != nil {
			return nil, err
		}
		e.values = append(e.values, v)
		more, err := p.take(",")
		if err != nil {
			return nil, err
		}
		if !more {
			return e, p.expect("]")
		}
	}
}

func (p *parser) sum() (expression, error) {
	left, err := p.product()
	for err == nil && (p.is("+") || p.is("-")) {
		operator := p.token.text[0]
		var right expression
		if err = p.next(); err == nil {
			right, err = p.product()
		}
		left = arithmetic{operator, left, right}
	}
	return left, err
}

func (p *parser) product() (expression, error) {
	left, err := p.operand()
	for err == nil && (p.is("*") || p.is("/") || p.is("%")) {
		operator := p.token.text[0]
		var right expression
		if err = p.next(); err == nil {
			right, err = p.operand()
		}
		left = arithmetic{operator, left, right}
	}
	return left, err
}

func (p *parser) operand() (expression, error) {
	t := p.token
	switch {
	case t.kind == quoted:
		return constant(Text(t.text)), p.next()
	case t.kind == number:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, p.fail("%s is no number", t)
		}
		return constant(Number(f)), p.next()
	case p.is("-"):
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail("more than %d levels", maxDepth)
		}
		defer func() { p.depth-- }()
		if err := p.next(); err != nil {
			return nil, err
		}
		e, err := p.operand()
		return arithmetic{'-', constant(Number(0)), e}, err
	case p.is("("):
		if err := p.next(); err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err == nil {
			err = p.expect(")")
		}
		return e, err
	case t.kind != name:
		return nil, p.fail("a field or a value is due, not %s", t)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	switch {
	case p.is("("):
		return p.call(t)
	case p.text[t.start] != '`' && strings.EqualFold(t.text, "true"), p.text[t.start] != '`' && strings.EqualFold(t.text, "false"):
		return constant(truth(strings.EqualFold(t.text, "true"))), nil
	}
	return field(t.text), nil
}

func (p *parser) call(t token) (expression, error) {
	function := strings.ToLower(t.text)
	f, known := functions[function]
	if !known && function != "bin" && function != "datefloor" {
		return nil, p.failAt(t, "the function %s is not supported here", t)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	if !known {
		return p.bin(function)
	}
	var args []expression
	for !p.is(")") {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		if more, err := p.take(","); err != nil {
			return nil, err
		} else if !more {
			break
		}
	}
	if len(args) < f.min || len(args) > f.max {
		return nil, p.failAt(t, "%s has %d arguments, from %d to %d are due", function, len(args), f.min, f.max)
	}
	return call{f.of, args}, p.expect(")")
}

// bin reads bin(5m) or datefloor(field, 5m) behind the parenthesis.
func (p *parser) bin(function string) (expression, error) {
	b := bin{of: field("@timestamp")}
	if function == "datefloor" {
		of, err := p.sum()
		if err == nil {
			err = p.expect(",")
		}
		if err != nil {
			return nil, err
		}
		b.of = of
	}
	size, ok := duration(p.token.text)
	if p.token.kind != number || !ok {
		return nil, p.fail("a time such as 30s, 5m or 1h is due, not %s", p.token)
	}
	b.size = size
	if err := p.next(); err != nil {
		return nil, err
	}
	return b, p.expect(")")
}
