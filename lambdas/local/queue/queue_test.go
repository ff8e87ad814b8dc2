package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// newService returns a Service that draws the same ids on every run and is closed when the test ends.
func newService(t testing.TB, opts queue.Options) *queue.Service {
	t.Helper()
	if opts.Rand == nil {
		opts.Rand = rand.New(rand.NewPCG(1, 2))
	}
	s := queue.New(opts)
	t.Cleanup(s.Close)
	return s
}

func newQueue(t testing.TB, s *queue.Service, cfg queue.Config) *queue.Queue {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "orders"
	}
	q, err := s.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func send(t testing.TB, q *queue.Queue, bodies ...string) (ids []string) {
	t.Helper()
	for _, body := range bodies {
		id, err := q.Send(context.Background(), queue.Message{Body: body})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func receive(t testing.TB, q *queue.Queue, r queue.ReceiveRequest) []queue.Received {
	t.Helper()
	got, err := q.Receive(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// receiveOne short-polls for exactly one message.
func receiveOne(t testing.TB, q *queue.Queue) queue.Received {
	t.Helper()
	got := receive(t, q, queue.ReceiveRequest{Max: 10})
	if len(got) != 1 {
		t.Fatalf("received %d messages from %s, want 1", len(got), q.Name())
	}
	return got[0]
}

func wantEmpty(t testing.TB, q *queue.Queue) {
	t.Helper()
	if got := receive(t, q, queue.ReceiveRequest{Max: 10}); len(got) != 0 {
		t.Fatalf("received %q from %s, want nothing", bodies(got), q.Name())
	}
}

func bodies(messages []queue.Received) []string {
	out := []string{}
	for _, m := range messages {
		out = append(out, m.Body)
	}
	return out
}

func del(t testing.TB, q *queue.Queue, handles ...string) {
	t.Helper()
	if err := q.Delete(handles...); err != nil {
		t.Fatal(err)
	}
}

// wantCode wants an error of SQS by its code.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

// levels are what a test expects in a queue.
type levels struct{ visible, inFlight, delayed int }

func wantLevels(t testing.TB, q *queue.Queue, want levels) {
	t.Helper()
	c := q.Counts()
	if got := (levels{c.Visible, c.InFlight, c.Delayed}); got != want {
		t.Fatalf("%s holds %+v, want %+v", q.Name(), got, want)
	}
	wantBalance(t, q)
}

// wantBalance checks the equation in the documentation of Counts.
func wantBalance(t rapid.TB, q *queue.Queue) {
	t.Helper()
	c := q.Counts()
	came := c.Sent + c.MovedIn + c.Duplicated
	left := c.Deleted + c.DeadLettered + c.MovedOut + c.Expired + c.Purged
	if came != left+uint64(c.Visible+c.InFlight+c.Delayed) {
		t.Fatalf("messages of %s are lost or made up: %+v", q.Name(), c)
	}
}

func TestVisibility(t *testing.T) {
	tests := map[string]func(t *testing.T, q *queue.Queue){
		"a received message is hidden until its visibility timeout ends": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			first := receiveOne(t, q)
			wantLevels(t, q, levels{inFlight: 1})
			time.Sleep(30*time.Second - time.Nanosecond)
			wantEmpty(t, q)
			time.Sleep(time.Nanosecond)
			wantLevels(t, q, levels{visible: 1})
			second := receiveOne(t, q)
			if second.ID != first.ID || second.ReceiveCount != 2 || second.ReceiptHandle == first.ReceiptHandle {
				t.Fatalf("second delivery is %+v after %+v", second, first)
			}
			if !second.FirstReceived.Equal(first.FirstReceived) || !second.Sent.Equal(first.Sent) {
				t.Fatalf("timestamps changed: %+v after %+v", second, first)
			}
		},
		"a receive's own timeout outranks the queue's": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			receive(t, q, queue.ReceiveRequest{Visibility: new(2 * time.Second)})
			time.Sleep(2 * time.Second)
			receiveOne(t, q)
		},
		"a timeout of zero hides a message from nobody but the same receive": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			got := receive(t, q, queue.ReceiveRequest{Max: 10, Visibility: new(time.Duration)})
			if len(got) != 1 {
				t.Fatalf("received %q, want one message once", bodies(got))
			}
			if again := receiveOne(t, q); again.ReceiveCount != 2 {
				t.Fatalf("receive count %d, want 2", again.ReceiveCount)
			}
		},
		"a change of visibility counts from the call": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			time.Sleep(20 * time.Second)
			if err := q.ChangeVisibility(m.ReceiptHandle, 100*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(99 * time.Second)
			wantEmpty(t, q)
			time.Sleep(time.Second)
			receiveOne(t, q)
		},
		"a change of visibility to zero returns the message at once": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			if err := q.ChangeVisibility(receiveOne(t, q).ReceiptHandle, 0); err != nil {
				t.Fatal(err)
			}
			receiveOne(t, q)
		},
		"a change of visibility hides a message again whose timeout has passed": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			time.Sleep(time.Minute)
			if err := q.ChangeVisibility(m.ReceiptHandle, time.Minute); err != nil {
				t.Fatal(err)
			}
			wantEmpty(t, q)
		},
		"a change of visibility by an earlier receive is refused": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			old := receiveOne(t, q)
			time.Sleep(time.Minute)
			receiveOne(t, q)
			wantCode(t, q.ChangeVisibility(old.ReceiptHandle, 0), "MessageNotInflight")
			wantLevels(t, q, levels{inFlight: 1})
		},
		"a change of visibility of a deleted message is refused": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			del(t, q, m.ReceiptHandle)
			wantCode(t, q.ChangeVisibility(m.ReceiptHandle, 0), "InvalidParameterValueException")
		},
		"a message is hidden for twelve hours from its receive at most": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			time.Sleep(10 * time.Second)
			wantCode(t, q.ChangeVisibility(m.ReceiptHandle, 12*time.Hour), "InvalidParameterValueException")
			if err := q.ChangeVisibility(m.ReceiptHandle, 12*time.Hour-10*time.Second); err != nil {
				t.Fatal(err)
			}
		},
		"a delayed message appears after its delay": func(t *testing.T, q *queue.Queue) {
			if _, err := q.Send(t.Context(), queue.Message{Body: "a", Delay: new(5 * time.Second)}); err != nil {
				t.Fatal(err)
			}
			wantLevels(t, q, levels{delayed: 1})
			time.Sleep(5*time.Second - time.Nanosecond)
			wantEmpty(t, q)
			time.Sleep(time.Nanosecond)
			receiveOne(t, q)
		},
		"messages come in the order in which they were sent": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a", "b", "c", "d")
			first := receive(t, q, queue.ReceiveRequest{Max: 3})
			if diff := cmp.Diff([]string{"a", "b", "c"}, bodies(first)); diff != "" {
				t.Fatal(diff)
			}
		},
		"a message that returns stands behind those that wait": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			send(t, q, "b")
			if err := q.ChangeVisibility(m.ReceiptHandle, 0); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"b", "a"}, bodies(receive(t, q, queue.ReceiveRequest{Max: 10}))); diff != "" {
				t.Fatal(diff)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
				test(t, q)
				wantBalance(t, q)
			})
		})
	}
}

