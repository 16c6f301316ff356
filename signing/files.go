package signing

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/ntfs"
)

// MaxFiles bounds the files that are named of one alteration, maxTouched the alterations whose files are looked for, and
// maxOwners how often a piece of a volume is found to be somebody's: in one whose files own the same clusters there is no
// end to that.
const (
	MaxFiles   = 100
	maxTouched = 1000
	maxOwners  = 16 << 20
)

// Touched are the files that an alteration touches.
type Touched struct {
	Files []string // paths such as "Windows/win.ini", and "Windows/win.ini:stream"; by their places
	More  bool     // there are more than MaxFiles, or it would take too long to find them
}

// Files names the files of NTFS volumes that the alterations touch, as the disk has them now: whoever altered it may have
// altered the names as well. A BitLocker volume is read with its clear key. The answer has one element for each alteration;
// those without a name are empty: other file systems, free space, and volumes too damaged to be read.
func Files(ctx context.Context, d *vhdx.Disk, c *Catalog, alterations []Alteration) ([]Touched, error) {
	all := make([]Touched, len(alterations))
	volumes := map[int]*fileNames{}
	for i, a := range alterations[:min(len(alterations), maxTouched)] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		names, known := volumes[a.Volume]
		if !known {
			names = newFileNames(d, c.Volumes[a.Volume].Range(c.Disk))
			volumes[a.Volume] = names
		}
		if names != nil {
			all[i] = names.in(a.InVolume)
		}
	}
	return all, nil
}

// fileNames gives the names of the files of a volume by their clusters.
type fileNames struct {
	v      *ntfs.Volume
	owners *ntfs.Owners
	size   int64 // of a cluster
	paths  map[uint64]string
	left   int // of maxOwners
}

// newFileNames is nil for a volume whose files cannot be named.
func newFileNames(d *vhdx.Disk, in Range) *fileNames {
	if in.Offset < 0 || in.Length <= 0 || in.Offset > d.Size() || in.Length > d.Size()-in.Offset {
		return nil
	}
	var plain io.ReaderAt = io.NewSectionReader(d, in.Offset, in.Length)
	if v, err := bitlocker.Open(plain, in.Length); err == nil {
		if v.Unlock(bitlocker.ClearKey{}) != nil {
			return nil
		}
		plain, in.Length = v, v.Size()
	}
	v, err := ntfs.Open(plain, in.Length)
	if err != nil {
		return nil
	}
	owners, err := v.Owners()
	if err != nil {
		return nil
	}
	return &fileNames{v, owners, int64(v.Info().ClusterSize), map[uint64]string{}, maxOwners}
}

// piece is how many clusters are asked for at once, so that little is listed that is not named.
const piece = 1024

func (n *fileNames) in(r Range) (t Touched) {
	first, end := r.Offset/n.size, min((r.End()+n.size-1)/n.size, n.v.Info().Clusters)
	for ; first < end; first += piece {
		owners := n.owners.Of(ntfs.Extent{First: first, Count: min(piece, end-first)})
		if n.left -= len(owners); n.left < 0 {
			t.More = true
			return t
		}
		for _, o := range owners {
			name := n.path(o.Record)
			if o.Stream != "" && o.Stream != "$DATA" {
				name += ":" + strings.TrimPrefix(o.Stream, "$DATA:")
			}
			if slices.Contains(t.Files, name) {
				continue
			}
			if len(t.Files) == MaxFiles {
				t.More = true
				return t
			}
			t.Files = append(t.Files, name)
		}
	}
	return t
}

// path is the path of a file, or the number of its record when it has none.
func (n *fileNames) path(record uint64) string {
	if p, ok := n.paths[record]; ok {
		return p
	}
	p, err := n.v.Path(record)
	if err != nil {
		p = fmt.Sprintf("MFT record %d", record)
	}
	if len(n.paths) == 1<<16 {
		clear(n.paths)
	}
	n.paths[record] = p
	return p
}
