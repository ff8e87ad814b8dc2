package tracetree

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"example.com/arvo/telemetry/segment"
)

// A Kind of problem.
type Kind string

// The kinds of problems.
const (
	Empty          Kind = "no documents"
	SeveralTraces  Kind = "several traces"
	SeveralRoots   Kind = "several roots"
	DanglingParent Kind = "dangling parent"
	MissingHop     Kind = "missing hop"
	InProgress     Kind = "in progress"
	Cycle          Kind = "cycle"
)

// The kinds of notes.
const (
	BeganElsewhere Kind = "began elsewhere"
	NotReported    Kind = "not reported"
	Unfinished     Kind = "unfinished report"
	GivenUp        Kind = "given up"
)

// A Problem is a way in which a trace is not whole.
type Problem struct {
	Kind Kind
	// Lost: it can be shown that the trace is sound and a document of it did not arrive (yet). Otherwise the document
	// may never have been made, or the trace may be broken.
	Lost bool
	// Open: nothing else is wrong with the trace, and time may mend this: the event waits in its queue, for the first time or for another
	// try, or somebody is at work on it. How long that may take is for the reader to know, who has a clock.
	Open   bool
	Span   *Span  // where; nil for the trace as a whole
	Detail string // a sentence
}

func (p Problem) String() string {
	s := string(p.Kind)
	if p.Lost {
		s += ", lost"
	}
	if p.Open {
		s += ", open"
	}
	if p.Span != nil {
		s += " at " + p.Span.ID.String() + " " + p.Span.Name
	}
	return s + ": " + p.Detail
}

// Check returns what is wrong with the trace of a subject, first how often it begins, then the rest in the order of Spans; nothing if it
// is whole. Traces linked to are none of its business and belong in a tree of their own.
//
//   - no documents, several traces, several roots: a subject has one trace, and a trace begins once, or
//     once for each subject of a client that puts the requests for several into one trace.
//   - dangling parent: parent_id names a document that is not there, and that somebody of this trace should have sent; see
//     [Tree.Notes]. Lost, if the id is that of a hop of an event whose creation is known ([segment.HopID]), or if the span is itself
//     such a hop of the parent that it names, which only happens when the parent was known to who reported it.
//   - missing hop: an event that was created and published was not received; a bus was crossed but no queue (lost: both
//     are reported together); no function took the event from its queue; a function received the event by no queue
//     although others were reported, and does not say that it came from the bus itself; a traced call has no segment of the callee.
//     Open, if it is the last that is known of an event which is on its way. An event that was given up ([Hop.GivenUp]) is not missed:
//     that is a note.
//   - in progress: the span never ended. Only the outermost of spans within each other is told, and none of which is known that its
//     process died: that is a note. Open, if it is a delivery.
//   - cycle: the span is its own ancestor.
//
// queues are names of queues that need not occur in the tree: without them, a queue all of whose documents were lost is
// not recognised as such.
func (t *Tree) Check(queues ...string) []Problem {
	if len(t.Spans) == 0 {
		return []Problem{{Kind: Empty, Detail: "there is not one document"}}
	}
	var problems []Problem
	report := func(kind Kind, lost bool, s *Span, format string, args ...any) {
		problems = append(problems, Problem{Kind: kind, Lost: lost, Span: s, Detail: fmt.Sprintf(format, args...)})
	}
	if len(t.Traces) > 1 {
		report(SeveralTraces, false, nil, "%d traces, the first two are %s and %s", len(t.Traces), t.Traces[0], t.Traces[1])
	}
	t.checkRoots(report)

	elsewhere := t.elsewhere()
	// What begins a second time, or nowhere, may be what became of an event that seems to be on its way.
	sound := len(problems) == 0 && !slices.ContainsFunc(t.Roots, func(s *Span) bool { return s.Cyclic || s.Dangling && elsewhere[s] == "" })
	hops := t.Hops()
	lost := t.lostHops(hops, queues)
	// What is known to be lost is told once: at the span that misses it, not at the event as well.
	explained := make(map[*Span]bool)
	for _, s := range t.Roots {
		if h, ok := lost[s.parentKey()]; ok && s.Dangling {
			explained[h.beneath] = true
		}
	}
	missing := missingHops(hops, explained)

	for _, s := range t.Spans {
		switch {
		case s.Cyclic:
			report(Cycle, false, s, "it is its own ancestor by its parent %s", s.ParentID)
		case s.Dangling && elsewhere[s] != "":
		case s.Dangling:
			if h, ok := lost[s.parentKey()]; ok {
				report(DanglingParent, true, s, "its parent %s is the document of %s %s, which did not arrive", s.ParentID, h.what, h.name)
			} else if (s.IsBus() || s.IsQueue()) && s.ID == segment.HopID(s.TraceID, s.ParentID, s.Origin, s.Name) {
				report(DanglingParent, true, s, "its id was derived from its parent %s, whose document did not arrive", s.ParentID)
			} else {
				report(DanglingParent, false, s, "nothing in the trace leads to its parent %s", s.ParentID)
			}
		}
		if s.InProgress && !s.Complete() && !s.Inferred && (s.Parent == nil || !s.Parent.InProgress) && !s.unfinished() {
			problems = append(problems, Problem{Kind: InProgress, Open: sound && s.delivered(), Span: s, Detail: "it began and has not ended"})
		}
		if s.Subsegment && s.traced() && !s.hasSegment() {
			report(MissingHop, false, s, "the service that it called is traced, and sent no segment")
		}
		for _, p := range missing[s] {
			p.Open = p.Open && sound
			problems = append(problems, p)
		}
	}
	return problems
}

