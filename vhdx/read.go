package vhdx

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
)

// ExtentKind tells where the bytes of an extent come from.
type ExtentKind int

const (
	Data   ExtentKind = iota // stored in the file or in a parent's
	Zero                     // the container says that it is zero
	Absent                   // never written, or given back; reads as zeros
)

func (k ExtentKind) String() string { return [...]string{"data", "zero", "absent"}[k] }

// MarshalText gives the form of String.
func (k ExtentKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// An Extent is a range of the virtual disk, in bytes, of one kind.
type Extent struct {
	Offset int64      `json:"offset"`
	Length int64      `json:"length"`
	Kind   ExtentKind `json:"kind"`
}

// A run is the longest piece of the disk, as far as is cheap to tell, whose
// bytes lie together in one place.
type run struct {
	kind       ExtentKind
	inParent   bool  // ask the parent
	fileOffset int64 // of Data that is not in the parent
	length     int64
}

// entry returns a BAT entry, checked as far as its place counts.
func (d *Disk) entry(index int64) (batEntry, error) {
	v, err := d.sectors.uint64At(d.bat.offset + 8*index)
	return batEntry(v), err
}

// payload returns the BAT entry of payload block n. Only as much of the block
// as the disk reaches needs to be in the file: some tools end the file there.
func (d *Disk) payload(n int64) (batEntry, error) {
	index := d.layout.payloadIndex(n)
	e, err := d.entry(index)
	if err != nil {
		return 0, err
	}
	at := d.bat.offset + 8*index
	switch e.state() {
	case stateNotPresent, stateUndefined, stateZero, stateUnmapped:
		return e, nil
	case statePartial:
		if !d.params.hasParent {
			return 0, &Violation{at, "2.5.1.1", fmt.Sprintf("payload block %d is partially present, and the disk has no parent", n), true}
		}
	case statePresent:
	default:
		return 0, &Violation{at, "2.5.1.1", fmt.Sprintf("payload block %d has the reserved state %d", n, e.state()), true}
	}
	if v := d.checkPlace(at, e.offset(), d.lengthNeeded(index)); v != nil {
		return 0, v
	}
	return e, nil
}

// bitmapOffset returns the place in the file of the sector bitmap block of a chunk.
func (d *Disk) bitmapOffset(chunk int64) (int64, error) {
	index := d.layout.bitmapIndex(chunk)
	e, err := d.entry(index)
	if err != nil {
		return 0, err
	}
	at := d.bat.offset + 8*index
	if e.state() != statePresent {
		return 0, &Violation{at, "2.5.1.2", fmt.Sprintf("the sector bitmap block of chunk %d is missing, and a payload block needs it", chunk), true}
	}
	if v := d.checkPlace(at, e.offset(), sectorBitmapSize); v != nil {
		return 0, v
	}
	return e.offset(), nil
}

// runAt describes the disk from off on, for at most limit bytes.
func (d *Disk) runAt(off, limit int64) (run, error) {
	var r run
	for r.length < limit {
		at := off + r.length
		n := at / d.params.blockSize
		inBlock := at % d.params.blockSize
		e, err := d.payload(n)
		if err != nil {
			return r, err
		}
		next := run{length: min(d.params.blockSize-inBlock, limit-r.length)}
		switch e.state() {
		case statePresent:
			next.fileOffset = e.offset() + inBlock
		case statePartial:
			present, length, err := d.bitmapRun(at, next.length)
			if err != nil {
				return r, err
			}
			next.length, next.inParent, next.fileOffset = length, !present, e.offset()+inBlock
		case stateZero:
			next.kind = Zero
		case stateNotPresent:
			next.kind, next.inParent = Absent, d.params.hasParent
		default:
			next.kind = Absent
		}
		if next.inParent {
			next.kind, next.fileOffset = Absent, 0
		}
		switch {
		case r.length == 0:
			r = next
		case r.kind == next.kind && r.inParent == next.inParent && (r.kind != Data || r.fileOffset+r.length == next.fileOffset):
			r.length += next.length
		default:
			return r, nil
		}
	}
	return r, nil
}

// bitmapRun tells whether the sector at off is present in the file, and for how
// many bytes, up to limit, its neighbours are as well. The range lies in one
// block, so its bits lie in one sector bitmap block.
func (d *Disk) bitmapRun(off, limit int64) (present bool, length int64, err error) {
	size := d.params.logicalSectorSize
	chunkSize := d.layout.chunkRatio * d.params.blockSize
	base, err := d.bitmapOffset(off / chunkSize)
	if err != nil {
		return false, 0, err
	}
	bit := off % chunkSize / size
	for {
		at := base + bit/64*8
		word, err := d.sectors.uint64At(at)
		if err != nil {
			return false, 0, err
		}
		if length == 0 {
			present = word>>(bit%64)&1 == 1
		}
		if !present {
			word = ^word
		}
		same := int64(bits.TrailingZeros64(^(word >> (bit % 64))))
		same = min(same, 64-bit%64)
		bit += same
		if length == 0 {
			length = same*size - off%size
		} else {
			length += same * size
		}
		if same == 0 || bit%64 != 0 || length >= limit {
			return present, min(length, limit), nil
		}
	}
}

// GivenUpBlocks counts the payload blocks in the states undefined and unmapped
// whose BAT entries still name a place in the file. They read as zeros here;
// section 2.5.1.1 allows other readers to return what that place holds. Compact
// makes them forget it.
func (d *Disk) GivenUpBlocks() (int64, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return 0, ErrClosed
	}
	n := int64(0)
	err := d.readBAT(func(index int64, e batEntry) error {
		if !d.layout.isBitmap(index) && e.keepsPlace() {
			n++
		}
		return nil
	})
	return n, err
}

