package fat

import (
	"encoding/binary"
	"io/fs"
	"strings"
	"unicode/utf16"
)

const entrySize = 32 // bytes of an entry of a directory (section 6)

// Attributes of an entry.
const (
	volumeLabel = 0x08
	isDirectory = 0x10
	longName    = 0x0f // of an entry that holds a part of the name of a later one
)

// An entry is a file or a directory.
type entry struct {
	directory bool
	root      bool // the root directory
	first     uint32
	size      int64 // of a file
}

// find looks for a name in a directory.
func (v *volume) find(in entry, name string) (found entry, err error) {
	err = fs.ErrNotExist
	var long longNameParts
	visit := func(entries []byte) (more bool, _ error) {
		for ; len(entries) >= entrySize; entries = entries[entrySize:] {
			e := entries[:entrySize]
			switch {
			case e[0] == 0: // the last one
				return false, nil
			case e[0] == 0xe5: // deleted
				long = longNameParts{}
				continue
			case e[11]&0x3f == longName:
				long.add(e)
				continue
			}
			if e[11]&volumeLabel == 0 && (strings.EqualFold(shortName(e), name) || strings.EqualFold(long.name(e), name)) {
				found, err = v.entry(e), nil
				return false, nil
			}
			long = longNameParts{}
		}
		return true, nil
	}
	if walkErr := v.walkDirectory(in, visit); walkErr != nil {
		return entry{}, walkErr
	}
	return found, err
}

func (v *volume) walkDirectory(d entry, visit func([]byte) (bool, error)) error {
	switch {
	case !d.root || v.fat32:
		return v.walk(d.first, maxDirectory, visit)
	default:
		b := make([]byte, v.data-v.root)
		if err := readFull(v, b, v.root); err != nil {
			return err
		}
		_, err := visit(b)
		return err
	}
}

func (v *volume) entry(e []byte) entry {
	found := entry{
		directory: e[11]&isDirectory != 0,
		first:     uint32(binary.LittleEndian.Uint16(e[26:])),
		size:      int64(binary.LittleEndian.Uint32(e[28:])),
	}
	if v.fat32 {
		found.first |= uint32(binary.LittleEndian.Uint16(e[20:])) << 16
	}
	return found
}

// shortName is the name of 8 and 3 characters.
func shortName(e []byte) string {
	name, extension := strings.TrimRight(string(e[:8]), " "), strings.TrimRight(string(e[8:11]), " ")
	if extension == "" {
		return name
	}
	return name + "." + extension
}

// longNameParts collects a long name (section 7), whose parts stand before the entry that it is for, the last one first.
type longNameParts struct {
	units    []uint16 // of UTF-16
	wanted   byte     // number of the next part, from 1; 0 when the name is whole, or there is none
	checksum byte
}

const (
	partUnits = 13
	lastPart  = 0x40
	maxParts  = 20
)

func (l *longNameParts) add(e []byte) {
	number := e[0] &^ lastPart
	if e[0]&lastPart != 0 {
		*l = longNameParts{wanted: number, checksum: e[13]}
	}
	if number == 0 || number > maxParts || number != l.wanted || e[13] != l.checksum {
		*l = longNameParts{}
		return
	}
	part := make([]uint16, 0, partUnits+len(l.units))
	for _, field := range [][]byte{e[1:11], e[14:26], e[28:32]} {
		for ; len(field) > 0; field = field[2:] {
			part = append(part, binary.LittleEndian.Uint16(field))
		}
	}
	l.units = append(part, l.units...)
	l.wanted--
}

// name gives the long name of an entry, which is empty for one that has none of its own.
func (l *longNameParts) name(e []byte) string {
	if l.wanted != 0 || l.checksum != checksum(e[:11]) {
		return ""
	}
	for i, unit := range l.units {
		if unit == 0 {
			return string(utf16.Decode(l.units[:i]))
		}
	}
	return string(utf16.Decode(l.units))
}

func checksum(short []byte) (sum byte) {
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}
