package pdk

import (
	"crypto"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/pdk/recovery"
)

// OpenRecovery decrypts a recovery key with the encryption key of the owner or a guardian, by way of the transport key. The
// shielding data may have another one since access to them was revoked: then it is that of the key protector which came with
// the recovery key, if that has the same owner. The error is recovery.ErrCannotOpen, whatever the reason.
func (d *ShieldingData) OpenRecovery(e *recovery.Encrypted, key crypto.Decrypter) (*recovery.ExternalKey, error) {
	if k, err := openRecovery(d.KeyProtector, e, key); err == nil {
		return k, nil
	}
	former, err := keyprotector.Parse(e.KeyProtector)
	if err != nil || !sameKey(d.Signer.PublicKey, former.Owner().Signing.PublicKey) {
		return nil, recovery.ErrCannotOpen
	}
	return openRecovery(former, e, key)
}

func openRecovery(p *keyprotector.Protector, e *recovery.Encrypted, key crypto.Decrypter) (*recovery.ExternalKey, error) {
	transportKey, err := p.Unwrap(key)
	if err != nil {
		return nil, recovery.ErrCannotOpen
	}
	defer transportKey.Clear()
	return e.Open(transportKey)
}
