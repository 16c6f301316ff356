package vhdx

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
)

// A Source is what a disk can be copied from: a Disk, or a Raw image.
type Source interface {
	io.ReaderAt
	Size() int64
	Extents(off, length int64) iter.Seq2[Extent, error]
}

// A Raw is a raw image: a file whose bytes are the disk's.
type Raw struct {
	file *os.File
	size int64
}

// OpenRaw opens a raw image for reading.
func OpenRaw(path string) (*Raw, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd) // gives the size of a block device as well
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Raw{f, size}, nil
}

// ReadAt, Size and Close are those of the file.
func (r *Raw) ReadAt(p []byte, off int64) (int, error) { return r.file.ReadAt(p, off) }

// Size is the length of the image in bytes.
func (r *Raw) Size() int64 { return r.size }

// Close closes the file.
func (r *Raw) Close() error { return r.file.Close() }

// Extents tells the image's data from its holes, where the system can tell.
func (r *Raw) Extents(off, length int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if off < 0 || length < 0 {
			yield(Extent{}, errNegativeRange)
			return
		}
		end := r.size
		if length < end-off {
			end = off + length
		}
		for off < end {
			data, hole := nextData(r.file, off, end)
			if data > off && !yield(Extent{off, data - off, Absent}, nil) {
				return
			}
			if hole > data && !yield(Extent{data, hole - data, Data}, nil) {
				return
			}
			off = hole
		}
	}
}

// copyBuffer is the unit of a copy: within it, zeros are found in pieces of
// zeroGrain bytes.
const (
	copyBuffer = 4 * mib
	zeroGrain  = 64 * kib
)

// Copy writes what src holds to dst, which reads as zeros so far: what is zero
// is not written, so that it takes no room. progress, when there is one, hears
// of the bytes of src that are done.
func Copy(ctx context.Context, dst io.WriterAt, src Source, progress func(done int64)) error {
	buf := make([]byte, copyBuffer)
	for e, err := range src.Extents(0, src.Size()) {
		if err != nil {
			return err
		}
		for off, end := e.Offset, e.Offset+e.Length; off < end && e.Kind == Data; {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			part := buf[:min(copyBuffer-off%copyBuffer, end-off)]
			if n, err := src.ReadAt(part, off); n < len(part) {
				return fmt.Errorf("read at %d: %w", off, err)
			}
			if err := writeNonZero(dst, part, off); err != nil {
				return err
			}
			off += int64(len(part))
			if progress != nil {
				progress(off)
			}
		}
		if progress != nil {
			progress(e.Offset + e.Length)
		}
	}
	return ctx.Err()
}

// writeNonZero writes the runs of grains in p that are not all zero.
func writeNonZero(dst io.WriterAt, p []byte, off int64) error {
	for start := 0; start < len(p); {
		end := min(start+zeroGrain, len(p))
		if allZero(p[start:end]) {
			start = end
			continue
		}
		for end < len(p) {
			next := min(end+zeroGrain, len(p))
			if allZero(p[end:next]) {
				break
			}
			end = next
		}
		if _, err := dst.WriteAt(p[start:end], off+int64(start)); err != nil {
			return fmt.Errorf("write at %d: %w", off+int64(start), err)
		}
		start = end
	}
	return nil
}
