package bitlocker

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A Protector is a key protector: one way to the volume's master key.
type Protector struct {
	ID      GUID
	Kind    ProtectorKind
	Label   string // as "ExternalKey"; mostly empty
	Changed time.Time
}

// A ProtectorKind says with what a protector is opened.
type ProtectorKind uint16

// The kinds that this package knows. It opens and makes all but smart cards and PINs.
const (
	ClearKeyProtector         ProtectorKind = 0x0000 // nothing: the volume is suspended
	TPMProtector              ProtectorKind = 0x0100
	ExternalKeyProtector      ProtectorKind = 0x0200 // a .bek file, or the automatic unlocking of a data volume
	TPMAndPINProtector        ProtectorKind = 0x0500
	RecoveryPasswordProtector ProtectorKind = 0x0800
	SmartCardProtector        ProtectorKind = 0x1000
	PassphraseProtector       ProtectorKind = 0x2000
)

func (k ProtectorKind) String() string {
	switch k {
	case ClearKeyProtector:
		return "clear key"
	case TPMProtector:
		return "TPM"
	case ExternalKeyProtector:
		return "external key"
	case TPMAndPINProtector:
		return "TPM and PIN"
	case RecoveryPasswordProtector:
		return "recovery password"
	case SmartCardProtector:
		return "smart card"
	case PassphraseProtector:
		return "passphrase"
	}
	return fmt.Sprintf("kind %#04x", uint16(k))
}

// A protector is the datum of one: its identifier, a time, an unknown number, its kind, and the master key that is wrapped
// in it.
type protector struct{ datum }

func (p protector) id() GUID { return GUID(p.value) }

func (p protector) kind() ProtectorKind {
	return ProtectorKind(binary.LittleEndian.Uint16(p.value[26:]))
}

func (p protector) public() Protector {
	label, _ := p.find(kindText)
	return Protector{p.id(), p.kind(), label.text(), fileTime(binary.LittleEndian.Uint64(p.value[16:])).time()}
}

// newProtector makes a protector of what is nested in it.
func newProtector(id GUID, kind ProtectorKind, at fileTime, nested ...datum) datum {
	value := binary.LittleEndian.AppendUint64(slices.Clone(id[:]), uint64(at))
	value = binary.LittleEndian.AppendUint16(value, 0)
	value = binary.LittleEndian.AppendUint16(value, uint16(kind))
	// Windows 11 gives clear keys the version 3, which libbde does not read; Windows 7 and 10 give them 1.
	return datum{role: roleMasterKey, kind: kindMasterKey, version: 1, value: value, nested: nested}
}

// protectors are the key protectors in the metadata.
func (m *metadata) protectors() []protector {
	var all []protector
	for _, d := range m.data {
		if d.role == roleMasterKey && d.kind == kindMasterKey {
			all = append(all, protector{d})
		}
	}
	return all
}

// masterKeySize is the size of the volume master key.
const masterKeySize = 32

// openWith unwraps the master key.
func (p protector) openWith(key []byte) ([]byte, error) {
	wrapped, ok := p.find(kindWrapped)
	if !ok {
		return nil, fmt.Errorf("%w: protector %s holds no wrapped master key", ErrMetadata, p.id())
	}
	s, err := unwrap(wrapped, key)
	if err != nil {
		return nil, err
	}
	return s.masterKey()
}

func (s secret) masterKey() ([]byte, error) {
	if s.kind != keyMaster || len(s.key) != masterKeySize {
		return nil, fmt.Errorf("%w: a key of kind %#x and %d bytes is no master key", ErrMetadata, s.kind, len(s.key))
	}
	return s.key, nil
}
