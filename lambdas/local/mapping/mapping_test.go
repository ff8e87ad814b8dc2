package mapping_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const id = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"

// invocation is what a function gets.
type invocation struct {
	at       time.Time
	function string
	traces   []string
	payload  string
	ids      []string
	bodies   []string
}

// A function is a fake Lambda. It is an Invoker that notes its invocations.
type function struct {
	handle func(context.Context, invocation) (mapping.Result, error) // nil: succeeds at once

	mu          sync.Mutex
	invocations []invocation
	running     int
	mostRunning int
}

func (f *function) Invoke(ctx context.Context, name string, payload []byte, traces []string) (mapping.Result, error) {
	var event struct {
		Records []struct {
			MessageID string `json:"messageId"`
			Body      string `json:"body"`
		}
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return mapping.Result{}, err
	}
	in := invocation{at: time.Now(), function: name, traces: traces, payload: string(payload)}
	for _, r := range event.Records {
		in.ids, in.bodies = append(in.ids, r.MessageID), append(in.bodies, r.Body)
	}
	f.mu.Lock()
	f.invocations = append(f.invocations, in)
	f.running++
	f.mostRunning = max(f.mostRunning, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	if f.handle == nil {
		return mapping.Result{}, nil
	}
	return f.handle(ctx, in)
}

func (f *function) log() []invocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]invocation(nil), f.invocations...)
}

// now returns how many invocations are running.
func (f *function) now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// takes makes a handler that works for a time and succeeds.
func takes(d time.Duration) func(context.Context, invocation) (mapping.Result, error) {
	return func(context.Context, invocation) (mapping.Result, error) {
		time.Sleep(d)
		return mapping.Result{}, nil
	}
}

func answers(payload string) func(context.Context, invocation) (mapping.Result, error) {
	return func(context.Context, invocation) (mapping.Result, error) {
		return mapping.Result{Payload: []byte(payload)}, nil
	}
}

// A bench is a queue with a dead-letter queue, a function and a mapping between them.
type bench struct {
	t        *testing.T
	queues   *queue.Service
	queue    *queue.Queue
	dlq      *queue.Queue
	function *function
	mappings *mapping.Service
	mapping  *mapping.Mapping
	limit    time.Duration // the function's timeout
	log      bytes.Buffer  // of the mappings, whole after stop
}

func (b *bench) timeout(string) time.Duration { return b.limit }

// setUp makes a bench in a bubble of fake time. change adjusts the mapping; ramp may be zero.
func setUp(t *testing.T, ramp mapping.Ramp, change func(*mapping.Config)) *bench {
	t.Helper()
	b := &bench{t: t, queues: queue.New(queue.Options{Rand: rand.New(rand.NewPCG(1, 2))}), function: &function{}, limit: 30 * time.Second}
	var err error
	if b.dlq, err = b.queues.Create(queue.Config{Name: "dlq"}); err != nil {
		t.Fatal(err)
	}
	if b.queue, err = b.queues.Create(queue.Config{Name: "orders", VisibilityTimeout: new(time.Minute), DeadLetter: &queue.DeadLetter{TargetARN: b.dlq.ARN(), MaxReceiveCount: 3}}); err != nil {
		t.Fatal(err)
	}
	b.mappings = mapping.New(mapping.Options{Invoker: b.function, Ramp: ramp, Timeout: b.timeout, Rand: rand.New(rand.NewPCG(3, 4)), Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	cfg := mapping.Config{ID: id, Queue: b.queue, Function: "handler", Disabled: true}
	if change != nil {
		change(&cfg)
	}
	if b.mapping, err = b.mappings.Create(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.stop()
		b.queues.Close()
	})
	return b
}

// stop stops the mappings and gives running invocations a minute.
func (b *bench) stop() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.mappings.Stop(ctx); err != nil {
		b.t.Error(err)
	}
}

