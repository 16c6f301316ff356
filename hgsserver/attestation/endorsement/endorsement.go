// Package endorsement judges endorsement certificates: what a TPM's maker says about the endorsement key in it (TCG EK
// Credential Profile 2.3, section 3). An attestation service registers a host by such a certificate.
//
// The package asks no network: not for an issuer that is missing, not whether a certificate was revoked. It never decides which
// makers are trusted.
package endorsement

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
)

// Errors of a certificate, for errors.Is.
var (
	ErrCertificate = errors.New("not an endorsement certificate")
	ErrUntrusted   = errors.New("no trusted TPM maker vouches for it")
)

// maxCertificate bounds a certificate, in bytes, and maxIntermediates how many may come with it.
const (
	maxCertificate   = 16 << 10
	maxIntermediates = 16
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidEKCertificate  = asn1.ObjectIdentifier{2, 23, 133, 8, 1} // tcg-kp-EKCertificate
	oidManufacturer   = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidModel          = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidVersion        = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
)

// A Certificate is one of an endorsement key. What it says of the TPM is shown, and decides nothing.
type Certificate struct {
	Key                          *rtpm.EndorsementKey
	Manufacturer, Model, Version string // without anything that does not print
	X509                         *x509.Certificate
}

// Parse reads a certificate and checks its form: a key that the service can speak to, and usages that the profile allows. It
// fails with ErrCertificate. Who issued it, Check asks.
func Parse(der []byte) (*Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrCertificate, maxCertificate)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	c := &Certificate{X509: x}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func (c *Certificate) read() error {
	key, ok := c.X509.PublicKey.(*rsa.PublicKey)
	if !ok {
		return rtpm.ErrEndorsementKey
	}
	var err error
	if c.Key, err = rtpm.NewEndorsementKey(key); err != nil {
		return err
	}
	switch {
	case c.X509.IsCA:
		return errors.New("it is that of an authority")
	case c.X509.KeyUsage&x509.KeyUsageKeyEncipherment == 0:
		return errors.New("its key is not for key encipherment")
	case c.X509.KeyUsage&^(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) != 0:
		return errors.New("its key is for more than encipherment")
	}
	if !slices.ContainsFunc(c.X509.UnknownExtKeyUsage, oidEKCertificate.Equal) && len(c.X509.ExtKeyUsage)+len(c.X509.UnknownExtKeyUsage) > 0 {
		return fmt.Errorf("its extended key usages do not have %v", oidEKCertificate)
	}
	for _, e := range c.X509.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			if err := c.readNames(e.Value); err != nil {
				return err
			}
		}
	}
	for _, id := range c.X509.UnhandledCriticalExtensions {
		if !id.Equal(oidSubjectAltName) {
			return fmt.Errorf("it has the critical extension %v, which is unknown", id)
		}
	}
	return nil
}

// readNames reads the names of the TPM: attributes of a directory name among the alternative names (section 3.1.2).
func (c *Certificate) readNames(der []byte) error {
	invalid := errors.New("its subject alternative name cannot be read")
	input := cryptobyte.String(der)
	var names cryptobyte.String
	if !input.ReadASN1(&names, cbasn1.SEQUENCE) || !input.Empty() {
		return invalid
	}
	directory := cbasn1.Tag(4).Constructed().ContextSpecific()
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return invalid
		}
		if tag != directory {
			continue
		}
		var rdns pkix.RDNSequence
		if rest, err := asn1.Unmarshal(name, &rdns); err != nil || len(rest) > 0 {
			return invalid
		}
		for _, rdn := range rdns {
			for _, attribute := range rdn {
				value, _ := attribute.Value.(string)
				switch {
				case attribute.Type.Equal(oidManufacturer):
					c.Manufacturer = printable(value)
				case attribute.Type.Equal(oidModel):
					c.Model = printable(value)
				case attribute.Type.Equal(oidVersion):
					c.Version = printable(value)
				}
			}
		}
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, s[:min(len(s), 64)])
}

// Check says whether one of the roots vouches for the certificate at that time, over intermediates that may be anybody's. It
// fails with ErrUntrusted.
func (c *Certificate) Check(roots []*x509.Certificate, intermediates []*x509.Certificate, at time.Time) error {
	if len(intermediates) > maxIntermediates {
		return fmt.Errorf("%w: it comes with %d certificates, at most %d are looked at", ErrUntrusted, len(intermediates), maxIntermediates)
	}
	trusted, others := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range roots {
		trusted.AddCert(root)
	}
	for _, intermediate := range intermediates {
		others.AddCert(intermediate)
	}
	leaf := *c.X509 // Verify knows nothing of the critical name that Parse has read
	leaf.UnhandledCriticalExtensions = nil
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: trusted, Intermediates: others, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("%w: %w: add the root of %s, as a file that you got from there: hgs host root add FILE", ErrUntrusted, err, c.maker())
	}
	return nil
}

func (c *Certificate) maker() string {
	if c.Manufacturer == "" {
		return "its maker"
	}
	return "the maker " + c.Manufacturer
}