// Notes returns what a reader of the trace wants to know about its documents and what does not make it less whole, in the order of
// Spans:
//
//   - began elsewhere: parent_id names a span of a caller who reports nothing to X-Ray: a client that brought a trace along in
//     X-Amzn-Trace-Id, or a producer with a tracer of its own. It is told by the span that API Gateway or Lambda made for the first
//     request, and by a bus, or a receiver, that does not name the span which our publishers derive from the event's id.
//   - not reported: a queue gave a message out, and the receiver reported nothing, because its process was killed or its
//     documents were lost; a later delivery counts it. Of an event that no delivery reports, Check tells.
//   - unfinished report: a span is in progress still, and its process ended before it could say more: a part of an invocation
//     that is over; a delivery that was followed by another; the creation of an event that was received.
//   - given up: an event has not got through, and another was sent in its stead.
func (t *Tree) Notes() []Problem {
	var notes []Problem
	note := func(kind Kind, s *Span, format string, args ...any) {
		notes = append(notes, Problem{Kind: kind, Span: s, Detail: fmt.Sprintf(format, args...)})
	}
	elsewhere := t.elsewhere()
	silent, givenUp := make(map[*Span][]Delivery), make(map[*Span]bool)
	for _, h := range t.Hops() {
		if h.GivenUp() {
			givenUp[h.Creation] = true
		}
		for _, d := range h.Deliveries() {
			if d.Span == nil && len(h.Consumers) > 0 {
				silent[h.Queue] = append(silent[h.Queue], d)
			}
		}
	}
	for _, s := range t.Spans {
		if s.Dangling {
			if who := elsewhere[s]; who != "" {
				note(BeganElsewhere, s, "its parent %s is a span of %s, who reports elsewhere or nowhere", s.ParentID, who)
			}
		}
		if s.unfinished() {
			note(Unfinished, s, "in progress: its process ended before it could say more")
		}
		if givenUp[s] {
			note(GivenUp, s, "the event%s has not got through, and another one was sent in its stead", to(s))
		}
		for _, d := range silent[s] {
			note(NotReported, s, "%s: the receiver was killed, or its documents were lost", d)
		}
	}
	return notes
}

// String is which delivery it is, as "delivery 1 of 2" or "deliveries 1 to 3 of 4"; "delivery 1" while there may be more of them.
func (d Delivery) String() string {
	text := fmt.Sprintf("delivery %d", d.First)
	if d.First != d.Last {
		text = fmt.Sprintf("deliveries %d to %d", d.First, d.Last)
	}
	if d.Again {
		text = "a duplicate of " + text
	}
	if !d.Open {
		text += fmt.Sprintf(" of %d", d.Of)
	}
	return text
}

