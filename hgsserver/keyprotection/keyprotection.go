// Package keyprotection is the key protection service of a Host Guardian Service (MS-KPS): it tells who it is, and gives the
// keys of key protectors to hosts with a health certificate.
//
// A key leaves the service only encrypted to the key of a health certificate that an attestation signer it trusts has issued,
// that holds at this moment and was not issued before the day that an administrator named; only for a key protector whose
// signatures lead to its owner; and only after the release was recorded. The package keeps no state but its configuration,
// never decides who is healthy, and writes no key.
package keyprotection

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scutum-project/scutum/hgsserver/internal/refusals"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// A Config is what administrators set.
type Config struct {
	// Signing and Encryption are the service's own certificates with their keys. The first of each is primary: metadata has
	// it, and owners grant access to it. Protectors for the others are still rolled. No key is both.
	Signing, Encryption []*signing.Identity

	// Signers are the attestation signers whose health certificates are accepted. DenyBefore is when the service began to
	// accept their certificates, for all of them.
	Signers    []*x509.Certificate
	DenyBefore time.Time

	// MaxOfflineUnwraps says how often a host may use a key again without asking. 0, which is the default, allows no caching
	// of key material.
	MaxOfflineUnwraps uint32
}

// A Release says which key went to whom.
type Release struct {
	Version           string `json:"version"`
	Ingress           string `json:"ingress"` // SHA-256 of the key protector that came, and of the one that went
	Egress            string `json:"egress"`
	Owner             string `json:"owner"` // thumbprint of the signing certificate
	Encryption        string `json:"encryption"`
	Host              string `json:"host"` // of the health certificate: subject, thumbprint and signer
	HealthCertificate string `json:"healthCertificate"`
	AttestationSigner string `json:"attestationSigner"`
	MaxOfflineUnwraps uint32 `json:"maxOfflineUnwraps,omitempty"`
}

// A Service answers requests. Its methods may be called at the same time.
type Service struct {
	Refused       func(kps.Code)      // is called with every request that is answered with an error
	RecordRefusal func(Refusal) error // records refusals; both may be nil, and are set before the first request

	record   func(Release) error
	log      *slog.Logger
	now      func() time.Time
	state    atomic.Pointer[state]
	known    keyprotector.Cache
	refusals refusals.Limit
}

// A state is a configuration with what follows from it.
type state struct {
	Config
	metadata []byte     // nil where there is none
	missing  *kps.Error // why there is none
	issued   issuedCache

	// vouched is the primary encryption certificate with a signature by each of the signing certificates, in their order: it is
	// what protectors for another encryption certificate are rolled to.
	vouched []*guardian.Guardian
}

// New makes a service without certificates and signers. Every release is recorded before its keys leave: where record fails,
// they do not.
func New(record func(Release) error, log *slog.Logger) *Service {
	s := &Service{record: record, log: log, now: time.Now}
	if err := s.Configure(Config{}); err != nil {
		panic(err) // an empty configuration holds
	}
	return s
}

// Configure takes a configuration for all requests that come from now on. It fails, and nothing changes, where keys and
// certificates do not belong together.
func (s *Service) Configure(c Config) error {
	st := &state{Config: c}
	if err := st.check(); err != nil {
		return fmt.Errorf("configuring the key protection service: %w", err)
	}
	switch {
	case len(c.Encryption) == 0:
		st.missing = &kps.Error{Code: kps.ServiceUnavailable, Message: kps.NoEncryptionCertificate}
	case len(c.Signing) == 0:
		st.missing = &kps.Error{Code: kps.ServiceUnavailable, Message: kps.NoSigningCertificate}
	default:
		own := owner(c.Signing[0], c.Encryption[0])
		for _, id := range c.Signing[1:] {
			own.OtherSigning = append(own.OtherSigning, id.Certificate)
		}
		var err error
		if st.metadata, err = own.Metadata(); err != nil {
			return fmt.Errorf("configuring the key protection service: %w", err)
		}
		if err := st.vouch(); err != nil {
			return fmt.Errorf("configuring the key protection service: %w", err)
		}
	}
	s.state.Store(st)
	return nil
}

// vouch has the signing certificates vouch for the primary encryption certificate.
func (st *state) vouch() error {
	for _, id := range st.Signing {
		g := owner(id, st.Encryption[0]).Guardian
		var err error
		if _, g.EncryptionSignature, err = guardian.Sign(id.Key, g.Encryption.Raw); err != nil {
			return fmt.Errorf("signing the encryption certificate of %s: %w", g.Encryption.Subject, err)
		}
		st.vouched = append(st.vouched, &g)
	}
	return nil
}

// next gives what protectors that are opened with those keys are rolled to: nil where that is what they are for already.
func (st *state) next(own *guardian.Owner) *guardian.Guardian {
	if own.Encryption.Equal(st.Encryption[0].Certificate) {
		return nil
	}
	for _, g := range st.vouched {
		if g.Signing.Equal(own.Signing) {
			return g
		}
	}
	return nil
}

func (st *state) check() error {
	for _, id := range st.Signing {
		if err := signing.CheckSigner(id.Certificate, id.Certificate.NotBefore); err != nil { // a retired one may have expired
			return err
		}
		if !sameKey(id.Key, id.Certificate) {
			return fmt.Errorf("the key is not that of the signing certificate of %s", id.Certificate.Subject)
		}
	}
	for _, id := range st.Encryption {
		if err := checkRSA(id.Certificate); err != nil {
			return fmt.Errorf("the encryption certificate of %s: %w", id.Certificate.Subject, err)
		}
		if _, ok := id.Key.(crypto.Decrypter); !ok || !sameKey(id.Key, id.Certificate) {
			return fmt.Errorf("the key is not that of the encryption certificate of %s, or cannot decrypt", id.Certificate.Subject)
		}
		if find(st.Signing, id.Certificate.PublicKey) != nil {
			return fmt.Errorf("the key of %s is to sign and to encrypt: use two", id.Certificate.Subject)
		}
	}
	for _, signer := range st.Signers {
		if err := checkSignerKey(signer); err != nil {
			return fmt.Errorf("the attestation signer %s: %w", signer.Subject, err)
		}
	}
	return nil
}

