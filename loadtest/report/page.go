package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
)

// A page is all that the template shows.
type page struct {
	Title    string
	Subtitle string
	Policy   string
	Style    template.CSS
	Alerts   []alert
	Notes    []string
	Answers  []answer
	Verdicts []verdict
	Figures  []figure
	Forecast *forecast
	Cells    []*table
	Slowest  *table
	Traces   []traced
	Method   method
	Setup    []group
	Data     template.JS
}

// An alert is what a reader has to know first.
type alert struct {
	Text string
	More []string // one line for each cell that it is about
}

// An answer is what an experiment found.
type answer struct{ ID, Title, Question, Finding, Method string }

// A verdict is a line of what became of all subjects, and whether that is as it should be.
type verdict struct {
	Word string // "ok", "look", "no", "not known"
	Kind string // good, bad or open: its colour
	Text string
	More []string
}

// A group is a list of names and values with a heading.
type group struct {
	Title string
	Items []item
}

type item struct{ Name, Value string }

type method struct {
	Model      []string // what o and s were
	Omission   *table
	Experiment *table
	Fits       *table
	Simulated  *table
	Simulation string // how well it agrees
}

func (m method) Some() bool {
	return m.Model != nil || m.Omission != nil || m.Experiment != nil
}

func pageOf(r results.Results) page {
	p := page{Title: title(r), Subtitle: subtitle(r), Notes: r.Run.Notes}
	p.Alerts = alerts(r)
	for _, e := range r.Experiments {
		a := answer{ID: e.ID, Title: e.Title, Question: e.Question, Finding: e.Finding, Method: e.Method}
		if a.Finding == "" {
			a.Finding = "No answer: its cells were not measured to the end."
		}
		p.Answers = append(p.Answers, a)
	}
	if r.Forecast != nil {
		p.Forecast = forecastOf(*r.Forecast)
		p.Answers = append(p.Answers, p.Forecast.answer())
	}
	p.Verdicts = verdicts(r)
	p.Figures = figures(r)
	p.Cells = cellsTables(r.Cells)
	p.Slowest, p.Traces = slowest(r.Cells)
	p.Method = methodOf(r)
	p.Setup = setup(r)
	return p
}

func title(r results.Results) string {
	name := r.Run.Stack
	if name == "" {
		name = "a stack"
	}
	if r.Run.Target == "sim" {
		return "Load test of " + name + ", simulated"
	}
	return "Load test of " + name
}

