package workload

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestHostSleepsForTheTimeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		if err := (Host{}).Sleep(t.Context(), 250*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if slept := time.Since(before); slept != 250*time.Millisecond {
			t.Errorf("slept %v", slept)
		}
	})
}

func TestHostStopsSleepingWhenTheInvocationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before := time.Now()
		if err := (Host{}).Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want that of the context", err)
		}
		if slept := time.Since(before); slept != 100*time.Millisecond {
			t.Errorf("slept %v", slept)
		}
	})
}

func TestHostBurnsCPUTime(t *testing.T) {
	runtime.LockOSThread() // to read the clock of the thread that burns
	defer runtime.UnlockOSThread()
	before := cpuTime()
	if err := (Host{}).Burn(t.Context(), 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if burnt := cpuTime() - before; burnt < 5*time.Millisecond {
		t.Errorf("burnt %v", burnt)
	}
}

func TestHostStopsBurningWhenTheInvocationEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Host{}).Burn(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
}

// With a clock that went on meanwhile, burns side by side on one core would take no longer than one alone.
func TestABurnDoesNotCountWhatOtherThreadsUse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux gives the CPU time of a thread")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := cpuTime()
	burnt := make(chan error)
	go func() { burnt <- Host{}.Burn(t.Context(), 20*time.Millisecond) }()
	if err := <-burnt; err != nil {
		t.Fatal(err)
	}
	if used := cpuTime() - before; used >= 20*time.Millisecond {
		t.Errorf("this thread used %v while another burnt 20ms", used)
	}
}

func BenchmarkBurn(b *testing.B) {
	for b.Loop() {
		if err := (Host{}).Burn(b.Context(), time.Millisecond); err != nil {
			b.Fatal(err)
		}
	}
}
