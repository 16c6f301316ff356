package vhdx

import (
	"context"
	"errors"
	"fmt"
)

// ErrFixed refuses to take blocks from a disk that is to keep them all.
var ErrFixed = errors.New("a fixed disk keeps all its blocks; convert it to a dynamic one")

// Compact gives back payload blocks that are all zero, and sector bitmaps that
// no block needs, moves the rest together, and shortens the file. It returns by
// how many bytes. A crash or a cancellation at any moment leaves the same disk.
// progress, when there is one, hears of blocks that are done, out of total.
func (d *Disk) Compact(ctx context.Context, progress func(done, total int64)) (saved int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.params.leaveAllocated && !d.params.hasParent {
		return 0, ErrFixed
	}
	before := d.image.size
	if err := d.beginWrite(false); err != nil {
		return 0, err
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	if err := d.dropZeroBlocks(ctx, progress); err != nil {
		return 0, err
	}
	if err := d.moveTogether(ctx); err != nil {
		return 0, err
	}
	if err := d.cutFile(); err != nil {
		return 0, err
	}
	return before - d.image.size, nil
}

// dropZeroBlocks takes the place from blocks that need none.
func (d *Disk) dropZeroBlocks(ctx context.Context, progress func(done, total int64)) error {
	buf := make([]byte, mib)
	bitmapNeeded := false // by a payload block of the chunk
	for index := range d.layout.entries {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := d.makeRoom(1); err != nil {
			return err
		}
		e, err := d.entry(index)
		if err != nil {
			return err
		}
		needed := e
		switch block := d.layout.block(index); {
		case d.layout.isBitmap(index):
			if e.state() == statePresent && !bitmapNeeded {
				needed = newBATEntry(stateNotPresent, 0)
				d.sectors.forget(e.offset(), sectorBitmapSize)
			}
			bitmapNeeded = false
		case block < d.layout.blocks:
			if needed, err = d.entryNeeded(block, buf); err != nil {
				return err
			}
			bitmapNeeded = bitmapNeeded || needed.state() == statePartial
		}
		if needed != e {
			if err := d.setEntry(index, needed); err != nil {
				return d.fail(err)
			}
		}
		progress(index+1, d.layout.entries)
	}
	return d.commit()
}

// entryNeeded returns the BAT entry that says of a payload block what its own
// says, and takes as little room as can be.
func (d *Disk) entryNeeded(block int64, buf []byte) (batEntry, error) {
	e, err := d.payload(block)
	if err != nil {
		return 0, err
	}
	if !e.stored() {
		return newBATEntry(e.state(), 0), nil // keeps its meaning, gives up its place
	}
	if e.state() == statePartial {
		length := d.lengthNeeded(d.layout.payloadIndex(block))
		present, run, err := d.bitmapRun(block*d.params.blockSize, length)
		if err != nil || !present || run < length {
			return e, err
		}
	}
	zero, err := d.blockIsZero(e, d.lengthNeeded(d.layout.payloadIndex(block)), buf)
	switch {
	case err != nil:
		return e, err
	case !zero:
		return newBATEntry(statePresent, e.offset()), nil
	case d.params.hasParent:
		return newBATEntry(stateZero, 0), nil // not present would show the parent's data
	}
	return newBATEntry(stateNotPresent, 0), nil
}

func (d *Disk) blockIsZero(e batEntry, length int64, buf []byte) (bool, error) {
	for off := int64(0); off < length; off += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), length-off)]
		if _, err := d.image.ReadAt(part, e.offset()+off); err != nil {
			return false, err
		}
		if !allZero(part) {
			return false, nil
		}
	}
	return true, nil
}

// moveTogether moves what lies behind the place where the file could end into
// gaps before it, until nothing more fits.
func (d *Disk) moveTogether(ctx context.Context) error {
	for moved := true; moved; {
		moved = false
		space, err := d.findSpace()
		if err != nil {
			return err
		}
		d.session.space = space
		target := space.count() * mib
		if d.metadata.offset >= target {
			if moved, err = d.moveMetadata(d.items, d.readItem, d.metadata.offset); err != nil {
				return err
			}
		}
		for index := range d.layout.entries {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			e, err := d.entry(index)
			if err != nil {
				return err
			}
			if !d.holds(index, e) || e.offset()+d.blockLength(index) <= target {
				continue
			}
			ok, err := d.moveBlock(index, e)
			if err != nil {
				return err
			}
			moved = moved || ok
		}
		if err := d.commit(); err != nil {
			return err
		}
	}
	return nil
}

// moveBlock copies a block into a gap before it. Its old place stays taken
// until the BAT in the file names the new one.
func (d *Disk) moveBlock(index int64, e batEntry) (bool, error) {
	if err := d.makeRoom(1); err != nil {
		return false, err
	}
	length := d.blockLength(index)
	place, ok := d.session.space.takeBelow(length, e.offset())
	if !ok {
		return false, nil
	}
	if d.layout.isBitmap(index) {
		d.sectors.forget(e.offset(), length) // clean: the commit before saw to that
	}
	buf := make([]byte, mib)
	for off := int64(0); off < d.lengthNeeded(index); off += mib {
		part := buf[:min(mib, d.lengthNeeded(index)-off)]
		if _, err := d.image.ReadAt(part, e.offset()+off); err != nil {
			return false, d.fail(err)
		}
		if _, err := d.file.WriteAt(part, place+off); err != nil {
			return false, d.fail(err)
		}
	}
	d.session.space.free(e.offset(), length)
	if err := d.setEntry(index, newBATEntry(e.state(), place)); err != nil {
		return false, d.fail(err)
	}
	return true, nil
}

// cutFile ends the file behind what is taken. The log is marked empty before:
// an entry in it may say that the file is longer.
func (d *Disk) cutFile() error {
	if end := d.session.space.end * mib; end < d.image.size {
		if !d.headers.current.log.IsZero() {
			if err := d.updateHeaders(func(h *header) { h.log = GUID{} }); err != nil {
				return d.fail(err)
			}
		}
		if err := d.resizeFile(end); err != nil {
			return err
		}
		if err := d.file.Sync(); err != nil {
			return fmt.Errorf("sync the shortened file: %w", err)
		}
	}
	return nil
}
