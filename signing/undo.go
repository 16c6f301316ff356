package signing

import (
	"errors"
	"io"
	"slices"

	"github.com/scutum-project/scutum/vhdx"
)

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

// undo makes the file what it was at first.
func (u *undoFile) undo() error {
	for _, c := range slices.Backward(u.changes) {
		if _, err := u.File.WriteAt(c.old, c.offset); err != nil {
			return err
		}
	}
	if err := u.File.Truncate(u.size); err != nil {
		return err
	}
	return u.File.Sync()
}
