package recovery_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/fat"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// changeESP has change work on a file with the EFI system partition of a disk, and writes that back.
func changeESP(t *testing.T, disk string, change func(file string)) {
	t.Helper()
	d, err := vhdx.OpenReadWrite(disk)
	require.NoError(t, err)
	defer d.Close()
	layout, err := volume.ReadWhole(d)
	require.NoError(t, err)
	esp := layout.Partitions[0]
	require.Equal(t, volume.RoleESP, esp.Role)
	data := make([]byte, esp.Length())
	_, err = d.ReadAt(data, esp.Offset())
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "esp")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	change(file)
	data, err = os.ReadFile(file)
	require.NoError(t, err)
	_, err = d.WriteAt(data, esp.Offset())
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

// plant puts an .ebek file onto a disk, with mtools.
func plant(t *testing.T, disk string, data []byte) {
	t.Helper()
	changeESP(t, disk, func(file string) {
		ebek := filepath.Join(t.TempDir(), "recovery.ebek")
		require.NoError(t, os.WriteFile(ebek, data, 0o600))
		run(t, "mmd", "-i", file, "::EFI/Scutum")
		run(t, "mcopy", "-i", file, ebek, "::EFI/Scutum")
	})
}

func fromDisk(t *testing.T, path string, open func(string) (*vhdx.Disk, error)) ([]byte, error) {
	t.Helper()
	d, err := open(path)
	require.NoError(t, err)
	defer d.Close()
	_, data, err := recovery.FromDisk(d)
	return data, err
}

func child(t *testing.T, parent string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(parent), "child of "+filepath.Base(parent))
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Type: vhdx.Differencing, Parent: parent, Path: path})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return path
}

func TestFromDisk(t *testing.T) {
	want := seal(t, recovery.NewExternalKey(vhdx.GUID{}, at), vhdx.NewGUID())
	for name, disk := range map[string]string{
		"Windows":         volumetest.Windows(t, volumetest.Options{}),
		"Windows, 4K":     volumetest.Windows(t, volumetest.Options{SectorSize: 4096}),
		"Linux":           volumetest.Linux(t, volumetest.Options{}),
		"in a checkpoint": child(t, volumetest.Windows(t, volumetest.Options{})),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fromDisk(t, disk, vhdx.Open)
			require.ErrorIs(t, err, recovery.ErrNotOnDisk)
			plant(t, disk, want)
			got, err := fromDisk(t, disk, vhdx.Open)
			require.NoError(t, err)
			require.Equal(t, want, got)

			checkpoint := child(t, disk)
			got, err = fromDisk(t, checkpoint, vhdx.Open)
			require.NoError(t, err)
			require.Equal(t, want, got)
			_, err = fromDisk(t, checkpoint, vhdx.OpenAlone)
			require.ErrorIs(t, err, vhdx.ErrWithoutParent)
		})
	}
}

func TestFromDiskRefuses(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	plant(t, disk, []byte("{}"))
	_, err := fromDisk(t, disk, vhdx.Open)
	require.ErrorIs(t, err, recovery.ErrEBEK)

	changeESP(t, disk, func(file string) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, 64), 0)
		require.NoError(t, errors.Join(err, f.Close()))
	})
	_, err = fromDisk(t, disk, vhdx.Open)
	require.ErrorIs(t, err, fat.ErrFAT)
	require.ErrorContains(t, err, "read the EFI system partition, number 1: ")

	empty := filepath.Join(t.TempDir(), "empty.vhdx")
	f, err := os.Create(empty)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Type: vhdx.Dynamic, Size: 1 << 30})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = fromDisk(t, empty, vhdx.Open)
	require.ErrorIs(t, err, recovery.ErrNotOnDisk)
}
