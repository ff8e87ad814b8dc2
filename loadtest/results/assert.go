package results

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Condition is what a run is asked to fulfil, such as by --assert:
//
//	completed_rate(C=4)>=76                      every cell with MaximumConcurrency 4 completes 76/s or more
//	e2e_p99<500ms@stable                         every cell that keeps up
//	lost==0
//	dup_ratio<0.1%
//	little(exp=E1, offered>1) in 0.95..1.05
//	drain<=1.1*predicted                         the prediction was made before it was measured
//	completed_rate/predicted(offered>1) in 0.97..1.03
//	valid
//
// The grammar:
//
//	condition  = quantity [ "/" "predicted" ] [ "(" filter { "," filter } ")" ] [ test ] [ "@" verdict ] .
//	filter     = attribute ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) ( number | text ) .
//	test       = ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) limit | "in" limit ".." limit .
//	limit      = [ number "*" ] "predicted" | number [ "us" | "ms" | "s" | "m" | "/s" | "%" ] .
//	verdict    = "stable" | "unstable" | "inconclusive" .
//
// A time needs its unit, so that nobody has to know in which one it is kept. "in" includes both ends. Numbers of filters are
// equal when they differ by less than half a percent, since rates are measured.
//
// A condition is about every cell that its filters and its verdict leave, those of role calibration left out, and about
// every level of a forecast. It holds when it holds for each of them. It does not hold when there is none, nor where the
// quantity is not known: a p99 of few subjects, the drain time of what did not drain.
type Condition struct {
	expr     string
	quantity *quantity
	relative bool // to the prediction
	filters  []filter
	test     *test
	verdict  string // "" for any
}

// A filter leaves rows whose attribute is so.
type filter struct {
	attribute *attribute
	op        string
	text      string
	number    float64
}

// A test compares a quantity: with one limit, or with the two that it is to be between.
type test struct {
	op     string // "in", or a comparison
	limits []limit
}

// A limit is a number in the quantity's unit, or a multiple of the prediction.
type limit struct {
	number    float64
	predicted bool
}

// maxCondition bounds the length of a condition, in bytes.
const maxCondition = 1000

// ParseCondition reads a condition. Errors say at which column, counted from 1, and what is possible there.
func ParseCondition(expr string) (*Condition, error) {
	if len(expr) > maxCondition {
		return nil, fmt.Errorf("a condition of %d bytes: at most %d", len(expr), maxCondition)
	}
	p := scanner{src: expr}
	c, err := p.condition()
	if err != nil {
		return nil, fmt.Errorf("condition %q: column %d: %w", expr, utf8.RuneCountInString(expr[:p.token])+1, err)
	}
	return c, nil
}

// String returns the condition as it was written.
func (c *Condition) String() string { return c.expr }

// Asks tells what is wrong with a condition on a forecast, or on cells that are measured, whatever comes of them: neither has all that the
// other has.
func (c *Condition) Asks(forecast bool) error {
	wrong := func(whose string, has string) error {
		return fmt.Errorf("condition %q: %s: %s", c.expr, whose, has)
	}
	of := func(has func(quantity) bool) string {
		return names(slices.DeleteFunc(slices.Clone(quantities), func(q quantity) bool { return !has(q) }), func(q quantity) string { return q.name })
	}
	switch {
	case !forecast && c.quantity.cell == nil:
		return wrong("only a forecast has "+c.quantity.name+", a measured cell has", of(func(q quantity) bool { return q.cell != nil }))
	case !forecast:
		return nil
	case c.quantity.level == nil:
		return wrong("a forecast has no "+c.quantity.name+", it has", of(func(q quantity) bool { return q.level != nil }))
	case c.relative || c.test != nil && slices.ContainsFunc(c.test.limits, func(l limit) bool { return l.predicted }):
		return wrong("a forecast is a prediction", "there is none of it")
	}
	level := row{level: &Level{}}
	for _, f := range c.filters {
		if f.attribute.number != nil && f.attribute.number(level) == nil {
			return wrong("a forecast has no "+f.attribute.name, "its rates are chosen by rate, and by exp")
		}
	}
	return nil
}

