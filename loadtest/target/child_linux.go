package target

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// detach puts the child into a group of its own, where the terminal's Ctrl-C does not reach it: an interrupted load test still
// has to read from it. The kernel kills it when the thread that started it ends, and so with this process, however that ends.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }

// memoryOf sums up the proportional set sizes of a process and its descendants, by /proc.
func memoryOf(root int) uint64 {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	children := map[int][]int{}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (command) state ppid: the command may hold anything, a parenthesis too.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(string(fields[1]))
		pid, err2 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && err2 == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var sum uint64
	for next := []int{root}; len(next) > 0; {
		pid := next[len(next)-1]
		next = append(next[:len(next)-1], children[pid]...)
		sum += pss(pid)
	}
	return sum
}

// pss is a process's proportional set size in bytes; 0 if it has ended or may not be looked at.
func pss(pid int) uint64 {
	rollup, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	_, after, ok := bytes.Cut(rollup, []byte("\nPss:"))
	if !ok {
		return 0
	}
	fields := bytes.Fields(after[:min(64, len(after))])
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseUint(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
