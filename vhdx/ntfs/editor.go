package ntfs

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Editor adds to a volume. Each of its calls does all it should or leaves
// the volume as it was, unless the device fails: then the volume stays marked
// dirty, and every later call fails with [ErrBroken].
//
// With its first change the editor marks the volume dirty and empties the log,
// as nothing that it does is logged; [Editor.Close] marks the volume clean
// again. In between each change is written in this order: the bitmaps take the
// clusters and records it needs; these are filled; the MFT's own record grows;
// the records of existing files and then the nodes of indexes, from the root
// down, begin to lead to them; what nothing leads to any more is given up. So
// a process that dies midway leaves a volume that asks for chkdsk, on which
// every file that was there can still be read: at worst clusters and records
// are taken that nobody uses, an index holds names twice, a new file has no
// name yet, or $MFTMirr is one change behind the MFT. A power cut during the write of one MFT record or index block
// can lose what it holds, as anywhere on NTFS without its log.
//
// An Editor must not be used by several goroutines at once.
type Editor struct {
	// Now gives the time that files get.
	Now func() time.Time

	v      *Volume
	tx     *transaction
	bits   *stream // $Bitmap
	mirror *stream // $MFTMirr
	broken bool
	closed bool
	dirty  bool // the volume is marked so, by this editor

	cursor     int64  // where clusters were found last
	nextRecord uint64 // behind the record that was found last
	freed      []Extent
	discarded  []uint64
	known      map[string]uint32 // security descriptors whose IDs were looked up
	checked    map[uint64]bool   // directories whose bitmap was compared with their index
}

var errClosed = errors.New("the editor is closed")

// Edit opens the volume of size bytes on a device to be changed. It changes
// nothing yet. It fails with [ErrDirty], [ErrHibernated], [ErrLog] or
// [ErrVersion] where the volume must not be changed, and with a [DamageError]
// where $MFTMirr is no copy of the MFT or [Volume.Check] finds fault, for which
// it reads the whole MFT.
func Edit(d Device, size int64) (*Editor, error) {
	e, err := edit(d, size)
	if err != nil {
		return nil, fmt.Errorf("change NTFS volume: %w", err)
	}
	return e, nil
}

func edit(d Device, size int64) (*Editor, error) {
	tx := &transaction{dev: d, sector: stride}
	v, err := open(tx, size)
	if err != nil {
		return nil, err
	}
	tx.sector = int64(v.sectorSize)
	e := &Editor{v: v, tx: tx, Now: time.Now, known: map[string]uint32{}, checked: map[uint64]bool{}}
	if v.info.Major != 3 || v.info.Minor > 1 {
		return nil, fmt.Errorf("NTFS %d.%d: %w", v.info.Major, v.info.Minor, ErrVersion)
	}
	state, err := v.state()
	if err != nil {
		return nil, err
	}
	if err := state.Err(); err != nil {
		return nil, err
	}
	if v.recordSize < 1024 || v.clusterSize < int64(v.sectorSize) {
		return nil, damage("boot sector", 64, "MFT records of %d bytes", v.recordSize)
	}
	if err := v.mirrored(); err != nil {
		return nil, err
	}
	if e.bits, err = v.bitmap(); err != nil {
		return nil, err
	}
	n, a, err := v.mirror()
	if err != nil {
		return nil, err
	}
	e.mirror = &stream{v: v, a: a, what: n.name()}
	if err := e.checkRecords(); err != nil {
		return nil, err
	}
	return e, v.check()
}

// checkRecords requires that the MFT's bitmap has the metadata files as taken.
func (e *Editor) checkRecords() error {
	_, records, err := e.recordBits()
	if err != nil {
		return err
	}
	for x, err := range records.clear(0, firstListed) {
		if err != nil {
			return err
		}
		return damage(records.what, -1, "$BITMAP has record %d as free", x.First)
	}
	return nil
}

// Volume gives the volume as the editor's calls so far have left it. It must
// not be read while a call is under way.
func (e *Editor) Volume() *Volume { return e.v }