// elsewhere says of dangling spans who made their parent, if it was somebody who has nothing to do with the system.
func (t *Tree) elsewhere() map[*Span]string {
	who := make(map[*Span]string)
	begun, hops := make(map[segment.TraceID]bool), make(map[segment.TraceID]bool)
	for _, s := range t.Spans {
		if s.IsBus() || s.IsQueue() {
			hops[s.TraceID] = true
		}
	}
	for _, s := range t.Roots { // in time order
		event := s.EventID()
		switch {
		case !s.Dangling || s.Subsegment || s.Inferred:
			begun[s.TraceID] = true
		case s.Origin == segment.OriginStage || s.Origin == segment.OriginLambda:
			if !begun[s.TraceID] {
				who[s] = "the client"
			}
		case s.IsBus():
			if events := s.events(); len(events) > 0 && !slices.ContainsFunc(events, func(event string) bool { return s.ParentID == segment.CreationID(s.TraceID, event) }) {
				who[s] = "the event's producer"
			}
			begun[s.TraceID] = true
		default:
			if event != "" && !hops[s.TraceID] && s.ParentID != segment.CreationID(s.TraceID, event) {
				who[s] = "the event's producer"
			}
			begun[s.TraceID] = true
		}
	}
	return who
}

// events are the ids of the events that the receivers beneath a bus tell of.
func (s *Span) events() []string {
	var ids []string
	for _, child := range s.Children {
		switch {
		case child.Subsegment || child.Inferred:
		case child.IsQueue():
			ids = append(ids, child.events()...)
		case child.EventID() != "":
			ids = append(ids, child.EventID())
		}
	}
	return ids
}

// unfinished tells of a span in progress that its process has ended, and that the trace goes on without it. What a function reports
// before it sends an event stays as it is when its process dies.
func (s *Span) unfinished() bool {
	if !s.InProgress || s.Complete() {
		return false
	}
	switch {
	case s.Parent != nil && s.Parent.InProgress && s.Subsegment: // as a part of that
		return false
	case s.IsCreation(): // somebody has received the event
		for _, child := range s.Children {
			if !child.Subsegment && !child.Inferred {
				return true
			}
		}
		return false
	case s.Subsegment: // a part of an invocation, which is over; a call of somebody has a namespace
		return s.Namespace == "" && s.segment != nil && s.segment.Complete()
	case s.Parent != nil && s.Origin == segment.OriginFunction: // what it was about was delivered again
		for _, other := range slices.Backward(s.Parent.Children) { // the last ones first: of very many, few are looked at
			if other.Start <= s.Start {
				break
			}
			if !other.Subsegment && other.Node() == s.Node() {
				return true
			}
		}
	}
	return false
}

// checkRoots tells of roots that begin what has begun already. Two requests within one trace, each for a subject of its own, do not.
func (t *Tree) checkRoots(report func(Kind, bool, *Span, string, ...any)) {
	root, subjects := make(map[*Span]*Span), make(map[*Span][]string)
	for _, s := range t.Spans { // parents come first
		top := root[s.Parent]
		if s.Parent == nil {
			top = s
		}
		root[s] = top
		if subject, ok := s.Annotation("subject"); ok {
			if text := subject.String(); !slices.Contains(subjects[top], text) {
				subjects[top] = append(subjects[top], text)
			}
		}
	}
	type beginning struct {
		trace   segment.TraceID
		subject string // "" of a root that names none
	}
	first, earliest := make(map[beginning]*Span), make(map[segment.TraceID]*Span)
	for _, s := range t.Roots {
		if s.Dangling || s.Cyclic {
			continue // told as such
		}
		var other *Span
		of := append([]string{""}, subjects[s]...)
		if len(of) == 1 {
			other = earliest[s.TraceID]
		}
		for _, subject := range of {
			other = cmp.Or(other, first[beginning{s.TraceID, subject}])
		}
		if other != nil {
			report(SeveralRoots, false, s, "the trace began with %s %s already", other.ID, other.Name)
			continue
		}
		if earliest[s.TraceID] == nil {
			earliest[s.TraceID] = s
		}
		if len(of) > 1 {
			of = of[1:]
		}
		for _, subject := range of {
			first[beginning{s.TraceID, subject}] = s
		}
	}
}

func (s *Span) parentKey() key { return key{s.TraceID, s.ParentID} }

func (s *Span) hasSegment() bool {
	for _, child := range s.Children {
		if !child.Subsegment {
			return true
		}
	}
	return false
}

// delivered tells whether the span is the receiver of an event.
func (s *Span) delivered() bool {
	return !s.Subsegment && s.Parent != nil && (s.Parent.IsQueue() || s.Parent.IsBus() || s.Parent.IsCreation())
}

