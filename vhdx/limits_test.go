package vhdx

import (
	"encoding/binary"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A disk of 64 TiB in the smallest blocks has a BAT of 512 MiB: it is written
// at its ends and described, in the memory that is promised.
func TestLargestDisk(t *testing.T) {
	path := tempPath(t, "disk.vhdx")
	before := liveHeap()
	d := create(t, path, CreateOptions{Size: 64 << 40, BlockSize: mib})
	for _, off := range []int64{0, 31<<40 - 5, 64<<40 - 10} {
		_, err := d.WriteAt([]byte("ten bytes."), off)
		require.NoError(t, err)
	}
	_, err := d.WriteAt([]byte{1}, 64<<40)
	require.ErrorContains(t, err, "the disk ends at 70368744177664")
	mustClose(t, d)
	require.Less(t, stored(t, path), int64(16*mib))
	require.Contains(t, tool(t, "qemu-io", "-f", "vhdx", path, "-c", "read -v 70368744177654 10"), "ten.bytes.")

	d, err = Open(path)
	require.NoError(t, err)
	for _, tt := range []struct {
		off, length int64
		want        []Extent
	}{
		{0, 3 << 40, []Extent{{0, mib, Data}, {mib, 3<<40 - mib, Absent}}},
		{30 << 40, 2 << 40, []Extent{{30 << 40, 1<<40 - mib, Absent}, {31<<40 - mib, 2 * mib, Data}, {31<<40 + mib, 1<<40 - mib, Absent}}},
		{63 << 40, 5 << 40, []Extent{{63 << 40, 1<<40 - mib, Absent}, {64<<40 - mib, mib, Data}}},
	} {
		var got []Extent
		for e, err := range d.Extents(tt.off, tt.length) {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, tt.want, got)
	}
	require.Less(t, liveHeap(), before+MaxMemory)
	for _, off := range []int64{31<<40 - 5, 64<<40 - 10} {
		got := make([]byte, 10)
		_, err = d.ReadAt(got, off)
		require.NoError(t, err)
		require.Equal(t, "ten bytes.", string(got))
	}
	n, err := d.ReadAt(make([]byte, 10), 64<<40-4)
	require.Equal(t, io.EOF, err)
	require.Equal(t, 4, n)
	mustClose(t, d)
}

// A fixed disk of 64 TiB: the map of the file's taken space is as large as it gets.
func TestLargestFixedDisk(t *testing.T) {
	before := liveHeap()
	m := newMemFile()
	d, err := Create(m, CreateOptions{Type: Fixed, Size: 64 << 40, BlockSize: 256 * mib, LogicalSectorSize: 4096})
	require.NoError(t, err)
	for _, off := range []int64{0, 64<<40 - 5} {
		_, err = d.WriteAt([]byte("five."), off)
		require.NoError(t, err)
	}
	require.NoError(t, d.SetItem(GUID{1}, make([]byte, mib))) // takes space
	require.NoError(t, d.Sync())
	require.Less(t, liveHeap(), before+MaxMemory)
	require.NoError(t, d.Close())
	report, err := CheckFile(m, "")
	require.NoError(t, err)
	require.True(t, report.Healthy())
	require.EqualValues(t, 64<<40/(256*mib), report.Blocks.Present)
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	parent := filepath.Join(dir, "parent.vhdx")
	mustClose(t, create(t, parent, CreateOptions{Size: 4 * mib}))
	for text, o := range map[string]CreateOptions{
		"the size is a multiple of the sector size up to 64 TiB, not 0 bytes": {},
		"up to 64 TiB, not 70368744178176 bytes":                              {Size: 64<<40 + 512},
		"not 1000 bytes":                                                      {Size: 1000},
		"not 512 bytes":                                                       {Size: 512, LogicalSectorSize: 4096},
		"not -512 bytes":                                                      {Size: -512},
		"the block size is a power of two from 1 MiB to 256 MiB, not 3145728 bytes":       {Size: mib, BlockSize: 3 * mib},
		"from 1 MiB to 256 MiB, not 536870912 bytes":                                      {Size: mib, BlockSize: 512 * mib},
		"from 1 MiB to 256 MiB, not 4096 bytes":                                           {Size: mib, BlockSize: 4096},
		"the logical sector size is 512 or 4096 bytes, not 520":                           {Size: mib, LogicalSectorSize: 520},
		"the physical sector size is 512 or 4096 bytes, not 1024":                         {Size: mib, PhysicalSectorSize: 1024},
		"a differencing disk, and no other, has a parent":                                 {Type: Differencing, Path: parent},
		"and no other, has a parent":                                                      {Size: mib, Parent: parent},
		"so its own path must be given":                                                   {Type: Differencing, Parent: parent},
		"the parent's sectors have 512 bytes, not 4096":                                   {Type: Differencing, Parent: parent, Path: parent + "2", LogicalSectorSize: 4096},
		"the parent's sectors have 4096 bytes, not 512":                                   {Type: Differencing, Parent: parent, Path: parent + "2", PhysicalSectorSize: 512},
		"parent: open " + filepath.Join(dir, "none.vhdx") + ": no such file or directory": {Type: Differencing, Parent: filepath.Join(dir, "none.vhdx"), Path: parent + "2"},
	} {
		m := newMemFile()
		_, err := Create(m, o)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, "create a disk: ")
		require.Zero(t, m.size, "nothing was written")
	}
	m := newMemFile()
	require.NoError(t, m.Truncate(1))
	_, err := Create(m, CreateOptions{Size: mib})
	require.ErrorContains(t, err, "the file is not empty")
}

