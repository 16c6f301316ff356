package volume

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

const (
	mib      = 1 << 20
	diskSize = 6 * mib
	lastLBA  = diskSize/512 - 1

	espType   = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	basicType = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
)

// readRaw reads the layout of a raw disk image.
func readRaw(image []byte, sectorSize int) (*Layout, error) {
	l := &Layout{Table: TableNone, SectorSize: sectorSize, Size: int64(len(image))}
	return l, l.read(bytes.NewReader(image))
}

func mustReadRaw(t testing.TB, image []byte) *Layout {
	t.Helper()
	l, err := readRaw(image, 512)
	require.NoError(t, err)
	return l
}

// sgdisk runs sgdisk with args on a copy of the image and returns what became
// of it.
func sgdisk(t testing.TB, image []byte, args ...string) []byte {
	t.Helper()
	path := tempFile(t, image)
	volumetest.Run(t, "sgdisk", append(args, path)...)
	out, err := os.ReadFile(path)
	require.NoError(t, err)
	return out
}

// sgdiskFindsNoProblem is the opinion of sgdisk -v on an image.
func sgdiskFindsNoProblem(t testing.TB, image []byte) bool {
	t.Helper()
	said := volumetest.Run(t, "sgdisk", "-v", tempFile(t, image))
	return strings.HasPrefix(strings.TrimSpace(said), "No problems found") // cautions come before it
}

// smallDisk makes a disk of 6 MiB, fit to be a template: an ESP from 1 to 2 MiB
// and an NTFS basic data partition from 2 to 4 MiB.
func smallDisk(t testing.TB) []byte {
	t.Helper()
	smallDiskMutex.Lock()
	defer smallDiskMutex.Unlock()
	if smallDiskImage == nil {
		smallDiskImage = makeSmallDisk(t)
	}
	return bytes.Clone(smallDiskImage)
}

var ntfsArgs = []string{"-F", "-q", "-Q", "-s", "512", "-p", "0", "-H", "0", "-S", "0"}

var (
	smallDiskMutex sync.Mutex
	smallDiskImage []byte
)

func makeSmallDisk(t testing.TB) []byte {
	t.Helper()
	image := sgdisk(t, make([]byte, diskSize), "-a", "1",
		"-n", "1:2048:4095", "-t", "1:"+espType, "-c", "1:EFI system partition",
		"-n", "2:4096:8191", "-t", "2:"+basicType, "-c", "2:Basic data partition")
	copy(image[2*mib:], formatted(t, 2*mib, "mkntfs", ntfsArgs...))
	return image
}

// formatted gives the first bytes of a volume that a tool made.
func formatted(t testing.TB, size int, tool string, args ...string) []byte {
	t.Helper()
	path := tempFile(t, make([]byte, size))
	volumetest.Run(t, tool, append(args, path)...)
	out, err := os.ReadFile(path)
	require.NoError(t, err)
	return out[:headSize]
}

func tempFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// seal makes the checksums of the GPT copy with its header at lba right again.
// It leaves alone what has no entries on the disk.
func seal(image []byte, lba, sectorSize int) {
	h := image[lba*sectorSize:][:gptHeaderSize]
	start := binary.LittleEndian.Uint64(h[72:])
	length := uint64(binary.LittleEndian.Uint32(h[80:])) * uint64(binary.LittleEndian.Uint32(h[84:]))
	disk := uint64(len(image))
	if start < disk && length <= disk && start*uint64(sectorSize) <= disk-length {
		entries := image[start*uint64(sectorSize):][:length]
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	}
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}
