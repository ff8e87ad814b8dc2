package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
)

// figures are the pictures for which there are cells, those that persuade best first.
func figures(r results.Results) []figure {
	var f []figure
	for _, of := range []func(results.Results) []figure{knee, accumulated, backlogs, accuracy, hockeyStick, waterfall, queues, batches, visibility} {
		f = append(f, of(r)...)
	}
	return f
}

// pick returns the measured cells of an experiment: calibration and controls are left out, and those
// that are not usable if onlyBelieved.
func pick(cells []results.Cell, experiment string, onlyBelieved bool) []results.Cell {
	var picked []results.Cell
	for _, c := range cells {
		if c.Experiment == experiment && (c.Role == "measured" || c.Role == "") && (believed(c) || !onlyBelieved) {
			picked = append(picked, c)
		}
	}
	return picked
}

// first returns the cells of the first experiment that has enough of them.
func first(cells []results.Cell, enough func([]results.Cell) bool, experiments ...string) []results.Cell {
	for _, e := range experiments {
		if p := pick(cells, e, true); enough(p) {
			return p
		}
	}
	return nil
}

// saturated returns the usable cells that were asked for more than their predicted capacity, and so show their capacity.
func saturated(cells []results.Cell) []results.Cell {
	var s []results.Cell
	for _, c := range cells {
		if believed(c) && c.Role != "calibration" && (c.Params.Queue == "sqs" || c.Params.Queue == "") && c.PredictedCapacity != nil &&
			*c.PredictedCapacity > 0 && c.OfferedRate > 1.02**c.PredictedCapacity {
			s = append(s, c)
		}
	}
	return s
}

// concurrencies returns the values of C, ascending.
func concurrencies(cells []results.Cell) []int {
	var cs []int
	for _, c := range cells {
		cs = append(cs, c.Params.Concurrency)
	}
	slices.Sort(cs)
	return slices.Compact(cs)
}

// mean is what repeats of a cell have in common: a place on the x axis, the mean of y, and the widest of their intervals.
type mean struct{ x, y, lo, hi []float64 }

// means makes one point of the cells that have the same x to a thousandth.
func means(cells []results.Cell, x func(results.Cell) float64) mean {
	sorted := slices.Clone(cells)
	slices.SortStableFunc(sorted, func(a, b results.Cell) int { return cmp.Compare(x(a), x(b)) })
	var m mean
	for i := 0; i < len(sorted); {
		j, sum := i, 0.0
		lo, hi := math.NaN(), math.NaN()
		for j < len(sorted) && (j == i || x(sorted[j]) <= x(sorted[i])*1.001) {
			c := sorted[j].CompletedRate
			sum += c.Mean
			if l := of(c.Lo); !(l >= lo) {
				lo = l
			}
			if h := of(c.Hi); !(h <= hi) {
				hi = h
			}
			j++
		}
		m.x, m.y = append(m.x, x(sorted[i])), append(m.y, sum/float64(j-i))
		m.lo, m.hi = append(m.lo, lo), append(m.hi, hi)
		i = j
	}
	return m
}

func offered(c results.Cell) float64 { return c.OfferedRate }

