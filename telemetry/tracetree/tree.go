// Package tracetree makes sense of the segment documents of a trace: which segment came out of which, what calls what and
// how it went, where the time was spent, and whether anything is missing.
//
// [Build] takes documents as the X-Ray API or the daemon has them: in any order, with duplicates, with parents that never
// arrived, of one trace or of several. It does no I/O and changes nothing that it is given; spans share the lists of
// their documents. The same set of documents gives the same tree in whatever order they come, in time that grows with
// their number alone (n log n: they are sorted). Hostile documents do no harm: cycles are cut, and nothing recurses
// along parents.
//
// # The tree
//
// Each [Span] is a segment or subsegment beneath the one that its parent_id names; embedded subsegments are beneath
// their segment. Spans whose parent is unknown, or who are their own ancestor, become roots and say so.
// Of documents with one id, a complete one beats one in progress, and of two complete ones that which ends later wins.
// X-Ray lets the one that arrives last win, which a reader of documents cannot tell; a redelivery ends later.
//
// # Inferred segments
//
// Most services that are called do not send segments. For each subsegment with a namespace that no segment has as its
// parent, X-Ray makes a segment out of what the caller knew, and so does Build; [Span.Node] says how it is named.
// Inferred segments among the documents are taken as they are, until a real segment claims their place. A call that says
// traced is not inferred from: a real segment is due, and [Tree.Check] misses it.
//
// # The graph
//
// [Graph] adds up trees into X-Ray's service graph: nodes of one name and type, edges between them. What a node tells
// comes from segments, what an edge tells from the caller's subsegment.
//
// # Waiting
//
// [Tree.Times] splits the duration of a trace into work, waiting in queues, transit over buses, and the rest, as the last event
// to arrive spent it: without counting any moment twice, and whatever its senders did after they had sent it. [Tree.Hops] has the same for each event, and [Hop.Deliveries] the times that a queue gave it out,
// those of which nobody reported included. Where clocks or the precision of times would have a bus begin before its cause, [Span.Began]
// corrects it.
//
// # Trouble
//
// [Tree.Check] says in what way a trace is incomplete, where it can be shown that a document was lost on its way rather than never
// sent, and where it may be yet to come. [Tree.Notes] has what is strange and no fault: callers who report elsewhere, receivers that were killed.
package tracetree

import (
	"bytes"
	"cmp"
	"iter"
	"slices"

	"example.com/arvo/telemetry/segment"
)

// A Tree is what documents of traces make together.
type Tree struct {
	Roots  []*Span           // in time order
	Spans  []*Span           // all of them, depth first; siblings in time order
	Traces []segment.TraceID // in the order in which they begin
	Linked []segment.TraceID // other traces that spans link to, each once, in the order of the spans
}

// A Span is a segment or subsegment in its place.
type Span struct {
	// Document has TraceID and ParentID also where the subsegment was embedded, and no Subsegments: they are among the
	// children.
	segment.Document

	Subsegment bool // embedded, or a document of type subsegment
	Dangling   bool // ParentID names nothing that is known: a root for want of a parent
	Cyclic     bool // the span was its own ancestor: a root by cutting

	Parent   *Span
	Children []*Span // in time order, subsegments and segments alike

	segment *Span // the nearest segment upwards, itself included; nil above a dangling subsegment
	depth   int
	added   bool // inferred by Build
}

// Segment is the segment that the span is or is part of; nil for a subsegment whose segment is unknown.
func (s *Span) Segment() *Span { return s.segment }

// Depth is how many ancestors the span has.
func (s *Span) Depth() int { return s.depth }

// Complete tells whether the span has ended.
func (s *Span) Complete() bool { return s.End != 0 }

type key struct {
	trace segment.TraceID
	id    segment.ID
}

func (s *Span) key() key { return key{s.TraceID, s.ID} }

// Build makes a tree of documents. Those without an id or a trace id have no place in it and are left out;
// [segment.Document.Validate] refuses them.
func Build(docs []segment.Document) *Tree {
	var b builder
	b.add(docs)
	b.link()
	b.cutCycles()
	b.dropReplaced()
	b.infer()
	return b.tree()
}

type builder struct {
	byID  map[key]*Span
	spans []*Span // in time order once linked
}

// add makes spans of the documents, one for each id.
func (b *builder) add(docs []segment.Document) {
	// A document that is overwritten takes the subsegments within it along, so this is settled first.
	sent := make(map[key]*segment.Document, len(docs))
	for i := range docs {
		d := &docs[i]
		if d.ID.IsZero() || d.TraceID.IsZero() {
			continue
		}
		k := key{d.TraceID, d.ID}
		if other := sent[k]; other == nil || overwrites(d, other) {
			sent[k] = d
		}
	}
	b.byID = make(map[key]*Span, 2*len(sent))
	type item struct {
		doc      *segment.Document
		parent   segment.ID
		embedded bool
	}
	var stack []item
	for k, d := range sent {
		stack = append(stack, item{doc: d})
		for len(stack) > 0 {
			it := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for i := range it.doc.Subsegments {
				if sub := &it.doc.Subsegments[i]; !sub.ID.IsZero() {
					stack = append(stack, item{sub, it.doc.ID, true})
				}
			}
			s := &Span{Document: *it.doc, Subsegment: it.embedded || it.doc.IsSubsegment()}
			s.TraceID, s.Subsegments = k.trace, nil
			if it.embedded {
				s.ParentID = it.parent
			}
			if other := b.byID[s.key()]; other == nil || overwrites(&s.Document, &other.Document) {
				b.byID[s.key()] = s
			}
		}
	}
	b.spans = make([]*Span, 0, len(b.byID))
	for _, s := range b.byID {
		b.spans = append(b.spans, s)
	}
}

