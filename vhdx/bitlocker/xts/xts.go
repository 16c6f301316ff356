// Package xts encrypts and decrypts runs of disk sectors with AES-XTS (IEEE 1619, NIST SP 800-38E), at the speed of the
// machine's AES instructions: VAES or AES-NI on amd64, the cryptography extension on arm64, and crypto/aes elsewhere.
//
// The package never authenticates: XTS hides what a sector holds and does not tell whether somebody changed it. It has no
// ciphertext stealing, since no disk has sectors that are not whole blocks.
package xts

import "fmt"

// Sizes of sectors that a Cipher takes: multiples of MinSectorSize up to MaxSectorSize.
const (
	MinSectorSize = 512
	MaxSectorSize = 4096
)

const blockSize = 16

// A Cipher encrypts and decrypts sectors of one size under one key. It is safe for concurrent use until Clear.
type Cipher struct {
	sectorSize int
	engine     engine
}

// An engine does the work on whole sectors, which dst and src hold equally many of. Where it has the instructions for it,
// its time depends on nothing but the number of sectors.
type engine interface {
	encrypt(dst, src []byte, sectorSize int, first uint64)
	decrypt(dst, src []byte, sectorSize int, first uint64)
	clear()
}

// New makes a cipher from a key of 32 bytes (AES-128) or 64 (AES-256): the key of the data, then the key of the tweaks.
// It keeps no reference to key.
func New(key []byte, sectorSize int) (*Cipher, error) {
	if len(key) != 32 && len(key) != 64 {
		return nil, fmt.Errorf("AES-XTS key of %d bytes, want 32 or 64", len(key))
	}
	if sectorSize < MinSectorSize || sectorSize > MaxSectorSize || sectorSize%MinSectorSize != 0 {
		return nil, fmt.Errorf("AES-XTS over sectors of %d bytes, want a multiple of %d up to %d",
			sectorSize, MinSectorSize, MaxSectorSize)
	}
	return &Cipher{sectorSize, engines()[0].make(key)}, nil
}

// An engineKind is one of the ways in which this machine can do it.
type engineKind struct {
	name string
	make func(key []byte) engine
}

// Encrypt encrypts src, which holds whole sectors, into the beginning of dst. The tweak of each sector is its number, of
// which first is that of the first. The two must be the same memory or not overlap. Like a cipher.Block it panics when src
// is not whole sectors or dst is shorter.
func (c *Cipher) Encrypt(dst, src []byte, first uint64) {
	c.check(dst, src)
	c.engine.encrypt(dst[:len(src)], src, c.sectorSize, first)
}

// Decrypt is the reverse of Encrypt.
func (c *Cipher) Decrypt(dst, src []byte, first uint64) {
	c.check(dst, src)
	c.engine.decrypt(dst[:len(src)], src, c.sectorSize, first)
}

// Clear overwrites the expanded keys where they are ours: those inside crypto/aes, which the portable engine uses, are
// left to the garbage collector. The cipher must not be used any more.
func (c *Cipher) Clear() { c.engine.clear() }

func (c *Cipher) check(dst, src []byte) {
	if len(src)%c.sectorSize != 0 {
		panic(fmt.Sprintf("xts: %d bytes are not whole sectors of %d", len(src), c.sectorSize))
	}
	if len(dst) < len(src) {
		panic(fmt.Sprintf("xts: %d bytes do not fit into %d", len(src), len(dst)))
	}
}
