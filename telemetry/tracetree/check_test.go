package tracetree

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/telemetry/segment"
)

// without is the trace of charge without the documents of those ids.
func without(ids ...segment.ID) []segment.Document {
	return slices.DeleteFunc(charge(), func(d segment.Document) bool { return slices.Contains(ids, d.ID) })
}

// about are requests within one trace, each for a subject; "" is of none.
func about(subjects ...string) []segment.Document {
	var docs []segment.Document
	for i, subject := range subjects {
		d := doc(i+1, 0, "arvo/Prod", segment.OriginStage, 10*i, 10*i+5, sub(50+i, "POST /events", "", 10*i, 10*i+5))
		if subject != "" {
			d.Subsegments[0].Annotations = []segment.Attribute{{Key: "subject", Value: segment.String(subject)}}
		}
		docs = append(docs, d)
	}
	return docs
}

// stead is an event n that was sent in the stead of another, with its way to a receiver.
func stead(of, n int) []segment.Document {
	d := creation(n, 300, 301)
	d.TraceID, d.Type, d.ParentID = charge()[0].TraceID, segment.TypeSubsegment, id(of)
	return append([]segment.Document{d}, append(hops(n, "requests", 300, 302, 303), received(n+1, n, "requests", "federated_handler", 303, 310))...)
}

