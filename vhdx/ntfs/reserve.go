package ntfs

import (
	"fmt"
	"io/fs"
)

// A Reservation is a file that is to own clusters, in the order given.
type Reservation struct {
	Path     string
	Clusters []Extent
}

// Reserve makes hidden system files that own clusters which were free, and
// leaves what they hold as it is: so that no file system puts anything there.
// Windows keeps the places of BitLocker's metadata so, in files of "System
// Volume Information". All of the clusters are taken before the files' names
// take any, and all of the files are made or none. Clusters that are not free,
// or not of the volume, are [ErrTaken], and a name that is taken is an error
// that is [fs.ErrExist].
func (e *Editor) Reserve(files ...Reservation) error {
	return e.change(func() error {
		data := make([]*attribute, len(files))
		for i, f := range files {
			var err error
			if data[i], err = e.claim(f.Clusters); err != nil {
				return &fs.PathError{Op: "reserve", Path: f.Path, Err: err}
			}
		}
		for i, f := range files {
			if err := e.reserve(f.Path, data[i]); err != nil {
				return &fs.PathError{Op: "reserve", Path: f.Path, Err: err}
			}
		}
		return nil
	})
}

func (e *Editor) reserve(path string, data *attribute) error {
	dir, name, c, err := e.parent(path)
	if err != nil {
		return err
	}
	if c != nil {
		return fs.ErrExist
	}
	return e.create(dir, name, newFile{reserved: data, attributes: fileHidden | fileSystem})
}

// claim makes the data of a file that lie in given clusters.
func (e *Editor) claim(clusters []Extent) (*attribute, error) {
	if len(clusters) == 0 {
		return nil, fmt.Errorf("no clusters: %w", fs.ErrInvalid)
	}
	a := &attribute{typ: typeData, instance: -1}
	vcn := int64(0)
	for _, x := range clusters {
		if x.First < 0 || x.Count <= 0 || x.First > e.v.clusters || x.Count > e.v.clusters-x.First {
			return nil, fmt.Errorf("clusters %d and %d more of %d: %w", x.First, x.Count, e.v.clusters, ErrTaken)
		}
		free := int64(0)
		for f, err := range e.bits.clear(x.First, x.First+x.Count) {
			if err != nil {
				return nil, err
			}
			free += f.Count
		}
		if free != x.Count {
			return nil, fmt.Errorf("%d of %d clusters from %d on: %w", x.Count-free, x.Count, x.First, ErrTaken)
		}
		if err := e.mark(x.First, x.Count); err != nil {
			return nil, err
		}
		if a.runs = appendRun(a.runs, run{vcn: vcn, lcn: x.First, count: x.Count}); len(a.runs) > maxRuns {
			return nil, errRuns
		}
		vcn += x.Count
	}
	a.allocated = vcn * e.v.clusterSize
	a.size, a.initialized = a.allocated, a.allocated
	return a, nil
}
