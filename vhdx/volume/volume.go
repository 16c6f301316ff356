// Package volume says what a template disk holds: its partition table, its
// partitions with their roles and file systems, which of them is the operating
// system, and every reason why the disk is not fit to be a template.
//
// It reads the MBR, both copies of the GPT (UEFI specification, section 5), the
// first 4 KiB of each partition and the metadata of BitLocker volumes, and
// nothing else; of a template that is a differencing disk it reads nothing. It
// never writes, never repairs, and never looks into the files of a file system.
package volume

import "math"

// Role is what a partition is for.
type Role string

// The roles. A partition that is none of the others is RoleData.
const (
	RoleOS       Role = "os"
	RoleESP      Role = "esp"
	RoleBoot     Role = "boot"
	RoleMSR      Role = "msr"
	RoleRecovery Role = "recovery"
	RoleData     Role = "data"
)

// Partition is one entry of the GPT. The numbers are as they stand in the
// entry: on a disk that Layout.Unfit calls out of range they may point
// anywhere.
type Partition struct {
	Index      int        `json:"index"` // in the GPT, from 1: the number that Windows, Linux and sgdisk show
	Role       Role       `json:"role"`
	FileSystem FileSystem `json:"fileSystem"`
	GUID       string     `json:"guid"` // lower case 8-4-4-4-12
	Type       string     `json:"type"` // type GUID, likewise
	Name       string     `json:"name"`
	Attributes uint64     `json:"attributes"` // bits of the entry
	First      uint64     `json:"first"`      // LBA
	Sectors    uint64     `json:"sectors"`    // 0 when the entry ends before it begins

	sectorSize int
	prepared   bool  // a BitLocker volume that is fit for a template
	unprepared error // why a BitLocker volume is not
}

// Offset is where the partition begins on the disk, in bytes, and math.MaxInt64
// when it is beyond any disk.
func (p Partition) Offset() int64 { return inBytes(p.First, p.sectorSize) }

// Length is the size of the partition in bytes, and math.MaxInt64 when it is
// larger than any disk.
func (p Partition) Length() int64 { return inBytes(p.Sectors, p.sectorSize) }

// last is the last LBA of a partition that has sectors.
func (p Partition) last() uint64 { return p.First + p.Sectors - 1 }

func inBytes(sectors uint64, sectorSize int) int64 {
	if sectorSize > 0 && sectors > math.MaxInt64/uint64(sectorSize) {
		return math.MaxInt64
	}
	return int64(sectors) * int64(sectorSize)
}

// The kinds of partition table in Layout.Table, and of operating system in
// Layout.OS.
const (
	TableGPT    = "gpt"
	TableMBR    = "mbr"
	TableNone   = "none"
	TableUnread = "unread" // of a differencing disk

	Windows = "windows"
	Linux   = "linux"
)

// Layout is what is on a disk.
type Layout struct {
	Table      string      `json:"table"`          // TableGPT, TableMBR, TableNone or TableUnread
	GUID       string      `json:"guid,omitempty"` // of the disk, lower case 8-4-4-4-12; empty without a readable GPT
	SectorSize int         `json:"sectorSize"`     // bytes: 512 or 4096
	Size       int64       `json:"size"`           // bytes
	Partitions []Partition `json:"partitions"`     // of the GPT, ordered by First
	OS         string      `json:"os,omitempty"`   // Windows, Linux, or empty when the disk holds no operating-system volume

	unfit []Unfit
}

// OSVolume is the partition that holds the operating system: the one with
// RoleOS. On a Windows template it is the largest basic data partition with
// NTFS (what is inside is not looked at) or prepared for BitLocker; on a Linux template the largest one
// with LUKS.
func (l *Layout) OSVolume() (Partition, bool) {
	for _, p := range l.Partitions {
		if p.Role == RoleOS {
			return p, true
		}
	}
	return Partition{}, false
}

// PartitionAt is the first partition that holds the byte at offset off of the
// disk. It is false for bytes of the partition table and of the gaps between
// partitions.
func (l *Layout) PartitionAt(off int64) (Partition, bool) {
	for _, p := range l.Partitions {
		if off >= p.Offset() && off-p.Offset() < p.Length() {
			return p, true
		}
	}
	return Partition{}, false
}
