package bitlocker

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// A GUID identifies a volume or a key protector. Its bytes are as on disk: the first three fields are little-endian.
type GUID [16]byte

// String gives the usual form in lower case.
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[0:]), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// newGUID makes a random one (RFC 9562, version 4).
func newGUID() GUID {
	var g GUID
	_, _ = rand.Read(g[:]) // crypto/rand never fails
	g[7] = g[7]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// A fileTime counts steps of 100 ns from the beginning of 1601, UTC.
type fileTime uint64

const (
	tick          = 100 * time.Nanosecond
	ticksPerSec   = int64(time.Second / tick)
	secondsTo1970 = 11644473600
)

func (f fileTime) time() time.Time {
	return time.Unix(int64(f)/ticksPerSec-secondsTo1970, int64(f)%ticksPerSec*int64(tick)).UTC()
}

func fileTimeOf(t time.Time) fileTime {
	return fileTime(max(0, (t.Unix()+secondsTo1970)*ticksPerSec+int64(t.Nanosecond())/int64(tick)))
}
