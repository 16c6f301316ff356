package pdk

import (
	"slices"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// A Change says what becomes different. What is nil stays as it is.
type Change struct {
	Policy  *Policy
	Volumes *[]Qualifier
	Payload *Payload // remains the caller's to clear

	Revoke func(keyprotector.WrappingInfo) bool // whose access ends
	Grant  []*guardian.Guardian                 // who has access from now on; after Revoke, so that a guardian's keys can be replaced
}

// Edit gives the file with a change, signed anew; its identifier, kind and time of creation stay. d remains as it was.
//
// When access is revoked, the secrets are encrypted anew under a new transport key. Who had access can still open files from
// before, so change also the secrets themselves when those should be worth nothing to it.
//
// The error is ErrNotOwner, ErrPDK for a change that the kind of the data does not allow, or one of package keyprotector:
// ErrNotGranted when there is nobody to revoke.
func (d *ShieldingData) Edit(owner *guardian.Owner, c Change) ([]byte, error) {
	if !sameKey(d.Signer.PublicKey, owner.SigningKey.Public()) {
		return nil, ErrNotOwner
	}
	next := *d
	if c.Policy != nil {
		next.Policy = *c.Policy
	}
	if c.Volumes != nil {
		next.Volumes = slices.Clone(*c.Volumes)
	}
	if err := next.editSecrets(owner, c); err != nil {
		return nil, err
	}
	for _, g := range c.Grant {
		var err error
		if next.KeyProtector, err = next.KeyProtector.Grant(owner, g); err != nil {
			return nil, err
		}
	}
	return next.sign(owner)
}

// editSecrets revokes access, and encrypts the payload where that or the change demands it.
func (d *ShieldingData) editSecrets(owner *guardian.Owner, c Change) error {
	if c.Payload == nil && c.Revoke == nil {
		return nil
	}
	key, err := decrypter(owner)
	if err != nil {
		return err
	}
	transportKey, err := d.unwrap(key)
	if err != nil {
		return err
	}
	defer transportKey.Clear()
	payload := c.Payload
	if payload == nil {
		if payload, err = d.OpenWith(transportKey); err != nil {
			return err
		}
		defer payload.Clear()
	}
	if err := payload.checkFor(d.Kind); err != nil {
		return err
	}
	if c.Revoke != nil {
		transportKey.Clear()
		if d.KeyProtector, transportKey, err = d.KeyProtector.Revoke(owner, c.Revoke); err != nil {
			return err
		}
	}
	d.sealed, err = payload.seal(&transportKey, d.ID)
	return err
}
