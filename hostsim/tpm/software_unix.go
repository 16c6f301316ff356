//go:build unix

package tpm

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// socketPair gives the two ends of a connection, one for this process and one for a child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to a process: %w", err)
	}
	file := os.NewFile(uintptr(fds[0]), "tpm")
	defer file.Close()
	theirs = os.NewFile(uintptr(fds[1]), "tpm")
	if ours, err = net.FileConn(file); err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("connecting to a process: %w", err)
	}
	return ours, theirs, nil
}

// setGroup keeps the signals of the terminal from a child.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
