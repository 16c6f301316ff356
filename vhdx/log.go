package vhdx

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// The log, section 2.3: a ring of entries, each a set of 4 KiB updates to
// structures of the file.
const (
	logEntrySignature  = "loge"
	logZeroSignature   = "zero"
	logDescSignature   = "desc"
	logDataSignature   = "data"
	logEntryHeaderSize = 64
	logDescriptorSize  = 32

	// maxLogDescriptors bounds the memory of a replay; as data sectors they
	// would be 512 MiB, hundreds of times the log that Windows makes.
	maxLogDescriptors = 1 << 17
	maxLogEntries     = 1 << 17 // in a sequence
)

// A logRing reads the log region as the ring it is.
type logRing struct {
	file   io.ReaderAt
	offset int64
	length int64
}

func (r logRing) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := (off + int64(done)) % r.length
		n := int(min(int64(len(p)-done), r.length-at))
		if _, err := r.file.ReadAt(p[done:done+n], r.offset+at); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// A logEntry is a valid entry, section 2.3.1.
type logEntry struct {
	offset        int64 // in the log
	length        int64
	tail          int64
	sequence      uint64
	flushedOffset int64 // the file was at least this long when it was written
	lastOffset    int64 // all structures fit into a file of this length
	count         int   // descriptors
	reservedAt    int64 // where in the entry reserved bytes are not zero; 0: nowhere
}

// A logWrite is what one descriptor says: length bytes at offset of the file
// become zero, or the sector in the log at source.
type logWrite struct {
	offset   int64
	length   int64
	source   int64 // offset of the data sector in the log; -1: zeros
	leading  [8]byte
	trailing [4]byte
}

func descriptorSectors(count int64) int64 {
	return (logEntryHeaderSize + count*logDescriptorSize + logSectorSize - 1) / logSectorSize
}

// A logReader finds the active sequence. budget bounds the bytes it checks: the
// entries of an honest log do not overlap, so each is checked a few times at most.
type logReader struct {
	ring   logRing
	guid   GUID
	budget int64
	failed []bool // by sector: an entry of a sequence that is not complete
}

func newLogReader(ring logRing, guid GUID) *logReader {
	return &logReader{ring, guid, 8*ring.length + 16*mib, make([]bool, ring.length/logSectorSize)}
}

var (
	errLogTangled = errors.New("the log's entries overlap one another")
	errLogTooLong = errors.New("a sequence in the log has more than 131072 entries")
)

// parseEntry validates the entry at offset: every field of its header and of
// its descriptors, the sequence number in every data sector, and the checksum.
func (l *logReader) parseEntry(offset int64, wantWrites bool) (*logEntry, []logWrite, error) {
	head := make([]byte, logEntryHeaderSize)
	if l.budget -= logSectorSize; l.budget < 0 {
		return nil, nil, errLogTangled
	}
	if _, err := l.ring.ReadAt(head, offset); err != nil {
		return nil, nil, err
	}
	e := &logEntry{
		offset:        offset,
		length:        int64(binary.LittleEndian.Uint32(head[8:])),
		tail:          int64(binary.LittleEndian.Uint32(head[12:])),
		sequence:      binary.LittleEndian.Uint64(head[16:]),
		flushedOffset: int64(min(binary.LittleEndian.Uint64(head[48:]), math.MaxInt64)),
		lastOffset:    int64(min(binary.LittleEndian.Uint64(head[56:]), math.MaxInt64)),
	}
	count := int64(binary.LittleEndian.Uint32(head[24:]))
	tables := descriptorSectors(count)
	switch {
	case string(head[:4]) != logEntrySignature || GUID(head[32:48]) != l.guid,
		e.length == 0 || e.length%logSectorSize != 0 || e.length > l.ring.length,
		e.tail%logSectorSize != 0 || e.tail >= l.ring.length,
		e.sequence == 0, count > maxLogDescriptors, tables*logSectorSize > e.length:
		return nil, nil, nil
	}
	e.count = int(count)
	if !allZero(head[28:32]) {
		e.reservedAt = 28
	}
	if l.budget -= tables * logSectorSize; l.budget < 0 {
		return nil, nil, errLogTangled
	}
	table := make([]byte, tables*logSectorSize)
	if _, err := l.ring.ReadAt(table, offset); err != nil {
		return nil, nil, err
	}
	sum := crc32.Update(0, castagnoli, table[:4])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	sum = crc32.Update(sum, castagnoli, table[8:])

	writes, dataSectors, ok := e.parseDescriptors(table, wantWrites)
	if !ok || (tables+dataSectors)*logSectorSize > e.length {
		return nil, nil, nil
	}
	sector := make([]byte, logSectorSize)
	for at := tables * logSectorSize; at < e.length; at += logSectorSize {
		if l.budget -= logSectorSize; l.budget < 0 {
			return nil, nil, errLogTangled
		}
		if _, err := l.ring.ReadAt(sector, offset+at); err != nil {
			return nil, nil, err
		}
		if at < (tables+dataSectors)*logSectorSize &&
			(string(sector[:4]) != logDataSignature ||
				binary.LittleEndian.Uint32(sector[4:]) != uint32(e.sequence>>32) ||
				binary.LittleEndian.Uint32(sector[logSectorSize-4:]) != uint32(e.sequence)) {
			return nil, nil, nil
		}
		sum = crc32.Update(sum, castagnoli, sector)
	}
	if sum != binary.LittleEndian.Uint32(head[4:]) {
		return nil, nil, nil
	}
	return e, writes, nil
}

