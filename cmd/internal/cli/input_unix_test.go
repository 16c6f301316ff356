//go:build unix

package cli

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadFileRefusesNamedPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := ReadFile(pipe, 4)
	require.EqualError(t, err, "read "+pipe+": it is a named pipe: write what comes through it to a file first")

	r, w, err := os.Pipe() // as the shell does for <(...)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.WriteString(w, "abc")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	data, err := ReadFile("/dev/fd/"+strconv.Itoa(int(r.Fd())), 4)
	require.NoError(t, err)
	require.Equal(t, "abc", string(data))
}