func TestReadAndWriteAtTheBorders(t *testing.T) {
	d, err := Create(newMemFile(), CreateOptions{Size: 4*mib + 512, BlockSize: mib})
	require.NoError(t, err)
	end := d.Size()
	for _, tt := range []struct {
		off  int64
		n    int
		want int
		eof  bool
	}{{0, 0, 0, false}, {end - 3, 3, 3, false}, {end - 3, 4, 3, true}, {end, 0, 0, true}, {end, 1, 0, true}, {math.MaxInt64, 1, 0, true}} {
		n, err := d.ReadAt(make([]byte, tt.n), tt.off)
		require.Equal(t, tt.want, n, "%+v", tt)
		require.Equal(t, tt.eof, err == io.EOF, "%+v", tt)
	}
	_, err = d.ReadAt(make([]byte, 1), -1)
	require.ErrorContains(t, err, "negative")
	for _, off := range []int64{-1, end - 1, end, math.MaxInt64, math.MinInt64} {
		_, err = d.WriteAt(make([]byte, 2), off)
		require.ErrorContains(t, err, "the disk ends at")
	}
	data := d.Info().DataWriteGUID
	n, err := d.WriteAt(nil, end)
	require.Equal(t, 0, n)
	require.NoError(t, err)
	require.Equal(t, data, d.Info().DataWriteGUID)
	for _, r := range [][2]int64{{0, 0}, {end, 5}, {math.MaxInt64, math.MaxInt64}} {
		for e, err := range d.Extents(r[0], r[1]) {
			require.Failf(t, "extent", "of %v: %v, %v", r, e, err)
		}
	}
	require.NoError(t, d.Close())
}

// Entries that lie in one another would have the log read a thousand times over.
func TestTangledLog(t *testing.T) {
	p := plant(t, Dynamic)
	const length = 16 * mib
	at := p.size
	require.NoError(t, p.Truncate(at+length))
	for off := int64(0); off < length; off += logSectorSize {
		b := make([]byte, logEntryHeaderSize)
		copy(b, logEntrySignature)
		binary.LittleEndian.PutUint32(b[8:], length)
		binary.LittleEndian.PutUint64(b[16:], 1)
		binary.LittleEndian.PutUint32(b[24:], maxLogDescriptors)
		b[32] = 9
		p.put(at+off, b)
	}
	p.header(func(off int64) {
		p.put(off+48, append([]byte{9}, make([]byte, 15)...))
		p.put32(off+68, length)
		p.put64(off+72, uint64(at))
	})
	p.read = 0
	require.ErrorContains(t, useAll(p), "the log's entries overlap one another")
	require.Less(t, p.read, int64(16*length))
}

// A long chain of entries whose beginning is lost is passed over once.
func TestLogOfManyEntriesWithoutATail(t *testing.T) {
	p := plant(t, Dynamic)
	const length, entries = 64 * mib, 10000
	at := p.size
	require.NoError(t, p.Truncate(at+length))
	guid := GUID{9}
	for n := range int64(entries) {
		b := marshalLogEntry(guid, uint64(n+1), length-logSectorSize, p.size, p.size, nil, nil)
		p.put(at+n*logSectorSize, b)
	}
	p.header(func(off int64) {
		p.put(off+48, guid[:])
		p.put32(off+68, length)
		p.put64(off+72, uint64(at))
	})
	p.read = 0
	require.ErrorContains(t, useAll(p), "holds no valid sequence")
	require.Less(t, p.read, int64(16*length))

	// The last entry begins a sequence of its own that is complete.
	p.put(at+entries*logSectorSize, marshalLogEntry(guid, 5, entries*logSectorSize, p.size, p.size, nil, nil))
	require.NoError(t, useAll(p))
}
