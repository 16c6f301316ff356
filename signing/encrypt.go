package signing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
	"github.com/scutum-project/scutum/vhdx/bitlocker/prepare"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// ErrNotWindows says that a template has no volume for BitLocker.
var ErrNotWindows = errors.New("BitLocker is for Windows templates: a Linux template is encrypted with LUKS already")

// EncryptTemplate is SignTemplate for a template whose operating-system volume becomes a BitLocker volume first, with a
// clear key, as package prepare makes it. A volume that is one already stays as it is.
//
// All of it happens in a copy beside the file, which takes the file's place when it is signed: whatever the error, and when
// ctx is cancelled, or the machine stops, the file is byte for byte as it was. The folder needs room for the copy. Progress
// is told of three parts of the same size: to copy, to encrypt and to hash.
func EncryptTemplate(ctx context.Context, path string, o SignOptions) (*Signed, error) {
	s, err := encryptTemplate(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", path, err)
	}
	return s, nil
}

func encryptTemplate(ctx context.Context, path string, o SignOptions) (*Signed, error) {
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if _, err := o.template(); err != nil { // before the long work
		return nil, err
	}
	if err := CheckSigner(o.Identity.Certificate, o.At); err != nil {
		return nil, err
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // who may not write may not replace either
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	before, err := readState(f, path)
	if err != nil {
		return nil, err
	}
	system, err := osVolume(f, path, o)
	if err != nil {
		return nil, err
	}
	if system.FileSystem == volume.BitLocker {
		return signTemplate(ctx, path, o)
	}
	out, err := atomicfile.Create(path, true)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer out.Discard()
	parts := thirds(before.size, o.Progress)
	if err := copyFile(ctx, out, path, parts(0)); err != nil {
		return nil, fmt.Errorf("copy it: %w", withoutPath(err))
	}
	if err := encryptVolume(ctx, out.File, path, system, parts(1)); err != nil {
		return nil, err
	}
	o.Progress = parts(2)
	signed, err := signTemplate(ctx, out.Name(), o)
	if err != nil {
		return nil, err
	}
	if now, err := readState(f, path); err != nil {
		return nil, err
	} else if now != before {
		return nil, ErrChanged
	}
	if err := f.Close(); err != nil { // Windows replaces no file that is open
		return nil, withoutPath(err)
	}
	return signed, withoutPath(out.Commit())
}

// osVolume is the operating-system volume of a disk that is fit to be a template.
func osVolume(f *os.File, path string, o SignOptions) (p volume.Partition, err error) {
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, WithoutParent: true})
	if err != nil {
		return p, err
	}
	defer d.Close()
	switch info := d.Info(); {
	case info.LogReplayed:
		return p, ErrDirtyLog
	case info.RegionTablesDiffer:
		return p, ErrRegionTables
	}
	l, err := volume.Read(d)
	if err != nil {
		return p, err
	}
	if err := fitness(l); err != nil {
		return p, err
	}
	if _, err := o.osType(l); err != nil {
		return p, err
	}
	if l.OS != volume.Windows {
		return p, ErrNotWindows
	}
	p, _ = l.OSVolume()
	return p, nil
}

// copyFile copies the file at path, without its holes.
func copyFile(ctx context.Context, out *atomicfile.File, path string, progress Progress) error {
	src, err := vhdx.OpenRaw(path)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := out.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := out.Truncate(src.Size()); err != nil {
		return err
	}
	return vhdx.Copy(ctx, out, src, func(done int64) { progress(done, src.Size()) })
}

func encryptVolume(ctx context.Context, f *os.File, path string, p volume.Partition, progress Progress) error {
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, Writable: true, WithoutParent: true})
	if err != nil {
		return err
	}
	return errors.Join(prepare.Volume(ctx, d, p, prepare.Options{Progress: progress}), d.Close())
}

// thirds makes one progress of three, each of which counts for size bytes.
func thirds(size int64, progress Progress) func(part int64) Progress {
	return func(part int64) Progress {
		return func(done, total int64) {
			if progress != nil && total > 0 {
				progress(part*size+int64(float64(size)*(float64(done)/float64(total))), 3*size)
			}
		}
	}
}
