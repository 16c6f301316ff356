package bitlocker

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A NewProtector is what a key protector is made of: a RecoveryPassword, a Passphrase, an ExternalKey, ClearKey or a
// SealTPM. Whoever has it, or the TPM, opens the volume.
type NewProtector interface {
	protect(k *keyRing) (datum, error)
}

// A SealTPM seals a key, and its header, to the PCRs 7 and 11 or others, and gives what UnsealTPM gets.
type SealTPM func(key []byte) (TPMBlob, error)

// MaxPassphrase is the number of UTF-16 units that Windows takes.
const MaxPassphrase = 256

// A keyRing wraps keys, each with a nonce of its own: the time of the change, and a counter that the metadata keep.
type keyRing struct {
	masterKey []byte
	at        fileTime
	counter   uint32
}

func (k *keyRing) nonce() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(k.at))
	b = binary.LittleEndian.AppendUint32(b, k.counter)
	k.counter++
	return b
}

// sealed is the master key under another. One external key may open several volumes that are made at the same moment: so
// some of the time, less than two seconds, is random.
func (k *keyRing) sealed(key []byte) (datum, error) {
	nonce := k.nonce()
	copy(nonce[:3], random(3))
	return secret{keyMaster, k.masterKey}.wrap(roleProperty, key, nonce)
}

// under wraps a key under the master key, so that whoever opened the volume knows it.
func (k *keyRing) under(role, kind uint16, key []byte) (datum, error) {
	return secret{kind, key}.wrap(role, k.masterKey, k.nonce())
}

func stretchDatum(kind uint16, salt []byte, nested ...datum) datum {
	value := binary.LittleEndian.AppendUint16(nil, kind)
	return datum{kind: kindStretch, version: 1, value: append(append(value, 0, 0), salt...), nested: nested}
}

func (r RecoveryPassword) protect(k *keyRing) (datum, error) {
	salt := random(16)
	key := stretch(r.hash(), salt)
	defer clear(key)
	own, err1 := k.under(roleRecoveryKey, keyRecovery, r[:])
	stretched, err2 := k.under(roleStretchedKey, keyOfRecovery, key)
	sealed, err3 := k.sealed(key)
	return newProtector(newGUID(), RecoveryPasswordProtector, k.at, stretchDatum(keyRecovery, salt, own, stretched), sealed),
		errors.Join(err1, err2, err3)
}

func (s Passphrase) protect(k *keyRing) (datum, error) {
	if n := len(utf16Bytes(string(s))) / 2; n == 0 || n > MaxPassphrase {
		return datum{}, fmt.Errorf("a passphrase of %d characters, want 1 to %d", n, MaxPassphrase)
	}
	salt := random(16)
	key := stretch(s.hash(), salt)
	defer clear(key)
	own, err1 := k.under(roleProperty, keyOfPass, key)
	sealed, err2 := k.sealed(key)
	return newProtector(newGUID(), PassphraseProtector, k.at, stretchDatum(keyPassphrase, salt, own), sealed), errors.Join(err1, err2)
}

func (e ExternalKey) protect(k *keyRing) (datum, error) {
	id := e.ID
	if id == (GUID{}) {
		id = newGUID()
	}
	own, err1 := k.under(roleProperty, keyExternal, e.Key[:])
	sealed, err2 := k.sealed(e.Key[:])
	use := datum{kind: kindUse, version: 1, value: binary.LittleEndian.AppendUint32(nil, keyExternal), nested: []datum{own}}
	return newProtector(id, ExternalKeyProtector, k.at, textDatum(roleProperty, "ExternalKey"), use, sealed), errors.Join(err1, err2)
}

func (ClearKey) protect(k *keyRing) (datum, error) {
	key := random(32)
	defer clear(key)
	sealed, err := k.sealed(key)
	return newProtector(newGUID(), ClearKeyProtector, k.at, secret{keyClear, key}.datum(1), sealed), err
}

func (seal SealTPM) protect(k *keyRing) (datum, error) {
	plain := secret{keyMaster, k.masterKey}.datum(0).append(nil)
	defer clear(plain)
	blob, err := seal(plain)
	if err != nil {
		return datum{}, err
	}
	value, err := blob.append(nil)
	return newProtector(newGUID(), TPMProtector, k.at, datum{kind: kindTPM, version: 1, value: value}), err
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return b
}

// maxProtectors is the number of key protectors that a volume gets here. The metadata hold some hundred.
const maxProtectors = 64

