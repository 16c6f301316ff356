package volume

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	mbrLDM        = 0x42 // a Windows dynamic disk
	mbrProtective = 0xee // stands for the whole of a GPT disk
)

// An mbrPartition is an entry of an MBR.
type mbrPartition struct {
	typ   byte
	first uint32 // LBA
}

// readMBR lists the partitions in the MBR that is the first 512 bytes of a disk.
// There are none when they are not an MBR: its signature is also that of boot
// sectors, whose code stands where an MBR has its entries.
func readMBR(sector []byte) []mbrPartition {
	if len(sector) < 512 || sector[510] != 0x55 || sector[511] != 0xaa {
		return nil
	}
	var partitions []mbrPartition
	for i := range 4 {
		entry := sector[446+16*i:][:16]
		status, typ, first := entry[0], entry[4], binary.LittleEndian.Uint32(entry[8:])
		if status != 0 && status != 0x80 {
			return nil
		}
		if typ == 0 {
			continue
		}
		if first == 0 {
			return nil
		}
		partitions = append(partitions, mbrPartition{typ, first})
	}
	return partitions
}

func describeMBR(partitions []mbrPartition) string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = fmt.Sprintf("0x%02x", p.typ)
	}
	return strings.Join(names, ", ")
}
