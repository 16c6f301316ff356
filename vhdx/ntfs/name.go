package ntfs

import (
	"errors"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeName makes a string of UTF-16. Half of a surrogate pair, which NTFS
// allows, becomes the three bytes that UTF-8 would give it if it could
// (WTF-8), so that no two names become the same.
func decodeName(b []byte) string {
	s := make([]byte, 0, len(b))
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(le.Uint16(b[i:]))
		if utf16.IsSurrogate(u) {
			if i+3 < len(b) {
				if r := utf16.DecodeRune(u, rune(le.Uint16(b[i+2:]))); r != utf8.RuneError {
					s = utf8.AppendRune(s, r)
					i += 2
					continue
				}
			}
			s = append(s, 0xe0|byte(u>>12), 0x80|byte(u>>6)&0x3f, 0x80|byte(u)&0x3f)
			continue
		}
		s = utf8.AppendRune(s, u)
	}
	return string(s)
}

// encodeName is decodeName's inverse; ok is false for bytes that it never makes.
func encodeName(s string) (units []uint16, ok bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			if len(s)-i < 3 || s[i] != 0xed || s[i+1]&0xe0 != 0xa0 || s[i+2]&0xc0 != 0x80 {
				return nil, false
			}
			r, n = 0xd000|rune(s[i+1]&0x3f)<<6|rune(s[i+2]&0x3f), 3
			units = append(units, uint16(r))
		} else {
			units = utf16.AppendRune(units, r)
		}
		i += n
	}
	return units, true
}

func unitsOf(b []byte) []uint16 {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return units
}

func appendUnits(b []byte, units []uint16) []byte {
	for _, u := range units {
		b = le.AppendUint16(b, u)
	}
	return b
}

// Name spaces of $FILE_NAME.
const (
	namePOSIX       = 0
	nameWin32       = 1
	nameDOS         = 2
	nameWin32AndDOS = 3
)

// A fileName is a $FILE_NAME attribute, which is also the key of a directory's index.
type fileName struct {
	parent                               uint64
	created, modified, changed, accessed uint64
	allocated, size                      int64
	attributes, reparse                  uint32
	space                                byte
	units                                []uint16
	name                                 string
}

const fileNameHeader = 66

var errFileName = errors.New("a $FILE_NAME that does not fit its length")

func parseFileName(b []byte) (fileName, error) {
	if len(b) < fileNameHeader || b[64] == 0 || len(b) < fileNameHeader+2*int(b[64]) {
		return fileName{}, errFileName
	}
	name := b[fileNameHeader : fileNameHeader+2*int(b[64])]
	return fileName{
		parent: le.Uint64(b), created: le.Uint64(b[8:]), modified: le.Uint64(b[16:]), changed: le.Uint64(b[24:]), accessed: le.Uint64(b[32:]),
		allocated: int64(le.Uint64(b[40:])), size: int64(le.Uint64(b[48:])), attributes: le.Uint32(b[56:]), reparse: le.Uint32(b[60:]),
		space: b[65], units: unitsOf(name), name: decodeName(name),
	}, nil
}

// filetime counts 100 ns since 1601.
const filetimeEpoch = 11644473600

func fromFiletime(t uint64) time.Time {
	return time.Unix(int64(t/1e7)-filetimeEpoch, int64(t%1e7)*100).UTC()
}

func toFiletime(t time.Time) uint64 {
	return uint64(t.Unix()+filetimeEpoch)*1e7 + uint64(t.Nanosecond()/100)
}
