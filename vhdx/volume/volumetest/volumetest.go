// Package volumetest makes template disks for tests: disks that an
// administrator would recognise, partitioned, formatted, filled and converted
// by the tools that administrators use, so that nothing of this project judges
// its own work. It needs no privileges, no mounts and no devices. A missing tool
// fails the test and names its Debian package.
//
// Each kind of disk is built once in a process; every call gives a copy of its
// own. GUIDs, names and places are always the same, what tools make by chance
// (serial numbers, times, keys) is not.
package volumetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Options vary a disk. The zero value is a small disk with 512-byte sectors.
type Options struct {
	SectorSize int   // bytes, 512 (also for 0) or 4096
	OSSize     int64 // bytes of the OS volume, a multiple of 1 MiB; 0 for 48 MiB
	BlockSize  int64 // bytes of a VHDX block; 0 for 1 MiB
}

// The GUIDs of the disks, and of their partitions in the order in which they
// lie on the disk.
const (
	DiskGUID     = "5c07a000-7e57-4d15-8000-000000000000"
	ESPGUID      = "5c07a000-7e57-4d15-8000-000000000001"
	MSRGUID      = "5c07a000-7e57-4d15-8000-000000000002" // Windows
	BootGUID     = "5c07a000-7e57-4d15-8000-000000000002" // Linux
	OSGUID       = "5c07a000-7e57-4d15-8000-000000000003"
	RecoveryGUID = "5c07a000-7e57-4d15-8000-000000000004" // Windows
)

// Windows makes a dynamic VHDX with a Windows template and returns its path:
// an ESP (FAT32) with an EFI boot path, an MSR, the OS volume (NTFS) with a small
// Windows-like tree, and a recovery partition (NTFS).
func Windows(t testing.TB, o Options) string {
	t.Helper()
	return windows.get(t, o).vhdx.copyTo(t, "windows.vhdx")
}

// Linux makes a dynamic VHDX with a Linux template and returns its path: an ESP
// (FAT32) with an EFI boot path, /boot (ext4) with a kernel, and the OS volume
// (LUKS2, passphrase "scutum") full of what stands for ciphertext.
func Linux(t testing.TB, o Options) string {
	t.Helper()
	return linux.get(t, o).vhdx.copyTo(t, "linux.vhdx")
}

// WindowsRaw gives the raw image that the disk of Windows was made from, as a
// sparse file.
func WindowsRaw(t testing.TB, o Options) string {
	t.Helper()
	return windows.get(t, o).raw.copyTo(t, "windows.raw")
}

// LinuxRaw gives the raw image that the disk of Linux was made from, as a
// sparse file.
func LinuxRaw(t testing.TB, o Options) string {
	t.Helper()
	return linux.get(t, o).raw.copyTo(t, "linux.raw")
}

// A kind of disk, with those that were built already.
type kind struct {
	partitions func(Options) []partition

	mu    sync.Mutex
	built map[Options]disk
}

var (
	windows = kind{partitions: windowsPartitions, built: map[Options]disk{}}
	linux   = kind{partitions: linuxPartitions, built: map[Options]disk{}}
)

type disk struct{ raw, vhdx image }

// An image is an open file without a name, which goes when the process ends.
type image struct{ *os.File }

func (k *kind) get(t testing.TB, o Options) disk {
	t.Helper()
	if o.SectorSize == 0 {
		o.SectorSize = 512
	}
	if o.OSSize == 0 {
		o.OSSize = 48 * mib
	}
	if o.BlockSize == 0 {
		o.BlockSize = mib
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d, ok := k.built[o]
	if !ok {
		raw := buildRaw(t, o.SectorSize, k.partitions(o))
		d = disk{keep(t, raw), keep(t, buildVHDX(t, raw, o))}
		k.built[o] = d
	}
	return d
}

// keep opens the file at path, which is removed with the folder of its test.
func keep(t testing.TB, path string) image {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	return image{f}
}

func (i image) copyTo(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := i.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Truncate(info.Size()))
	require.NoError(t, copyData(f, i.File))
	require.NoError(t, f.Close())
	return path
}
