package signing

import "crypto/sha256"

const (
	minSegment  = 1 << 20 // bytes
	maxSegments = 16384   // of all volumes together: 512 KiB of hashes
)

// segmentSize is the smallest power of two, 1 MiB or more, that cuts volumes of these sizes into at most maxSegments
// segments. There must be no more volumes than that.
func segmentSize(volumes []int64) int64 {
	for size := int64(minSegment); ; size *= 2 {
		count := int64(0)
		for _, length := range volumes {
			count += pieces(length, size)
		}
		if count <= maxSegments {
			return size
		}
	}
}

// pieces is how many of that size, the last perhaps shorter, make up the length.
func pieces(length, size int64) int64 {
	count := length / size
	if length%size != 0 {
		count++
	}
	return count
}

// A Range is a run of bytes.
type Range struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// End is the offset of the first byte after the range.
func (r Range) End() int64 { return r.Offset + r.Length }

// Range is where a volume lies on the disk d.
func (v *Volume) Range(d Disk) Range {
	return Range{int64(v.First) * int64(d.SectorSize), int64(v.Sectors) * int64(d.SectorSize)}
}

// sizes are those of the volumes, in bytes.
func (c *Catalog) sizes() []int64 {
	sizes := make([]int64, len(c.Volumes))
	for i := range c.Volumes {
		sizes[i] = c.Volumes[i].Range(c.Disk).Length
	}
	return sizes
}

// segments gives all segments, volume by volume, as ranges of the disk.
func (c *Catalog) segments() []Range {
	var all []Range
	for i := range c.Volumes {
		v := c.Volumes[i].Range(c.Disk)
		for at := v.Offset; at < v.End(); at += c.Hash.Segment {
			all = append(all, Range{at, min(c.Hash.Segment, v.End()-at)})
		}
	}
	return all
}

// segmentCount is how many segments the volume has.
func (v *Volume) segmentCount() int { return len(v.Segments) / sha256.Size }

// segmentDigest is the signed hash of segment n.
func (v *Volume) segmentDigest(n int) [sha256.Size]byte {
	return [sha256.Size]byte(v.Segments[n*sha256.Size:])
}
