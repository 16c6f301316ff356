package attestation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/hgsserver/attestation/endorsement"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
)

// A Host is one that may attest by its TPM.
type Host struct {
	Name        string `json:"name"`
	Key         []byte `json:"key"`                   // the endorsement key as a TPM has it (TPM2B_PUBLIC)
	Certificate []byte `json:"certificate,omitempty"` // of the endorsement key, DER; a host of policy version 1 may have none
}

// A HostKey is a key by which a host may attest.
type HostKey struct {
	Name string `json:"name"`
	Key  []byte `json:"key"` // DER of a SubjectPublicKeyInfo
}

// NewHost registers a host by its endorsement certificate, for which a root has to vouch. It fails with
// endorsement.ErrCertificate or endorsement.ErrUntrusted.
func NewHost(name string, certificate []byte, roots, intermediates []*x509.Certificate, at time.Time) (*Host, error) {
	c, err := endorsement.Parse(certificate)
	if err == nil {
		err = errors.Join(c.Check(roots, intermediates, at), checkName(name))
	}
	if err != nil {
		return nil, fmt.Errorf("registering host %.64q: %w", name, err)
	}
	return &Host{name, c.Key.Bytes(), certificate}, nil
}

// NewHostWithoutCertificate registers a host by its endorsement key alone (TPM2B_PUBLIC), as policy version 1 does: that the key
// is in a TPM, nobody says.
func NewHostWithoutCertificate(name string, key []byte) (*Host, error) {
	ek, err := rtpm.ParseEndorsementKey(key)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return nil, fmt.Errorf("registering host %.64q: %w", name, err)
	}
	return &Host{Name: name, Key: ek.Bytes()}, nil
}

// NewHostKey registers a host's key: the DER of a SubjectPublicKeyInfo, with RSA of 2048 to 4096 bits or ECDSA on P-256 or P-384.
func NewHostKey(name string, key []byte) (*HostKey, error) {
	_, err := parseHostKey(key)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return nil, fmt.Errorf("registering the key of host %.64q: %w", name, err)
	}
	return &HostKey{name, key}, nil
}

func checkName(name string) error {
	if name == "" || len(name) > health.MaxHost || !utf8.ValidString(name) {
		return fmt.Errorf("a host's name has 1 to %d bytes of UTF-8", health.MaxHost)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return errors.New("a host's name has nothing in it that does not print")
		}
	}
	return nil
}

const minRSABits, maxRSABits = 2048, 4096

func parseHostKey(der []byte) (crypto.PublicKey, error) {
	public, err := parsePublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("the host key: %w", err)
	}
	if key, ok := public.(*ecdsa.PublicKey); ok && (key.Curve == elliptic.P256() || key.Curve == elliptic.P384()) {
		return public, nil
	}
	if err := checkRSA(public); err != nil {
		return nil, fmt.Errorf("the host key: %w; nor is it ECDSA on P-256 or P-384", err)
	}
	return public, nil
}

func checkRSA(public crypto.PublicKey) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits {
		return fmt.Errorf("it is not RSA of %d to %d bits", minRSABits, maxRSABits)
	}
	return nil
}

// parsePublicKey reads a SubjectPublicKeyInfo in its one form, so that no key has two digests.
func parsePublicKey(der []byte) (crypto.PublicKey, error) {
	const maxKey = 2048 // bytes
	if len(der) > maxKey {
		return nil, fmt.Errorf("it has more than %d bytes", maxKey)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	if again, err := x509.MarshalPKIXPublicKey(public); err != nil || !bytes.Equal(again, der) {
		return nil, errors.New("it is not written in its usual form")
	}
	return public, nil
}
