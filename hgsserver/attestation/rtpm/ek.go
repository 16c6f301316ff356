package rtpm

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// ErrEndorsementKey says that a key is not an endorsement key that the exchange can use.
var ErrEndorsementKey = errors.New("not an RSA endorsement key of 2048 bits by the TCG's default template")

const modulusSize = 256

// template is the public area of an endorsement key by the template L-1 (TCG EK Credential Profile 2.3, section B.3.3), up to
// the modulus. Every TPM makes the same key of it each time.
var template = func() []byte {
	t := tpm2.RSAEKTemplate
	t.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: make([]byte, modulusSize)})
	b := tpm2.Marshal(t)
	return b[:len(b)-modulusSize]
}()

// An EndorsementKey is the public part of a TPM's endorsement key.
type EndorsementKey struct{ key rsa.PublicKey }

// NewEndorsementKey takes a key as it stands in an endorsement certificate. It fails with ErrEndorsementKey.
func NewEndorsementKey(key *rsa.PublicKey) (*EndorsementKey, error) {
	if key.N == nil || key.N.BitLen() != 8*modulusSize || key.N.Bit(0) == 0 || key.E != 65537 {
		return nil, ErrEndorsementKey
	}
	return &EndorsementKey{*key}, nil
}

// ParseEndorsementKey reads a key as a TPM and RtpmPublicEndorsementKey have it (TPM2B_PUBLIC). It fails with ErrEndorsementKey.
func ParseEndorsementKey(public []byte) (*EndorsementKey, error) {
	size := len(template) + modulusSize
	if len(public) != 2+size || int(binary.BigEndian.Uint16(public)) != size || !bytes.Equal(public[2:2+len(template)], template) {
		return nil, ErrEndorsementKey
	}
	return NewEndorsementKey(&rsa.PublicKey{N: new(big.Int).SetBytes(public[2+len(template):]), E: 65537})
}

// Bytes is the key as a TPM has it (TPM2B_PUBLIC).
func (k *EndorsementKey) Bytes() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(template)+modulusSize))
	return append(append(b, template...), k.key.N.FillBytes(make([]byte, modulusSize))...)
}

// Public is the key itself.
func (k *EndorsementKey) Public() *rsa.PublicKey { return &k.key }

// Digest is the SHA-256 of Bytes, by which hosts are told apart.
func (k *EndorsementKey) Digest() [sha256.Size]byte { return sha256.Sum256(k.Bytes()) }

// Equal says whether both are the same key.
func (k *EndorsementKey) Equal(other *EndorsementKey) bool {
	return subtle.ConstantTimeCompare(k.Bytes(), other.Bytes()) == 1
}

// encryptSalt encrypts the salt of a session (TPM 2.0 Part 1, section B.10.2). The label keeps the ciphertext from being
// decrypted by a TPM for any other purpose.
func (k *EndorsementKey) encryptSalt(salt []byte) ([]byte, error) {
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.key, salt, []byte("SECRET\x00"))
	if err != nil {
		return nil, fmt.Errorf("encrypt a salt to the endorsement key: %w", err)
	}
	return encrypted, nil
}
