package queue_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// TestNoMessageIsLostOrMadeUp does random things to two queues with a common dead-letter queue, in fake time, and
// checks after each that every message is accounted for.
func TestNoMessageIsLostOrMadeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			w := newWorld(rt)
			defer w.s.Close()
			rt.Repeat(map[string]func(*rapid.T){
				"":                 w.check,
				"send":             w.send,
				"receive":          w.receive,
				"delete":           w.delete,
				"changeVisibility": w.changeVisibility,
				"pass time":        w.passTime,
				"move":             w.move,
				"cancel move":      w.cancelMove,
				"purge":            w.purge,
				"retention":        w.retention,
			})
			w.drain(rt)
		})
	})
}

// inBubble hides that t is a *testing.T, whose Deadline must not be asked for in a bubble of synctest.
type inBubble struct{ rapid.TB }

// A world is what the random operations work on, with a model of what they must never bring about.
type world struct {
	s         *queue.Service
	queues    []*queue.Queue // two sources and their dead-letter queue
	dlq       *queue.Queue
	handles   []handle
	tasks     []string
	deleted   map[string]bool // ids of messages deleted by a handle of their last receive
	duplicate bool
}

type handle struct {
	q       *queue.Queue
	id      string
	receipt string
}

func newWorld(rt *rapid.T) *world {
	w := &world{deleted: map[string]bool{}, duplicate: rapid.Bool().Draw(rt, "duplicates")}
	seed := rapid.Uint64().Draw(rt, "seed")
	faults := rand.New(rand.NewPCG(seed, 1))
	opts := queue.Options{Rand: rand.New(rand.NewPCG(seed, 2)), Shuffle: rapid.Bool().Draw(rt, "shuffle")}
	if w.duplicate {
		opts.Duplicate = func() bool { return faults.IntN(3) == 0 }
	}
	if rapid.Bool().Draw(rt, "latency") {
		opts.Latency = func() time.Duration { return 100 * time.Millisecond }
	}
	w.s = queue.New(opts)
	create := func(cfg queue.Config) *queue.Queue {
		q, err := w.s.Create(cfg)
		if err != nil {
			rt.Fatal(err)
		}
		return q
	}
	w.dlq = create(queue.Config{Name: "dlq", Retention: 30 * time.Minute})
	for i, most := range []int{1, 3} {
		w.queues = append(w.queues, create(queue.Config{
			Name: fmt.Sprint("q", i), Retention: 10 * time.Minute, VisibilityTimeout: new(20 * time.Second),
			DeadLetter: &queue.DeadLetter{TargetARN: w.dlq.ARN(), MaxReceiveCount: most},
		}))
	}
	w.queues = append(w.queues, w.dlq)
	return w
}

func (w *world) pick(rt *rapid.T) *queue.Queue { return rapid.SampledFrom(w.queues).Draw(rt, "queue") }

func (w *world) send(rt *rapid.T) {
	q := w.pick(rt)
	for range rapid.IntRange(1, 5).Draw(rt, "messages") {
		m := queue.Message{Body: "x"}
		if rapid.Bool().Draw(rt, "delayed") {
			m.Delay = new(time.Duration(rapid.IntRange(0, 60).Draw(rt, "delay")) * time.Second)
		}
		if _, err := q.Send(rt.Context(), m); err != nil {
			rt.Fatal(err)
		}
	}
}

func (w *world) receive(rt *rapid.T) {
	q := w.pick(rt)
	r := queue.ReceiveRequest{Max: rapid.IntRange(1, 10).Draw(rt, "max"), Wait: time.Duration(rapid.IntRange(0, 3).Draw(rt, "wait")) * time.Second}
	if rapid.Bool().Draw(rt, "own timeout") {
		r.Visibility = new(time.Duration(rapid.IntRange(0, 100).Draw(rt, "timeout")) * time.Second)
	}
	got, err := q.Receive(rt.Context(), r)
	if err != nil {
		rt.Fatal(err)
	}
	w.note(rt, q, got)
}

// note remembers deliveries, none of which may be of a message that was deleted.
func (w *world) note(rt *rapid.T, q *queue.Queue, got []queue.Received) {
	for _, m := range got {
		if w.deleted[m.ID] && !w.duplicate {
			rt.Fatalf("message %s was deleted and comes again", m.ID)
		}
		w.handles = append(w.handles, handle{q, m.ID, m.ReceiptHandle})
	}
}

func (w *world) drawHandle(rt *rapid.T) handle {
	if len(w.handles) == 0 {
		rt.Skip("nothing was received")
	}
	return rapid.SampledFrom(w.handles).Draw(rt, "handle")
}

