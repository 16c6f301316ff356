package tcglog

import (
	"bytes"
	"encoding/binary"
)

// specID begins the header of a crypto-agile log (TCG PC Client Platform Firmware Profile 1.05, section 10.4.5.1).
const specID = "Spec ID Event03\x00"

// Parse reads a whole log in either form: TCG_PCR_EVENT2 below a header, or the older TCG_PCR_EVENT with SHA-1 digests
// (TCG PC Client Platform Firmware Profile 1.05, section 10.2). It checks the form alone; the log shares no memory with data.
func Parse(data []byte) (*Log, error) {
	if len(data) > MaxSize {
		return nil, malformed("it has %d bytes, more than %d", len(data), MaxSize)
	}
	r := &reader{data: bytes.Clone(data)}
	l := &Log{Banks: []Bank{{SHA1, sha1Size}}}
	first, err := l.event(r)
	if err != nil {
		return nil, err
	}
	if first.Type == NoAction && bytes.HasPrefix(first.Data, []byte(specID)) {
		if err := l.parseHeader(first); err != nil {
			return nil, err
		}
	} else {
		l.Events = append(l.Events, *first)
	}
	for len(r.data) > 0 {
		if len(l.Events) == maxEvents {
			return nil, malformed("it has more than %d events", maxEvents)
		}
		e, err := l.event(r)
		if err != nil {
			return nil, err
		}
		l.Events = append(l.Events, *e)
	}
	return l, nil
}

// event reads one entry.
func (l *Log) event(r *reader) (*Event, error) {
	at := r.offset
	e := &Event{PCR: r.uint32(), Type: EventType(r.uint32())}
	if l.Agile {
		count := r.uint32()
		if r.short || count > uint32(len(l.Banks)) {
			return nil, malformed("the event at byte %d has more digests than the header names, or is cut off", at)
		}
		for range count {
			id := Algorithm(r.uint16())
			size := l.size(id)
			if size == 0 || e.digest(id) != nil {
				return nil, malformed("the event at byte %d has a digest of %v that the header does not name, or twice", at, id)
			}
			e.Digests = append(e.Digests, Digest{id, r.bytes(uint32(size))})
		}
	} else {
		e.Digests = []Digest{{SHA1, r.bytes(sha1Size)}}
	}
	e.Data = r.bytes(r.uint32())
	switch {
	case r.short:
		return nil, malformed("the event at byte %d is cut off", at)
	case e.PCR > lastPCR && e.Type != NoAction:
		return nil, malformed("the event at byte %d is of PCR %d", at, e.PCR)
	}
	return e, nil
}

// digest is the event's digest of an algorithm, also where it was not extended.
func (e *Event) digest(bank Algorithm) []byte {
	for _, d := range e.Digests {
		if d.Algorithm == bank {
			return d.Value
		}
	}
	return nil
}

// size is the size of a bank's digests, or 0 when the header does not name the bank.
func (l *Log) size(bank Algorithm) int {
	for _, b := range l.Banks {
		if b.Algorithm == bank {
			return b.Size
		}
	}
	return 0
}

// parseHeader reads TCG_EfiSpecIDEvent, which names the banks.
func (l *Log) parseHeader(e *Event) error {
	if e.PCR != 0 || !allZero(e.Digests[0].Value) {
		return malformed("its header is of PCR %d, or has a digest", e.PCR)
	}
	r := &reader{data: e.Data[len(specID):]}
	r.bytes(8) // platform class, version, errata, size of size_t
	count := r.uint32()
	if r.short || count == 0 || count > maxBanks {
		return malformed("its header names %d banks, not 1 to %d, or is cut off", count, maxBanks)
	}
	l.Agile, l.Banks, l.header = true, nil, e.Data
	for range count {
		b := Bank{Algorithm(r.uint16()), int(r.uint16())}
		if h, known := hashes[b.Algorithm]; b.Size == 0 || b.Size > 64 || known && b.Size != h.Size() {
			return malformed("its header gives digests of %v %d bytes", b.Algorithm, b.Size)
		}
		if l.size(b.Algorithm) != 0 {
			return malformed("its header names %v twice", b.Algorithm)
		}
		l.Banks = append(l.Banks, b)
	}
	r.bytes(uint32(r.uint8())) // vendor information
	if r.short || len(r.data) > 0 {
		return malformed("its header does not have the length that it gives")
	}
	return nil
}

// Bytes is the log in its form on disk and on the wire; Parse gives the same log for it.
func (l *Log) Bytes() []byte {
	var b []byte
	put := func(n uint32) { b = binary.LittleEndian.AppendUint32(b, n) }
	if l.Agile {
		put(0)
		put(uint32(NoAction))
		b = append(b, make([]byte, sha1Size)...)
		put(uint32(len(l.header)))
		b = append(b, l.header...)
	}
	for _, e := range l.Events {
		put(e.PCR)
		put(uint32(e.Type))
		if l.Agile {
			put(uint32(len(e.Digests)))
		}
		for _, d := range e.Digests {
			if l.Agile {
				b = binary.LittleEndian.AppendUint16(b, uint16(d.Algorithm))
			}
			b = append(b, d.Value...)
		}
		put(uint32(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// A reader takes little-endian numbers off its data. What it gives after the data ended is zero or nil, and short is set.
type reader struct {
	data   []byte
	offset int
	short  bool
}

func (r *reader) bytes(n uint32) []byte {
	if r.short || uint64(n) > uint64(len(r.data)) {
		r.short, r.data = true, nil
		return nil
	}
	b := r.data[:n:n]
	r.data, r.offset = r.data[n:], r.offset+int(n)
	return b
}

func (r *reader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
