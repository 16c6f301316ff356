//go:build unix

package vhdx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A locator may name anything: opening a named pipe would wait for its writer.
func TestParentIsAPipe(t *testing.T) {
	dir := t.TempDir()
	parent, child := filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "child.vhdx")
	mustClose(t, create(t, parent, CreateOptions{Size: 4 * mib}))
	mustClose(t, create(t, child, CreateOptions{Type: Differencing, Parent: parent}))
	require.NoError(t, unix.Unlink(parent))
	require.NoError(t, unix.Mkfifo(parent, 0o600))
	_, err := Open(child)
	require.ErrorContains(t, err, "parent.vhdx is not a regular file")
}

// What a locator names becomes another file after every look at it.
func TestParentBecomesAPipe(t *testing.T) {
	dir := t.TempDir()
	path, file, pipe := filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o600))
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.NoError(t, os.Symlink(file, path))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for next := pipe; ; {
			select {
			case <-stop:
				return
			default:
			}
			if os.Symlink(next, path+"x") != nil || os.Rename(path+"x", path) != nil {
				return
			}
			if next == pipe {
				next = file
			} else {
				next = pipe
			}
		}
	}()
	for range 5000 {
		f, info, err := openRegular(path)
		if err != nil {
			require.ErrorContains(t, err, "parent.vhdx is not a regular file")
			continue
		}
		require.True(t, info.Mode().IsRegular())
		require.NoError(t, f.Close())
	}
	close(stop)
	<-stopped
}
