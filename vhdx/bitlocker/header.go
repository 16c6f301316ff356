package bitlocker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// headerSize is the size of the volume's first sector as far as it says anything.
const headerSize = 512

var (
	signature     = []byte("-FVE-FS-")
	signatureToGo = []byte("MSWIN4.1")

	// What is in the header: 4967d63b-2e29-4ad8-8399-f6a339e3d001, and 92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8 when the volume
	// is encrypted as it is written to ("encrypt on write").
	guidNormal         = GUID{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01}
	guidEncryptOnWrite = GUID{0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8}
)

// Where the GUID is, which the offsets of the metadata follow.
const (
	guidOffset     = 160
	guidOffsetToGo = 424
)

// A header is the volume's first sector: where the metadata are.
type header struct {
	sectorSize int
	toGo       bool
	offsets    [3]uint64 // of the metadata blocks
	eow        bool
	eowOffsets [2]uint64 // of the information about encryption on write
}

func readHeader(r io.ReaderAt) (header, error) {
	b := make([]byte, headerSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return header{}, fmt.Errorf("read the volume header: %w", err)
	}
	return parseHeader(b)
}

func parseHeader(b []byte) (header, error) {
	var h header
	at := guidOffset
	switch {
	case bytes.Equal(b[3:11], signature) && b[0] == 0xeb && b[1] == 0x52:
		return header{}, ErrVista
	case bytes.Equal(b[3:11], signature):
	case bytes.Equal(b[3:11], signatureToGo):
		h.toGo, at = true, guidOffsetToGo
	default:
		return header{}, ErrNotBitLocker
	}
	switch guid := GUID(b[at:]); {
	case guid == guidNormal:
	case guid == guidEncryptOnWrite:
		h.eow = true
	case h.toGo: // the signature is also that of FAT
		return header{}, ErrNotBitLocker
	default:
		return header{}, fmt.Errorf("%w: the volume header has the unknown identifier %s", ErrMetadata, guid)
	}
	switch h.sectorSize = int(binary.LittleEndian.Uint16(b[11:])); h.sectorSize {
	case 512, 4096:
	case 0: // over exFAT, which has no such field
		h.sectorSize = 512
	default:
		return header{}, fmt.Errorf("%w: the volume header has sectors of %d bytes", ErrMetadata, h.sectorSize)
	}
	for i := range h.offsets {
		h.offsets[i] = binary.LittleEndian.Uint64(b[at+16+8*i:])
	}
	if h.eow {
		for i := range h.eowOffsets {
			h.eowOffsets[i] = binary.LittleEndian.Uint64(b[at+40+8*i:])
		}
	}
	return h, nil
}
