package pdk

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/scutum-project/scutum/signing/cms"
)

// Parse reads a file and checks everything but the secrets: the signature, the form of the content, the key protector with its
// signatures, that the key protector was made by its owner, and that this is who signed the file.
//
// The error is one of cms.Parse, or ErrPDK.
func Parse(data []byte) (*ShieldingData, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrPDK, len(data), MaxSize)
	}
	message, err := cms.Parse(data)
	if err != nil {
		return nil, err
	}
	d, err := decode(message.Content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPDK, err)
	}
	d.SignedAt = message.SigningTime
	if err := d.checkOwner(message.Signer); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPDK, err)
	}
	return d, nil
}

// checkOwner holds who signed the file against the key protector, a guardian of which can make another one in the owner's name,
// but not sign it as the owner. The owner's certificate is taken from there: the one beside the signature is not signed, and
// only its key counts.
func (d *ShieldingData) checkOwner(signer *x509.Certificate) error {
	owner := d.KeyProtector.Owner()
	switch {
	case !sameKey(owner.Signing.PublicKey, signer.PublicKey):
		return fmt.Errorf("signed by %q, but the owner of the key protector is %q", signer.Subject, owner.Signing.Subject)
	case d.KeyProtector.Signer().ID != owner.ID:
		return errors.New("the key protector is signed by another guardian than its owner")
	}
	d.Signer = owner.Signing
	return nil
}
