#include "textflag.h"

// What a tweak is multiplied with by x: its high bit comes back as 0x87, and the high bit of its low half goes over into
// the high half.
DATA carry<>+0(SB)/8, $0x87
DATA carry<>+8(SB)/8, $1
GLOBL carry<>(SB), RODATA|NOPTR, $16

// EACH does an operation with the key X9 on the eight blocks.
#define EACH(OP) \
	OP X9, X0; \
	OP X9, X1; \
	OP X9, X2; \
	OP X9, X3; \
	OP X9, X4; \
	OP X9, X5; \
	OP X9, X6; \
	OP X9, X7

// NUMBER takes the next sector number.
#define NUMBER(X) \
	MOVQ DX, X; \
	INCQ DX

// LOAD loads a block, adds the tweak X8 and the first key X14, keeps the tweak on the stack with the last key X15 added,
// and goes on to the next tweak. The high bits that a doubling carries over stay what they were for 32 doublings but for
// their place, so X12 holds them for eight, and the doublings wait for each other with two operations only.
#define LOAD(N, X) \
	MOVOU N(SI), X; \
	MOVO X8, X13; \
	PXOR X15, X13; \
	PXOR X8, X; \
	PXOR X14, X; \
	MOVOU X13, N(SP); \
	MOVO X12, X11; \
	PADDL X12, X12; \
	PSRAL $31, X11; \
	PAND X10, X11; \
	PADDQ X8, X8; \
	PXOR X11, X8

// STORE does the last round with the last key and the tweak in one.
#define STORE(N, X, LAST) \
	MOVOU N(SP), X9; \
	LAST X9, X; \
	MOVOU X, N(DI)

// Eight blocks at once, the tweaks with them.
#define SECTORS(ROUND, LAST) \
	MOVQ keys+0(FP), AX; \
	MOVQ rounds+8(FP), CX; \
	MOVQ dst+16(FP), DI; \
	MOVQ src+24(FP), SI; \
	MOVQ tweaks+32(FP), DX; \
	MOVQ chunks+40(FP), R8; \
	SHLQ $2, R8; \
	MOVQ sectors+48(FP), R9; \
	MOVOU carry<>(SB), X10; \
	MOVOU (AX), X14; \
	MOVQ CX, R12; \
	SHLQ $4, R12; \
	MOVOU (AX)(R12*1), X15; \
	LEAQ (AX)(R12*1), R13; \
sector: \
	MOVOU (DX), X8; \
	ADDQ $16, DX; \
	MOVQ R8, R10; \
blocks: \
	PSHUFL $0x13, X8, X12; \
	LOAD(0, X0); \
	LOAD(16, X1); \
	LOAD(32, X2); \
	LOAD(48, X3); \
	LOAD(64, X4); \
	LOAD(80, X5); \
	LOAD(96, X6); \
	LOAD(112, X7); \
	LEAQ 16(AX), R11; \
round: \
	MOVOU (R11), X9; \
	EACH(ROUND); \
	ADDQ $16, R11; \
	CMPQ R11, R13; \
	JNE round; \
	STORE(0, X0, LAST); \
	STORE(16, X1, LAST); \
	STORE(32, X2, LAST); \
	STORE(48, X3, LAST); \
	STORE(64, X4, LAST); \
	STORE(80, X5, LAST); \
	STORE(96, X6, LAST); \
	STORE(112, X7, LAST); \
	ADDQ $128, SI; \
	ADDQ $128, DI; \
	DECQ R10; \
	JNZ blocks; \
	DECQ R9; \
	JNZ sector; \
	PXOR X0, X0; \
	MOVOU X0, 0(SP); \
	MOVOU X0, 16(SP); \
	MOVOU X0, 32(SP); \
	MOVOU X0, 48(SP); \
	MOVOU X0, 64(SP); \
	MOVOU X0, 80(SP); \
	MOVOU X0, 96(SP); \
	MOVOU X0, 112(SP); \
	RET

// func subWord(word uint32) uint32
TEXT ·subWord(SB), NOSPLIT, $0-12
	MOVL word+0(FP), AX
	MOVQ AX, X0
	PSHUFL $0, X0, X0
	AESKEYGENASSIST $0, X0, X0
	MOVQ X0, AX
	MOVL AX, ret+8(FP)
	RET

// func unmixColumns(key *[blockSize]byte)
TEXT ·unmixColumns(SB), NOSPLIT, $0-8
	MOVQ key+0(FP), AX
	MOVOU (AX), X0
	AESIMC X0, X0
	MOVOU X0, (AX)
	RET

// Eight sector numbers at once.
//
// func tweaksAESNI(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)
TEXT ·tweaksAESNI(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), CX
	MOVQ out+16(FP), DI
	MOVQ first+24(FP), DX
	MOVQ count+32(FP), R9

eight:
	NUMBER(X0)
	NUMBER(X1)
	NUMBER(X2)
	NUMBER(X3)
	NUMBER(X4)
	NUMBER(X5)
	NUMBER(X6)
	NUMBER(X7)
	MOVOU (AX), X9
	EACH(PXOR)
	LEAQ 16(AX), R11
	LEAQ -1(CX), R12

round:
	MOVOU (R11), X9
	EACH(AESENC)
	ADDQ $16, R11
	DECQ R12
	JNZ round

	MOVOU (R11), X9
	EACH(AESENCLAST)
	MOVOU X0, (DI)
	MOVOU X1, 16(DI)
	MOVOU X2, 32(DI)
	MOVOU X3, 48(DI)
	MOVOU X4, 64(DI)
	MOVOU X5, 80(DI)
	MOVOU X6, 96(DI)
	MOVOU X7, 112(DI)
	ADDQ $128, DI
	SUBQ $8, R9
	JG eight
	RET

// func encryptAESNI(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·encryptAESNI(SB), NOSPLIT, $128-56
	SECTORS(AESENC, AESENCLAST)

// func decryptAESNI(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·decryptAESNI(SB), NOSPLIT, $128-56
	SECTORS(AESDEC, AESDECLAST)
