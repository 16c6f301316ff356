package volume

import (
	"errors"
	"fmt"
	"slices"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/scutum-project/scutum/vhdx"
)

// Why a disk is not fit to be a template, for errors.Is.
var (
	ErrNoPartitionTable = errors.New("no partition table")
	ErrMBR              = errors.New("MBR disk")
	ErrBrokenGPT        = errors.New("broken GPT")
	ErrDynamicDisk      = errors.New("dynamic disk")
	ErrDifferencing     = errors.New("differencing disk")
	ErrName             = errors.New("partition name not UTF-16")
	ErrOrder            = errors.New("GPT entries out of order")
	ErrGivenUpBlocks    = errors.New("unmapped blocks that keep data")
	ErrTooFewPartitions = errors.New("too few partitions")
	ErrOutOfRange       = errors.New("partition out of range")
	ErrOverlap          = errors.New("overlapping partitions")
	ErrDuplicateGUID    = errors.New("duplicate partition GUID")
	ErrNoOSVolume       = errors.New("no operating-system volume")
	ErrBitLocker        = errors.New("BitLocker volume")
)

// Unfit is one reason why a disk cannot be a template, and what its
// administrator can do about it. It is an error.
type Unfit struct {
	Reason string `json:"reason"` // a sentence without its full stop
	Remedy string `json:"remedy"` // another, as an order
	Err    error  `json:"-"`      // one of the variables of this package
}

func (u Unfit) Error() string { return u.Reason + "; " + u.Remedy }

func (u Unfit) Unwrap() error { return u.Err }

// Unfit lists every reason why the disk cannot be a template, the container's
// before the partition table's before the volumes'. It is empty for a disk that
// is fit.
func (l *Layout) Unfit() []Unfit { return slices.Clone(l.unfit) }

func (l *Layout) refuse(err error, remedy, reason string, args ...any) {
	l.unfit = append(l.unfit, Unfit{fmt.Sprintf(reason, args...), remedy, err})
}

// What can be done about more than one thing.
const (
	remedyRewriteGPT  = `check the disk with "gdisk DEVICE", which loads the good copy, and write both copies with its command w`
	remedyRepartition = `repair the partition table with gdisk, or partition the disk anew and install the operating system again`
	remedyConvertMBR  = `attach the disk (Mount-VHD) and convert it with "mbr2gpt /convert /disk:N /allowFullOS", or install a Linux system again for UEFI`
	remedyDynamic     = `save the volumes, make the disk basic (diskpart: clean, convert basic, convert gpt) and restore them`
)

func (l *Layout) refuseDifferencing() {
	l.refuse(ErrDifferencing, "merge it with its parent (Merge-VHD), or copy it to a disk of its own (Convert-VHD)",
		"the disk is a differencing disk, and its content is only partly in this file")
}

// refuseGivenUp is for a disk that other programs may read differently.
func (l *Layout) refuseGivenUp(blocks int64, t vhdx.Type) {
	remedy := `run "scutum vhdx compact DISK.vhdx"`
	if t == vhdx.Fixed { // keeps all its blocks
		remedy = `copy the disk with "scutum vhdx convert DISK.vhdx NEW.vhdx --fixed"`
	}
	l.refuse(ErrGivenUpBlocks, remedy, "blocks of the file (%d) are unmapped or undefined and keep data, "+
		"which some programs read where others read zeros", blocks)
}

// refuseTable judges a disk without a GPT: mbr is what its MBR holds, and whole
// is what its first bytes look like.
func (l *Layout) refuseTable(mbr []mbrPartition, whole FileSystem) {
	switch {
	case len(mbr) > 0:
		dynamic, remedy := slices.ContainsFunc(mbr, func(p mbrPartition) bool { return p.typ == mbrLDM }), remedyConvertMBR
		if dynamic {
			remedy = remedyDynamic // mbr2gpt takes basic disks only
		}
		l.refuse(ErrMBR, remedy, "the disk has an MBR partition table (partition types %s), not a GPT", describeMBR(mbr))
		if dynamic {
			l.refuseDynamic()
		}
	case whole != Unknown:
		l.refuse(ErrNoPartitionTable, "partition a new disk with a GPT and copy the volume into a partition of it",
			"the disk has no partition table: all of it is one volume (%s)", whole)
	default:
		l.refuse(ErrNoPartitionTable, "partition the disk with a GPT and install the operating system on it",
			"the disk has no partition table")
	}
}

func (l *Layout) refuseDynamic() {
	l.refuse(ErrDynamicDisk, remedyDynamic, "the disk is a dynamic disk (LDM), whose volumes need not lie within partitions")
}

// checkProtectiveMBR judges the MBR of a disk that has a GPT.
func (l *Layout) checkProtectiveMBR(mbr []mbrPartition) {
	const remedy = "write a protective MBR with gdisk (commands x, n, w)"
	switch {
	case len(mbr) == 0:
		l.refuse(ErrBrokenGPT, remedy, "the GPT has no protective MBR")
	case len(mbr) > 1:
		l.refuse(ErrMBR, remedy, "the disk is a hybrid of GPT and MBR (partition types %s), which systems read differently", describeMBR(mbr))
	case mbr[0].first != 1: // UEFI 2.10, section 5.2.3
		l.refuse(ErrBrokenGPT, remedy, "the partition of the protective MBR begins at LBA %d, not 1, and some systems do not take it for one", mbr[0].first)
	}
}

