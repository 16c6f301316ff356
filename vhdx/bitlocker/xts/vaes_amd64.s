#include "textflag.h"

// The numbers of the tweaks in a register, and how far each is shifted.
DATA shifts<>+0(SB)/8, $0
DATA shifts<>+8(SB)/8, $0
DATA shifts<>+16(SB)/8, $1
DATA shifts<>+24(SB)/8, $1
DATA shifts<>+32(SB)/8, $2
DATA shifts<>+40(SB)/8, $2
DATA shifts<>+48(SB)/8, $3
DATA shifts<>+56(SB)/8, $3
DATA shifts<>+64(SB)/8, $4
DATA shifts<>+72(SB)/8, $4
DATA shifts<>+80(SB)/8, $5
DATA shifts<>+88(SB)/8, $5
DATA shifts<>+96(SB)/8, $6
DATA shifts<>+104(SB)/8, $6
DATA shifts<>+112(SB)/8, $7
DATA shifts<>+120(SB)/8, $7
GLOBL shifts<>(SB), RODATA|NOPTR, $128

// 64 less that much.
DATA rests<>+0(SB)/8, $64
DATA rests<>+8(SB)/8, $64
DATA rests<>+16(SB)/8, $63
DATA rests<>+24(SB)/8, $63
DATA rests<>+32(SB)/8, $62
DATA rests<>+40(SB)/8, $62
DATA rests<>+48(SB)/8, $61
DATA rests<>+56(SB)/8, $61
DATA rests<>+64(SB)/8, $60
DATA rests<>+72(SB)/8, $60
DATA rests<>+80(SB)/8, $59
DATA rests<>+88(SB)/8, $59
DATA rests<>+96(SB)/8, $58
DATA rests<>+104(SB)/8, $58
DATA rests<>+112(SB)/8, $57
DATA rests<>+120(SB)/8, $57
GLOBL rests<>(SB), RODATA|NOPTR, $128

// x^128 = x^7 + x^2 + x + 1.
DATA reduction<>+0(SB)/8, $0x87
DATA reduction<>+8(SB)/8, $0
DATA reduction<>+16(SB)/8, $0x87
DATA reduction<>+24(SB)/8, $0
DATA reduction<>+32(SB)/8, $0x87
DATA reduction<>+40(SB)/8, $0
DATA reduction<>+48(SB)/8, $0x87
DATA reduction<>+56(SB)/8, $0
GLOBL reduction<>(SB), RODATA|NOPTR, $64

// The sector numbers in a register of four, less the first.
DATA counts<>+0(SB)/8, $0
DATA counts<>+8(SB)/8, $0
DATA counts<>+16(SB)/8, $1
DATA counts<>+24(SB)/8, $0
DATA counts<>+32(SB)/8, $2
DATA counts<>+40(SB)/8, $0
DATA counts<>+48(SB)/8, $3
DATA counts<>+56(SB)/8, $0
GLOBL counts<>(SB), RODATA|NOPTR, $64

DATA four<>+0(SB)/8, $4
DATA four<>+8(SB)/8, $0
DATA four<>+16(SB)/8, $4
DATA four<>+24(SB)/8, $0
DATA four<>+32(SB)/8, $4
DATA four<>+40(SB)/8, $0
DATA four<>+48(SB)/8, $4
DATA four<>+56(SB)/8, $0
GLOBL four<>(SB), RODATA|NOPTR, $64

