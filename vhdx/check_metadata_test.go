package vhdx

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckMetadataTable(t *testing.T) {
	unknown := GUID{2: 0x44, 3: 0x44}
	const unknownName = "44440000-0000-0000-0000-000000000000"
	// entry changes the entry of the first user item at offset in.
	entry := func(in int64, value uint32, at int64) func(*planted) int64 {
		return func(p *planted) int64 {
			e := p.entry(GUID{1})
			p.put32(e+in, value)
			return e + at
		}
	}
	added := func(p *planted) int64 { return p.entry(p.s.items[len(p.s.items)-1].id) }
	runFaults(t, []fault{
		{name: "signature", plant: func(p *planted) int64 { p.put(p.s.metadata.offset, []byte{'M'}); return p.s.metadata.offset },
			section: "2.6.1.1", text: "the signature is missing", fatal: true},
		{name: "too many entries", plant: func(p *planted) int64 {
			p.put16(p.s.metadata.offset+10, 2048)
			return p.s.metadata.offset + 10
		}, section: "2.6.1.1", text: "2048 entries are more than 2047", fatal: true},
		{name: "reserved bytes", plant: func(p *planted) int64 { p.put16(p.s.metadata.offset+8, 1); return p.s.metadata.offset + 8 },
			section: "2.6.1.1", text: "reserved bytes are not zero"},
		{name: "reserved bytes behind the count", plant: func(p *planted) int64 { p.put16(p.s.metadata.offset+30, 1); return p.s.metadata.offset + 8 },
			section: "2.6.1.1", text: "reserved bytes are not zero"},
		{name: "item twice", plant: func(p *planted) int64 {
			p.addItem(GUID{2}, 0, 0, 1)
			return p.s.metadata.offset + 32 + 32*int64(len(p.s.items)-1)
		}, section: "2.6.1.2", text: "user metadata item 00000002-0000-0000-0000-000000000000 stands twice", fatal: true},
		{name: "item in the table", plant: entry(16, 60000, 16), section: "2.6.1.2", text: "lies outside the metadata region", fatal: true},
		{name: "item behind the region", plant: entry(16, mib-50, 16), section: "2.6.1.2", text: "lies outside the metadata region", fatal: true},
		{name: "item far behind the region", plant: entry(16, 0xffffffff, 16), section: "2.6.1.2", text: "lies outside the metadata region", fatal: true},
		{name: "item of more than 1 MiB", plant: entry(20, mib+1, 20), section: "2.6.1.2", text: "1048577 bytes are more than 1 MiB", fatal: true, others: true},
		{name: "items overlap", plant: func(p *planted) int64 {
			at := p.item(GUID{2})
			p.put32(p.entry(GUID{1})+16, uint32(at-p.s.metadata.offset+100))
			return at + 100
		}, section: "2.6.1.2", text: "overlap", fatal: true},
		{name: "empty item with an offset", plant: entry(20, 0, 16), section: "2.6.1.2", text: "is empty and has an offset"},
		{name: "reserved bits", plant: entry(24, 1|8, 24), section: "2.6.1.2", text: "user metadata item 00000001-0000-0000-0000-000000000000: reserved bits are not zero"},
		{name: "reserved bytes of an entry", plant: entry(28, 1, 24), section: "2.6.1.2", text: "reserved bits are not zero"},
		{name: "unknown required item", plant: func(p *planted) int64 { p.addItem(unknown, 0, 0, 4); return added(p) },
			section: "2.6.1.2", text: "unknown metadata item " + unknownName + " is required", fatal: true},
		{name: "required user item", plant: func(p *planted) int64 { p.addItem(unknown, 0, 0, 5); return added(p) },
			section: "2.6.1.2", text: "unknown user metadata item " + unknownName + " is required", fatal: true},
		{name: "too many user items", plant: func(p *planted) int64 {
			for n := range uint16(1023) {
				p.addItem(GUID{5, byte(n), byte(n >> 8)}, 0, 0, 1)
			}
			return p.s.metadata.offset
		}, section: "2.6.1.2", text: "1025 user items are more than 1024", fatal: true},
		{name: "two faults", plant: func(p *planted) int64 {
			p.put32(p.entry(GUID{1})+16, 60000)
			p.put32(p.entry(GUID{2})+20, mib+1)
			return p.entry(GUID{2}) + 20
		}, section: "2.6.1.2", text: "", fatal: true, others: true},
	})
}

