// Package atomicfile makes files that appear whole or not at all: they are
// written beside their place, synced, and renamed into it. It never leaves a
// half-written file under the final name.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A File is a temporary file on its way to a path. It is an *os.File until
// Commit or Discard.
type File struct {
	*os.File
	path      string
	overwrite bool
	done      bool
}

// Create makes the temporary file in the folder of path, with the permissions
// that a new file of the user's gets. Without overwrite, an existing path is
// refused now and again by Commit, with an error that wraps fs.ErrExist.
func Create(path string, overwrite bool) (*File, error) {
	return create(path, 0o666, overwrite)
}

func create(path string, perm fs.FileMode, overwrite bool) (*File, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.IsDir() {
			return nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("is a directory")}
		}
		if !overwrite {
			return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
	}
	dir, name := filepath.Split(path)
	temp := filepath.Join(dir, "."+short(name)+"."+rand.Text()[:10]+".tmp")
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		var pathError *fs.PathError
		if errors.As(err, &pathError) {
			pathError.Op, pathError.Path = "create", path
		}
		return nil, err
	}
	return &File{File: f, path: path, overwrite: overwrite}, nil
}

// short cuts off what would make the name of the temporary file too long for a file
// system whose names have 255 bytes at most, where name itself is not.
func short(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), 255-len("..0123456789.tmp"))], "")
}

// Commit syncs and closes the file and gives it its name. On error the
// temporary file is gone.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("commit %s: already committed or discarded", f.path)
	}
	defer f.Discard()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := f.rename(); err != nil {
		return err
	}
	f.done = true
	syncDir(filepath.Dir(f.path))
	return nil
}

// rename moves the file into place. A hard link refuses an existing name in
// one step; where the file system has no links, the check comes just before.
func (f *File) rename() error {
	if f.overwrite {
		return os.Rename(f.Name(), f.path)
	}
	err := os.Link(f.Name(), f.path)
	if err == nil {
		return os.Remove(f.Name())
	}
	if _, statErr := os.Lstat(f.path); statErr == nil {
		return &fs.PathError{Op: "create", Path: f.path, Err: fs.ErrExist}
	}
	return os.Rename(f.Name(), f.path)
}

// Discard closes and removes the temporary file. After Commit it does nothing.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// WriteFile writes data to path, whole or not at all. perm is what the file may
// have, before the user's umask.
func WriteFile(path string, data []byte, perm fs.FileMode, overwrite bool) error {
	f, err := create(path, perm, overwrite)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