// Check reads a condition and checks it. One that cannot be read does not hold, and its value says why.
func Check(expr string, r Results) Assertion {
	c, err := ParseCondition(expr)
	if err != nil {
		return Assertion{Expr: expr, Value: err.Error()}
	}
	return c.Check(r)
}

// most bounds the cells that an assertion's value names.
const most = 20

// Check tells whether the condition holds for a run. The value names each cell with what it has, those first for which it
// does not hold.
func (c *Condition) Check(r Results) Assertion {
	var bad, good []string
	none := "no cell is meant"
	for _, row := range rows(&r) {
		if !c.means(row) {
			continue
		}
		v, has := row.value(c.quantity)
		if !has {
			if row.level != nil {
				none = "a forecast has no " + c.quantity.name
			} else {
				none = "only a forecast has " + c.quantity.name
			}
			continue
		}
		text, ok := c.holds(row, v)
		text = row.name + ": " + text
		if row.cell != nil && row.cell.Validity != Valid {
			text += " (" + string(row.cell.Validity) + ")"
		}
		if ok {
			good = append(good, text)
		} else {
			bad = append(bad, text)
		}
	}
	a := Assertion{Expr: c.expr, OK: len(bad) == 0 && len(good) > 0}
	all := slices.Concat(bad, good)
	if len(bad) > 0 && len(all) > 1 {
		a.Value = fmt.Sprintf("not in %d of %d: ", len(bad), len(all))
	}
	switch more := len(all) - most; {
	case len(all) == 0:
		a.Value = none
	case more > 0:
		a.Value += strings.Join(all[:most], "; ") + fmt.Sprintf("; and %d more", more)
	default:
		a.Value += strings.Join(all, "; ")
	}
	return a
}

// means reports whether the condition is about a row.
func (c *Condition) means(r row) bool {
	role := false
	for _, f := range c.filters {
		role = role || f.attribute.name == "role"
		if !f.leaves(r) {
			return false
		}
	}
	if !role && r.cell != nil && r.cell.Role == "calibration" {
		return false
	}
	return c.verdict == "" || c.verdict == r.verdict()
}

func (f filter) leaves(r row) bool {
	if f.attribute.text != nil {
		return (f.attribute.text(r) == f.text) == (f.op == "=")
	}
	v := f.attribute.number(r)
	if v == nil {
		return false
	}
	if math.Abs(*v-f.number) <= 0.005*math.Abs(f.number) {
		return f.op == "=" || f.op == "<=" || f.op == ">="
	}
	return compare(*v, f.op, f.number)
}

func compare(v float64, op string, with float64) bool {
	switch op {
	case "=", "==":
		return v == with
	case "!=":
		return v != with
	case "<":
		return v < with
	case "<=":
		return v <= with
	case ">":
		return v > with
	case ">=":
		return v >= with
	}
	return false
}

// holds tells what a row has, and whether that is as it should be.
func (c *Condition) holds(r row, v *float64) (string, bool) {
	if v == nil {
		return "not known", false
	}
	if c.quantity.unit == truth {
		return strconv.FormatBool(*v == 1), *v == 1
	}
	var predicted *float64
	if r.cell != nil && c.quantity.predicted != nil {
		predicted = c.quantity.predicted(r.cell)
	}
	have, u := *v, c.quantity.unit
	if c.relative {
		if predicted == nil || *predicted == 0 {
			return "no prediction", false
		}
		have, u = have / *predicted, plain
	}
	text := fmt.Sprintf("%.5g%s", have, u)
	with := make([]float64, len(c.test.limits))
	for i, l := range c.test.limits {
		with[i] = l.number
		if l.predicted {
			if predicted == nil {
				return text + ", no prediction", false
			}
			with[i] *= *predicted
			text += fmt.Sprintf(", predicted %.5g%s", *predicted, u)
		}
	}
	if c.test.op == "in" {
		return text, have >= with[0] && have <= with[1]
	}
	return text, compare(have, c.test.op, with[0])
}
