package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
)

// Defaults of CreateOptions, as Hyper-V has them.
const (
	DefaultBlockSize             = 32 * mib
	DefaultDifferencingBlockSize = 2 * mib
	defaultLogSize               = mib
)

// CreateOptions describe a new disk.
type CreateOptions struct {
	Type Type
	// Size of the virtual disk in bytes: a multiple of the logical sector size,
	// at most 64 TiB. A differencing disk takes its parent's when it is 0.
	Size int64
	// BlockSize in bytes: a power of two from 1 MiB to 256 MiB. 0 is the default.
	BlockSize int
	// LogicalSectorSize is 512 or 4096, 512 when it is 0. A differencing disk has
	// its parent's.
	LogicalSectorSize int
	// PhysicalSectorSize is 512 or 4096, 4096 when it is 0. A differencing disk
	// has its parent's.
	PhysicalSectorSize int
	// Parent is the path of the parent of a differencing disk.
	Parent string
	// Path is where the new disk will be; a differencing disk records the way
	// from there to its parent.
	Path string
}

// Create makes a new disk in file, which is empty, and opens it for reading and
// writing. The file stays the caller's to close, after the disk. A fixed disk's
// blocks are allocated in the file, whose bytes the host may keep as holes.
func Create(file File, o CreateOptions) (*Disk, error) {
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if info.Size() != 0 {
		return nil, fmt.Errorf("create a disk: the file is not empty")
	}
	d, err := createIn(file, o)
	if err != nil {
		return nil, fmt.Errorf("create a disk: %w", err)
	}
	return d, nil
}

func createIn(file File, o CreateOptions) (*Disk, error) {
	var parent *Disk
	switch {
	case (o.Type == Differencing) != (o.Parent != ""):
		return nil, errors.New("a differencing disk, and no other, has a parent")
	case o.Type == Differencing && o.Path == "":
		return nil, errors.New("a differencing disk records the way to its parent, so its own path must be given")
	case o.Type == Differencing:
		var err error
		if parent, err = Open(o.Parent); err != nil {
			return nil, fmt.Errorf("parent: %w", err)
		}
		defer parent.Close()
	}
	p, err := newParameters(o, parent)
	if err != nil {
		return nil, err
	}
	items := p.items()
	if parent != nil {
		items = append(items, parent.inherited()...)
	}
	if err := writeNew(file, p, items); err != nil {
		return nil, err
	}
	return OpenFile(file, Options{Writable: true, Path: o.Path})
}

// A newItem is a metadata item of a disk in the making.
type newItem struct {
	item
	read func() ([]byte, error)
}

// newParameters checks the options and returns what they come to. There is a
// parent when the disk is a differencing one.
func newParameters(o CreateOptions, parent *Disk) (parameters, error) {
	p := parameters{
		size: o.Size, blockSize: int64(o.BlockSize),
		logicalSectorSize: int64(o.LogicalSectorSize), physicalSectorSize: int64(o.PhysicalSectorSize),
		leaveAllocated: o.Type == Fixed, hasParent: parent != nil, diskID: NewGUID(),
	}
	if parent != nil {
		if err := p.inherit(o, parent); err != nil {
			return p, err
		}
	}
	setDefault(&p.logicalSectorSize, 512)
	setDefault(&p.physicalSectorSize, 4096)
	if p.hasParent {
		setDefault(&p.blockSize, DefaultDifferencingBlockSize)
	} else {
		setDefault(&p.blockSize, DefaultBlockSize)
	}
	switch {
	case p.logicalSectorSize != 512 && p.logicalSectorSize != 4096:
		return p, fmt.Errorf("the logical sector size is 512 or 4096 bytes, not %d", p.logicalSectorSize)
	case p.physicalSectorSize != 512 && p.physicalSectorSize != 4096:
		return p, fmt.Errorf("the physical sector size is 512 or 4096 bytes, not %d", p.physicalSectorSize)
	case p.blockSize < minBlockSize || p.blockSize > maxBlockSize || bits.OnesCount64(uint64(p.blockSize)) != 1:
		return p, fmt.Errorf("the block size is a power of two from 1 MiB to 256 MiB, not %d bytes", p.blockSize)
	case p.size <= 0 || p.size > maxDiskSize || p.size%p.logicalSectorSize != 0:
		return p, fmt.Errorf("the size is a multiple of the sector size up to 64 TiB, not %d bytes", p.size)
	}
	return p, nil
}

func setDefault(v *int64, to int64) {
	if *v == 0 {
		*v = to
	}
}

// inherit takes from the parent what a child must share with it.
func (p *parameters) inherit(o CreateOptions, parent *Disk) (err error) {
	setDefault(&p.size, parent.params.size)
	for _, s := range []struct{ mine, its *int64 }{
		{&p.logicalSectorSize, &parent.params.logicalSectorSize},
		{&p.physicalSectorSize, &parent.params.physicalSectorSize},
	} {
		if *s.mine != 0 && *s.mine != *s.its {
			return fmt.Errorf("the parent's sectors have %d bytes, not %d", *s.its, *s.mine)
		}
		*s.mine = *s.its
	}
	p.diskID = parent.params.diskID
	p.locator, err = locatorFor(filepath.Dir(o.Path), o.Parent, parent.headers.current.dataWrite)
	return err
}

