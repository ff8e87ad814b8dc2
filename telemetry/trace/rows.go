package main

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// A kind says how the time of a row passed.
type kind int

const (
	work  kind = iota
	queue      // an event waited
	bus        // an event was on its way
)

// A row is one line of the picture: a hop, or a call that a hop made.
type row struct {
	span   *tracetree.Span
	folded []*tracetree.Span // what it stands for as well, see [picture]
	parent *row              // the row in which it happened or that led to it
	sent   bool              // it is an event's way from parent, not what parent did
	kind   kind
	depth  int

	name, detail string
	notes        []string
	causes       []string // of its failure, but for those that a row beneath it gives
	problems     []tracetree.Problem
	logs         []logLine

	fault, error, throttle bool
	start, end             segment.Time // end 0: in progress

	// What has no times, or not all of them.
	silent   bool                // deliveries that nobody reported: nothing is known but that they were
	delivery *tracetree.Delivery // which; nil for what was reported
	before   bool                // it began at start, or before
	died     bool                // in progress for good: its process ended before it could say more
}

// failed tells whether anything went wrong, be it the caller's mistake.
func (r *row) failed() bool { return r.fault || r.error || r.throttle }

// A picture is a tree as a person wants to see it. Documents that describe one thing from several sides share a row:
//
//   - the Lambda service, the function that it ran, its Invocation and Overhead, and what the function says of the request
//   - the call of something that reports itself, and whoever called
//   - a call, and the segment that X-Ray infers from it
//   - the creation of an event, and the bus that it crossed
//
// Deliveries that nobody reported have a row that stands for no document.
//
// A row is indented beneath what it happened in. An event continues at the level of the function that sent it as long as
// that is the only one: a chain of events reads downwards and not off the edge. Of several, each is a branch.
type picture struct {
	rows []*row // in the order of drawing
	of   map[*tracetree.Span]*row
}

// newPicture makes the picture of a tree with its problems.
func newPicture(t *tracetree.Tree, problems, notes []tracetree.Problem) *picture {
	p := &picture{of: make(map[*tracetree.Span]*row, len(t.Spans))}
	for _, root := range t.Roots {
		p.root(root)
	}
	for _, r := range p.rows {
		p.describe(r)
	}
	p.dropRepeatedCauses()
	for _, problem := range problems {
		if r := p.of[problem.Span]; r != nil {
			r.problems = append(r.problems, problem)
		}
	}
	for _, note := range notes {
		switch r := p.of[note.Span]; {
		case r == nil:
		case note.Kind == tracetree.Unfinished:
			r.died = true
			r.notes = append(r.notes, note.Detail)
		case note.Kind == tracetree.GivenUp:
			r.notes = append(r.notes, "given up: another event was sent in its stead")
		case note.Kind == tracetree.BeganElsewhere:
			r.notes = append(r.notes, "began elsewhere, in span "+note.Span.ParentID.String())
		}
	}
	// What it had in progress ended with it.
	for _, r := range p.rows {
		for s := r.span.Parent; s != nil && s.InProgress && r.end == 0 && !r.died; s = s.Parent {
			r.died = p.of[s] != nil && p.of[s].died
		}
	}
	return p
}

func (p *picture) root(s *tracetree.Span) {
	switch {
	case s.IsBus() || s.IsQueue():
		p.hop(s, nil, 0)
	case s.IsCreation():
		p.event(s, nil, 0)
	default:
		p.events(p.place(s, nil, 0), p.of[s], 0)
	}
}

func (p *picture) add(s *tracetree.Span, parent *row, depth int) *row {
	r := &row{span: s, parent: parent, depth: depth, start: s.Began(), end: s.End, before: s.BeganBefore()}
	p.rows = append(p.rows, r)
	p.of[s] = r
	return r
}

func (p *picture) fold(s *tracetree.Span, into *row) {
	into.folded = append(into.folded, s)
	p.of[s] = into
}

