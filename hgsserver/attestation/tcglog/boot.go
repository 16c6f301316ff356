package tcglog

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
)

// A Boot is what the events of a log prove, when the PCR values that it was read for are true.
//
// Neither the type of an event nor the order between two PCRs is measured, so nothing depends on them: separators are known by
// their digest, and where Windows measures, whatever is not understood makes the log malformed instead of being passed over.
// What was extended after the firmware or the boot loader closed a PCR with a separator counts for nothing, since by then
// others could extend it.
type Boot struct {
	Bank     Algorithm
	PCRs     PCRs
	Settings []Setting // everything in PCR 7, in order: a TPM baseline pins these

	// SecureBoot has the values of the variable SecureBoot, measured once by firmware that does. FirmwareDebugger says that
	// the firmware was started in its debug mode.
	SecureBoot       []bool
	FirmwareDebugger bool

	Policies      []CIPolicy // code integrity policies, each once, in the order in which they were loaded
	DumpKeys      [][]byte   // digests of the keys to which dumps are encrypted, each once
	EncryptionKey *rsa.PublicKey
	SigningKey    *rsa.PublicKey // identity keys of the host's protected memory (IDK, IDKS); nil where none was measured
	flags         map[ID][]bool
	numbers       map[ID][]uint64
}

// A Setting is one measurement of PCR 7. The name is the variable's, where the data show one, and serves people alone.
type Setting struct {
	Name   string
	Digest []byte
	Value  []byte // of the variable; nil where the data show none
}

// Flags gives the values of an event that says yes or no, one for each time it was measured; none where it was not.
func (b *Boot) Flags(id ID) []bool { return b.flags[id] }

// Numbers gives the values of an event that has a number, one for each time it was measured; none where it was not.
func (b *Boot) Numbers(id ID) []uint64 { return b.numbers[id] }

// The data of separators: by the firmware (TCG PC Client Platform Firmware Profile 1.05, section 3.3.2.2), and by Windows.
var (
	firmwareSeparators = [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}}
	windowsSeparator   = []byte("WBCL")
)

// windowsPCRs are those that Windows measures into. Its boot loader closes each of them.
var windowsPCRs = [...]uint32{12, 13, 14}

// debugMode is what the firmware measures when its debugger is on (the same profile, section 3.3.4.8).
const debugMode = "UEFI Debug Mode"

// boot reads the events. The PCR values are those that the log replays to.
func (l *Log) boot(bank Algorithm, pcrs PCRs) (*Boot, error) {
	b := &Boot{Bank: bank, PCRs: pcrs, flags: map[ID][]bool{}, numbers: map[ID][]uint64{}}
	closed := map[uint32]bool{}
	for i := range l.Events {
		e := &l.Events[i]
		digest := e.Digest(bank)
		if digest == nil {
			continue
		}
		switch e.PCR {
		case 7:
			if b.setting(e, closed[7]) {
				closed[7] = true
			}
		case 12, 13, 14:
			switch {
			case closed[e.PCR]:
			case bytes.Equal(digest, bank.sum(windowsSeparator)):
				closed[e.PCR] = true
			case e.Type != EventTag || !e.measures(bank):
				return nil, malformed("event %d of PCR %d, before Windows closed it, is not one of Windows, or its data are not what was measured", i, e.PCR)
			default:
				events, err := ParseTagged(e.Data)
				if err == nil {
					err = b.windowsEvents(events)
				}
				if err != nil {
					return nil, fmt.Errorf("event %d, PCR %d: %w", i, e.PCR, err)
				}
			}
		}
	}
	for _, n := range windowsPCRs { // also one that nothing was measured into: it would be free to whoever runs later
		if !closed[n] {
			return nil, malformed("PCR %d was not closed by the boot loader, so that whoever ran later could have added to it", n)
		}
	}
	return b, nil
}

// setting takes an event of PCR 7, and says whether it is the separator.
func (b *Boot) setting(e *Event, closed bool) bool {
	s := Setting{Name: fmt.Sprintf("event of type %#x", uint32(e.Type)), Digest: e.Digest(b.Bank)}
	separator := false
	for _, data := range firmwareSeparators {
		separator = separator || bytes.Equal(s.Digest, b.Bank.sum(data))
	}
	switch {
	case separator:
		s.Name = "separator"
	case bytes.Equal(s.Digest, b.Bank.sum([]byte(debugMode))):
		s.Name = debugMode
		b.FirmwareDebugger = true
	case e.measures(b.Bank):
		if v, ok := parseVariable(e.Data); ok {
			s.Name, s.Value = v.name, v.value
			if e.Type == VariableAuthority {
				s.Name = "signer in " + v.name
			}
			if v.vendor == efiGlobal && v.name == "SecureBoot" && !closed {
				b.SecureBoot = append(b.SecureBoot, bytes.Equal(v.value, []byte{1}))
			}
		}
	}
	b.Settings = append(b.Settings, s)
	return separator
}

// windowsEvents takes what Windows measured into PCRs 12 to 14.
func (b *Boot) windowsEvents(events []Tagged) error {
	for _, t := range events {
		if t.ID.Container() {
			if err := b.windowsEvents(t.Events); err != nil {
				return err
			}
			continue
		}
		if err := b.windowsEvent(t.ID, t.Data); err != nil {
			return err
		}
	}
	return nil
}

func (b *Boot) windowsEvent(id ID, data []byte) (err error) {
	switch {
	case flags[id]:
		if len(data) != 1 || data[0] > 1 {
			return malformed("the value of the Windows event %v is %.8x, not 0 or 1 in one byte", id, data)
		}
		b.flags[id] = append(b.flags[id], data[0] == 1)
	case numbers[id] != 0:
		if len(data) != numbers[id] {
			return malformed("the value of the Windows event %v has %d bytes, not %d", id, len(data), numbers[id])
		}
		var number [8]byte
		copy(number[:], data)
		b.numbers[id] = append(b.numbers[id], binary.LittleEndian.Uint64(number[:]))
	case id == SIPolicy:
		return b.addPolicy(data)
	case id == VSMIDKInfo:
		b.EncryptionKey, err = identityKey(id, data, b.EncryptionKey)
	case id == VSMIDKSInfo:
		b.SigningKey, err = identityKey(id, data, b.SigningKey)
	case id == DumpEncryptionKey:
		if len(data) == 0 || len(data) > 64 {
			return malformed("the digest of the dump encryption key has %d bytes", len(data))
		}
		for _, k := range b.DumpKeys {
			if bytes.Equal(k, data) {
				return nil
			}
		}
		b.DumpKeys = append(b.DumpKeys, data)
	}
	return err
}
