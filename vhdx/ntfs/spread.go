package ntfs

import (
	"cmp"
	"fmt"
	"slices"
)

// spread lays a file out over several records and gives it an attribute list.
func (e *Editor) spread(n *inode, pieces []*piece) ([]*piece, error) {
	if n.number() == recordMFT {
		return nil, errManyParts
	}
	list := &attribute{typ: typeAttributeList, resident: true, instance: -1}
	whole := pieces
	for _, resident := range []bool{true, false} {
		for _, p := range whole {
			p.out = false
		}
		pieces = e.moveOut(n, whole, resident)
		if pieces == nil {
			continue
		}
		if err := e.place(n, pieces); err != nil {
			return nil, err
		}
		n.list = list
		list.value = encodeList(pieces)
		if len(list.value) > maxList {
			return nil, fmt.Errorf("%w: %s lies in too many parts of the volume", ErrFull, n.file())
		}
		list.size, list.initialized, list.allocated = int64(len(list.value)), int64(len(list.value)), alignUp(int64(len(list.value)), 8)
		if !resident {
			if err := e.settle(list); err != nil {
				return nil, err
			}
		}
		i, _ := slices.BinarySearchFunc(pieces, uint32(typeAttributeList), func(p *piece, typ uint32) int { return cmp.Compare(p.a.typ, typ) })
		return slices.Insert(pieces, i, &piece{a: list, runs: list.runs, holder: n.reference(), instance: -1}), nil
	}
	return nil, fmt.Errorf("%w: MFT record %d has no room for the list of its attributes", ErrFull, n.number())
}

// rank orders the attributes that may leave the base record: 0 stays.
func rank(typ uint32) int {
	switch typ {
	case typeStandardInformation, typeVolumeInformation:
		return 0
	case typeFileName:
		return 2
	case typeIndexRoot:
		return 3
	}
	return 1
}

// moveOut chooses which pieces leave the base record, the largest first, until
// the others fit beside the attribute list, and splits those too large for any
// record. It gives nil if they never fit.
func (e *Editor) moveOut(n *inode, whole []*piece, residentList bool) []*piece {
	candidates := slices.DeleteFunc(slices.Clone(whole), func(p *piece) bool { return rank(p.a.typ) == 0 })
	slices.SortStableFunc(candidates, func(p, q *piece) int {
		return cmp.Or(cmp.Compare(rank(p.a.typ), rank(q.a.typ)), cmp.Compare(q.size(), p.size()))
	})
	for i := 0; ; i++ {
		var pieces []*piece
		used, entries := 0, 0
		for _, p := range whole {
			split := []*piece{p}
			if p.out {
				split = e.splitPiece(p)
			} else {
				used += p.size()
			}
			pieces = append(pieces, split...)
			entries += len(split) * listEntrySize(p.a)
		}
		if residentList {
			used += 24 + entries
		} else {
			used += 64 + 256 // a run list of many runs
		}
		if used <= e.room(int(le.Uint16(n.base.b[20:]))) {
			return pieces
		}
		if i == len(candidates) {
			return nil
		}
		candidates[i].out = true
	}
}

// splitPiece cuts an attribute's clusters so that each part fits into a record.
func (e *Editor) splitPiece(p *piece) []*piece {
	room := e.room(int(le.Uint16(e.newRecord(0, 0, 0, 0).b[20:])))
	if p.a.resident || p.size() <= room {
		return []*piece{p}
	}
	// A run takes 1 + 8 + 8 bytes at most.
	units, _ := encodeName(p.a.name)
	most := (room - 72 - 8 - 2*len(units) - 8) / 17
	var parts []*piece
	for runs := range slices.Chunk(p.a.runs, most) {
		parts = append(parts, &piece{a: p.a, runs: runs, lowest: runs[0].vcn, out: true, instance: -1})
	}
	return parts
}

// place takes new records for the pieces that are not in the base record, and writes them.
func (e *Editor) place(n *inode, pieces []*piece) error {
	var r *record
	left := 0
	var records []*record
	for _, p := range pieces {
		if p.holder = n.reference(); !p.out {
			continue
		}
		if p.instance = -1; r == nil || p.size() > left {
			number, sequence, err := e.takeRecord()
			if err != nil {
				return err
			}
			r = e.newRecord(number, sequence, recordInUse, n.reference())
			records = append(records, r)
			n.others = append(n.others, r.reference())
			left = e.room(int(le.Uint16(r.b[20:])))
		}
		if p.size() > left {
			return fmt.Errorf("%w: %v of %s is larger than an MFT record", ErrFull, p.a, n.file())
		}
		left -= p.size()
		p.holder = r.reference()
	}
	for _, r := range records {
		if err := e.writeRecord(r, pieces, phaseFill); err != nil {
			return err
		}
	}
	// The list names the instances, so those of the base record are settled now.
	for i, p := range pieces {
		if p.holder == n.reference() {
			p.instance = i
		}
	}
	le.PutUint16(n.base.b[40:], uint16(len(pieces)))
	return nil
}

func listEntrySize(a *attribute) int {
	units, _ := encodeName(a.name)
	return int(alignUp(int64(listEntryHeader+2*len(units)), 8))
}

func encodeList(pieces []*piece) []byte {
	var list []byte
	for _, p := range pieces {
		units, _ := encodeName(p.a.name)
		b := make([]byte, listEntryHeader)
		le.PutUint32(b, p.a.typ)
		le.PutUint16(b[4:], uint16(listEntrySize(p.a)))
		b[6], b[7] = byte(len(units)), listEntryHeader
		le.PutUint64(b[8:], uint64(p.lowest))
		le.PutUint64(b[16:], p.holder)
		le.PutUint16(b[24:], uint16(p.instance))
		list = append(list, pad8(appendUnits(b, units))...)
	}
	return list
}
