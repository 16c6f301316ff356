package vhdx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Type is the kind of a virtual disk, section 1.3.
type Type int

const (
	Dynamic      Type = iota // grows as it is written
	Fixed                    // all blocks are allocated
	Differencing             // holds what differs from its parent
)

func (t Type) String() string { return [...]string{"dynamic", "fixed", "differencing"}[t] }

// MarshalText gives the form of String.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// A Disk is an open virtual disk. Its methods may be called concurrently.
type Disk struct {
	*structure
	path     string // as given to Open
	file     File
	writable bool
	parent   *Disk
	sectors  *sectorCache
	closers  []io.Closer // files that this package opened

	mu      sync.RWMutex // for writing: BAT, bitmaps, metadata, session
	session session
	closed  bool
}

// Options say how OpenFile opens a disk.
type Options struct {
	Writable bool
	// Path is where the file is: parents are looked for from its folder. Without
	// it a differencing disk opens only WithoutParent.
	Path string
	// WithoutParent opens a differencing disk alone: no file that it names is
	// touched, and what is not in its own file is ErrWithoutParent to read.
	WithoutParent bool

	chain  *chain                 // of a parent: that of the disks that led to it
	accept func(*structure) error // of a parent: asked before its own parent is looked for
}

// Open opens the disk at path, and its parents, for reading. A log that holds
// unwritten changes is replayed in memory.
func Open(path string) (*Disk, error) { return openPath(Options{Path: path}) }

// OpenAlone is Open without the parents: no file but the one at path is opened,
// whatever it says. Data that a differencing disk has in its parents are
// ErrWithoutParent to read; of other disks nothing is missing.
func OpenAlone(path string) (*Disk, error) {
	return openPath(Options{Path: path, WithoutParent: true})
}

// OpenReadWrite opens the disk at path for reading and writing, and its parents
// for reading. A log that holds unwritten changes is replayed into the file.
func OpenReadWrite(path string) (*Disk, error) { return openPath(Options{Path: path, Writable: true}) }

func openPath(o Options) (*Disk, error) {
	d, err := openOptions(o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, withoutPath(err, o.Path))
	}
	return d, nil
}

// withoutPath drops a path from an error that is about to be given it again.
func withoutPath(err error, path string) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) && pathError.Path == path {
		return pathError.Err
	}
	return err
}

// openOptions opens the file at o.Path.
func openOptions(o Options) (*Disk, error) {
	flag := os.O_RDONLY
	if o.Writable {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(o.Path, flag|doNotWait, 0)
	if err != nil {
		return nil, err
	}
	return openOwned(f, o)
}

// openOwned opens the disk in f, and closes f with it.
func openOwned(f *os.File, o Options) (*Disk, error) {
	d, err := OpenFile(f, o)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	d.closers = append(d.closers, f)
	return d, nil
}

// OpenFile opens the disk in file. The file stays the caller's to close, after
// the disk.
func OpenFile(file File, o Options) (*Disk, error) {
	s, err := readStructure(file, &findings{})
	if err != nil {
		return nil, err
	}
	if o.accept != nil {
		if err := o.accept(s); err != nil {
			return nil, err
		}
	}
	if o.chain == nil {
		o.chain = &chain{}
	}
	if err := o.chain.keep(s); err != nil {
		return nil, err
	}
	d := &Disk{structure: s, path: o.Path, file: file, writable: o.Writable, sectors: o.chain.sectors.add(s.image)}
	var foundAt string
	if s.params.hasParent && !o.WithoutParent {
		if d.parent, foundAt, err = openParent(file, s, o.Path, o.chain); err != nil {
			return nil, err
		}
	}
	if o.Writable {
		if err := d.startWriting(); err != nil {
			_ = d.closeFiles()
			return nil, err
		}
		if d.parent != nil {
			if err := d.refreshLocator(filepath.Dir(o.Path), foundAt); err != nil {
				_ = d.closeFiles()
				return nil, err
			}
		}
	}
	return d, nil
}

// Close writes what is not yet synced, marks the log empty, and closes the
// parents and the file where Open opened it.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	var err error
	if d.writable {
		err = d.finishWriting()
	}
	d.closed = true
	return errors.Join(err, d.closeFiles())
}

func (d *Disk) closeFiles() error {
	var errs []error
	if d.parent != nil {
		errs = append(errs, d.parent.Close())
	}
	for _, c := range d.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Size is that of the virtual disk in bytes.
func (d *Disk) Size() int64 { return d.params.size }

// SectorSize is that of the virtual disk's logical sectors in bytes: 512 or 4096.
func (d *Disk) SectorSize() int { return int(d.params.logicalSectorSize) }

// Info is what a file says of its disk.
type Info struct {
	Type               Type   `json:"type"`
	Size               int64  `json:"size"` // bytes, of the virtual disk
	FileSize           int64  `json:"fileSize"`
	BlockSize          int    `json:"blockSize"`
	LogicalSectorSize  int    `json:"logicalSectorSize"`
	PhysicalSectorSize int    `json:"physicalSectorSize"`
	VirtualDiskID      GUID   `json:"virtualDiskId"`
	DataWriteGUID      GUID   `json:"dataWriteGuid"`
	FileWriteGUID      GUID   `json:"fileWriteGuid"`
	Creator            string `json:"creator"`
	Parent             string `json:"parent,omitempty"`   // path of the parent, where it was found; empty without one
	LogReplayed        bool   `json:"logReplayed"`        // the log held unwritten changes when the disk was opened
	RegionTablesDiffer bool   `json:"regionTablesDiffer"` // the two copies of the region table, section 2.2.3, when it was opened
}

// Info returns what the file said when it was opened, and what has been changed
// through this disk since.
func (d *Disk) Info() Info {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, h := d.params, d.headers.current
	i := Info{
		Size: p.size, FileSize: d.image.size, BlockSize: int(p.blockSize),
		LogicalSectorSize: int(p.logicalSectorSize), PhysicalSectorSize: int(p.physicalSectorSize),
		VirtualDiskID: p.diskID, DataWriteGUID: h.dataWrite, FileWriteGUID: h.fileWrite,
		Creator: d.creator, LogReplayed: d.image.active || d.session.replayed,
		RegionTablesDiffer: d.tablesDiffer,
	}
	switch {
	case p.hasParent:
		i.Type = Differencing
		if d.parent != nil {
			i.Parent = d.parent.path
		}
	case p.leaveAllocated:
		i.Type = Fixed
	}
	return i
}