// knee is completed over offered: it follows the diagonal until something limits it.
func knee(r results.Results) []figure {
	varied := func(cells []results.Cell) bool { return len(means(cells, offered).x) >= 2 }
	cells := first(r.Cells, varied, "E1", "E9")
	if cells == nil {
		return nil
	}
	experiment := cells[0].Experiment
	p := draw.Plot{X: draw.Axis{Label: "offered (subjects/s)"}, Y: draw.Axis{Label: "completed (subjects/s)"}, Diagonal: "all that is offered"}
	var flat []string
	for _, c := range concurrencies(cells) {
		of := slices.DeleteFunc(slices.Clone(cells), func(cell results.Cell) bool { return cell.Params.Concurrency != c })
		m := means(of, offered)
		name := "C=" + strconv.Itoa(c)
		if ceiling, ok := ceilingOf(r, experiment, name); ok {
			flat = append(flat, fmt.Sprintf("%s with %s", perSecond(ceiling), name))
			name += ", flat at " + perSecond(ceiling)
		}
		p.Series = append(p.Series, draw.Series{Name: name, X: m.x, Y: m.y, Lo: m.lo, Hi: m.hi})
	}
	var x, y []float64
	all := pick(r.Cells, experiment, false)
	for _, c := range all {
		if !believed(c) {
			x, y = append(x, c.OfferedRate), append(y, c.CompletedRate.Mean)
		}
	}
	if len(x) > 0 {
		p.Series = append(p.Series, draw.Series{Name: "not valid", X: x, Y: y, Kind: draw.Points, Color: 7})
	}
	f := figure{ID: "knee", Claim: "All that is offered is completed", How: "One line for each limit of concurrency. On the diagonal the system keeps up; where a line leaves it, the rest waits. Bars are 95 % intervals."}
	if len(flat) > 0 {
		f.Claim = "The completed rate goes flat at " + results.List(flat)
	}
	f.Numbers = table{Columns: columns("cell", "#offered", "#completed", "95 % interval", "#predicted capacity", "verdict", "valid")}
	for _, c := range all {
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(perSecond(c.OfferedRate), perSecond(c.CompletedRate.Mean), interval(c.CompletedRate, number), maybe(c.PredictedCapacity, perSecond), orUnknown(c.Backlog.Verdict), string(c.Validity))...))
	}
	return finish(f, p)
}

// finish draws a figure's chart in both sizes, with the texts of the figure. Package draw promises that what it makes may be
// put into a page.
func finish(f figure, c chart) []figure {
	frame := draw.Frame{ID: f.ID, Title: f.Claim, Desc: f.How + " The numbers are in the table that follows."}
	switch of := c.(type) {
	case draw.Plot:
		of.Frame = frame
		c = of
	case draw.Bars:
		of.Frame = frame
		c = of
	}
	f.Wide, f.Narrow = template.HTML(c.SVG(draw.Wide)), template.HTML(c.SVG(draw.Narrow))
	f.Numbers.Caption = f.Claim
	if f.Numbers.Said != "" {
		f.Numbers.Caption += " (" + f.Numbers.Said + ")"
	}
	return []figure{f}
}

func ceilingOf(r results.Results, experiment, series string) (float64, bool) {
	for _, e := range r.Experiments {
		if e.ID != experiment {
			continue
		}
		for _, f := range e.Fits {
			if f.Series == series && f.Ceiling != nil && f.X == "offered_rate" {
				return *f.Ceiling, true
			}
		}
	}
	return 0, false
}

// loadEnd is when the last subject of a cell was due, in seconds since its load began.
func loadEnd(c results.Cell) float64 {
	var end, now float64
	for _, s := range c.Stages {
		now += s.Seconds
		if s.From+s.To > 0 { // a pause in the end is part of the load's length, but the last subject came before it
			end = now
		}
	}
	return end
}

// times are the ends of the steps of a series, from zero on: so it has one value more than the series.
func times(s results.Series, n int) []float64 {
	t := make([]float64, n+1)
	for i := range t {
		t[i] = float64(i) * s.StepS
	}
	return t
}

// sums counts up: element i is the sum of the first i values.
func sums(x []float64) []float64 {
	s := make([]float64, len(x)+1)
	for i, v := range x {
		s[i+1] = s[i] + v
	}
	return s
}

// every returns which rows of n a table has, and what to say when they are not all.
func every(n int) (rows []int, said string) {
	k := (n + maxRows - 1) / maxRows
	for i := 0; i < n; i += max(k, 1) {
		rows = append(rows, i)
	}
	if k > 1 {
		said = fmt.Sprintf("every %d steps; all are in the data of this page", k)
	}
	return rows, said
}

