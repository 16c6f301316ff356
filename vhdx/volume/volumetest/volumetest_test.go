package volumetest

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
)

// TestDisks lets the tools judge what they have made together.
func TestDisks(t *testing.T) {
	tests := []struct {
		name      string
		make, raw func(testing.TB, Options) string
		options   Options
	}{
		{"windows", Windows, WindowsRaw, Options{}},
		{"linux", Linux, LinuxRaw, Options{}},
		{"windows, larger", Windows, WindowsRaw, Options{OSSize: 256 * mib, BlockSize: 8 * mib}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, raw := tt.make(t, tt.options), tt.raw(t, tt.options)
			require.Contains(t, Run(t, "qemu-img", "check", path), "No errors")
			Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vhdx", raw, path)
			require.True(t, strings.HasPrefix(strings.TrimSpace(Run(t, "sgdisk", "-v", raw)), "No problems found"))

			// A copy is the caller's own.
			require.NoError(t, os.Truncate(path, 0))
			require.NotEqual(t, path, tt.make(t, tt.options))
			Run(t, "qemu-img", "check", tt.make(t, tt.options))
		})
	}
}

// TestHuge makes a disk of which only what is stored may cost anything.
func TestHuge(t *testing.T) {
	o := Options{OSSize: 1 << 40, BlockSize: 32 * mib}
	path, raw := Windows(t, o), WindowsRaw(t, o)
	require.Contains(t, Run(t, "qemu-img", "check", path), "No errors")
	require.Contains(t, Run(t, "qemu-img", "info", path), "virtual size: 1 TiB")
	require.True(t, strings.HasPrefix(strings.TrimSpace(Run(t, "sgdisk", "-v", raw)), "No problems found"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(1<<30))
}

// TestSectorsOf4096 compares a disk that no tool but ours can convert with the
// image that it was made from.
func TestSectorsOf4096(t *testing.T) {
	for name, disk := range map[string]struct {
		make, raw func(testing.TB, Options) string
	}{
		"windows": {Windows, WindowsRaw},
		"linux":   {Linux, LinuxRaw},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{SectorSize: 4096}
			d, err := vhdx.Open(disk.make(t, o))
			require.NoError(t, err)
			defer d.Close()
			require.Equal(t, 4096, d.SectorSize())
			raw, err := os.ReadFile(disk.raw(t, o))
			require.NoError(t, err)
			content := make([]byte, d.Size())
			_, err = d.ReadAt(content, 0)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(raw), sha256.Sum256(content))
		})
	}
}

// TestContent looks into the file systems with tools that did not make them.
func TestContent(t *testing.T) {
	extract := func(raw string, offset, size int64) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "volume")
		src, err := os.Open(raw)
		require.NoError(t, err)
		defer src.Close()
		b := make([]byte, size)
		_, err = src.ReadAt(b, offset)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	for _, sectorSize := range []int{512, 4096} {
		espSize := int64(40 * mib)
		if sectorSize == 4096 {
			espSize = 264 * mib
		}
		o := Options{SectorSize: sectorSize}
		windows, linux := WindowsRaw(t, o), LinuxRaw(t, o)

		esp := extract(windows, mib, espSize)
		Run(t, "fsck.fat", "-n", esp)
		require.Contains(t, Run(t, "mdir", "-/", "-b", "-i", esp, "::"), "::/EFI/Microsoft/Boot/bootmgfw.efi")

		os := extract(windows, mib+espSize+16*mib, 48*mib)
		Run(t, "ntfsfix", "--no-action", os)
		require.Contains(t, Run(t, "ntfsls", "-p", "/Windows/System32", os), "ntoskrnl.exe")
		kernel := Run(t, "ntfscat", os, "Windows/System32/ntoskrnl.exe")
		require.Equal(t, string(noise("Windows/System32/ntoskrnl.exe", 700_001)), kernel)

		boot := extract(linux, mib+espSize, 32*mib)
		Run(t, "e2fsck", "-n", "-f", boot)
		require.Contains(t, Run(t, "debugfs", "-R", "ls -p /grub", boot), "/grub.cfg/")

		root := extract(linux, mib+espSize+32*mib, 48*mib)
		runWithInput(t, "scutum", "cryptsetup", "open", "--disable-locks", "--test-passphrase", "--key-file", "-", root)
	}
}

// TestToolsAreInstalled names every package that is missing at once.
func TestToolsAreInstalled(t *testing.T) {
	for tool, pkg := range packages {
		_, err := lookPath(tool)
		assert.NoError(t, err, "install the package %s", pkg)
	}
}