func subtitle(r results.Results) string {
	var parts []string
	switch r.Run.Target {
	case "local":
		parts = append(parts, "on this machine")
	case "endpoint":
		parts = append(parts, "at "+r.Run.Endpoint)
	case "aws":
		parts = append(parts, "on AWS, "+r.Run.Region)
	case "sim":
		parts = append(parts, "simulation, not a measurement")
	}
	parts = append(parts, moment(r.Run.Started))
	if !r.Run.Ended.IsZero() && r.Run.Ended.After(r.Run.Started) {
		parts = append(parts, seconds(r.Run.Ended.Sub(r.Run.Started).Seconds()))
	}
	if r.Run.Git != "" {
		parts = append(parts, "commit "+shortened(r.Run.Git, 13))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" || s == draw.Unknown }), " · ")
}

// alerts are what a reader has to know before anything else.
func alerts(r results.Results) []alert {
	var a []alert
	add := func(format string, args ...any) { a = append(a, alert{Text: fmt.Sprintf(format, args...)}) }
	if r.Run.Interrupted != "" {
		add("This run was interrupted: %s What follows is what was measured until then.", sentence(r.Run.Interrupted))
	}
	n := countValidity(r.Cells)
	if n.doubtful > 0 {
		add("%d of %s may not be believed (%s): what was measured there is in no line and no finding.", n.doubtful, plural(len(r.Cells), "cell", "cells"), n.reasons())
		a[len(a)-1].More = reasons(r.Cells, func(c results.Cell) bool { return !believed(c) })
	}
	if n.limited > 0 {
		add("%d of %s %s target-limited: %s, but something else than what was varied was the limit.", n.limited, plural(len(r.Cells), "cell", "cells"), are(n.limited), n.measurements())
		a[len(a)-1].More = reasons(r.Cells, func(c results.Cell) bool { return believed(c) && !valid(c) })
	}
	if lost := total(r.Cells, func(c results.Counts) int { return c.Lost }); lost > 0 {
		add("%s lost: accepted, then neither completed nor in a dead-letter queue.", plural(lost, "subject was", "subjects were"))
	}
	for _, wrong := range []struct {
		of   func(results.Cell) int64
		text string
	}{
		{func(c results.Cell) int64 { return c.Uncorrected.Negative }, "ended before they were sent, as the clocks say: in quantiles they took no time."},
		{func(c results.Cell) int64 { return c.EndToEnd.Clipped }, "took more than a day: in quantiles a day."},
	} {
		var n int64
		var where []string
		for _, c := range r.Cells {
			if k := wrong.of(c); k > 0 {
				n += k
				where = append(where, fmt.Sprintf("%s in %s", count(k), c.ID))
			}
		}
		if n > 0 {
			add("%s %s", plural(n, "subject", "subjects"), wrong.text)
			a[len(a)-1].More = atMost(where)
		}
	}
	if k := len(failed(r)); k > 0 {
		add("%s not met: %s.", plural(k, "condition is", "conditions are"), strings.Join(failed(r), ", "))
	}
	if len(r.Cells) == 0 && r.Forecast == nil {
		add("Nothing was measured.")
	}
	return a
}

// maxReasons is how many cells an alert names; the table of cells has all.
const maxReasons = 12

// reasons says of each cell that is so, why.
func reasons(cells []results.Cell, is func(results.Cell) bool) []string {
	var lines []string
	for _, c := range cells {
		if is(c) {
			line := c.ID + ": " + validity(c)
			if len(c.Why) > 0 {
				line += ", because " + strings.Join(c.Why, "; ")
			}
			lines = append(lines, line)
		}
	}
	return atMost(lines)
}

// atMost leaves of lines about cells as many as an alert has room for.
func atMost(lines []string) []string {
	if k := len(lines) - maxReasons; k > 0 {
		return append(lines[:maxReasons], fmt.Sprintf("and %d more in the table of cells", k))
	}
	return lines
}

func failed(r results.Results) []string {
	var f []string
	for _, a := range r.Assertions {
		if !a.OK {
			f = append(f, a.Expr)
		}
	}
	return f
}

// sentence ends a text with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

func valid(c results.Cell) bool { return c.Validity == results.Valid }

// believed reports whether a cell is in lines and findings: it was measured properly, though perhaps of a system that
// something else limited than what was varied.
func believed(c results.Cell) bool { return valid(c) || c.Validity == results.TargetLimited }

func validity(c results.Cell) string {
	if c.Validity == "" {
		return "not known"
	}
	return string(c.Validity)
}

// validityCount counts each cell once.
type validityCount struct {
	valid, limited, doubtful int
	of                       map[string]int // of the doubtful ones
}

func countValidity(cells []results.Cell) validityCount {
	n := validityCount{of: map[string]int{}}
	for _, c := range cells {
		switch {
		case valid(c):
			n.valid++
		case believed(c):
			n.limited++
		default:
			n.doubtful++
			n.of[validity(c)]++
		}
	}
	return n
}

// reasons lists why cells may not be believed: "3 generator-limited, 1 interrupted".
func (n validityCount) reasons() string {
	var s []string
	for _, why := range slices.Sorted(maps.Keys(n.of)) {
		s = append(s, fmt.Sprintf("%d %s", n.of[why], why))
	}
	return strings.Join(s, ", ")
}

// String says it in one sentence: "Of 11 cells 5 are valid, 2 are target-limited, and 4 may not be believed."
func (n validityCount) String() string {
	all := n.valid + n.limited + n.doubtful
	if n.valid == all {
		return fmt.Sprintf("All %s valid.", plural(all, "cell is", "cells are"))
	}
	s := fmt.Sprintf("Of %s %d %s valid", plural(all, "cell", "cells"), n.valid, are(n.valid))
	if n.limited > 0 {
		s += fmt.Sprintf(", %d %s target-limited (%s, of another limit than what was varied)", n.limited, are(n.limited), n.measurements())
	}
	if n.doubtful > 0 {
		s += fmt.Sprintf(", %d may not be believed (%s)", n.doubtful, n.reasons())
	}
	return s + "."
}

// measurements says what target-limited cells are.
func (n validityCount) measurements() string {
	if n.limited == 1 {
		return "a true measurement"
	}
	return "true measurements"
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func total(cells []results.Cell, of func(results.Counts) int) int {
	sum := 0
	for _, c := range cells {
		sum += of(c.Counts)
	}
	return sum
}

// verdicts says what became of all subjects, calibration included, and what may be believed.
func verdicts(r results.Results) []verdict {
	var v []verdict
	add := func(kind, word, format string, args ...any) *verdict {
		v = append(v, verdict{Kind: kind, Word: word, Text: fmt.Sprintf(format, args...)})
		return &v[len(v)-1]
	}
	if len(r.Cells) > 0 {
		sum := func(of func(results.Counts) int) int { return total(r.Cells, of) }
		accepted := sum(func(c results.Counts) int { return c.Open + c.Lost + c.DeadLettered + c.Failed + c.Completed })
		where := func(d *verdict, of func(results.Counts) int, examples func(results.Examples) []string) {
			for _, c := range r.Cells {
				if k := of(c.Counts); k > 0 {
					line := fmt.Sprintf("%s in %s", count(k), c.ID)
					if x := examples(c.Examples); len(x) > 0 {
						line += ": " + x[0]
						if len(x) > 1 {
							line += fmt.Sprintf(" (and %d more in the data of this page)", len(x)-1)
						}
					}
					d.More = append(d.More, line)
				}
			}
			if len(d.More) > 12 {
				d.More = append(d.More[:12], fmt.Sprintf("and in %d more cells", len(d.More)-12))
			}
		}
		type kind struct {
			of       func(results.Counts) int
			examples func(results.Examples) []string
			none     string
			some     func(n int) string
			bad      bool
		}
		open := sum(func(c results.Counts) int { return c.Open })
		notLost := fmt.Sprintf("Nothing was lost: each of %s accepted has ended or is in a dead-letter queue.", plural(accepted, "subject", "subjects"))
		kinds := []kind{
			{func(c results.Counts) int { return c.Lost }, func(x results.Examples) []string { return x.Lost },
				notLost,
				func(n int) string { return plural(n, "subject was", "subjects were") + " lost." }, true},
			{func(c results.Counts) int { return c.Duplicates }, func(x results.Examples) []string { return x.Duplicated },
				"Nothing was done twice.",
				func(n int) string {
					return fmt.Sprintf("%s delivered again, of %s.", plural(n, "answer was", "answers were"), plural(sum(func(c results.Counts) int { return c.Duplicated }), "subject", "subjects"))
				}, false},
			{func(c results.Counts) int { return c.DeadLettered }, func(x results.Examples) []string { return x.DeadLettered },
				"Nothing is in a dead-letter queue.",
				func(n int) string { return plural(n, "subject is", "subjects are") + " in a dead-letter queue." }, false},
			{func(c results.Counts) int { return c.Failed }, func(x results.Examples) []string { return x.Failed },
				"No subject ended as a system error.",
				func(n int) string { return plural(n, "subject", "subjects") + " ended as a system error." }, false},
			{func(c results.Counts) int { return c.Open }, nil, "",
				func(n int) string { return plural(n, "subject was", "subjects were") + " still on the way at the end." }, false},
			{func(c results.Counts) int { return c.Rejected }, nil, "",
				func(n int) string { return plural(n, "request was", "requests were") + " rejected by the API." }, false},
			{func(c results.Counts) int { return c.Unanswered }, func(x results.Examples) []string { return x.Unanswered }, "",
				func(n int) string {
					return plural(n, "request had", "requests had") + " no answer, and nothing is known of it on the servers."
				}, false},
			{func(c results.Counts) int { return c.Late }, func(x results.Examples) []string { return x.Late }, "",
				func(n int) string {
					return plural(n, "subject", "subjects") + " ended without the client having been told that it is accepted."
				}, false},
			{func(c results.Counts) int { return c.Unsent }, nil, "",
				func(n int) string { return plural(n, "subject was", "subjects were") + " never sent." }, false},
		}
		for _, k := range kinds {
			n := sum(k.of)
			if n == 0 {
				switch {
				case k.none == notLost && open > 0:
					add("open", "not known", "Whether anything was lost: of %s accepted some were still on the way at the end (%s).", plural(accepted, "subject", "subjects"), count(open))
				case k.none != "":
					add("good", "ok", "%s", k.none)
				}
				continue
			}
			var d *verdict
			if k.bad {
				d = add("bad", "no", "%s", k.some(n))
			} else {
				d = add("open", "look", "%s", k.some(n))
			}
			examples := k.examples
			if examples == nil {
				examples = func(results.Examples) []string { return nil }
			}
			where(d, k.of, examples)
		}
		switch n := countValidity(r.Cells); {
		case n.doubtful > 0:
			add("bad", "no", "%s", n)
		case n.limited > 0:
			add("open", "look", "%s", n)
		default:
			add("good", "ok", "%s", n)
		}
		if lo, hi, n := predictions(r.Cells); n > 0 {
			kind, word := "good", "ok"
			if lo < .97 || hi > 1.03 {
				kind, word = "open", "look"
			}
			add(kind, word, "Measured capacity is %s of the predicted one, in %s of overload.", between(lo, hi), plural(n, "cell", "cells"))
		}
	} else if r.Forecast != nil {
		add("open", "simulated", "Nothing was measured: all figures are those of a simulation.")
	} else {
		add("open", "not known", "No cell was measured, so nothing is known of what is lost, done twice or completed.")
	}
	for _, a := range r.Assertions {
		if a.OK {
			add("good", "met", "%s: %s", a.Expr, a.Value)
		} else {
			add("bad", "not met", "%s: %s", a.Expr, a.Value)
		}
	}
	return v
}

// predictions returns the least and greatest ratio of measured and predicted capacity.
func predictions(cells []results.Cell) (lo, hi float64, n int) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, c := range saturated(cells) {
		q := c.CompletedRate.Mean / *c.PredictedCapacity
		lo, hi, n = min(lo, q), max(hi, q), n+1
	}
	return lo, hi, n
}

// params says in what a cell differs.
func params(c results.Cell) []string {
	p := c.Params
	var s []string
	add := func(ok bool, text string) {
		if ok {
			s = append(s, text)
		}
	}
	add(p.Concurrency > 0, "C="+strconv.Itoa(p.Concurrency))
	add(p.Batch > 0, "B="+strconv.Itoa(p.Batch))
	add(p.Parallelism > 0, "P="+strconv.Itoa(p.Parallelism))
	add(p.VisibilityS > 0, "visibility "+setting(p.VisibilityS))
	add(p.WorkMs > 0, "work "+setting(p.WorkMs/1000))
	add(p.Queue != "" && p.Queue != "sqs", "queue "+p.Queue)
	add(p.Arrivals != "" && p.Arrivals != "constant", p.Arrivals+" arrivals")
	add(p.OutageS > 0, "outage "+setting(p.OutageS))
	return s
}

// short is a cell's id without its experiment.
func short(c results.Cell) string {
	return strings.ReplaceAll(strings.TrimPrefix(c.ID, c.Experiment+"/"), "/", " ")
}

func shortened(s string, runes int) string {
	r := []rune(s)
	if len(r) <= runes {
		return s
	}
	return string(r[:runes-1]) + "…"
}

// cellsTables have a row for each cell: one its rates, the other what became of its subjects. One table of both is wider
// than a screen.
func cellsTables(cells []results.Cell) []*table {
	if len(cells) == 0 {
		return nil
	}
	rates := &table{Caption: "All cells, in the order in which they were measured: rates and backlog",
		Columns: columns("cell", "validity", "#offered", "#accepted", "#completed", "#predicted", "#measured / predicted", "#backlog grows",
			"backlog", "#peak backlog", "#drained in", "#predicted")}
	subjects := &table{Caption: "All cells: what limited them, latency, and what became of their subjects",
		Columns: columns("cell", "backlog is", "#slots in use", "limited by", "#e2e p50", "#e2e p99", "#e2e max", "#n", "#lost", "#again", "#dead", "#failed", "#rejected")}
	var common []string // what all cells of an experiment have: it is told once, in a row of its own
	for i, c := range cells {
		if i == 0 || c.Experiment != cells[i-1].Experiment {
			common = params(c)
			for _, other := range cells {
				if other.Experiment == c.Experiment {
					have := params(other)
					common = slices.DeleteFunc(common, func(s string) bool { return !slices.Contains(have, s) })
				}
			}
			heading := c.Experiment
			switch {
			case heading == "" && c.Role == "calibration":
				heading = "Calibration"
			case heading == "":
				heading = "No experiment"
			}
			rates.Rows = append(rates.Rows, []entry{{Text: strings.TrimSuffix(heading+": "+strings.Join(common, ", "), ": "), Heading: true}})
		}
		role := ""
		if c.Role != "" && c.Role != "measured" {
			role = c.Role + ", in no finding"
			if c.Role == "control" {
				role = "control: measured again"
			}
		}
		if c.Repeat > 1 {
			role = strings.TrimPrefix(role+", repeat "+strconv.Itoa(c.Repeat), ", ")
		}
		name := strings.Split(c.ID, "/")
		own := slices.DeleteFunc(params(c), func(s string) bool { return slices.Contains(common, s) || slices.Contains(name, s) })
		below := strings.Join(own, ", ")
		if role != "" {
			below = strings.TrimPrefix(below+" · "+role, " · ")
		}
		e := c.EndToEnd
		p50 := entry{Text: maybe(e.P50, milliseconds), Below: bounds(e.P50Lo, e.P50Hi, milliseconds)}
		p99 := entry{Text: maybe(e.P99, milliseconds), Below: bounds(e.P99Lo, e.P99Hi, milliseconds)}
		if c.Backlog.Verdict == "unstable" { // subjects then depend on each other, and no interval holds
			p50.Below, p99.Below = "", ""
			if e.P99 != nil {
				p99.Below = "rising"
			}
		}
		trust := entry{Text: validity(c)}
		switch {
		case !believed(c):
			trust.Bad, trust.Below = true, "not believed"
		case !valid(c):
			trust.Below = "believed"
		}
		rates.Rows = append(rates.Rows, []entry{
			{Text: c.ID, Below: below, Code: true}, trust,
			text(perSecond(c.OfferedRate)), text(perSecond(c.AcceptedRate)),
			{Text: perSecond(c.CompletedRate.Mean), Below: interval(c.CompletedRate, number)},
			text(maybe(c.PredictedCapacity, perSecond)),
			text(measuredOverPredicted(c)),
			{Text: signed(c.Backlog.Growth.Mean), Below: interval(c.Backlog.Growth, number)},
			{Chart: template.HTML(draw.Spark{Title: "backlog of " + c.ID, Values: c.Series.Backlog}.SVG())},
			text(count(c.Backlog.Peak)), text(maybe(c.Backlog.DrainS, seconds)), text(maybe(c.PredictedDrainS, seconds)),
		})
		if len(c.Why) > 0 {
			rates.Rows = append(rates.Rows, []entry{{Text: "Why " + validity(c) + ": " + strings.Join(c.Why, "; "), Across: true}})
		}
		subjects.Rows = append(subjects.Rows, []entry{
			{Text: c.ID, Code: true}, text(orUnknown(c.Backlog.Verdict)),
			text(maybe(c.LittleRatio, func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) })), text(orUnknown(c.Diagnosis)),
			p50, p99, text(longest(e)), text(count(e.N)),
			counted(c.Counts.Lost), counted(c.Counts.Duplicates), counted(c.Counts.DeadLettered), counted(c.Counts.Failed), counted(c.Counts.Rejected),
		})
	}
	return []*table{rates, subjects}
}

