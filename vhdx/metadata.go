package vhdx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// The metadata region, section 2.6: a table of 64 KiB, then the items.
const (
	metadataSignature   = "metadata"
	metadataTableSize   = 64 * kib
	metadataHeaderSize  = 32
	metadataEntrySize   = 32
	maxMetadataItems    = 2047
	maxUserItems        = 1024
	maxMetadataItemSize = mib
)

var (
	fileParametersID     = mustGUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
	virtualDiskSizeID    = mustGUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
	virtualDiskIDID      = mustGUID("beca12ab-b2e6-4523-93ef-c309e000c746")
	logicalSectorSizeID  = mustGUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
	physicalSectorSizeID = mustGUID("cda348c7-445d-4471-9cc9-e9885251c556")
	parentLocatorID      = mustGUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
)

// knownItems are the system items of section 2.6.2 with their lengths; that of
// the parent locator is its own.
var knownItems = []struct {
	id     GUID
	name   string
	length int64
}{
	{fileParametersID, "file parameters", 8},
	{virtualDiskSizeID, "virtual disk size", 8},
	{virtualDiskIDID, "virtual disk ID", 16},
	{logicalSectorSizeID, "logical sector size", 4},
	{physicalSectorSizeID, "physical sector size", 4},
	{parentLocatorID, "parent locator", -1},
}

// An item is an entry of the metadata table, section 2.6.1.2.
type item struct {
	id          GUID
	offset      int64 // in the metadata region; 0 when length is 0
	length      int64
	user        bool
	virtualDisk bool
	required    bool
}

func (i item) name() string {
	for _, k := range knownItems {
		if k.id == i.id && !i.user {
			return k.name
		}
	}
	if i.user {
		return "user metadata item " + i.id.String()
	}
	return "metadata item " + i.id.String()
}

// parseMetadataTable checks the table of a metadata region of regionLength
// bytes that starts at file offset base.
func parseMetadataTable(b []byte, base, regionLength int64, f *findings) ([]item, error) {
	if string(b[:8]) != metadataSignature {
		return nil, f.fatal(base, "2.6.1.1", "metadata table: the signature is missing")
	}
	count := int(binary.LittleEndian.Uint16(b[10:]))
	if count > maxMetadataItems {
		return nil, f.fatal(base+10, "2.6.1.1", "metadata table: %d entries are more than %d", count, maxMetadataItems)
	}
	if !allZero(b[8:10]) || !allZero(b[12:32]) {
		f.fault(base+8, "2.6.1.1", "metadata table: reserved bytes are not zero")
	}
	type key struct {
		id   GUID
		user bool
	}
	seen := map[key]bool{}
	users := 0
	items := make([]item, count)
	for n := range items {
		at := base + metadataHeaderSize + int64(n)*metadataEntrySize
		e := b[at-base:][:metadataEntrySize]
		flags := binary.LittleEndian.Uint32(e[24:])
		i := item{
			id:          GUID(e[:16]),
			offset:      int64(binary.LittleEndian.Uint32(e[16:])),
			length:      int64(binary.LittleEndian.Uint32(e[20:])),
			user:        flags&1 != 0,
			virtualDisk: flags&2 != 0,
			required:    flags&4 != 0,
		}
		items[n] = i
		if flags>>3 != 0 || !allZero(e[28:32]) {
			f.fault(at+24, "2.6.1.2", "%s: reserved bits are not zero", i.name())
		}
		switch {
		case seen[key{i.id, i.user}]:
			return nil, f.fatal(at, "2.6.1.2", "%s stands twice in the metadata table", i.name())
		case i.length > maxMetadataItemSize:
			return nil, f.fatal(at+20, "2.6.1.2", "%s: %d bytes are more than 1 MiB", i.name(), i.length)
		case i.length == 0 && i.offset != 0:
			f.fault(at+16, "2.6.1.2", "%s is empty and has an offset", i.name())
		case i.length > 0 && (i.offset < metadataTableSize || i.offset+i.length > regionLength):
			return nil, f.fatal(at+16, "2.6.1.2", "%s lies outside the metadata region", i.name())
		}
		seen[key{i.id, i.user}] = true
		if i.required && (i.user || !isKnown(i.id)) {
			return nil, f.fatal(at, "2.6.1.2", "unknown %s is required", i.name())
		}
		if i.user {
			users++
		}
	}
	if users > maxUserItems {
		return nil, f.fatal(base, "2.6.1.2", "metadata table: %d user items are more than %d", users, maxUserItems)
	}
	byOffset := slices.SortedFunc(slices.Values(items), func(a, b item) int { return cmp.Compare(a.offset, b.offset) })
	for n := 1; n < len(byOffset); n++ {
		if a, b := byOffset[n-1], byOffset[n]; a.length > 0 && b.length > 0 && a.offset+a.length > b.offset {
			return nil, f.fatal(base+b.offset, "2.6.1.2", "%s and %s overlap", a.name(), b.name())
		}
	}
	return items, nil
}