// accumulated is accepted and completed subjects, counted up: the gap between the lines is the backlog.
func accumulated(r results.Results) []figure {
	var worst *results.Cell
	for _, e := range []string{"E2", "run", "E1", "E6", "E4", "E9"} {
		for _, c := range pick(r.Cells, e, true) {
			if c.Params.Queue != "none" && c.Series.StepS > 0 && len(c.Series.Completed) > 1 && (worst == nil || c.Backlog.Peak > worst.Backlog.Peak) {
				worst = &c
			}
		}
		if worst != nil {
			break
		}
	}
	if worst == nil {
		return nil
	}
	c, s := *worst, worst.Series
	k := min(len(s.Accepted), len(s.Completed))
	accepted, completed, t := sums(s.Accepted[:k]), sums(s.Completed[:k]), times(s, k)
	p := draw.Plot{X: draw.Axis{Label: "since the load began", Unit: draw.Seconds}, Y: draw.Axis{Label: "subjects, counted up", Unit: draw.Count},
		Series: []draw.Series{{Name: "accepted", X: t, Y: accepted}, {Name: "completed", X: t, Y: completed}},
		Areas:  []draw.Area{{Name: "backlog", X: t, Lo: completed, Hi: accepted, Color: 1}}}
	if c.Backlog.Peak > 0 {
		p.Areas[0].Name = fmt.Sprintf("backlog, at most %s", count(c.Backlog.Peak))
	}
	if end := loadEnd(c); end > 0 {
		p.Marks = append(p.Marks, draw.Mark{X: end, Text: "load ends"})
		if d := c.Backlog.DrainS; d != nil && *d > 0 {
			p.Marks = append(p.Marks, draw.Mark{X: end + *d, Text: "drained"})
		}
	}
	f := figure{ID: "accumulated",
		Claim: fmt.Sprintf("%s: at %s offered, %s are completed, and up to %s wait", short(c), perSecond(c.OfferedRate), perSecond(c.CompletedRate.Mean), plural(c.Backlog.Peak, "subject", "subjects")),
		How:   "Between the lines is the backlog: upwards how many subjects wait, sideways how long the next one will."}
	rows, said := every(k + 1)
	f.Numbers = table{Said: said, Columns: columns("#time", "#accepted", "#completed", "#backlog")}
	for _, i := range rows {
		f.Numbers.Rows = append(f.Numbers.Rows, row(seconds(t[i]), whole(accepted[i]), whole(completed[i]), whole(accepted[i]-completed[i])))
	}
	return finish(f, p)
}

// backlogs is the backlog over time, one line for each cell, with the drain that was predicted: one picture for the
// experiment of one load on several limits, one for that of outages.
func backlogs(r results.Results) []figure {
	var all []figure
	for _, e := range []string{"E2", "E6", "run"} {
		cells := slices.DeleteFunc(pick(r.Cells, e, true), func(c results.Cell) bool {
			return c.Repeat > 1 || c.Series.StepS <= 0 || len(c.Series.Backlog) < 2
		})
		if len(cells) == 0 {
			continue
		}
		if len(cells) > 8 {
			cells = cells[:8]
		}
		all = append(all, backlog(e, cells)...)
	}
	return all
}

// flat is how many times higher than a backlog the highest is, for that one to be a line on the axis and no picture.
const flat = 20

