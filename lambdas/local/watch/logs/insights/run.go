package insights

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
)

// A Row is an event, or what stats made of events.
type Row struct {
	get    func(name string) Value // of the event; nil in rows of stats
	values map[string]Value        // computed
}

// NewRow makes the row of an event. get returns its fields by name, the zero value for those that it has not.
func NewRow(get func(name string) Value) *Row { return &Row{get: get} }

// Get returns a field.
func (r *Row) Get(name string) Value {
	if v, ok := r.values[name]; ok {
		return v
	}
	if r.get == nil {
		return Value{}
	}
	return r.get(name)
}

func (r *Row) set(name string, v Value) {
	if r.values == nil {
		r.values = map[string]Value{}
	}
	r.values[name] = v
}

// A Result is what a query found.
type Result struct {
	Rows    [][]Field
	Matched int // events that passed the filters before the first stats, sort, limit or dedup
}

// A Field is a named value of a result. Fields that a row lacks are not in it.
type Field struct{ Name, Value string }

// ErrTooLarge is the failure of a query that makes more of the events than [Query.Run] keeps.
var ErrTooLarge = errors.New("the query computes more than 128 MiB")

// maxKept is how many bytes a query keeps beside the events: concat makes kilobytes of a word, and fields hundreds of them. A
// variable, so that a test need not keep as much.
var maxKept = 128 << 20

// valueCost is about what a kept value takes beside its text.
const valueCost = 128

type run struct {
	ctx     context.Context
	matched int
	counted bool
	kept    int // bytes
}

// step is due for each row that a command looks at, with the bytes that it keeps of it. Its error ends the query.
func (r *run) step(bytes int) error {
	if r.kept += bytes; r.kept > maxKept {
		return ErrTooLarge
	}
	return r.ctx.Err()
}

// set gives a row a value.
func (r *run) set(row *Row, name string, v Value) error {
	row.set(name, v)
	return r.step(valueCost + len(v.text))
}

// Run answers the query for events, the newest first. limitRows bounds the rows of a query that does not bound them itself.
// The error is that of ctx, with which the query ends, or [ErrTooLarge].
func (q *Query) Run(ctx context.Context, rows []*Row, limitRows int) (Result, error) {
	r := &run{ctx: ctx}
	var err error
	for _, c := range q.commands {
		if _, narrows := c.(filter); !narrows {
			r.count(rows)
		}
		if rows, err = c.run(r, rows); err != nil {
			return Result{}, err
		}
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
	}
	r.count(rows)
	columns := q.shown
	if len(q.display) > 0 {
		columns = q.display
	}
	if len(columns) == 0 {
		columns = []column{{"@timestamp", field("@timestamp")}, {"@message", field("@message")}}
	}
	if !q.grouped {
		columns = append(slices.Clone(columns), column{"@ptr", field("@ptr")})
	}
	if !q.limited {
		rows = rows[:min(len(rows), limitRows)]
	}
	out := Result{Rows: [][]Field{}, Matched: r.matched}
	for _, row := range rows {
		var fields []Field
		seen := map[string]bool{}
		for _, c := range columns {
			if v := row.Get(c.name); v.present && !seen[c.name] {
				seen[c.name] = true
				fields = append(fields, Field{c.name, v.String()})
			}
		}
		out.Rows = append(out.Rows, fields)
	}
	return out, nil
}

// count notes how many events matched: at the first command that is neither filter nor computes.
func (r *run) count(rows []*Row) {
	if !r.counted {
		r.matched = len(rows)
	}
}

type (
	compute []column
	filter  struct{ where expression }
	sortBy  []sortKey
	limit   int
	dedup   []column
	extract struct {
		from    field
		pattern *regexp.Regexp
		names   []string
	}
)

type sortKey struct {
	of         expression
	descending bool
}

