package vhdx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// The region table, section 2.2.3: two copies in the header section.
const (
	regionSignature  = "regi"
	regionTableSize  = 64 * kib
	maxRegions       = 2047
	regionEntrySize  = 32
	regionHeaderSize = 16
)

var regionOffsets = [2]int64{192 * kib, 256 * kib}

var (
	batRegionID      = mustGUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
	metadataRegionID = mustGUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
)

// A region is a virtually contiguous piece of the file, section 2.2.3.2.
type region struct {
	id       GUID
	offset   int64
	length   int64
	required uint32 // 1: who does not know the region must not open the file
	entry    int64  // file offset of its entry in the table
}

func (r region) known() bool { return r.id == batRegionID || r.id == metadataRegionID }

func (r region) name() string {
	switch r.id {
	case batRegionID:
		return "the BAT"
	case metadataRegionID:
		return "the metadata region"
	}
	return "region " + r.id.String()
}

// parseRegionTable returns false, with a fault noted, when the table as a whole
// does not validate.
func parseRegionTable(b []byte, offset int64, f *findings) ([]region, bool) {
	if string(b[:4]) != regionSignature || binary.LittleEndian.Uint32(b[4:]) != checksum(b) {
		f.fault(offset, "2.2.3.1", "region table: signature or checksum do not match")
		return nil, false
	}
	count := binary.LittleEndian.Uint32(b[8:])
	if count > maxRegions {
		f.fault(offset+8, "2.2.3.1", "region table: %d entries are more than %d", count, maxRegions)
		return nil, false
	}
	if !allZero(b[12:16]) {
		f.fault(offset+12, "2.2.3.1", "region table: reserved bytes are not zero")
	}
	regions := make([]region, count)
	for i := range regions {
		at := regionHeaderSize + i*regionEntrySize
		e := b[at : at+regionEntrySize]
		fileOffset := binary.LittleEndian.Uint64(e[16:])
		regions[i] = region{
			id:       GUID(e[:16]),
			offset:   int64(min(fileOffset, 1<<62)),
			length:   int64(binary.LittleEndian.Uint32(e[24:])),
			required: binary.LittleEndian.Uint32(e[28:]),
			entry:    offset + int64(at),
		}
	}
	return regions, true
}

// readRegions takes the regions from the first table that validates and checks
// what section 2.2.3.2 asks of each. size is that of the file.
func readRegions(first, second []byte, size int64, f *findings) (regions []region, differ bool, err error) {
	regions, ok := parseRegionTable(first, regionOffsets[0], f)
	differ = !ok
	other, otherOK := parseRegionTable(second, regionOffsets[1], f)
	switch {
	case !ok && !otherOK:
		return nil, true, f.fatal(regionOffsets[0], "2.2.3", "neither copy of the region table is valid")
	case !ok:
		regions = other
	case !otherOK:
		differ = true
	case !bytes.Equal(first[:regionHeaderSize+len(regions)*regionEntrySize], second[:regionHeaderSize+len(regions)*regionEntrySize]):
		differ = true
		f.fault(regionOffsets[1], "2.2.3", "the two copies of the region table differ")
	}
	fatal := func(at int64, section, format string, args ...any) {
		err = cmp.Or(err, f.fatal(at, section, format, args...))
	}
	for i, r := range regions {
		switch {
		case slices.ContainsFunc(regions[:i], func(o region) bool { return o.id == r.id }):
			fatal(r.entry, "2.2.3.2", "%s stands twice in the region table", r.name())
		case r.offset%mib != 0 || r.length%mib != 0 || r.offset < mib:
			fatal(r.entry+16, "2.2.3.2", "%s at %#x of %#x bytes is not aligned to 1 MiB behind the header section", r.name(), r.offset, r.length)
		case r.offset > size || r.length > size-r.offset:
			fatal(r.entry+16, "2.2.3.2", "%s at %#x of %#x bytes reaches beyond the end of the file at %#x", r.name(), r.offset, r.length, size)
		case !r.known() && r.required&1 == 1:
			fatal(r.entry, "2.2.3.2", "unknown %s is required", r.name())
		case r.required > 1:
			f.fault(r.entry+28, "2.2.3.2", "%s: required is %d, neither 0 nor 1", r.name(), r.required)
		}
	}
	for _, id := range []GUID{batRegionID, metadataRegionID} {
		if !slices.ContainsFunc(regions, func(r region) bool { return r.id == id }) {
			fatal(regionOffsets[0], "2.2.3.2", "%s is missing from the region table", region{id: id}.name())
		}
	}
	return regions, differ, err
}

func marshalRegionTable(regions []region) []byte {
	b := make([]byte, regionTableSize)
	copy(b, regionSignature)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(regions)))
	for i, r := range regions {
		e := b[regionHeaderSize+i*regionEntrySize:]
		copy(e, r.id[:])
		binary.LittleEndian.PutUint64(e[16:], uint64(r.offset))
		binary.LittleEndian.PutUint32(e[24:], uint32(r.length))
		binary.LittleEndian.PutUint32(e[28:], r.required)
	}
	binary.LittleEndian.PutUint32(b[4:], checksum(b))
	return b
}