func backlog(experiment string, cells []results.Cell) []figure {
	p := draw.Plot{X: draw.Axis{Label: "since the load began", Unit: draw.Seconds}, Y: draw.Axis{Label: "backlog (subjects)", Unit: draw.Count}}
	f := figure{ID: "backlog-" + experiment, How: "Subjects accepted and not yet completed."}
	f.Numbers = table{Columns: columns("cell", "#offered", "#peak", "#drained in", "#predicted", "#measured / predicted")}
	if experiment == "E6" {
		f.Numbers.Columns = columns("cell", "#offered", "#peak", "#outage", "#recovered in", "#predicted", "#measured / predicted")
	}
	peak := 0
	for _, c := range cells {
		peak = max(peak, c.Backlog.Peak)
	}
	ends := map[float64]bool{}
	predicted := false
	worst := cells[0]
	for i, c := range cells {
		if c.Backlog.Peak > worst.Backlog.Peak {
			worst = c
		}
		name, label := short(c), draw.AtPeak
		switch d := c.Backlog.DrainS; {
		case c.RecoveryS != nil && c.PredictedRecoveryS != nil:
			name += fmt.Sprintf(": recovered in %s, predicted %s", seconds(*c.RecoveryS), seconds(*c.PredictedRecoveryS))
		case c.RecoveryS != nil:
			name += ": recovered in " + seconds(*c.RecoveryS)
		case c.Params.OutageS > 0:
			name += ": not recovered"
		case c.Backlog.Peak*flat < peak: // its name is beside its end
			label = draw.AtEnd
			if len(name) < 12 {
				name += ": next to none"
			}
		case d == nil:
			name += ": not drained"
		case c.PredictedDrainS != nil:
			name += fmt.Sprintf(": drained in %s, predicted %s", seconds(*d), seconds(*c.PredictedDrainS))
		default:
			name += ": drained in " + seconds(*d)
		}
		b := append([]float64{0}, c.Series.Backlog...)
		p.Series = append(p.Series, draw.Series{Name: name, X: times(c.Series, len(c.Series.Backlog)), Y: b, Color: i + 1, Label: label})
		end := loadEnd(c)
		if end > 0 && c.Params.OutageS == 0 {
			ends[end] = true
			// The prediction begins with the backlog that the load left.
			at := min(int(math.Round(end/c.Series.StepS)), len(b)-1)
			if d := c.PredictedDrainS; d != nil && *d > 0 && c.Backlog.Peak*flat >= peak {
				predicted = true
				p.Series = append(p.Series, draw.Series{Name: short(c) + ", predicted", X: []float64{end, end + *d}, Y: []float64{b[at], 0}, Color: i + 1, Dashed: true, Label: draw.None})
			}
		}
		if experiment == "E6" {
			f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(perSecond(c.OfferedRate), count(c.Backlog.Peak), seconds(c.Params.OutageS), maybe(c.RecoveryS, seconds), maybe(c.PredictedRecoveryS, seconds), ratio(of(c.RecoveryS), of(c.PredictedRecoveryS)))...))
			continue
		}
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(perSecond(c.OfferedRate), count(c.Backlog.Peak), maybe(c.Backlog.DrainS, seconds), maybe(c.PredictedDrainS, seconds), ratio(of(c.Backlog.DrainS), of(c.PredictedDrainS)))...))
	}
	if len(ends) == 1 {
		for end := range ends {
			p.Marks = append(p.Marks, draw.Mark{X: end, Text: "load ends"})
		}
	}
	if predicted {
		f.How += " Dashed is how it was predicted to go away, from the backlog at the end of the load and the predicted capacity."
	}
	switch {
	case experiment == "E6":
		f.Claim = "After an outage the backlog goes away the slower, the busier the system is"
	case peak == 0:
		f.Claim = "No backlog"
	case worst.Backlog.DrainS != nil && worst.PredictedDrainS != nil:
		f.Claim = fmt.Sprintf("%s has caught up %s after the load; predicted were %s", short(worst), seconds(*worst.Backlog.DrainS), seconds(*worst.PredictedDrainS))
	case worst.Backlog.DrainS != nil:
		f.Claim = fmt.Sprintf("%s has caught up %s after the load", short(worst), seconds(*worst.Backlog.DrainS))
	default:
		f.Claim = fmt.Sprintf("%s has not caught up", short(worst))
	}
	return finish(f, p)
}

