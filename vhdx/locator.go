package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
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

var locatorKeys = []string{linkageKey, linkage2Key, relativePathKey, volumePathKey, absolutePathKey}

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
		if !slices.Contains(locatorKeys, key) {
			value = "" // of no use, and long where strings lie in one another
		}
		l[key] = value
	}
	maps.DeleteFunc(l, func(_, value string) bool { return value == "" })
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
	count := 0
	for _, k := range locatorKeys {
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
	for _, k := range locatorKeys {
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
// path has no meaning: what follows it is looked for from the root. Paths that
// lead to a device, or to another machine, are left out: a file may not make
// whoever opens it log in at a host of its choice.
func (l parentLocator) paths(dir string) []string {
	var out []string
	if p := l[relativePathKey]; p != "" {
		p = filepath.FromSlash(strings.ReplaceAll(p, `\`, "/"))
		if !filepath.IsAbs(p) && filepath.VolumeName(p) == "" && namesFiles(strings.Split(p, string(filepath.Separator))) {
			out = append(out, filepath.Join(dir, p))
		}
	}
	for _, key := range []string{volumePathKey, absolutePathKey} {
		p := l[key]
		rest, local := cutDrive(p)
		switch {
		case local && runtime.GOOS != "windows":
			out = append(out, filepath.Clean("/"+strings.ReplaceAll(rest, `\`, "/")))
		case local && namesFiles(strings.Split(rest, `\`)), onShareOf(p, dir):
			out = append(out, p)
		}
	}
	return out
}

// namesFiles reports whether no part of a path is the name of a device on this
// system.
func namesFiles(parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool {
		return part != "" && part != "." && part != ".." && !filepath.IsLocal(part)
	})
}

// cutDrive returns what follows the drive or the volume in an absolute path of
// Windows, and false for other paths.
func cutDrive(p string) (rest string, ok bool) {
	p, long := strings.CutPrefix(p, `\\?\`)
	root, rest, ok := strings.Cut(p, `\`)
	if !ok {
		return "", false
	}
	if volume, found := strings.CutPrefix(root, "Volume"); long && found {
		_, err := ParseGUID(volume)
		return rest, err == nil
	}
	return rest, len(root) == 2 && root[1] == ':' && root[0]|0x20 >= 'a' && root[0]|0x20 <= 'z'
}

// onShareOf reports whether a path of Windows leads to the network share that
// the folder dir is on.
func onShareOf(p, dir string) bool {
	share := shareOf(p)
	return share != "" && strings.EqualFold(share, shareOf(dir))
}

// shareOf is host\share of a path to a network share, or empty.
func shareOf(p string) string {
	p = strings.ReplaceAll(p, "/", `\`)
	if rest, found := strings.CutPrefix(p, `\\?\UNC\`); found {
		p = `\\` + rest
	}
	parts := strings.Split(p, `\`)
	if len(parts) < 4 || parts[0] != "" || parts[1] != "" || parts[2] == "" || parts[3] == "" ||
		slices.ContainsFunc(parts[2:], func(part string) bool { return part == "." || part == ".." || part == "?" }) {
		return ""
	}
	return parts[2] + `\` + parts[3]
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
