package tracetree

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/telemetry/segment"
)

func TestGraphAddsUpTraces(t *testing.T) {
	var g Graph
	for i, outcome := range []func(*segment.Document){
		func(*segment.Document) {},
		func(d *segment.Document) { d.Error = true },
		func(d *segment.Document) { d.Error, d.Throttle = true, true },
		func(d *segment.Document) { d.Fault = true },
		func(d *segment.Document) { d.Error, d.Fault = true, true },
		func(d *segment.Document) { d.End, d.InProgress = 0, true },
	} {
		call := table(2, "orders", 1, 3)
		d := doc(1, 0, "f", segment.OriginFunction, 0, 10+i, call)
		d.TraceID = segment.TraceID{15: byte(i + 1)}
		outcome(&d)
		outcome(&d.Subsegments[0])
		g.Add(Build([]segment.Document{d}))
	}
	f, orders := Node{"f", segment.OriginFunction}, Node{"orders", segment.OriginTable}
	outcomes := Stats{Total: 5, OK: 1, Error: 3, Throttle: 1, Fault: 2}
	stats := func(start, end segment.Time, total time.Duration, histogram ...Bucket) Stats {
		s := outcomes
		s.Start, s.End, s.Time, s.Histogram = start, end, total, histogram
		return s
	}
	served := stats(ms(0), ms(14), 60*time.Millisecond, Bucket{10 * time.Millisecond, 1}, Bucket{11 * time.Millisecond, 1}, Bucket{12 * time.Millisecond, 1}, Bucket{13 * time.Millisecond, 1}, Bucket{14 * time.Millisecond, 1})
	called := stats(ms(1), ms(3), 10*time.Millisecond, Bucket{2 * time.Millisecond, 5})
	wantNodes := []NodeStats{{Node: Client, Stats: served}, {Node: orders, Stats: called}, {Node: f, Stats: served, Root: true}}
	if diff := cmp.Diff(wantNodes, g.Nodes()); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	wantEdges := []EdgeStats{{Edge{Client, f}, served}, {Edge{f, orders}, called}}
	if diff := cmp.Diff(wantEdges, g.Edges()); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
}

// TestEdgeTellsWhatTheCallerSaw has a callee that thinks it did well in 1 ms, and a caller that waited 50 ms and gave up.
func TestEdgeTellsWhatTheCallerSaw(t *testing.T) {
	call := sub(2, "orders", "remote", 10, 60)
	call.Fault = true
	g := Build([]segment.Document{doc(1, 0, "shop", "", 0, 70, call), doc(3, 2, "orders", "", 20, 21)}).Graph()
	for _, e := range g.Edges() {
		if e.To.Name == "orders" && (e.Fault != 1 || e.Time != 50*time.Millisecond) {
			t.Errorf("edge: %+v", e)
		}
	}
	for _, n := range g.Nodes() {
		if n.Name == "orders" && (n.OK != 1 || n.Time != time.Millisecond) {
			t.Errorf("node: %+v", n)
		}
	}
}

func TestHistogramKeepsTwoDigits(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0: 0, 7 * time.Microsecond: 7 * time.Microsecond, 99 * time.Microsecond: 99 * time.Microsecond, 104 * time.Microsecond: 100 * time.Microsecond,
		105 * time.Microsecond: 110 * time.Microsecond, 999 * time.Microsecond: time.Millisecond, 1234 * time.Millisecond: 1200 * time.Millisecond, time.Hour: 3600 * time.Second,
		1000 * time.Microsecond: time.Millisecond,
	} {
		if got := round(in); got != want {
			t.Errorf("%v: %v, want %v", in, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	queue := func(n, start, end int) segment.Document { return doc(n, 0, "q", segment.OriginQueue, start, end) }
	bus := func(n, start, end int) segment.Document { return doc(n, 0, "b", segment.OriginEvents, start, end) }
	work := func(n, start, end int) segment.Document { return doc(n, 0, "f", segment.OriginFunction, start, end) }
	beneath := func(parent int, d segment.Document) segment.Document {
		d.ParentID = id(parent)
		return d
	}
	for _, test := range []struct {
		name                       string
		docs                       []segment.Document
		work, queue, bus, untraced int
	}{
		{"one after the other", []segment.Document{work(1, 0, 10), bus(2, 10, 15), queue(3, 15, 35), work(4, 35, 40)}, 15, 20, 5, 0},
		{"an event does not wait for its sender to end", []segment.Document{
			work(1, 0, 100), beneath(1, bus(2, 10, 15)), beneath(2, queue(3, 15, 35)), beneath(3, work(4, 35, 40)),
		}, 75, 20, 5, 0},
		{"a branch that comes back sooner makes no wait", []segment.Document{
			work(1, 0, 10), beneath(1, bus(2, 10, 12)), beneath(2, work(3, 12, 90)), beneath(1, bus(4, 10, 15)), beneath(4, queue(5, 15, 60)), beneath(5, work(6, 60, 70)),
		}, 88, 0, 2, 0},
		{"a branch that comes back later is what is waited for", []segment.Document{
			work(1, 0, 10), beneath(1, bus(2, 10, 12)), beneath(2, work(3, 12, 65)), beneath(1, bus(4, 10, 15)), beneath(4, queue(5, 15, 60)), beneath(5, work(6, 60, 70)),
		}, 20, 45, 5, 0},
		{"a delivery that failed is work, and what lies between two is the queue's", []segment.Document{
			work(1, 0, 10), beneath(1, queue(2, 10, 60)), beneath(2, work(3, 20, 30)), beneath(2, work(4, 60, 70)),
		}, 30, 40, 0, 0},
		{"an event that is still being worked on has waited", []segment.Document{
			work(1, 0, 50), beneath(1, queue(2, 10, 30)), beneath(2, work(3, 30, -1)),
		}, 30, 20, 0, 0},
		{"a moment between two hops is the sender's if it works, and else untraced", []segment.Document{
			work(1, 0, 20), beneath(1, bus(2, 5, 10)), beneath(2, queue(3, 15, 18)), beneath(3, work(4, 25, 30)),
		}, 5 + 5 + 2 + 5, 3, 5, 5},
		{"two waits at once are one", []segment.Document{work(1, 0, 1), queue(2, 1, 50), queue(3, 10, 60)}, 1, 59, 0, 0},
		{"a queue beats a bus", []segment.Document{bus(1, 0, 20), queue(2, 10, 30)}, 0, 20, 10, 0},
		{"what nobody reports is untraced", []segment.Document{work(1, 0, 10), work(2, 40, 50)}, 20, 0, 0, 30},
		{"in progress counts as nothing", []segment.Document{work(1, 0, 10), work(2, 30, -1)}, 10, 0, 0, 20},
		{"an end before the start counts as nothing", []segment.Document{work(1, 10, 20), queue(2, 15, 5)}, 10, 0, 0, 0},
		{"an inferred queue is a call and no wait", []segment.Document{doc(1, 0, "f", segment.OriginFunction, 0, 10, func() segment.Document {
			d := sub(2, "SQS", "aws", 2, 8)
			d.AWS = &segment.AWS{QueueURL: "http://x/q"}
			return d
		}())}, 10, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Build(test.docs).Times()
			want := Times{Start: got.Start, End: got.End, Work: time.Duration(test.work) * time.Millisecond, Queue: time.Duration(test.queue) * time.Millisecond,
				Bus: time.Duration(test.bus) * time.Millisecond, Untraced: time.Duration(test.untraced) * time.Millisecond}
			want.Duration = want.Work + want.Queue + want.Bus + want.Untraced
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
