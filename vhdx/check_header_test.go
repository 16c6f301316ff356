package vhdx

import "testing"

func TestCheckHeaders(t *testing.T) {
	header := func(change func(p *planted, off int64), at int64) func(*planted) int64 {
		return func(p *planted) int64 {
			p.header(func(off int64) { change(p, off) })
			return p.current() + at
		}
	}
	runFaults(t, []fault{
		{name: "spare one broken", plant: func(p *planted) int64 {
			at := headerOffsets[1-p.s.headers.slot]
			p.put(at+100, []byte{1})
			return at
		}, section: "2.2.2", text: "signature or checksum", repaired: "restored a header from the other"},
		{name: "current one broken", plant: func(p *planted) int64 {
			p.put(p.current(), []byte{0})
			return p.current()
		}, section: "2.2.2", text: "signature or checksum", repaired: "restored a header from the other"},
		{name: "both broken", plant: func(p *planted) int64 {
			for _, off := range headerOffsets {
				p.put(off+20, []byte{1, 2, 3})
			}
			return headerOffsets[0]
		}, section: "2.2.2", text: "neither header is valid", fatal: true, others: true},
		{name: "same sequence number, other content", plant: func(p *planted) int64 {
			p.header(func(off int64) { p.put64(off+8, 77); p.put64(off+16, uint64(off)) })
			return headerOffsets[0]
		}, section: "2.2.2", text: "both headers have sequence number 77 and differ", fatal: true},
		{name: "reserved bytes", plant: func(p *planted) int64 {
			p.put(headerOffsets[0]+4000, []byte{1})
			p.seal(headerOffsets[0], headerSize)
			return headerOffsets[0] + 80
		}, section: "2.2.2", text: "header 1: reserved bytes are not zero"},
		{name: "version 2", plant: header(func(p *planted, off int64) { p.put16(off+66, 2) }, 66),
			section: "2.2.2", text: "version is 2, not 1", fatal: true},
		{name: "log version without a log", plant: header(func(p *planted, off int64) { p.put16(off+64, 3) }, 64),
			section: "2.2.2", text: "log version is 3, not 0"},
		{name: "log version with a log", plant: header(func(p *planted, off int64) { p.put16(off+64, 3); p.put(off+48, []byte{1}) }, 64),
			section: "2.2.2", text: "log version is 3, not 0", fatal: true},
		{name: "log length", plant: header(func(p *planted, off int64) { p.put32(off+68, mib+4096) }, 68),
			section: "2.2.2", text: "is not aligned to 1 MiB", fatal: true},
		{name: "log offset", plant: header(func(p *planted, off int64) { p.put64(off+72, mib+4096) }, 68),
			section: "2.2.2", text: "log at 0x101000 of 0x100000 bytes is not aligned to 1 MiB", fatal: true},
		{name: "log in the header section", plant: header(func(p *planted, off int64) { p.put64(off+72, 0) }, 72),
			section: "2.2.2", text: "log offset 0x0", fatal: true},
		{name: "log outside the file", plant: header(func(p *planted, off int64) { p.put64(off+72, 1<<40) }, 72),
			section: "2.2.2", text: "the log at 0x10000000000 of 0x100000 bytes", fatal: true},
		{name: "log far outside the file", plant: header(func(p *planted, off int64) { p.put64(off+72, 1<<63) }, 72),
			section: "2.2.2", text: "log offset 0x8000000000000000", fatal: true},
		{name: "log on the metadata region", plant: func(p *planted) int64 {
			p.header(func(off int64) { p.put64(off+72, uint64(p.s.metadata.offset)) })
			return p.s.metadata.offset
		}, section: "2.1", text: "the log", fatal: true},
		{name: "log as long as 4 GiB", plant: header(func(p *planted, off int64) { p.put32(off+68, 0xfff00000) }, 72),
			section: "2.2.2", text: "of 0xfff00000 bytes", fatal: true},
	})
}

