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

// knownItems are the system items of section 2.6.2, all required, with their
// lengths; that of the parent locator is its own.
var knownItems = []struct {
	id          GUID
	name        string
	length      int64
	virtualDisk bool
}{
	{fileParametersID, "file parameters", 8, false},
	{virtualDiskSizeID, "virtual disk size", 8, true},
	{virtualDiskIDID, "virtual disk ID", 16, true},
	{logicalSectorSizeID, "logical sector size", 4, true},
	{physicalSectorSizeID, "physical sector size", 4, true},
	{parentLocatorID, "parent locator", -1, false},
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
	var err error // the first that is fatal
	fatal := func(at int64, format string, args ...any) {
		err = cmp.Or(err, f.fatal(at, "2.6.1.2", format, args...))
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
		i, reserved := parseItem(b[at-base:][:metadataEntrySize])
		items[n] = i
		if reserved {
			f.fault(at+24, "2.6.1.2", "%s: reserved bits are not zero", i.name())
		}
		if seen[key{i.id, i.user}] {
			fatal(at, "%s stands twice in the metadata table", i.name())
		}
		seen[key{i.id, i.user}] = true
		switch {
		case i.length > maxMetadataItemSize:
			fatal(at+20, "%s: %d bytes are more than 1 MiB", i.name(), i.length)
		case i.length == 0 && i.offset != 0:
			f.fault(at+16, "2.6.1.2", "%s is empty and has an offset", i.name())
		case i.length > 0 && (i.offset < metadataTableSize || i.offset+i.length > regionLength):
			fatal(at+16, "%s lies outside the metadata region", i.name())
		}
		if i.required && (i.user || !isKnown(i.id)) {
			fatal(at, "unknown %s is required", i.name())
		}
		if i.user {
			users++
		}
	}
	if users > maxUserItems {
		fatal(base, "metadata table: %d user items are more than %d", users, maxUserItems)
	}
	var before item // of those so far, the one that reaches farthest
	for _, i := range slices.SortedFunc(slices.Values(items), func(a, b item) int { return cmp.Compare(a.offset, b.offset) }) {
		if i.length == 0 {
			continue
		}
		if before.offset+before.length > i.offset {
			fatal(base+i.offset, "%s and %s overlap", before.name(), i.name())
		}
		if i.offset+i.length > before.offset+before.length {
			before = i
		}
	}
	return items, err
}

// parseItem reads an entry and tells whether reserved bits in it are set.
func parseItem(e []byte) (i item, reserved bool) {
	flags := binary.LittleEndian.Uint32(e[24:])
	return item{
		id:          GUID(e[:16]),
		offset:      int64(binary.LittleEndian.Uint32(e[16:])),
		length:      int64(binary.LittleEndian.Uint32(e[20:])),
		user:        flags&1 != 0,
		virtualDisk: flags&2 != 0,
		required:    flags&4 != 0,
	}, flags>>3 != 0 || !allZero(e[28:32])
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
	values, err := readKnownItems(items, base, read, f)
	if err != nil {
		return p, err
	}
	fatal := func(id GUID, section, format string, args ...any) {
		err = cmp.Or(err, f.fatal(values[id].at, section, format, args...))
	}
	fileParameters := values[fileParametersID].data
	p.blockSize = int64(binary.LittleEndian.Uint32(fileParameters))
	flags := binary.LittleEndian.Uint32(fileParameters[4:])
	p.leaveAllocated, p.hasParent = flags&1 != 0, flags&2 != 0
	p.diskID = GUID(values[virtualDiskIDID].data)
	p.logicalSectorSize = int64(binary.LittleEndian.Uint32(values[logicalSectorSizeID].data))
	p.physicalSectorSize = int64(binary.LittleEndian.Uint32(values[physicalSectorSizeID].data))
	if flags>>2 != 0 {
		f.fault(values[fileParametersID].at+4, "2.6.2.1", "file parameters: reserved bits are not zero")
	}
	if p.blockSize < minBlockSize || p.blockSize > maxBlockSize || bits.OnesCount64(uint64(p.blockSize)) != 1 {
		fatal(fileParametersID, "2.6.2.1", "block size %d is not a power of two from 1 MiB to 256 MiB", p.blockSize)
	}
	if p.physicalSectorSize != 512 && p.physicalSectorSize != 4096 {
		fatal(physicalSectorSizeID, "2.6.2.5", "physical sector size %d is neither 512 nor 4096", p.physicalSectorSize)
	}
	size := binary.LittleEndian.Uint64(values[virtualDiskSizeID].data)
	p.size = int64(min(size, maxDiskSize))
	if p.logicalSectorSize != 512 && p.logicalSectorSize != 4096 {
		fatal(logicalSectorSizeID, "2.6.2.4", "logical sector size %d is neither 512 nor 4096", p.logicalSectorSize)
	} else if size > maxDiskSize || p.size%p.logicalSectorSize != 0 {
		fatal(virtualDiskSizeID, "2.6.2.2", "virtual disk size %d is not a multiple of the sector size up to 64 TiB", size)
	}
	if p.hasParent {
		locator, found := values[parentLocatorID]
		if !found {
			return p, cmp.Or(err, f.fatal(base, "2.6.2.6", "the disk has a parent, and the item parent locator is missing"))
		}
		var locatorErr error
		if p.locator, locatorErr = parseParentLocator(locator.data); locatorErr != nil {
			fatal(parentLocatorID, "2.6.2.6", "parent locator: %v", locatorErr)
		} else if !allZero(locator.data[16:18]) {
			f.fault(locator.at+16, "2.6.2.6.1", "parent locator: reserved bytes are not zero")
		}
	}
	return p, err
}

// A knownValue is the content of a system item and its file offset.
type knownValue struct {
	data []byte
	at   int64
}

// readKnownItems returns the system items; all but the parent locator must be there.
func readKnownItems(items []item, base int64, read func(item) ([]byte, error), f *findings) (map[GUID]knownValue, error) {
	var err error // the first that is fatal
	values := map[GUID]knownValue{}
	for _, k := range knownItems {
		n := slices.IndexFunc(items, func(i item) bool { return i.id == k.id && !i.user })
		if n < 0 {
			if k.id != parentLocatorID {
				err = cmp.Or(err, f.fatal(base, "2.6.2", "the item %s is missing", k.name))
			}
			continue
		}
		i := items[n]
		if k.length >= 0 && i.length != k.length {
			err = cmp.Or(err, f.fatal(base+i.offset, "2.6.2", "%s has %d bytes, not %d", k.name, i.length, k.length))
			continue
		}
		if !i.required || i.virtualDisk != k.virtualDisk {
			at := base + metadataHeaderSize + int64(n)*metadataEntrySize
			f.fault(at+24, "2.6.2", "%s: the flags are not those of this item", k.name)
		}
		data, readErr := read(i)
		if readErr != nil {
			return nil, readErr
		}
		values[k.id] = knownValue{data, base + i.offset}
	}
	return values, err
}

func allZero(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
