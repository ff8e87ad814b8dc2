package mapping_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
)

// What a load test changes while messages flow, and what must come of it.

func TestALowerConcurrencyHoldsForPollersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 16 })
		b.function.handle = takes(time.Second)
		b.send(numbers(64)...)
		b.start()
		pass(4100 * time.Millisecond) // all done, and 16 pollers wait for more
		if b.mapping.Pollers() != 16 {
			t.Fatalf("%d pollers", b.mapping.Pollers())
		}
		b.put(`{"ScalingConfig":{"MaximumConcurrency":2}}`)
		b.function.mostRunning = 0
		b.send(numbers(20)...)
		pass(9 * time.Second)
		if n := b.function.now(); n != 2 {
			t.Errorf("%d running, want 2", n)
		}
		pass(2 * time.Second)
		if b.function.mostRunning != 2 || b.queue.Counts().Deleted != 84 {
			t.Errorf("%d at once, %d done", b.function.mostRunning, b.queue.Counts().Deleted)
		}
	})
}

func TestAHigherConcurrencyNeedNotWaitForAnInvocationToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 2 })
		b.function.handle = takes(20 * time.Second)
		b.send(numbers(50)...)
		b.start()
		pass(time.Second)
		b.put(`{"ScalingConfig":{"MaximumConcurrency":7}}`)
		synctest.Wait()
		if n := b.function.now(); n != 7 {
			t.Errorf("%d running, want 7", n)
		}
	})
}

func TestABatchSizeHoldsForPollersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 10, 2 })
		b.start()
		pass(time.Second)
		b.put(`{"BatchSize":1}`)
		b.send(numbers(10)...)
		pass(time.Second)
		for _, in := range b.function.log() {
			if len(in.bodies) != 1 {
				t.Errorf("a batch of %d", len(in.bodies))
			}
		}
	})
}

func TestABatchInItsWindowEndsAsItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency, c.Window = 10, 2, 5*time.Second })
		b.start()
		pass(time.Second)
		b.send("a")
		pass(2 * time.Second)
		b.put(`{"BatchSize":5,"MaximumBatchingWindowInSeconds":1}`)
		pass(3*time.Second - time.Millisecond)
		if n := len(b.function.log()); n != 0 {
			t.Fatalf("%d invocations within the window", n)
		}
		pass(time.Second)
		if log := b.function.log(); len(log) != 1 || !slices.Equal(log[0].bodies, []string{"a"}) {
			t.Fatalf("%+v", log)
		}
	})
}

func TestABatchInItsWindowIsReadAsItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.MaxConcurrency, c.Window = 2, 5*time.Second })
		b.function.handle = answers(`{"batchItemFailures":[{"itemIdentifier":""}]}`) // all failed, for who reads it
		b.start()
		b.send("a")
		pass(time.Second)
		b.put(`{"FunctionResponseTypes":["ReportBatchItemFailures"]}`)
		pass(5 * time.Second)
		if n := b.queue.Counts().Deleted; n != 1 {
			t.Errorf("%d deleted, want 1: the batch began without ReportBatchItemFailures", n)
		}
		b.send("b")
		pass(6 * time.Second)
		if n := b.queue.Counts().Deleted; n != 1 {
			t.Errorf("%d deleted, want 1: the second batch has failed", n)
		}
	})
}

func TestAnUpdateDoesNotPassTheRamp(t *testing.T) {
	for _, test := range []struct {
		name   string
		ramp   mapping.Ramp
		before int
		want   int
	}{
		{"a ramp that does not rise", mapping.Ramp{Initial: 3, PerMinute: 0, Max: 10}, 0, 3},
		{"a ramp begins where a lower maximum was", mapping.Ramp{Initial: 5, PerMinute: 60, Max: 10}, 2, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := setUp(t, test.ramp, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, test.before })
				b.function.handle = takes(20 * time.Second)
				b.start()
				b.put(`{"ScalingConfig":{"MaximumConcurrency":100}}`)
				b.send(numbers(50)...)
				synctest.Wait()
				if n := b.function.now(); n != test.want {
					t.Errorf("%d running, want %d", n, test.want)
				}
			})
		})
	}
}

func TestAnUpdateDoesNotLookLikeAQuietQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{Initial: 2, PerMinute: 60, Max: 20}, func(c *mapping.Config) { c.BatchSize = 1 })
		b.function.handle = takes(time.Second)
		b.send(numbers(60)...)
		b.start()
		pass(15 * time.Second) // the ramp has come to some pollers, and they wait for messages, for less than a long poll
		b.wantLevels(0, 0, 0)
		before := b.mapping.Pollers()
		if before < 5 {
			t.Fatalf("the ramp has come to %d", before)
		}
		b.put(`{"ScalingConfig":{"MaximumConcurrency":100}}`)
		b.send(numbers(60)...)
		synctest.Wait()
		if n := b.function.now(); n != before {
			t.Errorf("%d running after an update, %d before", n, before)
		}
	})
}

func TestADisabledMappingStopsAtOnceAndGoesOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 4 })
		b.function.handle = takes(2 * time.Second)
		b.send(numbers(100)...)
		b.start()
		pass(3 * time.Second)
		b.put(`{"Enabled":false}`)
		b.wantLevels(92, 4, 0)
		pass(20 * time.Second) // an outage
		b.wantLevels(92, 0, 0)
		if n := len(b.function.log()); n != 8 || b.queue.Counts().Deleted != 8 {
			t.Fatalf("%d invocations, %d deleted: what was running has not ended", n, b.queue.Counts().Deleted)
		}
		b.put(`{"Enabled":true}`)
		synctest.Wait()
		if n := b.function.now(); n != 4 {
			t.Fatalf("%d running, want 4", n)
		}
		pass(46 * time.Second) // 92 messages, four at a time, 2 s each
		b.wantLevels(0, 0, 0)
	})
}