// KEYS loads the first key into Z16, the last into Z17 and those between into Z18 to Z26 and, for AES-256, to Z30. CX is
// the number of rounds, and 10 is left to compare with.
#define KEYS \
	MOVQ CX, R12; \
	SHLQ $4, R12; \
	VBROADCASTI32X4 (AX), Z16; \
	VBROADCASTI32X4 (AX)(R12*1), Z17; \
	VBROADCASTI32X4 16(AX), Z18; \
	VBROADCASTI32X4 32(AX), Z19; \
	VBROADCASTI32X4 48(AX), Z20; \
	VBROADCASTI32X4 64(AX), Z21; \
	VBROADCASTI32X4 80(AX), Z22; \
	VBROADCASTI32X4 96(AX), Z23; \
	VBROADCASTI32X4 112(AX), Z24; \
	VBROADCASTI32X4 128(AX), Z25; \
	VBROADCASTI32X4 144(AX), Z26; \
	VBROADCASTI32X4 160(AX), Z27; \
	VBROADCASTI32X4 176(AX), Z28; \
	VBROADCASTI32X4 192(AX), Z29; \
	VBROADCASTI32X4 208(AX), Z30

// EACH does a round on the 32 blocks.
#define EACH(OP, KEY) \
	OP KEY, Z0, Z0; \
	OP KEY, Z1, Z1; \
	OP KEY, Z2, Z2; \
	OP KEY, Z3, Z3; \
	OP KEY, Z4, Z4; \
	OP KEY, Z5, Z5; \
	OP KEY, Z6, Z6; \
	OP KEY, Z7, Z7

// ROUNDS does all of them after the addition of the first key.
#define ROUNDS(ROUND, LAST) \
	EACH(ROUND, Z18); \
	EACH(ROUND, Z19); \
	EACH(ROUND, Z20); \
	EACH(ROUND, Z21); \
	EACH(ROUND, Z22); \
	EACH(ROUND, Z23); \
	EACH(ROUND, Z24); \
	EACH(ROUND, Z25); \
	EACH(ROUND, Z26); \
	CMPQ CX, $10; \
	JEQ last; \
	EACH(ROUND, Z27); \
	EACH(ROUND, Z28); \
	EACH(ROUND, Z29); \
	EACH(ROUND, Z30); \
last: \
	EACH(LAST, Z17)

// FIRST makes four tweaks from the one that Z14 holds four times (and Z15 with its halves swapped), each shifted by a
// number of its own: the bits that leave the low half go into the high half, and those that leave the high half are
// reduced into the low one.
#define FIRST(N, Z) \
	VPSLLVQ shifts<>+N(SB), Z14, Z; \
	VPSRLVQ rests<>+N(SB), Z15, Z31; \
	VPXORQ Z31, Z, K1, Z; \
	VPCLMULQDQ $0, reduction<>(SB), Z31, Z31; \
	VPXORQ Z31, Z, Z

// NEXT multiplies four tweaks by x^8: those of the eight blocks further on.
#define NEXT(FROM, TO) \
	VPSRLDQ $15, FROM, Z31; \
	VPSLLDQ $1, FROM, TO; \
	VPCLMULQDQ $0, reduction<>(SB), Z31, Z31; \
	VPXORQ Z31, TO, TO

// LOAD loads four blocks and adds the first key and the tweaks.
#define LOAD(N, Z, TWEAK) \
	VMOVDQU64 N(SI), Z; \
	VPTERNLOGQ $0x96, Z16, TWEAK, Z

#define STORE(N, Z, TWEAK) \
	VPXORQ TWEAK, Z, Z; \
	VMOVDQU64 Z, N(DI)

// A chunk of 32 blocks at once.
#define SECTORS(ROUND, LAST) \
	MOVQ keys+0(FP), AX; \
	MOVQ rounds+8(FP), CX; \
	MOVQ dst+16(FP), DI; \
	MOVQ src+24(FP), SI; \
	MOVQ tweaks+32(FP), DX; \
	MOVQ chunks+40(FP), R8; \
	MOVQ sectors+48(FP), R9; \
	MOVL $0xaa, R10; \
	KMOVW R10, K1; \
	KEYS; \
sector: \
	VBROADCASTI32X4 (DX), Z14; \
	VPSHUFD $0x4e, Z14, Z15; \
	FIRST(0, Z8); \
	FIRST(64, Z9); \
	ADDQ $16, DX; \
	MOVQ R8, R10; \
