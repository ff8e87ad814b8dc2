package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

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
	region   string // whose console shows the traces; "" if none does
	logs     *logs  // nil: not asked for
	record   *recording
	standing standing
	waited   bool // for the answer
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
		if r.end == 0 && !r.silent && !r.died {
			open++
		}
	}
	verdict := []string{duration(d.times.Duration)}
	if at := d.standing.answered; at != 0 {
		if after := duration(at.Sub(d.times.Start)); after != verdict[0] {
			verdict = append(verdict, "first answer after "+after)
		}
	}
	if faults > 0 {
		verdict = append(verdict, d.in(red, count(faults, "fault", "faults")))
	}
	if errors > 0 {
		verdict = append(verdict, d.in(yellow, count(errors, "error", "errors")))
	}
	if open > 0 {
		verdict = append(verdict, d.in(yellow, fmt.Sprintf("%d in progress", open)))
	}
	if d.incomplete() {
		verdict = append(verdict, d.in(yellow, "incomplete"))
	}
	if d.standing.pending {
		verdict = append(verdict, d.in(yellow, "pending"))
	}
	b.WriteString(d.in(bold, strings.Join(traces, " ")))
	title := columnsOf(strings.Join(traces, " "))
	for i, v := range verdict {
		if i < len(verdict)-1 {
			v += ","
		}
		title = d.beside(b, v, title, 2-min(i, 1))
	}
	b.WriteByte('\n')

	used := 0
	part := func(name string, p paint, of time.Duration) {
		percent := 0.0
		if d.times.Duration > 0 {
			percent = 100 * float64(of) / float64(d.times.Duration)
		}
		used = d.beside(b, d.in(p, fmt.Sprintf("%s %s", name, duration(of)))+d.in(dim, fmt.Sprintf(" (%.0f %%)", percent)), used, 3)
	}
	part(strokes[work].char+" work", strokes[work].paint, d.times.Work)
	part(strokes[queue].char+" queues", strokes[queue].paint, d.times.Queue)
	part(strokes[bus].char+" buses", strokes[bus].paint, d.times.Bus)
	part("untraced", dim, d.times.Untraced)
	b.WriteByte('\n')

	say := func(p paint, text string) {
		for _, line := range d.hang(text, 2, 0) {
			fmt.Fprintln(b, d.in(p, line))
		}
	}
	if text := d.standing.text; text != "" {
		if !d.waited && !d.standing.stale {
			text += " (--wait 30s waits for it)"
		}
		say(yellow, "… "+visible(text))
	}
	const most = 5
	for i, f := range failures {
		if i == most {
			say(red, fmt.Sprintf("✗ and %d more of other kinds", len(failures)-most))
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
		say(p, text)
	}
	for _, p := range d.problems {
		if d.picture.of[p.Span] == nil {
			say(yellow, "! "+d.problemText(p))
		}
	}
	if n := d.record.others; n > 0 {
		say(dim, "· "+count(n, "other subject shares this trace and is", "other subjects share this trace and are")+" left out; by the trace's id, all are shown")
	}
	for _, id := range d.record.full {
		say(yellow, "! "+id.String()+" has reached X-Ray's limit of size: what came after is not in it")
	}
	if n := d.record.unreadable; n > 0 {
		say(yellow, fmt.Sprintf("! %s could not be read: %s", count(n, "document", "documents"), visible(d.record.reason.Error())))
	}
	if n := d.record.unprocessed; n > 0 {
		say(yellow, fmt.Sprintf("! %s could not be read: X-Ray leaves it unprocessed, try again in a moment", count(n, "trace", "traces")))
	}
	b.WriteByte('\n')
}

// beside writes a part of a line behind what has used so many columns, after a gap, or on the next line if there is no room. It returns how
// many are used then.
func (d *drawing) beside(b *strings.Builder, part string, used, gap int) int {
	n := columnsOf(uncoloured(part))
	switch {
	case used == 0:
		gap = 0
	case used+gap+n > d.columns():
		b.WriteByte('\n')
		used, gap = 0, 0
	}
	b.WriteString(strings.Repeat(" ", gap) + part)
	return used + gap + n
}

// uncoloured is a text without what [screen.in] has put into it.
func uncoloured(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, "m")
	}
}

func (d *drawing) rows(b *strings.Builder) {
	wanted := 0
	for _, r := range d.picture.rows {
		name, detail, note := r.words()
		n := 2*r.depth + columnsOf(name) + 1 + columnsOf(detail)
		if note != "" {
			n += columnsOf(note) + 3
		}
		wanted = max(wanted, n)
	}
	l := d.layout(wanted)
	axis := fmt.Sprintf("%*s  ", timeColumns, "took")
	if l.start {
		axis = fmt.Sprintf("%*s ", timeColumns, "start") + axis
	}
	if l.bar > 0 {
		scale := duration(d.times.Duration)
		if len(scale)+2 > l.bar {
			axis += cut(fmt.Sprintf("%*s", l.bar, scale), l.bar)
		} else {
			axis += fmt.Sprintf("0%*s", l.bar-1, scale)
		}
	}
	fmt.Fprintln(b, d.in(dim, strings.TrimRight(axis, " ")))
	for _, r := range d.picture.rows {
		d.row(b, r, l)
	}
}

// words are what a row says, without what a terminal would obey.
func (r *row) words() (name, detail, note string) {
	notes := r.notes
	if r.end == 0 && !r.silent && !r.died {
		notes = append([]string{"in progress"}, notes...)
	}
	if r.throttle { // faults and errors have their marks
		notes = append([]string{"throttled"}, notes...)
	}
	return visible(r.name), visible(r.detail), visible(strings.Join(notes, ", "))
}

