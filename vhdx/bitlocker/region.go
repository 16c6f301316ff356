package bitlocker

import (
	"fmt"
	"sort"
)

// A region is a run of the volume that is kept in one way. Its numbers are bytes, and whole sectors.
type region struct {
	start, end int64
	kind       regionKind
	source     int64 // of the moved, where the run lies
}

type regionKind int

const (
	regionEncrypted regionKind = iota
	regionPlain                // not encrypted yet, or decrypted already
	regionZero                 // of the metadata: reads as zeros
	regionMoved                // the first sectors, which lie elsewhere
)

// A regionMap is the whole volume in regions, in order and without gaps.
type regionMap []region

// cover puts parts, which are in order, over what is there.
func (m regionMap) cover(parts ...region) regionMap {
	covered := make(regionMap, 0, len(m)+2*len(parts))
	for _, old := range m {
		at := old.start
		for len(parts) > 0 && parts[0].start < old.end {
			p := parts[0]
			if p.start >= p.end {
				parts = parts[1:]
				continue
			}
			p.end = min(p.end, m[len(m)-1].end)
			if p.start >= old.start && p.start < p.end {
				covered = covered.add(old.part(at, p.start))
				covered = covered.add(p)
			}
			at = max(at, p.end)
			if p.end > old.end {
				break
			}
			parts = parts[1:]
		}
		covered = covered.add(old.part(min(at, old.end), old.end))
	}
	return covered
}

// add appends a region, or makes the last one longer.
func (m regionMap) add(r region) regionMap {
	if r.start >= r.end {
		return m
	}
	if last := len(m) - 1; last >= 0 && m[last].kind == r.kind && r.kind != regionMoved {
		m[last].end = r.end
		return m
	}
	return append(m, r)
}

// part cuts a region.
func (r region) part(start, end int64) region {
	if r.kind == regionMoved {
		r.source += start - r.start
	}
	r.start, r.end = start, end
	return r
}

// at gives the part from off on of the region that holds it, up to size bytes.
func (m regionMap) at(off, size int64) region {
	i := sort.Search(len(m), func(i int) bool { return m[i].end > off })
	return m[i].part(off, min(m[i].end, off+size))
}

// An extent is something in the volume that BitLocker keeps there.
type extent struct {
	what         string
	offset, size uint64
}

// check says what is wrong with where extents lie: each has whole sectors within the volume, behind the first sectors that
// are moved, and none is over another.
func checkExtents(extents []extent, first, size int64, sectorSize int) error {
	sorted := append([]extent(nil), extents...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].offset < sorted[j].offset })
	end, before := uint64(first), "the first sectors"
	for _, e := range sorted {
		if e.offset%uint64(sectorSize) != 0 || e.size%uint64(sectorSize) != 0 {
			return fmt.Errorf("%w: %s at offset %#x (%#x bytes) are not whole sectors of %d", ErrMetadata, e.what, e.offset, e.size, sectorSize)
		}
		if e.offset > uint64(size) || e.size > uint64(size)-e.offset {
			return fmt.Errorf("%w: %s at offset %#x (%#x bytes) are not within the volume of %#x bytes", ErrMetadata, e.what, e.offset, e.size, size)
		}
		if e.offset < end {
			return fmt.Errorf("%w: %s at offset %#x are over %s", ErrMetadata, e.what, e.offset, before)
		}
		end, before = e.offset+e.size, e.what
	}
	return nil
}

// layout is where the parts of a volume lie.
type layout struct {
	first    int64     // the bytes that are moved
	logical  regionMap // how the volume looks to its user: zero, moved, or as below
	physical regionMap // how its sectors are: encrypted or plain
}

// layOut reads from the metadata where everything is.
func layOut(m *metadata, size int64, sectorSize int) (layout, error) {
	first := int64(m.headerSectors) * int64(sectorSize)
	if first == 0 || first > size {
		return layout{}, fmt.Errorf("%w: %d first sectors are moved, of a volume of %#x bytes", ErrMetadata, m.headerSectors, size)
	}
	if size%int64(sectorSize) != 0 {
		size -= size % int64(sectorSize)
	}
	extents := []extent{
		{"metadata block 1", m.offsets[0], blockAreaSize},
		{"metadata block 2", m.offsets[1], blockAreaSize},
		{"metadata block 3", m.offsets[2], blockAreaSize},
		{"the moved first sectors", m.headerOffset, uint64(first)},
	}
	whole := regionMap{{0, size, regionEncrypted, 0}}
	l := layout{first, whole, whole}
	if m.state == stateDecrypted {
		l.physical = regionMap{{0, size, regionPlain, 0}}
	} else if m.encryptedSize < uint64(size) {
		if m.encryptedSize%uint64(sectorSize) != 0 {
			return layout{}, fmt.Errorf("%w: %#x bytes are encrypted, which is not whole sectors", ErrMetadata, m.encryptedSize)
		}
		l.physical = l.physical.cover(region{int64(m.encryptedSize), size, regionPlain, 0})
		if m.state == stateSwitching && m.convertSize > 0 {
			extents = append(extents, extent{"the log of the conversion", m.encryptedSize, uint64(m.convertSize)})
		}
	}
	if err := checkExtents(extents, first, size, sectorSize); err != nil {
		return layout{}, err
	}
	for _, e := range extents {
		l.logical = l.logical.cover(region{int64(e.offset), int64(e.offset + e.size), regionZero, 0})
	}
	l.logical = l.logical.cover(region{0, first, regionMoved, int64(m.headerOffset)})
	return l, nil
}
