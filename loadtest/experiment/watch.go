package experiment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/ledger"
)

// How often things are looked at while a load goes on. All of it together is a small part of the load itself.
const (
	chunkSize     = 500 // subjects in one question to the tables
	sampleEvery   = 500 * time.Millisecond
	progressEvery = 250 * time.Millisecond
	guardEvery    = time.Second
)

// A tracker knows what is known so far. It may be used by many goroutines.
type tracker struct {
	live   attack.Live
	ledger *ledger.Ledger

	mu       sync.Mutex
	ended    []bool // by sequence
	n        int
	recent   []moment // of the last seconds
	faults   int      // answers of the tables that the ledger refused
	fault    string
	draining bool
	backlog  int // when the tables were last asked
}

// A moment is what was known then.
type moment struct {
	at        time.Time
	offered   float64
	accepted  int64
	completed int
	latencies []time.Duration // of what was found to have ended since the moment before
}

func newTracker(l *ledger.Ledger) *tracker {
	return &tracker{ledger: l, ended: make([]bool, l.Len()), recent: []moment{{}}}
}

// tell takes what a table has on a subject. It never stops a question: what the ledger refuses is counted.
func (t *tracker) tell(seq uint64, o ledger.Observation) error {
	if err := t.ledger.Observe(seq, o); err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.faults++
		if t.fault == "" {
			t.fault = err.Error()
		}
		return nil
	}
	if o.Status == ledger.Pending {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq < uint64(len(t.ended)) && !t.ended[seq] {
		t.ended[seq] = true
		t.n++
	}
	return nil
}

// late adds the latency of a subject that has ended to the present moment.
func (t *tracker) late(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := &t.recent[len(t.recent)-1]
	last.latencies = append(last.latencies, d)
}

func (t *tracker) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// looked takes that the tables were asked, when so many were accepted: what had ended by then is counted. What is accepted until
// they are asked again is not: it may have ended as well.
func (t *tracker) looked(accepted int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.backlog = max(0, int(accepted)-t.n)
}

func (t *tracker) setDraining() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
}

// A watch looks at a system while it is measured.
type watch struct {
	*measurement
	died    context.CancelCauseFunc // ends the load, and the run with it
	looking chan struct{}           // holds one while a question is asked: one at a time
	rounds  int
}

// look asks for the oldest subjects that are open, and for more of them while most of those have ended. Every fourth time it
// asks for all, so that some that never end do not hide the others.
func (w *watch) look(ctx context.Context) error {
	select {
	case w.looking <- struct{}{}:
	case <-ctx.Done():
		return stopped(ctx)
	}
	defer func() { <-w.looking }()
	w.rounds++
	accepted := w.seen.live.Accepted.Load()
	all := w.rounds%4 == 0
	after := uint64(0)
	for {
		open := w.ledger.Open(after, chunkSize)
		if len(open) == 0 {
			w.seen.looked(accepted)
			return nil
		}
		var ended atomic.Int64 // a system may tell from many goroutines
		known := make(map[uint64]ledger.Record, len(open))
		for _, r := range open {
			known[r.Seq] = r
		}
		call, cancel := context.WithTimeout(ctx, w.limits.call)
		err := w.sys.Observe(call, w.ledger, open, func(seq uint64, o ledger.Observation) error {
			if r, ok := known[seq]; ok && o.Status != ledger.Pending {
				ended.Add(1)
				w.seen.late(o.Stored.Sub(r.Intended.Time()))
			}
			return w.seen.tell(seq, o)
		})
		cancel()
		if err != nil {
			return err
		}
		if !all && int(ended.Load()) < len(open)/2 { // nor have those after them, for the most part
			w.seen.looked(accepted)
			return nil
		}
		after = open[len(open)-1].Seq + 1
	}
}

// sample looks at what has ended for as long as the load goes on; drain does that afterwards. It tells the progress all the time.
func (w *watch) sample(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() {
		for sleep(ctx, sampleEvery) == nil {
			if w.seen.isDraining() {
				return
			}
			// Whether the system is dead is guard's question; what was not seen now is seen later.
			_ = w.look(ctx)
		}
	})
	for !w.silent && sleep(ctx, progressEvery) == nil {
		w.c.Watch.Progress(w.progress())
	}
}

func (t *tracker) isDraining() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.draining
}

// progress returns what is known of the last second.
func (w *watch) progress() Progress {
	t := w.seen
	now := time.Now()
	elapsed := max(0, now.Sub(w.began))
	t.mu.Lock()
	defer t.mu.Unlock()
	m := moment{at: now, offered: w.load.Expected(elapsed), accepted: t.live.Accepted.Load(), completed: t.n}
	t.recent = append(t.recent, m)
	for len(t.recent) > 2 && now.Sub(t.recent[0].at) > time.Second+progressEvery/2 {
		t.recent = slices.Delete(t.recent, 0, 1)
	}
	p := Progress{Cell: w.spec.id(), Phase: PhaseDrain, Elapsed: min(elapsed, w.load.Duration()), Of: w.load.Duration(), Slip: time.Duration(t.live.Slip.Load())}
	if elapsed < w.load.Duration() {
		at := time.Duration(0)
		for _, s := range w.plan {
			if at += s.Duration; elapsed < at {
				p.Phase = s.Name
				break
			}
		}
	}
	p.Backlog = t.backlog
	first := t.recent[0]
	if first.at.IsZero() {
		first.at = w.began
	}
	if d := now.Sub(first.at).Seconds(); d > 0 {
		p.Offered = (m.offered - first.offered) / d
		p.Accepted = float64(m.accepted-first.accepted) / d
		p.Completed = float64(m.completed-first.completed) / d
	}
	var recent []time.Duration
	for _, r := range t.recent {
		recent = append(recent, r.latencies...)
	}
	if len(recent) > 0 {
		slices.Sort(recent)
		p.P99 = recent[(len(recent)*99-1)/100]
	}
	return p
}

// guard looks after what may go wrong beside the load: the system dies, or others use it.
func (w *watch) guard(ctx context.Context) {
	crowded := 0
	var silentSince time.Time
	for sleep(ctx, guardEvery) == nil {
		_, err := w.runner.incarnation(ctx) // whether it changed is asked in the end
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if silentSince.IsZero() {
				silentSince = time.Now()
			}
			if time.Since(silentSince) >= w.limits.silence {
				w.died(cause{fmt.Sprintf("the system has not answered for %v: %v", time.Since(silentSince).Round(100*time.Millisecond), err)})
				return
			}
			continue
		}
		silentSince = time.Time{}
		if w.spec.repeats || w.spec.via == ViaFunction || w.c.AWS {
			continue // how many messages there should be is not known, or how many there are
		}
		// Messages of ours are never more than subjects that are open. Both counts only grow: those that had ended are counted
		// before the question, those that were sent after it.
		ended := w.seen.count()
		d, err := w.depths(ctx)
		if err != nil {
			continue // the next question tells whether it is dead
		}
		ours := int(w.seen.live.Sent.Load()) - ended
		if d.Waiting() > ours+10+ours/10 {
			crowded++
		} else {
			crowded = 0
		}
		if crowded == 3 {
			w.contaminate(fmt.Sprintf("%d messages were in the queues, and at most %d subjects of this cell on their way: others use the system", d.Waiting(), ours))
		}
	}
}