func (d *drawing) row(b *strings.Builder, r *row, l layout) {
	start, took, mark, p := duration(r.start.Sub(d.times.Start)), "...", "  ", plain
	switch {
	case r.silent && r.start == 0:
		start, took = "?", "?"
	case r.silent:
		took = "?"
	case r.before:
		start, took = "≤ "+start, "?"
	case r.end != 0:
		took = duration(r.end.Sub(r.start))
	}
	switch {
	case r.fault:
		mark, p = d.in(red, "✗")+" ", red
	case r.failed():
		mark, p = d.in(yellow, "!")+" ", yellow
	case r.silent:
		mark, p = d.in(yellow, "?")+" ", yellow
	case r.end == 0:
		p = yellow
	case r.kind != work:
		p = strokes[r.kind].paint
	}
	name, detail, note := r.words()
	indent := l.indent(r.depth)
	room := l.names - indent
	// What does not fit is cut from the detail first; notes go beneath before anything is cut of a name.
	beneath := ""
	if note != "" {
		// A stump of the detail is worth less than the line beneath.
		if columnsOf(name)+1+min(columnsOf(detail), 12)+1+columnsOf(note)+2 > room {
			note, beneath = "", note
		} else {
			note = "[" + note + "]"
		}
	}
	name = cut(name, room)
	left := room - columnsOf(name) - 1
	if note != "" {
		left -= columnsOf(note) + 1
	}
	detail = cut(detail, max(left, 0))

	line := fmt.Sprintf("%*s  ", timeColumns, took)
	if l.start {
		line = fmt.Sprintf("%*s ", timeColumns, start) + line
	}
	line += d.stroke(r, l.bar) + " " + mark + strings.Repeat(" ", indent) + d.in(p, name)
	if detail != "" {
		line += " " + d.in(dim, detail)
	}
	if note != "" {
		line += " " + d.in(p, note)
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))

	// What is said of a row stands beneath its name; where that leaves no room, further to the left.
	left = l.before() + indent + 2
	if d.columns()-left < 30 {
		left = max(2, min(left, d.columns()-40))
	}
	under := func(p paint, first, text string) {
		for i, part := range d.wrap(text, d.columns()-left-columnsOf(first)) {
			if i > 0 {
				first = strings.Repeat(" ", columnsOf(first))
			}
			fmt.Fprintln(b, strings.Repeat(" ", left)+d.in(p, first+part))
		}
	}
	if beneath != "" {
		under(p, hookedUnder, beneath)
	}
	for _, cause := range r.causes {
		under(p, hookedUnder, visible(cause))
	}
	for _, problem := range r.problems {
		if problem.Kind != tracetree.InProgress { // the row says it
			under(yellow, hookedUnder, d.problemText(problem))
		}
	}
	for _, line := range r.logs {
		under(line.paint(), "│ ", line.shown())
	}
}

// stroke is the bar of a row: at least one character, however short the row was. One in progress has no end.
func (d *drawing) stroke(r *row, bar int) string {
	if r.silent && r.start == 0 || bar == 0 {
		return strings.Repeat(" ", bar)
	}
	total := float64(max(d.times.Duration, 1))
	at := func(t segment.Time) int {
		return int(float64(t.Sub(d.times.Start)) / total * float64(bar))
	}
	first := min(max(at(r.start), 0), bar-1)
	end := r.end
	char, p := strokes[r.kind].char, strokes[r.kind].paint
	switch {
	case r.died || r.silent: // and nobody knows for how long
		end, char, p = r.start, "▒", yellow
	case end == 0:
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
		text := visible(fmt.Sprintf("%s %s, execution %s, for %s", s.Orchestrator.Name, s.Orchestrator.Version, s.Execution.ID, s.Execution.Initiator))
		for _, part := range d.wrap(text, d.columns()-label) {
			line("", d.in(dim, part))
		}
	}
	line("began", d.times.Start.Time().Format("2006-01-02 15:04:05.000 UTC"))
	for _, id := range d.tree.Traces {
		if url := id.ConsoleURL(d.region); url != "" {
			line("console", url)
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
		text, what := id.String(), visible(linkedBy(d.tree, id))
		if beside := "  " + what; what != "" && (!d.terminal || label+columnsOf(text+beside) <= d.columns()) {
			text, what = text+d.in(dim, beside), ""
		}
		line(name, text)
		for _, part := range d.wrap(what, d.columns()-label) {
			if part != "" {
				line("", d.in(dim, part))
			}
		}
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
		if !slices.ContainsFunc(s.Links, func(l segment.Link) bool { return l.TraceID == id }) {
			continue
		}
		root := s // of what one process did
		for root.Parent != nil && !root.IsBus() && !root.IsQueue() && !root.IsCreation() {
			root = root.Parent
		}
		_, message := s.Annotation("event_type")
		switch {
		case root.Origin == segment.OriginStage:
			return "the subject's: its request was made before, and this one repeats it"
		case root.IsCreation() || root.IsBus() || root.IsQueue() || message:
			return "an invocation of " + s.Name
		case s.Segment() != nil:
			return "an event that " + s.Segment().Name + " took"
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

func (d *drawing) problemText(p tracetree.Problem) string {
	detail := visible(p.Detail)
	switch {
	case d.standing.explains(p):
		return "pending: " + detail + " yet"
	case p.Lost:
		return "lost document (" + string(p.Kind) + "): " + detail
	}
	return string(p.Kind) + ": " + detail
}

// incomplete tells whether something is missing that does not come by itself.
func (d *drawing) incomplete() bool {
	return slices.ContainsFunc(d.problems, func(p tracetree.Problem) bool { return p.Kind != tracetree.InProgress && !d.standing.explains(p) })
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
