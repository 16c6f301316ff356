package signing

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrUntrusted says that a good signature is by somebody whom nothing given vouches for.
var ErrUntrusted = errors.New("the signer is not trusted")

// TrustOptions says whom to trust.
//
// Each of Certificates is trusted by itself, whatever its extended key usage: whoever names a certificate knows what for.
// And each of them, as each of Roots, vouches for those that it issued a certificate for, one that may sign code or whose
// usage is not narrowed: else every web server under the same authority could sign templates.
type TrustOptions struct {
	Certificates []*x509.Certificate
	Roots        *x509.CertPool // nil: the system's when there are no Certificates, else none
	Now          time.Time      // zero: by the clock
}

// maxClockSkew is how far ahead a signer's clock may be.
const maxClockSkew = 24 * time.Hour

// Trust says whether the signer of a catalog is trusted: nil, or an error that is ErrUntrusted and names the signer. All
// certificates are judged at the signing time, which must not lie in the future. No issuer on the way from the signer to
// somebody trusted may have a key that is weaker than a signer's may be. It says nothing about the bytes of a disk.
func Trust(s *Signed, o TrustOptions) error {
	if err := trust(s, o); err != nil {
		return fmt.Errorf("%w: %s, SHA-256 thumbprint %s: %w", ErrUntrusted, s.Signer.Subject, Thumbprint(s.Signer), err)
	}
	return nil
}

func trust(s *Signed, o TrustOptions) error {
	if err := CheckSigner(s.Signer, s.SigningTime); err != nil {
		return err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if s.SigningTime.Sub(o.Now) > maxClockSkew {
		return fmt.Errorf("it was signed at %s, and now it is %s: one of the clocks is wrong, or the signer is", date(s.SigningTime), date(o.Now))
	}
	if slices.ContainsFunc(o.Certificates, s.Signer.Equal) {
		return nil
	}
	var given error
	if len(o.Certificates) > 0 {
		pool := x509.NewCertPool()
		for _, c := range o.Certificates {
			pool.AddCert(c)
		}
		if given = s.chainsTo(pool); given == nil || o.Roots == nil {
			return given
		}
	}
	err := s.chainsTo(o.Roots)
	if err != nil && given != nil {
		return fmt.Errorf("neither by the certificates given (%w) nor by the roots (%w)", given, err)
	}
	return err
}

// chainsTo says whether the signer's certificate leads to one of the roots, or of the system's when they are nil.
func (s *Signed) chainsTo(roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, c := range s.Certificates {
		intermediates.AddCert(c)
	}
	chains, err := s.Signer.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   s.SigningTime,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	})
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if err = strongIssuers(chain); err == nil {
			return nil
		}
	}
	return err
}

// strongIssuers judges all of a chain but the first, which CheckSigner did, and the signature on the last, which nobody
// relies on.
func strongIssuers(chain []*x509.Certificate) error {
	for i, issuer := range chain[1:] {
		fault := weakKey(issuer.PublicKey)
		if last := i == len(chain)-2; fault == "" && !last && !slices.Contains(strongSignatures, issuer.SignatureAlgorithm) {
			fault = "it was itself signed with " + issuer.SignatureAlgorithm.String()
		}
		if fault != "" {
			return fmt.Errorf("%w: the issuer %s: %s", ErrWeak, issuer.Subject, fault)
		}
	}
	return nil
}
