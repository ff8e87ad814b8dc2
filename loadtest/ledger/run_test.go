package ledger_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// A system answers 202 after 5 ms and has workers that take subjects from a queue, one at a time, for 50 ms each.
type system struct {
	queue chan string
	loses func(key string) bool // after it has answered 202

	mu   sync.Mutex
	seen map[string]ledger.Observation // by key
}

func newSystem(workers int, loses func(string) bool) (s *system, stop func()) {
	s = &system{queue: make(chan string, 100_000), loses: loses, seen: map[string]ledger.Observation{}}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for key := range s.queue {
				received := time.Now()
				time.Sleep(50 * time.Millisecond)
				s.mu.Lock()
				o := s.seen[key]
				o.Received, o.Answered, o.Delivered, o.Stored = received, time.Now(), time.Now(), time.Now()
				o.Status, o.Deliveries, o.Events = ledger.Completed, 1, 1
				s.seen[key] = o
				s.mu.Unlock()
			}
		})
	}
	return s, func() { close(s.queue); wg.Wait() }
}

func (s *system) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Header.Get("Idempotency-Key")
	s.mu.Lock()
	s.seen[key] = ledger.Observation{Subject: "subject of " + key, Accepted: time.Now()}
	s.mu.Unlock()
	if !s.loses(key) {
		s.queue <- key
	}
	time.Sleep(5 * time.Millisecond)
	return &http.Response{StatusCode: http.StatusAccepted, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// measure sends a schedule to a system and returns the ledger after the queue is empty.
func measure(t *testing.T, workers int, loses func(string) bool, stages ...schedule.Stage) *ledger.Ledger {
	t.Helper()
	plan, err := schedule.New(stages...)
	if err != nil {
		t.Fatal(err)
	}
	s, stop := newSystem(workers, loses)
	l, err := ledger.New("run", time.Now(), plan)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: keyed{s, l}}
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(8), vegeta.MaxWorkers(64))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: "http://in.process/events"})
	for r := range attacker.Attack(target, plan, 0, "run") {
		if err := l.Answer(r.Seq, ledger.Answer{Sent: r.Timestamp, Acked: r.End(), Code: int(r.Code), Error: r.Error}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for _, open := range l.Open(0, l.Len()) {
		if err := l.Observe(open.Seq, s.seen[l.Key(open.Seq)]); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	return l
}

// keyed gives each request the key of its subject.
type keyed struct {
	next   http.RoundTripper
	ledger *ledger.Ledger
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	var seq uint64
	if _, err := fmt.Sscan(r.Header.Get("X-Vegeta-Seq"), &seq); err != nil {
		return nil, err
	}
	r.Header.Set("Idempotency-Key", k.ledger.Key(seq))
	return k.next.RoundTrip(r)
}

func none(string) bool { return false }

func TestOverloadIsMeasuredAsPredicted(t *testing.T) {
	for _, workers := range []int{2, 4, 8, 16} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const offered = 150
				capacity, err := stats.Capacity{Concurrency: workers, Batch: 1, Parallelism: 1, Service: 50 * time.Millisecond}.Rate()
				if err != nil {
					t.Fatal(err)
				}
				l := measure(t, workers, none, schedule.Constant("hold", offered, 20*time.Second))
				if c := l.Count(nil); c.Completed != offered*20 || c.Acknowledged != c.Completed {
					t.Fatalf("%+v", c)
				}
				line := l.Timeline(l.Clock(), nil)
				s, err := line.Series(l.Began(), l.Began().Add(20*time.Second), 100*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				const warm = 10 // steps until the slots are busy
				completed := stats.BatchMeans(s.Ended[warm:], stats.Blocks).Mean * 10
				if want := min(offered, capacity); math.Abs(completed-want) > 0.02*want {
					t.Errorf("%.1f completed a second, want %.1f", completed, want)
				}
				growth := stats.Growth(s.Backlog[warm:], s.Step, stats.Blocks)
				verdict := stats.Judge(growth, offered)
				little := stats.Little(completed, 50*time.Millisecond, float64(workers))
				if capacity > offered {
					if verdict != stats.Stable {
						t.Errorf("grows by %v: %s", growth, verdict)
					}
					return
				}
				if got := stats.Diagnose(little, verdict); got != stats.LimitedByConcurrency {
					t.Errorf("limited by %s: grows by %v, Little %.3f", got, growth, little)
				}
				peak, _ := line.Peak()
				drain, ok := line.Drain()
				predicted, _ := stats.Drain(float64(peak), capacity, 0)
				if !ok || math.Abs(drain.Seconds()/predicted.Seconds()-1) > 0.02 {
					t.Errorf("drained in %v, predicted %v for %d", drain, predicted, peak)
				}
			})
		})
	}
}

func TestRecoveryFromABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := measure(t, 4, none, schedule.Constant("base", 40, 10*time.Second), schedule.Constant("burst", 160, 10*time.Second), schedule.Constant("rest", 40, 40*time.Second))
		var slow time.Duration // when the last subject was due that waited
		clock := l.Clock()
		for r := range l.All() {
			if e2e, ok := r.EndToEnd(clock); ok && e2e > 100*time.Millisecond {
				slow = r.Intended.Sub(l.Began())
			}
		}
		// (160-80)·10 = 800 behind at 20 s, and 80-40 a second to catch up with.
		if slow < 39*time.Second || slow > 41*time.Second {
			t.Errorf("recovered at %v, want 40 s", slow)
		}
	})
}

func TestWhatIsAcceptedAndLostIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := measure(t, 16, func(key string) bool { return key == "run-500" }, schedule.Constant("hold", 100, 10*time.Second))
		c := l.Count(nil)
		if c.Lost != 1 || c.Completed != 999 || c.Acknowledged != 1000 {
			t.Fatalf("%+v", c)
		}
		if r, ok := l.Subject("subject of run-500"); !ok || r.Fate() != ledger.Lost || r.Seq != 500 {
			t.Errorf("%+v, %t", r, ok)
		}
		if backlog := l.Timeline(l.Clock(), nil).Backlog(l.Began().Add(time.Hour)); backlog != 1 {
			t.Errorf("in the end the backlog is %d", backlog)
		}
	})
}
