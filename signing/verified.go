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

// verified is a segment that matched. It is used for one segment after another.
type verified struct {
	reader *VolumeReader
	n      int
	place  Range // within the volume
	kept   []byte
	chunks []verifiedChunk
	again  []byte // for a chunk that is read again
}

type verifiedChunk struct {
	data []byte // within kept; nil when zero or to be read again

	// To be read again: a SHA-256 of the segment up to here, and its sum when it has seen this chunk as well.
	before hash.Cloner
	sum    [sha256.Size]byte
}

func (r *VolumeReader) newVerified() *verified {
	segment := r.catalog.Hash.Segment
	return &verified{
		reader: r,
		kept:   make([]byte, min(segment, maxKept)),
		chunks: make([]verifiedChunk, segmentCount(segment, chunkSize)),
		again:  make([]byte, chunkSize),
	}
}

// verify hashes segment n and keeps its data, as far as there is room.
func (v *verified) verify(ctx context.Context, n int) error {
	r := v.reader
	alteration := r.catalog.alteration(r.volume, n, 1)
	v.n, v.place = n, alteration.InVolume
	v.chunks = v.chunks[:segmentCount(v.place.Length, chunkSize)]
	if alteration.OnDisk.End() > r.disk.Size() {
		return &AlteredError{alteration}
	}
	stored, err := isStored(r.disk, alteration.OnDisk)
	if err != nil {
		return err
	}
	segment := segmentHash{zeros: &r.zeros}
	if stored {
		err = v.hash(ctx, alteration.OnDisk, &segment)
	} else {
		segment.leading = v.place.Length
		clear(v.chunks)
	}
	if err == nil && segment.sum() != r.catalog.Volumes[r.volume].segmentDigest(n) {
		err = &AlteredError{alteration}
	}
	return err
}

// hash reads the segment, which is at that place on the disk.
func (v *verified) hash(ctx context.Context, onDisk Range, segment *segmentHash) error {
	free := v.kept
	i := 0
	for place := range onDisk.chunks() {
		if err := ctx.Err(); err != nil {
			return err
		}
		into := free
		full := int64(len(free)) < place.Length
		if full {
			into = v.again
		}
		data, err := readChunk(v.reader.disk, place, into)
		if err != nil {
			return err
		}
		var c verifiedChunk
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
		v.chunks[i] = c
		i++
	}
	return nil
}

// chunk gives the bytes of chunk i that were hashed. They may be used until the next call.
func (v *verified) chunk(i int) (Chunk, error) {
	offset := v.place.Offset + int64(i)*chunkSize
	out := Chunk{Range: Range{offset, min(chunkSize, v.place.End()-offset)}}
	c := v.chunks[i]
	if c.before == nil {
		out.Data = c.data
		return out, nil
	}
	data := v.again[:out.Length]
	if err := readAt(v.reader.disk, data, v.reader.place.Offset+offset); err != nil {
		return Chunk{}, err
	}
	h := clone(c.before)
	h.Write(data)
	if sumOf(h) != c.sum {
		return Chunk{}, &AlteredError{v.reader.catalog.alteration(v.reader.volume, v.n, 1)}
	}
	out.Data = data
	return out, nil
}
