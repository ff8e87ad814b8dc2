package tracetree

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/telemetry/segment"
)

// with adds metadata as package telemetry does.
func with(d segment.Document, pairs ...any) segment.Document {
	ns := segment.Namespace{Name: "otel"}
	for i := 0; i < len(pairs); i += 2 {
		v := segment.String(fmt.Sprint(pairs[i+1]))
		switch x := pairs[i+1].(type) {
		case int:
			v = segment.Int(int64(x))
		case bool:
			v = segment.Bool(x)
		}
		ns.Attributes = append(ns.Attributes, segment.Attribute{Key: pairs[i].(string), Value: v})
	}
	d.Metadata = append(d.Metadata, ns)
	return d
}

// delivered is the segment of a receiver.
func delivered(n, creation, start, end int, message string, receives int) segment.Document {
	d := doc(n, 0, "federated_handler", segment.OriginFunction, start, end)
	d.ParentID = queueID(creation, "requests")
	return with(d, keyMessage, message, keyReceives, receives)
}

func TestDeliveries(t *testing.T) {
	sent := doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5))
	way := hops(2, "requests", 1, 6, 9)
	again := []segment.Document{way[0], with(way[1], keyReceives, 2)}
	for _, test := range []struct {
		name string
		docs []segment.Document
		want []string
		open bool
	}{
		{"one", append(way, delivered(10, 2, 9, 12, "m", 1)), []string{"m delivery 1 of 1 aa0000000000000a"}, false},
		{"the first was killed", append(again, delivered(10, 2, 9, 12, "m", 2)), []string{"m delivery 1 of 2 -", "m delivery 2 of 2 aa0000000000000a"}, false},
		{"the second was killed, as the queue tells", append(again, delivered(10, 2, 9, 12, "m", 1)), []string{"m delivery 1 of 2 aa0000000000000a", "m delivery 2 of 2 -"}, false},
		{"several in a row were killed", append(way, delivered(10, 2, 9, 12, "m", 4)), []string{"m deliveries 1 to 3 of 4 -", "m delivery 4 of 4 aa0000000000000a"}, false},
		{"all were killed", again, []string{" deliveries 1 to 2 -"}, true},
		{"an event that was published twice is two messages", append(way, delivered(10, 2, 9, 12, "m", 1), delivered(11, 2, 19, 22, "n", 2)),
			[]string{"m delivery 1 of 1 aa0000000000000a", "n delivery 1 of 2 -", "n delivery 2 of 2 aa0000000000000b"}, false},
		{"a duplicate, which the queue does not count", append(way, delivered(10, 2, 9, 12, "m", 1), delivered(11, 2, 19, 22, "m", 1)),
			[]string{"m delivery 1 of 1 aa0000000000000a", "m a duplicate of delivery 1 of 1 aa0000000000000b"}, false},
		{"receivers who do not count", append(way, received(10, 2, "requests", "federated_handler", 9, 12), received(11, 2, "requests", "federated_handler", 19, 22)),
			[]string{" delivery 1 of 2 aa0000000000000a", " delivery 2 of 2 aa0000000000000b"}, false},
		{"a count that nobody can have counted", append(way, delivered(10, 2, 9, 12, "m", 1<<40)),
			[]string{"m deliveries 1 to 999999 of 1000000 -", "m delivery 1000000 of 1000000 aa0000000000000a"}, false},
		{"one that has failed comes back", append(way, func() segment.Document {
			d := delivered(10, 2, 9, 12, "m", 1)
			d.Fault = true
			return d
		}()), []string{"m delivery 1 aa0000000000000a"}, true},
		{"one in progress is open", append(way, delivered(10, 2, 9, -1, "m", 1)), []string{"m delivery 1 aa0000000000000a"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			hops := Build(append([]segment.Document{sent}, test.docs...)).Hops()
			var got []string
			for _, h := range hops {
				for _, d := range h.Deliveries() {
					span := "-"
					if d.Span != nil {
						span = d.Span.ID.String()
					}
					got = append(got, d.Message+" "+d.String()+" "+span)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(hops) != 1 || hops[0].Open() != test.open {
				t.Errorf("%d hops, open %t, want %t", len(hops), hops[0].Open(), test.open)
			}
		})
	}
}

func TestFirstReceiveTellsWhenASilentDeliveryBegan(t *testing.T) {
	sent := doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5))
	for _, test := range []struct {
		name, at, message string
		want              segment.Time
	}{
		{"of the message", ms(7).Time().Format(time.RFC3339Nano), "m", ms(7)},
		{"of another message", ms(7).Time().Format(time.RFC3339Nano), "n", 0},
		{"before it was sent", ms(3).Time().Format(time.RFC3339Nano), "m", 0},
		{"after it was received again", ms(100).Time().Format(time.RFC3339Nano), "m", 0},
		{"no time at all", "yesterday", "m", 0},
	} {
		way := hops(2, "requests", 1, 6, 9)
		way[1] = with(way[1], keyReceives, 2, keyMessage, test.message, keyFirstReceived, test.at)
		list := Build([]segment.Document{sent, way[0], way[1], delivered(10, 2, 9, 12, "m", 2)}).Hops()[0].Deliveries()
		if len(list) != 2 || list[0].Began != test.want || list[1].Began != ms(9) {
			t.Errorf("%s: %+v", test.name, list)
		}
	}
}

