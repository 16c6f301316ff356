package ntfs

import (
	"bytes"
	"fmt"
	"math/bits"
)

// $Secure keeps each security descriptor once, in its stream $SDS: an entry at
// a multiple of 16 bytes, none across the end of a block of 256 KiB, and after
// each block a copy of it. Its index $SII leads from an ID to an entry.
const (
	secureStream = "$SDS"
	secureByID   = "$SII"
	secureHeader = 20
	secureBlock  = 256 << 10
	maxSecure    = 256 << 20 // bytes of $SDS that are searched
	maxUnused    = 64        // entries that are what is sought, and that the index does not have
)

// securityDescriptor gives a file's security descriptor.
func (v *Volume) securityDescriptor(n *inode) ([]byte, error) {
	if a := n.find(typeSecurityDescriptor, ""); a != nil {
		return (&stream{v: v, a: a, what: n.file()}).readAll(maxSecurityDescriptor)
	}
	b, err := n.resident(typeStandardInformation, "", 36)
	if err != nil {
		return nil, err
	}
	if len(b) < 72 || le.Uint32(b[52:]) == 0 {
		return nil, n.base.damage(0, "has no security descriptor")
	}
	id := le.Uint32(b[52:])
	s, at, size, err := v.secured(id)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, n.base.damage(0, "has security ID %d, which $Secure does not know", id)
	}
	d := make([]byte, size)
	return d, s.read(d, at)
}

// secured finds the descriptor with an ID; the stream is nil if there is none.
func (v *Volume) secured(id uint32) (s *stream, at, size int64, err error) {
	n, err := v.inode(recordSecure)
	if err != nil {
		return nil, 0, 0, err
	}
	x, err := v.openIndex(n, secureByID, collateUint32)
	if err != nil {
		return nil, 0, 0, err
	}
	way, found, err := x.search(func(key []byte) int {
		if len(key) != 4 {
			return -1
		}
		switch other := le.Uint32(key); {
		case other < id:
			return -1
		case other > id:
			return 1
		}
		return 0
	})
	if err != nil || !found {
		return nil, 0, 0, err
	}
	last := way[len(way)-1]
	data := last.entries[last.i].data
	if len(data) < secureHeader || le.Uint32(data[4:]) != id {
		return nil, 0, 0, n.base.damage(0, "$SII of $Secure holds %d bytes for ID %d", len(data), id)
	}
	a, err := n.need(typeData, secureStream)
	if err != nil {
		return nil, 0, 0, err
	}
	at, size = int64(le.Uint64(data[8:])), int64(le.Uint32(data[16:]))-secureHeader
	if at < 0 || at > a.size || size <= 0 || size > maxSecurityDescriptor {
		return nil, 0, 0, n.base.damage(0, "$SII of $Secure has the descriptor with ID %d at byte %d with %d bytes", id, at, size)
	}
	s = &stream{v: v, a: a, what: n.file()}
	head := make([]byte, secureHeader)
	if err := s.read(head, at); err != nil {
		return nil, 0, 0, err
	}
	if !bytes.Equal(head, data[:secureHeader]) {
		return nil, 0, 0, n.base.damage(0, "$SDS of $Secure has another descriptor than the one with ID %d at byte %d", id, at)
	}
	return s, at + secureHeader, size, nil
}

// securityID gives the ID of a descriptor that $Secure has, or 0.
func (v *Volume) securityID(descriptor []byte) (uint32, error) {
	n, err := v.inode(recordSecure)
	if err != nil {
		return 0, err
	}
	a := n.find(typeData, secureStream)
	if a == nil {
		return 0, nil
	}
	s := &stream{v: v, a: a, what: n.file()}
	hash := securityHash(descriptor)
	buf, unused := make([]byte, secureBlock), 0
	for block := int64(0); block < min(a.size, maxSecure); block += 2 * secureBlock {
		b := buf[:min(secureBlock, a.size-block)]
		if err := s.read(b, block); err != nil {
			return 0, err
		}
		for at := int64(0); at+secureHeader <= int64(len(b)); {
			head := b[at:]
			size := int64(le.Uint32(head[16:]))
			if size < secureHeader || size > int64(len(head)) || int64(le.Uint64(head[8:])) != block+at {
				break // the rest of the block is not used
			}
			if le.Uint32(head) == hash && bytes.Equal(head[secureHeader:size], descriptor) {
				// An entry that the index does not have is one that nobody uses.
				id := le.Uint32(head[4:])
				found, where, _, err := v.secured(id)
				if err != nil {
					return 0, fmt.Errorf("security ID %d: %w", id, err)
				}
				if found != nil && where == block+at+secureHeader {
					return id, nil
				}
				if unused++; unused == maxUnused {
					return 0, nil
				}
			}
			at += alignUp(size, 16)
		}
	}
	return 0, nil
}

// securityHash is the hash by which $Secure finds descriptors.
func securityHash(descriptor []byte) (hash uint32) {
	for b := descriptor; len(b) >= 4; b = b[4:] {
		hash = le.Uint32(b) + bits.RotateLeft32(hash, 3)
	}
	return hash
}