// overwrites tells which of two documents with one id is kept. It is a total order on their content.
func overwrites(d, other *segment.Document) bool {
	c := cmp.Compare(d.End, other.End) // 0 while in progress
	if c == 0 {
		c = cmp.Compare(d.Start, other.Start)
	}
	if c == 0 {
		c = bytes.Compare(d.AppendJSON(nil), other.AppendJSON(nil))
	}
	return c > 0
}

// link finds each span's parent.
func (b *builder) link() {
	slices.SortFunc(b.spans, byTime)
	for _, s := range b.spans {
		if s.ParentID.IsZero() {
			continue
		}
		s.Parent = b.byID[key{s.TraceID, s.ParentID}]
		s.Dangling = s.Parent == nil
	}
}

func byTime(s, t *Span) int {
	return cmp.Or(cmp.Compare(s.Start, t.Start), bytes.Compare(s.TraceID[:], t.TraceID[:]), bytes.Compare(s.ID[:], t.ID[:]))
}

// cutCycles makes a root of the first span of each cycle.
func (b *builder) cutCycles() {
	const unseen, ahead, done = 0, 1, 2
	state := make(map[*Span]int, len(b.spans))
	var path []*Span
	for _, s := range b.spans {
		path = path[:0]
		for s != nil && state[s] == unseen {
			state[s] = ahead
			path = append(path, s)
			s = s.Parent
		}
		if s != nil && state[s] == ahead {
			first := s
			for t := s.Parent; t != s; t = t.Parent {
				if byTime(t, first) < 0 {
					first = t
				}
			}
			first.Parent, first.Cyclic = nil, true
		}
		for _, s := range path {
			state[s] = done
		}
	}
}

// dropReplaced removes the inferred segments whose subsegment a real segment claims.
func (b *builder) dropReplaced() {
	claimed := make(map[*Span]bool)
	parents := make(map[*Span]bool)
	for _, s := range b.spans {
		if s.Parent != nil {
			parents[s.Parent] = true
			if !s.Inferred && !s.Subsegment {
				claimed[s.Parent] = true
			}
		}
	}
	b.spans = slices.DeleteFunc(b.spans, func(s *Span) bool {
		return s.Inferred && claimed[s.Parent] && !parents[s]
	})
}

// infer adds the segments of services that are called and send none.
func (b *builder) infer() {
	claimed := make(map[*Span]bool)
	for _, s := range b.spans {
		if !s.Subsegment {
			claimed[s.Parent] = true
		}
	}
	for _, s := range b.spans {
		if !s.Subsegment || s.Namespace == "" || claimed[s] || s.traced() {
			continue
		}
		b.spans = append(b.spans, &Span{Document: inferred(&s.Document), Parent: s, added: true})
	}
	slices.SortFunc(b.spans, byTime)
}

// tree hangs the spans beneath each other.
func (b *builder) tree() *Tree {
	t := &Tree{Spans: make([]*Span, 0, len(b.spans))}
	begun := make(map[segment.TraceID]bool)
	for _, s := range b.spans {
		if s.Parent != nil {
			s.Parent.Children = append(s.Parent.Children, s)
		} else {
			t.Roots = append(t.Roots, s)
		}
		if !begun[s.TraceID] {
			begun[s.TraceID] = true
			t.Traces = append(t.Traces, s.TraceID)
		}
	}
	stack := slices.Clone(t.Roots)
	slices.Reverse(stack)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		s.segment = s
		if s.Subsegment {
			s.segment = nil
		}
		if p := s.Parent; p != nil {
			s.depth = p.depth + 1
			if s.Subsegment {
				s.segment = p.segment
			}
		}
		t.Spans = append(t.Spans, s)
		for _, child := range slices.Backward(s.Children) {
			stack = append(stack, child)
		}
		for _, l := range s.Links {
			if !begun[l.TraceID] {
				begun[l.TraceID] = true
				t.Linked = append(t.Linked, l.TraceID)
			}
		}
	}
	return t
}

// Segments are the spans that are segments, in the order of Spans.
func (t *Tree) Segments() iter.Seq[*Span] {
	return func(yield func(*Span) bool) {
		for _, s := range t.Spans {
			if !s.Subsegment && !yield(s) {
				return
			}
		}
	}
}

// Find returns the span with that id; nil if there is none. It looks at each span.
func (t *Tree) Find(trace segment.TraceID, id segment.ID) *Span {
	for _, s := range t.Spans {
		if s.ID == id && s.TraceID == trace {
			return s
		}
	}
	return nil
}

// Path is the way to the end of the trace: the spans from a root to the one that ended last, and on through the segments that it waited
// for. Nothing outside of it made the trace longer. It is empty while nothing has ended.
func (t *Tree) Path() []*Span {
	var last *Span
	for _, s := range t.Spans {
		// Of a chain of spans that end together, the innermost is what the others waited for.
		if s.Complete() && (last == nil || s.End >= last.End) {
			last = s
		}
	}
	var path []*Span
	for s := last; s != nil; s = s.Parent {
		path = append(path, s)
	}
	slices.Reverse(path)
	for segments := len(path); ; {
		last = last.waitedFor()
		if last == nil {
			return path[:segments]
		}
		if path = append(path, last); !last.Subsegment {
			segments = len(path)
		}
	}
}

// waitedFor is the part of a span that ended last, events that it sent left out; nil if it has none.
func (s *Span) waitedFor() (last *Span) {
	if s == nil {
		return nil
	}
	for _, child := range s.Children {
		if child.Complete() && !child.Inferred && !child.IsBus() && !child.IsQueue() && !child.IsCreation() && (last == nil || child.End >= last.End) {
			last = child
		}
	}
	return last
}