func TestCheckRegionTables(t *testing.T) {
	const dataRegion = "region 44440000-0000-0000-0000-000000000000"
	unknown := GUID{2: 0x44, 3: 0x44}
	// known changes the entry of a known region at offset in.
	known := func(id GUID, in int64, change func(p *planted, off int64), at int64) func(*planted) int64 {
		return func(p *planted) int64 {
			e := p.region(id)
			p.regions(func(off int64) { change(p, off+e+in) })
			return regionOffsets[0] + e + at
		}
	}
	runFaults(t, []fault{
		{name: "first copy broken", plant: func(p *planted) int64 { p.put(regionOffsets[0]+9000, []byte{1}); return regionOffsets[0] },
			section: "2.2.3.1", text: "signature or checksum", repaired: "restored a copy of the region table from the other"},
		{name: "second copy broken", plant: func(p *planted) int64 { p.put(regionOffsets[1], []byte{1}); return regionOffsets[1] },
			section: "2.2.3.1", text: "signature or checksum", repaired: "restored a copy of the region table from the other"},
		{name: "both broken", plant: func(p *planted) int64 {
			for _, off := range regionOffsets {
				p.put(off+9000, []byte{1})
			}
			return regionOffsets[0]
		}, section: "2.2.3", text: "neither copy of the region table is valid", fatal: true, others: true},
		{name: "copies differ", plant: func(p *planted) int64 {
			p.put32(regionOffsets[1]+p.region(batRegionID)+24, 8*mib)
			p.seal(regionOffsets[1], regionTableSize)
			return regionOffsets[1]
		}, section: "2.2.3", text: "the two copies of the region table differ", repaired: "restored a copy of the region table from the other"},
		{name: "too many entries", plant: func(p *planted) int64 {
			p.regions(func(off int64) { p.put32(off+8, 2048) })
			return regionOffsets[0]
		}, section: "2.2.3", text: "neither copy of the region table is valid", fatal: true, others: true},
		{name: "reserved bytes", plant: func(p *planted) int64 {
			p.regions(func(off int64) { p.put32(off+12, 1) })
			return regionOffsets[0] + 12
		}, section: "2.2.3.1", text: "reserved bytes are not zero", others: true},
		{name: "unknown required region", plant: func(p *planted) int64 {
			p.addRegion(unknown, 0x100000, 0, 1)
			return regionOffsets[0] + 16 + 2*32
		}, section: "2.2.3.2", text: "unknown " + dataRegion + " is required", fatal: true},
		{name: "required is 2", plant: func(p *planted) int64 {
			p.addRegion(unknown, 0x100000, 0, 2)
			return regionOffsets[0] + 16 + 2*32 + 28
		}, section: "2.2.3.2", text: dataRegion + ": required is 2"},
		{name: "region twice", plant: func(p *planted) int64 {
			p.addRegion(metadataRegionID, 0x100000, 0, 1)
			return regionOffsets[0] + 16 + 2*32
		}, section: "2.2.3.2", text: "the metadata region stands twice", fatal: true},
		{name: "unaligned offset", plant: known(batRegionID, 16, func(p *planted, off int64) { p.put64(off, 3*mib+4096) }, 16),
			section: "2.2.3.2", text: "the BAT at 0x301000", fatal: true},
		{name: "unaligned length", plant: known(batRegionID, 24, func(p *planted, off int64) { p.put32(off, mib-8) }, 16),
			section: "2.2.3.2", text: "the BAT at 0x300000 of 0xffff8 bytes is not aligned", fatal: true},
		{name: "in the header section", plant: known(metadataRegionID, 16, func(p *planted, off int64) { p.put64(off, 0) }, 16),
			section: "2.2.3.2", text: "the metadata region at 0x0", fatal: true},
		{name: "outside the file", plant: known(metadataRegionID, 16, func(p *planted, off int64) { p.put64(off, 1<<40) }, 16),
			section: "2.2.3.2", text: "the metadata region at 0x10000000000 of 0x100000 bytes reaches beyond the end", fatal: true},
		{name: "longer than the file", plant: known(metadataRegionID, 24, func(p *planted, off int64) { p.put32(off, 0xfff00000) }, 16),
			section: "2.2.3.2", text: "the metadata region at 0x200000 of 0xfff00000 bytes reaches beyond the end", fatal: true},
		{name: "regions overlap", plant: func(p *planted) int64 {
			e := p.region(batRegionID)
			p.regions(func(off int64) { p.put64(off+e+16, uint64(p.s.metadata.offset)) })
			return p.s.metadata.offset
		}, section: "2.1", text: "overlap", fatal: true},
		{name: "region on the log", plant: func(p *planted) int64 {
			p.addRegion(unknown, p.s.headers.current.logOffset, mib, 0)
			return int64(p.s.headers.current.logOffset)
		}, section: "2.1", text: dataRegion + " overlap", fatal: true},
		{name: "no BAT", plant: func(p *planted) int64 {
			e := p.region(batRegionID)
			p.regions(func(off int64) { p.put(off+e, unknown[:]); p.put32(off+e+28, 0) })
			return regionOffsets[0]
		}, section: "2.2.3.2", text: "the BAT is missing", fatal: true},
		{name: "no metadata region", plant: func(p *planted) int64 {
			e := p.region(metadataRegionID)
			p.regions(func(off int64) { p.put(off+e, unknown[:]); p.put32(off+e+28, 0) })
			return regionOffsets[0]
		}, section: "2.2.3.2", text: "the metadata region is missing", fatal: true},
		{name: "metadata region too short", plant: known(metadataRegionID, 24, func(p *planted, off int64) { p.put32(off, 0) }, 24),
			section: "2.6", text: "no room for its table", fatal: true},
		{name: "BAT too short", plant: func(p *planted) int64 {
			p.put64(p.item(virtualDiskSizeID), 64<<40)
			return regionOffsets[0] + p.region(batRegionID) + 24
		}, section: "2.5", text: "the BAT region has 1048576 bytes, and the disk needs", fatal: true},
	})
}
