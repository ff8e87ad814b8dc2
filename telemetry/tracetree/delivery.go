package tracetree

import (
	"cmp"
	"slices"
	"time"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/telemetry/segment"
)

// Metadata that receivers write, in any namespace; package telemetry does.
const (
	keyReceives      = "arvo.message.receives" // how often the queue had given the message out by then
	keyMessage       = "messaging.message.id"
	keyEvent         = "cloudevents.event_id"
	keyFirstReceived = "arvo.message.first_received_at" // of a queue: RFC 3339
	keyBeginUnknown  = "arvo.bus.begin_unknown"         // of a bus: nobody knows when the event was published
	keyColdStart     = "faas.coldstart"                 // it came with the first invocation of the receiver's process
)

// maxReceives bounds what a document may claim.
const maxReceives = 1_000_000

// A Delivery is one time that a queue gave a message out, or several in a row of which nothing is known.
type Delivery struct {
	Message     string       // its id in the queue; "" if it is not known
	First, Last int          // which of its deliveries, counted from 1; the same unless Span is nil
	Of          int          // how often the message was given out, as far as is known
	Open        bool         // the queue may give it out again: the event has not got through
	Again       bool         // the queue has given it out with the same count before: a duplicate, which standard queues allow themselves
	Began       segment.Time // when the queue gave it out; 0 if nobody knows
	Span        *Span        // the receiver's segment; nil: the receiver reported nothing, for want of life or of documents
}

// Direct tells whether the receivers took the event straight from the bus, as a rule's target: they know the event and no message.
func (h Hop) Direct() bool {
	return h.Queue == nil && len(h.Consumers) > 0 && !slices.ContainsFunc(h.Consumers, func(c *Span) bool { return c.EventID() == "" || c.MessageID() != "" })
}

// Deliveries are those of the hop, message by message, each in the order of its deliveries. An event that was published more than once
// comes in more than one message. What no receiver reported shows in the counts of later deliveries, and of the queue.
func (h Hop) Deliveries() []Delivery {
	if h.Queue == nil {
		return nil
	}
	type message struct {
		id      string
		by      []Delivery
		highest int
	}
	var messages []*message
	of := make(map[string]*message)
	for _, c := range h.Consumers {
		id := c.text(keyMessage)
		m := of[id]
		if m == nil {
			m = &message{id: id}
			of[id] = m
			messages = append(messages, m)
		}
		n := c.Receives()
		if n == 0 { // it does not say
			n = len(m.by) + 1
		}
		m.highest = max(m.highest, n)
		m.by = append(m.by, Delivery{Message: id, First: n, Last: n, Began: c.Start, Span: c})
	}
	queue := h.Queue.Receives()
	switch {
	case len(messages) == 0 && !h.Queue.InProgress:
		messages = []*message{{id: h.Queue.text(keyMessage), highest: max(queue, 1)}}
	case len(messages) == 1:
		messages[0].highest = max(messages[0].highest, queue)
	default:
		if m := of[h.Queue.text(keyMessage)]; m != nil {
			m.highest = max(m.highest, queue)
		}
	}
	var list []Delivery
	open := h.Open()
	for _, m := range messages {
		slices.SortStableFunc(m.by, func(a, b Delivery) int { return cmp.Compare(a.First, b.First) })
		next := 1
		silent := func(last int) {
			if next > last {
				return
			}
			d := Delivery{Message: m.id, First: next, Last: last, Of: m.highest, Open: open}
			if at, of := h.Queue.firstReceived(); next == 1 && (of == m.id || of == "" && len(messages) == 1) {
				d.Began = at
			}
			list = append(list, d)
		}
		for _, d := range m.by { // in the order of their counts, of equal ones in time order
			silent(d.First - 1)
			d.Of, d.Open, d.Again = m.highest, open, d.First < next
			list = append(list, d)
			next = d.First + 1
		}
		silent(m.highest)
	}
	return list
}

// ColdStart tells whether a consumer took the event with the first invocation of its process. held is how long the queue's wait went on
// after the queue had given the message out: the time that Lambda took to start the function. It is 0 if nobody knows.
func (h Hop) ColdStart(consumer *Span) (held time.Duration, cold bool) {
	if !consumer.metadata(keyColdStart).Bool() {
		return 0, false
	}
	if h.Queue == nil || h.Queue.Receives() != 1 {
		return 0, true // the wait has seen other deliveries
	}
	if at, message := h.Queue.firstReceived(); at != 0 && message == consumer.MessageID() {
		held = h.Queue.End.Sub(at)
	}
	return held, true
}

// Open tells whether the event of the hop is still on its way, or never got through: nobody has received it, or the last that is known
// of each delivery is that it failed, has not ended, or was not reported.
func (h Hop) Open() bool {
	for _, c := range h.Consumers {
		if c.Complete() && !failed(c) {
			return false
		}
	}
	return h.Creation == nil || !failed(h.Creation)
}

// GivenUp tells whether another event was sent in the stead of one that has not got through: beneath its creation, as the answer of a
// timeout is that whoever watches over calls sends for a service that does not. Nobody waits for it any more.
func (h Hop) GivenUp() bool {
	return h.Creation != nil && h.Open() && slices.ContainsFunc(h.Creation.Children, (*Span).IsCreation)
}

// metadata is a value that the span's document has in any namespace.
func (s *Span) metadata(key string) segment.Value {
	for _, ns := range s.Metadata {
		for _, a := range ns.Attributes {
			if a.Key == key {
				return a.Value
			}
		}
	}
	return segment.Value{}
}

func (s *Span) text(key string) string {
	if v := s.metadata(key); v.Kind() == jsontext.String {
		return v.String()
	}
	return ""
}

// Receives is how often a queue had given the message out by then, as the span of a receiver or of the queue tells; 0 if it does not.
func (s *Span) Receives() int {
	return int(max(0, min(s.metadata(keyReceives).Number(), maxReceives)))
}

// firstReceived is when a queue first gave the message out that its segment tells of, and that message; 0 if it does not say, or says what
// cannot be.
func (s *Span) firstReceived() (at segment.Time, message string) {
	first, err := time.Parse(time.RFC3339Nano, s.text(keyFirstReceived))
	if at = segment.At(first); err != nil || at < s.Start || at > s.End {
		return 0, ""
	}
	return at, s.text(keyMessage)
}

// MessageID is the id of the message that the span received, as the queue has it; "" if it does not say.
func (s *Span) MessageID() string { return s.text(keyMessage) }

// EventID is the id of the event that the span received or sent; "" if it does not say.
func (s *Span) EventID() string { return s.text(keyEvent) }

// Began is when the span began, as far as that can be: an event's time has milliseconds only and may be older than its publication, but
// no bus takes an event before the call that publishes it begins. Of other spans it is Start.
func (s *Span) Began() segment.Time {
	if s.IsBus() && s.Parent != nil && s.Parent.Start > s.Start {
		return max(s.Start, min(s.Parent.Start, s.End))
	}
	return s.Start
}

// BeganBefore tells that Start is only the latest time at which the span can have begun: a bus that took an event nobody knows when.
func (s *Span) BeganBefore() bool { return s.IsBus() && s.metadata(keyBeginUnknown).Bool() }
