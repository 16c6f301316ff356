package model

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
)

// Sign is what "Sign a template" asks for.
type Sign struct {
	Identity *signing.Identity
	Disk     *Disk
	Like     *signing.Signed // an earlier template, or nil
	Name     string
	Version  string

	BitLocker bool             // prepare the operating-system volume for it
	Method    bitlocker.Method // how to encrypt it

	Result *signing.Signed // once it is signed
}

// SignerReady, DiskReady and CatalogReady say whether a page is right.
func (s *Sign) SignerReady() bool { return s.Identity != nil }

// DiskReady says whether there is a disk that is fit to be a template.
func (s *Sign) DiskReady() bool { return s.Disk != nil && len(s.Disk.Unfit) == 0 }

// CatalogReady says whether name and version are right.
func (s *Sign) CatalogReady() bool {
	return CheckTemplateName(s.Name) == nil && CheckVersion(s.Version) == nil
}

// CanPrepare says whether the operating-system volume can be prepared for BitLocker, and is not yet.
func (s *Sign) CanPrepare() bool {
	return s.DiskReady() && s.Disk.NoBitLocker == nil && s.Disk.Prepared == nil
}

// CheckTemplateName says what is wrong with the name of a template.
func CheckTemplateName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return problem("Enter a name. Shielding data refer to the template by it.")
	case strings.TrimSpace(name) != name:
		return problem("The name begins or ends with a space. Take the space away.")
	case utf8.RuneCountInString(name) > 128:
		return problem("The name is too long. Use at most 128 characters.")
	}
	return nil
}

// CheckVersion says what is wrong with the version of a template.
func CheckVersion(version string) error {
	if _, err := signing.ParseVersion(version); err != nil {
		return problem("Enter four numbers with dots between them, each below 65536, such as 1.0.0.0.")
	}
	return nil
}

// TakeFrom fills name and version from an earlier template: its own name, and
// the version after its.
func (s *Sign) TakeFrom(like *signing.Signed) error {
	next, err := like.Catalog.Template.Version.Next()
	if err != nil {
		return err
	}
	s.Like, s.Name, s.Version = like, like.Catalog.Template.Name, next.String()
	return nil
}

// Proposal is the name and version to begin with: those after what the disk was
// signed as before, where it was.
func (s *Sign) Proposal() (name, version string) {
	if s.Disk != nil && s.Disk.Signed != nil {
		t := s.Disk.Signed.Catalog.Template
		if next, err := t.Version.Next(); err == nil {
			return t.Name, next.String()
		}
		return t.Name, t.Version.String()
	}
	return "", "1.0.0.0"
}

// Job gives the work of signing. It keeps what it needs, so that the model may
// be looked at meanwhile; result hears of the catalog before the job ends.
func (s *Sign) Job(result func(*signing.Signed)) func(ctx context.Context, update func(done, total int64)) error {
	path := s.Disk.Path
	version, err := signing.ParseVersion(s.Version)
	options := signing.SignOptions{Identity: s.Identity, Name: s.Name, Version: version, Type: s.Disk.Layout.OS}
	prepare, method := s.BitLocker && s.CanPrepare(), s.Method
	return func(ctx context.Context, update func(done, total int64)) error {
		if err != nil {
			return err
		}
		options.Progress = update
		var signed *signing.Signed
		if prepare {
			signed, err = signing.EncryptTemplate(ctx, path, method, options)
		} else {
			signed, err = signing.SignTemplate(ctx, path, options)
		}
		if err == nil {
			result(signed)
		}
		return err
	}
}

// SaveCatalog saves a signed catalog as a .vsc file.
func SaveCatalog(s *signing.Signed, path string, overwrite bool) error {
	return atomicfile.WriteFile(path, s.DER, 0o666, overwrite)
}