func TestAColdStartIsPartOfTheQueuesWait(t *testing.T) {
	sent := doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5))
	at := ms(7).Time().Format(time.RFC3339Nano)
	for _, test := range []struct {
		name              string
		cold              bool
		queue, receives   int
		message, received string
		held              time.Duration
	}{
		{"from when the queue gave it out", true, 1, 1, "m", at, 2 * time.Millisecond},
		{"of another message nobody knows", true, 1, 1, "n", at, 0},
		{"in which there were other deliveries, nobody knows", true, 2, 2, "m", at, 0},
		{"of a queue that has told of a later delivery, nobody knows", true, 2, 1, "m", at, 0},
		{"unless the queue does not say", true, 1, 1, "m", "yesterday", 0},
		{"if there was one", false, 1, 1, "m", at, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			way := hops(2, "requests", 1, 6, 9)
			way[1] = with(way[1], keyReceives, test.queue, keyMessage, test.message, keyFirstReceived, test.received)
			consumer := delivered(10, 2, 9, 12, "m", test.receives)
			if test.cold {
				consumer = with(consumer, keyColdStart, true)
			}
			h := Build([]segment.Document{sent, way[0], way[1], consumer}).Hops()[0]
			if held, cold := h.ColdStart(h.Consumers[0]); held != test.held || cold != test.cold {
				t.Errorf("%v, %t", held, cold)
			}
		})
	}
}