// A lostHop is a bus or queue whose document may be missing.
type lostHop struct {
	what, name string
	beneath    *Span // the creation or the bus that it follows
}

// maxNames bounds how many names of buses and of queues are tried: hostile documents could name thousands.
const maxNames = 16

// lostHops are the hops that could follow the events and buses of the tree and whose id a dangling parent has.
func (t *Tree) lostHops(hops []Hop, queues []string) map[key]lostHop {
	wanted := make(map[key]bool)
	for _, s := range t.Roots {
		if s.Dangling {
			wanted[s.parentKey()] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var busNames, queueNames names
	for _, q := range queues {
		queueNames.add(q)
	}
	for _, h := range hops {
		if h.Creation != nil {
			for _, name := range h.Creation.AWS.ResourceNames {
				busNames.add(name)
			}
		}
		if h.Bus != nil {
			busNames.add(h.Bus.Name)
		}
		if h.Queue != nil {
			queueNames.add(h.Queue.Name)
		}
	}
	lost := make(map[key]lostHop)
	try := func(trace segment.TraceID, parent segment.ID, origin string, h lostHop) segment.ID {
		id := segment.HopID(trace, parent, origin, h.name)
		if wanted[key{trace, id}] {
			lost[key{trace, id}] = h
		}
		return id
	}
	for _, h := range hops {
		switch {
		case h.Bus != nil:
			for _, queue := range queueNames.list {
				try(h.Bus.TraceID, h.Bus.ID, segment.OriginQueue, lostHop{"queue", queue, h.Bus})
			}
		case h.Creation != nil:
			trace := h.Creation.TraceID
			for _, bus := range busNames.list {
				id := try(trace, h.Creation.ID, segment.OriginEvents, lostHop{"bus", bus, h.Creation})
				for _, queue := range queueNames.list {
					try(trace, id, segment.OriginQueue, lostHop{"queue", queue, h.Creation})
				}
			}
		}
	}
	return lost
}

type names struct {
	seen map[string]bool
	list []string
}

func (n *names) add(name string) {
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	if name != "" && !n.seen[name] && len(n.list) < maxNames {
		n.seen[name] = true
		n.list = append(n.list, name)
	}
}

// missingHops tells, at the span after which the hop is missing, which events did not get through.
func missingHops(hops []Hop, explained map[*Span]bool) map[*Span][]Problem {
	reported := make(map[segment.TraceID]bool) // traces whose receivers report hops
	for _, h := range hops {
		if h.Bus != nil {
			reported[h.Bus.TraceID] = true
		}
		if h.Queue != nil {
			reported[h.Queue.TraceID] = true
		}
	}
	missing := make(map[*Span][]Problem)
	miss := func(s *Span, p Problem) {
		if p.Kind, p.Span = MissingHop, s; !explained[s] {
			missing[s] = append(missing[s], p)
		}
	}
	for _, h := range hops {
		switch {
		case h.GivenUp() && (h.Queue != nil || h.Bus == nil && len(h.Consumers) == 0):
		case h.Queue != nil && len(h.Consumers) == 0:
			miss(h.Queue, Problem{Open: h.Open(), Detail: "the event was taken from the queue, and no function has reported what became of it"})
		case h.Queue != nil:
		case h.Bus != nil && len(h.Consumers) == 0:
			miss(h.Bus, Problem{Lost: true, Detail: "the event crossed the bus, and the queue after it was not reported"})
		case h.Bus != nil && h.Direct():
		case len(h.Consumers) > 0:
			for _, c := range h.Consumers {
				if reported[c.TraceID] && c.Origin != segment.OriginLambda { // which tells itself that it was invoked, by the bus
					miss(c, Problem{Detail: "it received an event, and by which queue was not reported"})
				}
			}
		case h.Creation != nil && !failed(h.Creation) && h.Creation.Complete():
			miss(h.Creation, Problem{Open: h.Open(), Detail: "the event was published" + to(h.Creation) + ", and no receiver has reported it"})
		}
	}
	return missing
}

func failed(s *Span) bool { return s.Error || s.Fault || s.Throttle }

func to(creation *Span) string {
	if len(creation.AWS.ResourceNames) == 0 {
		return ""
	}
	return " to " + strings.Join(creation.AWS.ResourceNames, ", ")
}
