//go:build amd64 || arm64

package xts

import (
	"encoding/binary"
	"math/bits"
)

// maxRounds is the number of rounds of AES-256; AES-128 has 10.
const maxRounds = 14

// A roundKeys holds the keys of the rounds, in the order of their use.
type roundKeys [maxRounds + 1][blockSize]byte

// batch is the number of sectors whose tweaks are encrypted at once.
const batch = 32

// A vector is an engine that does several blocks at once in assembly. Its kernel is the set of instructions.
type vector struct {
	kernel
	rounds                  int
	tweak, forward, inverse roundKeys
}

func (k kernel) engine(key []byte) engine {
	v := &vector{kernel: k, rounds: 10}
	if len(key) == 64 {
		v.rounds = maxRounds
	}
	expand(&v.forward, key[:len(key)/2])
	expand(&v.tweak, key[len(key)/2:])

	// The equivalent inverse cipher (FIPS 197, section 5.3.5) has the rounds' keys backwards, those between the first and
	// the last with their columns unmixed.
	for i := range v.rounds + 1 {
		v.inverse[i] = v.forward[v.rounds-i]
		if i > 0 && i < v.rounds {
			unmixColumns(&v.inverse[i])
		}
	}
	return v
}

func (v *vector) encrypt(dst, src []byte, sectorSize int, first uint64) {
	var tweaks [batch][blockSize]byte
	for len(src) > 0 {
		sectors := min(len(src)/sectorSize, batch)
		v.kernel.tweaks(&v.tweak, v.rounds, &tweaks, first, sectors)
		v.kernel.encrypt(&v.forward, v.rounds, &dst[0], &src[0], &tweaks, sectorSize/MinSectorSize, sectors)
		dst, src = dst[sectors*sectorSize:], src[sectors*sectorSize:]
		first += uint64(sectors)
	}
	clear(tweaks[:])
}

func (v *vector) decrypt(dst, src []byte, sectorSize int, first uint64) {
	var tweaks [batch][blockSize]byte
	for len(src) > 0 {
		sectors := min(len(src)/sectorSize, batch)
		v.kernel.tweaks(&v.tweak, v.rounds, &tweaks, first, sectors)
		v.kernel.decrypt(&v.inverse, v.rounds, &dst[0], &src[0], &tweaks, sectorSize/MinSectorSize, sectors)
		dst, src = dst[sectors*sectorSize:], src[sectors*sectorSize:]
		first += uint64(sectors)
	}
	clear(tweaks[:])
}

func (v *vector) clear() { v.tweak, v.forward, v.inverse = roundKeys{}, roundKeys{}, roundKeys{} }

// expand fills keys from a key of 16 or 32 bytes (FIPS 197, section 5.2).
func expand(keys *roundKeys, key []byte) {
	var words [4 * (maxRounds + 1)]uint32
	n := len(key) / 4
	for i := range n {
		words[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	rcon := uint32(1)
	for i := n; i < 4*(n+7); i++ {
		word := words[i-1]
		switch {
		case i%n == 0:
			word = subWord(bits.RotateLeft32(word, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		case n == 8 && i%n == 4:
			word = subWord(word)
		}
		words[i] = words[i-n] ^ word
	}
	for i, word := range words {
		binary.LittleEndian.PutUint32(keys[i/4][i%4*4:], word)
	}
	clear(words[:])
}
