package hgsserver

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

func (s *Server) listCertificates(*call) (any, error) {
	list := []CertificateInfo{}
	for _, c := range s.current.Load().certs {
		list = append(list, certificateInfo(c.identity.Certificate, c.Use, c.Primary))
	}
	return list, nil
}

func (s *Server) addCertificate(c *call) (any, error) {
	var n NewCertificate
	if err := c.read(&n); err != nil {
		return nil, err
	}
	defer clear(n.Key)
	given := serviceCertificate{Certificate: n.Certificate, Chain: n.Chain, Key: n.Key}
	if err := given.read(); err != nil {
		return nil, fmt.Errorf("reading a certificate with its key: %w", err)
	}
	public, ok := given.identity.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(given.identity.Certificate.PublicKey) {
		return nil, errors.New("the key is not that of the certificate")
	}
	kept, err := newServiceCertificate(n.Use, given.identity, s.now())
	if err != nil {
		return nil, err
	}
	defer clear(kept.Key)
	info := certificateInfo(given.identity.Certificate, n.Use, n.Primary)
	return info, s.change(c.by, "cert.add", info, func(tx *store.Tx, config *configuration) error {
		if err := addJSON(tx, store.Certificates, info.Thumbprint, kept, "certificate", "hgs cert primary makes it the primary one"); err != nil || !n.Primary {
			return err
		}
		return setPrimary(tx, config, n.Use, info.Thumbprint)
	})
}

// setPrimary makes the certificate with that thumbprint the primary one for its use, in place of another one.
func setPrimary(tx *store.Tx, config *configuration, use, thumbprint string) error {
	for _, t := range append(thumbprintsOf(config, use), thumbprint) {
		var cert serviceCertificate
		if err := getJSON(tx, store.Certificates, t, &cert); err != nil {
			return err
		}
		cert.Primary = t == thumbprint
		if err := putJSON(tx, store.Certificates, t, cert); err != nil {
			return err
		}
		clear(cert.Key)
	}
	return nil
}

func thumbprintsOf(config *configuration, use string) []string {
	var list []string
	for _, c := range config.certs {
		if c.Use == use {
			list = append(list, c.thumbprint())
		}
	}
	return list
}

// find gives the certificate that a thumbprint names, or its beginning.
func (c *configuration) find(thumbprint string) (*serviceCertificate, error) {
	const least = 8
	var found *serviceCertificate
	for _, cert := range c.certs {
		if t := cert.thumbprint(); len(thumbprint) >= least && strings.HasPrefix(t, strings.ToLower(thumbprint)) {
			if found != nil {
				return nil, fmt.Errorf("several certificates begin with %s: give more of the thumbprint", thumbprint)
			}
			found = cert
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: certificate %.64q", ErrNotFound, thumbprint)
	}
	return found, nil
}

func (s *Server) makePrimary(c *call) (any, error) {
	var n Named
	if err := c.read(&n); err != nil {
		return nil, err
	}
	return done{true}, s.change(c.by, "cert.primary", n, func(tx *store.Tx, config *configuration) error {
		cert, err := config.find(n.Name)
		if err != nil {
			return err
		}
		if end := cert.identity.Certificate.NotAfter; s.now().After(end) {
			return fmt.Errorf("the certificate ended at %s: make another one primary", stamp(end))
		}
		return setPrimary(tx, config, cert.Use, cert.thumbprint())
	})
}

// removeCertificate takes a certificate away with its key. Of one for encryption, that may be the end of what is wrapped for it.
func (s *Server) removeCertificate(c *call) (any, error) {
	var n CertificateRemoval
	if err := c.read(&n); err != nil {
		return nil, err
	}
	removable := func(config *configuration) (*serviceCertificate, error) {
		cert, err := config.find(n.Name)
		if err == nil && cert.Primary {
			err = fmt.Errorf("the certificate is the primary one for %s: make another one primary first", cert.Use)
		}
		return cert, err
	}
	cert, err := removable(s.current.Load())
	if err != nil {
		return nil, err
	}
	if cert.Use == UseEncryption && !n.Force {
		return nil, s.whatIsLost(cert.thumbprint())
	}
	return done{true}, s.change(c.by, "cert.remove", n, func(tx *store.Tx, config *configuration) error {
		cert, err := removable(config)
		if err != nil {
			return err
		}
		return tx.Delete(store.Certificates, cert.thumbprint())
	})
}

// whatIsLost says what goes with an encryption certificate, and which release last used it, as far as the audit log knows.
func (s *Server) whatIsLost(thumbprint string) error {
	last, err := s.lastRelease(thumbprint)
	if err != nil {
		return err
	}
	used := "the audit log has no release that used it"
	if last != nil {
		used = fmt.Sprintf("a release last used it at %s: entry %d of the audit log", stamp(last.Time), last.Sequence)
	}
	return fmt.Errorf("encryption certificate %s is not removed; with it goes what is wrapped for it alone, such as shielding data and machines "+
		"that have not started since another one is primary; %s; make a backup that keeps it, and --force removes it", thumbprint, used)
}

// lastRelease gives the last release of a key that was wrapped for an encryption certificate. It is nil where the audit log has
// none.
func (s *Server) lastRelease(thumbprint string) (*store.Entry, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	f := &reportFilter{kind: "release", limit: 1, encryption: thumbprint}
	var found []*store.Entry
	err := s.store.View(func(tx *store.Tx) (err error) {
		found, err = lastEntries(tx, f)
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func (s *Server) listSigners(*call) (any, error) {
	list := []CertificateInfo{}
	for _, signer := range s.current.Load().signers {
		use := "trusted"
		if signer.own {
			use = "own"
		}
		list = append(list, certificateInfo(signer.x509, use, false))
	}
	return list, nil
}

func (s *Server) trustSigner(c *call) (any, error) {
	var n NewCertificate
	if err := c.read(&n); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(n.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of an attestation signer: %w", err)
	}
	if !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 || s.now().After(cert.NotAfter) {
		return nil, fmt.Errorf("%s is not an attestation signer, or has ended: it has to sign certificates", cert.Subject)
	}
	info := certificateInfo(cert, "trusted", false)
	return info, s.change(c.by, "signer.trust", info, func(tx *store.Tx, config *configuration) error {
		for _, signer := range config.signers {
			if signing.Thumbprint(signer.x509) == info.Thumbprint {
				return fmt.Errorf("%w: attestation signer %s; there is nothing to do: see hgs signer list", ErrExists, info.Thumbprint)
			}
		}
		return addJSON(tx, store.Signers, trustedPrefix+info.Thumbprint, attestationSigner{Certificate: cert.Raw, Added: s.now().UTC()},
			"attestation signer", "there is nothing to do: see hgs signer list")
	})
}

func (s *Server) distrustSigner(c *call) (any, error) {
	return s.remove(c, "signer", store.Signers, trustedPrefix)
}
