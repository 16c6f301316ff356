//go:build unix

package vhdx

import (
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
