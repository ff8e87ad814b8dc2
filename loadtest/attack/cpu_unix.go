//go:build unix

package attack

import (
	"syscall"
	"time"
)

// cpuTime returns how long this process has used processors, and -1 if that is not known.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return -1
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