// accuracy is measured over predicted capacity of the cells that show their capacity.
func accuracy(r results.Results) []figure {
	cells := slices.DeleteFunc(saturated(r.Cells), func(c results.Cell) bool { return c.Experiment == "E5" }) // whose prediction is meant to fail
	if len(cells) < 2 {
		return nil
	}
	p := draw.Plot{X: draw.Axis{Label: "predicted capacity (subjects/s)"}, Y: draw.Axis{Label: "measured (subjects/s)"}, Diagonal: "as predicted"}
	f := figure{ID: "accuracy", Numbers: table{Columns: columns("cell", "#predicted", "#measured", "95 % interval", "#measured / predicted")}}
	lo, hi := math.Inf(1), math.Inf(-1)
	var x, y []float64
	at := map[string]int{}
	for _, c := range cells {
		predicted, measured := *c.PredictedCapacity, c.CompletedRate.Mean
		i, ok := at[c.Experiment]
		if !ok {
			i = len(p.Series)
			at[c.Experiment] = i
			p.Series = append(p.Series, draw.Series{Name: c.Experiment, Kind: draw.Points})
		}
		s := &p.Series[i]
		s.X, s.Y = append(s.X, predicted), append(s.Y, measured)
		s.Lo, s.Hi = append(s.Lo, of(c.CompletedRate.Lo)), append(s.Hi, of(c.CompletedRate.Hi))
		x, y = append(x, predicted), append(y, measured)
		lo, hi = min(lo, measured/predicted), max(hi, measured/predicted)
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(perSecond(predicted), perSecond(measured), interval(c.CompletedRate, number), ratio(measured, predicted))...))
	}
	f.Claim = "Measured capacity is " + between(lo, hi) + " of what was predicted"
	f.How = "Cells that were offered more than their predicted capacity, by experiment."
	if r2, ok := determination(x, y); ok {
		f.How += fmt.Sprintf(" R² = %.4f about the diagonal, n %d.", r2, len(x))
	}
	return finish(f, p)
}

// between writes a range of ratios.
func between(lo, hi float64) string {
	from, to := strconv.FormatFloat(lo, 'f', 3, 64), strconv.FormatFloat(hi, 'f', 3, 64)
	if from == to {
		return from
	}
	return from + " to " + to
}

// determination is R² of y about the line y = x: 1 − Σ(y−x)² / Σ(y−ȳ)². It needs three points that differ.
func determination(x, y []float64) (float64, bool) {
	mean := 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	residual, all := 0.0, 0.0
	for i := range y {
		residual += (y[i] - x[i]) * (y[i] - x[i])
		all += (y[i] - mean) * (y[i] - mean)
	}
	return 1 - residual/all, len(y) >= 3 && all > 0 && finite(residual/all)
}

