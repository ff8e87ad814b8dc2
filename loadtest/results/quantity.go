package results

import "math"

// A unit is what a quantity is counted in.
type unit string

const (
	plain        unit = "" // a count, or a ratio
	perSecond    unit = "/s"
	seconds      unit = "s"
	milliseconds unit = "ms"
	truth        unit = "true or false"
)

// A quantity is something that a condition may be about. It is nil where it is not known.
type quantity struct {
	name      string
	unit      unit
	cell      func(*Cell) *float64
	predicted func(*Cell) *float64
	level     func(*Level) *float64 // nil where a forecast has no such thing
}

// quantities are all that conditions may be about, in the order in which they are listed to a user.
var quantities = func() []quantity {
	q := []quantity{
		{"valid", truth, func(c *Cell) *float64 { return yes(c.Validity == Valid) }, nil, nil},
		{"stable", truth, func(c *Cell) *float64 { return yes(c.Backlog.Verdict == "stable") }, nil, func(l *Level) *float64 { return yes(l.Binding == "") }},
		{"drained", truth, func(c *Cell) *float64 { return yes(c.Backlog.DrainS != nil) }, nil, func(l *Level) *float64 { return yes(l.DrainS != nil) }},

		{"offered_rate", perSecond, func(c *Cell) *float64 { return &c.OfferedRate }, nil, func(l *Level) *float64 { return &l.Offered }},
		{"accepted_rate", perSecond, func(c *Cell) *float64 { return &c.AcceptedRate }, nil, func(l *Level) *float64 { return &l.Accepted }},
		{"completed_rate", perSecond, func(c *Cell) *float64 { return &c.CompletedRate.Mean }, func(c *Cell) *float64 { return c.PredictedCapacity }, func(l *Level) *float64 { return &l.Completed }},
		{"settled_rate", perSecond, nil, nil, func(l *Level) *float64 { return &l.Settled }},
		{"predicted_capacity", perSecond, func(c *Cell) *float64 { return c.PredictedCapacity }, nil, nil},
		{"little", plain, func(c *Cell) *float64 { return c.LittleRatio }, nil, nil},
		{"growth", perSecond, func(c *Cell) *float64 { return &c.Backlog.Growth.Mean }, nil, nil},
		{"peak_backlog", plain, func(c *Cell) *float64 { return count(c.Backlog.Peak) }, nil, func(l *Level) *float64 { return count(l.PeakBack) }},
		{"drain", seconds, func(c *Cell) *float64 { return c.Backlog.DrainS }, func(c *Cell) *float64 { return c.PredictedDrainS }, func(l *Level) *float64 { return l.DrainS }},
	}
	for _, d := range []struct {
		name  string
		cell  func(*Cell) *Latency
		level func(*Level) *Latency
	}{
		{"e2e", func(c *Cell) *Latency { return &c.EndToEnd }, func(l *Level) *Latency { return &l.EndToEnd }},
		{"ack", func(c *Cell) *Latency { return &c.Acknowledged }, func(l *Level) *Latency { return &l.Ack }},
		{"uncorrected", func(c *Cell) *Latency { return &c.Uncorrected }, nil},
		{"slip", func(c *Cell) *Latency { return &c.Slip }, nil},
	} {
		for _, m := range []struct {
			name string
			of   func(*Latency) *float64
		}{
			{"mean", func(l *Latency) *float64 { return some(l, &l.Mean) }}, {"p50", func(l *Latency) *float64 { return l.P50 }}, {"p90", func(l *Latency) *float64 { return l.P90 }},
			{"p99", func(l *Latency) *float64 { return l.P99 }}, {"p999", func(l *Latency) *float64 { return l.P999 }}, {"max", func(l *Latency) *float64 { return some(l, &l.Max) }},
		} {
			one := quantity{name: d.name + "_" + m.name, unit: milliseconds, cell: func(c *Cell) *float64 { return m.of(d.cell(c)) }}
			if d.level != nil {
				one.level = func(l *Level) *float64 { return m.of(d.level(l)) }
			}
			q = append(q, one)
		}
	}
	for _, w := range []struct {
		name string
		of   func(*Waits) *float64
	}{
		{"accept", func(w *Waits) *float64 { return &w.Accept }}, {"request", func(w *Waits) *float64 { return &w.Request }}, {"service", func(w *Waits) *float64 { return &w.Service }},
		{"response", func(w *Waits) *float64 { return &w.Response }}, {"store", func(w *Waits) *float64 { return &w.Store }},
	} {
		q = append(q, quantity{name: "wait_" + w.name, unit: milliseconds, cell: func(c *Cell) *float64 {
			if c.Waits == nil {
				return nil
			}
			return w.of(c.Waits)
		}, level: func(l *Level) *float64 { return w.of(&l.Waits) }})
	}
	for _, n := range []struct {
		name  string
		of    func(*Counts) int
		level func(*Level) *float64
	}{
		{"scheduled", func(c *Counts) int { return c.Scheduled }, nil}, {"unsent", func(c *Counts) int { return c.Unsent }, nil},
		{"rejected", func(c *Counts) int { return c.Rejected }, func(l *Level) *float64 { return count(l.Rejected) }},
		{"unanswered", func(c *Counts) int { return c.Unanswered }, nil}, {"open", func(c *Counts) int { return c.Open }, nil}, {"lost", func(c *Counts) int { return c.Lost }, nil},
		{"dead_lettered", func(c *Counts) int { return c.DeadLettered }, func(l *Level) *float64 { return count(l.Dead) }},
		{"failed", func(c *Counts) int { return c.Failed }, nil}, {"completed", func(c *Counts) int { return c.Completed }, nil}, {"acknowledged", func(c *Counts) int { return c.Acknowledged }, nil},
		{"late", func(c *Counts) int { return c.Late }, nil}, {"duplicated", func(c *Counts) int { return c.Duplicated }, nil}, {"duplicates", func(c *Counts) int { return c.Duplicates }, nil},
		{"deliveries", func(c *Counts) int { return c.Deliveries }, nil},
	} {
		q = append(q, quantity{name: n.name, unit: plain, cell: func(c *Cell) *float64 { return count(n.of(&c.Counts)) }, level: n.level})
	}
	return append(q,
		quantity{"lost_ratio", plain, func(c *Cell) *float64 { return ratio(c.Counts.Lost, c.Counts.Scheduled) }, nil, nil},
		quantity{"reject_ratio", plain, func(c *Cell) *float64 { return ratio(c.Counts.Rejected, c.Counts.Scheduled) }, nil, nil},
		quantity{"dup_ratio", plain, func(c *Cell) *float64 { return ratio(c.Counts.Duplicated, c.Counts.Completed+c.Counts.Failed) }, nil, nil},
		quantity{"deliveries_ratio", plain, func(c *Cell) *float64 { return ratio(c.Counts.Deliveries, c.Counts.Completed+c.Counts.Failed) }, nil, nil},
		quantity{"sender_cpu", plain, func(c *Cell) *float64 { return &c.Sender.CPUCores }, nil, nil},
		quantity{"usd_per_million", plain, nil, nil, func(l *Level) *float64 { return &l.USDMillion }},
	)
}()

