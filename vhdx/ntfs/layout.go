package ntfs

import (
	"cmp"
	"fmt"
	"slices"
)

// A piece is an attribute, or some of its clusters, as one record holds it.
type piece struct {
	a        *attribute
	runs     []run // not resident: what the piece holds
	lowest   int64
	out      bool   // not in the base record
	holder   uint64 // reference of the record that holds it
	instance int
}

// size is the length of the piece in a record.
func (p *piece) size() int { return len(p.encode()) }

func (p *piece) encode() []byte {
	a := p.a
	units, _ := encodeName(a.name)
	header := 24
	if !a.resident {
		if header = 64; p.lowest == 0 && a.hasPacked() {
			header = 72
		}
	}
	b := make([]byte, header, 128)
	le.PutUint32(b, a.typ)
	b[9] = byte(len(units))
	le.PutUint16(b[10:], uint16(header))
	le.PutUint16(b[12:], a.flags)
	le.PutUint16(b[14:], uint16(max(p.instance, 0)))
	b = pad8(appendUnits(b, units))
	if a.resident {
		le.PutUint32(b[16:], uint32(len(a.value)))
		le.PutUint16(b[20:], uint16(len(b)))
		if a.indexed {
			b[22] = 1
		}
		b = append(b, a.value...)
	} else {
		all, _ := clustersOf(p.runs)
		b[8] = 1
		le.PutUint64(b[16:], uint64(p.lowest))
		le.PutUint64(b[24:], uint64(p.lowest+all-1))
		le.PutUint16(b[32:], uint16(len(b)))
		if p.lowest == 0 {
			b[34] = a.unit
			le.PutUint64(b[40:], uint64(a.allocated))
			le.PutUint64(b[48:], uint64(a.size))
			le.PutUint64(b[56:], uint64(a.initialized))
			if header == 72 {
				le.PutUint64(b[64:], uint64(a.packed))
			}
		}
		b = append(b, encodeRuns(p.runs)...)
	}
	b = pad8(b)
	le.PutUint32(b[4:], uint32(len(b)))
	return b
}

func pad8(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// sort puts attributes in the order of a record: by type, then by name.
func (e *Editor) sort(list []*attribute) {
	slices.SortStableFunc(list, func(a, b *attribute) int {
		x, _ := encodeName(a.name)
		y, _ := encodeName(b.name)
		return cmp.Or(cmp.Compare(a.typ, b.typ), e.v.upcase.collate(x, y))
	})
}

// room is the bytes for attributes in a record.
func (e *Editor) room(attributes int) int { return e.v.recordSize - attributes - 8 }

// fits tells whether a file needs no more than its base record.
func (e *Editor) fits(n *inode) bool {
	left := e.room(int(le.Uint16(n.base.b[20:])))
	for _, a := range n.attributes {
		left -= (&piece{a: a, runs: a.runs}).size()
	}
	return left >= 0
}

// save writes a file's base record in a phase and what else it needs before.
// Records beside the base record are always new ones: so the base record
// alone decides whether the file is the old one or the new.
func (e *Editor) save(n *inode, phase int) error {
	e.sort(n.attributes)
	pieces := make([]*piece, len(n.attributes))
	for i, a := range n.attributes {
		pieces[i] = &piece{a: a, runs: a.runs, instance: a.instance, holder: n.reference()}
	}
	if n.list != nil {
		e.release(n.list.runs)
		n.list = nil
	}
	for _, other := range n.others {
		e.discarded = append(e.discarded, recordOf(other))
	}
	n.others = nil
	if !e.fits(n) {
		var err error
		if pieces, err = e.spread(n, pieces); err != nil {
			return err
		}
	}
	if err := e.writeRecord(n.base, pieces, phase); err != nil {
		return err
	}
	if n.number() == recordMFT {
		a := n.find(typeData, "")
		e.v.mft = &stream{v: e.v, a: a, what: n.name()}
		e.v.info.Records = int64(e.v.records())
	}
	return nil
}

// writeRecord fills a record with those pieces that it holds.
func (e *Editor) writeRecord(r *record, pieces []*piece, phase int) error {
	first := int(le.Uint16(r.b[20:]))
	b := make([]byte, first, len(r.b)+8)
	copy(b, r.b)
	next := le.Uint16(b[40:])
	used := map[int]bool{}
	for _, p := range pieces {
		if p.holder == r.reference() {
			next = max(next, uint16(p.instance+1))
		}
	}
	renumber := next > 0xff00
	if renumber {
		next = 0
	}
	for _, p := range pieces {
		if p.holder != r.reference() {
			continue
		}
		if renumber || p.instance < 0 || used[p.instance] {
			p.instance = int(next)
			next++
		}
		used[p.instance] = true
		p.a.instance = p.instance
		b = append(b, p.encode()...)
	}
	b = le.AppendUint32(b, typeEnd)
	b = append(b, 0, 0, 0, 0)
	if len(b) > len(r.b) {
		return fmt.Errorf("%w: MFT record %d is full", ErrFull, r.number)
	}
	le.PutUint32(b[24:], uint32(len(b)))
	le.PutUint16(b[40:], next)
	clear(r.b[copy(r.b, b):])
	return e.putRecord(r, phase)
}

// putRecord writes a record, and its copy in $MFTMirr if it has one.
func (e *Editor) putRecord(r *record, phase int) error {
	if r.number == recordMFT {
		phase = phaseMFT
	}
	b := slices.Clone(r.b)
	if err := protect(b); err != nil {
		return r.damage(4, "%w", err)
	}
	// The next time that the record is written it must not look the same.
	at := le.Uint16(b[4:])
	copy(r.b[at:at+2], b[at:at+2])
	offset := int64(r.number) * int64(e.v.recordSize)
	if offset+int64(len(b)) <= e.mirror.a.size {
		if err := e.writeStream(phase, e.mirror, offset, b); err != nil {
			return err
		}
	}
	return e.writeStream(phase, e.v.mft, offset, b)
}

// newRecord makes the header of a record.
func (e *Editor) newRecord(number uint64, sequence, flags uint16, base uint64) *record {
	b := make([]byte, e.v.recordSize)
	copy(b, "FILE")
	header := recordHeader
	if e.v.info.Minor == 0 {
		header = 42
	} else {
		le.PutUint32(b[44:], uint32(number))
	}
	le.PutUint16(b[4:], uint16(header))
	le.PutUint16(b[6:], uint16(len(b)/stride+1))
	le.PutUint16(b[16:], sequence)
	first := alignUp(int64(header+2*(len(b)/stride+1)), 8)
	le.PutUint16(b[20:], uint16(first))
	le.PutUint16(b[22:], flags)
	le.PutUint32(b[24:], uint32(first)+8)
	le.PutUint32(b[28:], uint32(len(b)))
	le.PutUint64(b[32:], base)
	le.PutUint32(b[first:], typeEnd)
	return &record{number: number, b: b}
}