// longest is known when there was any.
func longest(l results.Latency) string {
	if l.N == 0 {
		return draw.Unknown
	}
	return milliseconds(l.Max)
}

// measuredOverPredicted is known of a cell that was asked for more than its capacity.
func measuredOverPredicted(c results.Cell) string {
	if len(saturated([]results.Cell{c})) == 0 {
		return draw.Unknown
	}
	return ratio(c.CompletedRate.Mean, *c.PredictedCapacity)
}

func counted(n int) entry { return entry{Text: count(n), Bad: n > 0} }

func orUnknown(s string) string {
	if s == "" {
		return draw.Unknown
	}
	return s
}

// signed writes a growth with its sign.
func signed(v float64) string {
	s := perSecond(v)
	if v > 0 && s != draw.Unknown {
		return "+" + s
	}
	return s
}

// How many subjects the table of the slowest has: of a cell no more than a run reads traces of, as else they all would
// be of the cell with the longest queue, and most without a trace.
const (
	maxSlowest       = 20
	maxSlowestOfCell = 3
)

// slowest lists the slowest subjects of all cells, the worst first, and the traces of those that have one.
func slowest(cells []results.Cell) (*table, []traced) {
	type one struct {
		cell string
		results.Traced
	}
	var all []one
	for _, c := range cells {
		if c.Role == "calibration" {
			continue
		}
		mine := slices.Clone(c.Slowest)
		slices.SortStableFunc(mine, func(a, b results.Traced) int { return cmp.Compare(b.E2Ems, a.E2Ems) })
		for _, s := range mine[:min(len(mine), maxSlowestOfCell)] {
			all = append(all, one{c.ID, s})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(b.E2Ems, a.E2Ems) })
	all = all[:min(len(all), maxSlowest)]
	var shown []results.Traced // with hops
	t := &table{Columns: columns("#e2e", "cell", "trace", "#accept", "#request queue", "#service", "#response queue", "#store", "subject")}
	for _, s := range all {
		trace := entry{Text: orUnknown(s.TraceID), Code: true}
		if len(s.Hops) > 0 {
			trace.Link = "#" + traceAnchor(len(shown))
			shown = append(shown, s.Traced)
		}
		if strings.HasPrefix(s.Link, "http://") || strings.HasPrefix(s.Link, "https://") {
			trace.Link = s.Link
			if s.TraceID == "" {
				trace.Text = "trace"
			}
		}
		switch {
		case trace.Link != "":
		case s.TraceID == "":
			trace.Below = "it was not traced"
		default:
			trace.Below = "its trace was not read, or is not kept any more"
		}
		r := []entry{text(milliseconds(s.E2Ems)), {Text: s.cell, Code: true}, trace}
		if w := s.Waits; w != nil {
			r = append(r, row(milliseconds(w.Accept), milliseconds(w.Request), milliseconds(w.Service), milliseconds(w.Response), milliseconds(w.Store))...)
		} else {
			r = append(r, row(draw.Unknown, draw.Unknown, draw.Unknown, draw.Unknown, draw.Unknown)...)
		}
		t.Rows = append(t.Rows, append(r, entry{Text: shortened(s.Subject, 28), Title: s.Subject, Code: true}))
	}
	t.Caption = fmt.Sprintf("The slowest subjects, at most %d of a cell, and where they spent their time", maxSlowestOfCell)
	if len(shown) > 0 {
		t.Caption += fmt.Sprintf("; the traces of %d of these %d follow", len(shown), len(all))
	}
	return t, tracesOf(shown)
}

