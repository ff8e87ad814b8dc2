package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// forgotten is how long after its last sign a subject is no longer expected to go on by itself: longer than a function may run, or a queue of
// template.yaml hides a message whose delivery died.
const forgotten = 15 * time.Minute

// A standing says whether the subject of a trace has had its answer, as far as the trace can tell.
type standing struct {
	answered segment.Time // when whoever took the request had first taken something in return; 0: not yet, or not in the trace

	pending bool
	stale   bool   // and nothing has happened for so long that waiting is no use
	text    string // a sentence for a person; "" if there is nothing to say
}

// explains tells whether nothing is wrong with what a check has found, but the subject waits for it.
func (s standing) explains(p tracetree.Problem) bool { return p.Open && s.pending && !s.stale }

// standingOf looks for what is still on its way: an event that nobody has received, or one whose every delivery has failed, has not
// ended or was not reported. And whoever took the request must have received something since: that is the answer, or at least a part of
// it. Of a trace without events, such as that of a GET, there is nothing to say.
func standingOf(t *tracetree.Tree, r *recording) standing {
	hops := t.Hops()
	if len(hops) == 0 {
		return standing{}
	}
	requester := requesterOf(t)
	var first segment.Time // answer
	var open *tracetree.Hop
	for i, h := range hops {
		if h.GivenUp() { // whoever waited for it has gone on
			continue
		}
		if h.Open() {
			if open == nil || began(h) >= began(*open) {
				open = &hops[i]
			}
			continue
		}
		for _, c := range h.Consumers {
			if c.Name == requester && c.Complete() && !c.Fault && !c.Error && (first == 0 || c.End < first) {
				first = c.End
			}
		}
	}
	answered := first != 0
	if answered && (len(r.full) > 0 || slices.ContainsFunc(t.Roots, func(s *tracetree.Span) bool { return s.Dangling })) {
		return standing{answered: first} // what seems to be on its way may have got through by a document that was lost, or that X-Ray did not take
	}
	var why string
	switch {
	case open != nil:
		why = openBecause(*open)
	case requester == "" || answered:
		return standing{answered: first}
	default:
		why = "every event was received, and none came back to " + requester
	}
	if len(r.full) > 0 {
		why += ", or X-Ray took no more of the trace by then"
	}
	text := "no answer yet"
	if answered || requester == "" {
		text = "an event has not got through yet"
	}
	silence := time.Since(t.Times().End.Time())
	stale := silence > forgotten
	if stale {
		text = strings.TrimSuffix(text, " yet") + ", and nothing new for " + silence.Round(time.Minute).String()
	}
	return standing{answered: first, pending: true, stale: stale, text: text + ": " + why}
}

// requesterOf is the name of the function that took the client's request; "" if the trace does not begin with one.
func requesterOf(t *tracetree.Tree) string {
	for _, root := range t.Roots {
		if root.Origin != segment.OriginStage && root.Origin != segment.OriginLambda {
			continue
		}
		for s := range t.Segments() {
			if s.Origin != segment.OriginLambda && s.Origin != segment.OriginFunction {
				continue
			}
			up := s
			for up.Parent != nil && !up.IsBus() && !up.IsQueue() && !up.IsCreation() {
				up = up.Parent
			}
			if up == root {
				return s.Name
			}
		}
	}
	return ""
}

// began is when what is known of a hop began.
func began(h tracetree.Hop) segment.Time {
	for _, s := range []*tracetree.Span{h.Queue, h.Bus, h.Creation} {
		if s != nil {
			return s.Began()
		}
	}
	return 0
}

// openBecause says where an event is.
func openBecause(h tracetree.Hop) string {
	const again = "the queue gives it out again, or it lies in the dead-letter queue"
	deliveries := h.Deliveries()
	switch {
	case len(deliveries) > 0:
		last := deliveries[len(deliveries)-1]
		switch {
		case last.Span == nil:
			return fmt.Sprintf("%s has given the event out %s, and the receiver was killed, or has not reported yet; %s", h.Queue.Name, count(last.Of, "time", "times"), again)
		case !last.Span.Complete():
			return fmt.Sprintf("%s has begun with %s and not ended: it is at work, or has run out of time; then %s", last.Span.Name, eventOf(last.Span), again)
		}
		return fmt.Sprintf("%s has failed at %s %s; %s", last.Span.Name, eventOf(last.Span), count(last.Of, "time", "times"), again)
	case len(h.Consumers) > 0:
		return fmt.Sprintf("%s has not got through with %s", h.Consumers[0].Name, eventOf(h.Consumers[0]))
	case h.Bus != nil:
		return "an event has crossed " + h.Bus.Name + ", and nobody has received it"
	case h.Creation != nil && h.Creation.AWS != nil && len(h.Creation.AWS.ResourceNames) > 0:
		return "an event was sent to " + h.Creation.AWS.ResourceNames[0] + ", and nobody has received it"
	}
	return "an event was sent, and nobody has received it"
}

func eventOf(s *tracetree.Span) string {
	if typ, ok := s.Annotation("event_type"); ok {
		return typ.String()
	}
	return "the event"
}
