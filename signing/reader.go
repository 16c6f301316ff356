package signing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"sync"

	"github.com/scutum-project/scutum/vhdx"
)

// An AlteredError says that bytes of a volume are not those that were signed.
type AlteredError struct {
	Alteration
}

func (e *AlteredError) Error() string {
	return "not what was signed: " + e.Alteration.String()
}

// A VolumeReader reads one volume of a signed disk. It hands out bytes only when all of their segment was found to match the
// catalog, and exactly those that matched, even when somebody changes the file meanwhile. Other bytes are an
// *AlteredError.
//
// It needs at most 64 MiB, whatever the size of disk and segments: for one segment of ReadAt and three of Chunks, 8 MiB of
// data and 200 bytes for each 256 KiB. Its methods may be called concurrently.
type VolumeReader struct {
	disk    *vhdx.Disk
	catalog *Catalog
	volume  int
	place   Range // on the disk
	zeros   zeroHashes

	mu     sync.Mutex
	recent *matched // the segment that ReadAt was in last
}

// NewVolumeReader reads the volume with this index in the catalog's Volumes from the disk.
func NewVolumeReader(d *vhdx.Disk, s *Signed, volume int) (*VolumeReader, error) {
	if volume < 0 || volume >= len(s.Catalog.Volumes) {
		return nil, fmt.Errorf("the catalog has no volume %d", volume)
	}
	return &VolumeReader{
		disk: d, catalog: s.Catalog, volume: volume,
		place: s.Catalog.Volumes[volume].Range(s.Catalog.Disk),
	}, nil
}

// Size is that of the volume, in bytes.
func (r *VolumeReader) Size() int64 { return r.place.Length }

// ReadAt is io.ReaderAt over the volume. The first byte that it wants of a segment costs the hashing of all of it; it
// remembers one segment.
func (r *VolumeReader) ReadAt(p []byte, off int64) (done int, err error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for done < len(p) && off < r.place.Length {
		n := int(off / r.catalog.Hash.Segment)
		if r.recent == nil || r.recent.n != n {
			if r.recent == nil {
				r.recent = r.newMatched()
			}
			if err := r.recent.verify(context.Background(), n); err != nil {
				r.recent = nil
				return done, err
			}
		}
		chunk, err := r.recent.chunk(int(off % r.catalog.Hash.Segment / chunkSize))
		if err != nil {
			return done, err
		}
		copied := copy(p[done:], chunk.bytes()[off-chunk.Offset:])
		done, off = done+copied, off+int64(copied)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// A Chunk is a piece of a volume that matched.
type Chunk struct {
	Range        // within the volume
	Data  []byte // nil when all of it is zero
}

func (c Chunk) bytes() []byte {
	if c.Data == nil {
		return zeroChunk[:c.Length]
	}
	return c.Data
}

// Chunks reads the volume from its beginning to its end, in order and without gaps, several segments ahead. The data of a
// chunk may be used until the next one is asked for. After an error there are no more.
func (r *VolumeReader) Chunks(ctx context.Context) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()

		count := r.catalog.Volumes[r.volume].segmentCount()
		ahead := min(runtime.GOMAXPROCS(0)+1, maxAhead, count)
		segments := make([]*matched, ahead) // segment n is at n%ahead
		done := make([]chan error, ahead)
		start := func(n int) {
			running.Go(func() { done[n%ahead] <- segments[n%ahead].verify(ctx, n) })
		}
		for n := range ahead {
			segments[n], done[n] = r.newMatched(), make(chan error, 1)
			start(n)
		}
		for n := range count {
			if err := <-done[n%ahead]; err != nil {
				yield(Chunk{}, err)
				return
			}
			for i := range segments[n%ahead].chunks {
				c, err := segments[n%ahead].chunk(i)
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(Chunk{}, err)
					return
				}
				if !yield(c, nil) {
					return
				}
			}
			if n+ahead < count {
				start(n + ahead)
			}
		}
	}
}

// WriteTo is io.WriterTo: it writes the whole volume.
func (r *VolumeReader) WriteTo(w io.Writer) (written int64, err error) {
	for c, err := range r.Chunks(context.Background()) {
		if err != nil {
			return written, err
		}
		n, err := w.Write(c.bytes())
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
