package signing

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/scutum-project/scutum/vhdx"
)

// pageSize is the unit in which file systems fill holes, or less, in bytes.
const pageSize = 4096

// An undoFile remembers what it overwrites, so that all of it can be taken back. It is for a few MiB of writes.
type undoFile struct {
	vhdx.File
	size    int64 // at first
	changes []change
}

// A change is what was at an offset before it was written over.
type change struct {
	offset int64
	old    []byte
}

func newUndoFile(f vhdx.File) (*undoFile, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &undoFile{File: f, size: info.Size()}, nil
}

func (u *undoFile) WriteAt(p []byte, off int64) (int, error) {
	if err := u.save(off, int64(len(p))); err != nil {
		return 0, err
	}
	return u.File.WriteAt(p, off)
}

func (u *undoFile) Truncate(size int64) error {
	if err := u.save(size, u.size-size); err != nil {
		return err
	}
	return u.File.Truncate(size)
}

// save remembers a range, as far as it lies in the file as it was at first.
func (u *undoFile) save(off, length int64) error {
	length = min(length, u.size-off)
	if length <= 0 {
		return nil
	}
	old := make([]byte, length)
	n, err := u.File.ReadAt(old, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	u.changes = append(u.changes, change{off, old[:n]})
	return nil
}

// undo makes the file what it was at first, as far as it can, and tells what it could not. It begins with what gives back
// room, because the disk may be full.
func (u *undoFile) undo() error {
	errs := []error{u.File.Truncate(u.size)}
	for _, c := range slices.Backward(u.changes) {
		for len(c.old) > 0 {
			n := min(pageSize-c.offset%pageSize, int64(len(c.old)))
			errs = append(errs, u.restore(c.old[:n], c.offset))
			c.old, c.offset = c.old[n:], c.offset+n
		}
	}
	return errors.Join(append(errs, u.File.Sync())...)
}

// restore writes what was at an offset, within one page, unless it is there: that may be a hole, which a full disk has no
// room to fill.
func (u *undoFile) restore(old []byte, off int64) error {
	now := make([]byte, len(old))
	if n, _ := u.File.ReadAt(now, off); n == len(old) && bytes.Equal(now, old) {
		return nil
	}
	_, err := u.File.WriteAt(old, off)
	return err
}
