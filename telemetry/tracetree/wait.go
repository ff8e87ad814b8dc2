package tracetree

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"example.com/arvo/telemetry/segment"
)

// Times say where the time of a trace went: what the event that was the last to arrive waited for, moment by moment. A sender that is
// still at work while its event is on the way holds nobody up, so that moment is the bus's or the queue's. No moment counts
// twice: Duration = Work + Queue + Bus + Untraced.
type Times struct {
	Start, End segment.Time  // of the first and of the last span
	Duration   time.Duration // between them

	Work     time.Duration // some function or service was at work
	Queue    time.Duration // the event waited in a queue
	Bus      time.Duration // the event crossed a bus
	Untraced time.Duration // nothing is known. Without segments of hops, waiting is found here
}

// Wait is the time that passed while the event was on its way to whoever worked on it next.
func (t Times) Wait() time.Duration { return t.Queue + t.Bus }

// Times of the tree, all of its traces together. The interval of a span runs from its start ([Span.Began]) to its end; spans in
// progress have none. Segments of hops, that is of buses and queues that a receiver reported, are waits; all other spans
// are work.
//
// Of the spans that a moment is in, it belongs to the innermost on the way of the last event, which leads from the root to the hop
// or receiver that ended last: to a receiver before its queue, to the queue before the bus, to the bus before the sender. All
// deliveries of a queue on the way are on it, so that a try that failed is work. Where nothing on the way is known, the moment belongs to what
// is beside it, to work before queues before buses: in a trace without hops, between them, and after the last.
func (t *Tree) Times() Times {
	type edge struct {
		at       segment.Time
		priority int
		delta    int
	}
	const bus, queue, work, kinds = 0, 1, 2, 3 // of spans beside the way, a later kind goes first
	ranks := t.wayOfLastEvent()
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
		priority := ranks[s]*kinds + kind
		edges = append(edges, edge{began, priority, 1}, edge{s.End, priority, -1})
	}
	times.Duration = times.End.Sub(times.Start)
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	open := make(map[int]int) // how many spans of a priority are open
	var first highest         // what was opened, and may be closed by now
	var total [kinds]time.Duration
	for i, e := range edges {
		for len(first) > 0 && open[first[0]] == 0 {
			heap.Pop(&first)
		}
		if len(first) > 0 {
			total[first[0]%kinds] += e.at.Sub(edges[i-1].at)
		}
		if open[e.priority] += e.delta; e.delta > 0 && open[e.priority] == 1 {
			heap.Push(&first, e.priority)
		}
	}
	times.Work, times.Queue, times.Bus = total[work], total[queue], total[bus]
	times.Untraced = times.Duration - times.Work - times.Queue - times.Bus
	return times
}

// wayOfLastEvent ranks the spans on the way from a root to the hop, or to the segment that an event led to, that ended last: from 1
// at the root inwards. Other spans have no rank. A tree without hops has no way.
func (t *Tree) wayOfLastEvent() map[*Span]int {
	var last *Span
	sent := make(map[*Span]bool) // hops, and what is beneath them
	for _, s := range t.Spans {  // parents come first
		sent[s] = s.IsBus() || s.IsQueue() || sent[s.Parent]
		if sent[s] && !s.Subsegment && !s.Inferred && (last == nil || s.End >= last.End) {
			last = s
		}
	}
	ranks := make(map[*Span]int)
	for s := last; s != nil; s = s.Parent {
		ranks[s] = s.depth + 1
		if !s.IsQueue() {
			continue
		}
		for _, delivery := range s.Children {
			if !delivery.Subsegment && !delivery.Inferred {
				ranks[delivery] = delivery.depth + 1
			}
		}
	}
	return ranks
}

// highest is a heap with the highest number first.
type highest []int

func (h highest) Len() int           { return len(h) }
func (h highest) Less(i, j int) bool { return h[i] > h[j] }
func (h highest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *highest) Push(x any)        { *h = append(*h, x.(int)) }
func (h *highest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
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
