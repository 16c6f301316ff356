//go:build unix

package hgsserver

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/internal/owner"
)

// TestStateBelongsToOwnerOfItsFolder writes the state in every way that root may, into a folder of somebody else.
func TestStateBelongsToOwnerOfItsFolder(t *testing.T) {
	s := open(t, newService(t))
	var whole bytes.Buffer
	require.NoError(t, s.Backup(&whole, []byte("password"), "", "me"))
	dir, user := t.TempDir(), os.Geteuid()
	if user == 0 { // nobody else can give files away
		user = 12345
		require.NoError(t, os.Chown(dir, user, user))
	}
	belongs := func() {
		t.Helper()
		got, _, err := owner.Of(filepath.Join(dir, StateFile))
		require.NoError(t, err)
		require.Equal(t, user, got)
	}
	require.NoError(t, Restore(dir, bytes.NewReader(whole.Bytes()), []byte("password"), passphrase))
	belongs()
	require.NoError(t, Import(dir, bytes.NewReader(whole.Bytes()), []byte("password"), passphrase))
	belongs()
	require.NoError(t, SetPassphrase(dir, passphrase, []byte("another"), "me"))
	belongs()
	require.Len(t, DiagnoseFolder(dir), 1, "the permissions of the test's folder")
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(dir, StateFile), 0, 0))
		list := DiagnoseFolder(dir)
		require.Contains(t, list[len(list)-1].What, "belongs to the user 0, and its folder to 12345")
		require.Contains(t, list[len(list)-1].Remedy, "chown --reference="+dir)
	}
}
