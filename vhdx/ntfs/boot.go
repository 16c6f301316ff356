package ntfs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

var le = binary.LittleEndian

// geometry is what the boot sector says of a volume.
type geometry struct {
	sectorSize   int
	clusterSize  int64
	recordSize   int
	indexSize    int // of a directory's index blocks, for new directories
	sectors      int64
	clusters     int64
	mft, mftMirr int64 // first clusters
	serial       uint64
}

func powerOfTwo(n int64) bool { return n > 0 && n&(n-1) == 0 }

// parseBoot reads the boot sector of a volume of size bytes.
func parseBoot(b []byte, size int64) (geometry, error) {
	const structure = "boot sector"
	var g geometry
	if len(b) < stride || string(b[3:11]) != "NTFS    " {
		return g, ErrNotNTFS
	}
	g.sectorSize = int(le.Uint16(b[11:]))
	if !powerOfTwo(int64(g.sectorSize)) || g.sectorSize < 512 || g.sectorSize > 4096 {
		return g, damage(structure, 11, "a sector of %d bytes", g.sectorSize)
	}
	perCluster := int64(b[13])
	if b[13] > 0x80 { // above 64 KiB at 512 bytes a sector: the negated exponent
		perCluster = 1 << (256 - int(b[13])) & 0xffffff
	}
	g.clusterSize = perCluster * int64(g.sectorSize)
	if !powerOfTwo(perCluster) || g.clusterSize > maxCluster {
		return g, damage(structure, 13, "%#x sectors in a cluster", b[13])
	}
	g.sectors = int64(le.Uint64(b[40:]))
	if g.sectors <= 0 || g.sectors > size/int64(g.sectorSize) {
		return g, damage(structure, 40, "a volume of %d sectors of %d bytes on a device of %d bytes", uint64(g.sectors), g.sectorSize, size)
	}
	g.clusters = g.sectors / perCluster
	g.mft, g.mftMirr = int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))
	for i, lcn := range []int64{g.mft, g.mftMirr} {
		if lcn < 0 || lcn >= g.clusters {
			return g, damage(structure, 48+8*int64(i), "the MFT or its mirror at cluster %d of %d", uint64(lcn), g.clusters)
		}
	}
	record, ok := unitSize(b[64], g.clusterSize)
	if !ok || record < stride || record > maxRecord {
		return g, damage(structure, 64, "MFT records of size code %#x", b[64])
	}
	index, ok := unitSize(b[68], g.clusterSize)
	if !ok || index < stride || index > maxRecord {
		return g, damage(structure, 68, "index blocks of size code %#x", b[68])
	}
	g.recordSize, g.indexSize = int(record), int(index)
	g.serial = le.Uint64(b[72:])
	return g, nil
}

// unitSize decodes a size that is a number of clusters or, if negative, the
// negated exponent of a number of bytes.
func unitSize(code byte, clusterSize int64) (int64, bool) {
	if n := int8(code); n < 0 {
		return 1 << min(-int(n), 62), -int(n) < 32
	}
	n := int64(code) * clusterSize
	return n, powerOfTwo(n)
}

// bytes is the length of the file system, without the backup of the boot sector behind it.
func (g geometry) bytes() int64 { return g.clusters * g.clusterSize }

// vcnShift is the binary logarithm of the unit in which indexes count their
// blocks: clusters, or 512 bytes where a block is smaller than a cluster.
func (g geometry) vcnShift(blockSize int) int {
	if g.clusterSize <= int64(blockSize) {
		return bits.TrailingZeros64(uint64(g.clusterSize))
	}
	return bits.TrailingZeros64(stride)
}

func recordName(number uint64) string { return fmt.Sprintf("MFT record %d", number) }
