package bitlocker

import (
	"bytes"
	"errors"
	"fmt"
)

// WriteAt encrypts and writes plaintext. It is io.WriterAt's. What the metadata take is refused with ErrReserved, but for
// zeros, which are what is read there; what Windows is converting, with ErrConverting.
func (v *Volume) WriteAt(p []byte, off int64) (int, error) {
	if err := v.writableAt(p, off); err != nil {
		return 0, fmt.Errorf("write %d bytes at offset %#x: %w", len(p), off, err)
	}
	n := 0
	for n < len(p) {
		r := v.layout.logical.at(off+int64(n), int64(len(p)-n))
		b := p[n : n+int(r.end-r.start)]
		var err error
		switch r.kind {
		case regionZero:
		case regionMoved:
			err = v.write(b, r.source)
		default:
			err = v.write(b, r.start)
		}
		if err != nil {
			return n, err
		}
		n += len(b)
	}
	return n, nil
}

// writableAt refuses before anything is written.
func (v *Volume) writableAt(p []byte, off int64) error {
	switch {
	case v.cipher == nil:
		return ErrLocked
	case v.writable == nil:
		return errors.New("the volume is open for reading only")
	case v.whole() != nil:
		return ErrConverting
	case off < 0 || off > v.size || int64(len(p)) > v.size-off:
		return fmt.Errorf("not within the volume of %#x bytes", v.size)
	}
	for n := 0; n < len(p); {
		r := v.layout.logical.at(off+int64(n), int64(len(p)-n))
		b := p[n : n+int(r.end-r.start)]
		if r.kind == regionZero && len(bytes.Trim(b, "\x00")) > 0 {
			return fmt.Errorf("%w: offset %#x", ErrReserved, r.start)
		}
		n += len(b)
	}
	return nil
}

// write encrypts and writes what goes to a place of the disk. Of a sector that it does not fill, the rest is read first.
func (v *Volume) write(p []byte, at int64) error {
	sectorSize := int64(v.header.sectorSize)
	if at%sectorSize != 0 || int64(len(p))%sectorSize != 0 {
		v.partial.Lock()
		defer v.partial.Unlock()
	}
	buffer, done := v.sectors(scratchSize)
	defer done()
	for len(p) > 0 {
		skip := at % sectorSize
		n := min(int64(len(p)), scratchSize-skip)
		whole := (skip + n + sectorSize - 1) / sectorSize * sectorSize
		b := buffer[:whole]
		if skip > 0 {
			if err := v.readSectors(b[:sectorSize], at-skip); err != nil {
				return err
			}
		}
		if last := whole - sectorSize; (skip+n)%sectorSize > 0 && (last > 0 || skip == 0) {
			if err := v.readSectors(b[last:], at-skip+last); err != nil {
				return err
			}
		}
		copy(b[skip:], p[:n])
		v.cipher.encrypt(b, b, at-skip)
		if _, err := v.writable.WriteAt(b, at-skip); err != nil {
			return fmt.Errorf("write %d bytes at offset %#x: %w", len(b), at-skip, err)
		}
		p, at = p[n:], at+n
	}
	return nil
}
