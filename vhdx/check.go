package vhdx

import (
	"errors"
	"fmt"
	"os"
)

// A Report is what Check found in a file.
type Report struct {
	// LogHoldsUnwritten: the file was not closed in order. It reads as it
	// should; Repair, or any open for writing, brings the changes to their place.
	LogHoldsUnwritten bool        `json:"logHoldsUnwritten"`
	Violations        []Violation `json:"violations"`
	Omitted           int         `json:"omitted"` // violations beyond the first thousand
	Blocks            BlockCounts `json:"blocks"`
}

// Healthy reports whether there is nothing to repair or to worry about.
func (r *Report) Healthy() bool { return !r.LogHoldsUnwritten && len(r.Violations) == 0 }

// BlockCounts counts payload blocks by state, section 2.5.1.1.
type BlockCounts struct {
	Total      int64 `json:"total"`
	Present    int64 `json:"present"`
	Partial    int64 `json:"partial"`
	Zero       int64 `json:"zero"`
	Unmapped   int64 `json:"unmapped"`
	Undefined  int64 `json:"undefined"`
	NotPresent int64 `json:"notPresent"`
}

// Check names every violation of the specification in the file at path, with
// its offset, and changes nothing. The error is for what keeps it from reading
// the file, and ErrNotVHDX; a file full of violations gives a report.
func Check(path string) (*Report, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := CheckFile(f, path)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	return r, nil
}

// CheckFile is Check for an open file; path is as in Options.
func CheckFile(file File, path string) (*Report, error) {
	f := &findings{}
	r := &Report{}
	s, err := readStructure(file, f)
	if s.image != nil {
		r.LogHoldsUnwritten = s.image.active
	}
	var violation *Violation
	if err != nil && !errors.As(err, &violation) {
		return nil, err
	}
	if err == nil {
		c := &chain{}
		if err := c.keep(s); err != nil {
			return nil, err
		}
		d := &Disk{structure: s, file: file, path: path, sectors: c.sectors.add(s.image)}
		if err := d.checkBAT(&r.Blocks, f); err != nil {
			return nil, err
		}
		if s.params.hasParent {
			parent, _, err := openParent(file, s, path, c)
			if err != nil {
				_ = f.fatal(s.metadata.offset, "2.6.2.6", "%v", err)
			} else if err := parent.Close(); err != nil {
				return nil, err
			}
		}
	}
	r.Violations, r.Omitted = f.list, f.dropped
	return r, nil
}

// checkBAT checks every entry on its own and against the others.
func (d *Disk) checkBAT(counts *BlockCounts, f *findings) error {
	counts.Total = d.layout.blocks
	used := &space{}
	for _, r := range d.reserved {
		used.mark(r.offset, r.length)
	}
	if d.params.leaveAllocated && !d.params.hasParent && d.image.size < d.params.size {
		f.fault(d.image.size, "2.6.2.1", "the file of a fixed disk is shorter than the disk")
	}
	partial := int64(-1) // a partially present block of the chunk
	stale := false
	err := d.readBAT(func(index int64, e batEntry) error {
		at := d.bat.offset + 8*index
		if e.reserved() {
			f.fault(at, "2.5.1", "BAT entry %d: reserved bits are not zero", index)
		}
		if d.layout.isBitmap(index) {
			d.checkBitmapEntry(at, index, e, partial, used, f)
			partial = -1
			return nil
		}
		block := d.layout.block(index)
		if block >= d.layout.blocks {
			if e.state() != stateNotPresent {
				f.fault(at, "2.5", "BAT entry %d is %s, and the disk ends before it", index, e)
			}
			return nil
		}
		switch e.state() {
		case stateNotPresent:
			counts.NotPresent++
		case stateZero:
			counts.Zero++
		case stateUndefined:
			counts.Undefined++
		case stateUnmapped:
			counts.Unmapped++
		case statePartial:
			counts.Partial++
			if !d.params.hasParent {
				_ = f.fatal(at, "2.5.1.1", "payload block %d is partially present, and the disk has no parent", block)
			}
			partial = block
		case statePresent:
			counts.Present++
		default:
			_ = f.fatal(at, "2.5.1.1", "payload block %d has the reserved state %d", block, e.state())
		}
		if e.stored() {
			d.checkStored(at, index, e, fmt.Sprintf("payload block %d", block), used, f)
		}
		stale = stale || e.keepsPlace()
		return nil
	})
	if err != nil || !stale {
		return err
	}
	// Blocks that were given up may name the place that they had. It is theirs
	// only as long as no other block has it: they come after all those.
	return d.readBAT(func(index int64, e batEntry) error {
		if block := d.layout.block(index); !d.layout.isBitmap(index) && block < d.layout.blocks && e.keepsPlace() {
			at, name := d.bat.offset+8*index, fmt.Sprintf("payload block %d, %s", block, stateNames[e.state()])
			if v := d.checkPlace(at, e.offset(), d.lengthNeeded(index)); v != nil {
				f.fault(at, "2.5.1.1", "%s: %s", name, v.Text)
			} else if !used.mark(e.offset(), d.blockLength(index)) {
				f.fault(at, "2.5.1.1", "%s at %#x overlaps another block", name, e.offset())
			}
		}
		return nil
	})
}

