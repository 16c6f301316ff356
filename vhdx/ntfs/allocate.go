package ntfs

import (
	"fmt"
)

// allocate takes free clusters for part of a stream that begins at a virtual
// cluster: those at near if they are free, otherwise together if there is such
// a place, and outside the room kept for the MFT to grow if there is any.
func (e *Editor) allocate(vcn, count, near int64) ([]run, error) {
	var runs []run
	take := func(x Extent, most int64) error {
		n := min(x.Count, most)
		if err := e.mark(x.First, n); err != nil {
			return err
		}
		runs = appendRun(runs, run{vcn: vcn, lcn: x.First, count: n})
		vcn, count = vcn+n, count-n
		return nil
	}
	if near > 0 && near < e.v.clusters {
		for x, err := range e.bits.clear(near, min(near+count, e.v.clusters)) {
			if err != nil {
				return nil, err
			}
			if x.First == near {
				if err := take(x, count); err != nil {
					return nil, err
				}
			}
			break
		}
	}
	for least := count; count > 0 && least > 0; least /= 2 {
		for _, zone := range e.zones() {
			for x, err := range e.bits.clearUpTo(zone[0], zone[1], count) {
				if err != nil {
					return nil, err
				}
				if x.Count < least {
					continue
				}
				if err := take(x, count); err != nil {
					return nil, err
				}
				if e.cursor = x.First + x.Count; count == 0 {
					e.cursor = runs[len(runs)-1].lcn + runs[len(runs)-1].count
					return runs, nil
				}
				if count < least {
					break
				}
			}
			if count < least {
				break
			}
		}
	}
	if count > 0 {
		if err := e.unmark(runs); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %d clusters are missing", ErrFull, count)
	}
	return runs, nil
}

// unmark gives clusters back that the same change took and has not used.
func (e *Editor) unmark(runs []run) error {
	for _, r := range runs {
		if err := e.setBits(e.bits, phaseClaim, r.lcn, r.count, false); err != nil {
			return err
		}
	}
	return nil
}

// zones is where to look for clusters, in order: the room behind the MFT, an
// eighth of the volume, comes last.
func (e *Editor) zones() [][2]int64 {
	last := e.v.mft.a.runs[len(e.v.mft.a.runs)-1]
	from := last.lcn + last.count
	to := min(from+e.v.clusters/8, e.v.clusters)
	all := [][2]int64{{0, from}, {to, e.v.clusters}, {from, to}}
	if c := e.cursor; c > 0 && c < from {
		return append([][2]int64{{c, from}}, all...)
	} else if c >= to && c < e.v.clusters {
		return append([][2]int64{{c, e.v.clusters}}, all...)
	}
	return all
}

// mark takes clusters that are free.
func (e *Editor) mark(first, count int64) error {
	return e.setBits(e.bits, phaseClaim, first, count, true)
}

// setBits changes bits of a bitmap that all must have been the opposite.
func (e *Editor) setBits(s *stream, phase int, first, count int64, to bool) error {
	for count > 0 {
		n := min(count, bitmapChunk*8-first%8)
		b := make([]byte, (first+n+7)/8-first/8)
		if err := s.read(b, first/8); err != nil {
			return err
		}
		for i := first; i < first+n; i++ {
			bit := byte(1) << (i % 8)
			c := &b[i/8-first/8]
			if (*c&bit != 0) == to {
				return damage(s.what, -1, "bit %d of %v is %v already", i, s.a, to)
			}
			*c ^= bit
		}
		if err := e.writeStream(phase, s, first/8, b); err != nil {
			return err
		}
		first, count = first+n, count-n
	}
	return nil
}

// writeStream writes into a stream that is not resident.
func (e *Editor) writeStream(phase int, s *stream, off int64, b []byte) error {
	if off+int64(len(b)) > s.a.allocated {
		return damage(s.what, -1, "%v ends before byte %d", s.a, off+int64(len(b)))
	}
	for len(b) > 0 {
		at, n, err := s.place(off)
		if err != nil {
			return err
		}
		if at == hole {
			return damage(s.what, -1, "%v has a hole at byte %d", s.a, off)
		}
		n = min(n, int64(len(b)))
		if err := e.tx.write(phase, at, b[:n]); err != nil {
			return err
		}
		b, off = b[n:], off+n
	}
	return nil
}

// release gives clusters up once the change is written.
func (e *Editor) release(runs []run) {
	for _, r := range runs {
		if r.lcn != hole {
			e.freed = append(e.freed, Extent{r.lcn, r.count})
		}
	}
}

// enlarge gives a stream that is not resident more clusters, up to a size, and
// leaves them as they are.
func (e *Editor) enlarge(a *attribute, size int64) error {
	if size > a.allocated {
		vcn, near := int64(0), int64(0)
		if n := len(a.runs); n > 0 {
			last := a.runs[n-1]
			vcn, near = last.vcn+last.count, last.lcn+last.count
		}
		more, err := e.allocate(vcn, (size-a.allocated+e.v.clusterSize-1)/e.v.clusterSize, near)
		if err != nil {
			return err
		}
		for _, r := range more {
			a.runs = appendRun(a.runs, r)
		}
		all, _ := clustersOf(a.runs)
		a.allocated = all * e.v.clusterSize
	}
	a.size, a.initialized = size, size
	return nil
}

// beyond gives the clusters of a stream from a virtual one on.
func beyond(runs []run, vcn int64) (list []run) {
	for _, r := range runs {
		if skip := max(vcn-r.vcn, 0); skip < r.count && r.lcn != hole {
			list = append(list, run{vcn: r.vcn + skip, lcn: r.lcn + skip, count: r.count - skip})
		}
	}
	return list
}

// settle moves the value of a resident attribute into clusters.
func (e *Editor) settle(a *attribute) error {
	value := a.value
	a.resident, a.value, a.runs, a.allocated = false, nil, nil, 0
	if err := e.enlarge(a, int64(len(value))); err != nil {
		return err
	}
	padded := make([]byte, a.allocated)
	copy(padded, value)
	return e.writeStream(phaseFill, &stream{v: e.v, a: a, what: a.String()}, 0, padded)
}