// start enables the mapping, over the wire.
func (b *bench) start() {
	b.t.Helper()
	b.put(`{"Enabled":true}`)
}

func (b *bench) put(body string) {
	b.t.Helper()
	if code, answer := b.call("PUT", "/"+id, body); code != 202 {
		b.t.Fatalf("%d %s", code, answer)
	}
}

func (b *bench) send(bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if _, err := b.queue.Send(b.t.Context(), queue.Message{Body: body}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// pass lets time pass and everything happen that happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) wantCounts(want mapping.Counts) {
	b.t.Helper()
	if got := b.mapping.Counts(); got != want {
		b.t.Fatalf("counts %+v, want %+v", got, want)
	}
}

func (b *bench) wantLevels(visible, inFlight, dead int) {
	b.t.Helper()
	c, d := b.queue.Counts(), b.dlq.Counts()
	if c.Visible != visible || c.InFlight != inFlight || d.Visible != dead {
		b.t.Fatalf("%d visible, %d in flight, %d dead; want %d, %d, %d", c.Visible, c.InFlight, d.Visible, visible, inFlight, dead)
	}
}

func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// TestThroughput is the promise of the local stack: with a backlog, a mapping completes MaximumConcurrency times what
// one invocation at a time could, whatever happens around the invocations.
func TestThroughput(t *testing.T) {
	const work = 50 * time.Millisecond
	for _, concurrency := range []int{2, 10, 40} {
		t.Run(fmt.Sprintf("concurrency %d", concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, concurrency })
				b.function.handle = takes(work)
				const seconds = 3
				want := int(seconds * time.Second / work * time.Duration(concurrency))
				b.send(numbers(want + concurrency)...)
				b.start()
				pass(seconds*time.Second - time.Nanosecond)
				// Those that end with the last second are running still.
				if done := int(b.queue.Counts().Deleted); done != want-concurrency {
					t.Fatalf("%d completed before %d s are over, want %d", done, seconds, want-concurrency)
				}
				pass(time.Nanosecond)
				if done := int(b.queue.Counts().Deleted); done != want {
					t.Fatalf("%d completed in %d s, want %d", done, seconds, want)
				}
				b.stop()
				if b.function.mostRunning != concurrency {
					t.Fatalf("%d invocations at once, want %d", b.function.mostRunning, concurrency)
				}
			})
		})
	}
}

func TestMaximumConcurrencyNeverReceivesWhatItCannotInvoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 10, 3 })
		b.function.handle = takes(10 * time.Second)
		b.send(numbers(100)...)
		b.start()
		for range 3 {
			pass(5 * time.Second)
			b.wantLevels(b.queue.Counts().Visible, 30, 0)
			if n := b.function.now(); n != 3 {
				t.Fatalf("%d running, want 3", n)
			}
			pass(5 * time.Second)
		}
	})
}

func TestWithoutRampConcurrencyGrowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize = 1 })
		b.function.handle = takes(time.Second)
		b.send(numbers(2000)...)
		b.start()
		pass(time.Millisecond)
		if b.function.now() != 1250 {
			t.Fatalf("%d running, want 1250", b.function.now())
		}
	})
}

// documented is the ramp of "Configuring scaling behavior for SQS event source mappings" in the Lambda developer guide.
var documented = mapping.Ramp{Initial: 5, PerMinute: 300, Max: 1250}

func TestRamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, documented, func(c *mapping.Config) { c.BatchSize = 1 })
		b.function.handle = takes(40 * time.Second)
		b.send(numbers(7_000)...)
		b.start()
		for second := range 300 {
			synctest.Wait()
			if want := min(5+5*second, 1250); b.function.now() != want {
				t.Fatalf("%d invocations at once after %d s, want %d", b.function.now(), second, want)
			}
			time.Sleep(time.Second)
		}
		// The queue runs dry, and what is idle ends after a long poll.
		for b.queue.Counts().Visible > 0 {
			pass(time.Second)
		}
		pass(time.Minute)
		if n := b.mapping.Pollers(); n != 2 {
			t.Fatalf("%d pollers of a quiet queue, want 2", n)
		}
		b.send(numbers(100)...)
		pass(time.Millisecond)
		if b.function.now() != 5 {
			t.Fatalf("%d invocations at once after quiet, want 5", b.function.now())
		}
	})
}

func TestRampEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{Initial: 2, PerMinute: 60, Max: 4}, func(c *mapping.Config) { c.BatchSize = 1 })
		b.function.handle = takes(50 * time.Second)
		b.send(numbers(100)...)
		b.start()
		pass(10 * time.Second)
		if n := b.function.now(); n != 4 {
			t.Errorf("%d running, want 4", n)
		}
	})
}

func TestRampGrowsWhenMessagesComeToBusyPollers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, documented, func(c *mapping.Config) { c.BatchSize = 1 })
		b.function.handle = takes(25 * time.Second)
		b.start()
		b.send(numbers(5)...)
		pass(10 * time.Second)
		b.send("late")
		pass(200 * time.Millisecond)
		if b.function.now() != 6 {
			t.Fatalf("%d running, want 6", b.function.now())
		}
	})
}

// Long invocations keep pollers busy for longer than the others wait in a long poll. One goes on waiting, or the ramp looks.
func TestAMessageNeedNotWaitForBusyPollers(t *testing.T) {
	for _, test := range []struct {
		name        string
		ramp        mapping.Ramp
		concurrency int
		within      time.Duration
	}{
		{"with a maximum concurrency", mapping.Ramp{}, 10, 0},
		{"without one", mapping.Ramp{}, 0, 0},
		{"with a ramp, at its next step", documented, 0, 200 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, test.ramp, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, test.concurrency })
				b.function.handle = func(_ context.Context, in invocation) (mapping.Result, error) {
					if in.bodies[0] == "short" {
						time.Sleep(time.Second)
					} else {
						time.Sleep(50 * time.Second)
					}
					return mapping.Result{}, nil
				}
				b.send("long", "long", "long", "long", "long", "short", "short", "short")
				b.start()
				pass(30 * time.Second)
				if n := b.function.now(); n != 5 {
					t.Fatalf("%d running, want 5", n)
				}
				b.send("late")
				pass(test.within)
				if n := b.function.now(); n != 6 {
					t.Errorf("%d running, want 6: nobody receives", n)
				}
			})
		})
	}
}

func TestIdlePollers(t *testing.T) {
	for _, test := range []struct {
		name        string
		concurrency int
		want        int
	}{
		{"two without a maximum concurrency", 0, 2},
		{"five with one", 50, 5},
		{"all of a maximum concurrency of three", 3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, test.concurrency })
				b.start()
				b.send(numbers(100)...)
				pass(time.Hour)
				if n := b.mapping.Pollers(); n != test.want {
					t.Fatalf("%d pollers, want %d", n, test.want)
				}
				b.wantLevels(0, 0, 0)
			})
		})
	}
}

