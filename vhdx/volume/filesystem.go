package volume

import (
	"bytes"
	"encoding/binary"
)

// FileSystem is what the first bytes of a partition say that it holds.
type FileSystem string

// The file systems and encrypted containers that are told apart. FAT is FAT12
// or FAT16. BitLocker stands for every kind of BitLocker volume, BitLocker To
// Go included, and None for the Microsoft reserved partition, which holds
// nothing.
const (
	NTFS      FileSystem = "ntfs"
	ReFS      FileSystem = "refs"
	FAT       FileSystem = "fat"
	FAT32     FileSystem = "fat32"
	Ext       FileSystem = "ext"
	BitLocker FileSystem = "bitlocker"
	LUKS      FileSystem = "luks"
	Unknown   FileSystem = "unknown"
	None      FileSystem = "none"
)

// headSize is how much of a partition is looked at to name its file system, in
// bytes.
const headSize = 4096

// bitLockerToGo is the volume GUID 4967d63b-2e29-4ad8-8399-f6a339e3d001 in the
// discovery volume of BitLocker To Go. The OEM name there, "MSWIN4.1", is also
// that of plain FAT volumes made by Windows 95 and 98.
var bitLockerToGo = []byte("\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01")

// detect names the file system that begins with head. A head shorter than
// headSize is that of a smaller partition.
func detect(head []byte) FileSystem {
	if len(head) < 512 {
		return Unknown
	}
	at := func(off int, magic string) bool { return bytes.HasPrefix(head[off:], []byte(magic)) }
	bootSector := at(510, "\x55\xaa")
	switch {
	case at(3, "-FVE-FS-"), at(3, "MSWIN4.1") && at(424, string(bitLockerToGo)):
		return BitLocker
	case at(0, "LUKS\xba\xbe\x00\x01"), at(0, "LUKS\xba\xbe\x00\x02"):
		return LUKS
	case at(3, "ReFS\x00\x00\x00\x00"):
		return ReFS
	case bootSector && at(3, "NTFS    ") && plausibleSectors(head):
		return NTFS
	case bootSector && at(82, "FAT32   ") && plausibleSectors(head):
		return FAT32
	case bootSector && (at(54, "FAT12   ") || at(54, "FAT16   ")) && plausibleSectors(head):
		return FAT
	case isExt(head):
		return Ext
	}
	return Unknown
}

// plausibleSectors checks the two fields of a boot sector without which nothing
// on an NTFS or FAT volume can be found: bytes in a sector and sectors in a
// cluster. NTFS writes clusters above 64 KiB as a negative power of two.
func plausibleSectors(boot []byte) bool {
	switch binary.LittleEndian.Uint16(boot[11:]) {
	case 512, 1024, 2048, 4096:
		return boot[13] != 0
	}
	return false
}

// isExt looks for the superblock of ext2, ext3 and ext4, 1024 bytes into the
// volume. Its magic has only two bytes, so counts of inodes and blocks, and the
// block size (1 to 64 KiB) must be possible too.
func isExt(head []byte) bool {
	if len(head) < 2048 {
		return false
	}
	super := head[1024:]
	field := func(off int) uint32 { return binary.LittleEndian.Uint32(super[off:]) }
	return binary.LittleEndian.Uint16(super[56:]) == 0xef53 && field(0) > 0 && field(4) > 0 && field(24) <= 6
}