// AddProtector adds a key protector to a volume that is unlocked, and gives its identifier.
func (v *Volume) AddProtector(p NewProtector) (GUID, error) {
	var id GUID
	err := v.change("add a key protector", func(m *metadata, k *keyRing) error {
		if len(m.protectors()) >= maxProtectors {
			return fmt.Errorf("there are %d of them: remove one", maxProtectors)
		}
		d, err := p.protect(k)
		if err != nil {
			return err
		}
		id = protector{d}.id()
		for _, other := range m.protectors() {
			if other.id() == id {
				return fmt.Errorf("the volume has %s already", id)
			}
		}
		m.add(d)
		return nil
	})
	return id, err
}

// add puts a protector behind the others, or before the volume key.
func (m *metadata) add(d datum) {
	at := slices.IndexFunc(m.data, func(d datum) bool { return d.role == roleVolumeKey })
	for i, other := range m.data {
		if other.role == roleMasterKey {
			at = i + 1
		}
	}
	m.data = slices.Insert(m.data, max(at, 0), d)
}

// RemoveProtector removes a key protector from a volume that is unlocked. It refuses to remove the last one. Without a
// protector of that identifier the error is ErrNoProtector.
func (v *Volume) RemoveProtector(id GUID) error {
	return v.change("remove key protector "+id.String(), func(m *metadata, _ *keyRing) error {
		return m.remove(func(p protector) bool { return p.id() == id })
	})
}

func (m *metadata) remove(which func(protector) bool) error {
	before := len(m.protectors())
	m.data = slices.DeleteFunc(slices.Clone(m.data), func(d datum) bool {
		return d.role == roleMasterKey && d.kind == kindMasterKey && which(protector{d})
	})
	switch len(m.protectors()) {
	case before:
		return ErrNoProtector
	case 0:
		return errors.New("it is the last one, without which nobody opens the volume: add another one first")
	}
	return nil
}

// Suspend puts the key of a volume that is unlocked onto it in clear, until Resume. Without need it changes nothing.
func (v *Volume) Suspend() error {
	for _, p := range v.meta.protectors() {
		if p.kind() == ClearKeyProtector {
			return nil
		}
	}
	_, err := v.AddProtector(ClearKey{})
	return err
}

// Resume ends what Suspend began, and the state of a volume that was made with ClearKey. The volume must have another key
// protector. Somebody who read the volume meanwhile may have kept its key.
func (v *Volume) Resume() error {
	return v.change("resume the protection", func(m *metadata, _ *keyRing) error {
		err := m.remove(func(p protector) bool { return p.kind() == ClearKeyProtector })
		if errors.Is(err, ErrNoProtector) {
			return nil
		}
		return err
	})
}

// change makes a change of the metadata, and writes the three copies one after the other, so that one is good at any time.
func (v *Volume) change(what string, edit func(*metadata, *keyRing) error) error {
	err := func() error {
		if v.key == nil {
			return ErrLocked
		}
		if v.writable == nil {
			return errors.New("the volume is open for reading only")
		}
		if v.header.eow || v.meta.nextState != v.meta.state {
			return ErrConverting
		}
		if v.meta.nextNonce >= maxNonce {
			return errors.New("the metadata were changed too often for one more nonce")
		}
		m := *v.meta
		m.data = slices.Clone(m.data)
		k := &keyRing{v.key, fileTimeOf(time.Now()), max(m.nextNonce, firstNonce)}
		if err := edit(&m, k); err != nil {
			return err
		}
		area, err := m.seal(k)
		if err != nil {
			return err
		}
		if err := writeCopies(v.writable, m.offsets, area); err != nil {
			return err
		}
		if v.meta, err = parseMetadata(area); err != nil {
			return err
		}
		v.copies, v.good = []*metadata{v.meta}, [3]bool{true, true, true}
		return nil
	}()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// firstNonce is the first counter that Windows uses. From maxNonce on the metadata are not changed any more, so that the
// counter never begins anew.
const (
	firstNonce = 2
	maxNonce   = 1 << 31
)

// validationTime is set in the nonce of the hash, as Windows does.
const validationTime = 1 << 63

// seal hashes the metadata, wraps the hash, and gives what each copy takes on disk.
func (m *metadata) seal(k *keyRing) ([]byte, error) {
	nonce := binary.LittleEndian.AppendUint64(nil, uint64(k.at)|validationTime)
	nonce = binary.LittleEndian.AppendUint32(nonce, k.counter)
	m.nextNonce = k.counter + 1
	var err error
	if m.wrapped, err = (secret{keyHash, m.hash()}).wrap(roleProperty, k.masterKey, nonce); err != nil {
		return nil, err
	}
	return m.area()
}