// ReadAt reads the virtual disk. It returns io.EOF where the disk ends.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return 0, ErrClosed
	}
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	if off >= d.params.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), d.params.size-off)
	if err := d.read(p[:n], off); err != nil {
		return 0, err
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// read fills p, which lies inside the disk. The disk's lock is held.
func (d *Disk) read(p []byte, off int64) error {
	for len(p) > 0 {
		r, err := d.runAt(off, int64(len(p)))
		if err != nil {
			return err
		}
		part := p[:r.length]
		switch {
		case r.inParent && d.parent == nil:
			err = ErrWithoutParent
		case r.inParent:
			err = d.parent.readOrZeros(part, off)
		case r.kind == Data:
			_, err = d.image.ReadAt(part, r.fileOffset)
		default:
			clear(part)
		}
		if err != nil {
			return err
		}
		p, off = p[r.length:], off+r.length
	}
	return nil
}

// readOrZeros reads a parent, which may be smaller than its child.
func (d *Disk) readOrZeros(p []byte, off int64) error {
	n, err := d.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	clear(p[n:])
	return err
}

// Extents describes length bytes of the disk from off on, in order and without
// gaps; neighbours of one kind are merged. What lies beyond the end of the disk
// is left out.
func (d *Disk) Extents(off, length int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		var pending Extent
		for e, err := range d.rawExtents(off, length) {
			if err != nil {
				yield(Extent{}, err)
				return
			}
			if pending.Length > 0 && pending.Kind == e.Kind {
				pending.Length += e.Length
				continue
			}
			if pending.Length > 0 && !yield(pending, nil) {
				return
			}
			pending = e
		}
		if pending.Length > 0 {
			yield(pending, nil)
		}
	}
}

var errNegativeRange = errors.New("extents of a negative range")

// maxRun keeps the lock from being held while millions of BAT entries are read.
const maxRun = 64 << 30

func (d *Disk) rawExtents(off, length int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if off < 0 || length < 0 {
			yield(Extent{}, errNegativeRange)
			return
		}
		end := d.params.size
		if length < end-off {
			end = off + length
		}
		for off < end {
			d.mu.RLock()
			r, err := d.runAt(off, min(end-off, maxRun))
			closed := d.closed
			d.mu.RUnlock()
			switch {
			case closed:
				err = ErrClosed
			case err == nil && r.inParent && d.parent == nil:
				err = ErrWithoutParent
			}
			if err != nil {
				yield(Extent{}, err)
				return
			}
			if r.inParent {
				covered := int64(0)
				for e, err := range d.parent.rawExtents(off, r.length) {
					if !yield(e, err) || err != nil {
						return
					}
					covered += e.Length
				}
				off, r.length = off+covered, r.length-covered
				r.kind = Absent // beyond the end of the parent
			}
			if r.length > 0 && !yield(Extent{off, r.length, r.kind}, nil) {
				return
			}
			off += r.length
		}
	}
}
