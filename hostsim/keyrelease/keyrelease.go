// Package keyrelease is the host's side of key release (MS-KPS section 3.2): it sends a key protector and the host's health
// certificate to a key protection service, and takes nothing for an answer but the key of that protector, and a new protector
// of the same owner with its key.
//
// The protocol names no request in its answers: an answer to an earlier request for the same protector, to the same identity
// key, is as good as a new one. The package writes no key, and keeps none.
package keyrelease

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// ErrAnswer says that an answer does not have the keys of the protectors in it.
var ErrAnswer = errors.New("the service did not answer with the keys of this key protector")

// A Released is what a host got.
type Released struct {
	Keys      kps.Keys // the caller clears them
	Protector []byte   // the egress protector: from now on to be used in the place of the one that was sent
}

// Release asks the service at an address for the keys of a protector. The key is that of the health certificate. A refusal is
// a *kps.Error.
func Release(ctx context.Context, client *http.Client, server string, ingress *keyprotector.Protector, health *x509.Certificate, key crypto.Decrypter) (*Released, error) {
	if err := ingress.Verify(); err != nil {
		return nil, fmt.Errorf("before asking for its key: %w", err)
	}
	response, err := kps.Roll(ctx, client, server, kps.V2, &kps.Request{Ingress: ingress.Bytes(), HealthCertificate: health.Raw})
	if err != nil {
		return nil, err
	}
	keys, err := response.Open(kps.V2, key)
	if err != nil {
		return nil, fmt.Errorf("the key protection service at %s: %w: %w", server, ErrAnswer, err)
	}
	if err := check(ingress, response.Egress, keys); err != nil {
		keys.Clear()
		return nil, fmt.Errorf("the key protection service at %s: %w: %w", server, ErrAnswer, err)
	}
	return &Released{Keys: *keys, Protector: response.Egress}, nil
}

// check says whether the keys are those of the two protectors, and both protectors of one owner.
func check(ingress *keyprotector.Protector, egress []byte, keys *kps.Keys) error {
	if err := ingress.Check(keys.Ingress); err != nil {
		return fmt.Errorf("the key for the protector that was sent: %w", err)
	}
	rolled, err := keyprotector.Parse(egress)
	if err != nil {
		return fmt.Errorf("the new protector: %w", err)
	}
	if err := rolled.Check(keys.Egress); err != nil {
		return fmt.Errorf("the key for the new protector: %w", err)
	}
	before, after := ingress.Owner(), rolled.Owner()
	if !before.Signing.Equal(after.Signing) || !before.Encryption.Equal(after.Encryption) {
		return errors.New("the new protector has another owner")
	}
	return nil
}

// Unavailable says whether an error is one after which another service may be asked: this one was not reached, or cannot answer
// at present. A refusal is an answer.
func Unavailable(err error) bool {
	if refusal := (*kps.Error)(nil); errors.As(err, &refusal) {
		return refusal.Code == kps.ServiceUnavailable
	}
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrAnswer) &&
		!errors.Is(err, keyprotector.ErrInvalidProtector) && !errors.Is(err, keyprotector.ErrInvalidWrapping)
}

// Refused says whether a service answered with that error.
func Refused(err error, code kps.Code) bool {
	refusal := (*kps.Error)(nil)
	return errors.As(err, &refusal) && refusal.Code == code
}
