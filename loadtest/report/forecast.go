package report

import (
	"fmt"
	"iter"
	"strings"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
)

// forecast is what a simulation says, as it is shown.
type forecast struct {
	About   string
	Changed []string
	Figures []figure
	Levels  *table
	Fitted  *table
	Cost    *table

	finding string
}

func (f *forecast) answer() answer {
	return answer{ID: "Forecast", Question: "What does this architecture do at rates that no laptop reaches?", Finding: f.finding}
}

func forecastOf(r results.Forecast) *forecast {
	f := &forecast{Changed: r.Changed}
	f.About = fmt.Sprintf("Simulated, not measured: %s with the quotas of %s, work of %s, %s of load at each rate. Prices: %s.",
		orUnknown(r.Template), orUnknown(r.Region), setting(r.WorkMs/1000), duration(r.Seconds), orUnknown(r.Prices))
	f.finding = "No rate was simulated."
	if len(r.Levels) == 0 {
		return f
	}
	f.finding = found(r.Levels)
	f.Figures = append(f.Figures, rates(r)...)
	f.Figures = append(f.Figures, forecastLatency(r)...)
	f.Figures = append(f.Figures, forecastBacklog(r)...)
	f.Levels = levels("What holds each rate", r.Levels, false)
	if len(r.Fitted) > 0 {
		f.Fitted = levels("The same rates with settings raised for them", r.Fitted, true)
	}
	f.Cost = cost(r.Levels)
	return f
}

// tableLimit is the limit of the table that both the API and the sink write to, as package sim names it.
const tableLimit = "table write throughput"

// found says up to where the system keeps up, what holds it then, and first of all when more load makes it do less.
func found(levels []results.Level) string {
	kept := ""
	for _, l := range levels {
		if l.Binding == "" {
			kept = fmt.Sprintf("It keeps up with %s", perSecond(l.Offered))
			continue
		}
		var s string
		switch worst, collapses := collapsed(levels); {
		case collapses:
			beyond := "At every rate " + l.Binding + " binds"
			if kept != "" {
				beyond = kept + "; beyond that " + l.Binding + " binds"
			}
			why := "the more is accepted, the less is completed"
			if w := worst.Waits; l.Binding == tableLimit && w.Response > max(w.Accept, w.Request, w.Service, w.Store) {
				why = "what the API writes starves the sink"
			}
			s = fmt.Sprintf("%s: %s, and completed falls to %s at %s, of %s accepted. ", beyond, why, perSecond(worst.Completed), perSecond(worst.Offered), perSecond(worst.Accepted))
		case kept != "":
			s = kept + ". "
		}
		s += fmt.Sprintf("At %s it completes %s: what holds it is %s", perSecond(l.Offered), perSecond(l.Completed), l.Binding)
		if l.BindingWhy != "" {
			s += " (" + l.BindingWhy + ")"
		}
		s = sentence(s)
		if len(l.Raise) > 0 {
			s += " To be raised for it: " + sentence(l.Raise[0])
		}
		return s
	}
	return kept + ". No limit was met."
}

// collapsed returns the level that completes least of those at which more is accepted than at a lower rate, and less than
// half of what is completed there is completed: congestion collapse.
func collapsed(levels []results.Level) (worst results.Level, ok bool) {
	var best results.Level
	for _, l := range levels {
		if l.Accepted > best.Accepted && l.Completed < best.Completed/2 && (!ok || l.Completed < worst.Completed) {
			worst, ok = l, true
		}
		if l.Completed > best.Completed {
			best = l
		}
	}
	return worst, ok
}

func completed(l results.Level) float64 { return l.Completed }

// overOffered makes a line over the rates that were offered.
func overOffered(name string, levels []results.Level, of func(results.Level) float64, dashed bool) draw.Series {
	s := draw.Series{Name: name, Dashed: dashed}
	for _, l := range levels {
		s.X, s.Y = append(s.X, l.Offered), append(s.Y, of(l))
	}
	return s
}

func rates(r results.Forecast) []figure {
	p := draw.Plot{X: draw.Axis{Label: "offered (subjects/s)", Log: true}, Y: draw.Axis{Label: "completed (subjects/s)", Log: true}, Diagonal: "all that is offered",
		Series: []draw.Series{
			overOffered("accepted", r.Levels, func(l results.Level) float64 { return l.Accepted }, false),
			overOffered("completed", r.Levels, completed, false)}}
	if len(r.Fitted) > 0 {
		p.Series = append(p.Series, overOffered("completed, settings raised", r.Fitted, completed, false))
	}
	f := figure{ID: "forecast-rates", How: "Means over the whole load. Both axes are logarithmic. Below the diagonal subjects wait or are rejected."}
	f.Numbers = table{Columns: columns("#offered", "#accepted", "#completed", "#of offered", "#completed at the end of the load", "#rejected", "#dead-lettered", "limit")}
	last := ""
	for _, l := range r.Levels {
		f.Numbers.Rows = append(f.Numbers.Rows, row(perSecond(l.Offered), perSecond(l.Accepted), perSecond(l.Completed), draw.Percent.Format(l.Completed/l.Offered), perSecond(l.Settled), count(l.Rejected), count(l.Dead), orNone(l.Binding)))
		if l.Binding != "" && l.Binding != last { // where another limit begins to hold
			p.Notes = append(p.Notes, draw.Note{X: l.Offered, Y: l.Completed, Text: l.Binding})
		}
		last = l.Binding
	}
	f.Claim = opening(found(r.Levels))
	return finish(f, p)
}

// opening is the first sentence of a text.
func opening(s string) string {
	if before, _, ok := strings.Cut(s, ". "); ok {
		s = before
	}
	return strings.TrimSuffix(s, ".")
}

