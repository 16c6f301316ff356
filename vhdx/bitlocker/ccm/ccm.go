// Package ccm is the counter with CBC-MAC mode (NIST SP 800-38C, RFC 3610), with which BitLocker wraps its keys.
//
// It is meant for messages of a few hundred bytes, and never streams: a message is authenticated before any of it is given
// out.
package ccm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrAuthentication says that a message was not sealed with this key, nonce and additional data.
var ErrAuthentication = errors.New("ccm: message authentication failed")

const blockSize = 16

type mode struct {
	block     cipher.Block
	nonceSize int
	tagSize   int
}

// New makes an AEAD from a cipher of 16-byte blocks, with nonces of 7 to 13 bytes and tags of 4, 6, 8, 10, 12, 14 or 16.
// Messages may have as many bytes as the 15 bytes less the nonce can count.
func New(block cipher.Block, nonceSize, tagSize int) (cipher.AEAD, error) {
	switch {
	case block.BlockSize() != blockSize:
		return nil, fmt.Errorf("ccm: cipher with blocks of %d bytes, want %d", block.BlockSize(), blockSize)
	case nonceSize < 7 || nonceSize > 13:
		return nil, fmt.Errorf("ccm: nonce of %d bytes, want 7 to 13", nonceSize)
	case tagSize < 4 || tagSize > 16 || tagSize%2 != 0:
		return nil, fmt.Errorf("ccm: tag of %d bytes, want an even number from 4 to 16", tagSize)
	}
	return &mode{block, nonceSize, tagSize}, nil
}

func (m *mode) NonceSize() int { return m.nonceSize }

func (m *mode) Overhead() int { return m.tagSize }

// Seal is cipher.AEAD's: it appends the ciphertext and the tag to dst. Like the modes of crypto/cipher it panics when the
// nonce has the wrong size or the message is longer than New says.
func (m *mode) Seal(dst, nonce, plaintext, additional []byte) []byte {
	m.check(nonce, len(plaintext))
	tag := m.tag(nonce, plaintext, additional)
	dst = m.crypt(dst, nonce, plaintext)
	return append(dst, tag[:m.tagSize]...)
}

// Open is the reverse of Seal. Its error is ErrAuthentication.
func (m *mode) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	if len(ciphertext) < m.tagSize {
		return nil, ErrAuthentication
	}
	ciphertext, given := ciphertext[:len(ciphertext)-m.tagSize], ciphertext[len(ciphertext)-m.tagSize:]
	m.check(nonce, len(ciphertext))
	plaintext := m.crypt(make([]byte, 0, len(ciphertext)), nonce, ciphertext)
	defer clear(plaintext)
	tag := m.tag(nonce, plaintext, additional)
	if subtle.ConstantTimeCompare(tag[:m.tagSize], given) != 1 {
		return nil, ErrAuthentication
	}
	return append(dst, plaintext...), nil
}

func (m *mode) check(nonce []byte, size int) {
	if len(nonce) != m.nonceSize {
		panic(fmt.Sprintf("ccm: nonce of %d bytes, want %d", len(nonce), m.nonceSize))
	}
	if lengthBytes := 15 - m.nonceSize; lengthBytes < 8 && uint64(size)>>(8*lengthBytes) != 0 {
		panic(fmt.Sprintf("ccm: message of %d bytes with a nonce of %d", size, m.nonceSize))
	}
}

// crypt appends src in counter mode, from the counter 1 on.
func (m *mode) crypt(dst, nonce, src []byte) []byte {
	var counter, key [blockSize]byte
	for i := uint64(1); len(src) > 0; i++ {
		m.counter(&counter, nonce, i)
		m.block.Encrypt(key[:], counter[:])
		n := subtle.XORBytes(key[:], key[:], src)
		dst = append(dst, key[:n]...)
		src = src[n:]
	}
	return dst
}

// counter is the counter block of SP 800-38C, A.3.
func (m *mode) counter(block *[blockSize]byte, nonce []byte, i uint64) {
	binary.BigEndian.PutUint64(block[8:], i)
	block[0] = byte(14 - m.nonceSize)
	copy(block[1:], nonce)
}

// tag is the encrypted CBC-MAC (SP 800-38C, 6.1 and A.2).
func (m *mode) tag(nonce, plaintext, additional []byte) [blockSize]byte {
	var mac [blockSize]byte
	binary.BigEndian.PutUint64(mac[8:], uint64(len(plaintext)))
	mac[0] = byte((m.tagSize-2)/2<<3 | (14 - m.nonceSize))
	if len(additional) > 0 {
		mac[0] |= 1 << 6
	}
	copy(mac[1:], nonce)
	m.block.Encrypt(mac[:], mac[:])

	if len(additional) > 0 {
		m.mac(&mac, append(lengthOf(additional), additional...))
	}
	m.mac(&mac, plaintext)

	var first, key [blockSize]byte
	m.counter(&first, nonce, 0)
	m.block.Encrypt(key[:], first[:])
	subtle.XORBytes(mac[:], mac[:], key[:])
	return mac
}

// mac adds data, with zeros up to whole blocks.
func (m *mode) mac(mac *[blockSize]byte, data []byte) {
	for len(data) > 0 {
		n := subtle.XORBytes(mac[:], mac[:], data)
		data = data[n:]
		m.block.Encrypt(mac[:], mac[:])
	}
}

// lengthOf is the length of additional data as it goes before them (SP 800-38C, A.2.2).
func lengthOf(additional []byte) []byte {
	n := uint64(len(additional))
	switch {
	case n < 1<<16-1<<8:
		return binary.BigEndian.AppendUint16(nil, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{0xff, 0xff}, n)
}
