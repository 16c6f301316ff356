package ntfs

import (
	"fmt"
	"io/fs"
)

// Reserve makes a hidden system file that owns clusters which were free, in the
// order given, and leaves what they hold as it is: so that no file system puts
// anything there. Windows keeps the places of BitLocker's metadata so, in files
// of "System Volume Information". Clusters that are not free, or not of the
// volume, are [ErrTaken], and a name that is taken is an error that is
// [fs.ErrExist].
func (e *Editor) Reserve(path string, clusters ...Extent) error {
	return e.at("reserve", path, func(path string) error {
		dir, name, c, err := e.parent(path)
		if err != nil {
			return err
		}
		if c != nil || len(clusters) == 0 {
			return fs.ErrExist
		}
		return e.create(dir, name, newFile{clusters: clusters, attributes: fileHidden | fileSystem})
	})
}

// claim adds data to a file that lie in given clusters.
func (e *Editor) claim(n *inode, clusters []Extent) (*attribute, error) {
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
	n.attributes = append(n.attributes, a)
	return a, nil
}
