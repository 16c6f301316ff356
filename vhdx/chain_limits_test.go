package vhdx

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A locator may name only files of this machine, and of the share that the
// child is on.
func TestPathsThatMayBeFollowed(t *testing.T) {
	const guid = `{26a21bda-a627-11d7-9931-806e6f6e6963}`
	for _, tt := range []struct {
		path, dir string
		local     bool
		onShare   bool
	}{
		{path: `\\?\d:\base\parent.vhdx`, local: true},
		{path: `D:\base\parent.vhdx`, local: true},
		{path: `\\?\Volume` + guid + `\parent.vhdx`, local: true},
		{path: `\\?\Volume{}\parent.vhdx`},
		{path: `d:parent.vhdx`},
		{path: `\\?\d:`},
		{path: `1:\parent.vhdx`},
		{path: `\parent.vhdx`},
		{path: `parent.vhdx`},
		{path: `\\host\share\parent.vhdx`, dir: `C:\disks`},
		{path: `\\host\share\parent.vhdx`, dir: `.`},
		{path: `//host/share/parent.vhdx`, dir: `C:\disks`},
		{path: `\\?\UNC\host\share\parent.vhdx`, dir: `C:\disks`},
		{path: `\\?\unc\host\share\parent.vhdx`, dir: `C:\disks`},
		{path: `\\host\share\parent.vhdx`, dir: `\\host\share\disks`, onShare: true},
		{path: `\\?\UNC\HOST\share\parent.vhdx`, dir: `\\host\Share`, onShare: true},
		{path: `\\host\share\parent.vhdx`, dir: `\\?\UNC\host\share\disks`, onShare: true},
		{path: `\\host\other\parent.vhdx`, dir: `\\host\share\disks`},
		{path: `\\other\share\parent.vhdx`, dir: `\\host\share\disks`},
		{path: `\\host\share\..\other\parent.vhdx`, dir: `\\host\share\disks`},
		{path: `\\.\pipe\parent`, dir: `\\.\pipe`},
		{path: `\\.\PhysicalDrive0`, dir: `C:\disks`},
		{path: `\\?\pipe\parent`, dir: `\\?\pipe`},
		{path: `\\?\GLOBALROOT\Device\Mup\host\share\parent.vhdx`, dir: `C:\disks`},
		{path: `\??\UNC\host\share\parent.vhdx`, dir: `C:\disks`},
	} {
		_, local := cutDrive(tt.path)
		require.Equal(t, tt.local, local, tt.path)
		require.Equal(t, tt.onShare, onShareOf(tt.path, tt.dir), "%s from %s", tt.path, tt.dir)
		if !tt.local && !tt.onShare {
			require.Empty(t, parentLocator{absolutePathKey: tt.path, volumePathKey: tt.path}.paths(tt.dir), tt.path)
		}
	}
}

// chainOf makes n disks, each the parent of the next, with spoil applied to each
// before the next is made.
func chainOf(t *testing.T, n int, o CreateOptions, spoil func(path string)) (last string) {
	dir := t.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%d.vhdx", i))
		if last != "" {
			o.Type, o.Parent = Differencing, last
		}
		mustClose(t, create(t, path, o))
		if spoil != nil {
			spoil(path)
		}
		last = path
	}
	return last
}

// What one disk may keep in memory, a chain of disks may not keep many times.
func TestMemoryOfAChain(t *testing.T) {
	t.Run("logs", func(t *testing.T) {
		path := chainOf(t, 8, CreateOptions{Size: 4 * mib}, nil)
		for i := range 8 {
			manyUpdates(t, filepath.Join(filepath.Dir(path), fmt.Sprintf("%d.vhdx", i)), maxLogDescriptors)
		}
		d, err := Open(filepath.Join(filepath.Dir(path), "0.vhdx"))
		require.NoError(t, err, "one such log is allowed")
		mustClose(t, d)
		_, err = Open(path)
		require.ErrorContains(t, err, "the disks of the chain have too many")
		report, err := Check(path)
		require.NoError(t, err)
		require.Len(t, report.Violations, 1)
	})
	t.Run("cached sectors", func(t *testing.T) {
		// Each level has a BAT of 32 MiB, all of which is read.
		path := chainOf(t, 4, CreateOptions{Size: 4 << 40, BlockSize: mib}, nil)
		before := liveHeap()
		d, err := Open(path)
		require.NoError(t, err)
		for e, err := range d.Extents(0, d.Size()) {
			require.NoError(t, err)
			require.Equal(t, Absent, e.Kind)
		}
		require.LessOrEqual(t, d.sectors.cleanSectors(), maxCachedSectors)
		require.Less(t, liveHeap(), before+20*mib)
		mustClose(t, d)
	})
}

// manyUpdates gives the disk at path a log with one entry of n zero descriptors
// behind the end of the file.
func manyUpdates(t *testing.T, path string, n int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	m := newMemFile()
	head := make([]byte, info.Size())
	_, err = f.ReadAt(head, 0)
	require.NoError(t, err)
	_, err = m.WriteAt(head, 0)
	require.NoError(t, err)
	p := &planted{memFile: m, t: t}
	guid, tables := GUID{9}, descriptorSectors(n)*logSectorSize
	entry := make([]byte, tables)
	le := binary.LittleEndian
	copy(entry, logEntrySignature)
	le.PutUint32(entry[8:], uint32(tables))
	le.PutUint64(entry[16:], 5)
	le.PutUint32(entry[24:], uint32(n))
	copy(entry[32:], guid[:])
	le.PutUint64(entry[48:], uint64(info.Size()))
	le.PutUint64(entry[56:], uint64(info.Size()))
	for i := range n {
		d := entry[logEntryHeaderSize+i*logDescriptorSize:]
		copy(d, logZeroSignature)
		le.PutUint64(d[8:], logSectorSize)
		le.PutUint64(d[16:], uint64(1<<40+2*i*logSectorSize))
		le.PutUint64(d[24:], 5)
	}
	le.PutUint32(entry[4:], checksum(entry))
	p.header(func(off int64) {
		p.put(off+48, guid[:])
		p.put32(off+68, uint32(roundUp(tables, mib)))
		p.put64(off+72, uint64(info.Size()))
	})
	require.NoError(t, f.Truncate(info.Size()+roundUp(tables, mib)))
	_, err = f.WriteAt(p.bytes(0, int(headerSection)), 0)
	require.NoError(t, err)
	_, err = f.WriteAt(entry, info.Size())
	require.NoError(t, err)
}
