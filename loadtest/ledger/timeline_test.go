package ledger_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
)

func TestTimeline(t *testing.T) {
	l := newLedger(t, 5) // due at 0, 100, ... 400 ms
	for seq, code := range []int{202, 202, 429, 202} {
		if err := l.Answer(uint64(seq), ledger.Answer{Sent: after(seq * 100), Acked: after(seq*100 + 20), Code: code}); err != nil {
			t.Fatal(err)
		}
	}
	for seq, stored := range []int{150, 350} {
		if err := l.Observe(uint64(seq), ledger.Observation{Accepted: after(seq*100 + 10), Stored: after(stored), Status: ledger.Completed}); err != nil {
			t.Fatal(err)
		}
	}
	line := l.Timeline(ledger.Clock{}, nil)
	// accepted at 10 and 110 by the server's word, at 320 by the answer; ended at 150 and 350
	for at, want := range map[int]int{-1: 0, 9: 0, 10: 1, 109: 1, 110: 2, 149: 2, 150: 1, 319: 1, 320: 2, 349: 2, 350: 1, 10_000: 1} {
		if got := line.Backlog(ledger.At(after(at))); got != want {
			t.Errorf("backlog at %d ms is %d, want %d", at, got, want)
		}
	}
	if n, at := line.Peak(); n != 2 || at != ledger.At(after(110)) {
		t.Errorf("peak of %d at %v", n, at.Time().Sub(began))
	}
	if offered, accepted, ended := line.Rates(ledger.At(began), ledger.At(after(400))); offered != 10 || accepted != 7.5 || ended != 5 {
		t.Errorf("%v offered, %v accepted, %v ended a second; want 10, 7.5, 5", offered, accepted, ended)
	}
	s, err := line.Series(ledger.At(began), ledger.At(after(450)), 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Series{
		From: ledger.At(began), Step: 200 * time.Millisecond,
		Offered: []float64{2, 2, 1}, Accepted: []float64{2, 1, 0}, Ended: []float64{1, 1, 0}, Backlog: []float64{1, 1, 1},
	}
	if fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", s, want)
	}
	if _, ok := line.Drain(); ok {
		t.Error("drained, with a subject on its way")
	}
	if err := l.Observe(3, ledger.Observation{Stored: after(1000), Status: ledger.Failed}); err != nil {
		t.Fatal(err)
	}
	if drain, ok := l.Timeline(ledger.Clock{}, nil).Drain(); !ok || drain != 680*time.Millisecond {
		t.Errorf("drained in %v, %t; want 680ms", drain, ok)
	}
	for _, step := range []time.Duration{0, time.Microsecond} {
		if _, err := line.Series(ledger.At(began), ledger.At(after(1)), step); err == nil {
			t.Errorf("a series of steps of %v", step)
		}
	}
	if _, err := line.Series(ledger.At(began), ledger.At(after(2_000_000)), time.Millisecond); err == nil {
		t.Error("a series of two million steps")
	}
	if s, err := line.Series(ledger.At(after(1)), ledger.At(began), time.Second); err != nil || len(s.Backlog) != 0 {
		t.Errorf("a series of no time: %v, %v", s, err)
	}
}

func TestBacklogIsAcceptedLessEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t, rapid.IntRange(1, 12).Draw(t, "subjects"))
		history(t, l)
		clock := ledger.Clock{Offset: time.Duration(rapid.IntRange(-50, 50).Draw(t, "offset")) * time.Millisecond, Error: time.Duration(rapid.IntRange(0, 20).Draw(t, "error")) * time.Millisecond}
		line := l.Timeline(clock, nil)
		c := l.Count(nil)
		if accepted := c.Open + c.Lost + c.DeadLettered + c.Failed + c.Completed; len(line.Offered) != c.Scheduled || len(line.Accepted) != accepted || len(line.Ended) != c.Failed+c.Completed {
			t.Fatalf("%d offered, %d accepted, %d ended: %+v", len(line.Offered), len(line.Accepted), len(line.Ended), c)
		}
		peak, _ := line.Peak()
		highest := 0
		for _, at := range slices.Concat(line.Accepted, line.Ended) {
			for _, at := range []ledger.Instant{at - 1, at, at + 1} {
				n := line.Backlog(at)
				if n < 0 {
					t.Fatalf("backlog of %d", n)
				}
				highest = max(highest, n)
			}
		}
		if highest != peak {
			t.Fatalf("the peak is said to be %d, and %d was seen", peak, highest)
		}
		step := time.Duration(rapid.IntRange(10, 3000).Draw(t, "step")) * time.Millisecond
		s, err := line.Series(l.Began().Add(-time.Minute), l.Began().Add(time.Minute), step)
		if err != nil {
			t.Fatal(err)
		}
		var offered, accepted, ended float64
		for i := range s.Backlog {
			offered, accepted, ended = offered+s.Offered[i], accepted+s.Accepted[i], ended+s.Ended[i]
			if s.Backlog[i] != accepted-ended {
				t.Fatalf("step %d: backlog of %v, of %v accepted and %v ended", i, s.Backlog[i], accepted, ended)
			}
		}
		if int(offered) != len(line.Offered) || int(accepted) != len(line.Accepted) || int(ended) != len(line.Ended) {
			t.Fatalf("the series has %v, %v and %v of %d, %d and %d", offered, accepted, ended, len(line.Offered), len(line.Accepted), len(line.Ended))
		}
	})
}