func TestCheckKnownItems(t *testing.T) {
	item := func(id GUID, in int64, value uint32) func(*planted) int64 {
		return func(p *planted) int64 {
			p.put32(p.item(id)+in, value)
			return p.item(id)
		}
	}
	var faults []fault
	for _, k := range knownItems[:5] {
		faults = append(faults,
			fault{name: k.name + " missing", plant: func(p *planted) int64 {
				p.put(p.entry(k.id), []byte{1, 2, 3, 4})
				p.put32(p.entry(k.id)+24, 0)
				return p.s.metadata.offset
			}, section: "2.6.2", text: "the item " + k.name + " is missing", fatal: true},
			fault{name: k.name + " too short", plant: func(p *planted) int64 {
				p.put32(p.entry(k.id)+20, uint32(k.length-1))
				return p.item(k.id)
			}, section: "2.6.2", text: k.name + " has ", fatal: true},
			fault{name: k.name + " not required", plant: func(p *planted) int64 {
				flags := binary.LittleEndian.Uint32(p.bytes(p.entry(k.id)+24, 4))
				p.put32(p.entry(k.id)+24, flags&^4)
				return p.entry(k.id) + 24
			}, section: "2.6.2", text: k.name},
		)
	}
	runFaults(t, append(faults, []fault{
		{name: "no block size", plant: item(fileParametersID, 0, 0), section: "2.6.2.1", text: "block size 0", fatal: true},
		{name: "small block size", plant: item(fileParametersID, 0, mib/2), section: "2.6.2.1", text: "block size 524288", fatal: true},
		{name: "block size of no power of two", plant: item(fileParametersID, 0, 3*mib), section: "2.6.2.1", text: "block size 3145728", fatal: true},
		{name: "large block size", plant: item(fileParametersID, 0, 512*mib), section: "2.6.2.1", text: "block size 536870912", fatal: true},
		{name: "reserved bits of the file parameters", plant: func(p *planted) int64 {
			p.put32(p.item(fileParametersID)+4, 0x80000000)
			return p.item(fileParametersID) + 4
		}, section: "2.6.2.1", text: "reserved bits are not zero"},
		{name: "disk size of no whole sectors", plant: item(virtualDiskSizeID, 0, 40*mib-1), section: "2.6.2.2", text: "virtual disk size 41943039", fatal: true},
		{name: "disk size beyond 64 TiB", plant: item(virtualDiskSizeID, 4, 1<<15), section: "2.6.2.2", text: "virtual disk size", fatal: true},
		{name: "disk size beyond all bounds", plant: item(virtualDiskSizeID, 4, 1<<31), section: "2.6.2.2", text: "virtual disk size 9223372036896718848", fatal: true},
		{name: "logical sectors", plant: item(logicalSectorSizeID, 0, 520), section: "2.6.2.4", text: "logical sector size 520", fatal: true},
		{name: "no logical sectors", plant: item(logicalSectorSizeID, 0, 0), section: "2.6.2.4", text: "logical sector size 0", fatal: true},
		{name: "physical sectors", plant: item(physicalSectorSizeID, 0, 1<<31), section: "2.6.2.5", text: "physical sector size 2147483648", fatal: true},
		{name: "two faults", plant: func(p *planted) int64 {
			p.put32(p.item(logicalSectorSizeID), 7)
			return item(physicalSectorSizeID, 0, 9)(p)
		}, section: "2.6.2.5", text: "", fatal: true, others: true},
		{name: "fixed disk cut short", kind: Fixed, plant: func(p *planted) int64 {
			early, last := p.batEntry(p.bat(3)), p.batEntry(p.bat(39))
			p.put(early.offset(), p.bytes(last.offset(), mib))
			for n := int64(3); n < 39; n++ {
				p.put64(p.bat(n), 0)
			}
			p.put64(p.bat(39), uint64(early))
			require.NoError(p.t, p.Truncate(20*mib))
			return 20 * mib
		}, section: "2.6.2.1", text: "the file of a fixed disk is shorter than the disk"},
	}...))
}

