package keyprotector

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
)

// TransportKey is what a protector protects. It is secret, and never prints itself.
type TransportKey [32]byte

func newTransportKey() (key TransportKey) {
	rand.Read(key[:]) // never fails
	return key
}

// Clear overwrites the key. Copies of it remain.
func (k *TransportKey) Clear() { clear(k[:]) }

// What is written in place of the key, however it is printed, logged or marshalled.
const redacted = "[transport key]"

func (k TransportKey) String() string               { return redacted }
func (k TransportKey) GoString() string             { return redacted }
func (k TransportKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format writes the same for every verb.
func (k TransportKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// AEAD gives AES-256-GCM under the key that HKDF, with SHA-256 and no salt, derives for the purpose that info names.
func (k *TransportKey) AEAD(info string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k[:], nil, info, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
