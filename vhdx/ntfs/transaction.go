package ntfs

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// A Device is what an [Editor] works on. If it has a method Sync() error, that
// is called where writes must not be reordered.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

// Phases of a change, in the order in which they are written. Whatever a phase
// refers to was written in one before it.
const (
	phaseClaim   = iota // clusters and records are marked as taken
	phaseFill           // they are filled; nothing leads to them
	phaseMFT            // the MFT's own record
	phaseLink           // records of files that were there before
	phaseIndex          // nodes of indexes by depth, the upper ones first
	phaseRelease = phaseIndex + maxDepth
	phases       = phaseRelease + 1
)

// A transaction collects the writes of one change, in sectors, and reads as if
// they were done.
type transaction struct {
	dev     Device
	sector  int64
	written [phases]map[int64][]byte // sectors as they are after each phase
	latest  map[int64][]byte
	data    []pending
}

// pending is data for clusters that were free.
type pending struct {
	off int64
	b   []byte
}

func (t *transaction) reset() {
	t.written = [phases]map[int64][]byte{}
	t.latest = nil
	t.data = nil
}

// ReadAt reads what the volume will hold.
func (t *transaction) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.dev.ReadAt(p, off)
	if len(t.latest) == 0 || off < 0 {
		return n, err
	}
	for s := off / t.sector; s*t.sector < off+int64(n); s++ {
		b, ok := t.latest[s]
		if !ok {
			continue
		}
		if at := s*t.sector - off; at >= 0 {
			copy(p[at:n], b)
		} else {
			copy(p[:n], b[-at:])
		}
	}
	return n, err
}

// write changes bytes in a phase, and so in all later ones.
func (t *transaction) write(phase int, off int64, p []byte) error {
	for len(p) > 0 {
		s := off / t.sector
		skip := off - s*t.sector
		n := min(t.sector-skip, int64(len(p)))
		if err := t.own(phase, s); err != nil {
			return err
		}
		for _, sectors := range t.written[phase:] {
			if b, ok := sectors[s]; ok {
				copy(b[skip:], p[:n])
			}
		}
		p, off = p[n:], off+n
	}
	return nil
}

// own gives a phase its own copy of a sector.
func (t *transaction) own(phase int, s int64) error {
	if t.latest == nil {
		t.latest = map[int64][]byte{}
	}
	if t.written[phase] == nil {
		t.written[phase] = map[int64][]byte{}
	}
	if t.written[phase][s] != nil {
		return nil
	}
	b := make([]byte, t.sector)
	before, last := phase, true
	for before--; before >= 0 && t.written[before][s] == nil; before-- {
	}
	for _, later := range t.written[phase+1:] {
		last = last && later[s] == nil
	}
	if before >= 0 {
		copy(b, t.written[before][s])
	} else if n, err := t.dev.ReadAt(b, s*t.sector); n < len(b) {
		return fmt.Errorf("read sector %d: %w", s, err)
	}
	t.written[phase][s] = b
	if last {
		t.latest[s] = b
	}
	return nil
}

// flush writes everything, phase by phase.
func (t *transaction) flush() error {
	first := true
	for phase, sectors := range t.written {
		if len(sectors) == 0 && (phase != phaseFill || len(t.data) == 0) {
			continue
		}
		// The first two phases are what nothing leads to: their order does not count.
		if !first && phase > phaseFill {
			if err := t.sync(); err != nil {
				return err
			}
		}
		first = false
		if err := t.writeSectors(sectors); err != nil {
			return err
		}
		if phase != phaseFill {
			continue
		}
		for _, d := range t.data {
			if _, err := t.dev.WriteAt(d.b, d.off); err != nil {
				return err
			}
		}
	}
	t.reset()
	return nil
}

// writeSectors writes sectors in order, those that touch at once.
func (t *transaction) writeSectors(sectors map[int64][]byte) error {
	order := slices.Sorted(maps.Keys(sectors))
	for i := 0; i < len(order); {
		run := slices.Clone(sectors[order[i]])
		j := i + 1
		for ; j < len(order) && order[j] == order[j-1]+1; j++ {
			run = append(run, sectors[order[j]]...)
		}
		if _, err := t.dev.WriteAt(run, order[i]*t.sector); err != nil {
			return err
		}
		i = j
	}
	return nil
}

func (t *transaction) sync() error {
	if s, ok := t.dev.(interface{ Sync() error }); ok {
		return s.Sync()
	}
	return nil
}
