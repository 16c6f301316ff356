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
	maxAhead = 4       // segments
)

// keep makes the buffer for the data of a segment.
func (r *VolumeReader) keep() []byte { return make([]byte, min(r.catalog.Hash.Segment, maxKept)) }

// verified is a segment that matched.
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

// verify hashes segment n and keeps its data in the buffer, as far as they fit.
func (r *VolumeReader) verify(ctx context.Context, n int, buffer []byte) (*verified, error) {
	alteration := r.catalog.alteration(r.volume, n, 1)
	v := &verified{reader: r, n: n, place: alteration.InVolume, kept: buffer}
	if alteration.OnDisk.End() > r.disk.Size() {
		return nil, &AlteredError{alteration}
	}
	segment := segmentHash{zeros: &r.zeros}
	free := buffer
	for c := range alteration.OnDisk.chunks() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var chunk verifiedChunk
		into := free
		if int64(len(free)) < c.Length {
			into = v.spare()
			chunk.before = segment.state()
		}
		data, err := readChunk(r.disk, c, into)
		if err != nil {
			return nil, err
		}
		segment.write(data)
		switch {
		case isZero(data):
			chunk.before = nil
		case chunk.before != nil:
			chunk.sum = segment.sum()
		default:
			chunk.data, free = data, free[c.Length:]
		}
		v.chunks = append(v.chunks, chunk)
	}
	if segment.sum() != r.catalog.Volumes[r.volume].segmentDigest(n) {
		return nil, &AlteredError{alteration}
	}
	return v, nil
}

func (v *verified) spare() []byte {
	if v.again == nil {
		v.again = make([]byte, chunkSize)
	}
	return v.again
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
	data := v.spare()[:out.Length]
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
