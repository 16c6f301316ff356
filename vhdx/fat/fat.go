// Package fat reads a file of a FAT file system: FAT16 or FAT32, as EFI system partitions are. The file system may be an
// adversary's: whatever stands in it, no more is read than the directories on the way to the file, each of a bounded size,
// and the file itself, and no chain of clusters is followed further than that.
//
// The package never writes, and repairs nothing. go-diskfs serves for file systems that are ours; of a foreign one it follows
// chains without an end, and allocates what the boot sector asks for.
//
// Source: Microsoft Extensible Firmware Initiative, FAT32 File System Specification, version 1.03.
package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"strings"
)

// ErrFAT says that there is no FAT file system, or that it is damaged.
var ErrFAT = errors.New("not a sound FAT16 or FAT32 file system")

// maxDirectory bounds a directory, in bytes: no more entries have a place in one.
const maxDirectory = 65536 * entrySize

// A volume is a file system. Places and lengths are in bytes.
type volume struct {
	io.ReaderAt
	fat32       bool
	cluster     int64 // length
	clusters    uint32
	table       int64 // place of the file allocation table
	root, data  int64 // places of FAT16's root directory and of the first cluster
	rootCluster uint32
}

// ReadFile reads the file at a path, whose parts are divided by /, of at most max bytes. Capital and small letters are the
// same. The error is ErrFAT, fs.ErrNotExist, or that of a failing read.
func ReadFile(r io.ReaderAt, path string, max int64) ([]byte, error) {
	v, err := open(r)
	if err != nil {
		return nil, err
	}
	at := entry{directory: true, first: v.rootCluster, root: true}
	for part := range strings.SplitSeq(path, "/") {
		if !at.directory {
			return nil, fs.ErrNotExist
		}
		if at, err = v.find(at, part); err != nil {
			return nil, err
		}
	}
	switch {
	case at.directory:
		return nil, fs.ErrNotExist
	case at.size > max:
		return nil, fmt.Errorf("the file has %d bytes, at most %d are expected", at.size, max)
	}
	data := make([]byte, 0, at.size)
	err = v.walk(at.first, at.size, func(cluster []byte) (bool, error) {
		data = append(data, cluster...)
		return int64(len(data)) < at.size, nil
	})
	if err == nil && int64(len(data)) < at.size {
		err = fmt.Errorf("%w: the file ends before its time", ErrFAT)
	}
	return data, err
}

// open reads the boot sector (sections 3.1 to 3.5).
func open(r io.ReaderAt) (*volume, error) {
	b := make([]byte, 512)
	if err := readFull(r, b, 0); err != nil {
		return nil, err
	}
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }

	sector, perCluster, reserved, tables := u16(11), int64(b[13]), u16(14), int64(b[16])
	rootEntries, total, tableSectors := u16(17), u16(19), u16(22)
	v := &volume{ReaderAt: r, cluster: sector * perCluster, fat32: tableSectors == 0}
	if total == 0 {
		total = u32(32)
	}
	active := int64(0) // which of the tables counts
	if v.fat32 {
		tableSectors, v.rootCluster = u32(36), binary.LittleEndian.Uint32(b[44:])
		if flags := u16(40); flags&0x80 != 0 {
			active = flags & 0xf
		}
	}
	switch {
	case binary.LittleEndian.Uint16(b[510:]) != 0xaa55:
		return nil, fmt.Errorf("%w: there is no boot sector", ErrFAT)
	case sector < 512 || sector > 4096 || bits.OnesCount64(uint64(sector)) != 1 || bits.OnesCount64(uint64(perCluster)) != 1:
		return nil, fmt.Errorf("%w: clusters of %d sectors of %d bytes", ErrFAT, perCluster, sector)
	case reserved == 0 || tableSectors == 0 || active >= tables || v.fat32 != (rootEntries == 0):
		return nil, fmt.Errorf("%w: the boot sector contradicts itself", ErrFAT)
	}
	rootSectors := (rootEntries*entrySize + sector - 1) / sector
	before := reserved + tables*tableSectors // sectors
	v.table = (reserved + active*tableSectors) * sector
	v.root, v.data = before*sector, (before+rootSectors)*sector
	count := min((total-before-rootSectors)/perCluster, tableSectors*sector/v.width()-2)
	if most := int64(0x0ffffff5); count < 1 || count > most || !v.fat32 && (count < 4085 || count >= 65525) {
		return nil, fmt.Errorf("%w: it has %d clusters", ErrFAT, count)
	}
	v.clusters = uint32(count)
	return v, nil
}

// width is the length of an entry of the file allocation table.
func (v *volume) width() int64 {
	if v.fat32 {
		return 4
	}
	return 2
}

// next gives the cluster after one (section 4). It is 0 at the end.
func (v *volume) next(cluster uint32) (uint32, error) {
	b := make([]byte, 4)
	if err := readFull(v, b[:v.width()], v.table+int64(cluster)*v.width()); err != nil {
		return 0, err
	}
	value, end := binary.LittleEndian.Uint32(b)&0x0fffffff, uint32(0x0ffffff8)
	if !v.fat32 {
		end = 0xfff8
	}
	if value >= end {
		return 0, nil
	}
	return value, v.check(value)
}

func (v *volume) check(cluster uint32) error {
	if cluster < 2 || cluster-2 >= v.clusters {
		return fmt.Errorf("%w: there is no cluster %d", ErrFAT, cluster)
	}
	return nil
}

// walk reads the chain that begins at a cluster, up to a length, cluster by cluster, until visit has enough.
func (v *volume) walk(cluster uint32, length int64, visit func([]byte) (more bool, err error)) error {
	if length == 0 {
		return nil
	}
	if err := v.check(cluster); err != nil {
		return err
	}
	b := make([]byte, v.cluster)
	for ; cluster != 0 && length > 0; length -= int64(len(b)) {
		b = b[:min(length, v.cluster)]
		if err := readFull(v, b, v.data+int64(cluster-2)*v.cluster); err != nil {
			return err
		}
		more, err := visit(b)
		if err != nil || !more {
			return err
		}
		if cluster, err = v.next(cluster); err != nil {
			return err
		}
	}
	return nil
}

// readFull reads all of b. What lies outside of the file system is not sound.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends before its time", ErrFAT)
	}
	return err
}
