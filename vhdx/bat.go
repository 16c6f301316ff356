package vhdx

import "fmt"

// Block states, section 2.5.1.1. A sector bitmap block has only the first or
// statePresent, section 2.5.1.2.
const (
	stateNotPresent = 0
	stateUndefined  = 1
	stateZero       = 2
	stateUnmapped   = 3
	statePresent    = 6
	statePartial    = 7
)

var stateNames = map[int]string{
	stateNotPresent: "not present", stateUndefined: "undefined", stateZero: "zero",
	stateUnmapped: "unmapped", statePresent: "fully present", statePartial: "partially present",
}

// A batEntry is an entry of the BAT, section 2.5.1: the state in three bits,
// 17 reserved bits, and the block's place in the file in MiB.
type batEntry uint64

func newBATEntry(state int, fileOffset int64) batEntry {
	return batEntry(uint64(state) | uint64(fileOffset/mib)<<20)
}

func (e batEntry) state() int { return int(e & 7) }

// offset is in bytes. One beyond any file is cut to a value that is as well.
func (e batEntry) offset() int64 { return int64(min(uint64(e>>20), 1<<42)) * mib }

func (e batEntry) reserved() bool { return e>>3&0x1ffff != 0 }

// stored reports whether a payload block's data are in the file.
func (e batEntry) stored() bool { return e.state() == statePresent || e.state() == statePartial }

// namesPlace reports whether the entry's place in the file has a meaning in its
// state: it does in that of a payload block that was given up, which may still
// hold what it held.
func (e batEntry) namesPlace() bool {
	return e.state() != stateNotPresent && e.state() != stateZero && e.offset() > 0
}

// keepsPlace reports whether the entry is that of a payload block which was
// given up and still names its place.
func (e batEntry) keepsPlace() bool {
	return (e.state() == stateUndefined || e.state() == stateUnmapped) && e.namesPlace()
}

func (e batEntry) String() string {
	name, ok := stateNames[e.state()]
	if !ok {
		name = fmt.Sprintf("reserved (%d)", e.state())
	}
	return fmt.Sprintf("%s at %#x", name, e.offset())
}

// A batLayout places the entries, section 2.5: after the payload entries of a
// chunk comes that of its sector bitmap block.
type batLayout struct {
	blocks     int64 // payload blocks
	chunkRatio int64 // payload blocks in a chunk
	entries    int64 // in the whole BAT
}

func layoutBAT(p parameters) batLayout {
	l := batLayout{
		blocks:     ceilDiv(p.size, p.blockSize),
		chunkRatio: (1 << 23) * p.logicalSectorSize / p.blockSize,
	}
	switch {
	case l.blocks == 0:
	case p.hasParent:
		l.entries = l.chunks() * (l.chunkRatio + 1)
	default:
		l.entries = l.blocks + (l.blocks-1)/l.chunkRatio
	}
	return l
}

func (l batLayout) chunks() int64 { return ceilDiv(l.blocks, l.chunkRatio) }

// payloadIndex is the index in the BAT of payload block n.
func (l batLayout) payloadIndex(n int64) int64 { return n + n/l.chunkRatio }

// bitmapIndex is the index in the BAT of the sector bitmap block of chunk c.
func (l batLayout) bitmapIndex(c int64) int64 { return (c+1)*l.chunkRatio + c }

// isBitmap reports whether BAT entry i is that of a sector bitmap block.
func (l batLayout) isBitmap(i int64) bool { return i%(l.chunkRatio+1) == l.chunkRatio }

// block is the payload block of BAT entry i, which is not a bitmap's.
func (l batLayout) block(i int64) int64 { return i - i/(l.chunkRatio+1) }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

func roundUp(a, to int64) int64 { return ceilDiv(a, to) * to }
