package hgsa

import (
	"bytes"
	"encoding/binary"
)

// The remote-TPM context (sections 2.2.2.25 to 2.2.2.27), little-endian but for what a TPM reads and writes itself:
//
//	Size, Version, DataBlobCount, Reserved    4 bytes each
//	EncContext                                32 bytes
//	EncryptedBuffer                           StateSize bytes
//	data blobs                                one after the other
//
// The specification gives no length to the encrypted buffer and no mark to a blob. Here the buffer has one size, and the order
// tells the blobs: a service sends commands, each with its size in its own header; a host sends their responses in the same
// order and, once a PCR_Read is among the commands, TPM_DEVICE_INFO and WBCL_INFO after them.
const (
	EncContextSize = 32
	StateSize      = 256 // bytes of the encrypted buffer

	contextVersion = 1
	headerSize     = 16
	deviceVersion  = 1
	deviceSize     = 16
	maxBlobs       = 8
	tpmHeaderSize  = 10   // tag, size, and the code of a command or response
	maxTPM         = 4096 // bytes of a command or response
)

// A State is what the service encrypted for itself; a host gives back the one of the challenge that it answers.
type State struct {
	EncContext [EncContextSize]byte
	Buffer     [StateSize]byte
}

// A Challenge is a context that a service sends: commands for the host's TPM.
type Challenge struct {
	State    State
	Commands [][]byte
}

// A TPMVersion is a version of TPM (section 2.2.1.4).
type TPMVersion uint32

// The versions of TPM.
const (
	TPMVersionUnknown TPMVersion = iota
	TPMVersion12
	TPMVersion20
)

// A TPMInterface is the way to a TPM (section 2.2.1.5).
type TPMInterface uint32

// The ways to a TPM.
const (
	TPMInterfaceUnknown TPMInterface = iota
	TPMInterface1
	TPMInterfaceTrustZone
	TPMInterfaceHardware
	TPMInterfaceEmulator
)

// A DeviceInfo says what TPM a host has (section 2.2.2.27.2). Nothing proves it.
type DeviceInfo struct {
	Version        TPMVersion
	Interface      TPMInterface
	Implementation uint32
}

// An Answer is a context that a host sends: the TPM's responses to the commands of a challenge, and after a PCR_Read what TPM
// it is and the boot log.
type Answer struct {
	State     State
	Responses [][]byte
	Device    *DeviceInfo // with a log alone
	Log       []byte      // nil without Device
}

// Bytes is the context on the wire.
func (c *Challenge) Bytes() []byte { return appendContext(&c.State, c.Commands) }

// Bytes is the context on the wire.
func (a *Answer) Bytes() []byte {
	blobs := append([][]byte{}, a.Responses...)
	if a.Device != nil {
		info := appendNumbers(nil, deviceVersion, uint32(a.Device.Version), uint32(a.Device.Interface), a.Device.Implementation)
		blobs = append(blobs, info, append(appendNumbers(nil, uint32(len(a.Log))), a.Log...))
	}
	return appendContext(&a.State, blobs)
}

func appendContext(s *State, blobs [][]byte) []byte {
	body := append(append(bytes.Clone(s.EncContext[:]), s.Buffer[:]...), bytes.Join(blobs, nil)...)
	b := appendNumbers(nil, uint32(headerSize+len(body)), contextVersion, uint32(len(blobs)), 0)
	return append(b, body...)
}

func appendNumbers(b []byte, numbers ...uint32) []byte {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// ParseChallenge reads a context from a service. It fails with ErrMessage.
func ParseChallenge(data []byte) (*Challenge, error) {
	state, count, rest, err := parseContext(data)
	if err != nil {
		return nil, err
	}
	c := &Challenge{State: *state}
	for range count {
		var command []byte
		if command, rest, err = cutTPM(rest); err != nil {
			return nil, err
		}
		c.Commands = append(c.Commands, command)
	}
	if len(rest) > 0 || count == 0 {
		return nil, invalid("the context has no command, or more than it says")
	}
	return c, nil
}

// ParseAnswer reads a context from a host. It fails with ErrMessage.
func ParseAnswer(data []byte) (*Answer, error) {
	state, count, rest, err := parseContext(data)
	if err != nil {
		return nil, err
	}
	a := &Answer{State: *state}
	for ; count > 0 && len(rest) > 0 && rest[0] != deviceVersion; count-- {
		var response []byte
		if response, rest, err = cutTPM(rest); err != nil {
			return nil, err
		}
		a.Responses = append(a.Responses, response)
	}
	if count == 2 {
		if a.Device, rest, err = cutDevice(rest); err != nil {
			return nil, err
		}
		if a.Log, rest, err = cutLog(rest); err != nil {
			return nil, err
		}
		count = 0
	}
	if len(rest) > 0 || count > 0 || len(a.Responses) == 0 {
		return nil, invalid("the context has no response, or other blobs than responses, device and log")
	}
	return a, nil
}

// parseContext reads what comes before the blobs, and gives their number and bytes. Reserved is to be ignored.
func parseContext(data []byte) (state *State, count uint32, blobs []byte, err error) {
	if len(data) < headerSize+EncContextSize+StateSize || len(data) > MaxMessage {
		return nil, 0, nil, invalid("a context of %d bytes", len(data))
	}
	size, version := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
	count = binary.LittleEndian.Uint32(data[8:])
	switch {
	case size != uint32(len(data)):
		return nil, 0, nil, invalid("a context of %d bytes says that it has %d", len(data), size)
	case version != contextVersion:
		return nil, 0, nil, invalid("a context of version %d", version)
	case count > maxBlobs:
		return nil, 0, nil, invalid("a context with %d data blobs, more than %d", count, maxBlobs)
	}
	state = &State{}
	rest := data[headerSize:]
	rest = rest[copy(state.EncContext[:], rest):]
	rest = rest[copy(state.Buffer[:], rest):]
	return state, count, rest, nil
}

// cutTPM takes a command or a response off the blobs (TPM 2.0 Part 3, section 5.1).
func cutTPM(b []byte) (blob, rest []byte, err error) {
	if len(b) < tpmHeaderSize {
		return nil, nil, invalid("a TPM command or response is cut off")
	}
	tag, size := binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])
	if tag != 0x8001 && tag != 0x8002 || size < tpmHeaderSize || size > maxTPM || int(size) > len(b) {
		return nil, nil, invalid("a TPM command or response with tag %#x and size %d", tag, size)
	}
	return bytes.Clone(b[:size]), b[size:], nil
}

func cutDevice(b []byte) (*DeviceInfo, []byte, error) {
	if len(b) < deviceSize || binary.LittleEndian.Uint32(b) != deviceVersion {
		return nil, nil, invalid("the device information is cut off, or not of version %d", deviceVersion)
	}
	d := &DeviceInfo{
		Version:        TPMVersion(binary.LittleEndian.Uint32(b[4:])),
		Interface:      TPMInterface(binary.LittleEndian.Uint32(b[8:])),
		Implementation: binary.LittleEndian.Uint32(b[12:]),
	}
	if d.Version > TPMVersion20 || d.Interface > TPMInterfaceEmulator {
		return nil, nil, invalid("a TPM of version %d with interface %d", d.Version, d.Interface)
	}
	return d, b[deviceSize:], nil
}

func cutLog(b []byte) (log, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, invalid("the boot log is missing")
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > MaxLog || int(size) > len(b)-4 {
		return nil, nil, invalid("a boot log of %d bytes, none or more than %d or cut off", size, MaxLog)
	}
	return bytes.Clone(b[4 : 4+size]), b[4+size:], nil
}