chunk: \
	NEXT(Z8, Z10); \
	NEXT(Z9, Z11); \
	NEXT(Z10, Z12); \
	NEXT(Z11, Z13); \
	NEXT(Z12, Z14); \
	NEXT(Z13, Z15); \
	LOAD(0, Z0, Z8); \
	LOAD(64, Z1, Z9); \
	LOAD(128, Z2, Z10); \
	LOAD(192, Z3, Z11); \
	LOAD(256, Z4, Z12); \
	LOAD(320, Z5, Z13); \
	LOAD(384, Z6, Z14); \
	LOAD(448, Z7, Z15); \
	ROUNDS(ROUND, LAST); \
	STORE(0, Z0, Z8); \
	STORE(64, Z1, Z9); \
	STORE(128, Z2, Z10); \
	STORE(192, Z3, Z11); \
	STORE(256, Z4, Z12); \
	STORE(320, Z5, Z13); \
	STORE(384, Z6, Z14); \
	STORE(448, Z7, Z15); \
	ADDQ $512, SI; \
	ADDQ $512, DI; \
	DECQ R10; \
	JZ done; \
	NEXT(Z14, Z8); \
	NEXT(Z15, Z9); \
	JMP chunk; \
done: \
	DECQ R9; \
	JNZ sector; \
	VZEROUPPER; \
	RET

// The same for processors without AVX-512, with half the width: 16 blocks at once.

// EACHY does a round with the key Y8.
#define EACHY(OP) \
	OP Y8, Y0, Y0; \
	OP Y8, Y1, Y1; \
	OP Y8, Y2, Y2; \
	OP Y8, Y3, Y3; \
	OP Y8, Y4, Y4; \
	OP Y8, Y5, Y5; \
	OP Y8, Y6, Y6; \
	OP Y8, Y7, Y7

// FIRSTY makes two tweaks from the one that Y0 holds twice, and Y1 with its halves swapped. Y3 is zero.
#define FIRSTY(N, Y) \
	VPSLLVQ shifts<>+N(SB), Y0, Y; \
	VPSRLVQ rests<>+N(SB), Y1, Y2; \
	VPBLENDD $0xcc, Y2, Y3, Y4; \
	VPXOR Y4, Y, Y; \
	VPCLMULQDQ $0, Y9, Y2, Y2; \
	VPXOR Y2, Y, Y

// LOADY loads two blocks, adds the first key Y14 and the tweaks, keeps the tweaks on the stack with the last key Y15 added,
// and multiplies them by x^8.
#define LOADY(N, Y, TWEAK) \
	VPXOR N(SI), TWEAK, Y; \
	VPXOR Y14, Y, Y; \
	VPXOR Y15, TWEAK, Y8; \
	VMOVDQU Y8, N(SP); \
	VPSRLDQ $15, TWEAK, Y8; \
	VPSLLDQ $1, TWEAK, TWEAK; \
	VPCLMULQDQ $0, Y9, Y8, Y8; \
	VPXOR Y8, TWEAK, TWEAK

// STOREY does the last round with the last key and the tweaks in one.
#define STOREY(N, Y, LAST) \
	LAST N(SP), Y, Y; \
	VMOVDQU Y, N(DI)

#define SECTORSY(ROUND, LAST) \
	MOVQ keys+0(FP), AX; \
	MOVQ rounds+8(FP), CX; \
	MOVQ dst+16(FP), DI; \
	MOVQ src+24(FP), SI; \
	MOVQ tweaks+32(FP), DX; \
	MOVQ chunks+40(FP), R8; \
	SHLQ $1, R8; \
	MOVQ sectors+48(FP), R9; \
	SHLQ $4, CX; \
	LEAQ (AX)(CX*1), R13; \
	VBROADCASTI128 (AX), Y14; \
	VBROADCASTI128 (R13), Y15; \
	VMOVDQU reduction<>(SB), Y9; \
