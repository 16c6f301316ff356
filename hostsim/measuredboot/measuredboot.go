// Package measuredboot starts a simulated Hyper-V host of Windows Server 2022: it writes the log of the boot (WBCL), event by
// event as firmware, boot manager, hypervisor loader and OS loader of such a host do, and extends each event into a TPM.
//
// The order is that of real logs. The boot stops once, where such a host gets the identity keys of its protected memory: what
// is sealed to the PCRs of that moment opens for no software that runs later, since the end of the boot extends them again.
//
// What is measured is made up, but for the code integrity policy. The package judges nothing, and never reads a TPM.
package measuredboot

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Sealing are the PCRs to which a host seals what it needs in the middle of its boot: the Secure Boot configuration, the
// progress of the boot, and what Windows measures, without PCR 12 where the number of the boot stands.
var Sealing = [...]uint32{7, 11, 13, 14}

// An Extend extends a SHA-256 digest into a PCR of the TPM.
type Extend func(pcr uint32, digest []byte) error

// A Boot is a boot under way.
type Boot struct {
	log      *tcglog.Log
	extend   Extend
	settings settings
	err      error // the first of the TPM
}

// Start boots up to where the identity keys are needed. The number says how often the host was started; the code integrity
// policy is the file whose digest is measured.
func Start(p Profile, number uint64, ciPolicy []byte, extend Extend) (*Boot, error) {
	b := &Boot{log: tcglog.New(tcglog.SHA256), extend: extend, settings: healthy(number, ciPolicy)}
	p.change(&b.settings)
	b.firmware()
	b.bootManager()
	if b.settings.hypervisor != 0 {
		b.hypervisorLoader()
	}
	b.osLoader()
	if b.err != nil {
		return nil, fmt.Errorf("measuring the boot: %w", b.err)
	}
	return b, nil
}

// HasIdentity says whether this boot has protected memory, and with it identity keys.
func (b *Boot) HasIdentity() bool { return b.settings.vsm != 0 }

// Finish measures the public identity keys (IDK for encryption, IDKS for signing), closes the PCRs, and gives the log. A boot
// without protected memory has no such keys: they are nil then.
func (b *Boot) Finish(encryption, signing *rsa.PublicKey) ([]byte, error) {
	if b.HasIdentity() != (encryption != nil && signing != nil) {
		return nil, errors.New("finishing the boot: there are identity keys where there is protected memory, and nowhere else")
	}
	if b.HasIdentity() {
		b.trustBoundary(12, events{{ID: tcglog.VSMIDKInfo, Data: publicKey(encryption)}, {ID: tcglog.VSMIDKSInfo, Data: publicKey(signing)}})
	}
	b.append(11, tcglog.CompactHash, []byte{0xff, 0xff, 0, 0})
	for _, pcr := range []uint32{12, 13, 14} {
		b.append(pcr, tcglog.Separator, []byte("WBCL"))
	}
	b.append(5, tcglog.EFIAction, []byte("Exit Boot Services Invocation"))
	b.append(5, tcglog.EFIAction, []byte("Exit Boot Services Returned with Success"))
	if b.err != nil {
		return nil, fmt.Errorf("measuring the end of the boot: %w", b.err)
	}
	return b.log.Bytes(), nil
}

// append measures data.
func (b *Boot) append(pcr uint32, kind tcglog.EventType, data []byte) {
	digest := sha256.Sum256(data)
	b.appendDigest(pcr, kind, data, digest)
}

// appendDigest measures something that the log does not have itself: the data tell about it.
func (b *Boot) appendDigest(pcr uint32, kind tcglog.EventType, data []byte, digest [sha256.Size]byte) {
	if b.err != nil {
		return
	}
	b.log.Events = append(b.log.Events, tcglog.Event{
		PCR: pcr, Type: kind, Data: data, Digests: []tcglog.Digest{{Algorithm: tcglog.SHA256, Value: digest[:]}},
	})
	b.err = b.extend(pcr, digest[:])
}

// windows measures an event of Windows.
func (b *Boot) windows(pcr uint32, event tcglog.Tagged) {
	b.append(pcr, tcglog.EventTag, event.Bytes())
}

func container(id tcglog.ID, events ...tcglog.Tagged) tcglog.Tagged {
	return tcglog.Tagged{ID: id, Events: events}
}

func flag(id tcglog.ID, on bool) tcglog.Tagged {
	t := tcglog.Tagged{ID: id, Data: []byte{0}}
	if on {
		t.Data[0] = 1
	}
	return t
}

func number32(id tcglog.ID, n uint32) tcglog.Tagged {
	return tcglog.Tagged{ID: id, Data: binary.LittleEndian.AppendUint32(nil, n)}
}

func number64(id tcglog.ID, n uint64) tcglog.Tagged {
	return tcglog.Tagged{ID: id, Data: binary.LittleEndian.AppendUint64(nil, n)}
}

func utf16Bytes(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// madeUp is the digest of a thing that this host does not have.
func madeUp(name string) [sha256.Size]byte {
	return sha256.Sum256([]byte("scutum simulated host: " + name))
}

// publicKey is a key as Windows measures it: {algorithm, bits, size of the exponent, size of the modulus, exponent, modulus}.
func publicKey(key *rsa.PublicKey) []byte {
	const algorithmRSA = 1
	exponent, modulus := []byte{byte(key.E >> 16), byte(key.E >> 8), byte(key.E)}, key.N.Bytes()
	var b []byte
	for _, n := range []int{algorithmRSA, key.N.BitLen(), len(exponent), len(modulus)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(append(b, exponent...), modulus...)
}
