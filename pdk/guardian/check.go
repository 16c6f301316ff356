package guardian

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scutum-project/scutum/signing"
)

// What a caller of Check may want to put up with, or must tell apart, for errors.Is. Further ones are those of package
// signing: ErrNotYetValid, ErrWeak, ErrKeyType, and for the signing certificate ErrKeyUsage.
var (
	ErrUntrustedRoot    = errors.New("no trusted root vouches for it")
	ErrExpired          = signing.ErrExpired
	ErrNotForEncryption = errors.New("not for encryption")
)

// CheckOptions says what Check is to put up with.
type CheckOptions struct {
	Roots              *x509.CertPool // who vouches for certificates; nil: whom the system trusts
	AllowUntrustedRoot bool           // for self-signed certificates, and those of unknown issuers
	AllowExpired       bool
}

// Check says what speaks against trusting the guardian at that time. The signing certificate must be as CheckSigner of
// package signing demands. The encryption certificate must have an RSA key of 2048 to 4096 bits, be issued with SHA-256 or
// better, be within its dates, and have the key usage keyEncipherment, or dataEncipherment, which the documentation of HGS
// asks for. The two have different keys. A root must vouch for both, whatever their extended key usage.
//
// The error names all that is wrong. OtherSigning is not judged.
func (g *Guardian) Check(at time.Time, o CheckOptions) error {
	return errors.Join(
		o.check("signing", g.Signing, at, signing.CheckSigner),
		o.check("encryption", g.Encryption, at, checkEncryption),
		g.checkRoles(),
	)
}

// checkRoles wants two keys: key protectors do not tell for which role a certificate was signed.
func (g *Guardian) checkRoles() error {
	key, ok := g.Encryption.PublicKey.(*rsa.PublicKey)
	if ok && key.Equal(g.Signing.PublicKey) {
		return fmt.Errorf("%w: one key both signs and encrypts; use two", signing.ErrKeyType)
	}
	return nil
}

func (o CheckOptions) check(role string, cert *x509.Certificate, at time.Time, fit func(*x509.Certificate, time.Time) error) error {
	var problems []error
	if at.After(cert.NotAfter) {
		if !o.AllowExpired {
			problems = append(problems, fmt.Errorf("the %s certificate has %w: it was valid until %s", role, ErrExpired, date(cert.NotAfter)))
		}
		at = cert.NotAfter
	}
	if unknown := cert.UnhandledCriticalExtensions; len(unknown) > 0 {
		problems = append(problems, fmt.Errorf("the %s certificate has the critical extension %v, whose meaning is not known here", role, unknown[0]))
	}
	if err := fit(cert, at); err != nil {
		problems = append(problems, fmt.Errorf("the %s certificate: %w", role, err))
	}
	if !o.AllowUntrustedRoot {
		if err := checkRoot(cert, at, o.Roots); err != nil {
			problems = append(problems, fmt.Errorf("the %s certificate, %s, SHA-256 thumbprint %s: %w",
				role, cert.Subject, signing.Thumbprint(cert), err))
		}
	}
	return errors.Join(problems...)
}

// Expires is when the first of the guardian's two certificates does.
func (g *Guardian) Expires() time.Time {
	if g.Signing.NotAfter.Before(g.Encryption.NotAfter) {
		return g.Signing.NotAfter
	}
	return g.Encryption.NotAfter
}

func checkEncryption(cert *x509.Certificate, at time.Time) error {
	weak := []x509.SignatureAlgorithm{
		x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA,
		x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
	}
	unfit := func(err error, format string, a ...any) error {
		return fmt.Errorf("certificate %q may not encrypt: %w: %s", cert.Subject, err, fmt.Sprintf(format, a...))
	}
	key, isRSA := cert.PublicKey.(*rsa.PublicKey)
	var useless error
	if isRSA && key.N.BitLen() >= 2048 && key.N.BitLen() <= 4096 {
		_, useless = rsa.EncryptOAEP(sha256.New(), rand.Reader, key, nil, nil)
	}
	switch {
	case !isRSA:
		return unfit(signing.ErrKeyType, "use one with an RSA key of 2048 to 4096 bits")
	case key.N.BitLen() < 2048:
		return unfit(signing.ErrWeak, "its RSA key has only %d bits; use one with 2048 to 4096", key.N.BitLen())
	case key.N.BitLen() > 4096:
		return unfit(signing.ErrKeyType, "its RSA key has %d bits; use one with 2048 to 4096", key.N.BitLen())
	case useless != nil:
		return unfit(signing.ErrKeyType, "nothing can be encrypted to its RSA key: %v", useless)
	case slices.Contains(weak, cert.SignatureAlgorithm):
		return unfit(signing.ErrWeak, "it was itself signed with %v; have it issued again with SHA-256", cert.SignatureAlgorithm)
	case cert.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) == 0:
		return unfit(ErrNotForEncryption, "have it issued again with the key usage keyEncipherment")
	case at.Before(cert.NotBefore):
		return unfit(signing.ErrNotYetValid, "it is valid from %s on", date(cert.NotBefore))
	}
	return nil
}

// checkRoot asks who issued the certificate, and not about its dates.
func checkRoot(cert *x509.Certificate, at time.Time, roots *x509.CertPool) error {
	if at.Before(cert.NotBefore) {
		at = cert.NotBefore
	} else if at.After(cert.NotAfter) {
		at = cert.NotAfter
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUntrustedRoot, err)
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