func TestDelete(t *testing.T) {
	tests := map[string]func(t *testing.T, q *queue.Queue){
		"a deleted message does not come again": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			del(t, q, receiveOne(t, q).ReceiptHandle)
			time.Sleep(time.Hour)
			wantEmpty(t, q)
			wantLevels(t, q, levels{})
		},
		"deleting twice succeeds and counts once": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			del(t, q, m.ReceiptHandle, m.ReceiptHandle)
			del(t, q, m.ReceiptHandle)
			if got := q.Counts().Deleted; got != 1 {
				t.Fatalf("%d deleted, want 1", got)
			}
		},
		"the handle of a message that is visible again deletes it": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			m := receiveOne(t, q)
			time.Sleep(time.Minute)
			del(t, q, m.ReceiptHandle)
			wantLevels(t, q, levels{})
		},
		"the handle of an earlier receive succeeds without deleting": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a")
			old := receiveOne(t, q)
			time.Sleep(time.Minute)
			receiveOne(t, q)
			del(t, q, old.ReceiptHandle)
			wantLevels(t, q, levels{inFlight: 1})
		},
		"a handle that is none is named, and the others are deleted": func(t *testing.T, q *queue.Queue) {
			send(t, q, "a", "b")
			got := receive(t, q, queue.ReceiveRequest{Max: 2})
			err := q.Delete(got[0].ReceiptHandle, "nonsense", got[1].ReceiptHandle)
			wantCode(t, err, "ReceiptHandleIsInvalid")
			if !strings.Contains(err.Error(), "2 of 3") {
				t.Fatalf("%v does not say which handle", err)
			}
			wantLevels(t, q, levels{})
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
				test(t, q)
				wantBalance(t, q)
			})
		})
	}
}

