package volumetest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
)

const mib = 1 << 20

// A partition of a disk to build.
type partition struct {
	typ, guid  string
	name       string
	attributes string                                    // in the language of fdisk scripts
	size       int64                                     // bytes, a multiple of 1 MiB
	format     func(t testing.TB, file string, v volume) // fills the file, which has the size of the partition
}

// volume is what formatting tools want to know of the place of a file system.
type volume struct {
	sectorSize int
	first      int64 // LBA
}

// buildRaw makes a raw image with a GPT and the partitions, one after the other
// from 1 MiB.
func buildRaw(t testing.TB, sectorSize int, partitions []partition) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.raw")
	raw, err := os.Create(path)
	require.NoError(t, err)
	defer raw.Close()

	script := &strings.Builder{}
	firstUsable := 2 + 128*128/sectorSize
	fmt.Fprintf(script, "label: gpt\nlabel-id: %s\nfirst-lba: %d\n", DiskGUID, firstUsable)
	offset := int64(mib)
	for i, p := range partitions {
		first := offset / int64(sectorSize)
		fmt.Fprintf(script, "start=%d, size=%d, type=%s, uuid=%s, name=%q, attrs=%q\n",
			first, p.size/int64(sectorSize), p.typ, p.guid, p.name, p.attributes)
		if p.format != nil {
			file := filepath.Join(dir, strconv.Itoa(i))
			makeFile(t, file, p.size)
			p.format(t, file, volume{sectorSize, first})
			place(t, raw, offset, file)
		}
		offset += p.size
	}
	require.NoError(t, raw.Truncate(offset+mib))

	scriptFile := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(scriptFile, []byte(script.String()), 0o600))
	runWithInput(t, "I\n"+scriptFile+"\nw\n", "fdisk", "--wipe=never", "--sector-size", strconv.Itoa(sectorSize), path)
	return path
}

// buildVHDX converts a raw image to a dynamic VHDX: with qemu-img, which knows
// only sectors of 512 bytes, so others are the work of our own package.
func buildVHDX(t testing.TB, raw string, o Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.vhdx")
	if o.SectorSize == 512 {
		Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vhdx",
			"-o", fmt.Sprintf("subformat=dynamic,block_size=%d", o.BlockSize), raw, path)
		return path
	}
	src, err := os.Open(raw)
	require.NoError(t, err)
	defer src.Close()
	info, err := src.Stat()
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{
		Size: info.Size(), Type: vhdx.Dynamic, BlockSize: int(o.BlockSize),
		LogicalSectorSize: o.SectorSize, PhysicalSectorSize: o.SectorSize,
	})
	require.NoError(t, err)
	require.NoError(t, copyData(d, src))
	require.NoError(t, d.Sync())
	require.NoError(t, d.Close())
	return path
}

func makeFile(t testing.TB, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
}

// place copies a file into raw at offset, and leaves its holes holes.
func place(t testing.TB, raw *os.File, offset int64, file string) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, copyData(io.NewOffsetWriter(raw, offset), f))
}
