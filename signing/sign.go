package signing

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/scutum-project/scutum/signing/cms"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// Why SignTemplate refuses a file, beside the reasons of volume.Unfit and CheckSigner.
var (
	ErrDirtyLog     = errors.New("the log holds unwritten changes; " + remedyRepair)
	ErrRegionTables = errors.New("the two copies of the region table differ; " + remedyRepair)
	ErrChanged      = errors.New("the file was changed by somebody else meanwhile; sign it when nobody uses it")
)

// What brings a file back into the form that all programs read alike.
const remedyRepair = `run "scutum vhdx check --repair"`

// SignOptions says who signs a template and as what.
type SignOptions struct {
	Identity *Identity
	Name     string    // of the template; empty: that of Like
	Version  Version   // zero: the next one after that of Like
	Type     string    // volume.Windows or volume.Linux, which the disk must hold; empty: what it holds, which must be that of Like
	Like     *Signed   // another signed disk, or nil; name and version are taken only when the key of Identity signed it
	At       time.Time // when it is signed; zero: now
	Progress Progress  // may be nil

	// Ready, when not nil, is called when all is hashed and signed and nothing is written yet. Its error is that of
	// SignTemplate, and leaves the file as it was.
	Ready func(*Signed) error
}

// SignTemplate hashes every partition of the VHDX file at path, signs their catalog, and stores it in the file's metadata in
// place of any that is there. No byte of the virtual disk changes.
//
// A disk that is not fit to be a template is refused with every reason, each a volume.Unfit. Whatever the error, and when
// ctx is cancelled, the file is byte for byte as it was.
func SignTemplate(ctx context.Context, path string, o SignOptions) (*Signed, error) {
	s, err := signTemplate(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", path, err)
	}
	return s, nil
}

func signTemplate(ctx context.Context, path string, o SignOptions) (*Signed, error) {
	if o.At.IsZero() {
		o.At = time.Now()
	}
	template, err := o.template()
	if err != nil {
		return nil, err
	}
	if err := CheckSigner(o.Identity.Certificate, o.At); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // who may not write learns it now and not after the hashing
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	before, err := readState(f, path)
	if err != nil {
		return nil, err
	}
	catalog, err := catalogOf(ctx, f, path, template, o)
	if err != nil {
		return nil, err
	}
	content, err := catalog.Encode()
	if err != nil {
		return nil, err
	}
	der, err := cms.Sign(content, o.Identity.Key, o.Identity.Certificate, o.Identity.Chain, o.At)
	if err != nil {
		return nil, err
	}
	signed, err := Parse(der) // also checks its size
	if err != nil {
		return nil, err
	}
	if o.Ready != nil {
		if err := o.Ready(signed); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if now, err := readState(f, path); err != nil {
		return nil, err
	} else if now != before {
		return nil, ErrChanged
	}
	return signed, store(f, path, der)
}

// template is the name and the version to sign.
func (o SignOptions) template() (Template, error) {
	t := Template{Name: o.Name, Version: o.Version}
	if o.Like != nil && (t.Name == "" || t.Version == (Version{})) {
		if !sameKey(o.Like.Signer, o.Identity.Certificate) {
			return Template{}, fmt.Errorf("the one that it shall be like was signed with another key, by %s (SHA-256 thumbprint %s), "+
				"who does not name your templates: give both name and version", o.Like.Signer.Subject, Thumbprint(o.Like.Signer))
		}
		if t.Name == "" {
			t.Name = o.Like.Catalog.Template.Name
		}
		if t.Version == (Version{}) {
			next, err := o.Like.Catalog.Template.Version.Next()
			if err != nil {
				return Template{}, err
			}
			t.Version = next
		}
	}
	if err := checkName(t.Name); err != nil {
		return Template{}, err
	}
	if t.Version == (Version{}) {
		return Template{}, errors.New("the template has no version: give one, from 0.0.0.1 on")
	}
	return t, nil
}

// sameKey says whether two certificates are for the same key: one may be the renewal of the other.
func sameKey(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// osType is the type to sign a disk with this layout as.
func (o SignOptions) osType(l *volume.Layout) (string, error) {
	switch {
	case o.Type != "" && o.Type != l.OS:
		return "", fmt.Errorf("the disk holds %s, not %.32q: leave out the type", l.OS, o.Type)
	case o.Type != "":
	case o.Like != nil && o.Like.Catalog.Type != l.OS:
		return "", fmt.Errorf("the disk holds %s, and the one it shall be like is for %s: give the type", l.OS, o.Like.Catalog.Type)
	}
	return l.OS, nil
}

// catalogOf hashes the disk in a file that is open.
func catalogOf(ctx context.Context, f *os.File, path string, t Template, o SignOptions) (*Catalog, error) {
	d, l, err := openFit(f, path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	osType, err := o.osType(l)
	if err != nil {
		return nil, err
	}
	return Build(ctx, d, l, BuildOptions{Template: t, Type: osType, Created: o.At, Progress: o.Progress})
}

// openFit opens the disk in a file, and requires it to be fit to be a template.
func openFit(f *os.File, path string) (*vhdx.Disk, *volume.Layout, error) {
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, WithoutParent: true})
	if err != nil {
		return nil, nil, err
	}
	l, err := volume.Read(d)
	switch info := d.Info(); {
	case info.LogReplayed:
		err = ErrDirtyLog
	case info.RegionTablesDiffer:
		err = ErrRegionTables
	case err == nil:
		err = fitness(l)
	}
	if err != nil {
		_ = d.Close()
		return nil, nil, err
	}
	return d, l, nil
}

// fitness joins the reasons why a disk is not fit to be a template.
func fitness(l *volume.Layout) error {
	var reasons []error
	for _, u := range l.Unfit() {
		reasons = append(reasons, u)
	}
	if len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("the disk is not fit to be a template: %w", errors.Join(reasons...))
}

// fileState tells whether a file was written to: other programs that write VHDX files renew the GUID.
type fileState struct {
	size      int64
	modified  time.Time
	fileWrite vhdx.GUID
}

// readState also checks that the open file is still the one at path.
func readState(f *os.File, path string) (s fileState, err error) {
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	if there, err := os.Stat(path); err != nil {
		return s, withoutPath(err)
	} else if !os.SameFile(there, info) {
		return s, ErrChanged
	}
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, WithoutParent: true})
	if err != nil {
		return s, err
	}
	defer d.Close()
	return fileState{info.Size(), info.ModTime(), d.Info().FileWriteGUID}, nil
}

// store puts the signed catalog into the file, or leaves the file as it is.
func store(f vhdx.File, path string, der []byte) error {
	undo, err := newUndoFile(f)
	if err != nil {
		return err
	}
	if err = setItem(undo, path, der); err == nil {
		return nil
	}
	if undoErr := undo.undo(); undoErr != nil {
		return fmt.Errorf("store the catalog: %w; and the file could not be put back as it was: %w", err, undoErr)
	}
	return fmt.Errorf("store the catalog: %w; the file is as it was", err)
}

func setItem(f vhdx.File, path string, der []byte) error {
	d, err := vhdx.OpenFile(f, vhdx.Options{Path: path, Writable: true, WithoutParent: true})
	if err != nil {
		return err
	}
	if err := d.SetItem(itemID, der); err != nil {
		_ = d.Close()
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	return f.Sync()
}

// withoutPath drops the path from an error that will be given it again.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
