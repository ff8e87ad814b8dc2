package bus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A counter is a target that counts.
type counter struct{ n int }

func (c *counter) Deliver(context.Context, []byte, string, map[string]string) error {
	c.n++
	return nil
}

// A timer that fires is not yet a time that has come, and a time that has passed is not yet a tick for each period since.
func TestATickGoesByTheTimeOfTheWall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &counter{}
		s := New(Options{Region: "us-east-1", Account: "000000000000", Target: func(string) (Target, bool) { return target, true }})
		err := s.CreateRule(Rule{Name: "tick", Schedule: "rate(10 minutes)", Enabled: true, Targets: []TargetConfig{{ID: "q", ARN: "arn:aws:sqs:us-east-1:000000000000:q"}}})
		if err != nil {
			t.Fatal(err)
		}
		r := s.buses[defaultBus].rules["tick"]

		s.tick(r, r.clock)
		if target.n != 0 {
			t.Error("a timer that fires early ticks")
		}

		// As after 3 hours of sleep, in which the clocks of the process stood still.
		r.clock.began, r.clock.due = r.clock.began.Add(-3*time.Hour), r.clock.due.Add(-3*time.Hour)
		s.tick(r, r.clock)
		if target.n != 1 {
			t.Errorf("after a sleep there are %d ticks, want 1", target.n)
		}
		if want := time.Now().Add(10 * time.Minute); !r.clock.due.Equal(want) {
			t.Errorf("after a sleep the next tick is due at %v, want %v", r.clock.due, want)
		}
		s.tick(r, &clock{})
		if target.n != 1 {
			t.Error("a clock that the rule has no more ticks")
		}

		delete(r.targets, "q")
		if _, err := s.deleteRule(&ruleIn{Name: "tick"}); err != nil {
			t.Fatal(err)
		}
		if r.clock != nil {
			t.Error("a rule that was deleted has a clock")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// What was due is not sent after Close, nor is what comes after it.
func TestNoClockGoesOnAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &counter{}
		s := New(Options{Region: "us-east-1", Account: "000000000000", Target: func(string) (Target, bool) { return target, true }})
		create := func(name string) {
			t.Helper()
			err := s.CreateRule(Rule{Name: name, Schedule: "rate(1 minute)", Enabled: true, Targets: []TargetConfig{{ID: "q", ARN: "arn:aws:sqs:us-east-1:000000000000:q"}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		create("before")
		time.Sleep(time.Minute)
		synctest.Wait()
		if target.n != 1 {
			t.Fatalf("%d ticks in a minute, want 1", target.n)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		create("after")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if target.n != 1 {
			t.Errorf("%d ticks after Close, want none", target.n-1)
		}
	})
}
