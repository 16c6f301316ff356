package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// OpenInput opens a file to read it. A named pipe is refused: until somebody writes
// to it, opening it would wait, whatever key is pressed.
func OpenInput(path string) (*os.File, error) {
	if err := RefusePipe(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// RefusePipe refuses a pipe that has a name. One that the shell made, as for <(...),
// has a writer already, and goes by a name of the system's.
func RefusePipe(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/") {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a named pipe: write what comes through it to a file first")}
	}
	return nil
}

// A TooLongError is the error of a file that is longer than it may be.
type TooLongError struct {
	Path  string
	Max   int64  // in bytes
	Begin []byte // of the file, Max bytes and one
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("read %s: the file is longer than %d bytes", e.Path, e.Max)
}

// ReadFile reads a file of at least one byte and at most max. Its errors name the
// file; that of a longer one is a [TooLongError].
func ReadFile(path string, max int64) ([]byte, error) {
	f, err := OpenInput(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, fmt.Errorf("read %s: the file is empty", path)
	case int64(len(data)) > max:
		return nil, &TooLongError{path, max, data}
	}
	return data, nil
}