func (d *Disk) checkBitmapEntry(at, index int64, e batEntry, partial int64, used *space, f *findings) {
	chunk := index / (d.layout.chunkRatio + 1)
	switch {
	case e.state() == statePresent && !d.params.hasParent:
		f.fault(at, "2.5.1.2", "the sector bitmap block of chunk %d is present, and the disk has no parent", chunk)
	case e.state() == statePresent:
		d.checkStored(at, index, e, fmt.Sprintf("the sector bitmap block of chunk %d", chunk), used, f)
	case e.state() != stateNotPresent && partial < 0:
		f.fault(at, "2.5.1.2", "the sector bitmap block of chunk %d has the reserved state %d", chunk, e.state())
	case partial >= 0:
		_ = f.fatal(at, "2.5.1.2", "the sector bitmap block of chunk %d is missing, and payload block %d needs it", chunk, partial)
	}
}

// checkStored checks the place of a block and takes it.
func (d *Disk) checkStored(at, index int64, e batEntry, name string, used *space, f *findings) {
	if v := d.checkPlace(at, e.offset(), d.lengthNeeded(index)); v != nil {
		_ = f.fatal(v.Offset, v.Section, "%s: %s", name, v.Text)
		return
	}
	if !used.mark(e.offset(), d.blockLength(index)) {
		_ = f.fatal(at, "2.5.1", "%s at %#x overlaps another block", name, e.offset())
	}
}

// Repair brings to their place the changes that the log holds, and restores a
// header or a copy of the region table from the other. It returns what it did:
// nothing, when there was nothing that can be repaired. Parents are not needed.
func Repair(path string) (done []string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if done, err = RepairFile(f); err != nil {
		return done, fmt.Errorf("repair %s: %w", path, err)
	}
	return done, nil
}

// RepairFile is Repair for an open file.
func RepairFile(file File) (done []string, err error) {
	d, err := OpenFile(file, Options{Writable: true, WithoutParent: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.session.replayed {
		done = append(done, "brought the changes in the log to their place")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.headers.spare || d.tablesDiffer {
		spare := d.headers.spare
		if err := d.beginWrite(false); err != nil {
			return done, err
		}
		if !spare {
			done = append(done, "restored a header from the other")
		}
	}
	if d.tablesDiffer {
		table := marshalRegionTable(d.regions)
		for _, offset := range regionOffsets {
			d.stage(offset, table)
		}
		if err := d.commit(); err != nil {
			return done, err
		}
		done = append(done, "restored a copy of the region table from the other")
	}
	return done, nil
}
