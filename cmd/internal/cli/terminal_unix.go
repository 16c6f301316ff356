//go:build !windows

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

func openTerminal() (terminal, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return terminal{in: tty, out: tty}, err
}

// readHidden reads a line that is not shown. Unlike term.ReadPassword it takes
// Ctrl-D for an end.
func (t terminal) readHidden() ([]byte, error) {
	fd := int(t.in.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, err
	}
	defer func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }()
	return readLine(t.in)
}
