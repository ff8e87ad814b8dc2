package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/schedule"
)

// What is counted twice for speed must agree after each event: subjects by place and in queues, messages in flight, pollers and
// environments.
func TestCountersAgreeAfterEachEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load, err := schedule.New(schedule.Constant("hold", rapid.Float64Range(1, 400).Draw(t, "rate"), 2*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		q, err := QuotasOf("us-east-1")
		if err != nil {
			t.Fatal(err)
		}
		few := func(name string) float64 { return rapid.SampledFrom([]float64{3, 30, 1e6}).Draw(t, name) }
		q.PutEventsRate, q.TableWarm, q.BusInvocations = few("puts"), few("table"), few("deliveries")
		q.Concurrency, q.NewEnvironments.Count, q.InFlight = int(few("concurrency")), int(few("environments")), int64(few("in flight"))
		c := Config{System: Template(50 * time.Millisecond), Quotas: q, Latencies: AWS2026(), Load: load, Drain: 10 * time.Minute, Step: time.Second}
		c.Cohort = rapid.SampledFrom([]int64{1, 1, 9, 100}).Draw(t, "cohort")
		c.System.Requests.BatchSize = rapid.SampledFrom([]int{1, 3, 10}).Draw(t, "batch")
		c.System.Requests.Parallelism = rapid.SampledFrom([]int{1, 10}).Draw(t, "parallelism")
		c.System.Requests.MaxReceives = rapid.IntRange(1, 3).Draw(t, "receives")
		c.System.Requests.Window = time.Duration(rapid.IntRange(0, 1).Draw(t, "window")) * 700 * time.Millisecond
		if q.Concurrency == 1e6 {
			c.System.Requests.Reserved = rapid.SampledFrom([]int{0, 2, 20}).Draw(t, "reserved")
		}
		s := newSimulation(c)
		for {
			e, ok := s.events.pop()
			if !ok || s.over() {
				break
			}
			if e.at < s.now {
				t.Fatalf("an event at %d comes after %d", e.at, s.now)
			}
			s.now = e.at
			s.handle(e)
			check(t, s)
		}
		if s.at[done]+s.at[rejected]+s.at[dead] == int64(s.sent) && (s.functions[0].busy != 0 || s.functions[1].busy != 0 || s.legs[0].received != 0 || s.legs[1].received != 0) {
			t.Fatalf("all have ended, and functions are busy: %+v %+v", s.functions, s.legs)
		}
	})
}

func check(t *rapid.T, s *simulation) {
	var all int64
	for p, n := range s.at {
		if n < 0 {
			t.Fatalf("%d subjects at place %d", n, p)
		}
		all += n
	}
	if all != int64(s.sent) {
		t.Fatalf("%d subjects somewhere, %d sent", all, s.sent)
	}
	unused := map[int32]bool{}
	for _, i := range s.freeBatch {
		unused[i] = true
	}
	var busy, hidden, inFlight, pollers, stalled, small [2]int64
	for i := range s.batches {
		b := &s.batches[i]
		if unused[int32(i)] {
			continue
		}
		pollers[b.leg] += b.pollers
		inFlight[b.leg] += b.n
		if b.small {
			small[b.leg]++
		}
		if b.pending > 0 {
			busy[b.function] += b.pollers
		} else {
			stalled[b.leg] += b.pollers
		}
	}
	for i := range s.legs {
		l := &s.legs[i]
		for _, n := range l.hidden {
			hidden[i] += n
		}
		var queued int64
		for p := l.head; p >= 0; p = s.pieces[p].next {
			queued += s.pieces[p].n
		}
		if l.queued != queued || s.at[l.in] != queued {
			t.Fatalf("leg %d: %d queued, %d in the queue, %d at its place", i, l.queued, queued, s.at[l.in])
		}
		if s.at[l.off] != hidden[i] {
			t.Fatalf("leg %d: %d hidden for a cause, %d at that place", i, hidden[i], s.at[l.off])
		}
		if l.received != inFlight[i]+hidden[i] {
			t.Fatalf("leg %d: %d in flight: %d in batches, %d hidden", i, l.received, inFlight[i], hidden[i])
		}
		if l.pollers != pollers[i] || l.pollers > l.cap || l.stalled != stalled[i] || l.small != small[i] || l.retrying < 0 {
			t.Fatalf("leg %d: %d pollers of %d with %d batches, %d stalled of %d, %d small of %d, %d retrying", i, l.pollers, l.cap, pollers[i], l.stalled, stalled[i], l.small, small[i], l.retrying)
		}
	}
	for i, f := range s.functions {
		if f.reserved > 0 && f.busy > f.reserved {
			t.Fatalf("function %d: %d busy of %d reserved", i, f.busy, f.reserved)
		}
		if f.busy < busy[i] || f.busy > f.warm || i == handler && f.busy != busy[i] {
			t.Fatalf("function %d: %d busy of %d, %d with batches", i, f.busy, f.warm, busy[i])
		}
	}
	if total := s.functions[0].busy + s.functions[1].busy; total > int64(s.Quotas.Concurrency) {
		t.Fatalf("%d environments are busy, of %d", total, s.Quotas.Concurrency)
	}
	for i, n := range s.retrying {
		if n < 0 {
			t.Fatalf("%d requests retry for %s", n, Limits[i])
		}
	}
}