func TestBatches(t *testing.T) {
	sizes := func(in []invocation) (out []int) {
		for _, i := range in {
			out = append(out, len(i.ids))
		}
		return out
	}
	tests := []struct {
		name   string
		change func(*mapping.Config)
		run    func(t *testing.T, b *bench)
	}{
		{"without a window a batch is what there is", func(c *mapping.Config) { c.BatchSize = 10 }, func(t *testing.T, b *bench) {
			b.send(numbers(13)...)
			b.start()
			pass(0)
			if got := fmt.Sprint(sizes(b.function.log())); got != "[10 3]" && got != "[3 10]" {
				t.Fatalf("batches of %s", got)
			}
		}},
		{"with a window a batch waits for more", func(c *mapping.Config) { c.BatchSize, c.Window, c.MaxConcurrency = 100, 5*time.Second, 2 }, func(t *testing.T, b *bench) {
			b.start()
			pass(time.Minute)
			start := time.Now()
			b.send("first")
			for range 4 {
				pass(time.Second)
				b.send("more")
			}
			pass(time.Minute)
			got := b.function.log()
			total := 0
			for _, in := range got {
				total += len(in.ids)
				if d := in.at.Sub(start); d < 5*time.Second || d > 6*time.Second {
					t.Fatalf("invoked %v after the first message", d)
				}
			}
			if len(got) != 2 || total != 5 { // messages spread over the two pollers
				t.Fatalf("batches of %v", sizes(got))
			}
		}},
		{"messages spread over the pollers, which a quiet queue gets back", func(c *mapping.Config) { c.BatchSize, c.Window = 10, 5*time.Second }, func(t *testing.T, b *bench) {
			b.start()
			pass(time.Hour)
			for range 20 {
				b.send("x")
				synctest.Wait()
			}
			pass(time.Minute)
			if got := sizes(b.function.log()); len(got) != 5 || slices.Max(got) > 5 {
				t.Fatalf("batches of %v", got)
			}
		}},
		{"a full batch does not wait for its window", func(c *mapping.Config) { c.BatchSize, c.Window = 20, 300*time.Second }, func(t *testing.T, b *bench) {
			b.send(numbers(20)...)
			b.start()
			pass(0)
			if got := fmt.Sprint(sizes(b.function.log())); got != "[20]" {
				t.Fatalf("batches of %s", got)
			}
		}},
		{"an event is 6 MB large at most, and a batch that is larger becomes several", func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 10, 2 }, func(t *testing.T, b *bench) {
			for range 10 {
				b.send(strings.Repeat("x", 1<<20))
			}
			b.start()
			pass(0)
			if got := fmt.Sprint(sizes(b.function.log())); got != "[5 5]" {
				t.Fatalf("batches of %s", got)
			}
			b.wantLevels(0, 0, 0)
		}},
		{"a window brings no more than there is room for", func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency, c.Window = 10, 2, 60*time.Second }, func(t *testing.T, b *bench) {
			b.send(numbers(8)...)
			b.start()
			for range 12 { // all come at once
				if _, err := b.queue.Send(t.Context(), queue.Message{Body: "late", Delay: new(2 * time.Second)}); err != nil {
					t.Fatal(err)
				}
			}
			pass(2 * time.Second)
			if got := sizes(b.function.log()); len(got) == 0 || slices.Max(got) != 10 {
				t.Fatalf("batches of %v", got)
			}
		}},
		{"with a window a batch is full at 6 MB", func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency, c.Window = 10_000, 2, 300*time.Second }, func(t *testing.T, b *bench) {
			for range 8 {
				b.send(strings.Repeat("x", 1<<20-100))
			}
			b.start()
			pass(0)
			if got := fmt.Sprint(sizes(b.function.log())); got != "[5 3]" {
				t.Fatalf("batches of %s", got)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t, setUp(t, mapping.Ramp{}, test.change)) })
		})
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name    string
		report  bool // ReportBatchItemFailures
		handle  func(context.Context, invocation) (mapping.Result, error)
		deleted int // of four messages
	}{
		{"success deletes the batch", false, nil, 4},
		{"a function error keeps the batch", false, func(context.Context, invocation) (mapping.Result, error) {
			return mapping.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"x"}`)}, nil
		}, 0},
		{"a failed invocation keeps the batch", false, func(context.Context, invocation) (mapping.Result, error) {
			return mapping.Result{}, errors.New("no such function")
		}, 0},
		{"failures do not count unless they are asked for", false, func(_ context.Context, in invocation) (mapping.Result, error) {
			return mapping.Result{Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"` + in.ids[0] + `"}]}`)}, nil
		}, 4},
		{"reported failures stay, the others are deleted", true, func(_ context.Context, in invocation) (mapping.Result, error) {
			out := []string{}
			for i, body := range in.bodies {
				if body == "0" || body == "2" {
					out = append(out, `{"itemIdentifier":"`+in.ids[i]+`"}`)
				}
			}
			return mapping.Result{Payload: []byte(`{"batchItemFailures":[` + strings.Join(out, ",") + `]}`)}, nil
		}, 2},
		{"a function error keeps the batch, whatever it reports", true, func(context.Context, invocation) (mapping.Result, error) {
			return mapping.Result{FunctionError: "Handled", Payload: []byte(`{"batchItemFailures":[]}`)}, nil
		}, 0},
		{"no answer is success", true, answers(``), 4},
		{"null is success", true, answers(` null `), 4},
		{"an empty object is success", true, answers(`{}`), 4},
		{"an empty list is success", true, answers(`{"batchItemFailures":[]}`), 4},
		{"a null list is success", true, answers(`{"batchItemFailures":null}`), 4},
		{"a text keeps the batch", true, answers(`"ok"`), 0},
		{"a list of another name, if only in its case, is none", true, answers(`{"BatchItemFailures":[{"itemIdentifier":"x"}]}`), 4},
		{"no JSON keeps the batch", true, answers(`{"batchItemFailures"`), 0},
		{"a list that is none keeps the batch", true, answers(`{"batchItemFailures":"x"}`), 0},
		{"a wrong key keeps the batch", true, answers(`{"batchItemFailures":[{"foo":"notvalid"}]}`), 0},
		{"an unknown identifier keeps the batch", true, answers(`{"batchItemFailures":[{"itemIdentifier":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}]}`), 0},
		{"an empty identifier keeps the batch", true, answers(`{"batchItemFailures":[{"itemIdentifier":""}]}`), 0},
		{"a null identifier keeps the batch", true, answers(`{"batchItemFailures":[{"itemIdentifier":null}]}`), 0},
		{"an identifier that is a number keeps the batch", true, answers(`{"batchItemFailures":[{"itemIdentifier":1}]}`), 0},
		{"an item that is null keeps the batch", true, answers(`{"batchItemFailures":[null]}`), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.ReportBatchItemFailures = test.report })
				b.function.handle = test.handle
				b.send(numbers(4)...)
				b.start()
				pass(time.Second)
				b.wantLevels(0, 4-test.deleted, 0)
				want := mapping.Counts{Polled: 4, Invoked: 4, Deleted: uint64(test.deleted), FailedInvoke: uint64(4 - test.deleted)}
				if test.name == "a failed invocation keeps the batch" {
					want.Invoked = 0
				}
				b.wantCounts(want)
				// What failed comes back after the visibility timeout, and in the end to the dead-letter queue.
				pass(10 * time.Minute)
				b.wantLevels(0, 0, 4-test.deleted)
			})
		})
	}
}

func TestAnInvocationThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, nil)
		b.function.handle = func(context.Context, invocation) (mapping.Result, error) {
			return mapping.Result{}, errors.New("no such function")
		}
		b.send(numbers(1)...)
		b.start()
		pass(time.Second)
		b.stop()
		if !strings.Contains(b.log.String(), `msg="event source mapping could not invoke the function"`) || !strings.Contains(b.log.String(), `error="no such function"`) {
			t.Errorf("the log: %s", &b.log)
		}
	})
}

func TestThrottle(t *testing.T) {
	throttled := func(context.Context, invocation) (mapping.Result, error) {
		return mapping.Result{}, fmt.Errorf("function handler: %w", mapping.ErrThrottled)
	}
	t.Run("the batch is tried again until there is room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			tries := 0
			b.function.handle = func(ctx context.Context, in invocation) (mapping.Result, error) {
				if tries++; tries < 5 {
					return throttled(ctx, in)
				}
				return mapping.Result{}, nil
			}
			b.send("a")
			b.start()
			pass(30 * time.Second)
			b.wantLevels(0, 0, 0)
			b.wantCounts(mapping.Counts{Polled: 1, Invoked: 1, Deleted: 1})
			if n := b.queue.Counts().Received; n != 1 {
				t.Fatalf("received %d times", n)
			}
		})
	})
	t.Run("tries become rarer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.function.handle = throttled
			b.send("a")
			b.start()
			pass(time.Minute - time.Second)
			if n := len(b.function.log()); n < 10 || n > 40 {
				t.Fatalf("%d tries in a minute", n)
			}
		})
	})
	t.Run("messages reach the dead-letter queue without the function having seen them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.function.handle = throttled
			b.send("a")
			b.start()
			pass(59 * time.Second)
			b.wantLevels(0, 1, 0)
			pass(3 * time.Minute)
			b.wantLevels(0, 0, 1)
			b.wantCounts(mapping.Counts{Polled: 3, Dropped: 3})
		})
	})
	t.Run("the time in the window counts against the visibility timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.Window = 30 * time.Second })
			b.function.handle = throttled
			b.send("a")
			b.start()
			pass(61 * time.Second)
			b.wantCounts(mapping.Counts{Polled: 2, Dropped: 1})
		})
	})
	t.Run("the message that came first decides when a batch is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.Window, c.MaxConcurrency = 40*time.Second, 2 })
			b.function.handle = throttled
			b.start()
			pass(0)
			start := time.Now()
			b.send("a")
			pass(10 * time.Second)
			b.send("b") // to the other poller, which waits longer
			pass(0)
			b.send("c")
			pass(time.Minute)
			tries := 0
			for _, in := range b.function.log() {
				if slices.Equal(in.bodies, []string{"a", "c"}) {
					if tries++; in.at.Sub(start) >= time.Minute {
						t.Fatalf("tried after %v, when the first message was back", in.at.Sub(start))
					}
				}
			}
			if tries == 0 {
				t.Fatal("no batch of messages that came at different times")
			}
		})
	})
	t.Run("tries become rarer down to one in ten seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			change := fmt.Appendf(nil, `{"QueueUrl":%q,"Attributes":{"VisibilityTimeout":"3600"}}`, b.queue.URL())
			if _, err := b.queues.Wire().Operations["SetQueueAttributes"](t.Context(), change); err != nil {
				t.Fatal(err)
			}
			b.function.handle = throttled
			b.send("a")
			b.start()
			pass(time.Hour - time.Second)
			log := b.function.log()
			for i := 1; i < len(log); i++ {
				if wait := log[i].at.Sub(log[i-1].at); wait > 10*time.Second {
					t.Fatalf("try %d came %v after the one before", i+1, wait)
				}
			}
		})
	})
	t.Run("a throttled function gets no more pollers by the ramp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, documented, func(c *mapping.Config) { c.BatchSize = 1 })
			b.function.handle = throttled
			b.send(numbers(1000)...)
			b.start()
			pass(30 * time.Second)
			if n := b.mapping.Pollers(); n > 10 {
				t.Fatalf("%d pollers", n)
			}
		})
	})
	t.Run("a throttled function gets no more pollers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize = 1 })
			b.function.handle = throttled
			b.send(numbers(1000)...)
			b.start()
			pass(30 * time.Second)
			if n := b.mapping.Pollers(); n > 100 {
				t.Fatalf("%d pollers", n)
			}
		})
	})
	t.Run("stopping gives a throttled batch up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.function.handle = throttled
			b.send("a")
			b.start()
			pass(20 * time.Second)
			start := time.Now()
			b.stop()
			if d := time.Since(start); d != 0 {
				t.Fatalf("stopped after %v", d)
			}
			b.wantLevels(0, 1, 0)
		})
	})
}