func methodOf(r results.Results) method {
	var m method
	seen := map[string]bool{}
	for _, c := range r.Cells {
		if x := c.CapacityModel; x.C > 0 {
			line := fmt.Sprintf("work %s: o = %s, s = %s", setting(c.Params.WorkMs/1000), milliseconds(x.Oms), milliseconds(x.Sms))
			if !seen[line] && len(m.Model) < 6 {
				m.Model = append(m.Model, line)
			}
			seen[line] = true
		}
	}
	for _, e := range r.Experiments {
		if m.Experiment == nil {
			m.Experiment = &table{Caption: "What was done", Columns: columns("experiment", "how", "order of its cells")}
		}
		m.Experiment.Rows = append(m.Experiment.Rows, []entry{{Text: e.ID, Below: e.Title}, text(orUnknown(e.Method)), {Text: orUnknown(strings.Join(e.Order, ", ")), Code: true}})
		for _, f := range e.Fits {
			if m.Fits == nil {
				m.Fits = &table{Caption: "Two lines through the cells of an experiment: y = min(slope · x, ceiling)", Columns: columns("experiment", "series", "x", "#slope", "#ceiling", "#bends at x =", "#points are off by")}
			}
			m.Fits.Rows = append(m.Fits.Rows, row(e.ID, f.Series, strings.ReplaceAll(f.X, "_", " "), number(f.Slope), maybe(f.Ceiling, perSecond), maybe(f.At, number), draw.Percent.Format(cleared(f.Residual))))
		}
	}

	// The cells in which a sender that counts from when it sends would have been most wrong.
	cells := slices.Clone(r.Cells)
	cells = slices.DeleteFunc(cells, func(c results.Cell) bool { return c.EndToEnd.N == 0 })
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return cmp.Compare(gain(b), gain(a)) })
	for _, c := range cells[:min(len(cells), 8)] {
		if m.Omission == nil {
			m.Omission = &table{Caption: "The cells in which it makes the greatest difference", Columns: columns("cell", "#n", "#p50 when due", "#p50 when sent", "#p99 when due", "#p99 when sent", "#max when due", "#max when sent", "#slip p99", "#sender's CPU")}
		}
		m.Omission.Rows = append(m.Omission.Rows, append([]entry{{Text: c.ID, Code: true}}, row(count(c.EndToEnd.N),
			maybe(c.EndToEnd.P50, milliseconds), maybe(c.Uncorrected.P50, milliseconds), maybe(c.EndToEnd.P99, milliseconds), maybe(c.Uncorrected.P99, milliseconds),
			milliseconds(c.EndToEnd.Max), milliseconds(c.Uncorrected.Max), maybe(c.Slip.P99, milliseconds), with(number(c.Sender.CPUCores), " cores"))...))
	}
	lo, hi, n := math.Inf(1), math.Inf(-1), 0
	for _, c := range r.Cells {
		if c.Simulated == nil {
			continue
		}
		if q := c.Simulated.CompletedRate / c.CompletedRate.Mean; believed(c) && finite(q) {
			lo, hi, n = min(lo, q), max(hi, q), n+1
		}
		if m.Simulated == nil {
			m.Simulated = &table{Caption: "The same loads on the same setups, simulated", Columns: columns("cell", "#completed", "#simulated", "#ratio", "#drained in", "#simulated", "#ratio")}
		}
		s := c.Simulated
		m.Simulated.Rows = append(m.Simulated.Rows, append([]entry{{Text: c.ID, Code: true}}, row(perSecond(c.CompletedRate.Mean), perSecond(s.CompletedRate), ratio(s.CompletedRate, c.CompletedRate.Mean),
			maybe(c.Backlog.DrainS, seconds), maybe(s.DrainS, seconds), ratio(of(s.DrainS), of(c.Backlog.DrainS)))...))
	}
	if n > 0 {
		m.Simulation = fmt.Sprintf("The simulation of which forecasts are made, run with the loads of %s, completes %s of what was measured.", plural(n, "cell", "cells"), between(lo, hi))
	}
	return m
}

