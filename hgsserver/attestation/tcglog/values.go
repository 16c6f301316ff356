package tcglog

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"unicode/utf16"
)

// efiGlobal is EFI_GLOBAL_VARIABLE, 8be4df61-93ca-11d2-aa0d-00e098032b8c, as it stands in memory.
var efiGlobal = [16]byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}

type variable struct {
	vendor [16]byte
	name   string
	value  []byte
}

// parseVariable reads UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile 1.05, section 10.2.6).
func parseVariable(data []byte) (v variable, ok bool) {
	r := &reader{data: data}
	copy(v.vendor[:], r.bytes(16))
	nameUnits, valueSize := r.uint64(), r.uint64()
	if r.short || nameUnits > uint64(len(data))/2 || valueSize > uint64(len(data)) {
		return variable{}, false
	}
	v.name = fromUTF16(r.bytes(uint32(2 * nameUnits)))
	v.value = r.bytes(uint32(valueSize))
	return v, !r.short && len(r.data) == 0
}

func fromUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// A CIPolicy is a code integrity policy that was loaded. The digest is that of its file.
type CIPolicy struct {
	Name      string // of the file
	Version   uint64 // four numbers of 16 bits each, the first in the highest
	Algorithm Algorithm
	Digest    []byte
}

// String gives the name and the version.
func (p CIPolicy) String() string {
	v := p.Version
	return fmt.Sprintf("%s %d.%d.%d.%d", p.Name, v>>48, v>>32&0xffff, v>>16&0xffff, v&0xffff)
}

// cryptoAPI has the numbers that Windows' CryptoAPI gives to hash algorithms (ALG_ID); real logs have the TCG's.
var cryptoAPI = map[Algorithm]Algorithm{0x8004: SHA1, 0x800c: SHA256, 0x800d: SHA384, 0x800e: SHA512}

// addPolicy reads {u64 version, u16 size of the name, u16 algorithm, u32 size of the digest, name, digest}.
func (b *Boot) addPolicy(data []byte) error {
	r := &reader{data: data}
	p := CIPolicy{Version: r.uint64()}
	nameSize := r.uint16()
	p.Algorithm = Algorithm(r.uint16())
	digestSize := r.uint32()
	p.Name = string(bytes.TrimRight([]byte(fromUTF16(r.bytes(uint32(nameSize)))), "\x00"))
	p.Digest = r.bytes(digestSize)
	if a, ok := cryptoAPI[p.Algorithm]; ok {
		p.Algorithm = a
	}
	h, known := hashes[p.Algorithm]
	if r.short || len(r.data) > 0 || nameSize%2 != 0 || !known || len(p.Digest) != h.Size() {
		return malformed("a code integrity policy is not written as Windows does")
	}
	for _, have := range b.Policies {
		if have.Name == p.Name && have.Version == p.Version && have.Algorithm == p.Algorithm && bytes.Equal(have.Digest, p.Digest) {
			return nil
		}
	}
	b.Policies = append(b.Policies, p)
	return nil
}

const (
	algorithmRSA = 1
	maxKeyBits   = 4096
)

// identityKey reads {u32 algorithm, u32 bits, u32 size of the exponent, u32 size of the modulus, exponent, modulus}, the last two
// with the highest byte first. Measured before, it must be the same key.
func identityKey(id ID, data []byte, before *rsa.PublicKey) (*rsa.PublicKey, error) {
	r := &reader{data: data}
	algorithm, bits, exponentSize, modulusSize := r.uint32(), r.uint32(), r.uint32(), r.uint32()
	exponent, modulus := new(big.Int).SetBytes(r.bytes(exponentSize)), new(big.Int).SetBytes(r.bytes(min(modulusSize, maxKeyBits/8)))
	key := &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
	switch {
	case r.short || len(r.data) > 0 || algorithm != algorithmRSA || modulusSize != bits/8 || uint32(modulus.BitLen()) != bits || exponentSize > 4:
		return nil, malformed("the identity key of the Windows event %v is not an RSA key as Windows writes it", id)
	case bits < 2048 || modulus.Bit(0) == 0 || key.E < 3 || key.E&1 == 0 || key.E > 1<<31-1:
		return nil, malformed("the identity key of the Windows event %v is not an RSA key of 2048 to %d bits", id, maxKeyBits)
	case before != nil && !before.Equal(key):
		return nil, malformed("the Windows event %v was measured for two different keys", id)
	}
	return key, nil
}
