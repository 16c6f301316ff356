package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/scutum-project/scutum/vhdx/bitlocker/ccm"
)

// What a key is for, as keys say it themselves.
const (
	keyRecovery   = 0x1000 // the 16 bytes of a recovery password; as the kind of a stretching, of such
	keyPassphrase = 0x1001 // the kind of a stretching, of a passphrase
	keyClear      = 0x2000
	keyExternal   = 0x2002
	keyMaster     = 0x2003
	keyHash       = 0x2005 // not a key: the SHA-256 of the metadata
	keyOfPass     = 0x2007 // made of a passphrase
	keyOfRecovery = 0x2008 // made of a recovery password
)

// Sizes of what is wrapped (AES-CCM): the nonce is a time and a counter, and the tag comes before the ciphertext.
const (
	nonceSize = 12
	tagSize   = 16
)

// A secret is a key with what it is for.
type secret struct {
	kind uint16
	key  []byte
}

// datum is the secret in clear. Those that lie in the metadata have the version 1, and those that are wrapped 0.
func (s secret) datum(version uint16) datum {
	value := binary.LittleEndian.AppendUint16(nil, s.kind)
	return datum{kind: kindKey, version: version, value: append(append(value, 0, 0), s.key...)}
}

// parseSecret reads a datum that holds a secret in clear.
func parseSecret(d datum) (secret, error) {
	if d.kind != kindKey || len(d.value) < 4 {
		return secret{}, fmt.Errorf("%w: a datum of kind %#x and %d bytes is no key", ErrMetadata, d.kind, d.size())
	}
	return secret{binary.LittleEndian.Uint16(d.value), d.value[4:]}, nil
}

func newCCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return ccm.New(block, nonceSize, tagSize)
}

// wrap encrypts the secret.
func (s secret) wrap(role uint16, key, nonce []byte) (datum, error) {
	aead, err := newCCM(key)
	if err != nil {
		return datum{}, err
	}
	plain := s.datum(0).append(nil)
	defer clear(plain)
	sealed := aead.Seal(nil, nonce, plain, nil)
	value := append([]byte(nil), nonce...)
	value = append(value, sealed[len(plain):]...)
	return datum{role: role, kind: kindWrapped, version: 1, value: append(value, sealed[:len(plain)]...)}, nil
}

// unwrap decrypts a secret. Its error is ErrWrongKey when the key is another, or what is wrapped was changed.
func unwrap(d datum, key []byte) (secret, error) {
	if d.kind != kindWrapped || len(d.value) < nonceSize+tagSize {
		return secret{}, fmt.Errorf("%w: a datum of kind %#x and %d bytes is no wrapped key", ErrMetadata, d.kind, d.size())
	}
	aead, err := newCCM(key)
	if err != nil {
		return secret{}, err
	}
	nonce, tag, ciphertext := d.value[:nonceSize], d.value[nonceSize:nonceSize+tagSize], d.value[nonceSize+tagSize:]
	plain, err := aead.Open(nil, nonce, append(append([]byte(nil), ciphertext...), tag...), nil)
	if err != nil {
		return secret{}, ErrWrongKey
	}
	return parseWrapped(plain)
}

// parseWrapped reads the one datum that something wrapped holds.
func parseWrapped(plain []byte) (secret, error) {
	data, err := parseDatums(plain, 0, maxDepth)
	if err != nil {
		return secret{}, err
	}
	if len(data) != 1 || data[0].size() != len(plain) {
		return secret{}, fmt.Errorf("%w: what is wrapped is not one key", ErrMetadata)
	}
	return parseSecret(data[0])
}

// stretchRounds is how often a password is hashed.
const stretchRounds = 0x100000

// stretch makes a key of the hash of a password. It takes some 100 to 500 ms.
func stretch(initial [sha256.Size]byte, salt []byte) []byte {
	var state [sha256.Size + sha256.Size + 16 + 8]byte // the last hash, the first one, the salt, the number of the round
	copy(state[32:], initial[:])
	copy(state[64:80], salt)
	for round := range uint64(stretchRounds) {
		binary.LittleEndian.PutUint64(state[80:], round)
		last := sha256.Sum256(state[:])
		copy(state[:], last[:])
	}
	key := append([]byte(nil), state[:32]...)
	clear(state[:])
	return key
}
