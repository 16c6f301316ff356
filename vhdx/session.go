package vhdx

import (
	"errors"
	"fmt"
	"math"
)

// A session is what an open for writing keeps until Close.
type session struct {
	replayed    bool // the log was replayed into the file
	fileRenewed bool // FileWriteGuid is new, section 2.2.2
	dataRenewed bool // DataWriteGuid is new
	sequence    uint64
	slot        int64  // half of the log that the next entry takes
	space       *space // nil until something is allocated
	failed      error  // a write of structures failed: no more of them
}

// startWriting replays the log into the file. The file is not touched when
// there is nothing to replay.
func (d *Disk) startWriting() error {
	if d.headers.current.logLength < mib {
		return errors.New("the file has no log, so it cannot be written safely")
	}
	if d.headers.current.sequence > math.MaxUint64-1<<32 {
		return errors.New("the headers' sequence numbers are used up")
	}
	if !d.image.active {
		return nil
	}
	if err := d.updateHeaders(func(h *header) { h.fileWrite = NewGUID() }); err != nil {
		return err
	}
	d.image.size = roundUp(d.image.size, mib) // sizes in log entries are whole MiB
	if err := d.replayIntoFile(); err != nil {
		return fmt.Errorf("replay the log: %w", err)
	}
	if err := d.updateHeaders(func(h *header) { h.log = GUID{} }); err != nil {
		return err
	}
	d.image = &replayedFile{file: d.file, size: d.image.size, stored: d.image.size}
	d.sectors.image = d.image // nothing is cached yet
	d.session.replayed, d.session.fileRenewed = true, true
	return nil
}

func (d *Disk) replayIntoFile() error {
	if d.image.size > d.image.stored {
		if err := d.file.Truncate(d.image.size); err != nil {
			return err
		}
	}
	for _, w := range d.image.writes {
		if w.source >= 0 {
			b, err := d.image.sector(w)
			if err != nil {
				return err
			}
			if _, err := d.file.WriteAt(b, w.offset); err != nil {
				return err
			}
		} else if err := d.writeZeros(w.offset, min(w.length, d.image.stored-w.offset)); err != nil {
			return err
		}
	}
	return d.file.Sync()
}

var zeros = make([]byte, mib)

// writeZeros does nothing when length is negative.
func (d *Disk) writeZeros(offset, length int64) error {
	for length > 0 {
		n, err := d.file.WriteAt(zeros[:min(length, mib)], offset)
		if err != nil {
			return err
		}
		offset, length = offset+int64(n), length-int64(n)
	}
	return nil
}

// updateHeaders makes both headers say what change makes of the current one,
// by the procedure of section 2.2.2.1: at any moment one of them is valid.
func (d *Disk) updateHeaders(change func(*header)) error {
	h := d.headers.current
	h.logVersion = 0 // that of the log we write
	change(&h)
	for range headerOffsets {
		h.sequence++
		slot := 1 - d.headers.slot
		if _, err := d.file.WriteAt(h.marshal(), headerOffsets[slot]); err != nil {
			return fmt.Errorf("write header: %w", err)
		}
		if err := d.file.Sync(); err != nil {
			return fmt.Errorf("write header: %w", err)
		}
		d.headers = headerPair{current: h, slot: slot, spare: true}
	}
	return nil
}

// beginWrite comes before every modification. It renews the FileWriteGuid with
// the first one, and the DataWriteGuid with the first that a user of the disk
// can see, section 2.2.2.
func (d *Disk) beginWrite(visible bool) error {
	s := &d.session
	switch {
	case d.closed:
		return ErrClosed
	case !d.writable:
		return ErrReadOnly
	case s.failed != nil:
		return fmt.Errorf("an earlier write failed: %w", s.failed)
	case s.fileRenewed && (s.dataRenewed || !visible):
		return nil
	}
	err := d.updateHeaders(func(h *header) {
		if !s.fileRenewed {
			h.fileWrite = NewGUID()
		}
		if visible {
			h.dataWrite = NewGUID()
		}
	})
	if err != nil {
		return d.fail(err)
	}
	s.fileRenewed, s.dataRenewed = true, s.dataRenewed || visible
	// Sizes in log entries are whole MiB, and the file may not be shorter.
	if whole := roundUp(d.image.size, mib); whole > d.image.size {
		if err := d.resizeFile(whole); err != nil {
			return d.fail(err)
		}
	}
	return nil
}

// fail ends writing: what is in memory and what is in the file may differ from
// here on, and the log in the file decides.
func (d *Disk) fail(err error) error {
	d.session.failed = err
	return err
}

func (d *Disk) resizeFile(size int64) error {
	if err := d.file.Truncate(size); err != nil {
		return fmt.Errorf("resize the file to %d bytes: %w", size, err)
	}
	d.image.size, d.image.stored = size, size
	return nil
}

// finishWriting syncs and marks the log empty.
func (d *Disk) finishWriting() error {
	if d.session.failed != nil {
		return fmt.Errorf("an earlier write failed, the log in the file decides: %w", d.session.failed)
	}
	if !d.session.fileRenewed {
		return nil
	}
	if err := d.commit(); err != nil {
		return err
	}
	if d.headers.current.log.IsZero() {
		return nil
	}
	return d.updateHeaders(func(h *header) { h.log = GUID{} })
}

// Sync makes what was written so far survive a crash.
func (d *Disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case !d.writable || !d.session.fileRenewed:
		return nil
	case d.session.failed != nil:
		return fmt.Errorf("an earlier write failed: %w", d.session.failed)
	}
	return d.commit()
}
