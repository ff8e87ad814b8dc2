//go:build unix && !linux

package function

import (
	"os/exec"
	"syscall"
)

// detach puts a process into a group of its own, so that it can be killed with its children and does not see the
// terminal's Ctrl-C. Should this process be killed, the function's runtime ends by itself: its next call to the Runtime
// API fails, and aws-lambda-go exits then.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
