package keyprotector

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
)

var oaep = &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}

// Unwrap gives the transport key to the owner or a guardian, whose encryption key may be an *rsa.PrivateKey or be held in
// hardware. It verifies the protector before, and with the transport key the transport key signature.
//
// The error is one of Verify, ErrNotGranted when no wrapping is for the key, or else ErrCannotUnwrap, always the same.
func (p *Protector) Unwrap(key crypto.Decrypter) (TransportKey, error) {
	transportKey, _, err := p.unwrap(key)
	if err != nil {
		return TransportKey{}, fmt.Errorf("opening a key protector: %w", err)
	}
	return transportKey, nil
}

func (p *Protector) unwrap(key crypto.Decrypter) (TransportKey, *wrapping, error) {
	if err := p.verify(); err != nil {
		return TransportKey{}, nil, err
	}
	w := p.wrappingFor(key.Public())
	if w == nil {
		return TransportKey{}, nil, ErrNotGranted
	}
	// From here on a failure must not show at which step it was: all steps are taken, with a random key if need be.
	payload, err := key.Decrypt(rand.Reader, w.transportKey, oaep)
	defer clear(payload)
	transportKey := newTransportKey()
	ok := decodePayload(payload, &transportKey) && err == nil
	mac, err := transportKeyMAC(&transportKey, p.salt, p.signed)
	if !hmac.Equal(mac, p.mac) || err != nil || !ok {
		transportKey.Clear()
		return TransportKey{}, nil, ErrCannotUnwrap
	}
	return transportKey, w, nil
}

// Check says whether a transport key is that of the protector: a host got it from a key protection service, which proves nothing
// by itself. It verifies the protector before.
//
// The error is one of Verify, or ErrInvalidProtector where the transport key signature is not by the key.
func (p *Protector) Check(key TransportKey) error {
	defer key.Clear()
	if err := p.Verify(); err != nil {
		return err
	}
	mac, err := transportKeyMAC(&key, p.salt, p.signed)
	if err != nil || !hmac.Equal(mac, p.mac) {
		return fmt.Errorf("checking a key protector: %w: the transport key signature is not by this key", ErrInvalidProtector)
	}
	return nil
}

// wrap encrypts the transport key to the wrapping's encryption certificate.
func (w *wrapping) wrap(key *TransportKey) (err error) {
	payload := encodePayload(key)
	defer clear(payload)
	w.transportKey, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, w.encryption.PublicKey.(*rsa.PublicKey), payload, nil)
	return err
}
