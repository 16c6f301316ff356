package hgsserver

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// What a certificate of the key protection service is for.
const (
	UseSigning    = "signing"
	UseEncryption = "encryption"
)

// A serviceCertificate is one of the key protection service, as it is kept.
type serviceCertificate struct {
	Use         string    `json:"use"`
	Primary     bool      `json:"primary"`
	Added       time.Time `json:"added"`
	Certificate []byte    `json:"certificate"`
	Chain       [][]byte  `json:"chain,omitempty"`
	Key         []byte    `json:"key"` // PKCS #8

	identity *signing.Identity
}

// newServiceCertificate checks that an identity is good for its use at that time.
func newServiceCertificate(use string, id *signing.Identity, at time.Time) (*serviceCertificate, error) {
	c := id.Certificate
	switch {
	case use != UseSigning && use != UseEncryption:
		return nil, fmt.Errorf("a certificate is for %s or %s, not %.32q", UseSigning, UseEncryption, use)
	case at.After(c.NotAfter) || at.Before(c.NotBefore):
		return nil, fmt.Errorf("the %s certificate holds from %s to %s, not now", use, stamp(c.NotBefore), stamp(c.NotAfter))
	case use == UseEncryption && c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) == 0:
		return nil, errors.New("the encryption certificate has a key that is not for key encipherment")
	}
	if use == UseSigning {
		if err := signing.CheckSigner(c, at); err != nil {
			return nil, fmt.Errorf("the signing certificate: %w", err)
		}
	}
	key, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return nil, err
	}
	kept := &serviceCertificate{Use: use, Added: at.UTC(), Certificate: c.Raw, Key: key, identity: id}
	for _, issuer := range id.Chain {
		kept.Chain = append(kept.Chain, issuer.Raw)
	}
	return kept, nil
}

func (c *serviceCertificate) thumbprint() string { return signing.Thumbprint(c.identity.Certificate) }

func (c *serviceCertificate) read() error {
	certificate, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return err
	}
	id := &signing.Identity{Certificate: certificate}
	for _, der := range c.Chain {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		id.Chain = append(id.Chain, issuer)
	}
	id.Key, err = parseKey(c.Key)
	c.identity = id
	return err
}

func parseKey(pkcs8 []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T does not sign", key)
	}
	return signer, nil
}

// loadCertificates reads the certificates of the key protection service: the primary ones first, then the others as they came.
func (c *configuration) loadCertificates(tx *store.Tx) error {
	certs, err := all[*serviceCertificate](tx, store.Certificates, "")
	if err != nil {
		return err
	}
	byTime(certs, func(c *serviceCertificate) time.Time { return c.Added })
	for _, cert := range certs {
		err := cert.read()
		clear(cert.Key) // it lives on in the identity
		if err != nil {
			return fmt.Errorf("reading a certificate: %w", err)
		}
		list := &c.protection.Signing
		if cert.Use == UseEncryption {
			list = &c.protection.Encryption
		}
		if cert.Primary {
			*list = append([]*signing.Identity{cert.identity}, *list...)
		} else {
			*list = append(*list, cert.identity)
		}
	}
	c.certs = certs
	return nil
}

// An attestationSigner is one of this service, with its key, or another one whose health certificates are accepted.
type attestationSigner struct {
	Certificate []byte    `json:"certificate"`
	Key         []byte    `json:"key,omitempty"` // PKCS #8
	Added       time.Time `json:"added"`

	own  bool
	x509 *x509.Certificate
}

// loadSigners reads the attestation signers. The key protection service trusts its own service's, and those that were added.
func (c *configuration) loadSigners(tx *store.Tx) error {
	for _, prefix := range []string{ownPrefix, trustedPrefix} {
		signers, err := all[*attestationSigner](tx, store.Signers, prefix)
		if err != nil {
			return err
		}
		byTime(signers, func(s *attestationSigner) time.Time { return s.Added })
		for _, s := range signers {
			if s.x509, err = x509.ParseCertificate(s.Certificate); err != nil {
				return fmt.Errorf("reading an attestation signer: %w", err)
			}
			if s.own = prefix == ownPrefix; s.own {
				key, err := parseKey(s.Key)
				clear(s.Key)
				if err != nil {
					return fmt.Errorf("reading the attestation signer %s: %w", s.x509.Subject, err)
				}
				c.attestation.Signers = append(c.attestation.Signers, &health.Signer{Certificate: s.x509, Key: key})
			}
			c.signers = append(c.signers, s)
			c.protection.Signers = append(c.protection.Signers, s.x509)
		}
	}
	return nil
}

// renew makes the next attestation signer where it is time to, and takes away those that have ended. It says what changed.
func renew(tx *store.Tx, c *configuration, at time.Time) (changed bool, err error) {
	signers, changed, err := health.Renew(c.attestation.Signers, c.Name, at)
	if err != nil || !changed {
		return false, err
	}
	keep := map[string]bool{}
	for _, s := range signers {
		thumbprint := signing.Thumbprint(s.Certificate)
		keep[thumbprint] = true
		if _, err := tx.Get(store.Signers, ownPrefix+thumbprint); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		key, err := x509.MarshalPKCS8PrivateKey(s.Key)
		if err != nil {
			return false, err
		}
		kept := attestationSigner{Certificate: s.Certificate.Raw, Key: key, Added: at.UTC()}
		if err := putJSON(tx, store.Signers, ownPrefix+thumbprint, kept); err != nil {
			return false, err
		}
		if err := tx.Record("signer.renew", map[string]string{"thumbprint": thumbprint, "expires": stamp(s.Certificate.NotAfter)}); err != nil {
			return false, err
		}
	}
	for _, s := range c.attestation.Signers {
		if thumbprint := signing.Thumbprint(s.Certificate); !keep[thumbprint] {
			if err := tx.Delete(store.Signers, ownPrefix+thumbprint); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// A tpmRoot is the certificate of a TPM's maker who is trusted.
type tpmRoot struct {
	Certificate []byte    `json:"certificate"`
	Added       time.Time `json:"added"`

	x509 *x509.Certificate
}

func (c *configuration) loadRoots(tx *store.Tx) error {
	roots, err := all[*tpmRoot](tx, store.Hosts, rootPrefix)
	if err != nil {
		return err
	}
	for _, r := range roots {
		if r.x509, err = x509.ParseCertificate(r.Certificate); err != nil {
			return fmt.Errorf("reading the root of a TPM's maker: %w", err)
		}
	}
	c.roots = roots
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
