package bitlocker

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// A datum is one entry of the metadata, and of what is wrapped in them: its size, its role, the kind of its value, and the
// value, in which others may be nested.
type datum struct {
	role, kind, version uint16
	value               []byte // of the kinds that nest others, what comes before them
	nested              []datum
}

const datumHeaderSize = 8

// Roles of data.
const (
	roleProperty       = 0x00
	roleMasterKey      = 0x02
	roleVolumeKey      = 0x03
	roleDescription    = 0x07
	roleVirtualization = 0x0f
	roleRecoveryKey    = 0x12 // the recovery password itself, under the master key
	roleStretchedKey   = 0x13 // what was made of it, under the master key
)

// Kinds of values.
const (
	kindKey            = 0x01
	kindText           = 0x02
	kindStretch        = 0x03
	kindUse            = 0x04
	kindWrapped        = 0x05 // AES-CCM
	kindTPM            = 0x06
	kindMasterKey      = 0x08
	kindExternal       = 0x09
	kindVirtualization = 0x0f
	kindBackup         = 0x15
)

// prefix is the size of the value before what is nested in it, of the kinds that nest anything.
func prefix(kind uint16) (size int, nests bool) {
	switch kind {
	case kindStretch:
		return 20, true
	case kindUse:
		return 4, true
	case kindMasterKey:
		return 28, true
	case kindExternal:
		return 24, true
	}
	return 0, false
}

// maxDepth is how deep data are nested: a key in the stretching in the protector in the metadata, and one to spare.
const maxDepth = 4

// parseDatums reads data one after the other, to the end or to a size of zero. at is the offset of b, for errors.
func parseDatums(b []byte, at, depth int) ([]datum, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: data at offset %#x nested more than %d deep", ErrMetadata, at, maxDepth)
	}
	var data []datum
	for len(b) >= datumHeaderSize {
		size := int(binary.LittleEndian.Uint16(b))
		if size == 0 {
			break
		}
		if size < datumHeaderSize || size > len(b) {
			return nil, fmt.Errorf("%w: datum of %d bytes at offset %#x, where %d are left", ErrMetadata, size, at, len(b))
		}
		d := datum{
			role:    binary.LittleEndian.Uint16(b[2:]),
			kind:    binary.LittleEndian.Uint16(b[4:]),
			version: binary.LittleEndian.Uint16(b[6:]),
			value:   b[datumHeaderSize:size],
		}
		if n, nests := prefix(d.kind); nests {
			if len(d.value) < n {
				return nil, fmt.Errorf("%w: datum of kind %#x at offset %#x has %d bytes, want %d or more",
					ErrMetadata, d.kind, at, size, datumHeaderSize+n)
			}
			var err error
			if d.nested, err = parseDatums(d.value[n:], at+datumHeaderSize+n, depth+1); err != nil {
				return nil, err
			}
			d.value = d.value[:n]
		}
		data = append(data, d)
		b, at = b[size:], at+size
	}
	return data, nil
}

func (d datum) size() int {
	size := datumHeaderSize + len(d.value)
	for _, n := range d.nested {
		size += n.size()
	}
	return size
}

func (d datum) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(d.size()))
	b = binary.LittleEndian.AppendUint16(b, d.role)
	b = binary.LittleEndian.AppendUint16(b, d.kind)
	b = binary.LittleEndian.AppendUint16(b, d.version)
	b = append(b, d.value...)
	for _, n := range d.nested {
		b = n.append(b)
	}
	return b
}

// find gives the first nested datum of a kind.
func (d datum) find(kind uint16) (datum, bool) { return findDatum(d.nested, kind) }

func findDatum(data []datum, kind uint16) (datum, bool) {
	for _, d := range data {
		if d.kind == kind {
			return d, true
		}
	}
	return datum{}, false
}

// text reads UTF-16 up to a NUL.
func (d datum) text() string {
	var units []uint16
	for b := d.value; len(b) >= 2; b = b[2:] {
		unit := binary.LittleEndian.Uint16(b)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}

func textDatum(role uint16, text string) datum {
	return datum{role: role, kind: kindText, version: 1, value: append(utf16Bytes(text), 0, 0)}
}

// utf16Bytes is UTF-16, little-endian.
func utf16Bytes(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}
