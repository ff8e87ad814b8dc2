package workload

import (
	"context"
	"crypto/sha256"
	"runtime"
	"time"
)

// A Machine is what a simulation uses up. If ctx ends first, both calls return at once with ctx's error: that the
// invocation ran out of time is no outcome of the simulation, and the event goes back to the queue.
type Machine interface {
	Sleep(ctx context.Context, d time.Duration) error // lets d pass
	Burn(ctx context.Context, d time.Duration) error  // keeps one core busy until it has spent d of CPU time
}

// Host is the machine that the process runs on.
type Host struct{}

var _ Machine = Host{}

// Sleep waits on a timer.
func (Host) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Burn computes hashes. On Linux, and so in a Lambda, it reads the CPU clock of its thread: of two burns of 100 ms on
// one core each takes 200 ms, and a Lambda with half a core takes 200 ms for one. Other systems give no such clock to
// a program without C, so there it goes by the clock on the wall.
func (Host) Burn(ctx context.Context, d time.Duration) error {
	runtime.LockOSThread() // cpuTime is the thread's
	defer runtime.UnlockOSThread()
	var block [16 << 10]byte // hashed in about 10 µs: how far a burn may overshoot
	for end := cpuTime() + d; cpuTime() < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum := sha256.Sum256(block[:])
		copy(block[:], sum[:])
	}
	return nil
}

var start = time.Now()

// wallTime returns the time since the program began, by the monotonic clock.
func wallTime() time.Duration { return time.Since(start) }
