package vhdx

import (
	"errors"
	"fmt"
)

var errFileFull = errors.New("the file would become longer than 128 TiB")

// WriteAt writes to the virtual disk, which it never enlarges. What was written
// survives a crash once Sync returns; until then blocks that were absent may be
// absent again.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > d.params.size || int64(len(p)) > d.params.size-off {
		return 0, fmt.Errorf("write of %d bytes at %d: the disk ends at %d", len(p), off, d.params.size)
	}
	if len(p) == 0 {
		return 0, nil // changes nothing, so that children stay its children
	}
	if done, err := d.writeInPlace(p, off); done || err != nil {
		return writeResult(p, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.beginWrite(true); err != nil {
		return 0, err
	}
	return writeResult(p, d.write(p, off))
}

func writeResult(p []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeInPlace writes when nothing but stored bytes changes, which writers may
// do side by side. It returns false, having done nothing, when there is more to do.
func (d *Disk) writeInPlace(p []byte, off int64) (bool, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed || !d.session.dataRenewed || d.session.failed != nil {
		return false, nil
	}
	r, err := d.runAt(off, int64(len(p)))
	if err != nil || r.kind != Data || r.length < int64(len(p)) {
		return false, err
	}
	_, err = d.file.WriteAt(p, r.fileOffset)
	return true, err
}

// write goes block by block. The disk's lock is held for writing.
func (d *Disk) write(p []byte, off int64) error {
	for len(p) > 0 {
		n := min(int64(len(p)), d.params.blockSize-off%d.params.blockSize)
		if err := d.writeBlock(p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// writeBlock writes within one payload block.
func (d *Disk) writeBlock(p []byte, off int64) error {
	n, inBlock := off/d.params.blockSize, off%d.params.blockSize
	e, err := d.payload(n)
	if err != nil {
		return err
	}
	switch {
	case e.state() == statePresent:
		_, err = d.file.WriteAt(p, e.offset()+inBlock)
		return err
	case e.state() == statePartial || e.state() == stateNotPresent && d.params.hasParent && !d.fillsBlock(p, off):
		return d.writeSectors(p, off, e)
	}
	// The most that changes: the BAT sectors of the block and of its bitmap.
	if err := d.makeRoom(2); err != nil {
		return err
	}
	place, fresh, err := d.allocate(d.params.blockSize)
	if err != nil {
		return err
	}
	if !fresh {
		err = errors.Join(d.writeZeros(place, inBlock),
			d.writeZeros(place+inBlock+int64(len(p)), d.params.blockSize-inBlock-int64(len(p))))
	}
	if err == nil {
		_, err = d.file.WriteAt(p, place+inBlock)
	}
	if err != nil {
		d.session.space.unmark(place, d.params.blockSize)
		return err
	}
	return d.setEntry(d.layout.payloadIndex(n), newBATEntry(statePresent, place))
}

// fillsBlock reports whether p is all that the disk has of its block.
func (d *Disk) fillsBlock(p []byte, off int64) bool {
	return off%d.params.blockSize == 0 &&
		(int64(len(p)) == d.params.blockSize || off+int64(len(p)) == d.params.size)
}

func (d *Disk) setEntry(index int64, e batEntry) error {
	return d.sectors.setUint64(d.bat.offset+8*index, uint64(e))
}

// writeSectors writes into a block of a differencing disk that is, or becomes,
// partially present. Sectors that p covers in part are completed from what the
// disk reads there now.
func (d *Disk) writeSectors(p []byte, off int64, e batEntry) error {
	size := d.params.logicalSectorSize
	if head := off % size; head != 0 || int64(len(p)) < size {
		whole := make([]byte, size)
		if err := d.read(whole, off-head); err != nil {
			return err
		}
		n := copy(whole[head:], p)
		if err := d.writeSectors(whole, off-head, e); err != nil || n == len(p) {
			return err
		}
		return d.writeBlock(p[n:], off+int64(n))
	}
	if tail := int64(len(p)) % size; tail != 0 {
		n := int64(len(p)) - tail
		if err := d.writeSectors(p[:n], off, e); err != nil {
			return err
		}
		return d.writeBlock(p[n:], off+n)
	}

	bits := ceilDiv(d.params.blockSize/size, 8*logSectorSize) + 1 // sectors of the bitmap
	if err := d.makeRoom(int(bits) + 2); err != nil {
		return err
	}
	bitmap, err := d.ensureBitmap(off)
	if err != nil {
		return err
	}
	n, inBlock := off/d.params.blockSize, off%d.params.blockSize
	place := e.offset()
	if e.state() != statePartial {
		// What the bitmap says of a block that is not present has no meaning yet.
		if err := d.setBits(bitmap, n*d.params.blockSize, d.params.blockSize, false); err != nil {
			return d.fail(err)
		}
		if place, _, err = d.allocate(d.params.blockSize); err != nil {
			return err
		}
	}
	if _, err := d.file.WriteAt(p, place+inBlock); err != nil {
		if e.state() != statePartial {
			d.session.space.unmark(place, d.params.blockSize)
		}
		return err
	}
	if err := d.setBits(bitmap, off, int64(len(p)), true); err != nil {
		return d.fail(err)
	}
	if e.state() == statePartial {
		return nil
	}
	return d.setEntry(d.layout.payloadIndex(n), newBATEntry(statePartial, place))
}

// ensureBitmap returns the place of the sector bitmap block for a disk offset,
// and makes one where there is none.
func (d *Disk) ensureBitmap(off int64) (int64, error) {
	chunk := off / (d.layout.chunkRatio * d.params.blockSize)
	index := d.layout.bitmapIndex(chunk)
	e, err := d.entry(index)
	if err != nil {
		return 0, err
	}
	if e.state() == statePresent {
		return d.bitmapOffset(chunk)
	}
	place, fresh, err := d.allocate(sectorBitmapSize)
	if err != nil {
		return 0, err
	}
	if !fresh {
		if err := d.writeZeros(place, sectorBitmapSize); err != nil {
			d.session.space.unmark(place, sectorBitmapSize)
			return 0, err
		}
	}
	return place, d.setEntry(index, newBATEntry(statePresent, place))
}

// setBits sets or clears the bits of a range of whole sectors inside one chunk,
// in the sector bitmap block at bitmap.
func (d *Disk) setBits(bitmap, off, length int64, value bool) error {
	chunkSize := d.layout.chunkRatio * d.params.blockSize
	first := off % chunkSize / d.params.logicalSectorSize
	last := first + length/d.params.logicalSectorSize
	const perSector = 8 * logSectorSize
	for bit := first; bit < last; {
		s, err := d.sectors.edit(bitmap + bit/perSector*logSectorSize)
		if err != nil {
			return err
		}
		for end := min(last, (bit/perSector+1)*perSector); bit < end; {
			i := bit % perSector
			switch whole := i%8 == 0 && end-bit >= 8; {
			case whole && value:
				s[i/8], bit = 0xff, bit+8
			case whole:
				s[i/8], bit = 0, bit+8
			case value:
				s[i/8], bit = s[i/8]|1<<(i%8), bit+1
			default:
				s[i/8], bit = s[i/8]&^(1<<(i%8)), bit+1
			}
		}
	}
	return nil
}