// inherited lists the items that belong to the virtual disk, of which a child
// gets a copy, section 2.6.1.2. Those of section 2.6.2 it has of its own.
func (d *Disk) inherited() []newItem {
	var items []newItem
	for _, i := range d.items {
		if i.virtualDisk && (i.user || !isKnown(i.id)) {
			items = append(items, newItem{i, func() ([]byte, error) { return d.readItem(i) }})
		}
	}
	return items
}

// items are the system items of section 2.6.2.
func (p parameters) items() []newItem {
	var flags uint32
	if p.leaveAllocated {
		flags |= 1
	}
	if p.hasParent {
		flags |= 2
	}
	le := binary.LittleEndian
	system := func(id GUID, virtualDisk bool, data []byte) newItem {
		return newItem{
			item{id: id, length: int64(len(data)), virtualDisk: virtualDisk, required: true},
			func() ([]byte, error) { return data, nil },
		}
	}
	items := []newItem{
		system(fileParametersID, false, le.AppendUint32(le.AppendUint32(nil, uint32(p.blockSize)), flags)),
		system(virtualDiskSizeID, true, le.AppendUint64(nil, uint64(p.size))),
		system(virtualDiskIDID, true, p.diskID[:]),
		system(logicalSectorSizeID, true, le.AppendUint32(nil, uint32(p.logicalSectorSize))),
		system(physicalSectorSizeID, true, le.AppendUint32(nil, uint32(p.physicalSectorSize))),
	}
	if p.hasParent {
		items = append(items, system(parentLocatorID, false, p.locator.marshal()))
	}
	return items
}

// writeNew lays out a file: header section, log, metadata region, BAT, blocks.
// The headers come last: a file that is cut short before them is none.
func writeNew(file File, p parameters, items []newItem) error {
	if len(items) > maxMetadataItems {
		return fmt.Errorf("%d metadata items are more than %d", len(items), maxMetadataItems)
	}
	table := make([]item, len(items))
	metadataLength := int64(metadataTableSize)
	for n, i := range items {
		table[n] = i.item
		table[n].offset = 0
		if i.length > 0 {
			table[n].offset = metadataLength
			metadataLength = roundUp(metadataLength+i.length, 8)
		}
	}

	layout := layoutBAT(p)
	metadataOffset := int64(headerSection + defaultLogSize)
	batOffset := metadataOffset + roundUp(metadataLength, mib)
	blocks := batOffset + roundUp(layout.entries*8, mib)
	end := blocks
	if p.leaveAllocated {
		end += layout.blocks * p.blockSize
	}
	if end > maxFileSize {
		return errFileFull
	}
	regionTable := marshalRegionTable([]region{
		{id: batRegionID, offset: batOffset, length: blocks - batOffset, required: 1},
		{id: metadataRegionID, offset: metadataOffset, length: batOffset - metadataOffset, required: 1},
	})
	if err := file.Truncate(end); err != nil {
		return err
	}
	if p.leaveAllocated {
		if err := writeFixedBAT(file, batOffset, blocks, layout, p.blockSize); err != nil {
			return err
		}
	}
	for n, i := range items {
		data, err := i.read()
		if err != nil {
			return fmt.Errorf("read %s of the parent: %w", i.name(), err)
		}
		if _, err := file.WriteAt(data, metadataOffset+table[n].offset); err != nil {
			return err
		}
	}
	h := header{fileWrite: NewGUID(), dataWrite: NewGUID(), version: 1, logLength: defaultLogSize, logOffset: headerSection}
	first, second := h, h
	first.sequence, second.sequence = 1, 2
	for _, part := range []struct {
		offset int64
		data   []byte
	}{
		{metadataOffset, marshalMetadataTable(table)},
		{regionOffsets[0], regionTable},
		{regionOffsets[1], regionTable},
		{identifierOffset, marshalIdentifier("Scutum")},
		{headerOffsets[0], first.marshal()},
		{headerOffsets[1], second.marshal()},
	} {
		if _, err := file.WriteAt(part.data, part.offset); err != nil {
			return err
		}
	}
	return file.Sync()
}

// writeFixedBAT places the blocks of a fixed disk one behind the other.
func writeFixedBAT(file File, offset, blocks int64, layout batLayout, blockSize int64) error {
	buf := make([]byte, 0, 256*kib)
	for index := range layout.entries {
		var e batEntry
		if !layout.isBitmap(index) {
			e = newBATEntry(statePresent, blocks+layout.block(index)*blockSize)
		}
		buf = binary.LittleEndian.AppendUint64(buf, uint64(e))
		if len(buf) == cap(buf) || index == layout.entries-1 {
			if _, err := file.WriteAt(buf, offset); err != nil {
				return err
			}
			offset, buf = offset+int64(len(buf)), buf[:0]
		}
	}
	return nil
}
