package pdk

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk/keyprotector"
)

const (
	algorithm = "A256GCM"
	keyInfo   = "scutum pdk payload" // HKDF, with SHA-256 and no salt
	nonceSize = 12
	tagSize   = 16
)

// sealed is a payload that is encrypted.
type sealed struct {
	Algorithm  string `json:"algorithm"`
	Nonce      []byte `json:"nonce"`
	Ciphertext []byte `json:"ciphertext"` // and the tag
}

func (s sealed) check() error {
	switch {
	case s.Algorithm != algorithm:
		return fmt.Errorf("the algorithm %.32q of the payload is unknown, want %q", s.Algorithm, algorithm)
	case len(s.Nonce) != nonceSize:
		return fmt.Errorf("the nonce of the payload has %d bytes, want %d", len(s.Nonce), nonceSize)
	case len(s.Ciphertext) <= tagSize || len(s.Ciphertext) > maxPlain+tagSize:
		return fmt.Errorf("the ciphertext of the payload has %d bytes, not %d to %d", len(s.Ciphertext), tagSize+1, maxPlain+tagSize)
	}
	return nil
}

// seal encrypts a payload that was checked, for the shielding data with that identifier.
func (p *Payload) seal(key *keyprotector.TransportKey, id uuid.UUID) (sealed, error) {
	aead, err := key.AEAD(keyInfo)
	if err != nil {
		return sealed{}, err
	}
	s := sealed{Algorithm: algorithm, Nonce: make([]byte, nonceSize)}
	rand.Read(s.Nonce) // never fails
	plain := p.encode()
	defer clear(plain)
	s.Ciphertext = aead.Seal(nil, s.Nonce, plain, []byte(id.String()))
	return s, nil
}

// Encrypted is how long the encrypted secrets are, in bytes, which anybody can see.
func (d *ShieldingData) Encrypted() int { return len(d.sealed.Ciphertext) }

// Open decrypts the secrets with the encryption key of the owner or of a guardian, which may be an *rsa.PrivateKey or be held in
// hardware. The error is keyprotector.ErrNotGranted when that has no access, else one of OpenWith.
func (d *ShieldingData) Open(key crypto.Decrypter) (*Payload, error) {
	transportKey, err := d.unwrap(key)
	if err != nil {
		return nil, err
	}
	defer transportKey.Clear()
	return d.OpenWith(transportKey)
}

func (d *ShieldingData) unwrap(key crypto.Decrypter) (keyprotector.TransportKey, error) {
	transportKey, err := d.KeyProtector.Unwrap(key)
	if errors.Is(err, keyprotector.ErrCannotUnwrap) {
		return transportKey, ErrCannotOpen
	}
	return transportKey, err
}

// OpenWith decrypts the secrets with the transport key. The error is ErrCannotOpen, whatever the reason, or ErrPDK when what the
// owner encrypted is malformed.
func (d *ShieldingData) OpenWith(transportKey keyprotector.TransportKey) (*Payload, error) {
	defer transportKey.Clear()
	aead, err := transportKey.AEAD(keyInfo)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, d.sealed.Nonce, d.sealed.Ciphertext, []byte(d.ID.String()))
	if err != nil {
		return nil, ErrCannotOpen
	}
	defer clear(plain)
	p, err := decodePayload(plain)
	if err != nil {
		return nil, err
	}
	if err := p.checkFor(d.Kind); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}
