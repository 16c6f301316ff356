package signing

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/signing/cms"
	"github.com/scutum-project/scutum/vhdx"
)

// itemID is the user metadata item of a VHDX file that holds the signed catalog.
var itemID = must(vhdx.ParseGUID("5c0f7a5e-7b0a-4d2c-9f0b-3a6d1c8e2b41"))

func must(id vhdx.GUID, err error) vhdx.GUID {
	if err != nil {
		panic(err)
	}
	return id
}

// ErrNotSigned says that a disk holds no catalog.
var ErrNotSigned = errors.New("the disk is not signed")

// Signed is a catalog whose signature is good. Who signed it is another question: Trust.
type Signed struct {
	Catalog      *Catalog
	DER          []byte            // the CMS SignedData, as in a .vsc file
	Digest       [sha256.Size]byte // the identity of the catalog: SHA-256 of its content
	Signer       *x509.Certificate
	Certificates []*x509.Certificate // all that came with the signature, Signer included
	SigningTime  time.Time           // UTC, as the signer claims
}

// Parse reads a signed catalog, the content of a .vsc file, and verifies its signature. Errors are those of cms.Parse, or
// ErrCatalog.
func Parse(der []byte) (*Signed, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes signed, at most %d are allowed", ErrCatalog, len(der), MaxSize)
	}
	message, err := cms.Parse(der)
	if err != nil {
		return nil, err
	}
	catalog, err := ParseCatalog(message.Content)
	if err != nil {
		return nil, err
	}
	return &Signed{
		Catalog:      catalog,
		DER:          der,
		Digest:       sha256.Sum256(message.Content),
		Signer:       message.Signer,
		Certificates: message.Certificates,
		SigningTime:  message.SigningTime,
	}, nil
}

// Embedded reads the signed catalog that a disk carries. It is ErrNotSigned when there is none.
func Embedded(d *vhdx.Disk) (*Signed, error) {
	der, err := d.Item(itemID)
	if errors.Is(err, vhdx.ErrNoItem) {
		return nil, ErrNotSigned
	}
	if err != nil {
		return nil, fmt.Errorf("read the disk's catalog: %w", err)
	}
	s, err := Parse(der)
	if err != nil {
		return nil, fmt.Errorf("the disk's catalog: %w", err)
	}
	return s, nil
}

// Thumbprint names a certificate: the SHA-256 of its DER in hexadecimal.
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
