package fat_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/fat"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

const file = "EFI/Scutum/recovery.ebek"

// image makes a file system with the given bits and sectors, and puts the files into it, by the tools for that.
func image(t testing.TB, bits, sector, perCluster int, size int64, files map[string][]byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	volumetest.Run(t, "mkfs.fat", "-F", strconv.Itoa(bits), "-S", strconv.Itoa(sector), "-s", strconv.Itoa(perCluster), "-n", "SCUTUM", path)
	dir := t.TempDir()
	for name, data := range files {
		on := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(on), 0o700))
		require.NoError(t, os.WriteFile(on, data, 0o600))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		volumetest.Run(t, "env", "LC_ALL=C.UTF-8", "mcopy", "-s", "-i", path, filepath.Join(dir, e.Name()), "::")
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func TestReadFile(t *testing.T) {
	for name, c := range map[string]struct {
		bits, sector, perCluster int
		size                     int64
	}{
		"FAT16":        {16, 512, 1, 8 << 20},
		"FAT16, 4K":    {16, 4096, 1, 64 << 20},
		"FAT32":        {32, 512, 1, 40 << 20},
		"FAT32, large": {32, 512, 8, 300 << 20},
		"FAT32, 4K":    {32, 4096, 1, 264 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{
				file:                                 noise(100_001),
				"EFI/Scutum/SHORT.TXT":               noise(1),
				"EFI/Scutum/empty":                   {},
				"EFI/Scutum/sector.bin":              noise(4096),
				"EFI/Microsoft/Boot/BCD":             noise(512),
				"In the root, ünd ein längerer Name": noise(77),
			}
			for i := range 300 { // more than a cluster of entries
				files["EFI/Scutum/a file with a long name "+strconv.Itoa(i)] = []byte{byte(i)}
			}
			r := bytes.NewReader(image(t, c.bits, c.sector, c.perCluster, c.size, files))
			for name, want := range files {
				got, err := fat.ReadFile(r, name, 1<<20)
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(want, got), name)
			}
			got, err := fat.ReadFile(r, "efi/SCUTUM/Recovery.EBEK", 100_001)
			require.NoError(t, err)
			require.Equal(t, files[file], got)

			for _, missing := range []string{"EFI", "EFI/Scutum", "EFI/Scutum/none", "none/x", "SCUTUM", "EFI/Scutum/empty/x", "", "EFI//Scutum"} {
				_, err := fat.ReadFile(r, missing, 1<<20)
				require.ErrorIs(t, err, fs.ErrNotExist, missing)
			}
			_, err = fat.ReadFile(r, file, 100_000)
			require.ErrorContains(t, err, "the file has 100001 bytes, at most 100000 are expected")
		})
	}
}

func TestRefuses(t *testing.T) {
	good := image(t, 16, 512, 1, 8<<20, map[string][]byte{file: noise(3000)})
	le := binary.LittleEndian
	table := int64(le.Uint16(good[14:])) * 512
	root := table + int64(good[16])*int64(le.Uint16(good[22:]))*512
	data := root + int64(le.Uint16(good[17:]))*32
	efi := cluster(good[root:data], "EFI")
	at := func(c uint16) []byte { return good[data+int64(c-2)*512:][:512] }
	scutum := cluster(at(efi), "SCUTUM")
	first := cluster(at(scutum), "RECOVE~1")
	next := func(b []byte, c uint16, value uint16) { le.PutUint16(b[table+int64(c)*2:], value) }

	for name, c := range map[string]struct {
		change func(b []byte)
		say    string
	}{
		"no signature":            {func(b []byte) { b[510] = 0 }, "no boot sector"},
		"sectors of 0":            {func(b []byte) { le.PutUint16(b[11:], 0) }, "sectors of 0 bytes"},
		"sectors of 513":          {func(b []byte) { le.PutUint16(b[11:], 513) }, "sectors of 513 bytes"},
		"sectors of 8192":         {func(b []byte) { le.PutUint16(b[11:], 8192) }, "sectors of 8192 bytes"},
		"no sectors in a cluster": {func(b []byte) { b[13] = 0 }, "clusters of 0 sectors"},
		"no reserved sectors":     {func(b []byte) { le.PutUint16(b[14:], 0) }, "contradicts itself"},
		"no tables":               {func(b []byte) { b[16] = 0 }, "contradicts itself"},
		"no table sectors":        {func(b []byte) { le.PutUint16(b[22:], 0) }, "contradicts itself"},
		"no root":                 {func(b []byte) { le.PutUint16(b[17:], 0) }, "contradicts itself"},
		"tables too large":        {func(b []byte) { le.PutUint16(b[22:], 0xffff) }, "clusters"},
		"FAT12":                   {func(b []byte) { le.PutUint16(b[19:], 3000) }, "clusters"},
		"a cluster before all":    {func(b []byte) { next(b, first, 1) }, "there is no cluster 1"},
		"a cluster beyond all":    {func(b []byte) { next(b, first, 0xfff0) }, "there is no cluster 65520"},
		"a free cluster":          {func(b []byte) { next(b, first, 0) }, "there is no cluster 0"},
		"a short chain":           {func(b []byte) { next(b, first, 0xffff) }, "the file ends before its time"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(good)
			c.change(b)
			_, err := fat.ReadFile(bytes.NewReader(b), file, 1<<20)
			require.ErrorIs(t, err, fat.ErrFAT)
			require.ErrorContains(t, err, c.say)
		})
	}
	for _, n := range []int{0, 511, 512, int(root), int(data), int(data) + 512} {
		_, err := fat.ReadFile(bytes.NewReader(good[:n]), file, 1<<20)
		require.ErrorIs(t, err, fat.ErrFAT, n)
	}
	_, err := fat.ReadFile(failing{}, file, 1<<20)
	require.ErrorIs(t, err, errFailing)
}

