package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/argon2"
)

const (
	keySize   = 32
	saltSize  = 16
	nonceSize = 12
	tagSize   = 16
)

// derive makes a key of a passphrase: Argon2id with three passes over 64 MiB in four lanes, the second choice of RFC 9106.
func derive(passphrase, salt []byte) []byte {
	return argon2.IDKey(passphrase, salt, 3, 64<<10, 4, keySize)
}

func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // all keys have 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block has 16 bytes
	}
	return gcm
}

var errNoPassphrase = errors.New("the passphrase must not be empty")

var wrapLabel = []byte("scutum hgs state key")

// wrap gives salt, nonce, and the key of a file under a passphrase.
func wrap(key, passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errNoPassphrase
	}
	wrapped := make([]byte, saltSize+nonceSize)
	_, _ = rand.Read(wrapped)
	derived := derive(passphrase, wrapped[:saltSize])
	defer clear(derived)
	return newGCM(derived).Seal(wrapped, wrapped[saltSize:], key, wrapLabel), nil
}

func unwrap(wrapped, passphrase []byte) ([]byte, error) {
	if len(wrapped) != saltSize+nonceSize+keySize+tagSize {
		return nil, fmt.Errorf("%w: its key has %d bytes", ErrFormat, len(wrapped))
	}
	derived := derive(passphrase, wrapped[:saltSize])
	defer clear(derived)
	key, err := newGCM(derived).Open(nil, wrapped[saltSize:saltSize+nonceSize], wrapped[saltSize+nonceSize:], wrapLabel)
	if err != nil {
		return nil, ErrPassphrase
	}
	return key, nil
}

// place binds a value to where it stands.
func place(b Bucket, key []byte) []byte { return slices.Concat([]byte(b), []byte{0}, key) }

// seal encrypts a value. The nonces are random: with fewer than 2^32 values none is expected to come twice.
func (s *Store) seal(b Bucket, key, value []byte) []byte {
	sealed := make([]byte, nonceSize, nonceSize+len(value)+tagSize)
	_, _ = rand.Read(sealed)
	return s.aead.Seal(sealed, sealed, value, place(b, key))
}

func (s *Store) open(b Bucket, key, sealed []byte) ([]byte, error) {
	if len(sealed) >= nonceSize {
		if value, err := s.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], place(b, key)); err == nil {
			return value, nil
		}
	}
	return nil, fmt.Errorf("%w: %s %.64q: restore a backup", ErrAltered, b, key)
}