// hockeyStick is latency over utilisation.
func hockeyStick(r results.Results) []figure {
	known := func(cells []results.Cell) []results.Cell {
		return slices.DeleteFunc(slices.Clone(cells), func(c results.Cell) bool {
			return c.PredictedCapacity == nil || !(*c.PredictedCapacity > 0) || c.EndToEnd.P50 == nil || c.Params.Queue == "none"
		})
	}
	use := func(c results.Cell) float64 { return c.OfferedRate / *c.PredictedCapacity }
	cells := known(first(r.Cells, func(cells []results.Cell) bool { return len(means(known(cells), use).x) >= 2 }, "E1", "E9", "E2"))
	if len(cells) == 0 {
		return nil
	}
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return cmp.Compare(use(a), use(b)) })
	end := math.Ceil(use(cells[len(cells)-1])*10-0.01) / 10 // a tick
	p := draw.Plot{X: draw.Axis{Label: "offered over predicted capacity", Unit: draw.Percent, Max: end}, Y: draw.Axis{Label: "end to end, from when a subject was due", Unit: draw.Seconds, Log: true},
		Marks: []draw.Mark{{X: 1, Text: "capacity"}}}
	f := figure{ID: "latency", How: "On a logarithmic axis. Beyond the capacity latency is no distribution but a trend: it grows for as long as the load lasts."}
	f.Numbers = table{Columns: columns("cell", "#offered / capacity", "#p50", "#p90", "#p99", "#max", "#n")}
	for _, q := range []struct {
		name string
		of   func(results.Latency) *float64
	}{{"p50", func(l results.Latency) *float64 { return l.P50 }}, {"p90", func(l results.Latency) *float64 { return l.P90 }}, {"p99", func(l results.Latency) *float64 { return l.P99 }}} {
		s := draw.Series{Name: q.name, Kind: draw.Points}
		for _, c := range cells {
			if v := q.of(c.EndToEnd); v != nil {
				s.X, s.Y = append(s.X, use(c)), append(s.Y, *v/1000)
			}
		}
		if len(s.X) > 0 {
			p.Series = append(p.Series, s)
		}
	}
	if s := &p.Series[len(p.Series)-1]; s.Name != "p99" {
		f.How += " There were too few subjects for a p99, which takes 1000."
	}
	// One limit of concurrency is a line; several are points, as they do not lie on one.
	if len(concurrencies(cells)) == 1 {
		for i := range p.Series {
			p.Series[i].Kind = draw.Line
		}
	}
	for _, c := range cells {
		e := c.EndToEnd
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(draw.Percent.Format(use(c)), maybe(e.P50, milliseconds), maybe(e.P90, milliseconds), maybe(e.P99, milliseconds), milliseconds(e.Max), count(e.N))...))
	}
	low, high := cells[0], cells[len(cells)-1]
	f.Claim = fmt.Sprintf("The median is %s at %s of the capacity, and %s at %s", milliseconds(*low.EndToEnd.P50), draw.Percent.Format(use(low)), milliseconds(*high.EndToEnd.P50), draw.Percent.Format(use(high)))
	return finish(f, p)
}

// waterfall is where the time of subjects went.
func waterfall(r results.Results) []figure {
	have := func(cells []results.Cell) []results.Cell {
		return slices.DeleteFunc(slices.Clone(cells), func(c results.Cell) bool { return c.Waits == nil || c.Repeat > 1 })
	}
	cells := have(first(r.Cells, func(cells []results.Cell) bool { return len(have(cells)) > 0 }, "E2", "E4", "E1", "run", "E9", "E6", "E5", "E3"))
	if len(cells) == 0 {
		return nil
	}
	slices.SortStableFunc(cells, func(a, b results.Cell) int { // they were measured in an order that was drawn
		return cmp.Or(cmp.Compare(a.Params.Concurrency, b.Params.Concurrency), cmp.Compare(a.Params.Batch, b.Params.Batch), cmp.Compare(a.Params.Offered, b.Params.Offered))
	})
	omitted := len(cells) - 12
	cells = cells[:min(len(cells), 12)]
	parts := []draw.Part{{Name: "accept"}, {Name: "request queue"}, {Name: "service"}, {Name: "response queue"}, {Name: "store"}}
	b := draw.Bars{Axis: draw.Axis{Label: "mean time of a subject", Unit: draw.Seconds}, Stacked: true}
	f := figure{ID: "waterfall", How: "Means over the completed subjects of a cell: until accepted, waiting for the handler, in the handler, waiting for the sink, being stored."}
	f.Numbers = table{Columns: columns("cell", "#accept", "#request queue", "#service", "#response queue", "#store", "#n")}
	largest, name, of := 0.0, "", cells[0]
	for _, c := range cells {
		b.Groups = append(b.Groups, short(c))
		w := *c.Waits
		values := []float64{w.Accept, w.Request, w.Service, w.Response, w.Store}
		sum := 0.0
		for i, v := range values {
			parts[i].Values = append(parts[i].Values, v/1000)
			sum += v
		}
		for i, v := range values {
			if v > largest {
				largest, name, of = v, fmt.Sprintf("%s of a subject's time is %s", draw.Percent.Format(v/sum), []string{"until it is accepted", "its wait in the request queue", "its work", "its wait in the response queue", "until it is stored"}[i]), c
			}
		}
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(milliseconds(w.Accept), milliseconds(w.Request), milliseconds(w.Service), milliseconds(w.Response), milliseconds(w.Store), count(c.Counts.Completed))...))
	}
	if omitted > 0 {
		f.How += fmt.Sprintf(" %s not shown.", plural(omitted, "more cell is", "more cells are"))
	}
	b.Parts = parts
	f.Claim = fmt.Sprintf("%s: %s", short(of), name)
	if name == "" {
		f.Claim = "Where the time of a subject goes"
	}
	return finish(f, b)
}

