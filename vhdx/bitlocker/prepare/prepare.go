// Package prepare turns the NTFS volume of a virtual disk into a BitLocker volume
// that is ready for machines to be made from it: its key lies on it in clear, and
// is its only protector, as where Windows has BitLocker suspended.
//
// It encrypts what is in use, in its place, and leaves free space as it is. It
// never makes a copy: what is left of a volume that it fails to encrypt is no use.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/ntfs"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// folder is where Windows keeps the files that own the places of the metadata.
const folder = "System Volume Information"

// spare is how many clusters are left free at the beginning of each free run, where the file system takes what it needs for
// the names of the reserved files.
const spare = 64

// Options say how a volume is encrypted.
type Options struct {
	Method   bitlocker.Method // AES-XTS-128 when zero
	Progress func(done, total int64)
}

// Volume encrypts partition p of d, which is open for writing, and leaves to the caller to close d. The errors of package
// ntfs say why a volume must not be changed.
func Volume(ctx context.Context, d *vhdx.Disk, p volume.Partition, o Options) error {
	if err := encrypt(ctx, d, &part{d, p.Offset(), p.Length()}, o); err != nil {
		return fmt.Errorf("prepare partition %d for BitLocker: %w", p.Index, err)
	}
	return d.Sync()
}

func encrypt(ctx context.Context, d *vhdx.Disk, p *part, o Options) error {
	placement, err := reserve(p)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v, err := ntfs.Open(p, p.size)
	if err != nil {
		return err
	}
	total := p.size
	for e, err := range free(v, 0) {
		if err != nil {
			return err
		}
		total -= e.Size
	}
	done, mutex := int64(0), sync.Mutex{}
	_, err = bitlocker.Convert(ctx, p, p, p.size, bitlocker.Options{
		Method: o.Method, SectorSize: d.SectorSize(), Placement: placement,
		Protectors: []bitlocker.NewProtector{bitlocker.ClearKey{}},
		Free:       free(v, 0), Description: "Scutum template",
		Progress: func(n int64) {
			if o.Progress == nil {
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			done += n
			o.Progress(min(done, total), total)
		},
	})
	if err != nil {
		return err
	}
	return check(p)
}

// reserve has the file system keep the places of the metadata.
func reserve(p *part) (placement bitlocker.Placement, err error) {
	e, err := ntfs.Edit(p, p.size)
	if err != nil {
		return placement, err
	}
	// A volume that no Windows has started from may be without it.
	if info, err := e.Volume().Stat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := e.MkdirPrivate(folder); err != nil {
			return placement, err
		}
	} else if err != nil {
		return placement, err
	} else if !info.IsDir() {
		return placement, fmt.Errorf("%q is no folder", folder)
	}
	clusterSize := int64(e.Volume().Info().ClusterSize)
	placement, err = bitlocker.Place(free(e.Volume(), spare), p.size, clusterSize)
	if errors.Is(err, bitlocker.ErrNoSpace) {
		placement, err = bitlocker.Place(free(e.Volume(), 0), p.size, clusterSize)
	}
	if err != nil {
		return placement, err
	}
	var files []ntfs.Reservation
	for _, r := range placement.Reserved {
		clusters := ntfs.Extent{First: r.Offset / clusterSize, Count: r.Size / clusterSize}
		files = append(files, ntfs.Reservation{Path: folder + "/" + r.Name, Clusters: []ntfs.Extent{clusters}})
	}
	err = e.Reserve(files...)
	if errors.Is(err, fs.ErrExist) {
		return placement, fmt.Errorf("%w: the volume was encrypted before; let Windows delete the files of BitLocker in %q", err, folder)
	}
	if err != nil {
		return placement, err
	}
	return placement, e.Close()
}

// free gives the free runs of a volume in bytes, each without its first clusters.
func free(v *ntfs.Volume, without int64) iter.Seq2[bitlocker.Extent, error] {
	size := int64(v.Info().ClusterSize)
	return func(yield func(bitlocker.Extent, error) bool) {
		for x, err := range v.Free() {
			if err == nil && x.Count <= without {
				continue
			}
			if !yield(bitlocker.Extent{Offset: (x.First + without) * size, Size: (x.Count - without) * size}, err) || err != nil {
				return
			}
		}
	}
}

// check opens what was made.
func check(p *part) error {
	v, err := bitlocker.Open(p, p.size)
	if err != nil {
		return err
	}
	defer v.Lock()
	if err := v.Unlock(bitlocker.ClearKey{}); err != nil {
		return err
	}
	_, err = ntfs.Open(v, v.Size())
	return err
}

// A part is a partition of a disk.
type part struct {
	disk         *vhdx.Disk
	offset, size int64
}

func (p *part) ReadAt(b []byte, off int64) (int, error) {
	return io.NewSectionReader(p.disk, p.offset, p.size).ReadAt(b, off)
}

func (p *part) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.size || int64(len(b)) > p.size-off {
		return 0, fmt.Errorf("write %d bytes at offset %#x: beyond the end of the partition of %#x bytes", len(b), off, p.size)
	}
	return p.disk.WriteAt(b, p.offset+off)
}

func (p *part) Sync() error { return p.disk.Sync() }