// parseDescriptors reads the descriptors in the first sectors of an entry and
// counts the data sectors that must follow.
func (e *logEntry) parseDescriptors(table []byte, wantWrites bool) (writes []logWrite, dataSectors int64, ok bool) {
	tables := int64(len(table))
	for i := range e.count {
		d := table[logEntryHeaderSize+i*logDescriptorSize:][:logDescriptorSize]
		offset := binary.LittleEndian.Uint64(d[16:])
		if binary.LittleEndian.Uint64(d[24:]) != e.sequence || offset%logSectorSize != 0 || offset >= maxFileSize {
			return nil, 0, false
		}
		w := logWrite{offset: int64(offset), length: logSectorSize, source: -1}
		switch string(d[:4]) {
		case logZeroSignature:
			length := binary.LittleEndian.Uint64(d[8:])
			if length%logSectorSize != 0 || length > maxFileSize-offset {
				return nil, 0, false
			}
			w.length = int64(length)
			if e.reservedAt == 0 && !allZero(d[4:8]) {
				e.reservedAt = logEntryHeaderSize + int64(i)*logDescriptorSize + 4
			}
		case logDescSignature:
			w.trailing, w.leading = [4]byte(d[4:8]), [8]byte(d[8:16])
			w.source = e.offset + tables + dataSectors*logSectorSize
			dataSectors++
		default:
			return nil, 0, false
		}
		if wantWrites && w.length > 0 {
			writes = append(writes, w)
		}
	}
	return writes, dataSectors, true
}

// activeSequence finds the newest valid and complete log sequence by the steps
// of section 2.3.3, and returns its entries from the one that the head's tail
// names: those before it had reached their place. No entries: there is no such
// sequence.
func (l *logReader) activeSequence() ([]*logEntry, error) {
	var active []*logEntry
	for tail := int64(0); tail < l.ring.length; {
		if l.failed[tail/logSectorSize] {
			// From here on the sequence has the same head, and is no more complete.
			tail += logSectorSize
			continue
		}
		current, end, err := l.sequenceAt(tail)
		if err != nil {
			return nil, err
		}
		from := tailOf(current)
		if from < 0 {
			for _, e := range current {
				l.failed[e.offset/logSectorSize] = true
			}
			tail += logSectorSize
			continue
		}
		if head := current[len(current)-1]; active == nil || head.sequence > active[len(active)-1].sequence {
			active = current[from:]
		}
		tail = end
	}
	return active, nil
}

// sequenceAt returns the longest sequence that begins at tail, and where it
// ends, not wrapped.
func (l *logReader) sequenceAt(tail int64) (sequence []*logEntry, end int64, err error) {
	for end = tail; ; {
		e, _, err := l.parseEntry(end%l.ring.length, false)
		if err != nil {
			return nil, 0, err
		}
		if e == nil || len(sequence) > 0 && e.sequence != sequence[len(sequence)-1].sequence+1 || end+e.length-tail > l.ring.length {
			return sequence, end, nil
		}
		if len(sequence) == maxLogEntries {
			return nil, 0, errLogTooLong
		}
		sequence = append(sequence, e)
		end += e.length
	}
}

// tailOf returns the index in a sequence of the entry that its head's tail
// names, or -1 when the sequence is not complete.
func tailOf(sequence []*logEntry) int {
	if len(sequence) == 0 {
		return -1
	}
	tail := sequence[len(sequence)-1].tail
	for i, e := range sequence {
		if e.offset == tail {
			return i
		}
	}
	return -1
}