// fates is what became of the subjects of cells, as bars.
func fates(f figure, cells []results.Cell, name func(results.Cell) string) []figure {
	kinds := []struct {
		name string
		of   func(results.Counts) int
	}{
		{"completed", func(c results.Counts) int { return c.Completed }},
		{"rejected", func(c results.Counts) int { return c.Rejected }},
		{"lost", func(c results.Counts) int { return c.Lost }},
		{"dead-lettered", func(c results.Counts) int { return c.DeadLettered }},
		{"failed", func(c results.Counts) int { return c.Failed }},
		{"on the way", func(c results.Counts) int { return c.Open }},
		{"no answer, or not sent", func(c results.Counts) int { return c.Unanswered + c.Unsent }},
	}
	b := draw.Bars{Axis: draw.Axis{Label: "subjects", Unit: draw.Count}, Stacked: true}
	names := []string{"cell"}
	for _, c := range cells {
		b.Groups = append(b.Groups, name(c))
	}
	var shown []func(results.Counts) int
	for i, k := range kinds {
		p := draw.Part{Name: k.name}
		sum := 0
		for _, c := range cells {
			n := k.of(c.Counts)
			p.Values = append(p.Values, float64(n))
			sum += n
		}
		if sum > 0 || i < 3 { // that none was rejected or lost is told, too
			b.Parts = append(b.Parts, p)
			names, shown = append(names, "#"+k.name), append(shown, k.of)
		}
	}
	f.Numbers.Columns = columns(append(names, "#answered again", "#e2e p50", "#p99", "#n")...)
	for _, c := range cells {
		r := []entry{{Text: c.ID, Code: true}}
		for _, of := range shown {
			r = append(r, text(count(of(c.Counts))))
		}
		f.Numbers.Rows = append(f.Numbers.Rows, append(r, row(count(c.Counts.Duplicates), maybe(c.EndToEnd.P50, milliseconds), maybe(c.EndToEnd.P99, milliseconds), count(c.EndToEnd.N))...))
	}
	return finish(f, b)
}

// queues is what becomes of a burst with a queue, with the hidden one, and without.
func queues(r results.Results) []figure {
	cells := pick(r.Cells, "E3", true)
	if len(cells) == 0 {
		return nil
	}
	cells = cells[:min(len(cells), 12)]
	name := func(c results.Cell) string {
		n := map[string]string{"sqs": "queue", "hidden": "hidden queue", "none": "no queue"}[c.Params.Queue]
		if n == "" {
			n = short(c)
		}
		if c.Repeat > 1 {
			n += " (repeat " + strconv.Itoa(c.Repeat) + ")"
		}
		return n
	}
	var rejected []string
	for _, c := range cells {
		if c.Counts.Scheduled > 0 && c.Repeat <= 1 {
			how := "without a queue"
			if c.Params.Queue != "none" {
				how = "with the " + name(c)
			}
			share := "nothing"
			if c.Counts.Rejected > 0 {
				share = draw.Percent.Format(float64(c.Counts.Rejected) / float64(c.Counts.Scheduled))
			}
			rejected = append(rejected, share+" "+how)
		}
	}
	return fates(figure{ID: "queues", Claim: "Rejected of the same burst: " + results.List(rejected),
		How: "A queue: the bus fills SQS, and the mapping empties it. Hidden: the bus invokes the function, and Lambda keeps what it cannot take. No queue: the client invokes the function and waits."}, cells, name)
}