// cleared is zero for what only rounding has left: points on a line are off it by 1e-16 of their values.
func cleared(v float64) float64 {
	if math.Abs(v) < 1e-9 {
		return 0
	}
	return v
}

// gain is by how much counting from when a subject was due changes the latency.
func gain(c results.Cell) float64 { return c.EndToEnd.Mean - c.Uncorrected.Mean }

// setup lists how the run was configured.
func setup(r results.Results) []group {
	known := func(items ...item) []item {
		return slices.DeleteFunc(items, func(i item) bool { return i.Value == "" || i.Value == draw.Unknown })
	}
	run := r.Run
	clock := ""
	if run.Clock.N > 0 {
		clock = fmt.Sprintf("servers %s ahead, ± %s, n %s", milliseconds(run.Clock.OffsetMs), milliseconds(run.Clock.ErrorMs), count(run.Clock.N))
	}
	groups := []group{{"Run", known(
		item{"id", run.ID}, item{"command", strings.Join(append([]string{"go run ./loadtest"}, run.Command...), " ")},
		item{"seed", strconv.FormatUint(run.Seed, 10)}, item{"started", moment(run.Started)}, item{"ended", moment(run.Ended)},
		item{"target", run.Target}, item{"stack", run.Stack}, item{"region", run.Region}, item{"endpoint", run.Endpoint},
		item{"commit", run.Git}, item{"Go", run.Go}, item{"machine", machine(run.Host)}, item{"clock", clock},
		item{"memory of the stack", maybe(run.MemoryMB, func(v float64) string { return number(v) + " MiB (PSS, at most)" })},
		item{"cost, estimated", maybe(run.CostUSD, dollars)}, item{"form", r.Schema},
	)}}
	s := run.Setup
	if s == (results.Setup{}) {
		return groups
	}
	concurrency := strconv.Itoa(s.Concurrency)
	if s.Concurrency == 0 {
		concurrency = "none"
	}
	reserved := "none"
	if s.ReservedConc != nil {
		reserved = strconv.Itoa(*s.ReservedConc)
	}
	return append(groups, group{"The stack as it was found, and is restored to", known(
		item{"MaximumConcurrency of requests", concurrency}, item{"batch size of requests", strconv.Itoa(s.Batch)}, item{"batching window", setting(s.WindowS)},
		item{"subjects of a batch at a time", strconv.Itoa(s.Parallelism)}, item{"visibility timeout", setting(s.VisibilityS)}, item{"function timeout", setting(s.FunctionTimeoutS)},
		item{"reserved concurrency", reserved}, item{"MaximumConcurrency of responses", strconv.Itoa(s.ResponsesConc)}, item{"batch size of responses", strconv.Itoa(s.ResponsesBatch)},
		item{"concurrency of the account", count(s.AccountConc)}, item{"receives before the dead-letter queue", strconv.Itoa(s.MaxReceiveCount)},
		item{"function", s.HandlerFunction}, item{"mapping", s.RequestsMappingID},
	)})
}

func machine(h results.Host) string {
	if h.Cores == 0 {
		return ""
	}
	return strings.Join(slices.DeleteFunc([]string{h.CPU, plural(h.Cores, "core", "cores"), h.OS}, func(s string) bool { return s == "" }), ", ")
}
