package xts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// portable does it with crypto/aes: the tweaks of a sector first, so that they are added to all of its blocks at once.
type portable struct {
	data, tweak cipher.Block
}

func newPortable(key []byte) engine {
	data, err := aes.NewCipher(key[:len(key)/2])
	if err != nil {
		panic(err) // New has checked the length
	}
	tweak, err := aes.NewCipher(key[len(key)/2:])
	if err != nil {
		panic(err)
	}
	return &portable{data, tweak}
}

func (p *portable) encrypt(dst, src []byte, sectorSize int, first uint64) {
	p.each(dst, src, sectorSize, first, p.data.Encrypt)
}

func (p *portable) decrypt(dst, src []byte, sectorSize int, first uint64) {
	p.each(dst, src, sectorSize, first, p.data.Decrypt)
}

func (p *portable) clear() { *p = portable{} }

func (p *portable) each(dst, src []byte, sectorSize int, first uint64, crypt func(dst, src []byte)) {
	mask := make([]byte, sectorSize)
	defer clear(mask)
	for ; len(src) > 0; dst, src = dst[sectorSize:], src[sectorSize:] {
		p.masks(mask, first)
		sector := dst[:sectorSize]
		subtle.XORBytes(sector, src, mask)
		for i := 0; i < sectorSize; i += blockSize {
			crypt(sector[i:i+blockSize], sector[i:i+blockSize])
		}
		subtle.XORBytes(sector, sector, mask)
		first++
	}
}

// masks fills mask with the tweaks of the blocks of a sector: its encrypted number, doubled in GF(2^128) from block to
// block.
func (p *portable) masks(mask []byte, sector uint64) {
	clear(mask[:blockSize])
	binary.LittleEndian.PutUint64(mask, sector)
	p.tweak.Encrypt(mask, mask[:blockSize])
	low, high := binary.LittleEndian.Uint64(mask), binary.LittleEndian.Uint64(mask[8:])
	for i := blockSize; i < len(mask); i += blockSize {
		carry := high >> 63
		high = high<<1 | low>>63
		low = low<<1 ^ carry*0x87
		binary.LittleEndian.PutUint64(mask[i:], low)
		binary.LittleEndian.PutUint64(mask[i+8:], high)
	}
}
