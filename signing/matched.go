package signing

import (
	"context"
	"crypto/sha256"
	"hash"
)

// A VolumeReader keeps the data of a segment while it hashes them, up to maxKept bytes: all of it on disks up to 128 GiB.
// What is beyond that it reads again when it is wanted, and compares with what it hashed.
const (
	maxKept  = 8 << 20 // bytes of each segment
	maxAhead = 3       // segments
)

// matched is a segment that matched. It is used for one segment after another.
type matched struct {
	reader *VolumeReader
	n      int
	place  Range // within the volume
	kept   []byte
	chunks []matchedChunk
	again  []byte // for a chunk that is read again
}

type matchedChunk struct {
	data []byte // within kept; nil when zero or to be read again

	// To be read again: a SHA-256 of the segment up to here, and its sum when it has seen this chunk as well.
	before hash.Cloner
	sum    [sha256.Size]byte
}

func (r *VolumeReader) newMatched() *matched {
	segment := r.catalog.Hash.Segment
	return &matched{
		reader: r,
		kept:   make([]byte, min(segment, maxKept)),
		chunks: make([]matchedChunk, pieces(segment, chunkSize)),
		again:  make([]byte, chunkSize),
	}
}

// verify hashes segment n and keeps its data, as far as there is room.
func (m *matched) verify(ctx context.Context, n int) error {
	r := m.reader
	alteration := r.catalog.alteration(r.volume, n, 1)
	m.n, m.place = n, alteration.InVolume
	m.chunks = m.chunks[:pieces(m.place.Length, chunkSize)]
	if alteration.OnDisk.End() > r.disk.Size() {
		return &AlteredError{alteration}
	}
	stored, err := isStored(r.disk, alteration.OnDisk)
	if err != nil {
		return err
	}
	segment := segmentHash{zeros: &r.zeros}
	if stored {
		err = m.hash(ctx, alteration.OnDisk, &segment)
	} else {
		segment.leading = m.place.Length
		clear(m.chunks)
	}
	if err == nil && segment.sum() != r.catalog.Volumes[r.volume].segmentDigest(n) {
		err = &AlteredError{alteration}
	}
	return err
}

// hash reads the segment, which is at that place on the disk.
func (m *matched) hash(ctx context.Context, onDisk Range, segment *segmentHash) error {
	free := m.kept
	i := 0
	for place := range onDisk.chunks() {
		if err := ctx.Err(); err != nil {
			return err
		}
		into := free
		full := int64(len(free)) < place.Length
		if full {
			into = m.again
		}
		data, err := readChunk(m.reader.disk, place, into)
		if err != nil {
			return err
		}
		var c matchedChunk
		switch {
		case isZero(data):
			segment.write(data)
		case full:
			c.before = segment.state()
			segment.write(data)
			c.sum = segment.sum()
		default:
			segment.write(data)
			c.data, free = data, free[place.Length:]
		}
		m.chunks[i] = c
		i++
	}
	return nil
}

// chunk gives the bytes of chunk i that were hashed. They may be used until the next call.
func (m *matched) chunk(i int) (Chunk, error) {
	offset := m.place.Offset + int64(i)*chunkSize
	out := Chunk{Range: Range{offset, min(chunkSize, m.place.End()-offset)}}
	c := m.chunks[i]
	if c.before == nil {
		out.Data = c.data
		return out, nil
	}
	data := m.again[:out.Length]
	if err := readAt(m.reader.disk, data, m.reader.place.Offset+offset); err != nil {
		return Chunk{}, err
	}
	h := clone(c.before)
	h.Write(data)
	if sumOf(h) != c.sum {
		return Chunk{}, &AlteredError{m.reader.catalog.alteration(m.reader.volume, m.n, 1)}
	}
	out.Data = data
	return out, nil
}
