package vhdx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A disk that is opened alone reads what is in its own file, and nothing else.
func TestOpenAlone(t *testing.T) {
	dir := t.TempDir()
	parent, child := filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "child.vhdx")
	d := create(t, parent, CreateOptions{Size: 4 * mib, BlockSize: mib})
	_, err := d.WriteAt([]byte("parent"), 0)
	require.NoError(t, err)
	mustClose(t, d)
	d = create(t, child, CreateOptions{Type: Differencing, Parent: parent, BlockSize: mib})
	_, err = d.WriteAt(make([]byte, 4096), 4096) // block 0 in part
	require.NoError(t, err)
	_, err = d.WriteAt(make([]byte, mib), mib) // block 1
	require.NoError(t, err)
	require.NoError(t, d.SetItem(GUID{1}, []byte("item")))
	mustClose(t, d)

	for _, there := range []bool{true, false} {
		if !there {
			require.NoError(t, os.Remove(parent))
		}
		d, err = OpenAlone(child)
		require.NoError(t, err)
		require.Equal(t, Differencing, d.Info().Type)
		require.Empty(t, d.Info().Parent)
		require.EqualValues(t, 4*mib, d.Size())
		data, err := d.Item(GUID{1})
		require.NoError(t, err)
		require.Equal(t, "item", string(data))
		for _, tt := range []struct {
			off, length int64
			inFile      bool
		}{
			{0, 1, false}, {0, 4096, false}, {4095, 2, false}, {4096, 4096, true}, {8191, 2, false},
			{mib, mib, true}, {mib, mib + 1, false}, {2 * mib, 1, false}, {4*mib - 1, 1, false}, {0, 4 * mib, false},
		} {
			var wrong error
			if !tt.inFile {
				wrong = ErrWithoutParent
			}
			_, err := d.ReadAt(make([]byte, tt.length), tt.off)
			require.ErrorIs(t, err, wrong, "read %+v", tt)
			err = nil
			for _, e := range d.Extents(tt.off, tt.length) {
				err = e
			}
			require.ErrorIs(t, err, wrong, "extents %+v", tt)
		}
		mustClose(t, d)
	}

	// Its metadata can be written without the parent, but no data that need it.
	f, err := os.OpenFile(child, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	d, err = OpenFile(f, Options{Writable: true, WithoutParent: true})
	require.NoError(t, err)
	require.NoError(t, d.SetItem(GUID{1}, []byte("another")))
	_, err = d.WriteAt([]byte{1}, 2*mib)
	require.ErrorIs(t, err, ErrWithoutParent)
	require.NoError(t, d.Close())
}
