//go:build !windows

package main

import "os"

func openTerminal() (terminal, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return terminal{in: tty, out: tty}, err
}
