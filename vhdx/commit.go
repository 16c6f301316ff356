package vhdx

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// maxLogSectors bounds an entry of ours, whatever the length of the log.
const maxLogSectors = 1024

// logSlot is the length in bytes of the half of the log that an entry may fill.
// Entries take the halves in turn: while one is written, the one before it is
// whole, so that a torn write never leaves the log without a valid sequence. An
// entry stays a sector short of its half, so that no two ever touch and each is
// a sequence of its own.
func (d *Disk) logSlot() int64 { return int64(d.headers.current.logLength) / 2 }

// logCapacity is the number of sectors that one entry can update.
func (d *Disk) logCapacity() int {
	sectors := d.logSlot()/logSectorSize - 1
	n := min(sectors, maxLogSectors)
	for descriptorSectors(n)+n > sectors {
		n--
	}
	return int(n)
}

// makeRoom commits when n more changed sectors would not fit into one log
// entry. What is changed at that moment must be consistent.
func (d *Disk) makeRoom(n int) error {
	if len(d.sectors.dirty)+n <= d.logCapacity() {
		return nil
	}
	return d.commit()
}

// commit brings all changed sectors to their place by the steps of section 2.3:
// payload first, then the log entry, then the sectors themselves, each stable
// before the next begins.
func (d *Disk) commit() error {
	if err := d.file.Sync(); err != nil {
		return d.fail(err)
	}
	if len(d.sectors.dirty) == 0 {
		return nil
	}
	if err := d.commitSectors(d.image.size); err != nil {
		return d.fail(fmt.Errorf("write through the log: %w", err))
	}
	return nil
}

// commitSectors does the work of commit once the payload is stable. flushed is
// the length that the file will not fall below.
func (d *Disk) commitSectors(flushed int64) error {
	dirty := d.sectors.dirty
	offsets := make([]int64, 0, len(dirty))
	for off := range dirty {
		offsets = append(offsets, off)
	}
	slices.Sort(offsets)
	if err := d.writeLogEntry(offsets, flushed); err != nil {
		return err
	}
	for _, off := range offsets {
		if _, err := d.file.WriteAt(dirty[off][:], off); err != nil {
			return err
		}
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.sectors.written()
	if d.session.space != nil {
		d.session.space.release()
	}
	return nil
}

// writeLogEntry writes one entry that updates the sectors at offsets. The
// header names the log only after its first entry is stable: until then the
// log counts as empty, and a crash leaves nothing to replay.
func (d *Disk) writeLogEntry(offsets []int64, flushed int64) error {
	h := d.headers.current
	guid := h.log
	if guid.IsZero() {
		guid = NewGUID()
	}
	d.session.sequence++
	entry := marshalLogEntry(guid, d.session.sequence, d.session.slot*d.logSlot(), flushed, d.lastOffset(), offsets, d.sectors.dirty)
	if _, err := d.file.WriteAt(entry, int64(h.logOffset)+d.session.slot*d.logSlot()); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.session.slot = 1 - d.session.slot
	if h.log.IsZero() {
		return d.updateHeaders(func(h *header) { h.log = guid })
	}
	return nil
}

// lastOffset is the length that all structures fit into, as far as is known.
func (d *Disk) lastOffset() int64 {
	if d.session.space != nil {
		return min(d.session.space.end*mib, d.image.size)
	}
	return d.image.size
}

// marshalLogEntry makes an entry, section 2.3.1, that is its own tail.
func marshalLogEntry(guid GUID, sequence uint64, tail, flushed, last int64, offsets []int64, sectors map[int64]*sector) []byte {
	tables := descriptorSectors(int64(len(offsets))) * logSectorSize
	b := make([]byte, tables+int64(len(offsets))*logSectorSize)
	copy(b, logEntrySignature)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[12:], uint32(tail))
	binary.LittleEndian.PutUint64(b[16:], sequence)
	binary.LittleEndian.PutUint32(b[24:], uint32(len(offsets)))
	copy(b[32:], guid[:])
	binary.LittleEndian.PutUint64(b[48:], uint64(flushed))
	binary.LittleEndian.PutUint64(b[56:], uint64(last))
	for i, off := range offsets {
		s := sectors[off]
		desc := b[logEntryHeaderSize+i*logDescriptorSize:]
		copy(desc, logDescSignature)
		copy(desc[4:8], s[logSectorSize-4:])
		copy(desc[8:16], s[:8])
		binary.LittleEndian.PutUint64(desc[16:], uint64(off))
		binary.LittleEndian.PutUint64(desc[24:], sequence)

		data := b[tables+int64(i)*logSectorSize:][:logSectorSize]
		copy(data, s[:])
		copy(data, logDataSignature)
		binary.LittleEndian.PutUint32(data[4:], uint32(sequence>>32))
		binary.LittleEndian.PutUint32(data[logSectorSize-4:], uint32(sequence))
	}
	binary.LittleEndian.PutUint32(b[4:], checksum(b))
	return b
}
