//go:build unix

package vhdx

import "syscall"

// doNotWait opens a named pipe at once; regular files do not care.
const doNotWait = syscall.O_NONBLOCK