// checkNames judges the names of the partitions, which are UTF-16. One that is
// not can be shown by nobody, and not be told from another.
func (l *Layout) checkNames(g *gptCopy) {
	for _, p := range l.Partitions {
		if !g.nameIsUTF16(p.Index) {
			l.refuse(ErrName, fmt.Sprintf(`give it another with "sgdisk --change-name=%d:NAME DEVICE"`, p.Index),
				"the name of partition %d is not valid UTF-16", p.Index)
		}
	}
}

// checkOrder wants the partitions numbered from 1 in the order in which they
// lie on the disk, so that nothing but their places decides the numbers.
func (l *Layout) checkOrder() {
	for i, p := range l.Partitions {
		if p.Index != i+1 {
			l.refuse(ErrOrder, `sort the entries with "sgdisk --sort DEVICE"`,
				"the entries of the GPT are not in the order of the partitions: the one that is number %d on the disk has entry %d", i+1, p.Index)
			return
		}
	}
}

// checkPartitions judges the partitions of a GPT. usable is what the GPT and
// the size of the disk leave for them.
func (l *Layout) checkPartitions(firstUsable, lastUsable uint64) {
	if len(l.Partitions) < 2 {
		l.refuse(ErrTooFewPartitions, "install the operating system for UEFI (a generation 2 virtual machine), which makes a boot and a system partition",
			"the disk has too few partitions (%d): a template has at least two", len(l.Partitions))
	}
	var reach *Partition // the one that ends last of those before
	byGUID := map[string]int{}
	for i := range l.Partitions {
		p := &l.Partitions[i]
		if other, ok := byGUID[p.GUID]; ok {
			l.refuse(ErrDuplicateGUID, fmt.Sprintf(`give one a new GUID with "sgdisk --partition-guid=%d:R DEVICE"`, p.Index),
				"partitions %d and %d have the same GUID %s", other, p.Index, p.GUID)
		}
		byGUID[p.GUID] = p.Index
		if !p.within(firstUsable, lastUsable) {
			l.refuse(ErrOutOfRange, remedyRepartition, "partition %d, %d sectors from LBA %d, is not within the usable range, LBA %d to %d",
				p.Index, p.Sectors, p.First, firstUsable, lastUsable)
			continue
		}
		if reach != nil && p.First <= reach.last() {
			l.refuse(ErrOverlap, remedyRepartition, "partition %d begins at LBA %d, within partition %d, which ends at LBA %d",
				p.Index, p.First, reach.Index, reach.last())
		}
		if reach == nil || p.last() > reach.last() {
			reach = p
		}
	}
}

// checkVolumes judges what the partitions hold.
func (l *Layout) checkVolumes() {
	ldm := func(p Partition) bool {
		return isType(p.Type, gpt.MicrosoftLDMMetadata) || isType(p.Type, gpt.MicrosoftLDMData)
	}
	dynamic := slices.ContainsFunc(l.Partitions, ldm)
	if dynamic {
		l.refuseDynamic()
	}
	for _, p := range l.Partitions {
		if p.FileSystem == BitLocker && !(p.prepared && p.Role == RoleOS) {
			reason := "and is not the operating-system volume"
			if p.unprepared != nil {
				reason = "and not as a template may be: " + p.unprepared.Error()
			}
			l.refuse(ErrBitLocker, `start the system, turn BitLocker off with "manage-bde -off" for the volume, wait until it is decrypted, and generalize again`,
				"partition %d is already encrypted with BitLocker, %s", p.Index, reason)
		}
	}
	if !dynamic {
		l.checkOS()
	}
}

func (l *Layout) checkOS() {
	has := func(fs FileSystem, r Role) bool {
		return slices.ContainsFunc(l.Partitions, func(p Partition) bool { return p.FileSystem == fs && p.Role == r })
	}
	switch {
	case l.OS == Windows:
	case l.OS == Linux && has(Ext, RoleBoot):
	case l.OS == Linux:
		l.refuse(ErrNoOSVolume, "install the system with a separate ext4 partition for /boot",
			"the disk has an encrypted Linux root (LUKS), but no ext boot partition")
	case has(Ext, RoleData):
		l.refuse(ErrNoOSVolume, "install the system on an encrypted root (dm-crypt with LUKS) with a separate ext4 partition for /boot",
			"the disk has Linux partitions, but no encrypted root (LUKS)")
	default:
		l.refuse(ErrNoOSVolume, "install Windows on an NTFS basic data partition, or Linux on an encrypted root (LUKS) with an ext4 boot partition",
			"no partition holds an operating-system volume")
	}
}

// within says whether all of a partition lies from first to last.
func (p *Partition) within(first, last uint64) bool {
	return p.Sectors > 0 && p.First >= first && p.First <= last && p.Sectors <= last-p.First+1
}
