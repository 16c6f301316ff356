// Package tcglog reads the log of a measured boot (WBCL): the events that firmware and boot loader extended into the
// platform configuration registers (PCRs) of a TPM, and what Windows says in them.
//
// A log is a claim by whoever sends it. [Log.Prove] holds it against PCR values that a TPM gave, and what it returns is
// what these values prove and no more. The package never speaks to a TPM and never judges what was measured.
package tcglog

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for the logs of TPMs that have no other bank
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// MaxSize is the largest log that is read, in bytes. Those of real hosts have 40 to 70 KB.
const MaxSize = 1 << 20

const (
	maxEvents = 8192
	maxBanks  = 8
	lastPCR   = 23
	sha1Size  = 20
)

// ErrMalformed says that a log, or Windows' part of it, is not in the form that its specification gives.
var ErrMalformed = errors.New("malformed boot log")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// An Algorithm is a hash algorithm by its TCG number (TCG Algorithm Registry, table 3), and names a TPM's bank of PCRs.
type Algorithm uint16

// The algorithms whose banks are replayed.
const (
	SHA1   Algorithm = 0x0004
	SHA256 Algorithm = 0x000b
	SHA384 Algorithm = 0x000c
	SHA512 Algorithm = 0x000d
)

var hashes = map[Algorithm]crypto.Hash{SHA1: crypto.SHA1, SHA256: crypto.SHA256, SHA384: crypto.SHA384, SHA512: crypto.SHA512}

// String gives the algorithm's usual name.
func (a Algorithm) String() string {
	if h, ok := hashes[a]; ok {
		return h.String()
	}
	return fmt.Sprintf("algorithm %#04x", uint16(a))
}

// sum is the digest of the parts one after the other, of an algorithm in hashes.
func (a Algorithm) sum(parts ...[]byte) []byte {
	h := hashes[a].New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// An EventType is the type of an event. It is not measured: nothing may be decided by the type alone.
type EventType uint32

// The types that this package deals with (TCG PC Client Platform Firmware Profile 1.05, section 10.4.1).
const (
	NoAction             EventType = 0x00000003 // says something, and is not extended
	Separator            EventType = 0x00000004
	EventTag             EventType = 0x00000006 // Windows: a tree of events
	CompactHash          EventType = 0x0000000c
	VariableDriverConfig EventType = 0x80000001
	EFIAction            EventType = 0x80000007
	VariableAuthority    EventType = 0x800000e0
)

// A Digest is what was extended into one bank.
type Digest struct {
	Algorithm Algorithm
	Value     []byte
}

// An Event is one entry of a log. Digests has at most one entry for each algorithm.
type Event struct {
	PCR     uint32 // 0 to 23; any number where the type is NoAction
	Type    EventType
	Digests []Digest
	Data    []byte
}

// Digest is what the event extended into a bank, or nil when it extended nothing there.
func (e *Event) Digest(bank Algorithm) []byte {
	for _, d := range e.Digests {
		if d.Algorithm == bank && e.Type != NoAction {
			return d.Value
		}
	}
	return nil
}

// measures says whether the digest is that of the event's data.
func (e *Event) measures(bank Algorithm) bool {
	return bytes.Equal(e.Digest(bank), bank.sum(e.Data))
}

// A Bank is an algorithm that a log has digests of, with their size in bytes.
type Bank struct {
	Algorithm Algorithm
	Size      int
}

// A Log is a whole log. Agile says that it is in the crypto-agile form, whose header, the first entry, is not among the events.
type Log struct {
	Agile  bool
	Banks  []Bank
	Events []Event

	header []byte // data of the first entry of an agile log
}

// New makes an empty log in the crypto-agile form, as the firmware of a TPM with these banks starts it.
func New(banks ...Algorithm) *Log {
	header := append([]byte(specID), 0, 0, 0, 0, 0, 2, 0, 2) // client platform, 2.0, errata 0, size_t of 64 bits
	header = binary.LittleEndian.AppendUint32(header, uint32(len(banks)))
	l := &Log{Agile: true}
	for _, b := range banks {
		l.Banks = append(l.Banks, Bank{b, hashes[b].Size()})
		header = binary.LittleEndian.AppendUint16(header, uint16(b))
		header = binary.LittleEndian.AppendUint16(header, uint16(hashes[b].Size()))
	}
	l.header = append(header, 0) // no vendor information
	return l
}

// Append adds an event whose digests are those of its data, or zeros where nothing is extended.
func (l *Log) Append(pcr uint32, kind EventType, data []byte) {
	e := Event{PCR: pcr, Type: kind, Data: bytes.Clone(data)}
	for _, b := range l.Banks {
		value := make([]byte, b.Size)
		if kind != NoAction {
			value = b.Algorithm.sum(data)
		}
		e.Digests = append(e.Digests, Digest{b.Algorithm, value})
	}
	l.Events = append(l.Events, e)
}

// has says whether the log has digests of an algorithm that can be replayed.
func (l *Log) has(bank Algorithm) bool {
	return hashes[bank] != 0 && slices.ContainsFunc(l.Banks, func(b Bank) bool { return b.Algorithm == bank })
}