// place draws a span with what it did and returns the events that it sent, which are drawn after all that.
func (p *picture) place(s *tracetree.Span, within *row, depth int) (events []*tracetree.Span) {
	if within != nil && s.IsCreation() {
		return []*tracetree.Span{s}
	}
	var r *row
	var inner int // depth of what it did
	switch {
	case within != nil && folds(s, within):
		r, inner = within, within.depth+1
		p.fold(s, r)
		if s.Origin == segment.OriginFunction {
			r.span, r.folded[len(r.folded)-1] = s, r.span
		}
	default:
		r, inner = p.add(s, within, depth), depth+1
	}
	for _, child := range s.Children {
		if child.IsBus() || child.IsQueue() {
			p.hop(child, r, inner)
			continue
		}
		events = append(events, p.place(child, r, inner)...)
	}
	if !s.Subsegment && r != within {
		p.events(events, r, depth)
		return nil
	}
	return events
}

// folds tells whether a span has no row of its own within that of another.
func folds(s *tracetree.Span, within *row) bool {
	if s.Inferred {
		return true
	}
	if !s.Subsegment {
		return s.Origin == segment.OriginFunction && within.span.Origin == segment.OriginLambda && s.Name == within.span.Name
	}
	if s.Namespace == "" {
		return s.Name == "Invocation" || s.Name == "Overhead" || s.Name == "Initialization" || s.Name == within.span.Name ||
			s.HTTP != nil && s.Parent != nil && (s.Parent.Origin == segment.OriginFunction || s.Parent.Name == "Invocation")
	}
	return slices.ContainsFunc(s.Children, func(child *tracetree.Span) bool { return !child.Subsegment && !child.Inferred })
}

// events draws the events that a function sent.
func (p *picture) events(creations []*tracetree.Span, sender *row, depth int) {
	slices.SortStableFunc(creations, func(a, b *tracetree.Span) int { return cmp.Compare(a.Start, b.Start) })
	if len(creations) > 1 {
		depth++
	}
	for _, c := range creations {
		p.event(c, sender, depth)
	}
}

// event draws an event: its creation, if that says more than the bus does, the way that it went, and the events that were sent in its
// stead, which lead on from it.
func (p *picture) event(creation *tracetree.Span, sender *row, depth int) {
	var hops, instead, rest []*tracetree.Span
	for _, child := range creation.Children {
		switch {
		case child.IsCreation():
			instead = append(instead, child)
		case child.Subsegment || child.Inferred:
			rest = append(rest, child)
		default:
			hops = append(hops, child)
		}
	}
	shown := len(hops) == 0 || creation.Error || creation.Fault || creation.InProgress || !hops[0].IsBus() ||
		slices.ContainsFunc(rest, func(s *tracetree.Span) bool { return len(s.Children) > 0 })
	if shown {
		sender = p.add(creation, sender, depth)
		for _, child := range rest {
			instead = append(instead, p.place(child, sender, depth+1)...)
		}
	}
	if len(hops) > 1 || len(hops) > 0 && len(instead) > 0 {
		depth++
	}
	for _, h := range hops {
		p.hop(h, sender, depth)
	}
	if !shown {
		sender = p.of[hops[0]]
		p.fold(creation, sender)
		for _, child := range rest {
			p.fold(child, sender)
		}
	}
	p.events(instead, sender, depth)
}

// hop draws a bus, a queue or a receiver, and where the event went from there.
func (p *picture) hop(s *tracetree.Span, from *row, depth int) {
	if !s.IsBus() && !s.IsQueue() {
		p.events(p.place(s, nil, depth), p.of[s], depth)
		p.of[s].parent, p.of[s].sent = from, true
		return
	}
	r := p.add(s, from, depth)
	r.kind, r.sent = bus, true
	if s.IsQueue() {
		r.kind = queue
	}
	queues := 0
	for _, child := range s.Children {
		if child.IsQueue() || child.IsBus() {
			queues++
		}
	}
	if queues > 1 {
		depth++
	}
	received := tracetree.Hop{Queue: s}
	for _, child := range s.Children {
		switch {
		case child.Subsegment || child.Inferred:
			p.events(p.place(child, r, depth+1), r, depth+1)
		case r.kind == queue && !child.IsQueue() && !child.IsBus():
			received.Consumers = append(received.Consumers, child)
		default:
			p.hop(child, r, depth)
		}
	}
	if r.kind == queue && (len(received.Consumers) > 0 || len(s.Children) == 0) {
		p.deliveries(received, r, depth)
	}
}