func TestCheckParentLocator(t *testing.T) {
	// locator changes the bytes of the parent locator.
	locator := func(change func(b []byte) []byte) func(*planted) int64 {
		return func(p *planted) int64 {
			p.setLocator(change(p.locator()))
			return p.item(parentLocatorID)
		}
	}
	put16 := func(at int, v uint16) func(*planted) int64 {
		return locator(func(b []byte) []byte { binary.LittleEndian.PutUint16(b[at:], v); return b })
	}
	put32 := func(at int, v uint32) func(*planted) int64 {
		return locator(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b })
	}
	with := func(l parentLocator) func(*planted) int64 {
		return locator(func([]byte) []byte { return l.marshal() })
	}
	linkage := "{" + GUID{7}.String() + "}"
	faults := []fault{
		{name: "too short", plant: locator(func(b []byte) []byte { return b[:19] }), text: "19 bytes are too few"},
		{name: "unknown type", plant: locator(func(b []byte) []byte { clear(b[:16]); return b }), text: "locator type 00000000-0000-0000-0000-000000000000 is not known"},
		{name: "too many entries", plant: put16(18, 65535), text: "65535 entries do not fit"},
		{name: "cut in the entries", plant: locator(func(b []byte) []byte { return b[:30] }), text: "entries do not fit"},
		{name: "key outside", plant: put32(20, 4096), text: "the string at 0x1000"},
		{name: "key at zero", plant: put32(20, 0), text: "the string at 0x0"},
		{name: "value far outside", plant: put32(24, 0xffffffff), text: "the string at 0xffffffff"},
		{name: "no key", plant: put16(28, 0), text: "of 0 bytes"},
		{name: "half a character", plant: put16(30, 7), text: "of 7 bytes"},
		{name: "NUL in a key", plant: locator(func(b []byte) []byte { b[20+12*2], b[20+12*2+1] = 0, 0; return b }), text: "holds a NUL"},
		{name: "key twice", plant: locator(func(b []byte) []byte { copy(b[32:36], b[20:24]); copy(b[40:42], b[28:30]); return b }), text: `the key "parent_linkage" stands twice`},
		{name: "no linkage", plant: with(parentLocator{relativePathKey: `.\parent.vhdx`}), text: "parent_linkage is missing"},
		{name: "linkage is no GUID", plant: with(parentLocator{linkageKey: "parent", relativePathKey: `.\parent.vhdx`}), text: "parent_linkage is missing or not a GUID"},
		{name: "no path", plant: with(parentLocator{linkageKey: linkage}), text: "there is no path to the parent"},
	}
	for i := range faults {
		faults[i].kind, faults[i].section, faults[i].fatal = Differencing, "2.6.2.6", true
	}
	runFaults(t, append(faults,
		fault{name: "missing", kind: Differencing, plant: func(p *planted) int64 {
			p.put(p.entry(parentLocatorID), []byte{1, 2, 3, 4})
			p.put32(p.entry(parentLocatorID)+24, 0)
			return p.s.metadata.offset
		}, section: "2.6.2.6", text: "the item parent locator is missing", fatal: true},
		fault{name: "reserved bytes", kind: Differencing, plant: func(p *planted) int64 {
			at := put16(16, 1)(p)
			return at + 16
		}, section: "2.6.2.6.1", text: "parent locator: reserved bytes are not zero"},
	))
}
