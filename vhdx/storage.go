package vhdx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/diskfs/go-diskfs/backend"
)

// storage presents a disk to go-diskfs, which reads and writes partition
// tables and file systems.
type storage struct {
	*Disk
	position int64
}

var _ backend.Storage = (*storage)(nil)

// Storage returns the disk as the storage of github.com/diskfs/go-diskfs. It
// keeps a position of its own for Read and Seek; closing it leaves the disk open.
func (d *Disk) Storage() backend.Storage { return &storage{Disk: d} }

func (s *storage) Read(p []byte) (int, error) {
	n, err := s.ReadAt(p, s.position)
	s.position += int64(n)
	return n, err
}

func (s *storage) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.position
	case io.SeekEnd:
		offset += s.Size()
	default:
		return 0, fmt.Errorf("seek from %d, which is no known place", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek to a negative offset")
	}
	s.position = offset
	return offset, nil
}

func (s *storage) Close() error { return nil }

// Sys is for device files; a virtual disk has none.
func (s *storage) Sys() (*os.File, error) { return nil, backend.ErrNotSuitable }

func (s *storage) Writable() (backend.WritableFile, error) {
	if !s.writable {
		return nil, backend.ErrIncorrectOpenMode
	}
	return s, nil
}

func (s *storage) Path() string { return s.path }

func (s *storage) Stat() (fs.FileInfo, error) { return storageInfo{s.Disk}, nil }

// storageInfo is a regular file of the size of the virtual disk.
type storageInfo struct{ d *Disk }

func (i storageInfo) Name() string       { return filepath.Base(i.d.path) }
func (i storageInfo) Size() int64        { return i.d.Size() }
func (i storageInfo) Mode() fs.FileMode  { return 0o600 }
func (i storageInfo) ModTime() time.Time { return time.Time{} }
func (i storageInfo) IsDir() bool        { return false }
func (i storageInfo) Sys() any           { return nil }