// deliveries draws what became of an event that a queue gave out, in time order.
func (p *picture) deliveries(h tracetree.Hop, from *row, depth int) {
	type drawn struct {
		tracetree.Delivery
		message int // counted from 1
		at      segment.Time
	}
	var list []drawn
	messages := 0
	for i, d := range h.Deliveries() {
		if i == 0 || d.Message != list[i-1].Message {
			messages++
		}
		next := drawn{d, messages, math.MaxInt64} // unless something later of the message is known
		if d.Began != 0 {
			next.at = d.Began
		}
		if d.Span != nil {
			if i > 0 && list[i-1].message == messages && list[i-1].Span == nil && list[i-1].Began == 0 {
				list[i-1].at = next.at
			}
		}
		list = append(list, next)
	}
	slices.SortStableFunc(list, func(a, b drawn) int { return cmp.Compare(a.at, b.at) })
	if messages > 1 {
		from.notes = append(from.notes, fmt.Sprintf("%d messages, times of the last", messages))
	}
	for _, d := range list {
		note := d.String()
		if messages > 1 {
			note = fmt.Sprintf("message %d", d.message)
			if d.Of > 1 || d.Again {
				note += ", " + d.String()
			}
		}
		if d.Span != nil {
			p.hop(d.Span, from, depth)
			r := p.of[d.Span]
			if d.Of > 1 || messages > 1 || d.Again {
				r.notes = append(r.notes, note)
			}
			if held, cold := h.ColdStart(d.Span); held > 0 {
				r.notes = append(r.notes, "cold start, "+duration(held)+" of the queue's time")
			} else if cold {
				r.notes = append(r.notes, "cold start")
			}
			continue
		}
		name := "receiver"
		if len(h.Consumers) > 0 {
			name = h.Consumers[0].Name
		}
		note += ": not reported"
		if d.Last == d.Of { // it may be at work
			note += " yet"
		}
		p.rows = append(p.rows, &row{
			span: &tracetree.Span{Document: segment.Document{TraceID: h.Queue.TraceID, Name: name}}, delivery: &d.Delivery,
			parent: from, sent: true, depth: depth, name: name, notes: []string{note}, start: d.Began, silent: true,
		})
	}
}

// describe says in words what a row is.
func (p *picture) describe(r *row) {
	if r.silent {
		return
	}
	all := append([]*tracetree.Span{r.span}, r.folded...)
	r.name = r.span.Node().Name
	if r.name == "" || r.span.Subsegment {
		r.name = r.span.Name
	}
	for _, s := range all {
		if s.Inferred && s != r.span {
			continue // as the call says
		}
		if s.IsCreation() && s != r.span {
			continue // the bus has its own times
		}
		r.fault, r.error, r.throttle = r.fault || s.Fault, r.error || s.Error, r.throttle || s.Throttle
		if s.Name != "Initialization" || s.Namespace != "" { // it precedes the function, or overlaps with its start
			r.start = min(r.start, s.Began())
		}
		if s.Cause != nil {
			for _, e := range s.Cause.Exceptions {
				if text := exceptionText(e); text != "" && !slices.Contains(r.causes, text) {
					r.causes = append(r.causes, text)
				}
			}
		}
	}
	// The outermost tells when it was over.
	outer := r.span
	for _, s := range r.folded {
		if !s.Inferred && !s.Subsegment && s.Origin == segment.OriginLambda {
			outer = s
		}
	}
	r.end = outer.End
	switch {
	case r.kind == queue:
		r.detail = "queue"
	case r.kind == bus:
		r.detail = "bus"
		if r.before {
			r.notes = append(r.notes, "when it was published is not known")
		}
	case r.span.IsCreation():
		r.detail = "PutEvents"
		if len(r.span.AWS.ResourceNames) > 0 {
			r.name = r.span.AWS.ResourceNames[0]
		}
	case r.span.Subsegment && r.span.Namespace == segment.NamespaceAWS:
		r.detail = call(r.span.AWS)
		if r.span.AWS != nil && r.span.AWS.Retries > 0 {
			r.notes = append(r.notes, count(r.span.AWS.Retries, "retry", "retries"))
		}
	default:
		r.detail = subjectMatter(all)
	}
	for _, s := range all {
		if s.Name == "Initialization" && s.Subsegment && s.Namespace == "" && s.Complete() {
			r.notes = append(r.notes, "cold start "+duration(s.End.Sub(s.Start)))
		}
		if outcome, ok := s.Annotation("outcome"); ok && outcome.String() != "ok" && !r.failed() {
			text := outcome.String()
			if text == "error" {
				text = "answered with an error"
			}
			if !slices.Contains(r.notes, text) {
				r.notes = append(r.notes, text)
			}
		}
	}
}