// TestAnEventIsGivenUp only while it has not got through.
func TestAnEventIsGivenUp(t *testing.T) {
	for _, test := range []struct {
		name string
		docs []segment.Document
		want int // events given up
	}{
		{"nobody received it", append(without(id(30), busID(23), queueID(23, "responses")), stead(23, 90)...), 1},
		{"it was received later all the same", append(charge(), stead(23, 90)...), 0},
		{"nothing was sent in its stead", without(id(30)), 0},
	} {
		tree := Build(test.docs)
		got, noted := 0, 0
		for _, h := range tree.Hops() {
			if h.GivenUp() {
				got++
			}
		}
		for _, n := range tree.Notes() {
			if n.Kind == GivenUp && n.Span.ID == id(23) {
				noted++
			}
		}
		if got != test.want || noted != test.want {
			t.Errorf("%s: %d events, %d notes, want %d", test.name, got, noted, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	change := func(n int, f func(*segment.Document)) []segment.Document {
		docs := charge()
		for i := range docs {
			if docs[i].ID == id(n) {
				f(&docs[i])
			}
		}
		return docs
	}
	for _, test := range []struct {
		name   string
		docs   []segment.Document
		queues []string
		want   []string
	}{
		{"a whole trace has no problem", charge(), nil, nil},
		{"linked invocations do not matter", change(20, func(d *segment.Document) {
			d.Links = append(d.Links, segment.Link{TraceID: segment.TraceID{15: 5}, ID: id(1)})
		}), nil, nil},
		{"no document at all", nil, nil, []string{"no documents: there is not one document"}},
		{"the bus is lost: its queue says so, and the event is not blamed", without(busID(7)), nil, []string{
			"dangling parent, lost at 9b8667de22421957 requests: its parent 679809a728533686 is the document of bus bus, which did not arrive"}},
		{"the queue is lost and named by another event's: its consumer says so", append(without(queueID(7, "requests")), hops(99, "requests", 1, 2, 3)[1]), nil, []string{
			"dangling parent, lost at " + queueID(99, "requests").String() + " requests: its id was derived from its parent " + busID(99).String() + ", whose document did not arrive",
			"missing hop at " + queueID(99, "requests").String() + " requests: the event was taken from the queue, and no function has reported what became of it",
			"dangling parent, lost at aa00000000000014 federated_handler: its parent 9b8667de22421957 is the document of queue requests, which did not arrive"}},
		{"the queue is lost and its name is known to the caller", without(queueID(7, "requests")), []string{"requests"}, []string{
			"dangling parent, lost at aa00000000000014 federated_handler: its parent 9b8667de22421957 is the document of queue requests, which did not arrive"}},
		{"the queue is lost and its name is not known", without(queueID(7, "requests")), nil, []string{
			"missing hop, lost at 679809a728533686 bus: the event crossed the bus, and the queue after it was not reported",
			"dangling parent at aa00000000000014 federated_handler: nothing in the trace leads to its parent 9b8667de22421957"}},
		{"bus and queue are lost", without(busID(7), queueID(7, "requests")), []string{"requests"}, []string{
			"dangling parent, lost at aa00000000000014 federated_handler: its parent 9b8667de22421957 is the document of queue requests, which did not arrive"}},
		{"the document of the request is lost: the bus was derived from an event in it", without(id(5)), nil, []string{
			"dangling parent, lost at 679809a728533686 bus: its id was derived from its parent aa00000000000007, whose document did not arrive"}},
		{"the consumer is lost: the queue waits for it, and the bus after it was derived from an event in it", without(id(20)), nil, []string{
			"missing hop at 9b8667de22421957 requests: the event was taken from the queue, and no function has reported what became of it",
			"dangling parent, lost at " + busID(23).String() + " bus: its id was derived from its parent aa00000000000017, whose document did not arrive"}},
		{"the last consumer is lost, or is yet to come", without(id(30)), nil, []string{
			"missing hop, open at " + queueID(23, "responses").String() + " responses: the event was taken from the queue, and no function has reported what became of it"}},
		{"nothing of the receiver arrived, or is yet to come", without(id(30), busID(23), queueID(23, "responses")), nil, []string{
			"missing hop, open at aa00000000000017 Events: the event was published to bus, and no receiver has reported it"}},
		{"an event that could not be published is not missed", func() []segment.Document {
			docs := without(id(30), busID(23), queueID(23, "responses"))
			docs[4].Subsegments[1].Fault = true
			return docs
		}(), nil, nil},
		{"an event that nobody received is not missed when another was sent in its stead", append(without(id(30), busID(23), queueID(23, "responses")), stead(23, 90)...), nil, nil},
		{"nor is one that a receiver took and never reported", append(without(id(30)), stead(23, 90)...), nil, nil},
		{"what was sent in its stead may be missed itself", append(without(id(30), busID(23), queueID(23, "responses")), stead(23, 90)[0]), nil, []string{
			"missing hop, open at aa0000000000005a Events: the event was published to bus, and no receiver has reported it"}},
		{"a parent that nobody had is a broken trace", change(20, func(d *segment.Document) { d.ParentID = id(777) }), nil, []string{
			"missing hop at 9b8667de22421957 requests: the event was taken from the queue, and no function has reported what became of it",
			"dangling parent at aa00000000000014 federated_handler: nothing in the trace leads to its parent aa00000000000309"}},
		{"a bus whose id is not its parent's is a broken trace", []segment.Document{doc(1, 0, "f", segment.OriginFunction, 0, 9), doc(2, 99, "bus", segment.OriginEvents, 1, 2, sub(3, "x", "", 1, 2))}, nil, []string{
			"dangling parent at aa00000000000002 bus: nothing in the trace leads to its parent aa00000000000063",
			"missing hop, lost at aa00000000000002 bus: the event crossed the bus, and the queue after it was not reported"}},
		{"a trace that begins twice", append(charge(), doc(60, 0, "federated_handler", segment.OriginFunction, 400, 410)), nil, []string{
			"several roots at aa0000000000003c federated_handler: the trace began with aa00000000000001 arvo/Prod already"}},
		{"a trace that begins once for each of two subjects", about("a", "b"), nil, nil},
		{"a trace that begins twice for one of two subjects", about("a", "b", "a"), nil, []string{
			"several roots at aa00000000000003 arvo/Prod: the trace began with aa00000000000001 arvo/Prod already"}},
		{"what begins beside a subject and names none may be of it", about("a", ""), nil, []string{
			"several roots at aa00000000000002 arvo/Prod: the trace began with aa00000000000001 arvo/Prod already"}},
		{"a subject that begins beside what names none may be of it", about("", "a"), nil, []string{
			"several roots at aa00000000000002 arvo/Prod: the trace began with aa00000000000001 arvo/Prod already"}},
		{"what began a second time may be what became of the event", append(without(id(30)), doc(60, 0, "api_lambda", segment.OriginFunction, 400, 410)), nil, []string{
			"several roots at aa0000000000003c api_lambda: the trace began with aa00000000000001 arvo/Prod already",
			"missing hop at " + queueID(23, "responses").String() + " responses: the event was taken from the queue, and no function has reported what became of it"}},
		{"a subject with two traces", append(charge(), func() segment.Document {
			d := doc(1, 0, "arvo/Prod", segment.OriginStage, 400, 410)
			d.TraceID = segment.TraceID{15: 2}
			return d
		}()), nil, []string{
			"several traces: 2 traces, the first two are 1-654c0557-000000000000000000000001 and 1-00000000-000000000000000000000002"}},
		{"a handler that ran out of time", change(30, func(d *segment.Document) {
			d.End, d.InProgress = 0, true
			d.Subsegments[1].End, d.Subsegments[1].InProgress = 0, true
		}), nil, []string{"in progress, open at aa0000000000001e api_lambda: it began and has not ended"}},
		{"hops are off for all", []segment.Document{
			doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5)), doc(3, 2, "federated_handler", segment.OriginFunction, 60, 70)}, nil, nil},
		{"hops are off for one function only", append(without(busID(23), queueID(23, "responses"), id(30)), doc(30, 23, "api_lambda", segment.OriginFunction, 200, 220)), nil, []string{
			"missing hop at aa0000000000001e api_lambda: it received an event, and by which queue was not reported"}},
		{"a function received an event by a queue, another from the bus itself", append(charge(), func() segment.Document {
			d := doc(80, 0, "audit", segment.OriginFunction, 60, 70)
			d.ParentID = busID(7)
			return d
		}()), nil, []string{"missing hop at aa00000000000050 audit: it received an event, and by which queue was not reported"}},
		{"a traced call has no callee", change(1, func(d *segment.Document) {
			d.Subsegments = append(d.Subsegments, sub(70, "www.example.com", "remote", 3, 4))
			d.Subsegments[1].HTTP = &segment.HTTP{Request: segment.Request{Traced: true}}
		}), nil, []string{"missing hop at aa00000000000046 www.example.com: the service that it called is traced, and sent no segment"}},
		{"a cycle", []segment.Document{doc(1, 2, "a", "", 0, 5), doc(2, 1, "b", "", 1, 5)}, nil, []string{
			"cycle at aa00000000000001 a: it is its own ancestor by its parent aa00000000000002"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, p := range Build(test.docs).Check(test.queues...) {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNamesAreBounded has events on many buses and one parent that is not found: the work must not be their product.
func TestNamesAreBounded(t *testing.T) {
	var list names
	for i := range 1000 {
		list.add(fmt.Sprint("bus", i%500))
		list.add("")
	}
	if len(list.list) != maxNames || list.list[1] != "bus1" {
		t.Errorf("%d names: %q", len(list.list), list.list)
	}
}
