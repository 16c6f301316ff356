package vhdx

import (
	"encoding/binary"
	"testing"
)

func TestCheckBAT(t *testing.T) {
	// entry sets the BAT entry of a payload block.
	entry := func(block int64, state int, offset int64) func(*planted) int64 {
		return func(p *planted) int64 {
			p.put64(p.bat(block), uint64(newBATEntry(state, offset)))
			return p.bat(block)
		}
	}
	// onto sets it to the place of something.
	onto := func(block int64, place func(p *planted) int64) func(*planted) int64 {
		return func(p *planted) int64 { return entry(block, statePresent, place(p))(p) }
	}
	bitmap := func(state int, offset func(p *planted) int64) func(*planted) int64 {
		return func(p *planted) int64 {
			p.put64(p.bitmap(), uint64(newBATEntry(state, offset(p))))
			return p.bitmap()
		}
	}
	nowhere := func(*planted) int64 { return 0 }
	metadata := func(p *planted) int64 { return p.s.metadata.offset }
	runFaults(t, []fault{
		{name: "reserved bits", plant: func(p *planted) int64 {
			p.put64(p.bat(0), uint64(p.batEntry(p.bat(0)))|1<<19)
			return p.bat(0)
		}, section: "2.5.1", text: "BAT entry 0: reserved bits are not zero"},
		{name: "reserved bits of a block that is not present", plant: func(p *planted) int64 { p.put64(p.bat(20), 1<<3); return p.bat(20) },
			section: "2.5.1", text: "BAT entry 20: reserved bits are not zero"},
		{name: "reserved state 4", plant: entry(3, 4, 0), section: "2.5.1.1", text: "payload block 3 has the reserved state 4", fatal: true},
		{name: "reserved state 5", plant: entry(3, 5, 0), section: "2.5.1.1", text: "payload block 3 has the reserved state 5", fatal: true},
		{name: "partial without a parent", plant: func(p *planted) int64 {
			return entry(0, statePartial, p.batEntry(p.bat(0)).offset())(p)
		}, section: "2.5.1.1", text: "payload block 0 is partially present, and the disk has no parent", fatal: true},
		{name: "partial in a fixed disk", kind: Fixed, plant: func(p *planted) int64 {
			return entry(0, statePartial, p.batEntry(p.bat(0)).offset())(p)
		}, section: "2.5.1.1", text: "payload block 0 is partially present, and the disk has no parent", fatal: true},
		{name: "present at zero", plant: onto(3, nowhere), section: "2.5.1", text: "overlaps the header section", fatal: true},
		{name: "on the log", plant: onto(3, func(p *planted) int64 { return int64(p.s.headers.current.logOffset) }), section: "2.5.1", text: "overlaps the log", fatal: true},
		{name: "on the metadata region", plant: onto(3, metadata), section: "2.5.1", text: "overlaps the metadata region", fatal: true},
		{name: "on the BAT", plant: onto(3, func(p *planted) int64 { return p.s.bat.offset }), section: "2.5.1", text: "overlaps the BAT", fatal: true},
		{name: "at the end of the file", plant: onto(3, func(p *planted) int64 { return p.size }), section: "2.5.1", text: "lies outside the file", fatal: true},
		{name: "far outside the file", plant: func(p *planted) int64 { p.put64(p.bat(3), 0xfffffffffff00006); return p.bat(3) },
			section: "2.5.1", text: "lies outside the file", fatal: true},
		{name: "two blocks in one place", plant: onto(30, func(p *planted) int64 { return p.batEntry(p.bat(1)).offset() }),
			section: "2.5.1", text: "another", fatal: true},
		{name: "sector bitmap without a parent", plant: func(p *planted) int64 {
			// Only a disk of more than a chunk has the entry.
			p.put64(p.item(virtualDiskSizeID), 5<<30)
			_, at := entry(5000, 0, 0), p.s.bat.offset+8*4096
			p.put64(at, uint64(newBATEntry(statePresent, p.size-mib)))
			return at
		}, section: "2.5.1.2", text: "the sector bitmap block of chunk 0 is present, and the disk has no parent"},
		{name: "sector bitmap missing", kind: Differencing, plant: bitmap(stateNotPresent, nowhere),
			section: "2.5.1.2", text: "the sector bitmap block of chunk 0 is missing", fatal: true},
		{name: "sector bitmap in a reserved state", kind: Differencing, plant: bitmap(stateZero, nowhere),
			section: "2.5.1.2", text: "the sector bitmap block of chunk 0", fatal: true, others: true},
		{name: "sector bitmap on the metadata region", kind: Differencing, plant: bitmap(statePresent, metadata),
			section: "2.5.1", text: "overlaps the metadata region", fatal: true},
		{name: "sector bitmap outside the file", kind: Differencing, plant: bitmap(statePresent, func(p *planted) int64 { return 1 << 40 }),
			section: "2.5.1", text: "lies outside the file", fatal: true},
		{name: "sector bitmap on a block", kind: Differencing, plant: bitmap(statePresent, func(p *planted) int64 { return p.batEntry(p.bat(1)).offset() }),
			section: "2.5.1", text: "another", fatal: true},
		{name: "block behind the end of the disk", kind: Differencing, plant: entry(40, statePresent, 0),
			section: "2.5", text: "BAT entry 40 is fully present at 0x0, and the disk ends before it"},
		{name: "unmapped block outside the file", plant: entry(20, stateUnmapped, 1<<40), section: "2.5.1.1", text: "payload block 20, unmapped: the block at 0x10000000000 lies outside the file"},
		{name: "undefined block on the metadata region", plant: func(p *planted) int64 { return entry(20, stateUndefined, metadata(p))(p) },
			section: "2.5.1.1", text: "payload block 20, undefined: the block at 0x200000 overlaps the metadata region"},
		{name: "unmapped block in the place of another", plant: func(p *planted) int64 {
			return entry(20, stateUnmapped, p.batEntry(p.bat(39)).offset())(p)
		}, section: "2.5.1.1", text: "payload block 20, unmapped"},
	})
}

