package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// A screen is where a picture is drawn.
type screen struct {
	width  int // of the terminal, in characters; 0: none, nothing is cut
	colour bool
}

// A paint is an ANSI colour.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

func (s screen) in(p paint, text string) string {
	if !s.colour || p == plain || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// Columns before the bar: start, space, duration, two spaces.
const numbers = 9 + 1 + 9 + 2

// bar is how wide the bars are: a third of what the numbers leave.
func (s screen) bar() int {
	if s.width == 0 {
		return 30
	}
	return min(max((s.width-numbers)/3, 8), 60)
}

// strokes are the bars' characters and colours: waits are told from work by both.
var strokes = map[kind]struct {
	char  string
	paint paint
}{work: {"█", green}, queue: {"░", yellow}, bus: {"┄", cyan}}

// drawing is everything that one picture needs.
type drawing struct {
	screen
	tree     *tracetree.Tree
	picture  *picture
	problems []tracetree.Problem
	times    tracetree.Times
	question *question
	console  string // the console's address, without the trace; "" if there is none
	logs     *logs  // nil: not asked for
	record   *recording
}

// draw writes it. What is looked for first comes first: how long it took, what failed, what is missing.
func (d *drawing) draw(w io.Writer) error {
	var b strings.Builder
	d.summary(&b)
	d.rows(&b)
	d.footer(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *drawing) summary(b *strings.Builder) {
	traces := make([]string, len(d.tree.Traces))
	for i, id := range d.tree.Traces {
		traces[i] = id.String()
	}
	failures, faults, errors, open := d.picture.failures(), 0, 0, 0
	for _, f := range failures {
		if f.fault {
			faults += f.times
		} else {
			errors += f.times
		}
	}
	for _, r := range d.picture.rows {
		if r.end == 0 {
			open++
		}
	}
	verdict := []string{duration(d.times.Duration)}
	if faults > 0 {
		verdict = append(verdict, d.in(red, count(faults, "fault", "faults")))
	}
	if errors > 0 {
		verdict = append(verdict, d.in(yellow, count(errors, "error", "errors")))
	}
	if open > 0 {
		verdict = append(verdict, d.in(yellow, fmt.Sprintf("%d in progress", open)))
	}
	if broken := missing(d.problems); len(broken) > 0 {
		verdict = append(verdict, d.in(yellow, "incomplete"))
	}
	fmt.Fprintf(b, "%s  %s\n", d.in(bold, strings.Join(traces, " ")), strings.Join(verdict, ", "))

	part := func(name string, p paint, of time.Duration) string {
		percent := 0.0
		if d.times.Duration > 0 {
			percent = 100 * float64(of) / float64(d.times.Duration)
		}
		return d.in(p, fmt.Sprintf("%s %s", name, duration(of))) + d.in(dim, fmt.Sprintf(" (%.0f %%)", percent))
	}
	fmt.Fprintf(b, "%s   %s   %s   %s\n", part("█ work", green, d.times.Work), part("░ queues", yellow, d.times.Queue),
		part("┄ buses", cyan, d.times.Bus), part("untraced", dim, d.times.Untraced))

	const most = 5
	for i, f := range failures {
		if i == most {
			fmt.Fprintf(b, "%s\n", d.in(red, fmt.Sprintf("✗ and %d more of other kinds", len(failures)-most)))
			break
		}
		mark, p := "✗ ", red
		if !f.fault {
			mark, p = "! ", yellow
		}
		text := mark + visible(f.name)
		if owner := f.owner(); owner != "" && owner != f.name {
			text += " in " + visible(owner)
		}
		text += " at " + duration(f.start.Sub(d.times.Start))
		if f.times > 1 {
			text += fmt.Sprintf(" and %s", count(f.times-1, "time more", "times more"))
		}
		for _, cause := range f.causes {
			text += ": " + visible(cause)
		}
		if len(f.causes) == 0 && f.detail != "" {
			text += ": " + visible(f.detail)
		}
		fmt.Fprintln(b, d.in(p, text))
	}
	for _, p := range d.problems {
		if d.picture.of[p.Span] == nil {
			fmt.Fprintln(b, d.in(yellow, "! "+problemText(p)))
		}
	}
	for _, id := range d.record.full {
		fmt.Fprintln(b, d.in(yellow, "! "+id.String()+" has reached X-Ray's limit of size: what came after is not in it"))
	}
	if n := d.record.unreadable; n > 0 {
		fmt.Fprintln(b, d.in(yellow, fmt.Sprintf("! %s could not be read: %s", count(n, "document", "documents"), visible(d.record.reason.Error()))))
	}
	b.WriteByte('\n')
}

func (d *drawing) rows(b *strings.Builder) {
	bar := d.bar()
	scale := duration(d.times.Duration)
	fmt.Fprintln(b, d.in(dim, fmt.Sprintf("%9s %9s  0%*s", "start", "took", bar-1, scale)))
	for _, r := range d.picture.rows {
		d.row(b, r, bar)
	}
}

const maxIndent = 24 // levels; deeper rows are no further to the right

func (d *drawing) row(b *strings.Builder, r *row, bar int) {
	took, mark, p := "...", "  ", plain
	if r.end != 0 {
		took = duration(r.end.Sub(r.start))
	}
	switch {
	case r.fault:
		mark, p = d.in(red, "✗")+" ", red
	case r.failed():
		mark, p = d.in(yellow, "!")+" ", yellow
	case r.end == 0:
		p = yellow
	case r.kind != work:
		p = strokes[r.kind].paint
	}
	notes := r.notes
	if r.end == 0 {
		notes = append([]string{"in progress"}, notes...)
	}
	switch {
	case r.throttle:
		notes = append([]string{"throttled"}, notes...)
	case r.fault:
		notes = append([]string{"fault"}, notes...)
	case r.error:
		notes = append([]string{"error"}, notes...)
	}
	indent := strings.Repeat("  ", min(r.depth, maxIndent))
	name, detail := visible(r.name), visible(r.detail)
	note := ""
	if len(notes) > 0 {
		note = "[" + visible(strings.Join(notes, ", ")) + "]"
	}
	if d.width > 0 {
		// What does not fit is cut from the detail first, then from the name; notes stay.
		room := max(d.width-numbers-bar-3-utf8.RuneCountInString(indent)-utf8.RuneCountInString(note)-2, 16)
		name = cut(name, room)
		detail = cut(detail, max(room-utf8.RuneCountInString(name)-1, 0))
	}
	line := fmt.Sprintf("%9s %9s  %s %s%s%s", duration(r.start.Sub(d.times.Start)), took, d.stroke(r, bar), mark, indent, d.in(p, name))
	if detail != "" {
		line += " " + d.in(dim, detail)
	}
	if note != "" {
		line += " " + d.in(p, note)
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))

	under := strings.Repeat(" ", numbers+bar+1) + "  " + indent + "  "
	for _, cause := range r.causes {
		fmt.Fprintln(b, under+d.in(p, "╰ "+visible(cause)))
	}
	for _, problem := range r.problems {
		if problem.Kind != tracetree.InProgress { // the row says it
			fmt.Fprintln(b, under+d.in(yellow, "╰ "+problemText(problem)))
		}
	}
	for _, l := range r.logs {
		fmt.Fprintln(b, d.logLine(under, l))
	}
}

// stroke is the bar of a row: at least one character, however short the row was. One in progress has no end.
func (d *drawing) stroke(r *row, bar int) string {
	total := float64(max(d.times.Duration, 1))
	at := func(t segment.Time) int {
		return int(float64(t.Sub(d.times.Start)) / total * float64(bar))
	}
	first := min(max(at(r.start), 0), bar-1)
	end := r.end
	char, p := strokes[r.kind].char, strokes[r.kind].paint
	if end == 0 {
		end, char, p = d.times.End, "▒", yellow
	}
	length := min(max(at(end)-first, 1), bar-first)
	if r.fault {
		p = red
	}
	return strings.Repeat(" ", first) + d.in(p, strings.Repeat(char, length)) + strings.Repeat(" ", bar-first-length)
}

func (d *drawing) footer(b *strings.Builder) {
	b.WriteByte('\n')
	line := func(name, text string) { fmt.Fprintf(b, "%s %s\n", d.in(dim, fmt.Sprintf("%-8s", name)), text) }
	if subject := subjectOf(d.question, d.tree); subject != "" {
		line("subject", visible(subject))
	}
	if s := d.question.arvo; s != nil {
		line("", d.in(dim, visible(fmt.Sprintf("%s %s, execution %s, for %s", s.Orchestrator.Name, s.Orchestrator.Version, s.Execution.ID, s.Execution.Initiator))))
	}
	line("began", d.times.Start.Time().Format("2006-01-02 15:04:05.000 UTC"))
	if d.console != "" {
		for _, id := range d.tree.Traces {
			line("console", d.console+id.String())
		}
	}
	const most = 3
	for i, id := range d.tree.Linked {
		if i == most {
			line("", d.in(dim, fmt.Sprintf("and %d more", len(d.tree.Linked)-most)))
			break
		}
		name := ""
		if i == 0 {
			name = "linked"
		}
		line(name, id.String()+d.in(dim, "  "+visible(linkedBy(d.tree, id))))
	}
	if d.logs != nil {
		d.logs.footer(b, d.screen)
	}
}

// linkedBy says what a trace is to which this one links.
func linkedBy(t *tracetree.Tree, id segment.TraceID) string {
	for _, s := range t.Spans {
		if client, ok := s.Annotation("client_trace_id"); ok && client.String() == id.W3C() {
			return "the client's own trace"
		}
		for _, l := range s.Links {
			if l.TraceID == id && s.Origin == segment.OriginFunction {
				return "an invocation of " + s.Name
			}
		}
	}
	return ""
}

// subjectOf is the subject that was asked for, or the first that the documents name.
func subjectOf(q *question, t *tracetree.Tree) string {
	if s := q.subject(); s != "" {
		return s
	}
	for _, s := range t.Spans {
		if subject, ok := s.Annotation("subject"); ok {
			return subject.String()
		}
	}
	return ""
}

func problemText(p tracetree.Problem) string {
	text := string(p.Kind)
	if p.Lost {
		text = "lost document (" + text + ")"
	}
	return text + ": " + visible(p.Detail)
}

// missing are the problems that make a trace incomplete.
func missing(problems []tracetree.Problem) []tracetree.Problem {
	var list []tracetree.Problem
	for _, p := range problems {
		if p.Kind != tracetree.InProgress {
			list = append(list, p)
		}
	}
	return list
}

// duration is a time with three significant digits, in the unit that suits it.
func duration(d time.Duration) string {
	switch abs := d.Abs(); {
	case abs == 0:
		return "0"
	case abs < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case abs < 9995*time.Microsecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case abs < 99950*time.Microsecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case abs < 999500*time.Microsecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case abs < 9995*time.Millisecond:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case abs < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// visible is a text that may come from anybody as one line without control characters, which a terminal would obey.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case hidden(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// hidden tells of a character that is not drawn, or that changes the direction of what follows.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// cut is s with at most n characters, the last an ellipsis if any are missing.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n <= 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}
