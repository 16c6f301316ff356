package bitlocker

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// A Credential is what Unlock opens a volume with: a RecoveryPassword, a Passphrase, an ExternalKey, ClearKey, an
// UnsealTPM or a MasterKey.
type Credential interface {
	// masterKey gives the volume master key. Its errors are ErrNoProtector and ErrWrongKey, among others.
	masterKey(all []protector) ([]byte, error)
}

// A Passphrase is the password of a data volume.
type Passphrase string

// An ExternalKey is the key in a .bek file. Without an ID every protector of the kind is tried.
type ExternalKey struct {
	ID  GUID // of the protector
	Key [32]byte
}

// ClearKey opens a volume whose protection is suspended, the key of which lies on it.
type ClearKey struct{}

// A MasterKey is the volume master key itself.
type MasterKey [masterKeySize]byte

// UnsealTPM unseals what a TPM protector holds. The answer is what the TPM gives out, a key with its header of 12 bytes.
type UnsealTPM func(TPMBlob) ([]byte, error)

// each tries the protectors of a kind, but no more than maxProtectors, since each try of a password takes its time. Of
// several errors the first that is more than a wrong key is the answer.
func each(all []protector, kind ProtectorKind, open func(protector) ([]byte, error)) ([]byte, error) {
	answer := fmt.Errorf("%w: %s", ErrNoProtector, kind)
	tries := 0
	for _, p := range all {
		if p.kind() != kind {
			continue
		}
		if tries++; tries > maxProtectors {
			return nil, fmt.Errorf("%w: more than %d key protectors of the kind %s", ErrMetadata, maxProtectors, kind)
		}
		key, err := open(p)
		if err == nil {
			return key, nil
		}
		if errors.Is(answer, ErrNoProtector) || errors.Is(answer, ErrWrongKey) {
			answer = fmt.Errorf("%s protector %s: %w", kind, p.id(), err)
		}
	}
	return nil, answer
}

// openStretched opens a protector with the hash of a password.
func (p protector) openStretched(hash [sha256.Size]byte) ([]byte, error) {
	d, ok := p.find(kindStretch)
	if !ok {
		return nil, fmt.Errorf("%w: no salt", ErrMetadata)
	}
	key := stretch(hash, d.value[4:20])
	defer clear(key)
	return p.openWith(key)
}

func (r RecoveryPassword) hash() [sha256.Size]byte { return sha256.Sum256(r[:]) }

func (r RecoveryPassword) masterKey(all []protector) ([]byte, error) {
	return each(all, RecoveryPasswordProtector, func(p protector) ([]byte, error) { return p.openStretched(r.hash()) })
}

func (s Passphrase) hash() [sha256.Size]byte {
	text := utf16Bytes(string(s))
	defer clear(text)
	once := sha256.Sum256(text)
	return sha256.Sum256(once[:])
}

func (s Passphrase) masterKey(all []protector) ([]byte, error) {
	return each(all, PassphraseProtector, func(p protector) ([]byte, error) { return p.openStretched(s.hash()) })
}

func (k ExternalKey) masterKey(all []protector) ([]byte, error) {
	if k.ID != (GUID{}) {
		for _, p := range all {
			if p.kind() == ExternalKeyProtector && p.id() == k.ID {
				return each([]protector{p}, ExternalKeyProtector, func(p protector) ([]byte, error) { return p.openWith(k.Key[:]) })
			}
		}
		return nil, fmt.Errorf("%w: %s %s", ErrNoProtector, ExternalKeyProtector, k.ID)
	}
	return each(all, ExternalKeyProtector, func(p protector) ([]byte, error) { return p.openWith(k.Key[:]) })
}

func (ClearKey) masterKey(all []protector) ([]byte, error) {
	return each(all, ClearKeyProtector, func(p protector) ([]byte, error) {
		d, ok := p.find(kindKey)
		if !ok {
			return nil, fmt.Errorf("%w: no key", ErrMetadata)
		}
		s, err := parseSecret(d)
		if err != nil {
			return nil, err
		}
		if s.kind != keyClear || len(s.key) != 32 {
			return nil, fmt.Errorf("%w: a key of kind %#x and %d bytes is no clear key", ErrMetadata, s.kind, len(s.key))
		}
		return p.openWith(s.key)
	})
}

func (k MasterKey) masterKey([]protector) ([]byte, error) { return append([]byte(nil), k[:]...), nil }

func (unseal UnsealTPM) masterKey(all []protector) ([]byte, error) {
	return each(all, TPMProtector, func(p protector) ([]byte, error) {
		d, ok := p.find(kindTPM)
		if !ok {
			return nil, fmt.Errorf("%w: nothing sealed", ErrMetadata)
		}
		blob, err := parseTPMBlob(d.value)
		if err != nil {
			return nil, err
		}
		plain, err := unseal(blob)
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		s, err := parseWrapped(append([]byte(nil), plain...))
		if err != nil {
			return nil, err
		}
		return s.masterKey()
	})
}
