package bitlocker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A TPMBlob is what a TPM protector holds, in the structures of TPM 2.0 (Trusted Platform Module Library, part 2): an
// object with sealed data, and the PCRs that its policy is about. The policy that Windows makes is TPM2_PolicyAuthValue
// followed by TPM2_PolicyPCR; the parent is the storage root key, 0x81000001.
type TPMBlob struct {
	PCRs      []int  // by number: 7 and 11, unless somebody chose others
	Private   []byte // the content of TPM2B_PRIVATE
	Public    []byte // of TPM2B_PUBLIC
	PCRDigest []byte // of TPM2B_DIGEST: over the values of the PCRs
}

// A TPMBlob ends with a selection (TPMS_PCR_SELECT): the number of bytes, and a bit for each PCR.
const (
	pcrBytes = 3
	pcrCount = 8 * pcrBytes
)

// parseTPMBlob reads a blob that Windows made: the PCRs as a number, little-endian, then structures of the TPM, whose
// numbers are big-endian.
func parseTPMBlob(b []byte) (TPMBlob, error) {
	if len(b) < 4 {
		return TPMBlob{}, fmt.Errorf("%w: a sealed key of %d bytes", ErrMetadata, len(b))
	}
	var blob TPMBlob
	rest := b[4:]
	for _, field := range []*[]byte{&blob.Private, &blob.Public, &blob.PCRDigest} {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return TPMBlob{}, fmt.Errorf("%w: a sealed key ends at %d bytes within a structure of the TPM", ErrMetadata, len(b))
		}
		n := 2 + int(binary.BigEndian.Uint16(rest))
		*field, rest = slices.Clone(rest[2:n]), rest[n:]
	}
	if len(rest) < 1 || len(rest)-1 != int(rest[0]) {
		return TPMBlob{}, fmt.Errorf("%w: the selection of PCRs of a sealed key has %d bytes", ErrMetadata, len(rest))
	}
	for i, bits := range rest[1:] {
		for bit := range 8 {
			if bits>>bit&1 == 1 {
				blob.PCRs = append(blob.PCRs, 8*i+bit)
			}
		}
	}
	return blob, nil
}

func (blob TPMBlob) append(b []byte) ([]byte, error) {
	var selection [pcrBytes + 1]byte
	if len(blob.PCRs) == 0 {
		return nil, errors.New("seal to no PCR: any system that the machine starts would get the key")
	}
	for _, pcr := range blob.PCRs {
		if pcr < 0 || pcr >= pcrCount {
			return nil, fmt.Errorf("seal to PCR %d, want 0 to %d", pcr, pcrCount-1)
		}
		selection[pcr/8] |= 1 << (pcr % 8)
	}
	b = binary.LittleEndian.AppendUint32(b, binary.LittleEndian.Uint32(selection[:]))
	for _, field := range [][]byte{blob.Private, blob.Public, blob.PCRDigest} {
		if len(field) == 0 || len(field) > 1<<10 {
			return nil, fmt.Errorf("a sealed key with a structure of %d bytes, want 1 to %d", len(field), 1<<10)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
		b = append(b, field...)
	}
	b = append(b, pcrBytes)
	return append(b, selection[:pcrBytes]...), nil
}
