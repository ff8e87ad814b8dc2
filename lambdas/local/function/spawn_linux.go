package function

import (
	"os/exec"
	"syscall"
)

// detach puts a process into a group of its own, so that it can be killed with its children and does not see the
// terminal's Ctrl-C, and has the kernel kill it when this process dies, however that happens.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
