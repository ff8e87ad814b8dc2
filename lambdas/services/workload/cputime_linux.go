package workload

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuTime returns the CPU time that the calling thread has used, by clock_gettime(2) with CLOCK_THREAD_CPUTIME_ID.
// getrusage(2) would need no unsafe, but is a timer tick coarse: up to 10 ms, as much as a whole burn.
func cpuTime() time.Duration {
	const threadCPUTime = 3
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadCPUTime, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return wallTime() // a sandbox may forbid it; a burn must end even so
	}
	return time.Duration(now.Nano())
}