func TestHandlesOfAnotherQueueAreInvalid(t *testing.T) {
	s := newService(t, queue.Options{})
	a, b := newQueue(t, s, queue.Config{Name: "a"}), newQueue(t, s, queue.Config{Name: "b"})
	send(t, a, "x")
	m := receiveOne(t, a)
	wantCode(t, b.Delete(m.ReceiptHandle), "ReceiptHandleIsInvalid")
	wantCode(t, b.ChangeVisibility(m.ReceiptHandle, 0), "ReceiptHandleIsInvalid")
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		dlq := newQueue(t, s, queue.Config{Name: "dlq", Retention: 100 * time.Second})
		q := newQueue(t, s, queue.Config{Retention: time.Minute, DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 1}})
		send(t, q, "in flight", "to the DLQ", "visible")
		for range 2 {
			receive(t, q, queue.ReceiveRequest{Max: 1, Visibility: new(20 * time.Second)})
		}
		time.Sleep(20 * time.Second)
		receive(t, q, queue.ReceiveRequest{Max: 1, Visibility: new(time.Hour)}) // "visible"
		receive(t, q, queue.ReceiveRequest{Max: 1})                             // moves the other two
		wantLevels(t, dlq, levels{visible: 2})

		time.Sleep(40*time.Second - time.Nanosecond)
		wantLevels(t, q, levels{inFlight: 1})
		time.Sleep(time.Nanosecond)
		wantLevels(t, q, levels{}) // in flight, too, after a minute
		if got := q.Counts().Expired; got != 1 {
			t.Fatalf("%d expired, want 1", got)
		}

		// The dead-letter queue counts from the first send, not from the move.
		time.Sleep(40*time.Second - time.Nanosecond)
		wantLevels(t, dlq, levels{visible: 2})
		time.Sleep(time.Nanosecond)
		wantLevels(t, dlq, levels{})
	})
}

func TestRedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		dlq := newQueue(t, s, queue.Config{Name: "dlq"})
		q := newQueue(t, s, queue.Config{DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 2}})
		message := queue.Message{
			Body:        "poison",
			Attributes:  map[string]queue.Attribute{"kind": {DataType: "String", StringValue: "order"}},
			TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
			GroupID:     "tenant-1",
		}
		id, err := q.Send(t.Context(), message)
		if err != nil {
			t.Fatal(err)
		}
		var last queue.Received
		for range 2 {
			last = receiveOne(t, q)
			time.Sleep(30 * time.Second)
		}
		wantLevels(t, dlq, levels{}) // moved by a receive, not by time
		wantEmpty(t, q)
		wantLevels(t, dlq, levels{visible: 1})
		if age := dlq.OldestAge(); age != 0 {
			t.Fatalf("age in the DLQ begins at %v, want 0", age)
		}
		time.Sleep(7 * time.Second)
		if age := dlq.OldestAge(); age != 7*time.Second {
			t.Fatalf("age in the DLQ is %v, want 7s since the move", age)
		}

		dead := receiveOne(t, dlq)
		want := last
		want.ReceiptHandle, want.ReceiveCount, want.DeadLetterSource = dead.ReceiptHandle, 3, q.ARN()
		if diff := cmp.Diff(want, dead); diff != "" {
			t.Fatalf("the message did not survive the move (-want +got):\n%s", diff)
		}
		if dead.ID != id {
			t.Fatalf("id %s became %s", id, dead.ID)
		}
		del(t, q, last.ReceiptHandle) // of the life before: no effect
		wantLevels(t, dlq, levels{inFlight: 1})
		c, d := q.Counts(), dlq.Counts()
		if c.DeadLettered != 1 || d.MovedIn != 1 || d.Sent != 0 {
			t.Fatalf("counters %+v and %+v", c, d)
		}
		wantBalance(t, q)
		wantBalance(t, dlq)
	})
}

func TestRedriveCountsEachQueueByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		last := newQueue(t, s, queue.Config{Name: "last"})
		middle := newQueue(t, s, queue.Config{Name: "middle", DeadLetter: &queue.DeadLetter{TargetARN: last.ARN(), MaxReceiveCount: 1}})
		q := newQueue(t, s, queue.Config{DeadLetter: &queue.DeadLetter{TargetARN: middle.ARN(), MaxReceiveCount: 3}})
		send(t, q, "a")
		for range 3 {
			receiveOne(t, q)
			time.Sleep(time.Minute)
		}
		wantEmpty(t, q)
		receiveOne(t, middle) // received three times before, once here
		time.Sleep(time.Minute)
		wantEmpty(t, middle)
		if got := receiveOne(t, last); got.ReceiveCount != 5 {
			t.Fatalf("receive count %d, want 5", got.ReceiveCount)
		}
	})
}

func TestRedriveWakesReceiversOfTheDeadLetterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		dlq := newQueue(t, s, queue.Config{Name: "dlq"})
		q := newQueue(t, s, queue.Config{VisibilityTimeout: new(5 * time.Second), DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 1}})
		send(t, q, "a")
		receiveOne(t, q)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			got := receive(t, dlq, queue.ReceiveRequest{Wait: 20 * time.Second})
			if len(got) != 1 || time.Since(start) != 5*time.Second {
				t.Errorf("received %q after %v", bodies(got), time.Since(start))
			}
		})
		time.Sleep(5 * time.Second)
		wantEmpty(t, q)
		wg.Wait()
	})
}

func TestAgeOfOldestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, newService(t, queue.Options{}), queue.Config{VisibilityTimeout: new(10 * time.Second)})
		wantAge := func(want time.Duration) {
			t.Helper()
			if got := q.OldestAge(); got != want {
				t.Fatalf("age %v, want %v", got, want)
			}
		}
		wantAge(0)
		send(t, q, "poison")
		time.Sleep(5 * time.Second)
		send(t, q, "fresh")
		time.Sleep(5 * time.Second)
		wantAge(10 * time.Second)

		receive(t, q, queue.ReceiveRequest{}) // once: in flight it counts
		wantAge(10 * time.Second)
		time.Sleep(10 * time.Second)
		del(t, q, receive(t, q, queue.ReceiveRequest{})[0].ReceiptHandle) // "fresh" stood before "poison" that came back
		wantAge(20 * time.Second)
		receive(t, q, queue.ReceiveRequest{}) // twice
		time.Sleep(10 * time.Second)
		wantAge(30 * time.Second)
		receive(t, q, queue.ReceiveRequest{}) // three times: poison
		wantAge(0)
		send(t, q, "next")
		time.Sleep(3 * time.Second)
		wantAge(3 * time.Second)
	})
}

func TestLongPoll(t *testing.T) {
	// poll receives in the background; the returned function waits for it and tells how long it took.
	poll := func(ctx context.Context, q *queue.Queue, r queue.ReceiveRequest) func() ([]queue.Received, time.Duration, error) {
		start := time.Now()
		var got []queue.Received
		var took time.Duration
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, err = q.Receive(ctx, r)
			took = time.Since(start)
		}()
		synctest.Wait()
		return func() ([]queue.Received, time.Duration, error) {
			<-done
			return got, took, err
		}
	}
	wait20 := queue.ReceiveRequest{Max: 10, Wait: 20 * time.Second}
	tests := map[string]func(t *testing.T, s *queue.Service, q *queue.Queue){
		"it returns nothing after its wait": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			got, took, err := poll(t.Context(), q, wait20)()
			if len(got) != 0 || took != 20*time.Second || err != nil {
				t.Fatalf("%q after %v, %v", bodies(got), took, err)
			}
			if n := q.Counts().EmptyReceives; n != 1 {
				t.Fatalf("%d empty receives, want 1", n)
			}
		},
		"it returns with a message at the moment it is sent": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			end := poll(t.Context(), q, wait20)
			time.Sleep(3 * time.Second)
			send(t, q, "a")
			got, took, err := end()
			if len(got) != 1 || took != 3*time.Second || err != nil {
				t.Fatalf("%q after %v, %v", bodies(got), took, err)
			}
		},
		"it returns at the moment a delay ends": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			end := poll(t.Context(), q, wait20)
			if _, err := q.Send(t.Context(), queue.Message{Body: "a", Delay: new(4 * time.Second)}); err != nil {
				t.Fatal(err)
			}
			if _, took, _ := end(); took != 4*time.Second {
				t.Fatalf("took %v, want 4s", took)
			}
		},
		"it returns at the moment a visibility timeout ends": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			send(t, q, "a")
			receive(t, q, queue.ReceiveRequest{Visibility: new(6 * time.Second)})
			if _, took, _ := poll(t.Context(), q, wait20)(); took != 6*time.Second {
				t.Fatalf("took %v, want 6s", took)
			}
		},
		"it returns at the first of several moments, whatever their order": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			end := poll(t.Context(), q, wait20)
			for _, delay := range []time.Duration{10 * time.Second, 4 * time.Second, 7 * time.Second} {
				if _, err := q.Send(t.Context(), queue.Message{Body: "a", Delay: &delay}); err != nil {
					t.Fatal(err)
				}
			}
			if _, took, _ := end(); took != 4*time.Second {
				t.Fatalf("took %v, want 4s", took)
			}
		},
		"messages that come at once wake as many receivers as they can serve": func(t *testing.T, s *queue.Service, q *queue.Queue) {
			one := queue.ReceiveRequest{Max: 1, Wait: 20 * time.Second}
			first, second := poll(t.Context(), q, one), poll(t.Context(), q, one)
			call(t, s, "SendMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[{"Id":"a","MessageBody":"a"},{"Id":"b","MessageBody":"b"}]}`, q.URL()))
			for _, end := range []func() ([]queue.Received, time.Duration, error){first, second} {
				if got, took, _ := end(); len(got) != 1 || took != 0 {
					t.Fatalf("%q after %v", bodies(got), took)
				}
			}
		},
		"one message goes to the one that waits longest": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			first, second := poll(t.Context(), q, wait20), poll(t.Context(), q, wait20)
			send(t, q, "a")
			got, _, _ := first()
			if len(got) != 1 {
				t.Fatal("the first receiver got nothing")
			}
			if got, took, _ := second(); len(got) != 0 || took != 20*time.Second {
				t.Fatalf("the second receiver got %q after %v", bodies(got), took)
			}
		},
		"many receivers share many messages without waiting": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			var ends []func() ([]queue.Received, time.Duration, error)
			for range 50 {
				ends = append(ends, poll(t.Context(), q, queue.ReceiveRequest{Max: 2, Wait: 20 * time.Second}))
			}
			for i := range 100 {
				send(t, q, fmt.Sprint(i))
			}
			seen := map[string]bool{}
			for _, end := range ends {
				got, took, err := end()
				if err != nil || took != 0 && len(got) > 0 {
					t.Fatalf("%q after %v, %v", bodies(got), took, err)
				}
				for _, m := range got {
					seen[m.Body] = true
				}
			}
			for _, m := range receive(t, q, queue.ReceiveRequest{Max: 100}) {
				seen[m.Body] = true
			}
			if len(seen) != 100 {
				t.Fatalf("%d messages received, want 100", len(seen))
			}
		},
		"a receiver that goes away takes no message with it": func(t *testing.T, _ *queue.Service, q *queue.Queue) {
			ctx, cancel := context.WithCancel(t.Context())
			gone, stays := poll(ctx, q, wait20), poll(t.Context(), q, wait20)
			cancel()
			send(t, q, "a")
			lost, _, err := gone()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			// The signal may have come just before the end; then it is received, or passed on, but not lost.
			if got, _, _ := stays(); len(lost)+len(got) != 1 {
				t.Fatalf("received %q and %q", bodies(lost), bodies(got))
			}
		},
		"it ends when the queue is deleted": func(t *testing.T, s *queue.Service, q *queue.Queue) {
			end := poll(t.Context(), q, wait20)
			call(t, s, "DeleteQueue", fmt.Sprintf(`{"QueueUrl":%q}`, q.URL()))
			_, took, err := end()
			wantCode(t, err, "QueueDoesNotExist")
			if took != 0 {
				t.Fatalf("it took %v", took)
			}
		},
		"it ends when the service is closed": func(t *testing.T, s *queue.Service, q *queue.Queue) {
			end := poll(t.Context(), q, wait20)
			s.Close()
			_, _, err := end()
			wantCode(t, err, "ServiceUnavailable")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, queue.Options{})
				test(t, s, newQueue(t, s, queue.Config{}))
			})
		})
	}
}

