// Package recovery holds the key by which an owner opens the disk of a shielded virtual machine when nothing else does:
// as BitLocker's external key file (.bek), and as the encrypted recovery key (.ebek) that lies on the disk itself and
// that only the transport key of its shielding data opens.
//
// The package never asks where a transport key comes from, reads nothing of a disk but that one file, and never writes a .bek
// by itself: whoever has its bytes has the disk.
package recovery

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/scutum-project/scutum/vhdx"
)

// ErrBEK says that a file is not an external key file as BitLocker writes it.
var ErrBEK = errors.New("invalid BitLocker external key file")

// An ExternalKey is one external key protector of a BitLocker volume ("startup key"), the content of a .bek file.
type ExternalKey struct {
	ID      vhdx.GUID // of the key protector, as the volume's metadata name it
	Volume  vhdx.GUID // BitLocker's identifier of the volume; zero in files that do not name it, as before Windows 11
	Key     [32]byte
	Created time.Time // when the key was made; UTC, in steps of 100 ns, from 1601 on
	Saved   time.Time // when the file was made, likewise
}

// NewExternalKey makes a key for a volume. With a zero volume the file will not name one, which some older tools need.
func NewExternalKey(volume vhdx.GUID, at time.Time) *ExternalKey {
	at = at.UTC().Truncate(tick)
	k := &ExternalKey{ID: vhdx.NewGUID(), Volume: volume, Created: at, Saved: at}
	_, _ = rand.Read(k.Key[:]) // crypto/rand never fails
	return k
}

// FileName is the name that BitLocker looks for: the identifier in capitals, and .BEK.
func (k *ExternalKey) FileName() string { return strings.ToUpper(k.ID.String()) + ".BEK" }

// Clear overwrites the key.
func (k *ExternalKey) Clear() { clear(k.Key[:]) }

// A .bek file is a header and one datum, the external key, in which two or three others lie. Numbers are little-endian. A
// datum begins with its size, its role, the type of its value and its version. Source: libbde, "BitLocker Drive Encryption
// (BDE) format", section "BitLocker External Key (BEK) file"; the volume's identifier is from a file made by Windows 11.
const (
	headerSize  = 48
	datumSize   = 8                         // the four numbers
	idOffset    = headerSize + datumSize    // of the external key's identifier
	timeOffset  = idOffset + 16             // of its time
	textSize    = datumSize + 24            // "ExternalKey" and a NUL
	nextOffset  = timeOffset + 8 + textSize // of what follows the text
	volumeSize  = datumSize + 16            // the identifier of a volume, in some files
	keySize     = datumSize + 4 + 32        // the kind of the key and the key, at the end
	plainSize   = nextOffset + keySize      // of a file that names no volume: 156
	savedOffset = headerSize - 8            // of the header's time
)

const (
	fileVersion, datumVersion   = 1, 1
	roleVolume, roleExternalKey = 0x19, 0x06
	typeKey, typeText           = 0x01, 0x02
	typeExternalKey, typeGUID   = 0x09, 0x17
	kindExternalKey             = 0x2002
)

// ParseBEK reads a .bek file. Its errors are ErrBEK. It accepts the one layout that BEK writes, which is the one of
// Windows.
func ParseBEK(data []byte) (*ExternalKey, error) {
	if len(data) != plainSize && len(data) != plainSize+volumeSize {
		return nil, fmt.Errorf("%w: %d bytes, want %d or %d", ErrBEK, len(data), plainSize, plainSize+volumeSize)
	}
	k := &ExternalKey{
		ID:      vhdx.GUID(data[idOffset:]),
		Saved:   parseFileTime(data[savedOffset:]),
		Created: parseFileTime(data[timeOffset:]),
		Key:     [32]byte(data[len(data)-32:]),
	}
	if len(data) > plainSize {
		k.Volume = vhdx.GUID(data[nextOffset+datumSize:])
	}
	if subtle.ConstantTimeCompare(k.BEK(), data) != 1 {
		return nil, fmt.Errorf("%w: it has the right size, and is not laid out as an external key", ErrBEK)
	}
	return k, nil
}

// BEK writes the .bek file.
func (k *ExternalKey) BEK() []byte {
	size := plainSize
	if !k.Volume.IsZero() {
		size += volumeSize
	}
	b := make([]byte, 0, size)

	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, fileVersion)
	b = binary.LittleEndian.AppendUint32(b, headerSize)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = append(b, k.ID[:]...)
	b = binary.LittleEndian.AppendUint32(b, 1) // next nonce
	b = binary.LittleEndian.AppendUint32(b, 0) // no encryption
	b = appendFileTime(b, k.Saved)

	b = appendDatum(b, size-headerSize, roleExternalKey, typeExternalKey)
	b = append(b, k.ID[:]...)
	b = appendFileTime(b, k.Created)
	b = appendDatum(b, textSize, 0, typeText)
	for _, c := range "ExternalKey\x00" {
		b = binary.LittleEndian.AppendUint16(b, uint16(c))
	}
	if !k.Volume.IsZero() {
		b = appendDatum(b, volumeSize, roleVolume, typeGUID)
		b = append(b, k.Volume[:]...)
	}
	b = appendDatum(b, keySize, 0, typeKey)
	b = binary.LittleEndian.AppendUint32(b, kindExternalKey)
	return append(b, k.Key[:]...)
}

// appendDatum appends the beginning of a datum of size bytes.
func appendDatum(b []byte, size int, role, kind uint16) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = binary.LittleEndian.AppendUint16(b, role)
	b = binary.LittleEndian.AppendUint16(b, kind)
	return binary.LittleEndian.AppendUint16(b, datumVersion)
}

// A FILETIME counts steps of 100 ns from the beginning of 1601, UTC.
const (
	tick          = 100 * time.Nanosecond
	ticksPerSec   = int64(time.Second / tick)
	secondsTo1970 = 11644473600
)

func parseFileTime(b []byte) time.Time {
	ticks := int64(binary.LittleEndian.Uint64(b))
	return time.Unix(ticks/ticksPerSec-secondsTo1970, ticks%ticksPerSec*int64(tick)).UTC()
}

func appendFileTime(b []byte, t time.Time) []byte {
	ticks := (t.Unix()+secondsTo1970)*ticksPerSec + int64(t.Nanosecond())/int64(tick)
	return binary.LittleEndian.AppendUint64(b, uint64(max(ticks, 0)))
}
