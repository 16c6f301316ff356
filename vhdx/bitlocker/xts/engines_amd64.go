package xts

import "golang.org/x/sys/cpu"

// engines are the ways in which this machine can do it, the fastest first.
func engines() []engineKind {
	kinds := make([]engineKind, 0, 4)
	if cpu.X86.HasAES && cpu.X86.HasSSE2 {
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ {
			kinds = append(kinds, engineKind{"vaes", vaes.engine})
		}
		if cpu.X86.HasAVX2 && hasVAES() {
			kinds = append(kinds, engineKind{"vaes256", vaes256.engine})
		}
		kinds = append(kinds, engineKind{"aesni", aesni.engine})
	}
	return append(kinds, engineKind{"portable", newPortable})
}

// A kernel is the assembly for one set of instructions. It is called by name and not through a function's value, which would
// put the tweaks on the heap.
type kernel int

const (
	aesni   kernel = iota // 128 bits at once
	vaes256               // 256
	vaes                  // 512
)

// tweaks encrypts count sector numbers from first on. It may fill all of out.
func (k kernel) tweaks(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int) {
	if k == vaes {
		tweaksVAES(keys, rounds, out, first, count)
		return
	}
	tweaksAESNI(keys, rounds, out, first, count)
}

// encrypt does sectors, of chunks times 512 bytes each, with the tweaks of their first blocks.
func (k kernel) encrypt(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int) {
	switch k {
	case vaes:
		encryptVAES(keys, rounds, dst, src, tweaks, chunks, sectors)
	case vaes256:
		encryptVAES256(keys, rounds, dst, src, tweaks, chunks, sectors)
	default:
		encryptAESNI(keys, rounds, dst, src, tweaks, chunks, sectors)
	}
}

// decrypt is the reverse of encrypt, with the keys of the equivalent inverse cipher.
func (k kernel) decrypt(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int) {
	switch k {
	case vaes:
		decryptVAES(keys, rounds, dst, src, tweaks, chunks, sectors)
	case vaes256:
		decryptVAES256(keys, rounds, dst, src, tweaks, chunks, sectors)
	default:
		decryptAESNI(keys, rounds, dst, src, tweaks, chunks, sectors)
	}
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
func tweaksAESNI(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)

//go:noescape
func encryptAESNI(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func decryptAESNI(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func tweaksVAES(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)

//go:noescape
func encryptVAES(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func decryptVAES(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func encryptVAES256(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

//go:noescape
func decryptVAES256(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)

// hasVAES asks the processor for VAES and VPCLMULQDQ, which golang.org/x/sys/cpu tells only of processors with AVX-512.
func hasVAES() bool
