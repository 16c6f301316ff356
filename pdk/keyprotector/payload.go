package keyprotector

import "encoding/binary"

// The payload is what is encrypted to a guardian (MS-KPS section 2.2.3.10), in 32-bit little-endian numbers: the size of
// all of it, its version, the number of keys and the length of each, the key itself; in version 2, then the number of
// policies and the policies, each an Id, a type, a size and so many bytes.
const (
	payloadHeader = 16
	payloadV1Size = payloadHeader + len(TransportKey{})
	policyHeader  = 12
	policyID      = 1 // the one Id and the one type that there are (section 2.2.3.10.2.1)
	policyType    = 6
)

// encodePayload writes version 1.
func encodePayload(key *TransportKey) []byte {
	payload := make([]byte, payloadV1Size)
	for i, n := range []int{payloadV1Size, 1, 1, len(key)} {
		binary.LittleEndian.PutUint32(payload[4*i:], uint32(n))
	}
	copy(payload[payloadHeader:], key[:])
	return payload
}

// decodePayload reads both versions. The policies of version 2 must have the right form, and no right follows from them.
func decodePayload(payload []byte, key *TransportKey) bool {
	rest := payload
	next := func() int64 {
		if len(rest) < 4 {
			rest = nil
			return -1
		}
		n := binary.LittleEndian.Uint32(rest)
		rest = rest[4:]
		return int64(n)
	}
	size, version, keys, length := next(), next(), next(), next()
	if size != int64(len(payload)) || keys != 1 || length != int64(len(key)) || len(rest) < len(key) {
		return false
	}
	copy(key[:], rest)
	rest = rest[len(key):]
	if version == 1 {
		return len(rest) == 0
	}
	if version != 2 {
		return false
	}
	policies := next()
	for ; policies > 0; policies-- {
		id, kind, size := next(), next(), next()
		if id != policyID || kind != policyType || size < 0 || size > int64(len(rest)) {
			return false
		}
		rest = rest[size:]
	}
	return policies == 0 && len(rest) == 0
}