// A message that takes longer than it is hidden for is handed out again while it is handled, and the first handler's
// success does not delete it: its receipt is outdated.
func TestAVisibilityTimeoutThatIsTooShortDeliversTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 4 })
		b.function.handle = takes(1500 * time.Millisecond)
		b.start()
		change := fmt.Appendf(nil, `{"QueueUrl":%q,"Attributes":{"VisibilityTimeout":"1"}}`, b.queue.URL())
		if _, err := b.queues.Wire().Operations["SetQueueAttributes"](t.Context(), change); err != nil {
			t.Fatal(err)
		}
		b.send("slow")
		pass(1200 * time.Millisecond)
		if n := b.function.now(); n != 2 {
			t.Fatalf("%d running: the second delivery has not come while the first one runs", n)
		}
		pass(20 * time.Second)
		log := b.function.log()
		if len(log) != 3 || log[0].ids[0] != log[1].ids[0] || log[1].at.Sub(log[0].at) != time.Second {
			t.Errorf("%d deliveries", len(log))
		}
		for i, in := range log {
			if !strings.Contains(in.payload, fmt.Sprintf(`"ApproximateReceiveCount":"%d"`, i+1)) {
				t.Errorf("delivery %d: %s", i+1, in.payload)
			}
		}
	})
}

func TestTheTimeoutIsTheOneThatTheFunctionHasNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, nil)
		b.limit = 61 * time.Second
		if code, answer := b.call("PUT", "/"+id, `{"BatchSize":1}`); code != 400 || !strings.Contains(answer, "Queue visibility timeout: 60 seconds is less than Function timeout: 61 seconds") {
			t.Errorf("%d %s", code, answer)
		}
		b.limit = time.Minute // as long as messages are hidden: the longest that will do
		b.put(`{"BatchSize":1}`)
	})
}

func TestTheTimeoutIsAskedForByName(t *testing.T) {
	queues := queue.New(queue.Options{})
	defer queues.Close()
	q, err := queues.Create(queue.Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	s := mapping.New(mapping.Options{Invoker: &function{}, Timeout: func(function string) time.Duration {
		asked = append(asked, function)
		return 0
	}})
	cfg := mapping.Config{ID: id, Queue: q, Function: "arn:aws:lambda:us-east-1:000000000000:function:handler", Disabled: true}
	if _, err := s.Create(cfg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []string{"handler"}) {
		t.Errorf("asked for %q", asked)
	}
}

func TestAnUpdateIsDated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, nil)
		modified := func() float64 {
			_, answer := b.call("GET", "/"+id, "")
			var c struct{ LastModified float64 }
			if err := json.Unmarshal([]byte(answer), &c); err != nil {
				t.Fatal(err)
			}
			return c.LastModified
		}
		before := modified()
		pass(time.Second)
		if again := modified(); again != before {
			t.Errorf("reading it has changed it: %v, %v", before, again)
		}
		b.put(`{"BatchSize":1}`)
		if after := modified(); after-before != 1 {
			t.Errorf("%v, and a second later %v", before, after)
		}
	})
}

// Whatever is changed while messages flow: each is handled once, and never more at a time than the largest maximum of late.
func TestChangesLoseAndDuplicateNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		n := rapid.IntRange(1, 300).Draw(rt, "messages")
		changes := rapid.IntRange(1, 30).Draw(rt, "changes")
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 2 })
			b.function.handle = takes(300 * time.Millisecond)
			b.start()
			sent := 0
			for range changes {
				for range random.IntN(n/changes + 2) {
					if sent < n {
						b.send(fmt.Sprint(sent))
						sent++
					}
				}
				switch random.IntN(3) {
				case 0:
					b.put(fmt.Sprintf(`{"ScalingConfig":{"MaximumConcurrency":%d}}`, 2+random.IntN(15)))
				case 1:
					b.put(fmt.Sprintf(`{"BatchSize":%d}`, 1+random.IntN(10)))
				case 2:
					b.put(`{"Enabled":false}`)
					pass(time.Second) // until it is
					b.put(`{"Enabled":true}`)
				}
				pass(time.Duration(random.IntN(1000)) * time.Millisecond)
				limit := b.mapping.Config().MaxConcurrency
				pass(300 * time.Millisecond) // what ran before the change has ended
				if now := b.function.now(); now > limit {
					rt.Errorf("%d running, at most %d may", now, limit)
				}
			}
			for sent < n {
				b.send(fmt.Sprint(sent))
				sent++
			}
			pass(time.Minute)
			handled := map[string]int{}
			for _, in := range b.function.log() {
				for _, body := range in.bodies {
					handled[body]++
				}
			}
			for body, times := range handled {
				if times != 1 {
					rt.Errorf("message %s was handled %d times", body, times)
				}
			}
			if len(handled) != n || b.queue.Counts().Deleted != uint64(n) {
				rt.Errorf("%d messages handled, %d deleted, want %d", len(handled), b.queue.Counts().Deleted, n)
			}
		})
	})
}
