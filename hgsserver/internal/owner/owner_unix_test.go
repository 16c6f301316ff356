//go:build unix

package owner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGive(t *testing.T) {
	dir, user := t.TempDir(), os.Geteuid()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	if user == 0 { // nobody else can give files away
		user = 12345
		require.NoError(t, os.Chown(dir, user, user))
	}
	require.NoError(t, Give(file, dir))
	got, _, err := Of(file)
	require.NoError(t, err)
	require.Equal(t, user, got)
	_, _, err = Of(filepath.Join(dir, "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
