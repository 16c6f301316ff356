#include "textflag.h"

// KEYS loads the keys from R0: the first nine into V16 to V24, for AES-256 (R1 rounds) the next four into V25 to V28, and
// the last two into V29 and V30.
#define KEYS \
	VLD1.P 64(R0), [V16.B16, V17.B16, V18.B16, V19.B16]; \
	VLD1.P 64(R0), [V20.B16, V21.B16, V22.B16, V23.B16]; \
	VLD1.P 16(R0), [V24.B16]; \
	CMP $10, R1; \
	BEQ two; \
	VLD1.P 64(R0), [V25.B16, V26.B16, V27.B16, V28.B16]; \
two: \
	VLD1 (R0), [V29.B16, V30.B16]

// PAIR does a round but for the addition of its key, which the next one begins with. Processors do the two instructions as
// one when they follow each other.
#define PAIR(OP, MIX, KEY, V) \
	OP KEY.B16, V.B16; \
	MIX V.B16, V.B16

// EACH does a round on the eight blocks.
#define EACH(OP, MIX, KEY) \
	PAIR(OP, MIX, KEY, V0); \
	PAIR(OP, MIX, KEY, V1); \
	PAIR(OP, MIX, KEY, V2); \
	PAIR(OP, MIX, KEY, V3); \
	PAIR(OP, MIX, KEY, V4); \
	PAIR(OP, MIX, KEY, V5); \
	PAIR(OP, MIX, KEY, V6); \
	PAIR(OP, MIX, KEY, V7)

// LAST does the last round on a block.
#define LAST(OP, V) \
	OP V29.B16, V.B16; \
	VEOR V30.B16, V.B16, V.B16

// ROUNDS does all of them.
#define ROUNDS(OP, MIX) \
	EACH(OP, MIX, V16); \
	EACH(OP, MIX, V17); \
	EACH(OP, MIX, V18); \
	EACH(OP, MIX, V19); \
	EACH(OP, MIX, V20); \
	EACH(OP, MIX, V21); \
	EACH(OP, MIX, V22); \
	EACH(OP, MIX, V23); \
	EACH(OP, MIX, V24); \
	CMP $10, R1; \
	BEQ last; \
	EACH(OP, MIX, V25); \
	EACH(OP, MIX, V26); \
	EACH(OP, MIX, V27); \
	EACH(OP, MIX, V28); \
last: \
	LAST(OP, V0); \
	LAST(OP, V1); \
	LAST(OP, V2); \
	LAST(OP, V3); \
	LAST(OP, V4); \
	LAST(OP, V5); \
	LAST(OP, V6); \
	LAST(OP, V7)

// NUMBER takes the next sector number.
#define NUMBER(V) \
	VEOR V.B16, V.B16, V.B16; \
	VMOV R3, V.D[0]; \
	ADD $1, R3

// TWEAK takes the tweak in R10 (low half) and R11 and doubles it there.
#define TWEAK(V) \
	VMOV R10, V.D[0]; \
	VMOV R11, V.D[1]; \
	ASR $63, R11, R12; \
	AND $0x87, R12; \
	EXTR $63, R10, R11, R11; \
	EOR R10<<1, R12, R10

// ADD8 adds the tweaks to the blocks.
#define ADD8 \
	VEOR V8.B16, V0.B16, V0.B16; \
	VEOR V9.B16, V1.B16, V1.B16; \
	VEOR V10.B16, V2.B16, V2.B16; \
	VEOR V11.B16, V3.B16, V3.B16; \
	VEOR V12.B16, V4.B16, V4.B16; \
	VEOR V13.B16, V5.B16, V5.B16; \
	VEOR V14.B16, V6.B16, V6.B16; \
	VEOR V15.B16, V7.B16, V7.B16

// Eight blocks at once.
#define SECTORS(OP, MIX) \
	MOVD keys+0(FP), R0; \
	MOVD rounds+8(FP), R1; \
	MOVD dst+16(FP), R2; \
	MOVD src+24(FP), R3; \
	MOVD tweaks+32(FP), R4; \
	MOVD chunks+40(FP), R5; \
	LSL $2, R5; \
	MOVD sectors+48(FP), R6; \
	KEYS; \
sector: \
	LDP.P 16(R4), (R10, R11); \
	MOVD R5, R7; \
blocks: \
	TWEAK(V8); \
	TWEAK(V9); \
	TWEAK(V10); \
	TWEAK(V11); \
	TWEAK(V12); \
	TWEAK(V13); \
	TWEAK(V14); \
	TWEAK(V15); \
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]; \
	VLD1.P 64(R3), [V4.B16, V5.B16, V6.B16, V7.B16]; \
	ADD8; \
	ROUNDS(OP, MIX); \
	ADD8; \
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R2); \
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R2); \
	SUBS $1, R7; \
	BNE blocks; \
	SUBS $1, R6; \
	BNE sector; \
	RET

// func subWord(word uint32) uint32
TEXT ·subWord(SB), NOSPLIT, $0-12
	MOVWU word+0(FP), R0
	VDUP R0, V0.S4
	VEOR V1.B16, V1.B16, V1.B16
	AESE V1.B16, V0.B16
	VMOV V0.S[0], R0
	MOVW R0, ret+8(FP)
	RET

// func unmixColumns(key *[blockSize]byte)
TEXT ·unmixColumns(SB), NOSPLIT, $0-8
	MOVD key+0(FP), R0
	VLD1 (R0), [V0.B16]
	AESIMC V0.B16, V0.B16
	VST1 [V0.B16], (R0)
	RET

// Eight sector numbers at once.
//
// func tweaksNEON(keys *roundKeys, rounds int, out *[batch][blockSize]byte, first uint64, count int)
TEXT ·tweaksNEON(SB), NOSPLIT, $0-40
	MOVD keys+0(FP), R0
	MOVD rounds+8(FP), R1
	MOVD out+16(FP), R2
	MOVD first+24(FP), R3
	MOVD count+32(FP), R4
	KEYS

eight:
	NUMBER(V0)
	NUMBER(V1)
	NUMBER(V2)
	NUMBER(V3)
	NUMBER(V4)
	NUMBER(V5)
	NUMBER(V6)
	NUMBER(V7)
	ROUNDS(AESE, AESMC)
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R2)
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R2)
	SUBS $8, R4
	BGT eight
	RET

// func encryptNEON(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·encryptNEON(SB), NOSPLIT, $0-56
	SECTORS(AESE, AESMC)

// func decryptNEON(keys *roundKeys, rounds int, dst, src *byte, tweaks *[batch][blockSize]byte, chunks, sectors int)
TEXT ·decryptNEON(SB), NOSPLIT, $0-56
	SECTORS(AESD, AESIMC)