// TestTheTargetOfARuleHasNoQueue and misses none.
func TestTheTargetOfARuleHasNoQueue(t *testing.T) {
	direct := with(doc(80, 0, "audit", segment.OriginFunction, 60, 70), keyEvent, "e-1")
	direct.ParentID = busID(7)
	tree := Build(append(charge(), direct))
	if p := tree.Check(); len(p) > 0 {
		t.Errorf("%v", p)
	}
	n := 0
	for _, h := range tree.Hops() {
		if h.Direct() {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d hops are direct", n)
	}
}

func TestNotes(t *testing.T) {
	foreign := func(event string) []segment.Document { // an event whose producer's span is 99
		way := hops(99, "requests", 1, 6, 9)
		return append(way, with(delivered(10, 99, 9, 12, "m", 1), keyEvent, event))
	}
	ours := func() []segment.Document { // the same with the span that we derive, whose document is lost
		span := segment.CreationID(trace, "e-1")
		bus, q := doc(0, 0, "bus", segment.OriginEvents, 1, 6), doc(0, 0, "requests", segment.OriginQueue, 6, 9)
		bus.ParentID = span
		bus.ID = segment.HopID(trace, span, segment.OriginEvents, "bus")
		q.ID, q.ParentID = segment.HopID(trace, bus.ID, segment.OriginQueue, "requests"), bus.ID
		d := with(doc(10, 0, "federated_handler", segment.OriginFunction, 9, 12), keyEvent, "e-1")
		d.ParentID = q.ID
		return []segment.Document{bus, q, d}
	}
	announced := func(received bool) []segment.Document {
		c := creation(2, 1, -1)
		c.TraceID, c.ParentID, c.Type = trace, id(1), segment.TypeSubsegment
		docs := []segment.Document{doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10), c}
		if received {
			docs = append(append(docs, hops(2, "requests", 1, 6, 9)...), delivered(10, 2, 9, 12, "m", 1))
		}
		return docs
	}
	request := func(until int) []segment.Document { // one that died after it had sent its event, in an invocation until then
		r := doc(2, 1, "POST /events", "", 1, -1, creation(3, 2, -1))
		r.Type = segment.TypeSubsegment
		return append([]segment.Document{doc(1, 0, "api_lambda", segment.OriginFunction, 0, until), r}, append(hops(3, "requests", 1, 6, 9), delivered(10, 3, 9, 12, "m", 1))...)
	}
	killed := func(again bool) []segment.Document { // a delivery that died after it had published something
		docs := append([]segment.Document{doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5))}, hops(2, "requests", 1, 6, 9)...)
		first := delivered(10, 2, 9, -1, "m", 1)
		first.Subsegments = []segment.Document{creation(4, 10, -1)}
		docs = append(append(docs, first), append(hops(4, "requests", 10, 16, 19), delivered(11, 4, 19, 22, "n", 1))...)
		if again {
			docs = append(docs, delivered(12, 2, 29, 32, "m", 2))
		}
		return docs
	}
	client := charge()
	client[0].ParentID = id(999)
	midst := append(charge(), doc(80, 999, "audit", segment.OriginLambda, 400, 410))
	for _, test := range []struct {
		name            string
		docs            []segment.Document
		notes, problems []string
	}{
		{"a whole trace needs none", charge(), nil, nil},
		{"the client brought a trace along", client, []string{"began elsewhere at aa00000000000001 arvo/Prod: its parent aa000000000003e7 is a span of the client, who reports elsewhere or nowhere"}, nil},
		{"a function in the midst of the trace has lost its caller", midst, nil, []string{"dangling parent at aa00000000000050 audit: nothing in the trace leads to its parent aa000000000003e7"}},
		{"a foreign producer has a tracer of its own", foreign("e-1"), []string{"began elsewhere at " + busID(99).String() + " bus: its parent aa00000000000063 is a span of the event's producer, who reports elsewhere or nowhere"}, nil},
		{"our own publisher's document is lost", ours(), nil, []string{"dangling parent, lost at " + ours()[0].ID.String() + " bus: its id was derived from its parent " + ours()[0].ParentID.String() + ", whose document did not arrive"}},
		{"hops are off, and the producer is foreign", []segment.Document{with(doc(10, 999, "federated_handler", segment.OriginFunction, 9, 12), keyEvent, "e-1")},
			[]string{"began elsewhere at aa0000000000000a federated_handler: its parent aa000000000003e7 is a span of the event's producer, who reports elsewhere or nowhere"}, nil},
		{"the publisher died before it could say more", announced(true), []string{"unfinished report at aa00000000000002 Events: in progress: its process ended before it could say more"}, nil},
		{"the publisher died, and nobody has the event", announced(false), nil, []string{"in progress at aa00000000000002 Events: it began and has not ended"}},
		{"a request died after it had sent its event", request(10), []string{"unfinished report at aa00000000000002 POST /events: in progress: its process ended before it could say more"}, nil},
		{"a request may still have to say something", request(-1), nil, []string{"in progress at aa00000000000001 api_lambda: it began and has not ended"}},
		{"a delivery died after it had published, and was followed by another", killed(true), []string{"unfinished report at aa0000000000000a federated_handler: in progress: its process ended before it could say more"}, nil},
		{"a delivery died after it had published, or has not ended", killed(false), nil, []string{"in progress, open at aa0000000000000a federated_handler: it began and has not ended"}},
		{"the first delivery was killed", append(append([]segment.Document{doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5))}, hops(2, "requests", 1, 6, 9)...), delivered(10, 2, 9, 12, "m", 2)),
			[]string{"not reported at " + queueID(2, "requests").String() + " requests: delivery 1 of 2: the receiver was killed, or its documents were lost"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := Build(test.docs)
			var notes, problems []string
			for _, p := range tree.Notes() {
				notes = append(notes, p.String())
			}
			for _, p := range tree.Check() {
				problems = append(problems, p.String())
			}
			if diff := cmp.Diff(test.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoBusBeginsBeforeItsCause: an event's time has milliseconds, and may be older than its publication.
func TestNoBusBeginsBeforeItsCause(t *testing.T) {
	docs := append([]segment.Document{doc(1, 0, "api_lambda", segment.OriginFunction, 5, 10, creation(2, 6, 9))}, hops(2, "requests", 0, 7, 9)...)
	tree := Build(docs)
	bus := tree.Find(trace, busID(2))
	if bus.Began() != ms(6) || bus.Start != ms(0) {
		t.Errorf("the bus began at %v", bus.Began().Sub(epoch))
	}
	if times := tree.Times(); times.Start != ms(5) || times.Bus != time.Millisecond || tree.Hops()[0].Transit() != bus.End.Sub(ms(6)) {
		t.Errorf("%+v", times)
	}
	late := hops(2, "requests", 0, 3, 9) // clocks differ: it was over before its cause
	if bus := Build(append(docs[:1], late...)).Find(trace, busID(2)); bus.Began() != bus.End {
		t.Errorf("the bus began at %v and ended at %v", bus.Began().Sub(epoch), bus.End.Sub(epoch))
	}
}
