package volume

import (
	"strings"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

// assignRoles gives every partition its role and the disk its operating system.
//
// A LUKS partition together with an ext partition makes a Linux template,
// whatever else is on the disk: Windows makes neither. Else a basic data
// partition with NTFS, or one prepared for BitLocker, makes a Windows template. An encrypted Windows volume counts when
// there is no plain one, so that a disk can be described that is refused for
// it.
func (l *Layout) assignRoles() {
	for i := range l.Partitions {
		p := &l.Partitions[i]
		p.Role = roleOf(p.Type)
		if p.Role == RoleMSR {
			p.FileSystem = None
		}
	}

	luks := l.largest(func(p *Partition) bool { return p.FileSystem == LUKS })
	boot := l.linuxBoot()
	ntfs := l.largest(func(p *Partition) bool {
		return (p.FileSystem == NTFS || p.prepared) && isType(p.Type, gpt.MicrosoftBasicData)
	})
	bitLocker := l.largest(func(p *Partition) bool { return p.FileSystem == BitLocker && isType(p.Type, gpt.MicrosoftBasicData) })

	var root *Partition
	switch {
	case luks != nil && boot != nil:
		boot.Role = RoleBoot
		l.OS, root = Linux, luks
	case ntfs != nil:
		l.OS, root = Windows, ntfs
	case bitLocker != nil:
		l.OS, root = Windows, bitLocker
	case luks != nil:
		l.OS, root = Linux, luks
	default:
		return
	}
	root.Role = RoleOS
}

// roleOf is the role that a partition type GUID settles alone.
func roleOf(typ string) Role {
	switch gpt.Type(strings.ToUpper(typ)) {
	case gpt.EFISystemPartition:
		return RoleESP
	case gpt.MicrosoftReserved:
		return RoleMSR
	case gpt.MicrosoftWindowsRecovery:
		return RoleRecovery
	case gpt.LinuxExtendedBoot:
		return RoleBoot
	}
	return RoleData
}

// linuxBoot is the ext partition typed as boot partition, else the first ext
// partition.
func (l *Layout) linuxBoot() *Partition {
	var first *Partition
	for i := range l.Partitions {
		p := &l.Partitions[i]
		switch {
		case p.FileSystem != Ext:
		case p.Role == RoleBoot:
			return p
		case p.Role == RoleData && first == nil:
			first = p
		}
	}
	return first
}

// largest is the largest data partition for which is holds, the first of them
// when sizes are equal.
func (l *Layout) largest(is func(*Partition) bool) *Partition {
	var found *Partition
	for i := range l.Partitions {
		p := &l.Partitions[i]
		if p.Role == RoleData && is(p) && (found == nil || p.Sectors > found.Sectors) {
			found = p
		}
	}
	return found
}

func isType(typ string, t gpt.Type) bool { return strings.EqualFold(typ, string(t)) }
