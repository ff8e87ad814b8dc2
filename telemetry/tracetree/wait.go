package tracetree

import (
	"cmp"
	"slices"
	"time"

	"example.com/arvo/telemetry/segment"
)

// Times say where the time of a trace went. No moment counts twice: Duration = Work + Queue + Bus + Untraced.
type Times struct {
	Start, End segment.Time  // of the first and of the last span
	Duration   time.Duration // between them

	Work     time.Duration // some function or service was at work
	Queue    time.Duration // otherwise: an event waited in a queue
	Bus      time.Duration // otherwise: an event crossed a bus
	Untraced time.Duration // otherwise: nothing is known. Without segments of hops, waiting is found here
}

// Wait is the time that passed while events were on their way and nothing worked.
func (t Times) Wait() time.Duration { return t.Queue + t.Bus }

// Times of the tree, all of its traces together. The interval of a span runs from its start ([Span.Began]) to its end; spans in
// progress have none. Segments of hops, that is of buses and queues that a receiver reported, are waits; all other spans
// are work. Intervals are united before they are measured, so that a branch that waits beside one that works makes no
// wait, and a subsegment adds nothing to its segment.
func (t *Tree) Times() Times {
	const work, queue, bus, kinds = 0, 1, 2, 3
	type edge struct {
		at    segment.Time
		kind  int
		delta int
	}
	var times Times
	edges := make([]edge, 0, 2*len(t.Spans))
	for _, s := range t.Spans {
		began := s.Began()
		if times.Start == 0 || began < times.Start {
			times.Start = began
		}
		times.End = max(times.End, began, s.End)
		if s.End <= began {
			continue
		}
		kind := work
		switch {
		case s.IsQueue():
			kind = queue
		case s.IsBus():
			kind = bus
		}
		edges = append(edges, edge{began, kind, 1}, edge{s.End, kind, -1})
	}
	times.Duration = times.End.Sub(times.Start)
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	var open [kinds]int
	var total [kinds]time.Duration
	for i, e := range edges {
		if i > 0 {
			for kind := range open {
				if open[kind] > 0 {
					total[kind] += e.at.Sub(edges[i-1].at)
					break
				}
			}
		}
		open[e.kind] += e.delta
	}
	times.Work, times.Queue, times.Bus = total[work], total[queue], total[bus]
	times.Untraced = times.Duration - times.Work - times.Queue - times.Bus
	return times
}

// IsBus tells whether the span is the segment of a bus that an event crossed, as its receiver reported it.
func (s *Span) IsBus() bool {
	return !s.Subsegment && !s.Inferred && s.Origin == segment.OriginEvents
}

// IsQueue tells whether the span is the segment of a queue that an event waited in, as its receiver reported it.
func (s *Span) IsQueue() bool {
	return !s.Subsegment && !s.Inferred && (s.Origin == segment.OriginQueue || s.Origin == "AWS::SQS")
}

// IsCreation tells whether the span created an event: the subsegment of one entry of a PutEvents call.
func (s *Span) IsCreation() bool {
	return s.Subsegment && s.Namespace == segment.NamespaceAWS && s.AWS != nil && s.AWS.Operation == "PutEvents"
}

// A Hop is the way of one event to one queue. Parts that no document tells of are nil: any but one of them may be.
type Hop struct {
	Creation  *Span   // the subsegment of the PutEvents entry
	Bus       *Span   // from publication to arrival in the queue
	Queue     *Span   // from there to the last receive
	Consumers []*Span // the segments of the function that received it, one for each delivery that was traced
}

// Transit is the time on the bus.
func (h Hop) Transit() time.Duration { return took(h.Bus) }

// Wait is the time in the queue.
func (h Hop) Wait() time.Duration { return took(h.Queue) }

func took(s *Span) time.Duration {
	if s == nil || s.End < s.Began() {
		return 0
	}
	return s.End.Sub(s.Began())
}

// Hops are the ways of all events, in the order of Spans. An event that several queues took has a hop for each.
func (t *Tree) Hops() []Hop {
	var hops []Hop
	for _, s := range t.Spans {
		switch {
		case s.IsCreation():
			hops = append(hops, Hop{Creation: s}.beneath(s)...)
		case s.IsBus() && (s.Parent == nil || !s.Parent.IsCreation()):
			hops = append(hops, Hop{Bus: s}.beneath(s)...)
		case s.IsQueue() && (s.Parent == nil || !s.Parent.IsBus() && !s.Parent.IsCreation()):
			hops = append(hops, Hop{Queue: s}.beneath(s)...)
		}
	}
	return hops
}

// beneath completes the hop with what is beneath its last part so far.
func (h Hop) beneath(last *Span) []Hop {
	var hops []Hop
	for _, child := range last.Children {
		switch {
		case child.Subsegment || child.Inferred:
		case child.IsBus() && h.Bus == nil && h.Queue == nil:
			next := h
			next.Bus = child
			hops = append(hops, next.beneath(child)...)
		case child.IsQueue() && h.Queue == nil:
			next := h
			next.Queue = child
			hops = append(hops, next.beneath(child)...)
		default:
			h.Consumers = append(h.Consumers, child)
		}
	}
	if len(hops) == 0 || len(h.Consumers) > 0 {
		hops = append(hops, h)
	}
	return hops
}