func TestClock(t *testing.T) {
	const ms = time.Millisecond
	for _, offset := range []time.Duration{0, 700 * time.Microsecond, 35 * ms, -time.Minute} {
		t.Run(offset.String(), func(t *testing.T) {
			l := newLedger(t, 200)
			if c := l.Clock(); c != (ledger.Clock{}) || c.Correction() != 0 {
				t.Errorf("of nothing the offset is %+v", c)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for seq := range 200 {
				there, back := time.Duration(rng.ExpFloat64()*10e6)+ms, time.Duration(rng.ExpFloat64()*10e6)+ms
				sent := after(seq * 100)
				if err := l.Answer(uint64(seq), ledger.Answer{Sent: sent, Acked: sent.Add(there + back), Code: 202}); err != nil {
					t.Fatal(err)
				}
				if err := l.Observe(uint64(seq), ledger.Observation{Accepted: sent.Add(there + offset).Truncate(ms)}); err != nil {
					t.Fatal(err)
				}
			}
			c := l.Clock()
			if c.N != 200 || (c.Offset-offset).Abs() > c.Error || c.Error > 5*ms {
				t.Errorf("%+v, the truth is %v", c, offset)
			}
			if offset.Abs() < ms && c.Correction() != 0 {
				t.Errorf("a correction of %v, though the clocks may agree", c.Correction())
			}
			if offset.Abs() > 30*ms && c.Correction() != c.Offset {
				t.Errorf("a correction of %v of %v", c.Correction(), c.Offset)
			}
		})
	}
}

// The servers' time of another request than that of the record, such as one of ten seconds before, is no sample of the clock:
// the less there are of them, the less they matter, and as long as they are fewer than the others, they are found out.
func TestClockDropsWhatIsOfAnotherRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const longest = 200 * time.Millisecond // of a request
		honest := rapid.IntRange(1, 40).Draw(t, "honest")
		liars := rapid.IntRange(0, honest-1).Draw(t, "liars")
		offset := time.Duration(rapid.IntRange(-60_000_000, 60_000_000).Draw(t, "offset")) * time.Microsecond
		far := rapid.Bool().Draw(t, "by more than a request takes")
		lies := map[int]bool{}
		for _, seq := range rapid.Permutation(slices.Collect(seqs(honest+liars))).Draw(t, "order")[:liars] {
			lies[seq] = true
		}
		whole, without := newLedger(t, honest+liars), newLedger(t, honest+liars)
		us := rapid.IntRange(0, int(longest.Microseconds())/2)
		for seq := range honest + liars {
			sent := after(seq * 100).Add(time.Duration(us.Draw(t, "late")) * time.Microsecond)
			there, back := time.Duration(us.Draw(t, "there"))*time.Microsecond, time.Duration(us.Draw(t, "back"))*time.Microsecond
			accepted := sent.Add(there + offset)
			if lies[seq] {
				there, back = there/100, back/100 // the answer needs no work, and would be the best sample
				lie := time.Duration(rapid.IntRange(-20_000_000, 0).Draw(t, "lie")) * time.Microsecond
				if far {
					lie -= 2*longest + time.Second
				}
				accepted = accepted.Add(lie)
			}
			for _, l := range []*ledger.Ledger{whole, without} {
				if lies[seq] && l == without {
					continue
				}
				if err := l.Answer(uint64(seq), ledger.Answer{Sent: sent, Acked: sent.Add(there + back), Code: 202}); err != nil {
					t.Fatal(err)
				}
				if err := l.Observe(uint64(seq), ledger.Observation{Accepted: accepted.Truncate(time.Millisecond)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := whole.Clock()
		if c.N+c.Dropped != honest+liars || c.N <= c.Dropped {
			t.Fatalf("%+v of %d honest ones and %d liars", c, honest, liars)
		}
		if (c.Offset - offset).Abs() > c.Error+longest+time.Millisecond {
			t.Fatalf("%+v, the truth is %v", c, offset)
		}
		want := without.Clock()
		if want.Dropped != 0 || (want.Offset-offset).Abs() > want.Error {
			t.Fatalf("of honest ones alone %+v, the truth is %v", want, offset)
		}
		if want.Dropped = liars; far && c != want {
			t.Fatalf("%+v, and %+v without the liars", c, want)
		}
	})
}

func seqs(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// Clocks that drift apart leave no offset that all requests allow. The estimate is one of the run's, not none.
func TestClockThatDrifts(t *testing.T) {
	l := newLedger(t, 1000)
	for seq := range 1000 { // by 100 ms in 100 s
		sent := after(seq * 100)
		if err := l.Answer(uint64(seq), ledger.Answer{Sent: sent, Acked: sent.Add(10 * time.Millisecond), Code: 202}); err != nil {
			t.Fatal(err)
		}
		if err := l.Observe(uint64(seq), ledger.Observation{Accepted: sent.Add(5*time.Millisecond + time.Duration(seq)*100*time.Microsecond).Truncate(time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
	}
	if c := l.Clock(); c.Offset < 0 || c.Offset > 100*time.Millisecond || c.N < 90 || c.N+c.Dropped != 1000 || c.Error != 5500*time.Microsecond {
		t.Errorf("%+v", c)
	}
}

// Servers tell milliseconds, rounded down. A request that takes less than that must not make the estimate look better than it is.
func TestClockKnowsItsResolution(t *testing.T) {
	l := newLedger(t, 1)
	sent := after(0).Add(900 * time.Microsecond)
	if err := l.Answer(0, ledger.Answer{Sent: sent, Acked: sent.Add(50 * time.Microsecond), Code: 202}); err != nil {
		t.Fatal(err)
	}
	if err := l.Observe(0, ledger.Observation{Accepted: sent.Truncate(time.Millisecond)}); err != nil { // by the same clock
		t.Fatal(err)
	}
	if c := l.Clock(); c.Offset.Abs() > c.Error || c.Error > time.Millisecond || c.Correction() != 0 {
		t.Errorf("%+v, the truth is 0", c)
	}
}

func TestWaitsSumUp(t *testing.T) {
	l := newLedger(t, 3)
	const offset = 40 // ms
	if err := l.Answer(1, ledger.Answer{Sent: after(150), Acked: after(190), Code: 202}); err != nil {
		t.Fatal(err)
	}
	err := l.Observe(1, ledger.Observation{
		Accepted: after(160 + offset), Received: after(1100 + offset), Answered: after(1150 + offset), Delivered: after(1200 + offset), Stored: after(1210 + offset), Status: ledger.Completed,
	})
	if err != nil {
		t.Fatal(err)
	}
	clock := ledger.Clock{Offset: offset * time.Millisecond, Error: time.Millisecond}
	r := record(t, l, 1)
	const ms = time.Millisecond
	waits, ok := r.Waits(clock)
	if want := (ledger.Waits{Accept: 60 * ms, Request: 940 * ms, Service: 50 * ms, Response: 50 * ms, Store: 10 * ms}); !ok || waits != want {
		t.Errorf("got %+v, want %+v", waits, want)
	}
	e2e, ok := r.EndToEnd(clock)
	if sum := waits.Accept + waits.Request + waits.Service + waits.Response + waits.Store; !ok || e2e != 1110*ms || sum != e2e {
		t.Errorf("end to end %v, in parts %v, want 1.11s", e2e, sum)
	}
	if d, ok := r.Uncorrected(clock); !ok || d != 1060*ms {
		t.Errorf("from when it was sent %v, want 1.06s", d)
	}
	if d, ok := r.Slip(); !ok || d != 50*ms {
		t.Errorf("slip %v, want 50ms", d)
	}
	open := record(t, l, 2)
	if _, ok := open.EndToEnd(clock); ok {
		t.Error("a subject that has not ended took its time")
	}
	if _, ok := open.Waits(clock); ok {
		t.Error("a subject that has not ended waited somewhere")
	}
	if _, ok := open.Slip(); ok {
		t.Error("a subject that was not sent slipped")
	}
}

func BenchmarkClock(b *testing.B) {
	const n = 100_000
	l := newLedger(b, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for seq := range uint64(n) {
		sent := after(int(seq) * 100)
		if err := l.Answer(seq, ledger.Answer{Sent: sent, Acked: sent.Add(time.Duration(rng.IntN(1e8))), Code: 202}); err != nil {
			b.Fatal(err)
		}
		if err := l.Observe(seq, ledger.Observation{Accepted: sent}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if c := l.Clock(); c.N != n {
			b.Fatalf("%+v", c)
		}
	}
}

func BenchmarkTimeline(b *testing.B) {
	s, err := schedule.New(schedule.Constant("s", 1000, 100*time.Second))
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.New("run", began, s)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for seq := range s.Total() {
		at := began.Add(s.At(seq))
		err := l.Observe(seq, ledger.Observation{Accepted: at, Stored: at.Add(time.Duration(rng.IntN(1e9))), Status: ledger.Completed})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		line := l.Timeline(ledger.Clock{}, nil)
		if n, _ := line.Peak(); n == 0 {
			b.Fatal("no backlog")
		}
	}
}
