package signing_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// seal writes the checksum of a structure of a VHDX file into it.
func seal(b []byte) {
	clear(b[4:8])
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// fillLog puts an entry without updates into the log of a VHDX file, and has the headers name it.
func fillLog(t testing.TB, path string) {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	log := vhdx.NewGUID()
	for _, at := range []int{64 << 10, 128 << 10} {
		header := content[at : at+4096]
		copy(header[48:], log[:])
		seal(header)

		entry := content[binary.LittleEndian.Uint64(header[72:]):][:4096]
		clear(entry)
		copy(entry, "loge")
		binary.LittleEndian.PutUint32(entry[8:], 4096)
		binary.LittleEndian.PutUint64(entry[16:], 1)
		copy(entry[32:], log[:])
		binary.LittleEndian.PutUint64(entry[48:], uint64(len(content)))
		binary.LittleEndian.PutUint64(entry[56:], uint64(len(content)))
		seal(entry)
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// spoilRegionTable makes the second copy of the region table invalid.
func spoilRegionTable(t testing.TB, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("gone"), 256<<10)
	require.NoError(t, err)
}

// TestVerifyFindsSecondReadings changes no byte of any partition, and no entry of the primary GPT, but what other programs
// make of the disk.
func TestVerifyFindsSecondReadings(t *testing.T) {
	signed := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, signed)
	size := s.Catalog.Disk.Size
	patch := func(off int64, change func(b []byte)) func(testing.TB, string) {
		return func(t testing.TB, path string) {
			d, err := vhdx.OpenReadWrite(path)
			require.NoError(t, err)
			at := off
			if at < 0 {
				at += size
			}
			b := make([]byte, 33*512)
			n := min(int64(len(b)), size-at)
			_, err = d.ReadAt(b[:n], at)
			require.NoError(t, err)
			change(b[:n])
			_, err = d.WriteAt(b[:n], at)
			require.NoError(t, err)
			require.NoError(t, d.Close())
		}
	}
	for name, c := range map[string]struct {
		change func(testing.TB, string)
		field  string
		say    string
	}{
		"log not empty":        {fillLog, "log", "vhdx check --repair"},
		"region tables differ": {spoilRegionTable, "second region table", "vhdx check --repair"},
		"hybrid MBR": {patch(0, func(b []byte) {
			copy(b[462:], []byte{0, 0, 0, 0, 7, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0})
		}), signing.Fitness, "hybrid"},
		"no protective MBR": {patch(0, func(b []byte) { clear(b[:512]) }), signing.Fitness, "no protective MBR"},
		"boot sector at LBA 0": {patch(0, func(b []byte) {
			clear(b[:512])
			copy(b, "\xeb\x52\x90NTFS    ")
			b[510], b[511] = 0x55, 0xaa
		}), signing.Fitness, "MBR"},
		"primary header wiped": {patch(512, func(b []byte) { clear(b[:512]) }), signing.Fitness, "primary"},
		"backup header wiped":  {patch(-512, func(b []byte) { clear(b) }), signing.Fitness, "backup"},
		"another backup": {patch(-33*512, func(b []byte) {
			b[56] ^= 1 // the name of the first entry
			header := b[32*512:][:92]
			binary.LittleEndian.PutUint32(header[88:], crc32.ChecksumIEEE(b[:32*512]))
			clear(header[16:20])
			binary.LittleEndian.PutUint32(header[16:], crc32.ChecksumIEEE(header))
		}), signing.Fitness, "differs from the primary in the partition entries"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(signed)
			require.NoError(t, err)
			path := t.TempDir() + "/disk.vhdx"
			require.NoError(t, os.WriteFile(path, content, 0o600))
			require.True(t, verify(t, path, s).Intact())
			c.change(t, path)

			r := verify(t, path, s)
			require.False(t, r.Intact())
			require.Empty(t, r.Ranges())
			require.Len(t, r.Differences, 1, "%v", r.Differences)
			require.Equal(t, c.field, r.Differences[0].Field)
			require.NotEmpty(t, r.Differences[0].Remedy)
			require.Contains(t, r.Differences[0].String(), c.say)
			require.Contains(t, r.Differences[0].String(), r.Differences[0].Remedy)
		})
	}
}
