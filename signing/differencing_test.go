package signing_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// A differencing disk is no template, whatever its parent holds and whether it
// is there: it is refused before the parent is looked for.
func TestDifferencingDisk(t *testing.T) {
	parent := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, parent)
	path := filepath.Join(t.TempDir(), "child.vhdx")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Type: vhdx.Differencing, Parent: parent, Path: path})
	require.NoError(t, err)
	require.NoError(t, d.Close())

	for _, there := range []bool{true, false} {
		if !there {
			require.NoError(t, os.Remove(parent))
		}
		_, err = signing.SignTemplate(t.Context(), path, signOptions(t))
		require.ErrorIs(t, err, volume.ErrDifferencing)

		d, err = vhdx.OpenAlone(path)
		require.NoError(t, err)
		report, err := signing.Verify(t.Context(), d, s, signing.VerifyOptions{})
		require.NoError(t, err)
		require.False(t, report.Intact())
		for _, states := range report.States {
			for _, state := range states {
				require.Equal(t, signing.Altered, state)
			}
		}
		require.NoError(t, d.Close())
	}
}