// offers returns all levels, each with what its row is called.
func offers(r results.Forecast) iter.Seq2[results.Level, string] {
	return func(yield func(results.Level, string) bool) {
		for _, l := range r.Levels {
			if !yield(l, perSecond(l.Offered)) {
				return
			}
		}
		for _, l := range r.Fitted {
			if !yield(l, perSecond(l.Offered)+", settings raised") {
				return
			}
		}
	}
}

func forecastLatency(r results.Forecast) []figure {
	p := draw.Plot{X: draw.Axis{Label: "offered (subjects/s)", Log: true}, Y: draw.Axis{Label: "end to end", Unit: draw.Seconds, Log: true}}
	f := figure{ID: "forecast-latency", Claim: "Latency at each rate", How: "Of subjects that were completed, from when they were due. Both axes are logarithmic."}
	f.Numbers = table{Columns: columns("#offered", "#p50", "#p90", "#p99", "#max", "#n", "#accepted in, p99", "#accept", "#request queue", "#service", "#response queue", "#store")}
	p.Series = []draw.Series{
		overOffered("p50", r.Levels, func(l results.Level) float64 { return of(l.EndToEnd.P50) / 1000 }, false),
		overOffered("p99", r.Levels, func(l results.Level) float64 { return of(l.EndToEnd.P99) / 1000 }, false)}
	if len(r.Fitted) > 0 {
		p.Series = append(p.Series, overOffered("p99, settings raised", r.Fitted, func(l results.Level) float64 { return of(l.EndToEnd.P99) / 1000 }, false))
	}
	for l, rate := range offers(r) {
		e, w := l.EndToEnd, l.Waits
		f.Numbers.Rows = append(f.Numbers.Rows, row(rate, maybe(e.P50, milliseconds), maybe(e.P90, milliseconds), maybe(e.P99, milliseconds), milliseconds(e.Max), count(e.N), maybe(l.Ack.P99, milliseconds),
			milliseconds(w.Accept), milliseconds(w.Request), milliseconds(w.Service), milliseconds(w.Response), milliseconds(w.Store)))
	}
	return finish(f, p)
}

func forecastBacklog(r results.Forecast) []figure {
	p := draw.Plot{X: draw.Axis{Label: "offered (subjects/s)", Log: true}, Y: draw.Axis{Label: "peak backlog (subjects)", Unit: draw.Count, Log: true},
		Series: []draw.Series{overOffered("peak", r.Levels, func(l results.Level) float64 { return float64(l.PeakBack) }, false)}}
	if len(r.Fitted) > 0 {
		p.Series = append(p.Series, overOffered("peak, settings raised", r.Fitted, func(l results.Level) float64 { return float64(l.PeakBack) }, false))
	}
	f := figure{ID: "forecast-backlog", Claim: fmt.Sprintf("Peak backlog of %s of load at each rate", duration(r.Seconds)), How: "The most subjects at a time on the bus, in queues and in functions. Both axes are logarithmic; a backlog of zero is not drawn."}
	f.Numbers = table{Columns: columns("#offered", "#peak backlog", "#drained in", "#one token stands for", "#computed in")}
	for l, rate := range offers(r) {
		f.Numbers.Rows = append(f.Numbers.Rows, row(rate, count(l.PeakBack), maybe(l.DrainS, seconds), plural(l.Cohort, "subject", "subjects"), seconds(l.ComputeS)))
	}
	return finish(f, p)
}

func levels(caption string, all []results.Level, fitted bool) *table {
	t := &table{Caption: caption, Columns: columns("#offered", "#accepted", "#completed", "#completed at the end of the load", "#peak backlog", "limit", "why")}
	if fitted {
		t.Columns = append(t.Columns, column{"what was raised", false})
	} else {
		t.Columns = append(t.Columns, column{"what to raise, the lowest ceiling first", false})
	}
	t.Columns = append(t.Columns, column{"a million subjects", true})
	for _, l := range all {
		advice := l.Raise
		if fitted {
			advice = l.Raised
		}
		t.Rows = append(t.Rows, row(perSecond(l.Offered), perSecond(l.Accepted), perSecond(l.Completed), perSecond(l.Settled), count(l.PeakBack), limit(l), orUnknown(l.BindingWhy), orUnknown(strings.Join(advice, ";\n")), dollars(l.USDMillion)))
	}
	return t
}

// limit says what holds a level, and for how long one fell behind that nothing holds in the end.
func limit(l results.Level) string {
	if behind := l.Behind(); l.Binding == "" && behind > 0 {
		return fmt.Sprintf("none, after %s in which it fell behind and caught up", seconds(behind.Seconds()))
	}
	return orNone(l.Binding)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// cost has a column for each rate and a row for each line of the bill.
func cost(levels []results.Level) *table {
	t := &table{Caption: "What a million completed subjects cost", Columns: columns("line")}
	var items []string
	at := map[string]int{}
	for _, l := range levels {
		t.Columns = append(t.Columns, column{"at " + perSecond(l.Offered), true})
		for _, c := range l.Cost {
			if _, ok := at[c.Item]; !ok {
				at[c.Item] = len(items)
				items = append(items, c.Item)
			}
		}
	}
	if len(items) == 0 {
		return nil
	}
	for _, item := range items {
		r := row(item)
		for _, l := range levels {
			value := draw.Unknown
			for _, c := range l.Cost {
				if c.Item == item {
					value = dollars(c.USD)
				}
			}
			r = append(r, text(value))
		}
		t.Rows = append(t.Rows, r)
	}
	r := row("together")
	for _, l := range levels {
		r = append(r, text(dollars(l.USDMillion)))
	}
	t.Rows = append(t.Rows, r)
	return t
}
