package tcglog

import (
	"encoding/binary"
	"fmt"
)

const (
	maxTagged = 16384 // events of one tree
	maxNested = 8     // containers within each other
)

// An ID says what a Windows event tells. With bit 30 set, it is a container of further events (wbcl.h of the Windows SDK).
type ID uint32

// The events that are read. Those with a number beside them are numbers; the sizes are in the table below.
const (
	TrustBoundary         ID = 0x40010001 // container of what one boot application measures
	LoadedModule          ID = 0x40010003 // container of what is said about one module
	BootCounter           ID = 0x00020002
	TransferControl       ID = 0x00020003 // 1: to the OS loader, 2: to a resumed system, 5: to the hypervisor loader
	BitLockerUnlock       ID = 0x00020005 // how the OS volume was unlocked; 0 where it was not locked
	BootDebugging         ID = 0x00040001
	OSKernelDebug         ID = 0x00050001
	CodeIntegrity         ID = 0x00050002
	TestSigning           ID = 0x00050003
	SafeMode              ID = 0x00050005
	WinPE                 ID = 0x00050006
	HypervisorLaunchType  ID = 0x0005000a // 0: off
	HypervisorIOMMUPolicy ID = 0x0005000c // 0: default, 1: enable, 2: disable
	HypervisorDebug       ID = 0x0005000d
	SIPolicy              ID = 0x0005000f // a code integrity policy that was loaded
	VSMLaunchType         ID = 0x00050012 // 0: off
	VSMIDKInfo            ID = 0x00050020 // the identity key for encryption
	PagefileEncryption    ID = 0x00050022
	VSMIDKSInfo           ID = 0x00050023 // the identity key for signing
	HibernationDisabled   ID = 0x00050024
	DumpsDisabled         ID = 0x00050025
	DumpEncryption        ID = 0x00050026
	DumpEncryptionKey     ID = 0x00050027 // digest of the key to which dumps are encrypted
	VBSIOMMURequired      ID = 0x000a0003
	VBSHVCIPolicy         ID = 0x000a0007 // 0: off, 1: on, 2: strict
)

// flags and numbers are the events whose value is one byte, 0 or 1, and those whose value is a number of so many bytes.
var (
	flags = map[ID]bool{
		BootDebugging: true, OSKernelDebug: true, CodeIntegrity: true, TestSigning: true, SafeMode: true, WinPE: true,
		HypervisorDebug: true, PagefileEncryption: true, HibernationDisabled: true, DumpsDisabled: true, DumpEncryption: true,
		VBSIOMMURequired: true,
	}
	numbers = map[ID]int{
		BootCounter: 8, TransferControl: 4, BitLockerUnlock: 4, HypervisorLaunchType: 8, HypervisorIOMMUPolicy: 8,
		VSMLaunchType: 8, VBSHVCIPolicy: 8,
	}
)

const containerBit = 1 << 30

// Container says whether events of this id hold further events.
func (id ID) Container() bool { return id&containerBit != 0 }

// String gives the number as it is usually written.
func (id ID) String() string { return fmt.Sprintf("%#08x", uint32(id)) }

// A Tagged is one Windows event: Data, or further events in a container.
type Tagged struct {
	ID     ID
	Data   []byte
	Events []Tagged
}

// ParseTagged reads the data of an event of type EventTag that Windows measured: a row of {id, size, data}, little-endian,
// which ends where the data end. It fails with ErrMalformed.
func ParseTagged(data []byte) ([]Tagged, error) {
	count := 0
	return parseTagged(data, 0, &count)
}

func parseTagged(data []byte, nested int, count *int) ([]Tagged, error) {
	if nested > maxNested {
		return nil, malformed("Windows events are nested more than %d deep", maxNested)
	}
	var events []Tagged
	for r := (&reader{data: data}); len(r.data) > 0; {
		if *count++; *count > maxTagged {
			return nil, malformed("there are more than %d Windows events", maxTagged)
		}
		t := Tagged{ID: ID(r.uint32())}
		value := r.bytes(r.uint32())
		if r.short {
			return nil, malformed("the Windows event %v is cut off", t.ID)
		}
		if !t.ID.Container() {
			t.Data = value
		} else {
			var err error
			if t.Events, err = parseTagged(value, nested+1, count); err != nil {
				return nil, err
			}
		}
		events = append(events, t)
	}
	return events, nil
}

// Bytes is the event as it is measured; ParseTagged gives the same event for it.
func (t Tagged) Bytes() []byte {
	data := t.Data
	if t.ID.Container() {
		data = nil
		for _, e := range t.Events {
			data = append(data, e.Bytes()...)
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(t.ID))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}
