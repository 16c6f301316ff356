package keyprotector

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// Verify checks all signatures that need no key: that each wrapping's signing certificate is signed by its parent, and its
// encryption certificate by itself (ErrInvalidWrapping), and that the whole is signed by one of them (ErrInvalidProtector).
//
// What that proves, and what not, the package says. The transport key signature is left to Unwrap.
func (p *Protector) Verify() error {
	if err := p.verify(); err != nil {
		return fmt.Errorf("verifying a key protector: %w", err)
	}
	return nil
}

func (p *Protector) verify() error {
	for _, w := range p.wrappings {
		parent := p.wrapping(w.parent)
		if err := p.cache.verify(parent.signing, w.signingSignature, w.signing.Raw); err != nil {
			return fmt.Errorf("%w: wrapping %d: its signing certificate, signed by wrapping %d: %w", ErrInvalidWrapping, w.id, w.parent, err)
		}
		if err := p.cache.verify(w.signing, w.encryptionSignature, w.encryption.Raw); err != nil {
			return fmt.Errorf("%w: wrapping %d: its encryption certificate: %w", ErrInvalidWrapping, w.id, err)
		}
	}
	return p.verifyGuardianSignature()
}

// verifyGuardianSignature checks the signature over the whole.
func (p *Protector) verifyGuardianSignature() error {
	signer := p.wrapping(p.signer)
	if err := guardian.Verify(signer.signing, p.guardianSignature.algorithm, p.signed, p.guardianSignature.value); err != nil {
		return fmt.Errorf("%w: the guardian signature, by wrapping %d: %w", ErrInvalidProtector, p.signer, err)
	}
	return nil
}

// transportKeyMAC is the value of the transport key signature.
func transportKeyMAC(key *TransportKey, salt, signed []byte) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, key[:], salt, hkdfInfo, sha256.Size)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	mac := hmac.New(sha256.New, derived)
	mac.Write(signed)
	return mac.Sum(nil), nil
}
