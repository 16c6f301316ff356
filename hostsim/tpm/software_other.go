//go:build !linux

package tpm

import "os/exec"

func endWithParent(*exec.Cmd) {} // it sees that the connection ends