// checkSignerKey wants a key that is not found out within the time that a signer is trusted for.
func checkSignerKey(c *x509.Certificate) error {
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok && key.Curve.Params().BitSize >= 256 {
		return nil
	}
	if err := checkRSA(c); err != nil {
		return fmt.Errorf("%w; nor is it ECDSA on P-256 or a larger curve", err)
	}
	return nil
}

const minRSABits, maxRSABits = 2048, 4096

func checkRSA(c *x509.Certificate) error {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("its key is not RSA")
	}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("its key has %d bits, not %d to %d", bits, minRSABits, maxRSABits)
	}
	return nil
}

func sameKey(key crypto.Signer, c *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// find gives the identity with that key, nil when there is none. Its certificate may be another one.
func find(ids []*signing.Identity, key crypto.PublicKey) *signing.Identity {
	for _, id := range ids {
		if public, ok := id.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(key) {
			return id
		}
	}
	return nil
}

func owner(signer, encryption *signing.Identity) *guardian.Owner {
	return &guardian.Owner{
		Guardian:      guardian.Guardian{Name: "the service", Signing: signer.Certificate, Encryption: encryption.Certificate},
		SigningKey:    signer.Key,
		EncryptionKey: encryption.Key,
	}
}

// Metadata gives the document by which others know the service (MS-KPS section 3.1.5.1.2). It fails with a *kps.Error.
func (s *Service) Metadata() ([]byte, error) {
	st := s.state.Load()
	if st.missing != nil {
		return nil, st.missing
	}
	return st.metadata, nil
}

// Roll does what section 3.1.5.1.1.3 says, in its order. A refusal is a *kps.Error; with any other error, it is not for the
// host to know what failed.
func (s *Service) Roll(v kps.Version, r *kps.Request) (*kps.Response, error) {
	st, now := s.state.Load(), s.now()
	host, signer, err := st.checkHealth(r.HealthCertificate, now)
	if err != nil {
		return nil, &kps.Error{Code: kps.HealthCertificateError, Message: err.Error()}
	}
	ingress, err := s.known.Parse(r.Ingress)
	if err != nil {
		return nil, refusal(err)
	}
	own, err := st.guardianOf(ingress)
	if errors.Is(err, keyprotector.ErrNotGranted) {
		return nil, &notGranted{refusal(err), ingress.Wrappings()}
	}
	if err != nil {
		return nil, refusal(err)
	}
	rolled, ingressKey, egressKey, err := ingress.Roll(own, st.next(own))
	if err != nil {
		return nil, refusal(err)
	}
	keys := &kps.Keys{Ingress: ingressKey, Egress: egressKey, MaxOfflineUnwraps: st.MaxOfflineUnwraps}
	defer keys.Clear()
	ingressKey.Clear()
	egressKey.Clear()
	if v == kps.V1 {
		keys.MaxOfflineUnwraps = 0 // its payload cannot say so
	}

	egress, err := withMaxOfflineUnwraps(rolled.Bytes(), keys.MaxOfflineUnwraps)
	if err != nil {
		return nil, err
	}
	response, err := kps.NewResponse(v, host.PublicKey.(*rsa.PublicKey), egress, keys)
	if err != nil {
		return nil, err
	}
	err = s.record(Release{
		Version:           v.String(),
		Ingress:           digest(r.Ingress),
		Egress:            digest(egress),
		Owner:             signing.Thumbprint(ingress.Owner().Signing),
		Encryption:        signing.Thumbprint(own.Encryption),
		Host:              host.Subject.String(),
		HealthCertificate: signing.Thumbprint(host),
		AttestationSigner: signing.Thumbprint(signer),
		MaxOfflineUnwraps: keys.MaxOfflineUnwraps,
	})
	if err != nil {
		return nil, fmt.Errorf("recording the release of a key: %w", err)
	}
	return response, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// guardianOf gives the certificates, and keys, under which the service stands in a protector: the ones that come first in the
// configuration, where it is there several times.
func (st *state) guardianOf(p *keyprotector.Protector) (*guardian.Owner, error) {
	wrappings := p.Wrappings()
	for _, encryption := range st.Encryption {
		for _, w := range wrappings {
			if find([]*signing.Identity{encryption}, w.Encryption.PublicKey) == nil {
				continue
			}
			if signer := find(st.Signing, w.Signing.PublicKey); signer != nil {
				return owner(signer, encryption), nil
			}
		}
	}
	// A protector that is not sound is told so before anything else.
	if err := p.Verify(); err != nil {
		return nil, err
	}
	return nil, keyprotector.ErrNotGranted
}

// refusal names the errors of package keyprotector. The specification has no name for a protector that is not for the service:
// it is answered as one that is not valid here.
func refusal(err error) error {
	switch {
	case errors.Is(err, keyprotector.ErrInvalidWrapping):
		return &kps.Error{Code: kps.InvalidWrapping, Message: err.Error()}
	case errors.Is(err, keyprotector.ErrInvalidProtector), errors.Is(err, keyprotector.ErrNoProtector),
		errors.Is(err, keyprotector.ErrNotGranted), errors.Is(err, keyprotector.ErrCannotUnwrap):
		return &kps.Error{Code: kps.InvalidProtector, Message: err.Error()}
	}
	return err
}
