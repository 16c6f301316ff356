//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver"
)

func TestStateBelongsToOwnerOfItsFolder(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	state := filepath.Join(dir, hgsserver.StateFile)
	require.NoError(t, os.WriteFile(state, nil, 0o600))
	if owner == 0 { // nobody else can give files away
		owner = 12345
		require.NoError(t, os.Chown(dir, owner, owner))
	}
	require.NoError(t, giveToOwner(dir))
	info, err := os.Stat(state)
	require.NoError(t, err)
	require.EqualValues(t, owner, info.Sys().(*syscall.Stat_t).Uid)
}
