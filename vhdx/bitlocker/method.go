package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/scutum-project/scutum/vhdx/bitlocker/xts"
)

// A Method is how the sectors are encrypted.
type Method uint16

// The methods: Windows 7 had those with CBC, with a diffuser by default; Windows 10 and later use XTS for fixed disks and
// CBC for those to go.
const (
	AESCBC128Diffuser Method = 0x8000
	AESCBC256Diffuser Method = 0x8001
	AESCBC128         Method = 0x8002
	AESCBC256         Method = 0x8003
	AESXTS128         Method = 0x8004
	AESXTS256         Method = 0x8005
)

func (m Method) String() string {
	switch m {
	case AESCBC128Diffuser:
		return "AES-CBC-128 with diffuser"
	case AESCBC256Diffuser:
		return "AES-CBC-256 with diffuser"
	case AESCBC128:
		return "AES-CBC-128"
	case AESCBC256:
		return "AES-CBC-256"
	case AESXTS128:
		return "AES-XTS-128"
	case AESXTS256:
		return "AES-XTS-256"
	}
	return fmt.Sprintf("method %#04x", uint16(m))
}

// keySize is the size of the volume key. With a diffuser it holds two keys in 32 bytes each.
func (m Method) keySize() int {
	switch m {
	case AESCBC128:
		return 16
	case AESCBC256, AESXTS128:
		return 32
	case AESCBC128Diffuser, AESCBC256Diffuser, AESXTS256:
		return 64
	}
	return 0
}

// A sectorCipher encrypts and decrypts whole sectors, the first of which lies at a byte offset of the volume. The two
// slices are of one length, and the same memory or apart.
type sectorCipher interface {
	encrypt(dst, src []byte, offset int64)
	decrypt(dst, src []byte, offset int64)
	clear()
}

// newSectorCipher makes one from the volume key.
func newSectorCipher(m Method, key []byte, sectorSize int) (sectorCipher, error) {
	if m.keySize() == 0 {
		return nil, fmt.Errorf("%w: unknown encryption %s", ErrMetadata, m)
	}
	if len(key) != m.keySize() {
		return nil, fmt.Errorf("%w: a volume key of %d bytes for %s, want %d", ErrMetadata, len(key), m, m.keySize())
	}
	switch m {
	case AESXTS128, AESXTS256:
		c, err := xts.New(key, sectorSize)
		if err != nil {
			return nil, err
		}
		return &xtsSectors{c, int64(sectorSize)}, nil
	case AESCBC128, AESCBC256:
		return newCBCSectors(key, nil, sectorSize)
	case AESCBC128Diffuser:
		return newCBCSectors(key[:16], key[32:48], sectorSize)
	default:
		return newCBCSectors(key[:32], key[32:], sectorSize)
	}
}

type xtsSectors struct {
	cipher     *xts.Cipher
	sectorSize int64
}

func (x *xtsSectors) encrypt(dst, src []byte, offset int64) {
	x.cipher.Encrypt(dst, src, uint64(offset/x.sectorSize))
}

func (x *xtsSectors) decrypt(dst, src []byte, offset int64) {
	x.cipher.Decrypt(dst, src, uint64(offset/x.sectorSize))
}

func (x *xtsSectors) clear() { x.cipher.Clear() }

// cbcSectors is AES-CBC, with the encrypted offset of the sector as initialization vector. With a tweak there is the
// diffuser too (Ferguson, "AES-CBC + Elephant diffuser", 2006): a key for the sector is added, and every bit spread over
// all of the sector.
type cbcSectors struct {
	block, tweak cipher.Block
	sectorSize   int
}

func newCBCSectors(key, tweak []byte, sectorSize int) (sectorCipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	c := &cbcSectors{block: block, sectorSize: sectorSize}
	if tweak != nil {
		if c.tweak, err = aes.NewCipher(tweak); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cbcSectors) clear() { *c = cbcSectors{} }

func (c *cbcSectors) iv(block cipher.Block, offset int64, last byte) []byte {
	iv := make([]byte, aes.BlockSize)
	binary.LittleEndian.PutUint64(iv, uint64(offset))
	iv[15] = last
	block.Encrypt(iv, iv)
	return iv
}

func (c *cbcSectors) encrypt(dst, src []byte, offset int64) {
	words := make([]uint32, c.sectorSize/4)
	for ; len(src) > 0; dst, src = dst[c.sectorSize:], src[c.sectorSize:] {
		sector := dst[:c.sectorSize]
		copy(sector, src)
		if c.tweak != nil {
			c.addSectorKey(sector, offset)
			diffuse(sector, words)
		}
		cipher.NewCBCEncrypter(c.block, c.iv(c.block, offset, 0)).CryptBlocks(sector, sector)
		offset += int64(c.sectorSize)
	}
	clear(words)
}

func (c *cbcSectors) decrypt(dst, src []byte, offset int64) {
	words := make([]uint32, c.sectorSize/4)
	for ; len(src) > 0; dst, src = dst[c.sectorSize:], src[c.sectorSize:] {
		sector := dst[:c.sectorSize]
		cipher.NewCBCDecrypter(c.block, c.iv(c.block, offset, 0)).CryptBlocks(sector, src[:c.sectorSize])
		if c.tweak != nil {
			gather(sector, words)
			c.addSectorKey(sector, offset)
		}
		offset += int64(c.sectorSize)
	}
	clear(words)
}

func (c *cbcSectors) addSectorKey(sector []byte, offset int64) {
	key := append(c.iv(c.tweak, offset, 0), c.iv(c.tweak, offset, 0x80)...)
	for i := 0; i < len(sector); i += len(key) {
		subtle.XORBytes(sector[i:], sector[i:], key)
	}
	clear(key)
}

// How far the diffusers A and B rotate.
var rotationsA, rotationsB = [4]int{9, 0, 13, 0}, [4]int{0, 10, 0, 25}

const cyclesA, cyclesB = 5, 3

// gather is the diffuser as decryption needs it: B, then A. A sector has a power of two of words.
func gather(sector []byte, d []uint32) {
	load(d, sector)
	last := len(d) - 1
	for range cyclesB {
		for i := range d {
			d[i] += d[(i+2)&last] ^ bits.RotateLeft32(d[(i+5)&last], rotationsB[i%4])
		}
	}
	for range cyclesA {
		for i := range d {
			d[i] += d[(i-2)&last] ^ bits.RotateLeft32(d[(i-5)&last], rotationsA[i%4])
		}
	}
	store(sector, d)
}

// diffuse is the reverse of gather.
func diffuse(sector []byte, d []uint32) {
	load(d, sector)
	last := len(d) - 1
	for range cyclesA {
		for i := last; i >= 0; i-- {
			d[i] -= d[(i-2)&last] ^ bits.RotateLeft32(d[(i-5)&last], rotationsA[i%4])
		}
	}
	for range cyclesB {
		for i := last; i >= 0; i-- {
			d[i] -= d[(i+2)&last] ^ bits.RotateLeft32(d[(i+5)&last], rotationsB[i%4])
		}
	}
	store(sector, d)
}

func load(d []uint32, sector []byte) {
	for i := range d {
		d[i] = binary.LittleEndian.Uint32(sector[4*i:])
	}
}

func store(sector []byte, d []uint32) {
	for i, word := range d {
		binary.LittleEndian.PutUint32(sector[4*i:], word)
	}
}
