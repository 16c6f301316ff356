package tpm

import (
	"os/exec"
	"syscall"
)

// endWithParent has the system end a child when this process ends: swtpm 0.7 runs in circles for ever when the other side is
// gone while it works on a command.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL }
