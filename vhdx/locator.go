package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf16"
)

// Keys of the VHDX parent locator, section 2.6.2.6.3.
const (
	linkageKey      = "parent_linkage"
	linkage2Key     = "parent_linkage2"
	relativePathKey = "relative_path"
	volumePathKey   = "volume_path"
	absolutePathKey = "absolute_win32_path"

	maxLocatorEntries = 64
)

var vhdxLocatorType = mustGUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

// A parentLocator says where a differencing disk's parent is and which data it
// must hold: the keys and values of section 2.6.2.6.
type parentLocator map[string]string

func parseParentLocator(b []byte) (parentLocator, error) {
	if len(b) < 20 {
		return nil, fmt.Errorf("%d bytes are too few", len(b))
	}
	if t := GUID(b[:16]); t != vhdxLocatorType {
		return nil, fmt.Errorf("locator type %s is not known", t)
	}
	count := int(binary.LittleEndian.Uint16(b[18:]))
	if count > maxLocatorEntries || 20+12*count > len(b) {
		return nil, fmt.Errorf("%d entries do not fit", count)
	}
	text := func(offset uint32, length uint16) (string, error) {
		if length == 0 || length%2 != 0 || offset == 0 || uint64(offset)+uint64(length) > uint64(len(b)) {
			return "", fmt.Errorf("the string at %#x of %d bytes lies outside the item", offset, length)
		}
		units := make([]uint16, length/2)
		for i := range units {
			if units[i] = binary.LittleEndian.Uint16(b[int(offset)+2*i:]); units[i] == 0 {
				return "", fmt.Errorf("the string at %#x holds a NUL", offset)
			}
		}
		return string(utf16.Decode(units)), nil
	}
	l := parentLocator{}
	for i := range count {
		e := b[20+12*i:]
		key, err := text(binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint16(e[8:]))
		if err != nil {
			return nil, err
		}
		value, err := text(binary.LittleEndian.Uint32(e[4:]), binary.LittleEndian.Uint16(e[10:]))
		if err != nil {
			return nil, err
		}
		if _, double := l[key]; double {
			return nil, fmt.Errorf("the key %.64q stands twice", key)
		}
		l[key] = value
	}
	if _, err := ParseGUID(l[linkageKey]); err != nil {
		return nil, errors.New("the entry parent_linkage is missing or not a GUID")
	}
	if l[relativePathKey] == "" && l[volumePathKey] == "" && l[absolutePathKey] == "" {
		return nil, errors.New("there is no path to the parent")
	}
	return l, nil
}

func (l parentLocator) marshal() []byte {
	var table, strings []byte
	keys := []string{linkageKey, linkage2Key, relativePathKey, volumePathKey, absolutePathKey}
	count := 0
	for _, k := range keys {
		if l[k] != "" {
			count++
		}
	}
	base := 20 + 12*count
	put := func(s string) (offset uint32, length uint16) {
		offset = uint32(base + len(strings))
		for _, u := range utf16.Encode([]rune(s)) {
			strings = binary.LittleEndian.AppendUint16(strings, u)
		}
		return offset, uint16(base + len(strings) - int(offset))
	}
	table = append(table, vhdxLocatorType[:]...)
	table = append(table, 0, 0, byte(count), 0)
	for _, k := range keys {
		if l[k] == "" {
			continue
		}
		keyOffset, keyLength := put(k)
		valueOffset, valueLength := put(l[k])
		table = binary.LittleEndian.AppendUint32(table, keyOffset)
		table = binary.LittleEndian.AppendUint32(table, valueOffset)
		table = binary.LittleEndian.AppendUint16(table, keyLength)
		table = binary.LittleEndian.AppendUint16(table, valueLength)
	}
	return append(table, strings...)
}

// accepts reports whether a disk with this DataWriteGuid is the parent.
func (l parentLocator) accepts(dataWrite GUID) bool {
	for _, key := range []string{linkageKey, linkage2Key} {
		if g, err := ParseGUID(l[key]); err == nil && g == dataWrite {
			return true
		}
	}
	return false
}

// paths lists where the parent may be, in the order of section 2.6.2.6.3, for a
// child in the folder dir. Away from Windows the drive or volume of an absolute
// path has no meaning: what follows it is looked for from the root.
func (l parentLocator) paths(dir string) []string {
	var out []string
	if p := l[relativePathKey]; p != "" {
		p = filepath.FromSlash(strings.ReplaceAll(p, `\`, "/"))
		if !filepath.IsAbs(p) && filepath.VolumeName(p) == "" {
			out = append(out, filepath.Join(dir, p))
		}
	}
	for _, key := range []string{volumePathKey, absolutePathKey} {
		p := l[key]
		switch {
		case p == "":
		case runtime.GOOS == "windows":
			out = append(out, p)
		default:
			if _, rest, ok := strings.Cut(strings.TrimPrefix(p, `\\?\`), `\`); ok {
				out = append(out, filepath.Clean("/"+strings.ReplaceAll(rest, `\`, "/")))
			}
		}
	}
	return out
}

// locatorFor is the locator of a child in the folder childDir.
func locatorFor(childDir, parentPath string, dataWrite GUID) (parentLocator, error) {
	l := parentLocator{linkageKey: "{" + dataWrite.String() + "}"}
	parent, err := filepath.Abs(parentPath)
	if err != nil {
		return nil, err
	}
	child, err := filepath.Abs(childDir)
	if err != nil {
		return nil, err
	}
	if relative, err := filepath.Rel(child, parent); err == nil {
		l[relativePathKey] = strings.ReplaceAll(filepath.ToSlash(relative), "/", `\`)
		if !strings.HasPrefix(l[relativePathKey], `..`) {
			l[relativePathKey] = `.\` + l[relativePathKey]
		}
	}
	if filepath.VolumeName(parent) != "" {
		l[absolutePathKey] = `\\?\` + parent
	} else if l[relativePathKey] == "" {
		return nil, fmt.Errorf("no path leads from %s to %s", child, parent)
	}
	return l, nil
}
