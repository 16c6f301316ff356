package health

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"
)

// How long a signer holds, and how long before its end the next one is made. In between, others learn of the next one and come
// to trust it.
const (
	SignerLifetime = 365 * 24 * time.Hour
	RenewBefore    = 30 * 24 * time.Hour
)

// A Signer issues health certificates.
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewSigner makes a signer for the service of that name, with a new ECDSA key on P-256, that holds from a time on.
func NewSigner(service string, at time.Time) (*Signer, error) {
	s, err := newSigner(service, at)
	if err != nil {
		return nil, fmt.Errorf("making an attestation signer: %w", err)
	}
	return s, nil
}

func newSigner(service string, at time.Time) (*Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(public) // RFC 7093 section 2, method 4
	from := at.UTC().Truncate(time.Second)
	template := &x509.Certificate{ // CreateCertificate adds a random serial number
		Subject:               pkix.Name{CommonName: service, OrganizationalUnit: []string{"Attestation signer"}},
		NotBefore:             from,
		NotAfter:              from.Add(SignerLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		SubjectKeyId:          id[:],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &Signer{certificate, key}, err
}

// Renew gives the signers that a service must have at a time, oldest first: those that have not ended, and a new one where the
// last of them ends soon, or there is none. They are to be kept, and made known, when changed is true.
func Renew(signers []*Signer, service string, at time.Time) (renewed []*Signer, changed bool, err error) {
	for _, s := range signers {
		if at.Before(s.Certificate.NotAfter) {
			renewed = append(renewed, s)
		}
	}
	slices.SortStableFunc(renewed, func(a, b *Signer) int { return a.Certificate.NotAfter.Compare(b.Certificate.NotAfter) })
	changed = len(renewed) != len(signers)
	if n := len(renewed); n > 0 && at.Before(renewed[n-1].Certificate.NotAfter.Add(-RenewBefore)) {
		return renewed, changed, nil
	}
	next, err := NewSigner(service, at)
	if err != nil {
		return nil, false, err
	}
	return append(renewed, next), true, nil
}

// Current gives the signer that issues at a time: the oldest one whose certificates would still hold for all of Lifetime, so
// that a new one is known before it is used. It gives nil where there is none.
func Current(signers []*Signer, at time.Time) *Signer {
	var current *Signer
	for _, s := range signers {
		c := s.Certificate
		if at.Before(c.NotBefore) || c.NotAfter.Before(at.Add(Lifetime)) {
			continue
		}
		if current == nil || c.NotAfter.Before(current.Certificate.NotAfter) {
			current = s
		}
	}
	return current
}
