package kps

import (
	"encoding/binary"

	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// A payload has a key in it (section 2.2.3.10), in 32-bit little-endian numbers: the size of all of it, its version, the number
// of keys and the length of each, the key itself; in version 2, then the number of policies and the policies, each an Id, a
// type, a size and so many bytes.
//
// The specification does not say what a policy holds. Here it is a number: how often the egress key may be used without asking
// the service.
const (
	payloadHeader = 16
	payloadV1Size = payloadHeader + len(keyprotector.TransportKey{})
	policyID      = 1 // the one Id and the one type that there are (section 2.2.3.10.2.1)
	policyType    = 6
	policySize    = 4
	payloadV2Size = payloadV1Size + 4 // without a policy
	fullPolicy    = 12 + policySize
)

// appendPayload writes the payload of a version. The policy is left out where it is 0, and in version 1.
func appendPayload(b []byte, v Version, key *keyprotector.TransportKey, maxOffline uint32) []byte {
	numbers := func(n ...uint32) {
		for _, n := range n {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
	}
	size := payloadV1Size
	if v == V2 {
		size = payloadV2Size
		if maxOffline > 0 {
			size += fullPolicy
		}
	}
	numbers(uint32(size), uint32(v), 1, uint32(len(key)))
	b = append(b, key[:]...)
	switch {
	case v == V2 && maxOffline > 0:
		numbers(1, policyID, policyType, policySize, maxOffline)
	case v == V2:
		numbers(0)
	}
	return b
}

// cutPayload takes a payload of a version off b. It accepts what appendPayload writes and nothing else.
func cutPayload(b []byte, v Version, key *keyprotector.TransportKey) (maxOffline uint32, rest []byte, ok bool) {
	if len(b) < payloadV1Size {
		return 0, nil, false
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size > int64(len(b)) || size < int64(payloadV1Size) {
		return 0, nil, false
	}
	payload, rest := b[:size], b[size:]
	if size == int64(payloadV2Size+fullPolicy) {
		maxOffline = binary.LittleEndian.Uint32(payload[size-policySize:])
	}
	var read keyprotector.TransportKey
	defer read.Clear()
	copy(read[:], payload[payloadHeader:])
	again := appendPayload(make([]byte, 0, payloadV2Size+fullPolicy), v, &read, maxOffline)
	defer clear(again)
	if string(again) != string(payload) {
		return 0, nil, false
	}
	*key = read
	return maxOffline, rest, true
}
