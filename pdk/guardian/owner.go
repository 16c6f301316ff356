package guardian

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/signing"
)

// clockSkew is how far the clock of who reads a new certificate may be behind.
const clockSkew = 5 * time.Minute

// NewOwner makes an owner guardian: two RSA keys of 2048, 3072 or 4096 bits, each with a self-signed certificate that is
// valid from now on. The subjects are the name, with what the certificate is for.
func NewOwner(name string, bits int, validFor time.Duration) (*Owner, error) {
	o, err := newOwner(name, bits, validFor)
	if err != nil {
		return nil, fmt.Errorf("making owner guardian %q: %w", name, err)
	}
	return o, nil
}

func newOwner(name string, bits int, validFor time.Duration) (*Owner, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if bits != 2048 && bits != 3072 && bits != 4096 {
		return nil, fmt.Errorf("RSA keys of %d bits are not made: use 2048, 3072 or 4096", bits)
	}
	if validFor < time.Second {
		return nil, fmt.Errorf("its certificates must be valid for some time, not for %v", validFor)
	}
	o := &Owner{Guardian: Guardian{Name: name}}
	for _, c := range []struct {
		certificate **x509.Certificate
		key         *crypto.Signer
		usage       x509.KeyUsage
		purpose     string
	}{
		{&o.Signing, &o.SigningKey, x509.KeyUsageDigitalSignature, "Guardian signing"},
		{&o.Encryption, &o.EncryptionKey, x509.KeyUsageKeyEncipherment, "Guardian encryption"},
	} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, err
		}
		subject := pkix.Name{CommonName: name, OrganizationalUnit: []string{c.purpose}}
		if *c.certificate, err = selfSigned(key, subject, c.usage, validFor); err != nil {
			return nil, err
		}
		*c.key = key
	}
	return o, nil
}

func selfSigned(key *rsa.PrivateKey, subject pkix.Name, usage x509.KeyUsage, validFor time.Duration) (*x509.Certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(public) // RFC 7093 section 2, method 4
	now := time.Now().UTC().Truncate(time.Second)
	template := &x509.Certificate{ // CreateCertificate adds a random serial number
		Subject:               subject,
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(validFor),
		KeyUsage:              usage,
		SubjectKeyId:          id[:],
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// ImportOwner makes an owner guardian of keys and certificates that exist, such as signing.LoadPFX gives. Whether these
// may be used, Check says. Issuers that came with them are left out: metadata has no place for them.
func ImportOwner(name string, signer, encryption *signing.Identity) (*Owner, error) {
	fail := func(err error) (*Owner, error) {
		return nil, fmt.Errorf("importing owner guardian %q: %w", name, err)
	}
	if err := CheckName(name); err != nil {
		return fail(err)
	}
	if _, err := signatureAlgorithm(signer.Certificate.PublicKey); err != nil {
		return fail(fmt.Errorf("the signing certificate: %w", err))
	}
	if _, ok := encryption.Key.(*rsa.PrivateKey); !ok {
		return fail(errors.New("the encryption key is not RSA: use a PFX file with an RSA key"))
	}
	return &Owner{
		Guardian:      Guardian{Name: name, Signing: signer.Certificate, Encryption: encryption.Certificate},
		SigningKey:    signer.Key,
		EncryptionKey: encryption.Key,
	}, nil
}
