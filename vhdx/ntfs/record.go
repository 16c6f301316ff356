package ntfs

import "fmt"

// A record is one MFT record, its fix-ups undone.
type record struct {
	number uint64
	at     int64 // on the volume
	b      []byte
}

const (
	recordInUse     = 1
	recordDirectory = 2

	recordHeader = 48 // of NTFS 3.1; 42 before
)

func (r *record) sequence() uint16       { return le.Uint16(r.b[16:]) }
func (r *record) links() uint16          { return le.Uint16(r.b[18:]) }
func (r *record) flags() uint16          { return le.Uint16(r.b[22:]) }
func (r *record) base() uint64           { return le.Uint64(r.b[32:]) }
func (r *record) inUse() bool            { return r.flags()&recordInUse != 0 }
func (r *record) reference() uint64      { return makeReference(r.number, r.sequence()) }
func recordOf(reference uint64) uint64   { return reference & (1<<48 - 1) }
func sequenceOf(reference uint64) uint16 { return uint16(reference >> 48) }

func makeReference(number uint64, sequence uint16) uint64 { return number | uint64(sequence)<<48 }

func (r *record) damage(offset int, format string, args ...any) error {
	return damage(recordName(r.number), r.at+int64(offset), format, args...)
}

// parseRecord undoes the fix-ups of a record in place and checks its header.
func parseRecord(number uint64, at int64, b []byte) (*record, error) {
	r := &record{number: number, at: at, b: b}
	if err := unprotect(b, "FILE"); err != nil {
		return nil, r.damage(0, "%w", err)
	}
	attributes, used := int(le.Uint16(b[20:])), int64(le.Uint32(b[24:]))
	switch {
	case int64(le.Uint32(b[28:])) != int64(len(b)):
		return nil, r.damage(28, "says it is %d bytes long, not %d", le.Uint32(b[28:]), len(b))
	case used > int64(len(b)):
		return nil, r.damage(24, "says that %d of %d bytes are used", used, len(b))
	case attributes < 42 || attributes%8 != 0 || int64(attributes)+4 > used:
		return nil, r.damage(20, "its attributes begin at %d of %d", attributes, used)
	}
	return r, nil
}

// An extent is an attribute as one record holds it: the whole of it, or some
// of the clusters of one that is spread over records.
type extent struct {
	typ      uint32
	flags    uint16
	instance uint16
	name     string
	resident bool
	indexed  bool
	value    []byte // resident: the data
	pairs    []byte // not resident: the mapping pairs

	lowest, highest              int64 // virtual clusters
	allocated, size, initialized int64
	compressed                   int64 // bytes on the volume, of a compressed or sparse attribute
	unit                         uint8
	offset                       int // in the record
}

const (
	flagCompressed = 0x00ff
	flagEncrypted  = 0x4000
	flagSparse     = 0x8000
)

// extents gives the attributes in a record. They share the record's memory.
func (r *record) extents() ([]extent, error) {
	used := int(le.Uint32(r.b[24:]))
	var list []extent
	for at := int(le.Uint16(r.b[20:])); ; {
		if at+4 > used {
			return nil, r.damage(at, "its attributes have no end")
		}
		typ := le.Uint32(r.b[at:])
		if typ == typeEnd {
			return list, nil
		}
		if at+24 > used {
			return nil, r.damage(at, "an attribute header does not fit")
		}
		length := int64(le.Uint32(r.b[at+4:]))
		if length < 24 || length%8 != 0 || length > int64(used-at) {
			return nil, r.damage(at+4, "attribute %#x of %d bytes, %d are left", typ, length, used-at)
		}
		e, err := parseExtent(r.b[at : at+int(length)])
		if err != nil {
			return nil, r.damage(at, "attribute %#x: %w", typ, err)
		}
		if len(list) > 0 && typ < list[len(list)-1].typ {
			return nil, r.damage(at, "attribute %#x behind attribute %#x", typ, list[len(list)-1].typ)
		}
		e.offset = at
		list = append(list, e)
		at += int(length)
	}
}

func parseExtent(b []byte) (extent, error) {
	e := extent{typ: le.Uint32(b), flags: le.Uint16(b[12:]), instance: le.Uint16(b[14:]), resident: b[8] == 0}
	if b[8] > 1 {
		return e, fmt.Errorf("residence %d", b[8])
	}
	units, nameAt := int(b[9]), int(le.Uint16(b[10:]))
	if units > 0 {
		if nameAt < 24 || nameAt+2*units > len(b) {
			return e, fmt.Errorf("a name of %d characters at %d of %d bytes", units, nameAt, len(b))
		}
		e.name = decodeName(b[nameAt : nameAt+2*units])
	}
	if e.resident {
		length, at := int64(le.Uint32(b[16:])), int64(le.Uint16(b[20:]))
		if at+length > int64(len(b)) || length > 0 && at < 24 {
			return e, fmt.Errorf("a value of %d bytes at %d of %d", length, at, len(b))
		}
		if length > 0 {
			e.value = b[at : at+length]
		}
		e.indexed = b[22]&1 != 0
		e.size, e.initialized, e.allocated = length, length, alignUp(length, 8)
		return e, nil
	}
	if len(b) < 64 {
		return e, fmt.Errorf("not resident, in %d bytes", len(b))
	}
	e.lowest, e.highest = int64(le.Uint64(b[16:])), int64(le.Uint64(b[24:]))
	pairs := int(le.Uint16(b[32:]))
	if pairs < 64 || pairs >= len(b) {
		return e, fmt.Errorf("a run list at %d of %d bytes", pairs, len(b))
	}
	if e.lowest < 0 || e.lowest >= 1<<62 || e.highest < e.lowest-1 || e.highest >= 1<<62 {
		return e, fmt.Errorf("virtual clusters %d to %d", e.lowest, e.highest)
	}
	e.pairs, e.unit = b[pairs:], b[34]
	if e.lowest > 0 {
		return e, nil
	}
	e.allocated, e.size, e.initialized = int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))
	if e.size < 0 || e.allocated < e.size || e.initialized < 0 || e.initialized > e.size {
		return e, fmt.Errorf("%d bytes, of which %d are initialized, in clusters of %d bytes", e.size, e.initialized, e.allocated)
	}
	if e.flags&(flagCompressed|flagSparse) != 0 || e.unit != 0 {
		if pairs < 72 {
			return e, fmt.Errorf("compressed, with a run list at %d", pairs)
		}
		e.compressed = int64(le.Uint64(b[64:]))
	}
	return e, nil
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }
