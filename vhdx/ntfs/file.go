package ntfs

import (
	"fmt"
	"io"
	"io/fs"
	"time"
)

// A File is an open file or directory. Reading a file that NTFS compressed or
// encrypted, or that is a reparse point, fails with [ErrCompressed],
// [ErrEncrypted] or [ErrReparse].
type File struct {
	v       *Volume
	n       *inode
	name    string
	data    *stream // nil: a directory, or no data
	refused error
	offset  int64
	listing []fs.DirEntry
	listed  bool
}

// Details is what Sys of a [File]'s fs.FileInfo gives.
type Details struct {
	Record     uint64 // number of the base record in the MFT
	Sequence   uint16 // of the record
	Links      int    // names, short DOS names included
	Attributes uint32 // FILE_ATTRIBUTE_ flags
	Created    time.Time
	Changed    time.Time // the record
	Accessed   time.Time
}

func (v *Volume) newFile(n *inode, name string) (*File, error) {
	f := &File{v: v, n: n, name: name}
	if n.isDirectory() {
		return f, nil
	}
	if a := n.find(typeData, ""); a != nil {
		f.data = &stream{v: v, a: a, what: n.file()}
		f.refused = a.readable()
	}
	if n.find(typeReparsePoint, "") != nil {
		f.refused = ErrReparse
	}
	return f, nil
}

// Stat tells what the file is.
func (f *File) Stat() (fs.FileInfo, error) { return f.v.stat(f.n, f.name) }

// Close does nothing: a File holds no more than memory.
func (f *File) Close() error { return nil }

// Read reads on from where the last Read or Seek left off.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 && !f.n.isDirectory() {
		return 0, f.refused
	}
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt reads at an offset; it may be called by several goroutines at once.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	err := f.refused
	if f.n.isDirectory() {
		err = errDirectory
	}
	if off < 0 {
		err = fs.ErrInvalid
	}
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	}
	if f.data == nil {
		return 0, io.EOF
	}
	return f.data.ReadAt(p, off)
}

// Seek moves where the next Read reads.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		if f.data != nil {
			offset += f.data.a.size
		}
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.offset = offset
	return offset, nil
}

// ReadDir lists the directory, in its own order.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.listed {
		err := error(nil)
		switch {
		case !f.n.isDirectory():
			err = errNotDirectory
		case f.n.find(typeReparsePoint, "") != nil:
			err = ErrReparse
		default:
			f.listing, err = f.v.entries(f.n)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: err}
		}
		f.listed = true
	}
	list := f.listing
	if n > 0 {
		if len(list) == 0 {
			return nil, io.EOF
		}
		list = list[:min(n, len(list))]
	}
	f.listing = f.listing[len(list):]
	return list, nil
}

// fileInfo is an fs.FileInfo.
type fileInfo struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
	details  Details
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.size }
func (i *fileInfo) Mode() fs.FileMode  { return i.mode }
func (i *fileInfo) ModTime() time.Time { return i.modified }
func (i *fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *fileInfo) Sys() any           { return &i.details }

func (v *Volume) stat(n *inode, name string) (fs.FileInfo, error) {
	b, err := n.resident(typeStandardInformation, "", 36)
	if err != nil {
		return nil, err
	}
	i := &fileInfo{name: name, mode: 0o444, modified: fromFiletime(le.Uint64(b[8:])), details: Details{
		Record: n.number(), Sequence: n.base.sequence(), Links: int(n.base.links()), Attributes: le.Uint32(b[32:]),
		Created: fromFiletime(le.Uint64(b)), Changed: fromFiletime(le.Uint64(b[16:])), Accessed: fromFiletime(le.Uint64(b[24:])),
	}}
	if a := n.find(typeData, ""); a != nil && !n.isDirectory() {
		i.size = a.size
	}
	if n.isDirectory() {
		i.mode |= 0o111
	}
	i.mode |= typeBits(n.isDirectory(), n.find(typeReparsePoint, "") != nil)
	return i, nil
}

func typeBits(directory, reparse bool) fs.FileMode {
	switch {
	case reparse:
		return fs.ModeIrregular // so that nobody walks into it
	case directory:
		return fs.ModeDir
	}
	return 0
}

// dirEntry is an fs.DirEntry.
type dirEntry struct {
	v   *Volume
	dir *inode
	c   *child
}

func (d *dirEntry) Name() string      { return d.c.name }
func (d *dirEntry) IsDir() bool       { return d.Type().IsDir() }
func (d *dirEntry) Type() fs.FileMode { return typeBits(d.c.isDirectory(), d.c.isReparse()) }
func (d *dirEntry) String() string    { return fs.FormatDirEntry(d) }

// Info reads the file's record: what a directory says of sizes and times may be old.
func (d *dirEntry) Info() (fs.FileInfo, error) {
	n, err := d.v.follow(d.dir, d.c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.c.name, err)
	}
	return d.v.stat(n, d.c.name)
}

func (v *Volume) entries(n *inode) ([]fs.DirEntry, error) {
	children, err := v.children(n)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(children))
	for i, c := range children {
		list[i] = &dirEntry{v: v, dir: n, c: c}
	}
	return list, nil
}
