package xts

import "golang.org/x/sys/cpu"

// engines are the ways in which this machine can do it, the fastest first.
func engines() []engineKind {
	kinds := make([]engineKind, 0, 2)
	if cpu.ARM64.HasAES && cpu.ARM64.HasASIMD {
		kinds = append(kinds, engineKind{"neon", neon.engine})
	}
	return append(kinds, engineKind{"portable", newPortable})
}

// A kernel is the assembly for one set of instructions.
type kernel int

const neon kernel = 0

// tweaks encrypts count sector numbers from first on. It may fill all of out.
func (kernel) tweaks(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int) {
	tweaksNEON(keys, rounds, out, first, count)
}

// encrypt does sectors, of chunks times 512 bytes each, with the tweaks of their first blocks.
func (kernel) encrypt(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int) {
	encryptNEON(keys, rounds, dst, src, tweaks, chunks, sectors)
}

// decrypt is the reverse of encrypt, with the keys of the equivalent inverse cipher.
func (kernel) decrypt(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int) {
	decryptNEON(keys, rounds, dst, src, tweaks, chunks, sectors)
}

// subWord puts the four bytes of a word through the S-box.
//
//go:noescape
func subWord(word uint32) uint32

// unmixColumns is InvMixColumns.
//
//go:noescape
func unmixColumns(key *[blockSize]byte)

//go:noescape
func tweaksNEON(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)

//go:noescape
func encryptNEON(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func decryptNEON(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
