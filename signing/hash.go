package signing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/scutum-project/scutum/vhdx"
)

// Progress is told how many bytes of those to be hashed have been. What the container says was never written does not
// count. It is called often, from any goroutine, but never twice at a time and never with less than before.
type Progress func(done, total int64)

// Readers wait for the disk as well as for the processor: there are more of them than cores, so that the disk always has
// something to do. Each holds one chunk: 16 MiB at most.
const (
	minReaders     = 8
	readersPerCore = 4
	maxReaders     = 64
)

func readers() int { return min(max(minReaders, readersPerCore*runtime.GOMAXPROCS(0)), maxReaders) }

// A hashed segment.
type hashed struct {
	sum    [sha256.Size]byte
	stored bool // the container holds data for it; else it reads as zeros
}

// hashRanges hashes each of these ranges of the disk by itself. It reads only what the container says is data, and takes
// time only for ranges with data in them.
func hashRanges(ctx context.Context, d *vhdx.Disk, ranges []Range, report Progress) ([]hashed, error) {
	h := hasher{disk: d, zeros: &zeroHashes{}, progress: progress{report: report}}
	out := make([]hashed, len(ranges))
	var stored, empty []int
	for i, r := range ranges {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if out[i].stored, err = isStored(d, r); err != nil {
			return nil, err
		}
		if out[i].stored {
			stored = append(stored, i)
			h.progress.total += r.Length
		} else {
			empty = append(empty, i)
		}
	}

	next := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for _, i := range empty {
			if err := ctx.Err(); err != nil {
				return err
			}
			out[i].sum = h.zeros.sum(ranges[i].Length)
		}
		return nil
	})
	group.Go(func() error {
		defer close(next)
		for _, i := range stored {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(readers(), len(stored)) {
		group.Go(func() error {
			buffer := make([]byte, chunkSize)
			for i := range next {
				sum, err := h.hash(ctx, ranges[i], buffer)
				if err != nil {
					return err
				}
				out[i].sum = sum
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

type hasher struct {
	disk     *vhdx.Disk
	zeros    *zeroHashes
	progress progress
}

// hash hashes one range. The buffer holds a chunk.
func (h *hasher) hash(ctx context.Context, r Range, buffer []byte) (sum [sha256.Size]byte, err error) {
	s := segmentHash{zeros: h.zeros}
	for c := range r.chunks() {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		data, err := readChunk(h.disk, c, buffer)
		if err != nil {
			return sum, err
		}
		s.write(data)
		h.progress.add(c.Length)
	}
	return s.sum(), nil
}

// chunks cuts a range into pieces of chunkSize; the last may be shorter.
func (r Range) chunks() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for at := r.Offset; at < r.End(); at += chunkSize {
			if !yield(Range{at, min(chunkSize, r.End()-at)}) {
				return
			}
		}
	}
}

// readChunk reads a chunk of the disk into the buffer, or gives zeros that are shared when the container holds nothing there.
func readChunk(d *vhdx.Disk, c Range, buffer []byte) ([]byte, error) {
	stored, err := isStored(d, c)
	if err != nil {
		return nil, err
	}
	if !stored {
		return zeroChunk[:c.Length], nil
	}
	data := buffer[:c.Length]
	return data, readAt(d, data, c.Offset)
}

// readAt fills the buffer.
func readAt(d *vhdx.Disk, buffer []byte, off int64) error {
	if n, err := d.ReadAt(buffer, off); n < len(buffer) {
		return fmt.Errorf("read %d bytes at byte %d of the disk: %w", len(buffer), off, err)
	}
	return nil
}

// isStored says whether any of the range is data to the container.
func isStored(d *vhdx.Disk, r Range) (bool, error) {
	for e, err := range d.Extents(r.Offset, r.Length) {
		if err != nil {
			return false, fmt.Errorf("find what is stored at byte %d of the disk: %w", r.Offset, err)
		}
		if e.Kind == vhdx.Data {
			return true, nil
		}
	}
	return false, nil
}

// progress counts bytes for a Progress.
type progress struct {
	report Progress
	total  int64

	mu   sync.Mutex
	done int64
}

func (p *progress) add(n int64) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.report(p.done, p.total)
}
