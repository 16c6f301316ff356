package vhdx

import (
	"cmp"
	"fmt"
	"slices"
)

// An Item describes a user metadata item, section 2.6.1.2.
type Item struct {
	ID          GUID `json:"id"`
	Length      int  `json:"length"`      // bytes
	VirtualDisk bool `json:"virtualDisk"` // belongs to the virtual disk: a child disk gets a copy
}

// Items lists the user metadata items in the order of the table.
func (d *Disk) Items() []Item {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []Item
	for _, i := range d.items {
		if i.user {
			out = append(out, Item{i.id, int(i.length), i.virtualDisk})
		}
	}
	return out
}

// Item returns the bytes of a user metadata item, or ErrNoItem.
func (d *Disk) Item(id GUID) ([]byte, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return nil, ErrClosed
	}
	for _, i := range d.items {
		if i.user && i.id == id {
			return d.readItem(i)
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoItem, id)
}

// SetItem stores a user metadata item of at most 1 MiB, in place of the one
// with the same id where there is one, whose VirtualDisk it keeps. When it
// returns, the item is durable; a crash before that leaves the old one.
func (d *Disk) SetItem(id GUID, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.setItem(item{id: id, user: true}, data, true); err != nil {
		return fmt.Errorf("set metadata item %s: %w", id, err)
	}
	return nil
}

// DeleteItem removes a user metadata item, or returns ErrNoItem.
func (d *Disk) DeleteItem(id GUID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	items := slices.DeleteFunc(slices.Clone(d.items), func(i item) bool { return i.user && i.id == id })
	if len(items) == len(d.items) {
		return fmt.Errorf("%w: %s", ErrNoItem, id)
	}
	if err := d.beginWrite(true); err != nil {
		return err
	}
	if err := d.commit(); err != nil {
		return err
	}
	return d.switchTable(items)
}

// setItem stores data as the item i. The data go where nothing lies yet, in as
// many log entries as they need; the table then changes in one.
func (d *Disk) setItem(i item, data []byte, visible bool) error {
	if len(data) > maxMetadataItemSize {
		return fmt.Errorf("%d bytes are more than 1 MiB", len(data))
	}
	same := func(o item) bool { return o.id == i.id && o.user == i.user }
	items := slices.DeleteFunc(slices.Clone(d.items), same)
	if old := slices.IndexFunc(d.items, same); old >= 0 {
		i.virtualDisk = i.virtualDisk || d.items[old].virtualDisk
	}
	users := 0
	for _, o := range items {
		if o.user {
			users++
		}
	}
	if len(items) == maxMetadataItems || i.user && users == maxUserItems {
		return fmt.Errorf("the metadata table is full")
	}
	if err := d.beginWrite(visible); err != nil {
		return err
	}
	if err := d.commit(); err != nil {
		return err
	}
	i.length = int64(len(data))
	if i.length > 0 {
		var fits bool
		if i.offset, fits = d.metadataGap(i.length); !fits {
			read := func(o item) ([]byte, error) {
				if same(o) {
					return data, nil
				}
				return d.readItem(o)
			}
			_, err := d.moveMetadata(append(items, i), read, -1)
			return err
		}
		if err := d.logBytes(d.metadata.offset+i.offset, data); err != nil {
			return err
		}
	}
	return d.switchTable(append(items, i))
}

// metadataGap finds length bytes in the metadata region that no item takes.
func (d *Disk) metadataGap(length int64) (offset int64, ok bool) {
	byOffset := slices.SortedFunc(slices.Values(d.items), func(a, b item) int { return cmp.Compare(a.offset, b.offset) })
	offset = metadataTableSize
	for _, o := range byOffset {
		if o.length == 0 {
			continue
		}
		if offset+length <= o.offset {
			return offset, true
		}
		offset = max(offset, roundUp(o.offset+o.length, 8))
	}
	return offset, offset+length <= d.metadata.length
}

// logBytes writes data at a file offset through the log.
func (d *Disk) logBytes(offset int64, data []byte) error {
	for len(data) > 0 {
		if err := d.makeRoom(1); err != nil {
			return err
		}
		in := offset % logSectorSize
		s, err := d.sectors.edit(offset - in)
		if err != nil {
			return err
		}
		n := copy(s[in:], data)
		offset, data = offset+int64(n), data[n:]
	}
	return d.commit()
}

// switchTable makes items the metadata table, in one log entry.
func (d *Disk) switchTable(items []item) error {
	d.stage(d.metadata.offset, marshalMetadataTable(items))
	if err := d.commit(); err != nil {
		return err
	}
	d.items = items
	return nil
}

// stage notes a whole table of sectors as changed.
func (d *Disk) stage(offset int64, table []byte) {
	for ; len(table) > 0; table = table[logSectorSize:] {
		s := sector(table[:logSectorSize])
		d.sectors.put(offset, &s)
		offset += logSectorSize
	}
}

// moveMetadata builds a metadata region of items in a new place, below limit
// unless that is negative, and makes both region tables name it in one log
// entry. read gives the bytes of an item. It returns false when there is no place.
func (d *Disk) moveMetadata(items []item, read func(item) ([]byte, error), limit int64) (bool, error) {
	moved := slices.Clone(items)
	length := int64(metadataTableSize)
	for n, i := range items {
		if i.length > 0 {
			moved[n].offset = length
			length = roundUp(length+i.length, 8)
		}
	}
	length = roundUp(length, mib)
	place, ok := int64(0), true
	var err error
	if limit < 0 {
		place, _, err = d.allocate(length)
	} else {
		place, ok = d.session.space.takeBelow(length, limit)
	}
	if err != nil || !ok {
		return false, err
	}
	if err := d.writeMetadata(place, length, items, moved, read); err != nil {
		d.session.space.unmark(place, length)
		return false, err
	}
	return true, d.switchMetadata(place, length, moved)
}

// writeMetadata writes the content of a region that nothing names yet.
func (d *Disk) writeMetadata(place, length int64, items, moved []item, read func(item) ([]byte, error)) error {
	if err := d.writeZeros(place, length); err != nil {
		return err
	}
	if _, err := d.file.WriteAt(marshalMetadataTable(moved), place); err != nil {
		return err
	}
	for n, i := range items {
		b, err := read(i)
		if err != nil {
			return err
		}
		if _, err := d.file.WriteAt(b, place+moved[n].offset); err != nil {
			return err
		}
	}
	return nil
}

// switchMetadata makes the region tables name a region that has been written.
func (d *Disk) switchMetadata(place, length int64, items []item) error {
	old := d.metadata
	regions := slices.Clone(d.regions)
	for n := range regions {
		if regions[n].id == metadataRegionID {
			regions[n].offset, regions[n].length = place, length
			d.metadata = regions[n]
		}
	}
	table := marshalRegionTable(regions)
	for _, offset := range regionOffsets {
		d.stage(offset, table)
	}
	d.sectors.forget(old.offset, old.length)
	d.session.space.free(old.offset, old.length)
	if err := d.commit(); err != nil {
		return err
	}
	d.items, d.regions = items, regions
	return d.reserve(&findings{})
}