func (w *world) delete(rt *rapid.T) {
	h := w.drawHandle(rt)
	before := h.q.Counts().Deleted
	if err := h.q.Delete(h.receipt); err != nil {
		rt.Fatal(err)
	}
	if h.q.Counts().Deleted > before {
		w.deleted[h.id] = true
	}
}

func (w *world) changeVisibility(rt *rapid.T) {
	h := w.drawHandle(rt)
	err := h.q.ChangeVisibility(h.receipt, time.Duration(rapid.IntRange(0, 100).Draw(rt, "timeout"))*time.Second)
	if e, ok := err.(*wire.Error); err != nil && (!ok || e.Code != "MessageNotInflight" && e.Code != "InvalidParameterValueException") {
		rt.Fatal(err)
	}
}

func (w *world) passTime(rt *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(rt, "seconds")) * time.Second)
	synctest.Wait()
}

func (w *world) move(rt *rapid.T) {
	request := map[string]any{"SourceArn": w.dlq.ARN()}
	if rapid.Bool().Draw(rt, "destination") {
		request["DestinationArn"] = w.queues[0].ARN()
	}
	if rapid.Bool().Draw(rt, "rate") {
		request["MaxNumberOfMessagesPerSecond"] = rapid.IntRange(1, 3).Draw(rt, "rate")
	}
	body, err := json.Marshal(request)
	if err != nil {
		rt.Fatal(err)
	}
	out, err := w.s.Wire().Operations["StartMessageMoveTask"](rt.Context(), body)
	if err != nil {
		return // one is running
	}
	answer, err := json.Marshal(out)
	if err != nil {
		rt.Fatal(err)
	}
	w.tasks = append(w.tasks, string(answer))
}

func (w *world) cancelMove(rt *rapid.T) {
	if len(w.tasks) == 0 {
		rt.Skip("no task")
	}
	// The answer of Start is the request of Cancel: a task handle. An error means that it has ended.
	_, _ = w.s.Wire().Operations["CancelMessageMoveTask"](rt.Context(), []byte(rapid.SampledFrom(w.tasks).Draw(rt, "task")))
}

func (w *world) purge(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "seldom") > 0 {
		rt.Skip("not now")
	}
	_ = w.pick(rt).Purge() // an error means that it was purged less than a minute ago
}

func (w *world) retention(rt *rapid.T) {
	body := fmt.Sprintf(`{"QueueUrl":%q,"Attributes":{"MessageRetentionPeriod":"%d"}}`, w.pick(rt).URL(), rapid.IntRange(60, 3600).Draw(rt, "retention"))
	if _, err := w.s.Wire().Operations["SetQueueAttributes"](rt.Context(), []byte(body)); err != nil {
		rt.Fatal(err)
	}
}

// check is what holds at every moment: each queue's own balance, and that what left one queue for another came there.
// Move tasks rest meanwhile, since the queues are looked at one after the other.
func (w *world) check(rt *rapid.T) {
	synctest.Wait()
	var moved, arrived uint64
	for _, q := range w.queues {
		wantBalance(rt, q)
		c := q.Counts()
		moved += c.DeadLettered + c.MovedOut
		arrived += c.MovedIn
		if age := q.OldestAge(); age < 0 || age > time.Hour {
			rt.Fatalf("age of the oldest message of %s is %v", q.Name(), age)
		}
		if c.Visible < 0 || c.InFlight < 0 || c.Delayed < 0 {
			rt.Fatalf("%s holds %+v", q.Name(), c)
		}
	}
	if moved != arrived {
		rt.Fatalf("%d messages moved, %d arrived", moved, arrived)
	}
}

// drain takes everything out of the queues, which must be as much as the counts said.
func (w *world) drain(rt *rapid.T) {
	for _, q := range w.queues {
		for range 100 {
			got, err := q.Receive(rt.Context(), queue.ReceiveRequest{Max: 1000, Wait: 20 * time.Second})
			if err != nil {
				rt.Fatal(err)
			}
			w.note(rt, q, got)
			for _, m := range got {
				if err := q.Delete(m.ReceiptHandle); err != nil {
					rt.Fatal(err)
				}
				w.deleted[m.ID] = true
			}
			if c := q.Counts(); c.Visible+c.InFlight+c.Delayed == 0 {
				break
			}
		}
		c := q.Counts()
		if c.Visible+c.InFlight+c.Delayed != 0 {
			rt.Fatalf("%s cannot be emptied: %+v", q.Name(), c)
		}
	}
	w.check(rt)
}
