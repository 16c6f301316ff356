package model

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
)

// A Verification is what became of a disk since it was signed.
type Verification struct {
	Signed *signing.Signed
	Report *signing.Report
	Trust  error // why the signer is not trusted, or nil

	Ranges []signing.Alteration // of Report
	Files  []signing.Touched    // the files that each of Ranges touches
}

// Verify is what a disk is verified against.
type Verify struct {
	Path    string // of the disk
	Catalog string // a .vsc file; empty: the catalog that the disk carries
	Trusted string // certificates of signers to trust; empty: those that the system's roots vouch for
}

// Job gives the work of verifying; result hears of the answer before it ends.
func (v Verify) Job(result func(*Verification)) func(ctx context.Context, update func(done, total int64)) error {
	return func(ctx context.Context, update func(done, total int64)) error {
		var trust signing.TrustOptions
		var err error
		if v.Trusted != "" {
			if trust.Certificates, err = ReadCertificates(v.Trusted); err != nil {
				return err
			}
		}
		from := v.Path
		if v.Catalog != "" {
			from = v.Catalog
		}
		signed, err := ReadCatalog(from)
		if err != nil {
			return err
		}
		d, err := vhdx.OpenAlone(v.Path)
		if err != nil {
			return err
		}
		defer d.Close()
		report, err := signing.Verify(ctx, d, signed, signing.VerifyOptions{Progress: update})
		if err != nil {
			return err
		}
		ranges := report.Ranges()
		files, err := signing.Files(ctx, d, signed.Catalog, ranges)
		if err != nil {
			return err
		}
		result(&Verification{signed, report, signing.Trust(signed, trust), ranges, files})
		return nil
	}
}

// ReadCertificates reads the certificates of a PEM or a DER file.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	data, err := ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	certificates, err := signing.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return certificates, nil
}

// Contents are what is in a file that is not a disk: the one for its kind is
// set.
type Contents struct {
	File
	Catalog   *signing.Signed
	Shielding *pdk.ShieldingData
	Protector *keyprotector.Protector
	Guardian  *guardian.Guardian
	Values    fsk.Values

	Distrust error             // what speaks against the guardian or the protector
	Names    map[string]string // of known guardians, by the thumbprints of their encryption certificates
}

// ReadContents reads a file of which the kind is known. Names of guardians are
// those in the store in dir.
func ReadContents(f File, dir string) (*Contents, error) {
	c := &Contents{File: f, Names: map[string]string{}}
	data, err := ReadFile(f.Path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	switch f.Kind {
	case Catalog:
		c.Catalog, err = signing.Parse(data)
	case Shielding:
		if c.Shielding, err = pdk.Parse(data); err == nil {
			c.Protector = c.Shielding.KeyProtector
		}
	case Protector:
		if c.Protector, err = keyprotector.Parse(data); err == nil {
			c.Distrust = c.Protector.Verify()
		}
	case Guardian:
		if c.Guardian, err = guardian.ParseMetadata(data); err == nil {
			c.Distrust = c.Guardian.Check(time.Now(), guardian.CheckOptions{})
		}
	case Values:
		c.Values, err = fsk.Parse(data)
	default:
		return nil, problem("Scutum cannot show what is in this kind of file.")
	}
	if err != nil {
		return nil, err
	}
	if c.Protector != nil {
		c.name(dir)
	}
	return c, nil
}

// name looks up the guardians of a protector. A store that cannot be read leaves
// them without names.
func (c *Contents) name(dir string) {
	store, err := OpenStore(dir)
	if err != nil {
		return
	}
	entries, err := store.List()
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Guardian != nil {
			c.Names[signing.Thumbprint(e.Guardian.Encryption)] = e.Name
		}
	}
}