// TestLoops has directories and files whose chains never end: reading does.
func TestLoops(t *testing.T) {
	b := image(t, 16, 512, 1, 8<<20, map[string][]byte{file: noise(3000)})
	le := binary.LittleEndian
	table := int(le.Uint16(b[14:])) * 512
	root := table + int(b[16])*int(le.Uint16(b[22:]))*512
	data := root + int(le.Uint16(b[17:]))*32
	efi := cluster(b[root:data], "EFI")
	dir := b[data+int(efi-2)*512:][:512]
	for i := range dir { // no end, and nothing that is looked for
		dir[i] = 0xe5
	}
	le.PutUint16(b[table+int(efi)*2:], efi)
	_, err := fat.ReadFile(bytes.NewReader(b), file, 1<<20)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestActiveTable has the copies of the table differ: FAT32 says which one counts.
func TestActiveTable(t *testing.T) {
	want := noise(3000)
	b := image(t, 32, 512, 1, 40<<20, map[string][]byte{file: want})
	le := binary.LittleEndian
	table, size := int(le.Uint16(b[14:]))*512, int(le.Uint32(b[36:]))*512
	clear(b[table:][:size])
	for flags, says := range map[uint16]string{0: "there is no cluster 0", 0x80: "there is no cluster 0", 0x81: "", 0x82: "contradicts itself"} {
		le.PutUint16(b[40:], flags)
		got, err := fat.ReadFile(bytes.NewReader(b), file, 1<<20)
		if says == "" {
			require.NoError(t, err)
			require.Equal(t, want, got)
			continue
		}
		require.ErrorIs(t, err, fat.ErrFAT)
		require.ErrorContains(t, err, says)
	}
}

// TestLongNames damages the parts of a long name: it is then nobody's, and the short one remains.
func TestLongNames(t *testing.T) {
	const long = "a name of three parts, no less.txt"
	good := image(t, 16, 512, 1, 8<<20, map[string][]byte{long: noise(9)})
	le := binary.LittleEndian
	root := int(le.Uint16(good[14:]))*512 + int(good[16])*int(le.Uint16(good[22:]))*512
	first := root + 32 // after the label
	require.EqualValues(t, 0x43, good[first])
	for name, change := range map[string]func(parts []byte){
		"checksum of a part":  func(parts []byte) { parts[32+13] ^= 1 },
		"checksum of all":     func(parts []byte) { parts[13] ^= 1; parts[32+13] ^= 1; parts[64+13] ^= 1 },
		"order":               func(parts []byte) { parts[32], parts[64] = 1, 2 },
		"no first part":       func(parts []byte) { parts[0] = 3 },
		"a part too many":     func(parts []byte) { parts[0] = 0x44 },
		"no parts":            func(parts []byte) { parts[0] = 0x40 },
		"more than there are": func(parts []byte) { parts[0] = 0x7f },
		"a part deleted":      func(parts []byte) { parts[64] = 0xe5 },
	} {
		b := bytes.Clone(good)
		change(b[first:])
		_, err := fat.ReadFile(bytes.NewReader(b), long, 100)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
		got, err := fat.ReadFile(bytes.NewReader(b), "ANAMEO~1.TXT", 100)
		require.NoError(t, err, name)
		require.Equal(t, noise(9), got)
	}
}

// cluster finds the first cluster of the entry with a short name.
func cluster(entries []byte, name string) uint16 {
	for ; entries[0] != 0; entries = entries[32:] {
		if entries[11] != 0x0f && bytes.HasPrefix(entries, []byte(name)) {
			return binary.LittleEndian.Uint16(entries[26:])
		}
	}
	panic("no " + name)
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errFailing }

// padded is a file system that ends in zeros.
type padded struct{ head []byte }

const paddedSize = 40 << 20

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(b)) > paddedSize {
		return 0, io.EOF
	}
	n := copy(b, p.head[min(off, int64(len(p.head))):])
	clear(b[n:])
	return len(b), nil
}

func FuzzReadFile(f *testing.F) {
	for bits, size := range map[int]int64{16: 8 << 20, 32: paddedSize} {
		b := bytes.TrimRight(image(f, bits, 512, 1, size, map[string][]byte{"A": noise(700), "Long name/B c": noise(3)}), "\x00")
		for _, path := range []string{"A", "Long name/B c"} {
			data, err := fat.ReadFile(padded{b}, path, 1<<16)
			require.NoError(f, err)
			require.NotEmpty(f, data)
			f.Add(b, path)
		}
	}
	f.Fuzz(func(t *testing.T, head []byte, path string) {
		data, err := fat.ReadFile(padded{head}, path, 1<<16)
		require.LessOrEqual(t, len(data), 1<<16)
		if err != nil && !errors.Is(err, fat.ErrFAT) && !errors.Is(err, fs.ErrNotExist) {
			require.ErrorContains(t, err, "at most 65536 are expected")
		}
	})
}
