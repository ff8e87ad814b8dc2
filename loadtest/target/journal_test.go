package target_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/target"
)

// One stack answers at several addresses, and one address is written in several ways.
var spellings = []string{"http://127.0.0.1:4566", "http://127.0.0.1:4566/", "http://localhost:4566", "HTTP://LOCALHOST:4566"}

func TestAStackIsTheSameByWhateverAddress(t *testing.T) {
	for _, other := range spellings {
		t.Run(other, func(t *testing.T) {
			st := newStage(t)
			before := st.is()
			c := st.atEndpoint()
			dies, err := target.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if err := dies.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil {
				t.Fatal(err)
			}
			c.Endpoint = other
			if s, err := target.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "another load test is running on it") {
				t.Errorf("a second run at the same time: %v", err)
				if err == nil {
					s.Close()
				}
			}
			dies.Close() // the kernel does no more for a process that is killed
			next, err := target.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if len(next.Notes()) != 1 || st.is() != before {
				t.Errorf("restored to %s, and says %q", st.is(), next.Notes())
			}
			next.Close()
			if files, err := os.ReadDir(c.Dir); err != nil || len(files) != 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
		})
	}
}

// Local stacks of one name have one id: what tells two of them apart is when they began.
func TestTwoStacksOfOneNameDoNotKeepEachOtherOut(t *testing.T) {
	one, two := newStage(t), newStage(t)
	two.says("DescribeStacks", 200, strings.Replace(recorded(t, "describe-stacks.xml"), "2026-11-20T09:41:07.231Z", "2026-11-20T09:41:07.232Z", 1))
	c, d := one.atEndpoint(), two.atEndpoint()
	d.Dir, d.Endpoint = c.Dir, "http://127.0.0.1:4567"
	dies, err := target.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := dies.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil {
		t.Fatal(err)
	}
	for _, alive := range []bool{true, false} {
		s, err := target.Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Notes()) != 0 || one.concurrency != 2 || journalOf(t, c) == "" {
			t.Errorf("alive %t: the run on the other stack has lost what it wrote down; %q", alive, s.Notes())
		}
		s.Close()
		dies.Close()
	}
}

// Who ends removes the lock's file. One that was about to take it must not believe that it has it.
func TestTheLockIsOneRuns(t *testing.T) {
	st := newStage(t)
	c := st.atEndpoint()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				s, err := target.Open(t.Context(), c)
				if err != nil {
					if !strings.Contains(err.Error(), "another load test is running on it") {
						t.Error(err)
					}
					continue
				}
				if !mu.TryLock() {
					t.Error("two runs have the stack")
					s.Close()
					continue
				}
				if _, err := s.Setup(t.Context()); err != nil { // as long as a run does something
					t.Error(err)
				}
				mu.Unlock()
				s.Close()
			}
		})
	}
	wg.Wait()
}