func (c compute) run(r *run, rows []*Row) ([]*Row, error) {
	for _, col := range c {
		if f, ok := col.of.(field); ok && string(f) == col.name {
			continue
		}
		for _, row := range rows {
			if err := r.set(row, col.name, col.of.value(row)); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func (c filter) run(r *run, rows []*Row) ([]*Row, error) {
	passed := rows[:0]
	for _, row := range rows {
		if err := r.step(0); err != nil {
			return nil, err
		}
		if c.where.value(row).true() {
			passed = append(passed, row)
		}
	}
	return passed, nil
}

func (c extract) run(r *run, rows []*Row) ([]*Row, error) {
	for _, row := range rows {
		if err := r.step(0); err != nil {
			return nil, err
		}
		m := c.pattern.FindStringSubmatch(c.from.value(row).String())
		if m == nil {
			continue
		}
		for i, name := range c.names {
			if err := r.set(row, name, Text(m[i+1])); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func (c sortBy) run(r *run, rows []*Row) ([]*Row, error) {
	r.counted = true
	defer func(kept int) { r.kept = kept }(r.kept) // the keys are kept until the rows are sorted
	// The keys are computed once for each row: an expression may be slow.
	type keyed struct {
		row  *Row
		keys []Value
	}
	list := make([]keyed, len(rows))
	for i, row := range rows {
		list[i] = keyed{row, make([]Value, len(c))}
		for k := range c {
			list[i].keys[k] = c[k].of.value(row)
			if err := r.step(valueCost + len(list[i].keys[k].text)); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		for k := range c {
			x, y := a.keys[k], b.keys[k]
			order := 0
			switch {
			case !x.present || !y.present: // what lacks the field comes last
				order = present(y) - present(x)
			case c[k].descending:
				order = compare(y, x)
			default:
				order = compare(x, y)
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	for i := range list {
		rows[i] = list[i].row
	}
	return rows, nil
}

func present(v Value) int {
	if v.present {
		return 1
	}
	return 0
}

func (c limit) run(r *run, rows []*Row) ([]*Row, error) {
	r.counted = true
	return rows[:min(len(rows), int(c))], nil
}

func (c dedup) run(r *run, rows []*Row) ([]*Row, error) {
	r.counted = true
	defer func(kept int) { r.kept = kept }(r.kept)
	seen := map[string]bool{}
	first := rows[:0]
	for _, row := range rows {
		k := key(c, row)
		if err := r.step(valueCost + len(k)); err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			first = append(first, row)
		}
	}
	return first, nil
}

// key is what tells rows apart by columns.
func key(columns []column, r *Row) string {
	var b strings.Builder
	for _, c := range columns {
		v := c.of.value(r)
		b.WriteByte(byte(present(v)))
		b.WriteString(v.String())
		b.WriteByte(0)
	}
	return b.String()
}

// stats makes one row of each group of rows.
type stats struct {
	aggregates []aggregate
	by         []column
}

var aggregates = []string{"count", "count_distinct", "sum", "avg", "min", "max", "pct", "median", "stddev", "earliest", "latest"}

type aggregate struct {
	name     string
	function string
	of       expression // nil: the events themselves
	percent  float64
}

func (c stats) run(r *run, rows []*Row) ([]*Row, error) {
	r.counted = true
	groups := map[string][]*Row{}
	var order []string
	for _, row := range rows {
		k := key(c.by, row)
		bytes := 0
		if groups[k] == nil {
			order = append(order, k)
			bytes = valueCost + len(k)
		}
		groups[k] = append(groups[k], row)
		if err := r.step(bytes); err != nil {
			return nil, err
		}
	}
	if len(c.by) == 0 && len(rows) == 0 {
		order = append(order, "") // counting nothing gives 0
	}
	var out []*Row
	for _, k := range order {
		members := groups[k]
		made := &Row{}
		for _, col := range c.by {
			if err := r.set(made, col.name, col.of.value(members[0])); err != nil {
				return nil, err
			}
		}
		for _, a := range c.aggregates {
			v, err := a.compute(r, members)
			if err == nil {
				err = r.set(made, a.name, v)
			}
			if err != nil {
				return nil, err
			}
		}
		out = append(out, made)
	}
	return out, nil
}

// compute computes the aggregate of a group.
func (a aggregate) compute(r *run, rows []*Row) (Value, error) {
	if a.of == nil {
		return Number(float64(len(rows))), nil
	}
	defer func(kept int) { r.kept = kept }(r.kept) // the values are kept until their aggregate is known
	var values []Value
	for _, row := range rows {
		v, bytes := a.of.value(row), 0
		if v.present {
			values = append(values, v)
			bytes = valueCost + len(v.text)
		}
		if err := r.step(bytes); err != nil {
			return Value{}, err
		}
	}
	switch a.function {
	case "count":
		return Number(float64(len(values))), nil
	case "count_distinct":
		distinct := map[string]bool{}
		for _, v := range values {
			distinct[v.String()] = true
		}
		return Number(float64(len(distinct))), nil
	case "min", "max":
		return a.extreme(values), nil
	case "earliest", "latest":
		return a.edge(rows), nil
	}
	return a.statistic(values), nil
}

// statistic computes what only numbers have.
func (a aggregate) statistic(values []Value) Value {
	var numbers []float64
	total := 0.0
	for _, v := range values {
		if f, ok := v.float(); ok {
			numbers = append(numbers, f)
			total += f
		}
	}
	if len(numbers) == 0 {
		return Value{}
	}
	mean := total / float64(len(numbers))
	switch a.function {
	case "sum":
		return Number(total)
	case "avg":
		return Number(mean)
	case "stddev":
		squares := 0.0
		for _, f := range numbers {
			squares += (f - mean) * (f - mean)
		}
		return Number(math.Sqrt(squares / float64(len(numbers))))
	}
	percent := a.percent
	if a.function == "median" {
		percent = 50
	}
	// The smallest value that is not less than percent of them.
	slices.Sort(numbers)
	rank := int(math.Ceil(percent / 100 * float64(len(numbers))))
	return Number(numbers[max(0, rank-1)])
}

func (a aggregate) extreme(values []Value) Value {
	var out Value
	for _, v := range values {
		if !out.present || (compare(v, out) < 0) == (a.function == "min") {
			out = v
		}
	}
	return out
}

// edge is the value of the first or the last event that has one.
func (a aggregate) edge(rows []*Row) Value {
	var out, at Value
	for _, r := range rows {
		v, t := a.of.value(r), r.Get("@timestamp")
		if v.present && t.present && (!out.present || (compare(t, at) < 0) == (a.function == "earliest")) {
			out, at = v, t
		}
	}
	return out
}