// visibility is what happens when messages are visible again while they are handled.
func visibility(r results.Results) []figure {
	cells := pick(r.Cells, "E5", true)
	if len(cells) == 0 {
		return nil
	}
	cells = cells[:min(len(cells), 12)]
	b := draw.Bars{Axis: draw.Axis{Label: "answers delivered", Unit: draw.Count}, Stacked: true}
	f := figure{ID: "visibility", How: "Deliveries of answers to the sink. One more than one for a subject is work that was done again for nothing."}
	f.Numbers = table{Columns: columns("cell", "#visibility timeout", "#work", "#completed", "#delivered", "#again", "#completed rate", "#predicted", "verdict")}
	once, again := draw.Part{Name: "the first"}, draw.Part{Name: "again"}
	worst := cells[0]
	for _, c := range cells {
		if c.Counts.Duplicates > worst.Counts.Duplicates {
			worst = c
		}
		b.Groups = append(b.Groups, short(c))
		once.Values = append(once.Values, float64(c.Counts.Deliveries-c.Counts.Duplicates))
		again.Values = append(again.Values, float64(c.Counts.Duplicates))
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(setting(c.Params.VisibilityS), setting(c.Params.WorkMs/1000), count(c.Counts.Completed), count(c.Counts.Deliveries), count(c.Counts.Duplicates), perSecond(c.CompletedRate.Mean), maybe(c.PredictedCapacity, perSecond), orUnknown(c.Backlog.Verdict))...))
	}
	b.Parts = []draw.Part{once, again}
	f.Claim = "No subject was done twice"
	if worst.Counts.Duplicates > 0 {
		f.Claim = fmt.Sprintf("With a visibility timeout of %s and work of %s, work is done again %s", setting(worst.Params.VisibilityS), setting(worst.Params.WorkMs/1000), plural(worst.Counts.Duplicates, "time", "times"))
	}
	return finish(f, b)
}

// batches is capacity by batch size.
func batches(r results.Results) []figure {
	cells := pick(r.Cells, "E4", true)
	if len(cells) == 0 {
		return nil
	}
	cells = cells[:min(len(cells), 12)]
	b := draw.Bars{Axis: draw.Axis{Label: "subjects/s"}}
	f := figure{ID: "batches", How: "An invocation costs its overhead once for all subjects of its batch."}
	f.Numbers = table{Columns: columns("cell", "#batch", "#at a time", "#predicted", "#completed", "95 % interval", "#measured / predicted")}
	predicted, measured := draw.Part{Name: "predicted"}, draw.Part{Name: "completed"}
	low, high := cells[0], cells[0]
	for _, c := range cells {
		if c.Params.Batch < low.Params.Batch {
			low = c
		}
		if c.Params.Batch > high.Params.Batch {
			high = c
		}
		b.Groups = append(b.Groups, short(c))
		predicted.Values = append(predicted.Values, of(c.PredictedCapacity))
		measured.Values = append(measured.Values, c.CompletedRate.Mean)
		f.Numbers.Rows = append(f.Numbers.Rows, append([]entry{{Text: c.ID, Code: true}}, row(strconv.Itoa(c.Params.Batch), strconv.Itoa(c.CapacityModel.P), maybe(c.PredictedCapacity, perSecond), perSecond(c.CompletedRate.Mean), interval(c.CompletedRate, number), ratio(c.CompletedRate.Mean, of(c.PredictedCapacity)))...))
	}
	b.Parts = []draw.Part{predicted, measured}
	f.Claim = fmt.Sprintf("%s with batches of %d, %s with batches of %d", perSecond(low.CompletedRate.Mean), low.Params.Batch, perSecond(high.CompletedRate.Mean), high.Params.Batch)
	return finish(f, b)
}