// change runs one change and writes it, or forgets it if it fails.
func (e *Editor) change(f func() error) error {
	switch {
	case e.closed:
		return errClosed
	case e.broken:
		return ErrBroken
	}
	if !e.dirty { // a change that fails must not leave its mark
		err := f()
		if again := e.forget(); err != nil || again != nil {
			return errors.Join(err, again)
		}
		if err := e.begin(); err != nil {
			return err
		}
	}
	err := f()
	if err == nil {
		err = e.finish()
	}
	if err != nil && !e.broken {
		err = errors.Join(err, e.forget())
	}
	return err
}

// forget drops a change that was not written.
func (e *Editor) forget() error {
	e.freed, e.discarded = nil, nil
	e.tx.reset()
	if err := e.v.openMFT(); err != nil {
		e.broken = true
		return err
	}
	e.v.info.Records = int64(e.v.records())
	return nil
}

// begin marks the volume dirty and empties the log, before the first change.
func (e *Editor) begin() error {
	// From here on a failure may leave the mark.
	if err := e.setDirty(true); err != nil {
		e.broken = true
		return err
	}
	e.dirty = true
	if err := e.emptyLog(); err != nil {
		e.broken = true
		return err
	}
	return nil
}

// finish writes what a change has collected.
func (e *Editor) finish() error {
	discarded := e.discarded
	slices.Sort(discarded)
	for _, number := range slices.Compact(discarded) {
		if err := e.discard(number); err != nil {
			return err
		}
	}
	for _, x := range e.freed {
		if err := e.setBits(e.bits, phaseRelease, x.First, x.Count, false); err != nil {
			return err
		}
	}
	e.freed, e.discarded = nil, nil
	if err := e.tx.flush(); err != nil {
		e.broken = true
		return err
	}
	return nil
}

// Close marks the volume clean. After a change that failed halfway it leaves
// the mark and gives [ErrBroken].
func (e *Editor) Close() error {
	switch {
	case e.closed:
		return nil
	case e.broken:
		e.closed = true
		return ErrBroken
	}
	e.closed = true
	if !e.dirty {
		return nil
	}
	if err := e.tx.sync(); err != nil {
		return fmt.Errorf("mark NTFS volume clean: %w", err)
	}
	if err := e.setDirty(false); err != nil {
		return fmt.Errorf("mark NTFS volume clean: %w", err)
	}
	return nil
}

// setDirty changes the mark in $Volume, and nothing else in its record.
func (e *Editor) setDirty(dirty bool) error {
	r, err := e.v.record(recordVolume)
	if err != nil {
		return err
	}
	extents, err := r.extents()
	if err != nil {
		return err
	}
	for i := range extents {
		x := &extents[i]
		if x.typ != typeVolumeInformation || len(x.value) < 12 {
			continue
		}
		flags := le.Uint16(x.value[10:]) &^ volumeDirty
		if dirty {
			flags |= volumeDirty
		}
		le.PutUint16(x.value[10:], flags)
		if err := e.putRecord(r, phaseLink); err != nil {
			return err
		}
		if err := e.tx.flush(); err != nil {
			return err
		}
		return e.tx.sync()
	}
	return r.damage(0, "has no $VOLUME_INFORMATION")
}

// emptyLog fills $LogFile with ones, as Windows' format and every other writer
// of NTFS leave it: Windows makes a new log when it next mounts the volume. Its
// first pages, which say that the log is clean, go first: those behind them are
// never looked at without them.
func (e *Editor) emptyLog() error {
	log, err := e.v.log()
	if err != nil {
		return err
	}
	ones := slices.Repeat([]byte{0xff}, 1<<16)
	b := make([]byte, len(ones))
	for off := int64(0); off < log.a.size; off += int64(len(b)) {
		b = b[:min(int64(len(b)), log.a.size-off)]
		if err := log.read(b, off); err != nil {
			return err
		}
		if slices.Equal(b, ones[:len(b)]) {
			continue
		}
		if err := e.writeStream(phaseLink, log, off, ones[:len(b)]); err != nil {
			return err
		}
		if err := e.tx.flush(); err != nil {
			return err
		}
	}
	return nil
}