func isKnown(id GUID) bool {
	for _, k := range knownItems {
		if k.id == id {
			return true
		}
	}
	return false
}

func marshalMetadataTable(items []item) []byte {
	b := make([]byte, metadataTableSize)
	copy(b, metadataSignature)
	binary.LittleEndian.PutUint16(b[10:], uint16(len(items)))
	for n, i := range items {
		e := b[metadataHeaderSize+n*metadataEntrySize:]
		copy(e, i.id[:])
		binary.LittleEndian.PutUint32(e[16:], uint32(i.offset))
		binary.LittleEndian.PutUint32(e[20:], uint32(i.length))
		var flags uint32
		for bit, set := range []bool{i.user, i.virtualDisk, i.required} {
			if set {
				flags |= 1 << bit
			}
		}
		binary.LittleEndian.PutUint32(e[24:], flags)
	}
	return b
}

// parameters are what the system items say, section 2.6.2.
type parameters struct {
	blockSize          int64
	leaveAllocated     bool
	hasParent          bool
	size               int64
	diskID             GUID
	logicalSectorSize  int64
	physicalSectorSize int64
	locator            parentLocator
}

// parseParameters checks the system items. read returns the bytes of an item,
// base is the file offset of the metadata region.
func parseParameters(items []item, base int64, read func(item) ([]byte, error), f *findings) (parameters, error) {
	var p parameters
	values := map[GUID][]byte{}
	for _, k := range knownItems {
		n := slices.IndexFunc(items, func(i item) bool { return i.id == k.id && !i.user })
		if n < 0 {
			if k.id != parentLocatorID {
				return p, f.fatal(base, "2.6.2", "the item %s is missing", k.name)
			}
			continue
		}
		if k.length >= 0 && items[n].length != k.length {
			return p, f.fatal(base+items[n].offset, "2.6.2", "%s has %d bytes, not %d", k.name, items[n].length, k.length)
		}
		b, err := read(items[n])
		if err != nil {
			return p, err
		}
		values[k.id] = b
	}
	offset := func(id GUID) int64 {
		return base + items[slices.IndexFunc(items, func(i item) bool { return i.id == id && !i.user })].offset
	}
	fileParameters := values[fileParametersID]
	p.blockSize = int64(binary.LittleEndian.Uint32(fileParameters))
	flags := binary.LittleEndian.Uint32(fileParameters[4:])
	p.leaveAllocated, p.hasParent = flags&1 != 0, flags&2 != 0
	p.size = int64(min(binary.LittleEndian.Uint64(values[virtualDiskSizeID]), 1<<62))
	p.diskID = GUID(values[virtualDiskIDID])
	p.logicalSectorSize = int64(binary.LittleEndian.Uint32(values[logicalSectorSizeID]))
	p.physicalSectorSize = int64(binary.LittleEndian.Uint32(values[physicalSectorSizeID]))
	if flags>>2 != 0 {
		f.fault(offset(fileParametersID)+4, "2.6.2.1", "file parameters: reserved bits are not zero")
	}
	switch {
	case p.blockSize < minBlockSize || p.blockSize > maxBlockSize || bits.OnesCount64(uint64(p.blockSize)) != 1:
		return p, f.fatal(offset(fileParametersID), "2.6.2.1", "block size %d is not a power of two from 1 MiB to 256 MiB", p.blockSize)
	case p.logicalSectorSize != 512 && p.logicalSectorSize != 4096:
		return p, f.fatal(offset(logicalSectorSizeID), "2.6.2.4", "logical sector size %d is neither 512 nor 4096", p.logicalSectorSize)
	case p.physicalSectorSize != 512 && p.physicalSectorSize != 4096:
		return p, f.fatal(offset(physicalSectorSizeID), "2.6.2.5", "physical sector size %d is neither 512 nor 4096", p.physicalSectorSize)
	case p.size > maxDiskSize || p.size%p.logicalSectorSize != 0:
		return p, f.fatal(offset(virtualDiskSizeID), "2.6.2.2", "virtual disk size %d is not a multiple of the sector size up to 64 TiB", p.size)
	case p.hasParent && values[parentLocatorID] == nil:
		return p, f.fatal(base, "2.6.2.6", "the disk has a parent, and the item parent locator is missing")
	}
	if p.hasParent {
		var err error
		if p.locator, err = parseParentLocator(values[parentLocatorID]); err != nil {
			return p, f.fatal(offset(parentLocatorID), "2.6.2.6", "parent locator: %v", err)
		}
	}
	return p, nil
}

func allZero(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
