package pdk

import (
	"crypto"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing/cms"
)

// Options says what shielding data hold.
type Options struct {
	Kind    Kind
	Policy  Policy
	Volumes []Qualifier // one or more for a template
	Payload Payload     // an answer file and any files for a template, else nothing; remains the caller's to clear
}

// New makes a file that the owner and the guardians can open. Which of its demands the options do not meet, an ErrPDK says.
func New(owner *guardian.Owner, guardians []*guardian.Guardian, o Options) ([]byte, error) {
	if err := o.Payload.checkFor(o.Kind); err != nil {
		return nil, err
	}
	protector, transportKey, err := keyprotector.New(owner, guardians)
	if err != nil {
		return nil, err
	}
	defer transportKey.Clear()
	d := &ShieldingData{
		ID: uuid.New(), Created: time.Now().UTC().Truncate(time.Second), Kind: o.Kind, Policy: o.Policy,
		KeyProtector: protector, Volumes: o.Volumes,
	}
	if d.sealed, err = o.Payload.seal(&transportKey, d.ID); err != nil {
		return nil, err
	}
	return d.sign(owner)
}

// sign writes the file, and reads it back, so that nothing is written that others would refuse.
func (d *ShieldingData) sign(owner *guardian.Owner) ([]byte, error) {
	content, err := d.encode()
	if err != nil {
		return nil, err
	}
	data, err := cms.Sign(content, owner.SigningKey, owner.Signing, nil, time.Now())
	if err != nil {
		return nil, fmt.Errorf("signing shielding data: %w", err)
	}
	if _, err := Parse(data); err != nil {
		return nil, err
	}
	return data, nil
}

// decrypter gives the owner's encryption key.
func decrypter(owner *guardian.Owner) (crypto.Decrypter, error) {
	key, ok := owner.EncryptionKey.(crypto.Decrypter)
	if !ok {
		return nil, fmt.Errorf("the encryption key of %s cannot decrypt", owner.Name)
	}
	return key, nil
}
