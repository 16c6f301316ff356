package cli

import (
	"os"

	"golang.org/x/term"
)

func openTerminal() (terminal, error) {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return terminal{}, err
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		_ = in.Close()
		return terminal{}, err
	}
	return terminal{in: in, out: out}, nil
}

// readHidden reads a line that is not shown.
func (t terminal) readHidden() ([]byte, error) { return term.ReadPassword(int(t.in.Fd())) }