// call makes a call over the wire's operations without HTTP.
func call(t testing.TB, s *queue.Service, operation, body string) any {
	t.Helper()
	out, err := s.Wire().Operations[operation](context.Background(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInFlightCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, newService(t, queue.Options{}), queue.Config{VisibilityTimeout: new(time.Hour)})
		for range queue.MaxInFlight + 1 {
			send(t, q, "x")
		}
		var handle string
		for n := 0; n < queue.MaxInFlight; {
			got := receive(t, q, queue.ReceiveRequest{Max: 10_000})
			n += len(got)
			handle = got[0].ReceiptHandle
		}
		wantLevels(t, q, levels{visible: 1, inFlight: queue.MaxInFlight})
		_, err := q.Receive(t.Context(), queue.ReceiveRequest{})
		wantCode(t, err, "OverLimit")
		start := time.Now()
		if got := receive(t, q, queue.ReceiveRequest{Wait: 5 * time.Second}); len(got) != 0 || time.Since(start) != 5*time.Second {
			t.Fatalf("a long poll at the cap returned %d messages after %v", len(got), time.Since(start))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := receive(t, q, queue.ReceiveRequest{Wait: 5 * time.Second}); len(got) != 1 {
				t.Errorf("a delete did not make room: received %d", len(got))
			}
		})
		synctest.Wait()
		del(t, q, handle)
		wg.Wait()
	})
}

func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
		send(t, q, "in flight")
		m := receiveOne(t, q)
		send(t, q, "visible")
		if _, err := q.Send(t.Context(), queue.Message{Body: "delayed", Delay: new(time.Second)}); err != nil {
			t.Fatal(err)
		}
		if err := q.Purge(); err != nil {
			t.Fatal(err)
		}
		wantLevels(t, q, levels{})
		if got := q.Counts().Purged; got != 3 {
			t.Fatalf("%d purged, want 3", got)
		}
		del(t, q, m.ReceiptHandle)
		wantCode(t, q.Purge(), "PurgeQueueInProgress")
		time.Sleep(time.Minute)
		if err := q.Purge(); err != nil {
			t.Fatal(err)
		}
	})
}

// What knows a queue that was deleted, such as a mapping or a move task, does not keep its messages.
func TestADeletedQueueHoldsNoMessages(t *testing.T) {
	s := newService(t, queue.Options{})
	q := newQueue(t, s, queue.Config{})
	send(t, q, "in flight")
	receiveOne(t, q)
	send(t, q, "visible")
	call(t, s, "DeleteQueue", fmt.Sprintf(`{"QueueUrl":%q}`, q.URL()))
	wantLevels(t, q, levels{})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{Latency: func() time.Duration { return 12 * time.Millisecond }})
		q := newQueue(t, s, queue.Config{})
		send(t, q, "a")
		wantLevels(t, q, levels{visible: 1}) // it is in the queue, only not at the receivers
		wantEmpty(t, q)
		start := time.Now()
		if got := receive(t, q, queue.ReceiveRequest{Wait: time.Second}); len(got) != 1 || time.Since(start) != 12*time.Millisecond {
			t.Fatalf("%d messages after %v", len(got), time.Since(start))
		}
	})
}

