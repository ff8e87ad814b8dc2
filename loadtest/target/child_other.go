//go:build !unix

package target

import (
	"os"
	"os/exec"
)

func detach(*exec.Cmd) {}

// interrupt kills: there is no other way here.
func interrupt(p *os.Process) error { return p.Kill() }

// memoryOf is not known here.
func memoryOf(int) uint64 { return 0 }
