package signing

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// ErrUntrusted says that a good signature is by somebody whom nothing given vouches for.
var ErrUntrusted = errors.New("the signer is not trusted")

// TrustOptions says whom to trust.
//
// Certificates are trusted by themselves, and so is whoever one of them issued a certificate for, whatever its extended
// key usage: whoever names a certificate knows what for. Roots vouch only for certificates that may sign code, or whose
// usage is not narrowed: else every web server with a certificate of a public authority could sign templates.
type TrustOptions struct {
	Certificates []*x509.Certificate
	Roots        *x509.CertPool // nil: the system's when there are no Certificates, else none
}

// Trust says whether the signer of a catalog is trusted: nil, or an error that is ErrUntrusted and names the signer. All
// certificates are judged at the signing time. It says nothing about the bytes of a disk.
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
	if slices.ContainsFunc(o.Certificates, s.Signer.Equal) {
		return nil
	}
	var given error
	if len(o.Certificates) > 0 {
		pool := x509.NewCertPool()
		for _, c := range o.Certificates {
			pool.AddCert(c)
		}
		if given = s.chainsTo(pool, x509.ExtKeyUsageAny); given == nil || o.Roots == nil {
			return given
		}
	}
	err := s.chainsTo(o.Roots, x509.ExtKeyUsageCodeSigning)
	if err != nil && given != nil {
		return fmt.Errorf("neither by the certificates given (%w) nor by the roots (%w)", given, err)
	}
	return err
}

// chainsTo says whether the signer's certificate leads to one of the roots, or of the system's when they are nil.
func (s *Signed) chainsTo(roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	intermediates := x509.NewCertPool()
	for _, c := range s.Certificates {
		intermediates.AddCert(c)
	}
	_, err := s.Signer.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   s.SigningTime,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	return err
}