func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{Duplicate: func() bool { return true }})
		dlq := newQueue(t, s, queue.Config{Name: "dlq"})
		q := newQueue(t, s, queue.Config{DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 1}})
		send(t, q, "a")
		first := receiveOne(t, q)
		del(t, q, first.ReceiptHandle)
		wantLevels(t, q, levels{inFlight: 1})
		wantEmpty(t, q)
		again := receive(t, q, queue.ReceiveRequest{Wait: 2 * time.Second})
		if len(again) != 1 || again[0].ID != first.ID || again[0].ReceiveCount != 1 {
			t.Fatalf("second delivery %+v of %+v", again, first)
		}
		del(t, q, again[0].ReceiptHandle)
		time.Sleep(time.Hour)
		wantLevels(t, q, levels{}) // a copy has no copies
		wantLevels(t, dlq, levels{})
		if c := q.Counts(); c.Sent != 1 || c.Duplicated != 1 || c.Deleted != 2 {
			t.Fatalf("counters %+v", c)
		}
	})
}

func TestACopyIsNoYoungerThanItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, newService(t, queue.Options{Duplicate: func() bool { return true }}), queue.Config{VisibilityTimeout: new(time.Second)})
		send(t, q, "a")
		var m queue.Received
		for range 4 {
			m = receiveOne(t, q)
			time.Sleep(time.Second)
		}
		del(t, q, m.ReceiptHandle)
		time.Sleep(time.Minute)
		wantLevels(t, q, levels{visible: 1})
		if age := q.OldestAge(); age != 0 {
			t.Errorf("the copy of a message that was received four times counts for the age: %v", age)
		}
	})
}

func TestAReceiveWaitsAsTheQueueSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		q := newQueue(t, s, queue.Config{ReceiveWait: 5 * time.Second})
		for wait, want := range map[string]time.Duration{"": 5 * time.Second, `,"WaitTimeSeconds":0`: 0, `,"WaitTimeSeconds":2`: 2 * time.Second} {
			began := time.Now()
			call(t, s, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q%s}`, q.URL(), wait))
			if waited := time.Since(began); waited != want {
				t.Errorf("%q: waited %v, want %v", wait, waited, want)
			}
		}
	})
}

func TestShuffle(t *testing.T) {
	var sent []string
	for i := range 200 {
		sent = append(sent, fmt.Sprint(i))
	}
	order := func(seed uint64) []string {
		q := newQueue(t, newService(t, queue.Options{Shuffle: true, Rand: rand.New(rand.NewPCG(seed, 0))}), queue.Config{})
		send(t, q, sent...)
		return bodies(receive(t, q, queue.ReceiveRequest{Max: 1000}))
	}
	got := order(1)
	if len(got) != len(sent) || cmp.Equal(got, sent) {
		t.Fatalf("%d messages, in the order of sending", len(got))
	}
	if diff := cmp.Diff(got, order(1)); diff != "" {
		t.Fatalf("the same seed gives another order:\n%s", diff)
	}
	if cmp.Equal(got, order(2)) {
		t.Fatal("another seed gives the same order")
	}
}

func TestCreate(t *testing.T) {
	dlq := func(s *queue.Service) { newQueue(t, s, queue.Config{Name: "dlq"}) }
	arn := "arn:aws:sqs:us-east-1:000000000000:"
	tests := []struct {
		name   string
		before func(*queue.Service)
		cfg    queue.Config
		want   string // error code; empty: none
	}{
		{"defaults", nil, queue.Config{Name: "q"}, ""},
		{"an empty name", nil, queue.Config{}, "InvalidParameterValueException"},
		{"a name of 81 letters", nil, queue.Config{Name: strings.Repeat("q", 81)}, "InvalidParameterValueException"},
		{"a name with a dot", nil, queue.Config{Name: "a.b"}, "InvalidParameterValueException"},
		{"a FIFO queue", nil, queue.Config{Name: "q.fifo"}, "UnsupportedOperation"},
		{"the same queue again", func(s *queue.Service) { newQueue(t, s, queue.Config{Name: "q"}) }, queue.Config{Name: "q"}, ""},
		{"the same name otherwise", func(s *queue.Service) { newQueue(t, s, queue.Config{Name: "q"}) }, queue.Config{Name: "q", Delay: time.Second}, "QueueNameExists"},
		{"a visibility timeout of 0", nil, queue.Config{Name: "q", VisibilityTimeout: new(time.Duration)}, ""},
		{"a visibility timeout over 12 hours", nil, queue.Config{Name: "q", VisibilityTimeout: new(12*time.Hour + time.Second)}, "InvalidAttributeValue"},
		{"half a second of delay", nil, queue.Config{Name: "q", Delay: time.Second / 2}, "InvalidAttributeValue"},
		{"a retention of 59 seconds", nil, queue.Config{Name: "q", Retention: 59 * time.Second}, "InvalidAttributeValue"},
		{"a retention of 14 days", nil, queue.Config{Name: "q", Retention: 14 * 24 * time.Hour}, ""},
		{"a wait of 21 seconds", nil, queue.Config{Name: "q", ReceiveWait: 21 * time.Second}, "InvalidAttributeValue"},
		{"messages of 1023 bytes", nil, queue.Config{Name: "q", MaximumMessageSize: 1023}, "InvalidAttributeValue"},
		{"messages over 1 MiB", nil, queue.Config{Name: "q", MaximumMessageSize: 1<<20 + 1}, "InvalidAttributeValue"},
		{"a policy that is no JSON", nil, queue.Config{Name: "q", Policy: "{"}, "InvalidAttributeValue"},
		{"a dead-letter queue", dlq, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 5}}, ""},
		{"a dead-letter queue that is none", nil, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 5}}, "InvalidParameterValueException"},
		{"no receive before the dead-letter queue", dlq, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq"}}, "InvalidParameterValueException"},
		{"1001 receives", dlq, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 1001}}, "InvalidParameterValueException"},
		{"a dead-letter queue that denies all", func(s *queue.Service) {
			newQueue(t, s, queue.Config{Name: "dlq", RedriveAllow: &queue.RedriveAllow{Permission: "denyAll"}})
		}, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 5}}, "InvalidParameterValueException"},
		{"a dead-letter queue that allows another queue", func(s *queue.Service) {
			newQueue(t, s, queue.Config{Name: "dlq", RedriveAllow: &queue.RedriveAllow{Permission: "byQueue", SourceARNs: []string{arn + "other"}}})
		}, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 5}}, "InvalidParameterValueException"},
		{"a dead-letter queue that allows this queue", func(s *queue.Service) {
			newQueue(t, s, queue.Config{Name: "dlq", RedriveAllow: &queue.RedriveAllow{Permission: "byQueue", SourceARNs: []string{arn + "q"}}})
		}, queue.Config{Name: "q", DeadLetter: &queue.DeadLetter{TargetARN: arn + "dlq", MaxReceiveCount: 5}}, ""},
		{"an unknown redrive permission", nil, queue.Config{Name: "q", RedriveAllow: &queue.RedriveAllow{Permission: "some"}}, "InvalidParameterValueException"},
		{"byQueue without queues", nil, queue.Config{Name: "q", RedriveAllow: &queue.RedriveAllow{Permission: "byQueue"}}, "InvalidParameterValueException"},
		{"a tag that begins with aws:", nil, queue.Config{Name: "q", Tags: map[string]string{"aws:x": "y"}}, "InvalidParameterValueException"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, queue.Options{})
			if test.before != nil {
				test.before(s)
			}
			_, err := s.Create(test.cfg)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, test.want)
		})
	}
}

func TestLookup(t *testing.T) {
	s := newService(t, queue.Options{Region: "eu-west-1", Account: "123456789012", BaseURL: "http://127.0.0.1:9"})
	q := newQueue(t, s, queue.Config{Name: "orders"})
	if q.ARN() != "arn:aws:sqs:eu-west-1:123456789012:orders" || q.URL() != "http://127.0.0.1:9/123456789012/orders" {
		t.Fatalf("ARN %s, URL %s", q.ARN(), q.URL())
	}
	for _, address := range []string{"orders", q.ARN(), q.URL(), "https://localhost:4566/123456789012/orders", "http://x/123456789012/orders/"} {
		if got, ok := s.Lookup(address); !ok || got != q {
			t.Errorf("Lookup(%q) finds nothing", address)
		}
	}
	for _, address := range []string{"", "other", "arn:aws:sqs:eu-west-1:1:orders", "arn:aws:sqs:us-east-1:123456789012:orders", "http://x/1/orders", "http://x/orders", "::/"} {
		if _, ok := s.Lookup(address); ok {
			t.Errorf("Lookup(%q) finds a queue", address)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	text := func(s string) map[string]queue.Attribute {
		return map[string]queue.Attribute{"a": {DataType: "String", StringValue: s}}
	}
	named := func(names ...string) map[string]queue.Attribute {
		out := map[string]queue.Attribute{}
		for _, n := range names {
			out[n] = queue.Attribute{DataType: "String", StringValue: "x"}
		}
		return out
	}
	const invalid = "InvalidParameterValueException"
	tests := []struct {
		name    string
		message queue.Message
		want    string // error code; empty: none
	}{
		{"an empty body", queue.Message{}, "MissingRequiredParameterException"},
		{"every legal character", queue.Message{Body: "\t\n\r \u007f\u0085\ud7ff\ue000\ufffd\U00010000\U0010ffff"}, ""},
		{"a NUL", queue.Message{Body: "a\x00"}, "InvalidMessageContents"},
		{"a vertical tab", queue.Message{Body: "\v"}, "InvalidMessageContents"},
		{"U+FFFE", queue.Message{Body: "\ufffe"}, "InvalidMessageContents"},
		{"bytes that are no UTF-8", queue.Message{Body: "\xff"}, "InvalidMessageContents"},
		{"an illegal character in an attribute", queue.Message{Body: "x", Attributes: text("\x01")}, "InvalidMessageContents"},
		{"an illegal character in the trace header", queue.Message{Body: "x", TraceHeader: "\x01"}, "InvalidMessageContents"},
		{"1 MiB", queue.Message{Body: strings.Repeat("x", 1<<20)}, ""},
		{"1 MiB and a byte", queue.Message{Body: strings.Repeat("x", 1<<20+1)}, invalid},
		{"1 MiB with attributes", queue.Message{Body: strings.Repeat("x", 1<<20-8), Attributes: text("x")}, ""},
		{"1 MiB and a byte with attributes", queue.Message{Body: strings.Repeat("x", 1<<20-7), Attributes: text("x")}, invalid},
		{"a trace header of 501 bytes", queue.Message{Body: "x", TraceHeader: strings.Repeat("x", 501)}, invalid},
		{"a trace header beyond 1 MiB, which does not count", queue.Message{Body: strings.Repeat("x", 1<<20), TraceHeader: "Root=1-0-0"}, ""},
		{"ten attributes", queue.Message{Body: "x", Attributes: named("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")}, ""},
		{"eleven attributes", queue.Message{Body: "x", Attributes: named("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")}, invalid},
		{"an attribute without a name", queue.Message{Body: "x", Attributes: named("")}, invalid},
		{"an attribute with a name of 257 letters", queue.Message{Body: "x", Attributes: named(strings.Repeat("a", 257))}, invalid},
		{"an attribute named aws.x", queue.Message{Body: "x", Attributes: named("aws.x")}, invalid},
		{"an attribute named Amazon.x", queue.Message{Body: "x", Attributes: named("Amazon.x")}, invalid},
		{"an attribute named .x", queue.Message{Body: "x", Attributes: named(".x")}, invalid},
		{"an attribute named x..y", queue.Message{Body: "x", Attributes: named("x..y")}, invalid},
		{"an attribute named x y", queue.Message{Body: "x", Attributes: named("x y")}, invalid},
		{"an attribute without a type", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {StringValue: "x"}}}, invalid},
		{"an attribute of an unknown type", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {DataType: "Text", StringValue: "x"}}}, invalid},
		{"an attribute of a custom type", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {DataType: "Number.float", StringValue: "-1.5e3"}}}, ""},
		{"an attribute without a value", queue.Message{Body: "x", Attributes: text("")}, invalid},
		{"a number that is none", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {DataType: "Number", StringValue: "0x10"}}}, invalid},
		{"a binary attribute with a text", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {DataType: "Binary", StringValue: "x"}}}, invalid},
		{"a delay over 15 minutes", queue.Message{Body: "x", Delay: new(901 * time.Second)}, invalid},
		{"a negative delay", queue.Message{Body: "x", Delay: new(-time.Second)}, invalid},
		{"a number that is too large for a float", queue.Message{Body: "x", Attributes: map[string]queue.Attribute{"a": {DataType: "Number", StringValue: "1e999"}}}, ""},
		{"a group id with a space", queue.Message{Body: "x", GroupID: "a b"}, invalid},
		{"a long group id, of which the error repeats little", queue.Message{Body: "x", GroupID: strings.Repeat("a", 1<<20)}, invalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
			_, err := q.Send(t.Context(), test.message)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, test.want)
			wantLevels(t, q, levels{})
			if n := len(err.Error()); n > 1000 {
				t.Errorf("an error of %d bytes", n)
			}
		})
	}
}

func TestReceiveRefuses(t *testing.T) {
	q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
	for name, r := range map[string]queue.ReceiveRequest{
		"a negative maximum":      {Max: -1},
		"a maximum over 10,000":   {Max: 10_001},
		"a wait over 20 seconds":  {Wait: 21 * time.Second},
		"a negative wait":         {Wait: -1},
		"a timeout over 12 hours": {Visibility: new(13 * time.Hour)},
		"a negative timeout":      {Visibility: new(-time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := q.Receive(t.Context(), r)
			wantCode(t, err, "InvalidParameterValueException")
		})
	}
}

func TestCallsWithACancelledContextDoNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := newQueue(t, newService(t, queue.Options{}), queue.Config{})
	if _, err := q.Send(ctx, queue.Message{Body: "x"}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	send(t, q, "x")
	if _, err := q.Receive(ctx, queue.ReceiveRequest{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantLevels(t, q, levels{visible: 1})
}

func TestCloseRefusesFurtherCalls(t *testing.T) {
	s := newService(t, queue.Options{})
	q := newQueue(t, s, queue.Config{})
	send(t, q, "x")
	s.Close()
	s.Close()
	_, err := q.Send(t.Context(), queue.Message{Body: "x"})
	wantCode(t, err, "ServiceUnavailable")
	_, err = q.Receive(t.Context(), queue.ReceiveRequest{})
	wantCode(t, err, "ServiceUnavailable")
	_, err = s.Create(queue.Config{Name: "other"})
	wantCode(t, err, "ServiceUnavailable")
}
