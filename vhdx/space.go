package vhdx

import (
	"encoding/binary"
	"math/bits"
)

// space knows which MiB of the file are taken: one bit each, so 16 MiB of
// memory for the longest file that opens.
type space struct {
	bits    []uint64
	end     int64  // in MiB, behind the last one taken
	freed   []span // given up, free once the BAT in the file says so
	gapFrom int64  // in MiB, below it there is no gap
	misfit  int64  // in MiB, no gap is as long; 0: not known
}

func (s *space) taken(i int64) bool { return i/64 < int64(len(s.bits)) && s.bits[i/64]>>(i%64)&1 == 1 }

// mark takes the MiB of a byte range and reports whether all of it was free.
func (s *space) mark(offset, length int64) bool {
	from, to := offset/mib, ceilDiv(offset+length, mib)
	if words := ceilDiv(to, 64); words > int64(len(s.bits)) {
		s.bits = append(s.bits, make([]uint64, words-int64(len(s.bits)))...)
	}
	free := true
	for i := from; i < to; {
		n := min(64-i%64, to-i)
		mask := ^uint64(0) >> (64 - n) << (i % 64)
		free = free && s.bits[i/64]&mask == 0
		s.bits[i/64] |= mask
		i += n
	}
	s.end = max(s.end, to)
	return free
}

// free notes that a byte range is given up. It stays taken until release:
// before that, a crash brings back the BAT that points to it.
func (s *space) free(offset, length int64) {
	s.freed = append(s.freed, span{offset: offset, length: length})
}

// release makes the ranges that were given up available.
func (s *space) release() {
	for _, r := range s.freed {
		s.unmark(r.offset, r.length)
	}
	s.freed = nil
}

// unmark makes the MiB of a byte range available at once.
func (s *space) unmark(offset, length int64) {
	for i := offset / mib; i < (offset+length)/mib; i++ {
		s.bits[i/64] &^= 1 << (i % 64)
	}
	s.gapFrom = min(s.gapFrom, offset/mib)
	s.misfit = 0
	for s.end > 0 && !s.taken(s.end-1) {
		s.end--
	}
}

// take finds length bytes, whole MiB, in the first gap that holds them or
// behind everything else.
func (s *space) take(length int64) (offset int64) {
	if offset, ok := s.takeGap(length); ok {
		return offset
	}
	offset = s.end * mib
	s.mark(offset, length)
	return offset
}

// takeBelow takes a gap of length bytes that ends at or before limit.
func (s *space) takeBelow(length, limit int64) (offset int64, ok bool) {
	offset, ok = s.takeGap(length)
	if ok && offset+length > limit {
		s.unmark(offset, length)
		return 0, false
	}
	return offset, ok
}

func (s *space) takeGap(length int64) (offset int64, ok bool) {
	need := length / mib
	if s.misfit > 0 && need >= s.misfit {
		return 0, false
	}
	firstGap := int64(-1)
	run := int64(0)
	for i := s.gapFrom; i < s.end; i++ {
		if s.taken(i) {
			run = 0
			continue
		}
		if firstGap < 0 {
			firstGap = i
		}
		if run++; run == need {
			offset = (i + 1 - need) * mib
			s.mark(offset, length)
			if offset/mib == firstGap {
				s.gapFrom = firstGap + need
			}
			return offset, true
		}
	}
	if firstGap < 0 {
		s.gapFrom = s.end
	}
	s.misfit = need
	return 0, false
}

// count is the number of MiB taken.
func (s *space) count() int64 {
	n := 0
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

// readBAT passes all entries of the BAT as they are in the file, in order.
func (d *Disk) readBAT(visit func(index int64, e batEntry) error) error {
	buf := make([]byte, 256*kib)
	for index := int64(0); index < d.layout.entries; {
		part := buf[:min(int64(len(buf)), 8*(d.layout.entries-index))]
		if _, err := d.image.ReadAt(part, d.bat.offset+8*index); err != nil {
			return err
		}
		for ; len(part) > 0; part = part[8:] {
			if err := visit(index, batEntry(binary.LittleEndian.Uint64(part))); err != nil {
				return err
			}
			index++
		}
	}
	return nil
}

// findSpace learns from the BAT what is taken. Blocks that overlap are refused:
// writing to one would change the other.
func (d *Disk) findSpace() (*space, error) {
	s := &space{}
	for _, r := range d.reserved {
		s.mark(r.offset, r.length)
	}
	s.gapFrom = headerSection / mib
	stale := false
	err := d.readBAT(func(index int64, e batEntry) error {
		at := d.bat.offset + 8*index
		if d.holds(index, e) {
			if v := d.checkPlace(at, e.offset(), d.lengthNeeded(index)); v != nil {
				return v
			}
			if !s.mark(e.offset(), d.blockLength(index)) {
				return &Violation{at, "2.5.1", "the block shares its place in the file with another structure", true}
			}
		}
		stale = stale || !d.holds(index, e) && e.namesPlace()
		return nil
	})
	if err != nil || !stale {
		return s, err
	}
	// Blocks that were given up may still hold what they held, and entries that
	// the disk does not reach may mean something to somebody: their places are not
	// free, but they are nobody's to miss either.
	err = d.readBAT(func(index int64, e batEntry) error {
		if length := d.blockLength(index); !d.holds(index, e) && e.namesPlace() && d.checkPlace(0, e.offset(), length) == nil {
			s.mark(e.offset(), length)
		}
		return nil
	})
	return s, err
}

// holds reports whether the block of a BAT entry holds data, or sector bits, of
// the disk.
func (d *Disk) holds(index int64, e batEntry) bool {
	if d.layout.isBitmap(index) {
		return d.params.hasParent && e.state() == statePresent
	}
	return e.stored() && d.layout.block(index) < d.layout.blocks
}

// blockLength is the length in the file of the block of a BAT entry.
func (d *Disk) blockLength(index int64) int64 {
	if d.layout.isBitmap(index) {
		return sectorBitmapSize
	}
	return d.params.blockSize
}

// lengthNeeded is as much of it as the disk reaches.
func (d *Disk) lengthNeeded(index int64) int64 {
	if d.layout.isBitmap(index) {
		return sectorBitmapSize
	}
	return min(d.params.blockSize, d.params.size-d.layout.block(index)*d.params.blockSize)
}

// allocate finds length bytes, whole MiB, for a block or a region and makes the
// file long enough. fresh tells that they are zero.
func (d *Disk) allocate(length int64) (offset int64, fresh bool, err error) {
	if d.session.space == nil {
		if err := d.commit(); err != nil {
			return 0, false, err
		}
		if d.session.space, err = d.findSpace(); err != nil {
			return 0, false, err
		}
	}
	offset = d.session.space.take(length)
	fresh = offset >= d.image.size
	if offset+length > maxFileSize {
		err = errFileFull
	} else if offset+length > d.image.size {
		err = d.resizeFile(offset + length)
	}
	if err != nil {
		d.session.space.unmark(offset, length)
		return 0, false, err
	}
	return offset, fresh, nil
}