func yes(b bool) *float64 {
	var f float64
	if b {
		f = 1
	}
	return &f
}

// some returns a figure of a distribution, if there is anything in it.
func some(l *Latency, f *float64) *float64 {
	if l.N == 0 {
		return nil
	}
	return f
}

func ratio(n, of int) *float64 {
	if of == 0 {
		return nil
	}
	f := float64(n) / float64(of)
	return &f
}

// A row is a cell, or a level of a forecast.
type row struct {
	name  string
	cell  *Cell
	level *Level
	pass  string // of a level
}

// rows returns all that conditions are checked on.
func rows(r *Results) []row {
	var all []row
	for i := range r.Cells {
		all = append(all, row{name: r.Cells[i].ID, cell: &r.Cells[i]})
	}
	for _, p := range passes(r.Forecast) {
		for i := range p.levels {
			all = append(all, row{name: p.name + "/offered=" + Short(p.levels[i].Offered), level: &p.levels[i], pass: p.name})
		}
	}
	return all
}

// value returns a quantity of a row, and false when such a row has no such thing.
func (r row) value(q *quantity) (*float64, bool) {
	var v *float64
	switch {
	case r.cell != nil && q.cell != nil:
		v = q.cell(r.cell)
	case r.level != nil && q.level != nil:
		v = q.level(r.level)
	default:
		return nil, false
	}
	if v != nil && math.IsNaN(*v) {
		v = nil
	}
	return v, true
}

func (r row) verdict() string {
	switch {
	case r.cell != nil:
		return r.cell.Backlog.Verdict
	case r.level.Binding == "":
		return "stable"
	}
	return "unstable"
}

// An attribute is what a condition may choose rows by: a text, or a number that is nil where the row has none.
type attribute struct {
	name   string
	text   func(row) string
	number func(row) *float64
}

var attributes = []attribute{
	{name: "cell", text: func(r row) string { return r.name }},
	{name: "exp", text: func(r row) string {
		if r.cell != nil {
			return r.cell.Experiment
		}
		return r.pass
	}},
	{name: "role", text: func(r row) string {
		if r.cell != nil {
			return r.cell.Role
		}
		return "measured"
	}},
	{name: "queue", text: func(r row) string { return r.params().Queue }},
	{name: "arrivals", text: func(r row) string { return r.params().Arrivals }},
	{name: "C", number: func(r row) *float64 { return r.param(func(p Params) float64 { return float64(p.Concurrency) }) }},
	{name: "B", number: func(r row) *float64 { return r.param(func(p Params) float64 { return float64(p.Batch) }) }},
	{name: "P", number: func(r row) *float64 { return r.param(func(p Params) float64 { return float64(p.Parallelism) }) }},
	{name: "work_ms", number: func(r row) *float64 { return r.param(func(p Params) float64 { return p.WorkMs }) }},
	{name: "visibility_s", number: func(r row) *float64 { return r.param(func(p Params) float64 { return p.VisibilityS }) }},
	{name: "outage_s", number: func(r row) *float64 { return r.param(func(p Params) float64 { return p.OutageS }) }},
	{name: "offered", number: func(r row) *float64 { return r.param(func(p Params) float64 { return p.Offered }) }},
	{name: "rate", number: func(r row) *float64 {
		if r.cell != nil {
			return &r.cell.OfferedRate
		}
		return &r.level.Offered
	}},
	{name: "repeat", number: func(r row) *float64 {
		if r.cell != nil {
			return count(r.cell.Repeat)
		}
		return nil
	}},
}

func (r row) params() Params {
	if r.cell == nil {
		return Params{Queue: "sqs", Arrivals: "constant"}
	}
	return r.cell.Params
}

// param returns a parameter of a cell, and nil for a level. Zero is a parameter that the cell leaves as it is.
func (r row) param(of func(Params) float64) *float64 {
	if r.cell == nil {
		return nil
	}
	f := of(r.cell.Params)
	return &f
}
