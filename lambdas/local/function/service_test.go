package function

import (
	"context"
	"testing"
	"time"
)

// idle makes a service with functions that are never run, so any file will do for their binary.
func idle(t *testing.T, o Options, names ...string) *Service {
	t.Helper()
	s := New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()         // what was admitted was never dispatched, so it does not end
		_ = s.Close(ctx) // and that is what Close says
	})
	for _, name := range names {
		if err := s.Create(Config{Name: name, Binary: "service_test.go"}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestUpdatesAtOneTimeBothCount(t *testing.T) {
	s := idle(t, Options{}, "f")
	overtaken := false
	set, err := s.update("f", func(c *Config) {
		if !overtaken {
			overtaken = true
			if _, err := s.update("f", func(c *Config) { c.MemoryMB = 256 }); err != nil {
				t.Error(err)
			}
		}
		c.Timeout = 7 * time.Second
	})
	if err != nil || set.MemoryMB != 256 || set.Timeout != 7*time.Second {
		t.Errorf("%d MB, %v (%v), want 256 MB, 7s", set.MemoryMB, set.Timeout, err)
	}
}

// Invocations that run keep the place that they were given, so reservations that change leave fewer for the others.
func TestConcurrencyIsNeverAboveTheAccounts(t *testing.T) {
	one := 1
	for _, c := range []struct {
		name   string
		change *int // of the reservation of f, of which one invocation runs
		before *int
	}{
		{"a reservation is taken away", nil, &one},
		{"a reservation is made", &one, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := idle(t, Options{AccountConcurrency: 101}, "f", "g")
			admit := func(name string) bool {
				_, err := s.admit(Request{Function: name})
				if err != nil && !Throttled(err) {
					t.Fatal(err)
				}
				return err == nil
			}
			if err := s.SetReservedConcurrency("f", c.before); err != nil {
				t.Fatal(err)
			}
			running := 0
			fill := func(name string) {
				for admit(name) {
					running++
				}
			}
			if c.before != nil {
				fill("f")
			} else {
				fill("g")
			}
			if err := s.SetReservedConcurrency("f", c.change); err != nil {
				t.Fatal(err)
			}
			fill("f")
			fill("g")
			if running != 101 {
				t.Errorf("%d invocations run at one time, want the account's 101", running)
			}
		})
	}
}
