package vhdx

import (
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A planted is a good disk in memory, on its way to become a bad one.
type planted struct {
	*memFile
	t    testing.TB
	path string // where the disk claims to be
	s    *structure
}

// plantedKinds are disks of 40 blocks of 1 MiB. Blocks 0, 1 and 2 of the dynamic
// one and block 39 are present; of the differencing one 0, 2 and 39 are partially
// present and 1 is present.
func plant(t testing.TB, kind Type) *planted {
	t.Helper()
	dir := t.TempDir()
	o := CreateOptions{Type: kind, Size: 40 * mib, BlockSize: mib, Path: filepath.Join(dir, "disk.vhdx")}
	if kind == Differencing {
		o.Parent = filepath.Join(dir, "parent.vhdx")
		mustClose(t, create(t, o.Parent, CreateOptions{Size: 40 * mib, BlockSize: mib}))
	}
	p := &planted{memFile: newMemFile(), t: t, path: o.Path}
	d, err := Create(p, o)
	require.NoError(t, err)
	data := randomBytes(newRandom(1), mib+4096)
	for _, off := range []int64{4096, 39*mib + 4096} {
		_, err = d.WriteAt(data[:4096], off)
		require.NoError(t, err)
	}
	_, err = d.WriteAt(data, mib)
	require.NoError(t, err)
	require.NoError(t, d.SetItem(GUID{1}, data[:100]))
	require.NoError(t, d.SetItem(GUID{2}, data[:200]))
	require.NoError(t, d.Close())
	p.s, err = readStructure(p, &findings{})
	require.NoError(t, err)
	return p
}

func (p *planted) bytes(off int64, n int) []byte {
	b := make([]byte, n)
	_, err := p.ReadAt(b, off)
	require.NoError(p.t, err)
	return b
}

func (p *planted) put(off int64, b []byte) {
	_, err := p.WriteAt(b, off)
	require.NoError(p.t, err)
}

func (p *planted) put16(off int64, v uint16) { p.put(off, binary.LittleEndian.AppendUint16(nil, v)) }
func (p *planted) put32(off int64, v uint32) { p.put(off, binary.LittleEndian.AppendUint32(nil, v)) }
func (p *planted) put64(off int64, v uint64) { p.put(off, binary.LittleEndian.AppendUint64(nil, v)) }

// seal makes the checksum of a structure right again.
func (p *planted) seal(off int64, n int) { p.put32(off+4, checksum(p.bytes(off, n))) }

// current is the file offset of the current header.
func (p *planted) current() int64 { return headerOffsets[p.s.headers.slot] }

// header changes both headers.
func (p *planted) header(change func(off int64)) {
	for _, off := range headerOffsets {
		change(off)
		p.seal(off, headerSize)
	}
}

// regions changes both copies of the region table.
func (p *planted) regions(change func(off int64)) {
	for _, off := range regionOffsets {
		change(off)
		p.seal(off, regionTableSize)
	}
}

// region returns the offset of a region's entry in the table.
func (p *planted) region(id GUID) int64 {
	for _, r := range p.s.regions {
		if r.id == id {
			return r.entry - regionOffsets[0]
		}
	}
	p.t.Fatal("no such region")
	return 0
}

// addRegion adds an entry to both tables.
func (p *planted) addRegion(id GUID, offset uint64, length, required uint32) {
	n := len(p.s.regions)
	p.regions(func(off int64) {
		p.put32(off+8, uint32(n+1))
		e := off + regionHeaderSize + int64(n)*regionEntrySize
		p.put(e, id[:])
		p.put64(e+16, offset)
		p.put32(e+24, length)
		p.put32(e+28, required)
	})
	p.s.regions = append(p.s.regions, region{id: id})
}

// entry is the file offset of an item's entry in the metadata table.
func (p *planted) entry(id GUID) int64 {
	for n, i := range p.s.items {
		if i.id == id {
			return p.s.metadata.offset + metadataHeaderSize + int64(n)*metadataEntrySize
		}
	}
	p.t.Fatal("no such item")
	return 0
}

// item is the file offset of an item's bytes.
func (p *planted) item(id GUID) int64 {
	return p.s.metadata.offset + int64(binary.LittleEndian.Uint32(p.bytes(p.entry(id)+16, 4)))
}

// addItem adds an entry to the metadata table.
func (p *planted) addItem(id GUID, offset, length, flags uint32) {
	n := len(p.s.items)
	p.put16(p.s.metadata.offset+10, uint16(n+1))
	e := p.s.metadata.offset + metadataHeaderSize + int64(n)*metadataEntrySize
	p.put(e, id[:])
	p.put32(e+16, offset)
	p.put32(e+20, length)
	p.put32(e+24, flags)
	p.put32(e+28, 0)
	p.s.items = append(p.s.items, item{id: id})
}

// setLocator replaces the parent locator's bytes.
func (p *planted) setLocator(b []byte) {
	const at = 512 * kib // free in the metadata region
	p.put(p.s.metadata.offset+at, b)
	e := p.entry(parentLocatorID)
	p.put32(e+16, at)
	p.put32(e+20, uint32(len(b)))
}

// locator returns the parent locator's bytes, for changes in place.
func (p *planted) locator() []byte {
	e := p.entry(parentLocatorID)
	return p.bytes(p.item(parentLocatorID), int(binary.LittleEndian.Uint32(p.bytes(e+20, 4))))
}

// bat is the file offset of the BAT entry of a payload block.
func (p *planted) bat(block int64) int64 {
	return p.s.bat.offset + 8*p.s.layout.payloadIndex(block)
}

// bitmap is the file offset of the BAT entry of the first sector bitmap block.
func (p *planted) bitmap() int64 { return p.s.bat.offset + 8*p.s.layout.bitmapIndex(0) }

func (p *planted) batEntry(at int64) batEntry {
	return batEntry(binary.LittleEndian.Uint64(p.bytes(at, 8)))
}

// writeLog makes the header name a log with one entry, which change may alter
// before it is sealed.
func (p *planted) writeLog(sectors map[int64]*sector, change func(entry []byte)) {
	guid := GUID{9}
	offsets := make([]int64, 0, len(sectors))
	for off := range sectors {
		offsets = append(offsets, off)
	}
	b := marshalLogEntry(guid, 7, 0, p.size/mib*mib, p.size/mib*mib, offsets, sectors)
	if change != nil {
		change(b)
	}
	binary.LittleEndian.PutUint32(b[4:], checksum(b))
	p.put(int64(p.s.headers.current.logOffset), b)
	p.header(func(off int64) { p.put(off+48, guid[:]) })
}
