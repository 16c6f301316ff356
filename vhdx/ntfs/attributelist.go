package ntfs

import "fmt"

// A listEntry says which record holds an attribute or a part of one.
type listEntry struct {
	typ       uint32
	name      string
	lowest    int64
	reference uint64
	instance  uint16
}

const listEntryHeader = 26

// parseList reads the value of an $ATTRIBUTE_LIST.
func parseList(n *inode, b []byte) ([]listEntry, error) {
	var list []listEntry
	for at := 0; at < len(b); {
		left := b[at:]
		if len(left) < listEntryHeader {
			return nil, n.base.damage(0, "$ATTRIBUTE_LIST ends within an entry, at its byte %d", at)
		}
		length, units, nameAt := int(le.Uint16(left[4:])), int(left[6]), int(left[7])
		if length < listEntryHeader || length%8 != 0 || length > len(left) || units > 0 && (nameAt < listEntryHeader || nameAt+2*units > length) {
			return nil, n.base.damage(0, "$ATTRIBUTE_LIST has an entry of %d bytes at its byte %d", length, at)
		}
		e := listEntry{typ: le.Uint32(left), lowest: int64(le.Uint64(left[8:])), reference: le.Uint64(left[16:]), instance: le.Uint16(left[24:])}
		if units > 0 {
			e.name = decodeName(left[nameAt : nameAt+2*units])
		}
		list = append(list, e)
		at += length
	}
	return list, nil
}

// addListed adds to a file what its attribute list names.
func (v *Volume) addListed(n *inode, baseExtents []extent) error {
	value, err := (&stream{v: v, a: n.list, what: n.name()}).readAll(maxList)
	if err != nil {
		return err
	}
	list, err := parseList(n, value)
	if err != nil {
		return err
	}
	type place struct {
		number   uint64
		instance uint16
	}
	seen := map[place]bool{}
	known := map[uint64]bool{n.number(): true}
	r, extents := n.base, baseExtents
	for _, e := range list {
		if e.typ == typeAttributeList {
			continue
		}
		number := recordOf(e.reference)
		if number != r.number {
			if r, extents, err = v.listed(n, e.reference, baseExtents); err != nil {
				return err
			}
		}
		if !known[number] {
			known[number] = true
			n.others = append(n.others, e.reference)
			if len(known)*v.recordSize > maxRecords {
				return fmt.Errorf("%s: %d records: %w: at most %d bytes of them", n.name(), len(known), ErrTooLarge, maxRecords)
			}
		}
		p := place{number, e.instance}
		if seen[p] {
			return n.base.damage(0, "$ATTRIBUTE_LIST names attribute %#x, instance %d of record %d, twice", e.typ, e.instance, number)
		}
		seen[p] = true
		found := findListed(extents, e)
		if found == nil {
			return r.damage(0, "has no attribute %#x with instance %d, which record %d's $ATTRIBUTE_LIST names", e.typ, e.instance, n.number())
		}
		if err := n.add(v, r, found); err != nil {
			return err
		}
		if v.opening && e.typ == typeData && e.name == "" {
			v.mft.a = n.find(typeData, "")
		}
	}
	return n.complete(v)
}

// listed reads one of the records that an attribute list names.
func (v *Volume) listed(n *inode, reference uint64, baseExtents []extent) (*record, []extent, error) {
	if recordOf(reference) == n.number() {
		return n.base, baseExtents, nil
	}
	r, err := v.record(recordOf(reference))
	if err != nil {
		return nil, nil, err
	}
	if !r.inUse() || r.sequence() != sequenceOf(reference) || r.base() != n.reference() {
		return nil, nil, r.damage(16, "is not part of record %d, whose $ATTRIBUTE_LIST names it", n.number())
	}
	extents, err := r.extents()
	return r, extents, err
}

func findListed(extents []extent, e listEntry) *extent {
	for i := range extents {
		x := &extents[i]
		if x.typ == e.typ && x.instance == e.instance && x.name == e.name && (x.resident || x.lowest == e.lowest) {
			return x
		}
	}
	return nil
}