func TestCheckLog(t *testing.T) {
	// logged writes one entry that rewrites a sector of the BAT as it is.
	logged := func(at int64, change func(p *planted, entry []byte)) func(*planted) int64 {
		return func(p *planted) int64 {
			bat := sector(p.bytes(p.s.bat.offset, logSectorSize))
			p.writeLog(map[int64]*sector{p.s.bat.offset: &bat}, func(b []byte) { change(p, b) })
			return int64(p.s.headers.current.logOffset) + at
		}
	}
	le := binary.LittleEndian
	none := "the log holds no valid sequence"
	faults := []fault{
		{name: "not there", plant: func(p *planted) int64 {
			p.header(func(off int64) { p.put(off+48, []byte{1}) })
			return int64(p.s.headers.current.logOffset)
		}, section: "2.3.3", text: none, fatal: true},
		{name: "signature", plant: logged(0, func(_ *planted, b []byte) { b[0]++ }), text: none},
		{name: "another log's", plant: logged(0, func(_ *planted, b []byte) { b[32]++ }), text: none},
		{name: "no sequence number", plant: logged(0, func(_ *planted, b []byte) { le.PutUint64(b[16:], 0) }), text: none},
		{name: "length", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[8:], 8191) }), text: none},
		{name: "length of the log and more", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[8:], 2*mib) }), text: none},
		{name: "tail", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[12:], 4095) }), text: none},
		{name: "tail outside", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[12:], mib) }), text: none},
		{name: "tail elsewhere", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[12:], 8192) }), text: none},
		{name: "more descriptors than fit", plant: logged(0, func(_ *planted, b []byte) { le.PutUint32(b[24:], 0xffffffff) }), text: none},
		{name: "descriptor of no kind", plant: logged(0, func(_ *planted, b []byte) { b[64] = 'D' }), text: none},
		{name: "descriptor of another entry", plant: logged(0, func(_ *planted, b []byte) { b[64+24]++ }), text: none},
		{name: "descriptor's offset", plant: logged(0, func(_ *planted, b []byte) { b[64+16]++ }), text: none},
		{name: "data sector's signature", plant: logged(0, func(_ *planted, b []byte) { b[4096]++ }), text: none},
		{name: "data sector of another entry", plant: logged(0, func(_ *planted, b []byte) { b[8191]++ }), text: none},
		{name: "file truncated since", plant: func(p *planted) int64 {
			logged(0, func(p *planted, b []byte) { le.PutUint64(b[48:], uint64(p.size)+mib) })(p)
			return p.size
		}, text: "the file is truncated"},
		{name: "update to a header", plant: logged(0, func(_ *planted, b []byte) { le.PutUint64(b[64+16:], 64*kib) }), section: "2.3", text: "an update to the headers"},
		{name: "update to the log", plant: logged(0, func(_ *planted, b []byte) { le.PutUint64(b[64+16:], mib+4096) }), section: "2.3", text: "an update to the headers or to itself"},
		{name: "unbelievable end", plant: logged(56, func(_ *planted, b []byte) { le.PutUint64(b[56:], 1<<62) }), section: "2.3.1.1", text: "last file offset 0x4000000000000000"},
	}
	for i := range faults {
		faults[i].fatal = true
		if faults[i].section == "" {
			faults[i].section = "2.3.3"
		}
	}
	replayed := "brought the changes in the log to their place"
	runFaults(t, append(faults,
		fault{name: "reserved bytes", plant: logged(28, func(_ *planted, b []byte) { b[28] = 1 }), section: "2.3.1.1", text: "reserved bytes are not zero", repaired: replayed},
		fault{name: "uneven flushed file offset", plant: logged(48, func(_ *planted, b []byte) { le.PutUint64(b[48:], 5*mib+1) }), section: "2.3.1.1", text: "flushed file offset 0x500001 is not a multiple of 1 MiB", repaired: replayed},
		fault{name: "uneven last file offset", plant: logged(56, func(_ *planted, b []byte) { le.PutUint64(b[56:], 5*mib+1) }), section: "2.3.1.1", text: "last file offset 0x500001 is not a multiple of 1 MiB", repaired: replayed},
		fault{name: "reserved bytes of a zero descriptor", plant: logged(68, func(_ *planted, b []byte) {
			copy(b[64:], logZeroSignature)
			le.PutUint32(b[68:], 7)
			le.PutUint64(b[72:], 0)
		}), section: "2.3.1.2", text: "reserved bytes are not zero", repaired: replayed},
	))
}
