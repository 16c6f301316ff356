package ntfs

import (
	"iter"
	"math"
	"math/bits"
)

// An Extent is clusters that follow each other.
type Extent struct{ First, Count int64 }

const bitmapChunk = 64 << 10 // bytes read at a time

// bitmap gives $Bitmap, which holds one bit for each cluster of the volume.
func (v *Volume) bitmap() (*stream, error) {
	n, err := v.inode(recordBitmap)
	if err != nil {
		return nil, err
	}
	a, err := n.need(typeData, "")
	if err != nil {
		return nil, err
	}
	if err := a.readable(); err != nil {
		return nil, n.base.damage(0, "$Bitmap: %w", err)
	}
	if a.initialized < (v.clusters+7)/8 {
		return nil, n.base.damage(0, "$Bitmap of %d bytes for %d clusters", a.initialized, v.clusters)
	}
	return &stream{v: v, a: a, what: n.name()}, nil
}

// Free gives the free clusters of the volume by $Bitmap: in order, and adjacent
// ones as one extent. It ends with the first error. Clusters are counted from
// the start of the volume, in units of [Info]'s ClusterSize; the sectors
// behind the last whole cluster, among them the backup of the boot sector, are
// in none.
func (v *Volume) Free() iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		s, err := v.bitmap()
		if err != nil {
			yield(Extent{}, err)
			return
		}
		for e, err := range s.clear(0, v.clusters) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// clear gives the bits of a bitmap that are 0, from one on up to another.
func (s *stream) clear(from, to int64) iter.Seq2[Extent, error] {
	return s.clearUpTo(from, to, math.MaxInt64)
}

// clearUpTo is clear in extents of at most so many bits.
func (s *stream) clearUpTo(from, to, most int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		buf := make([]byte, bitmapChunk)
		open := Extent{First: -1} // the extent being counted
		for base := from &^ 63; base < to; base += bitmapChunk * 8 {
			b := buf[:min(bitmapChunk, (to-base+7)/8)]
			if err := s.read(b, base/8); err != nil {
				yield(Extent{}, err)
				return
			}
			for bit := max(from, base); bit < min(to, base+bitmapChunk*8); {
				word := loadWord(b, (bit-base)/64) >> (bit % 64)
				left := min(64-bit%64, to-bit)
				if word&1 == 0 {
					if open.First < 0 {
						open = Extent{First: bit}
					}
					n := min(int64(bits.TrailingZeros64(word)), left, most-open.Count)
					open.Count += n
					bit += n
					if open.Count < most {
						continue
					}
					if !yield(open, nil) {
						return
					}
					open.First = -1
					continue
				}
				if open.First >= 0 {
					if !yield(open, nil) {
						return
					}
					open.First = -1
				}
				bit += min(int64(bits.TrailingZeros64(^word)), left)
			}
		}
		if open.First >= 0 {
			yield(open, nil)
		}
	}
}

// loadWord is the i-th 64 bits of a bitmap, the missing ones taken.
func loadWord(b []byte, i int64) uint64 {
	b = b[8*i:]
	if len(b) >= 8 {
		return le.Uint64(b)
	}
	word := ^uint64(0)
	for j, c := range b {
		word = word&^(0xff<<(8*j)) | uint64(c)<<(8*j)
	}
	return word
}
