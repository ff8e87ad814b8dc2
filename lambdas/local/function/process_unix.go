//go:build unix

package function

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// killStragglers kills what a dead process has left running in its group. The group's number stays taken while it has
// members; when it has none, nothing is hit.
func killStragglers(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // ESRCH, nobody left, is the usual answer
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// readNow reads from a descriptor without waiting; n is 0 and err nil at the end of the file.
func readNow(fd uintptr, buf []byte) (n int, wait bool, err error) {
	for {
		n, err = syscall.Read(int(fd), buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, true, nil
		case err != nil:
			return 0, false, err
		}
		return n, false, nil
	}
}

// peakMemory is a live process's largest resident set in MB, or 0 where the system does not tell.
func peakMemory(pid int) int {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	if !ok {
		return 0
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		return 0
	}
	return (kb + 1023) / 1024
}
