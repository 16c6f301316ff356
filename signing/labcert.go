package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// KeyKind is a kind of key that NewLabIdentity makes, as text.
type KeyKind string

// The kinds of keys. RSA2048 is understood everywhere.
const (
	RSA2048 KeyKind = "rsa2048"
	RSA3072 KeyKind = "rsa3072"
	RSA4096 KeyKind = "rsa4096"
	P256    KeyKind = "p256"
	P384    KeyKind = "p384"
)

// KeyKinds are all kinds, for help texts and completion.
var KeyKinds = []KeyKind{RSA2048, RSA3072, RSA4096, P256, P384}

// ParseKeyKind reads a kind's text, in any case.
func ParseKeyKind(s string) (KeyKind, error) {
	var known []string
	for _, k := range KeyKinds {
		if strings.EqualFold(s, string(k)) {
			return k, nil
		}
		known = append(known, string(k))
	}
	return "", fmt.Errorf("unknown kind of key %q: use one of %s", s, strings.Join(known, ", "))
}

func (k KeyKind) generate() (crypto.Signer, error) {
	switch k {
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		_, err := ParseKeyKind(string(k))
		return nil, err
	}
}

// labOrganization stands in the subject of a lab certificate, so that everybody who looks at one sees what it is.
const labOrganization = "Scutum lab certificate"

// maxCommonName is ub-common-name, in characters (RFC 5280 appendix A.1).
const maxCommonName = 64

// NewLabIdentity makes a key and a self-signed certificate for it, valid from now on: good for trying things out, and
// nobody's word for who the signer is. The subject is the common name alone, without CN=.
//
// The certificate allows digital signatures and is no CA. It names no extended key usage: template signing asks for none,
// and `openssl cms -verify` would take code signing for a restriction that forbids it.
func NewLabIdentity(subject string, kind KeyKind, validFor time.Duration) (*Identity, error) {
	if err := checkCommonName(subject); err != nil {
		return nil, fmt.Errorf("making a lab certificate: %w", err)
	}
	if validFor < time.Second {
		return nil, fmt.Errorf("making a lab certificate: it must be valid for some time, not for %v", validFor)
	}
	key, err := kind.generate()
	if err != nil {
		return nil, fmt.Errorf("making a lab certificate: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	template := &x509.Certificate{ // CreateCertificate adds a random serial number
		Subject:               pkix.Name{CommonName: subject, Organization: []string{labOrganization}},
		NotBefore:             now,
		NotAfter:              now.Add(validFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if template.SubjectKeyId, err = keyID(key.Public()); err != nil {
		return nil, fmt.Errorf("making a lab certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a lab certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making a lab certificate: %w", err)
	}
	return &Identity{Certificate: certificate, Key: key}, nil
}

// keyID is a subject key identifier: SHA-256 of the SubjectPublicKeyInfo (RFC 7093 section 2, method 4).
func keyID(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return sum[:], nil
}

func checkCommonName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("the subject is empty: give it a name, such as \"Contoso template signing\"")
	case utf8.RuneCountInString(name) > maxCommonName:
		return fmt.Errorf("the subject has more than %d characters: shorten it", maxCommonName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the subject has a character that cannot be printed: leave it out")
	case len(name) >= 3 && strings.EqualFold(name[:3], "CN="):
		return errors.New("the subject is the name alone: leave out CN=")
	}
	return nil
}
