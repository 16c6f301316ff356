package prepare

import (
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/ntfs"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestVolume finds every file as it was, and keeps the rest of the disk.
func TestVolume(t *testing.T) {
	for _, sectorSize := range []int{512, 4096} {
		path := volumetest.Windows(t, volumetest.Options{SectorSize: sectorSize})
		before, err := vhdx.Open(path)
		require.NoError(t, err)
		l, err := volume.Read(before)
		require.NoError(t, err)
		p, ok := l.OSVolume()
		require.True(t, ok)
		old, err := ntfs.Open(io.NewSectionReader(before, p.Offset(), p.Length()), p.Length())
		require.NoError(t, err)
		files := map[string][]byte{}
		require.NoError(t, fs.WalkDir(old, ".", func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				files[name], err = old.ReadFile(name)
			}
			return err
		}))
		require.NotEmpty(t, files)
		outside := make([]byte, p.Offset())
		_, err = before.ReadAt(outside, 0)
		require.NoError(t, err)
		require.NoError(t, before.Close())

		d, err := vhdx.OpenReadWrite(path)
		require.NoError(t, err)
		require.NoError(t, Volume(t.Context(), d, p, Options{}))
		require.ErrorIs(t, Volume(t.Context(), d, p, Options{}), ntfs.ErrNotNTFS)
		now := make([]byte, p.Offset())
		_, err = d.ReadAt(now, 0)
		require.NoError(t, err)
		require.True(t, string(outside) == string(now))
		l, err = volume.Read(d)
		require.NoError(t, err)
		require.Empty(t, l.Unfit())

		v, err := bitlocker.Open(&part{d, p.Offset(), p.Length()}, p.Length())
		require.NoError(t, err)
		require.NoError(t, v.Unlock(bitlocker.ClearKey{}))
		plain, err := ntfs.Open(v, v.Size())
		require.NoError(t, err)
		require.NoError(t, plain.Check())
		for name, want := range files {
			got, err := plain.ReadFile(name)
			require.NoError(t, err)
			require.True(t, string(want) == string(got), name)
		}
		require.NoError(t, d.Close())
	}
}

// TestLargeVolume has a bitmap that is read in several pieces: what is free stays as it is, beyond the first piece too.
func TestLargeVolume(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{OSSize: 5 << 30})
	taken := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	before := taken()
	d, err := vhdx.OpenReadWrite(path)
	require.NoError(t, err)
	l, err := volume.Read(d)
	require.NoError(t, err)
	p, ok := l.OSVolume()
	require.True(t, ok)
	at := &part{d, p.Offset(), p.Length()}
	require.NoError(t, Volume(t.Context(), d, p, Options{}))
	v, err := bitlocker.Open(at, p.Length())
	require.NoError(t, err)
	require.NoError(t, v.Unlock(bitlocker.ClearKey{}))
	plain, err := ntfs.Open(v, v.Size())
	require.NoError(t, err)
	require.NoError(t, plain.Check())
	require.NoError(t, d.Close())
	require.Less(t, taken(), before+64<<20)
}