sector: \
	VBROADCASTI128 (DX), Y0; \
	VPSHUFD $0x4e, Y0, Y1; \
	VPXOR Y3, Y3, Y3; \
	FIRSTY(0, Y10); \
	FIRSTY(32, Y11); \
	FIRSTY(64, Y12); \
	FIRSTY(96, Y13); \
	ADDQ $16, DX; \
	MOVQ R8, R10; \
blocks: \
	LOADY(0, Y0, Y10); \
	LOADY(32, Y1, Y11); \
	LOADY(64, Y2, Y12); \
	LOADY(96, Y3, Y13); \
	LOADY(128, Y4, Y10); \
	LOADY(160, Y5, Y11); \
	LOADY(192, Y6, Y12); \
	LOADY(224, Y7, Y13); \
	LEAQ 16(AX), R11; \
round: \
	VBROADCASTI128 (R11), Y8; \
	EACHY(ROUND); \
	ADDQ $16, R11; \
	CMPQ R11, R13; \
	JNE round; \
	STOREY(0, Y0, LAST); \
	STOREY(32, Y1, LAST); \
	STOREY(64, Y2, LAST); \
	STOREY(96, Y3, LAST); \
	STOREY(128, Y4, LAST); \
	STOREY(160, Y5, LAST); \
	STOREY(192, Y6, LAST); \
	STOREY(224, Y7, LAST); \
	ADDQ $256, SI; \
	ADDQ $256, DI; \
	DECQ R10; \
	JNZ blocks; \
	DECQ R9; \
	JNZ sector; \
	VPXOR Y0, Y0, Y0; \
	VMOVDQU Y0, 0(SP); \
	VMOVDQU Y0, 32(SP); \
	VMOVDQU Y0, 64(SP); \
	VMOVDQU Y0, 96(SP); \
	VMOVDQU Y0, 128(SP); \
	VMOVDQU Y0, 160(SP); \
	VMOVDQU Y0, 192(SP); \
	VMOVDQU Y0, 224(SP); \
	VZEROUPPER; \
	RET

// func hasVAES() bool
TEXT ·hasVAES(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT none
	MOVL $7, AX
	XORL CX, CX
	CPUID
	ANDL $0x600, CX // VAES and VPCLMULQDQ
	CMPL CX, $0x600
	SETEQ ret+0(FP)

none:
	RET

// func tweaksVAES(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)
TEXT ·tweaksVAES(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), CX
	MOVQ out+16(FP), DI
	MOVQ first+24(FP), DX
	KEYS
	MOVL $0x55, R10
	KMOVW R10, K1
	VPBROADCASTQ.Z DX, K1, Z0
	VMOVDQU64 four<>(SB), Z31
	VPADDQ counts<>(SB), Z0, Z0
	VPADDQ Z31, Z0, Z1
	VPADDQ Z31, Z1, Z2
	VPADDQ Z31, Z2, Z3
	VPADDQ Z31, Z3, Z4
	VPADDQ Z31, Z4, Z5
	VPADDQ Z31, Z5, Z6
	VPADDQ Z31, Z6, Z7
	EACH(VPXORQ, Z16)
	ROUNDS(VAESENC, VAESENCLAST)
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VMOVDQU64 Z4, 256(DI)
	VMOVDQU64 Z5, 320(DI)
	VMOVDQU64 Z6, 384(DI)
	VMOVDQU64 Z7, 448(DI)
	VZEROUPPER
	RET

// func encryptVAES(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·encryptVAES(SB), NOSPLIT, $0-56
	SECTORS(VAESENC, VAESENCLAST)

// func decryptVAES(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·decryptVAES(SB), NOSPLIT, $0-56
	SECTORS(VAESDEC, VAESDECLAST)

// func encryptVAES256(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·encryptVAES256(SB), NOSPLIT, $256-56
	SECTORSY(VAESENC, VAESENCLAST)

// func decryptVAES256(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·decryptVAES256(SB), NOSPLIT, $256-56
	SECTORSY(VAESDEC, VAESDECLAST)
