package vhdx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// The header section, section 2.2: five items of 64 KiB in the first MiB.
const (
	fileSignature    = "vhdxfile"
	headerSignature  = "head"
	headerSize       = 4 * kib
	identifierOffset = 0
	headerSpace      = 64 * kib
	headersEnd       = 192 * kib
	headerSection    = mib
)

var headerOffsets = [2]int64{64 * kib, 128 * kib}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of b with the four bytes at offset 4, where every
// structure keeps its checksum, taken as zero.
func checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:4])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[8:])
}

// creatorOf reads the creator's name out of the file type identifier, section
// 2.2.1: a UTF-16 string that may end in NUL.
func creatorOf(identifier []byte) string {
	units := make([]uint16, 0, 256)
	for b := identifier[8:520]; len(b) > 0; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

func marshalIdentifier(creator string) []byte {
	b := make([]byte, headerSpace)
	copy(b, fileSignature)
	for i, u := range utf16.Encode([]rune(creator)) {
		if i == 256 {
			break
		}
		binary.LittleEndian.PutUint16(b[8+2*i:], u)
	}
	return b
}

// A header is the root of the file, section 2.2.2. The file has two, so that
// one is whole at any moment; the valid one with the greater sequence number
// is current.
type header struct {
	sequence   uint64
	fileWrite  GUID
	dataWrite  GUID
	log        GUID // zero: the log is empty
	logVersion uint16
	version    uint16
	logLength  uint32
	logOffset  uint64
}

// parseHeader returns false when signature or checksum do not validate.
func parseHeader(b []byte) (header, bool) {
	if string(b[:4]) != headerSignature || binary.LittleEndian.Uint32(b[4:]) != checksum(b) {
		return header{}, false
	}
	return header{
		sequence:   binary.LittleEndian.Uint64(b[8:]),
		fileWrite:  GUID(b[16:32]),
		dataWrite:  GUID(b[32:48]),
		log:        GUID(b[48:64]),
		logVersion: binary.LittleEndian.Uint16(b[64:]),
		version:    binary.LittleEndian.Uint16(b[66:]),
		logLength:  binary.LittleEndian.Uint32(b[68:]),
		logOffset:  binary.LittleEndian.Uint64(b[72:]),
	}, true
}

func (h *header) marshal() []byte {
	b := make([]byte, headerSize)
	copy(b, headerSignature)
	binary.LittleEndian.PutUint64(b[8:], h.sequence)
	copy(b[16:], h.fileWrite[:])
	copy(b[32:], h.dataWrite[:])
	copy(b[48:], h.log[:])
	binary.LittleEndian.PutUint16(b[64:], h.logVersion)
	binary.LittleEndian.PutUint16(b[66:], h.version)
	binary.LittleEndian.PutUint32(b[68:], h.logLength)
	binary.LittleEndian.PutUint64(b[72:], h.logOffset)
	binary.LittleEndian.PutUint32(b[4:], checksum(b))
	return b
}

// headerPair is both headers and which of them is current.
type headerPair struct {
	current header
	slot    int // of the current one in headerOffsets
	spare   bool
}

// chooseHeader finds the current header, section 2.2.2, in the first headersEnd
// bytes of the file.
func chooseHeader(section []byte, f *findings) (headerPair, error) {
	var pair headerPair
	var found [2]header
	var valid [2]bool
	for i, off := range headerOffsets {
		b := section[off : off+headerSize]
		if found[i], valid[i] = parseHeader(b); !valid[i] {
			f.fault(off, "2.2.2", "header %d: signature or checksum do not match", i+1)
		} else if !bytes.Equal(b[80:], make([]byte, headerSize-80)) {
			f.fault(off+80, "2.2.2", "header %d: reserved bytes are not zero", i+1)
		}
	}
	switch {
	case !valid[0] && !valid[1]:
		return pair, f.fatal(headerOffsets[0], "2.2.2", "neither header is valid")
	case valid[0] && valid[1] && found[0].sequence == found[1].sequence && found[0] != found[1]:
		return pair, f.fatal(headerOffsets[0], "2.2.2", "both headers have sequence number %d and differ", found[0].sequence)
	case !valid[0] || valid[1] && found[1].sequence > found[0].sequence:
		pair.slot = 1
	}
	pair.current, pair.spare = found[pair.slot], valid[0] && valid[1]
	h, off := pair.current, headerOffsets[pair.slot]
	if h.version != 1 {
		return pair, f.fatal(off+66, "2.2.2", "version is %d, not 1", h.version)
	}
	if h.logVersion != 0 {
		if !h.log.IsZero() {
			return pair, f.fatal(off+64, "2.2.2", "log version is %d, not 0", h.logVersion)
		}
		f.fault(off+64, "2.2.2", "log version is %d, not 0", h.logVersion) // of a log that is empty
	}
	if h.logLength%mib != 0 || h.logOffset%mib != 0 {
		return pair, f.fatal(off+68, "2.2.2", "log at %#x of %#x bytes is not aligned to 1 MiB", h.logOffset, h.logLength)
	}
	if h.logOffset > maxFileSize || h.logLength > 0 && h.logOffset < headerSection {
		return pair, f.fatal(off+72, "2.2.2", "log offset %#x is outside the file", h.logOffset)
	}
	return pair, nil
}