// call is what a call to an AWS service was about: the operation and the table, queue or whatever it was made to.
func call(a *segment.AWS) string {
	if a == nil {
		return ""
	}
	on := a.TableName
	switch {
	case on != "":
	case a.QueueURL != "":
		on = a.QueueURL[strings.LastIndexByte(a.QueueURL, '/')+1:]
	default:
		on = strings.Join(a.ResourceNames, ", ")
	}
	return strings.TrimSpace(a.Operation + " " + on)
}

// subjectMatter is what a segment was about: the type of the event, or the request.
func subjectMatter(spans []*tracetree.Span) string {
	for _, s := range spans {
		if typ, ok := s.Annotation("event_type"); ok {
			return typ.String()
		}
	}
	for _, s := range spans {
		if s.HTTP == nil || s.HTTP.Request.Method == "" {
			continue
		}
		path := s.HTTP.Request.URL
		if u, err := url.Parse(path); err == nil && u.Path != "" {
			path = u.Path
		}
		text := s.HTTP.Request.Method + " " + path
		if status := s.HTTP.Response.Status; status != 0 {
			text += " " + strconv.Itoa(status)
		}
		return text
	}
	return ""
}

func exceptionText(e segment.Exception) string {
	switch {
	case e.Message == "" || e.Message == e.Type:
		return e.Type
	case e.Type == "" || strings.HasPrefix(e.Message, e.Type):
		return e.Message
	}
	return e.Type + ": " + e.Message
}

// dropRepeatedCauses leaves a cause to the innermost row that gives it: the callers mostly pass it on.
func (p *picture) dropRepeatedCauses() {
	last := make(map[string]*row)
	for _, r := range slices.Backward(p.rows) {
		r.causes = slices.DeleteFunc(r.causes, func(text string) bool {
			inner := last[text]
			last[text] = r
			return inner != nil && inner.within(r)
		})
	}
}

// within tells whether the row is part of what the other did, events not followed.
func (r *row) within(other *row) bool {
	for ; r != nil && !r.sent; r = r.parent {
		if r.parent == other {
			return true
		}
	}
	return false
}

// A failed row is where something went wrong, and how often it did so in the same way.
type failedRow struct {
	*row
	times int
}

// failures are the rows at which failures began, those of one kind together, faults before mistakes of callers.
func (p *picture) failures() []failedRow {
	var list []failedRow
	index := make(map[string]int)
	for i, r := range p.rows {
		if !r.failed() {
			continue
		}
		passedOn := false
		for _, inner := range p.rows[i+1:] {
			if inner.depth <= r.depth {
				break
			}
			passedOn = passedOn || inner.failed() && inner.within(r)
		}
		if len(r.causes) == 0 && passedOn {
			continue
		}
		key := fmt.Sprint(r.fault, r.name, r.owner(), r.causes)
		if at, known := index[key]; known {
			list[at].times++
			continue
		}
		index[key] = len(list)
		list = append(list, failedRow{r, 1})
	}
	slices.SortStableFunc(list, func(a, b failedRow) int {
		switch {
		case a.fault == b.fault:
			return 0
		case a.fault:
			return -1
		}
		return 1
	})
	return list
}

// owner is the name of the function in which the row happened; "" for a row of its own.
func (r *row) owner() string {
	if s := r.span.Segment(); s != nil && r.span.Subsegment {
		return s.Name
	}
	return ""
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
