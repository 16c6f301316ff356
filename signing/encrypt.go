package signing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/bitlocker/prepare"
	"github.com/scutum-project/scutum/vhdx/ntfs"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// Why a template is not encrypted, besides the errors of package ntfs.
var (
	ErrNotWindows  = errors.New("BitLocker is for Windows templates: a Linux template is encrypted with LUKS already")
	ErrOtherMethod = errors.New("the volume is encrypted already, with another method")
)

// EncryptTemplate is SignTemplate for a template whose operating-system volume becomes a BitLocker volume first, with a
// clear key, as package prepare makes it. A volume that is one already stays as it is; when it is not of the method, the
// error is ErrOtherMethod. Method zero takes any, and encrypts with AES-XTS-128.
//
// All of it happens in a copy beside the file, which takes the file's place when it is signed: whatever the error, and when
// ctx is cancelled, or the machine stops, the file is byte for byte as it was. The folder needs room for the copy. Progress
// is told of three parts of the same size: to copy, to encrypt and to hash.
func EncryptTemplate(ctx context.Context, path string, method bitlocker.Method, o SignOptions) (*Signed, error) {
	s, err := encryptTemplate(ctx, path, method, o)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", path, err)
	}
	return s, nil
}

// CheckEncrypt says why EncryptTemplate refuses a disk that is fit to be a template, as far as that shows without reading
// all of its volume: ErrNotWindows, or the error of package ntfs for a volume that must not be changed.
func CheckEncrypt(d *vhdx.Disk, l *volume.Layout) error {
	p, ok := l.OSVolume()
	switch {
	case !ok || l.OS != volume.Windows:
		return ErrNotWindows
	case p.FileSystem == volume.BitLocker:
		return nil
	}
	v, err := ntfs.Open(io.NewSectionReader(d, p.Offset(), p.Length()), p.Length())
	if err != nil {
		return fmt.Errorf("partition %d: %w", p.Index, err)
	}
	state, err := v.State()
	if err == nil {
		err = state.Err()
	}
	if err != nil {
		return fmt.Errorf("partition %d: %w", p.Index, err)
	}
	return nil
}

func encryptTemplate(ctx context.Context, path string, method bitlocker.Method, o SignOptions) (*Signed, error) {
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
	system, err := osVolume(f, path, method, o)
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
		return nil, fmt.Errorf("copy it within its folder, which needs the room: %w", withoutPath(err))
	}
	if err := encryptVolume(ctx, out.File, path, system, prepare.Options{Method: method, Progress: parts(1)}); err != nil {
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

// osVolume is the operating-system volume of a disk that is fit to be a template, and to be encrypted.
func osVolume(f *os.File, path string, method bitlocker.Method, o SignOptions) (p volume.Partition, err error) {
	d, l, err := openFit(f, path)
	if err != nil {
		return p, err
	}
	defer d.Close()
	if _, err := o.osType(l); err != nil {
		return p, err
	}
	if err := CheckEncrypt(d, l); err != nil {
		return p, err
	}
	p, _ = l.OSVolume()
	if p.FileSystem != volume.BitLocker || method == 0 {
		return p, nil
	}
	v, err := bitlocker.Open(io.NewSectionReader(d, p.Offset(), p.Length()), p.Length())
	if err == nil && v.Info().Method != method {
		err = fmt.Errorf("%w: it has %s, and not %s", ErrOtherMethod, v.Info().Method, method)
	}
	return p, err
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

func encryptVolume(ctx context.Context, f *os.File, path string, p volume.Partition, o prepare.Options) error {
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, Writable: true, WithoutParent: true})
	if err != nil {
		return err
	}
	err = prepare.Volume(ctx, d, p, o)
	if closing := d.Close(); err == nil {
		err = closing
	}
	return err
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
