package volume

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestDetect looks at volumes that real tools made, with blkid as the judge of
// what they are.
func TestDetect(t *testing.T) {
	fat := func(args ...string) []string { return append([]string{"mkfs.fat"}, args...) }
	luks := func(version string) []string {
		return []string{"cryptsetup", "luksFormat", "-q", "--disable-locks", "--type", version, "--key-file", "/dev/zero", "--keyfile-size", "8",
			"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"}
	}
	ntfs := func(sector, cluster string) []string {
		return []string{"mkntfs", "-F", "-q", "-Q", "-s", sector, "-c", cluster, "-p", "0", "-H", "0", "-S", "0"}
	}
	tests := []struct {
		name  string
		size  int // MiB
		tool  []string
		want  FileSystem
		blkid string
	}{
		{"NTFS, sectors of 512", 8, ntfs("512", "4096"), NTFS, "ntfs"},
		{"NTFS, sectors of 4096", 8, ntfs("4096", "4096"), NTFS, "ntfs"},
		{"NTFS, clusters of 64 KiB", 8, ntfs("512", "65536"), NTFS, "ntfs"},
		{"NTFS, clusters of 1 MiB", 64, ntfs("512", "1048576"), NTFS, "ntfs"},
		{"FAT12", 4, fat("-F", "12"), FAT, "vfat"},
		{"FAT16", 16, fat("-F", "16"), FAT, "vfat"},
		{"FAT32", 40, fat("-F", "32"), FAT32, "vfat"},
		{"FAT32, sectors of 4096", 264, fat("-F", "32", "-S", "4096"), FAT32, "vfat"},
		{"ext2", 4, []string{"mke2fs", "-q", "-F", "-t", "ext2"}, Ext, "ext2"},
		{"ext3", 8, []string{"mke2fs", "-q", "-F", "-t", "ext3"}, Ext, "ext3"},
		{"ext4", 8, []string{"mke2fs", "-q", "-F", "-t", "ext4"}, Ext, "ext4"},
		{"LUKS1", 4, luks("luks1"), LUKS, "crypto_LUKS"},
		{"LUKS2", 24, luks("luks2"), LUKS, "crypto_LUKS"},
		{"swap", 4, []string{"mkswap", "-q"}, Unknown, "swap"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "volume")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, os.Truncate(path, int64(tt.size)*mib))
			volumetest.Run(t, tt.tool[0], append(tt.tool[1:], path)...)
			require.Equal(t, tt.blkid, blkid(t, path, "0"))

			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			head, err := readFull(f, 0, headSize)
			require.NoError(t, err)
			require.Equal(t, tt.want, detect(head))
		})
	}
}

// blkid is the type that libblkid gives to a volume at an offset of a disk.
func blkid(t testing.TB, path, offset string) string {
	t.Helper()
	return strings.TrimSpace(volumetest.Run(t, "blkid", "-p", "-O", offset, "-s", "TYPE", "-o", "value", path))
}

// TestDetectBitLocker looks at volumes that Windows made.
func TestDetectBitLocker(t *testing.T) {
	const archive = "/work/shared/testdata/bitlocker/bitlk-images.tar.xz"
	if _, err := os.Stat(archive); err != nil {
		t.Skipf("no volumes made by Windows here: %v", err)
	}
	dir := t.TempDir()
	require.NoError(t, exec.Command("tar", "-C", dir, "-xf", archive).Run())
	images, err := filepath.Glob(filepath.Join(dir, "*", "*.img"))
	require.NoError(t, err)
	require.NotEmpty(t, images)
	for _, path := range images {
		f, err := os.Open(path)
		require.NoError(t, err)
		head := make([]byte, headSize)
		_, err = io.ReadFull(f, head)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, "BitLocker", blkid(t, path, "0"), path)
		require.Equal(t, BitLocker, detect(head), path)
	}
}

// TestDetectNot changes the bytes on which the judgement rests.
func TestDetectNot(t *testing.T) {
	ntfs := smallDisk(t)[2*mib:][:headSize]
	ext := formatted(t, mib, "mke2fs", "-q", "-F", "-t", "ext2")
	fat := formatted(t, 4*mib, "mkfs.fat", "-F", "12")
	edit := func(b []byte, off int, with string) []byte {
		b = bytes.Clone(b)
		copy(b[off:], with)
		return b
	}
	tests := []struct {
		name string
		head []byte
		want FileSystem
	}{
		{"nothing", nil, Unknown},
		{"less than a sector", ntfs[:511], Unknown},
		{"one sector", ntfs[:512], NTFS},
		{"zeros", make([]byte, headSize), Unknown},
		{"NTFS without signature", edit(ntfs, 510, "\x00"), Unknown},
		{"NTFS without sector size", edit(ntfs, 11, "\x00\x00"), Unknown},
		{"NTFS without cluster size", edit(ntfs, 13, "\x00"), Unknown},
		{"ext cut off", ext[:1024+64], Unknown},
		{"ext without blocks", edit(ext, 1024+4, "\x00\x00\x00\x00"), Unknown},
		{"ext with blocks of 2 MiB", edit(ext, 1024+24, "\x0b"), Unknown},
		{"FAT by Windows 98", edit(fat, 3, "MSWIN4.1"), FAT},
		{"BitLocker To Go", edit(edit(fat, 3, "MSWIN4.1"), 424, string(bitLockerToGo)), BitLocker},
		{"ReFS", edit(make([]byte, headSize), 3, "ReFS\x00\x00\x00\x00"), ReFS},
		{"LUKS3", []byte("LUKS\xba\xbe\x00\x03" + strings.Repeat("\x00", 600)), Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, detect(tt.head)) })
	}
}