func TestFilter(t *testing.T) {
	tests := []struct {
		name    string
		filters []string
		bodies  []string
		passed  string
	}{
		{"no filter", nil, []string{"a", `{}`}, `[a {}]`},
		{"a field of a JSON body", []string{`{"body":{"kind":["order"]}}`}, []string{`{"kind":"order"}`, `{"kind":"bill"}`, `{}`}, `[{"kind":"order"}]`},
		{"one of two filters", []string{`{"body":{"a":[1]}}`, `{"body":{"b":[1]}}`}, []string{`{"a":1}`, `{"b":1}`, `{"c":1}`}, `[{"a":1} {"b":1}]`},
		{"a text as a whole", []string{`{"body":["a",{"prefix":"b"}]}`}, []string{"a", "bc", "c"}, `[a bc]`},
		{"a text does not fit a pattern about fields", []string{`{"body":{"a":[{"exists":false}]}}`}, []string{"text", `{"b":1}`}, `[{"b":1}]`},
		{"JSON does not fit a pattern about text", []string{`{"body":[{"anything-but":"x"}]}`}, []string{`{"a":1}`, `y`}, `[y]`},
		{"text that only begins like JSON is text", []string{`{"body":[{"prefix":"{"}]}`}, []string{`{"a"`, `{}`}, `[{"a"]`},
		{"alternatives inside a filter", []string{`{"$or":[{"body":{"a":[1]}},{"body":{"b":[1]}}]}`}, []string{`{"a":1}`, `{"b":1}`, `{"c":1}`}, `[{"a":1} {"b":1}]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.Filters = test.filters })
				b.send(test.bodies...)
				b.start()
				pass(time.Second)
				var passed []string
				for _, in := range b.function.log() {
					passed = append(passed, in.bodies...)
				}
				if got := fmt.Sprint(passed); got != test.passed {
					t.Fatalf("passed %s, want %s", got, test.passed)
				}
				b.wantLevels(0, 0, 0) // what did not pass is deleted
				all, n := uint64(len(test.bodies)), uint64(len(passed))
				b.wantCounts(mapping.Counts{Polled: all, FilteredOut: all - n, Invoked: n, Deleted: n})
			})
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	queues := queue.New(queue.Options{})
	defer queues.Close()
	q, err := queues.Create(queue.Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*mapping.Config)
		want   string // in the message
	}{
		{"an id that is no UUID", func(c *mapping.Config) { c.ID = "x" }, "UUID"},
		{"no queue", func(c *mapping.Config) { c.Queue = nil }, "no queue"},
		{"no function", func(c *mapping.Config) { c.Function = "" }, "no function"},
		{"a function slower than the visibility timeout", func(c *mapping.Config) { c.Function = "slow" }, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"},
		{"a batch of 10,001", func(c *mapping.Config) { c.BatchSize, c.Window = 10_001, time.Second }, "BatchSize"},
		{"a negative batch size", func(c *mapping.Config) { c.BatchSize = -1 }, "BatchSize"},
		{"a batch of 11 without a window", func(c *mapping.Config) { c.BatchSize = 11 }, "Maximum batch window in seconds must be greater than 0"},
		{"half a second of window", func(c *mapping.Config) { c.Window = time.Second / 2 }, "MaximumBatchingWindowInSeconds"},
		{"a window over 300 s", func(c *mapping.Config) { c.Window = 301 * time.Second }, "MaximumBatchingWindowInSeconds"},
		{"a maximum concurrency of 1", func(c *mapping.Config) { c.MaxConcurrency = 1 }, "MaximumConcurrency 1"},
		{"a maximum concurrency of 1001", func(c *mapping.Config) { c.MaxConcurrency = 1001 }, "MaximumConcurrency 1001"},
		{"six filters", func(c *mapping.Config) { c.Filters = make([]string, 6) }, "6 filters"},
		{"a filter that is no pattern", func(c *mapping.Config) { c.Filters = []string{`{"body":{"a":1}}`} }, "filter 1"},
		{"a filter over another key", func(c *mapping.Config) { c.Filters = []string{`{"messageId":["x"]}`} }, `"messageId"`},
		{"a filter over text and fields at once", func(c *mapping.Config) { c.Filters = []string{`{"$or":[{"body":["a"]},{"body":{"a":[1]}}]}`} }, "at once"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mapping.New(mapping.Options{Invoker: &function{}, Timeout: func(name string) time.Duration {
				return map[string]time.Duration{"slow": 31 * time.Second}[name]
			}})
			cfg := mapping.Config{ID: id, Queue: q, Function: "handler", Disabled: true}
			test.change(&cfg)
			_, err := s.Create(cfg)
			var e *wire.Error
			if !errors.As(err, &e) || e.Code != "InvalidParameterValueException" || !strings.Contains(e.Message, test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
		})
	}
	t.Run("the same queue and function twice", func(t *testing.T) {
		s := mapping.New(mapping.Options{Invoker: &function{}})
		cfg := mapping.Config{ID: id, Queue: q, Function: "handler", Disabled: true}
		if _, err := s.Create(cfg); err != nil {
			t.Fatal(err)
		}
		cfg.ID = "24e0db71-5d35-4eb5-b481-8945cf9d10c2"
		cfg.Function = "arn:aws:lambda:us-east-1:000000000000:function:handler"
		_, err := s.Create(cfg)
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != "ResourceConflictException" {
			t.Fatal(err)
		}
	})
}

func TestStop(t *testing.T) {
	t.Run("running invocations end and their messages are deleted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 2 })
			b.function.handle = takes(10 * time.Second)
			b.send(numbers(10)...)
			b.start()
			pass(time.Second)
			start := time.Now()
			b.stop()
			if d := time.Since(start); d != 9*time.Second {
				t.Fatalf("stopped after %v, want 9s", d)
			}
			b.wantLevels(8, 0, 0)
			if s := b.mapping.State(); s != mapping.Disabled {
				t.Fatalf("state %s", s)
			}
		})
	})
	t.Run("a batch that is being collected is invoked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.Window = time.Minute })
			b.start()
			b.send("a")
			pass(time.Second)
			b.stop()
			b.wantLevels(0, 0, 0)
			b.wantCounts(mapping.Counts{Polled: 1, Invoked: 1, Deleted: 1})
		})
	})
	t.Run("without time, invocations are cancelled and their messages stay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.function.handle = func(ctx context.Context, _ invocation) (mapping.Result, error) {
				<-ctx.Done()
				return mapping.Result{}, ctx.Err()
			}
			b.send("a")
			b.start()
			pass(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := b.mappings.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			synctest.Wait()
			b.wantLevels(0, 1, 0)
		})
	})
	t.Run("nothing can be created or changed afterwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.stop()
			if _, err := b.mappings.Create(mapping.Config{ID: "24e0db71-5d35-4eb5-b481-8945cf9d10c2", Queue: b.dlq, Function: "other"}); err == nil {
				t.Fatal("created")
			}
			if code, _ := b.call("PUT", "/"+id, `{"Enabled":true}`); code != 400 {
				t.Fatalf("enabled: %d", code)
			}
		})
	})
	t.Run("a queue that goes away ends its mapping", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, mapping.Ramp{}, nil)
			b.start()
			pass(time.Second)
			b.queues.Close()
			synctest.Wait()
			if s := b.mapping.State(); s != mapping.Disabled {
				t.Fatalf("state %s", s)
			}
		})
	})
}

func TestNoTraceIsContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, nil)
		if _, err := b.queue.Send(t.Context(), queue.Message{Body: "a", TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793"}); err != nil {
			t.Fatal(err)
		}
		b.start()
		pass(time.Second)
		in := b.function.log()[0]
		if !slices.Equal(in.traces, []string{"Root=1-5759e988-bd862e3fe1be46a994272793"}) || in.function != "handler" || !strings.Contains(in.payload, `"AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793"`) {
			t.Fatalf("%+v", in)
		}
	})
}
