package ntfs

import (
	"errors"
	"fmt"
)

const (
	// Windows keeps the first records for itself, 16 to 23 for the MFT's own
	// needs; those up to 64 are used when the volume is full.
	firstFree     = 24
	firstOrdinary = 64

	growBytes = 64 << 10 // by which the MFT grows, if the volume has room
)

// takeRecord takes a free record of the MFT, which grows if there is none.
func (e *Editor) takeRecord() (number uint64, sequence uint16, err error) {
	for _, from := range []uint64{max(e.nextRecord, firstOrdinary), firstOrdinary} {
		if number, ok, err := e.freeRecord(from); err != nil || ok {
			if err != nil {
				return 0, 0, err
			}
			return e.claimRecord(number)
		}
	}
	grown := e.growMFT()
	if grown != nil && !errors.Is(grown, ErrFull) {
		return 0, 0, grown
	}
	from := uint64(firstOrdinary)
	if grown != nil {
		from = firstFree
	}
	number, ok, err := e.freeRecord(from)
	if err != nil {
		return 0, 0, err
	}
	if !ok {
		if grown == nil { // a small MFT is still below the ordinary records
			return e.takeRecord()
		}
		return 0, 0, grown
	}
	return e.claimRecord(number)
}

// recordBits gives the bitmap of the MFT's records.
func (e *Editor) recordBits() (*inode, *stream, error) {
	n, err := e.v.inode(recordMFT)
	if err != nil {
		return nil, nil, err
	}
	a, err := n.need(typeBitmap, "")
	if err != nil {
		return nil, nil, err
	}
	if a.resident || a.readable() != nil || a.initialized < (int64(e.v.records())+7)/8 {
		return nil, nil, n.base.damage(0, "$BITMAP of %d bytes, %d of them initialized, for %d records", a.size, a.initialized, e.v.records())
	}
	return n, &stream{v: e.v, a: a, what: n.name()}, nil
}

// freeRecord looks for a free record from one on.
func (e *Editor) freeRecord(from uint64) (number uint64, ok bool, err error) {
	_, bits, err := e.recordBits()
	if err != nil {
		return 0, false, err
	}
	for x, err := range bits.clear(int64(from), int64(e.v.records())) {
		return uint64(x.First), err == nil, err
	}
	return 0, false, nil
}

// claimRecord takes a record, whose sequence number goes on from its last use.
func (e *Editor) claimRecord(number uint64) (uint64, uint16, error) {
	_, bits, err := e.recordBits()
	if err != nil {
		return 0, 0, err
	}
	if err := e.setBits(bits, phaseClaim, int64(number), 1, true); err != nil {
		return 0, 0, err
	}
	e.nextRecord = number + 1
	r, err := e.v.record(number)
	switch {
	case errors.Is(err, ErrDamaged): // nothing was ever there, or nothing that counts
		return number, 1, nil
	case err != nil:
		return 0, 0, err
	case r.inUse():
		return 0, 0, r.damage(22, "is in use, but free by the MFT's $BITMAP")
	}
	return number, max(r.sequence(), 1), nil
}

// growMFT adds records to the MFT: many, or one where there is no room for many.
func (e *Editor) growMFT() error {
	err := e.growMFTBy(growBytes)
	if errors.Is(err, ErrFull) {
		err = e.growMFTBy(int64(e.v.recordSize))
	}
	return err
}

func (e *Editor) growMFTBy(bytes int64) error {
	n, bits, err := e.recordBits()
	if err != nil {
		return err
	}
	data, err := n.need(typeData, "")
	if err != nil {
		return err
	}
	old, size := data.size, int64(e.v.recordSize)
	if old%size != 0 || data.initialized != old {
		return n.base.damage(0, "$DATA of %d bytes, %d of them initialized", old, data.initialized)
	}
	if n.list != nil {
		return errManyParts
	}
	grown := data.allocated / size * size
	if grown == old {
		grown = alignUp(old+bytes, e.v.clusterSize) / size * size
	}
	dataEnd, bitsEnd, initialized := data.allocated/e.v.clusterSize, bits.a.allocated/e.v.clusterSize, bits.a.initialized
	if err = e.enlarge(data, grown); err != nil {
		return err
	}
	if need := alignUp((grown/size+7)/8, 8); need > bits.a.size {
		err = e.enlarge(bits.a, need)
	}
	if err == nil && (!e.fits(n) || grown/size > 1<<32) {
		err = errManyParts
	}
	if err != nil { // the caller may find a record without this
		return errors.Join(err, e.unmark(beyond(data.runs, dataEnd)), e.unmark(beyond(bits.a.runs, bitsEnd)))
	}
	if err := e.zeroFrom(bits.a, initialized); err != nil {
		return err
	}
	e.v.mft = &stream{v: e.v, a: data, what: n.name()}
	for number := old / size; number < grown/size; number++ {
		r := e.newRecord(uint64(number), 1, 0, 0)
		if err := e.putRecord(r, phaseFill); err != nil {
			return err
		}
	}
	return e.save(n, phaseMFT)
}

var errManyParts = fmt.Errorf("%w: the MFT lies in too many parts of the volume, or is too long, to become larger", ErrFull)

// zeroFrom clears a stream that is not resident from a byte up to the end of
// its clusters, lest it show what they held before.
func (e *Editor) zeroFrom(a *attribute, from int64) error {
	return e.writeStream(phaseFill, &stream{v: e.v, a: a, what: a.String()}, from, make([]byte, a.allocated-from))
}

// discard gives a record up.
func (e *Editor) discard(number uint64) error {
	_, bits, err := e.recordBits()
	if err != nil {
		return err
	}
	r, err := e.v.record(number)
	if err != nil {
		return err
	}
	le.PutUint16(r.b[22:], r.flags()&^recordInUse)
	le.PutUint16(r.b[16:], max(r.sequence()+1, 1))
	if err := e.putRecord(r, phaseRelease); err != nil {
		return err
	}
	return e.setBits(bits, phaseRelease, int64(number), 1, false)
}
