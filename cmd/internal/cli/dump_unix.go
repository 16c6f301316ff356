//go:build unix

package cli

import "syscall"

// noDumps keeps the system from writing the memory of this process, and of those that it starts, to a file when one crashes:
// passwords and keys are in it.
func noDumps() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
