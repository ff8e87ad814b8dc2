//go:build unix && !linux

package target

import (
	"os"
	"os/exec"
	"syscall"
)

// detach puts the child into a group of its own, where the terminal's Ctrl-C does not reach it: an interrupted load test still
// has to read from it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }

// memoryOf is not known here.
func memoryOf(int) uint64 { return 0 }
