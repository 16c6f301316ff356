package vhdx

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/stretchr/testify/require"
)

// convertToRaw writes what a disk holds to a raw image.
func convertToRaw(t testing.TB, d *Disk, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(d.Size()))
	require.NoError(t, Copy(context.Background(), f, d, nil))
	mustClose(t, f)
}

// partition makes a GPT of one ESP from 1 MiB on, through go-diskfs.
func partition(t testing.TB, d *Disk, length int64) {
	t.Helper()
	sector := int64(d.SectorSize())
	w, err := d.Storage().Writable()
	require.NoError(t, err)
	table := &gpt.Table{LogicalSectorSize: int(sector), PhysicalSectorSize: int(sector), ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Start: uint64(mib / sector), Size: uint64(length), Type: gpt.EFISystemPartition, Name: "ESP"},
	}}
	require.NoError(t, table.Write(w, d.Size()))
}

// go-diskfs partitions a disk of ours, and sgdisk and fdisk agree.
func TestStorageHoldsGPT(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			dir := t.TempDir()
			path, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw")
			d := create(t, path, CreateOptions{Size: 500 * mib, BlockSize: 2 * mib, LogicalSectorSize: sector})
			partition(t, d, 400*mib)
			mustClose(t, d)
			requireHealthy(t, path)

			d, err := Open(path)
			require.NoError(t, err)
			table, err := gpt.Read(d.Storage(), sector, sector)
			require.NoError(t, err)
			require.NoError(t, table.Verify(d.Storage(), uint64(d.Size())))
			require.Equal(t, "ESP", table.Partitions[0].Name)
			convertToRaw(t, d, raw)
			mustClose(t, d)
			if sector == 512 {
				require.Contains(t, tool(t, "sgdisk", "-v", raw), "No problems found")
			}
			require.Regexp(t, fmt.Sprintf(`%d +%d .* 400M EFI System`, mib/sector, 401*mib/sector-1), tool(t, "fdisk", "-b", fmt.Sprint(sector), "-l", raw))
		})
	}
}

func TestStorageReadsAndSeeks(t *testing.T) {
	path := tempPath(t, "disk.vhdx")
	d := create(t, path, CreateOptions{Size: 4 * mib})
	s := d.Storage()
	info, err := s.Stat()
	require.NoError(t, err)
	require.Equal(t, d.Size(), info.Size())
	require.True(t, info.Mode().IsRegular())
	require.Equal(t, "disk.vhdx", info.Name())
	require.Equal(t, path, s.Path())
	_, err = s.Sys()
	require.ErrorIs(t, err, backend.ErrNotSuitable)
	w, err := s.Writable()
	require.NoError(t, err)
	_, err = w.WriteAt([]byte("twelve bytes"), 4*mib-12)
	require.NoError(t, err)

	for _, tt := range []struct {
		offset int64
		whence int
		at     int64
	}{{-12, io.SeekEnd, 4*mib - 12}, {4*mib - 100, io.SeekStart, 4*mib - 100}, {88, io.SeekCurrent, 4*mib - 12}} {
		at, err := s.Seek(tt.offset, tt.whence)
		require.NoError(t, err)
		require.Equal(t, tt.at, at)
	}
	got, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, "twelve bytes", string(got))
	_, err = s.Seek(-1, io.SeekStart)
	require.Error(t, err)
	_, err = s.Seek(0, 9)
	require.Error(t, err)
	require.NoError(t, s.Close())
	_, err = d.ReadAt(got, 0)
	require.NoError(t, err, "the disk stays open")
	mustClose(t, d)

	d, err = Open(path)
	require.NoError(t, err)
	_, err = d.Storage().Writable()
	require.ErrorIs(t, err, backend.ErrIncorrectOpenMode)
	mustClose(t, d)
}
