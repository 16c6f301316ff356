package ntfs

import (
	"fmt"
)

// An inode is a file: its base record and all its attributes.
type inode struct {
	base       *record
	attributes []*attribute
	others     []uint64 // references of the extension records
	list       *attribute
	runs       int // in all attributes
}

func (n *inode) number() uint64    { return n.base.number }
func (n *inode) name() string      { return recordName(n.base.number) }
func (n *inode) reference() uint64 { return n.base.reference() }
func (n *inode) isDirectory() bool { return n.base.flags()&recordDirectory != 0 }

// find gives the attribute of a type and name, or nil.
func (n *inode) find(typ uint32, name string) *attribute {
	for _, a := range n.attributes {
		if a.typ == typ && a.name == name {
			return a
		}
	}
	return nil
}

// need is find for an attribute that must be there.
func (n *inode) need(typ uint32, name string) (*attribute, error) {
	if a := n.find(typ, name); a != nil {
		return a, nil
	}
	return nil, n.base.damage(0, "has no %v", &attribute{typ: typ, name: name})
}

// resident is need for an attribute that must be resident and of some length.
func (n *inode) resident(typ uint32, name string, length int) ([]byte, error) {
	a, err := n.need(typ, name)
	if err != nil {
		return nil, err
	}
	if !a.resident || len(a.value) < length {
		return nil, n.base.damage(0, "%v is not resident or shorter than %d bytes", a, length)
	}
	return a.value, nil
}

// record reads an MFT record, in use or not.
func (v *Volume) record(number uint64) (*record, error) {
	at, err := v.recordAt(number)
	if err != nil {
		return nil, err
	}
	b := make([]byte, v.recordSize)
	if err := v.readRecord(b, number); err != nil {
		return nil, err
	}
	return parseRecord(number, at, b)
}

// records is the number of records in the MFT.
func (v *Volume) records() uint64 { return uint64(v.mft.a.size) / uint64(v.recordSize) }

// recordAt is where on the volume a record begins.
func (v *Volume) recordAt(number uint64) (int64, error) {
	if number >= v.records() {
		return 0, damage(recordName(number), -1, "the MFT has %d records", v.records())
	}
	at, _, err := v.mft.place(int64(number) * int64(v.recordSize))
	if err == nil && at == hole {
		err = damage(recordName(number), -1, "lies in a hole of the MFT")
	}
	return at, err
}

func (v *Volume) readRecord(b []byte, number uint64) error {
	return v.mft.read(b, int64(number)*int64(v.recordSize))
}

// inode reads a file by the number of its base record.
func (v *Volume) inode(number uint64) (*inode, error) {
	r, err := v.record(number)
	if err != nil {
		return nil, err
	}
	if !r.inUse() {
		return nil, r.damage(22, "is not in use")
	}
	if r.base() != 0 {
		return nil, r.damage(32, "is not the first of its file, but one of record %d's", recordOf(r.base()))
	}
	return v.assemble(r)
}

// referenced is inode for a reference, whose sequence number must be right.
func (v *Volume) referenced(reference uint64) (*inode, error) {
	n, err := v.inode(recordOf(reference))
	if err != nil {
		return nil, err
	}
	if n.base.sequence() != sequenceOf(reference) {
		return nil, n.base.damage(16, "has sequence number %d, not %d", n.base.sequence(), sequenceOf(reference))
	}
	return n, nil
}

// assemble collects a file's attributes from its records. For the MFT itself it
// makes the records found so far readable on the way, as they lead to the rest,
// when the volume is opened.
func (v *Volume) assemble(base *record) (*inode, error) {
	n := &inode{base: base}
	extents, err := base.extents()
	if err != nil {
		return nil, err
	}
	for i := range extents {
		e := &extents[i]
		if e.typ != typeAttributeList {
			continue
		}
		if n.list != nil {
			return nil, base.damage(e.offset, "a second $ATTRIBUTE_LIST")
		}
		if n.list, err = v.attribute(base, e); err != nil {
			return nil, err
		}
	}
	if n.list == nil {
		for i := range extents {
			if err := n.add(v, base, &extents[i]); err != nil {
				return nil, err
			}
		}
		return n, n.complete(v)
	}
	if v.mft == nil {
		for i := range extents {
			if e := &extents[i]; e.typ == typeData && e.name == "" {
				a, err := v.attribute(base, e)
				if err != nil {
					return nil, err
				}
				v.mft = &stream{v: v, a: a, what: recordName(recordMFT)}
			}
		}
	}
	return n, v.addListed(n, extents)
}

// attribute makes the attribute that begins with an extent.
func (v *Volume) attribute(r *record, e *extent) (*attribute, error) {
	a := &attribute{
		typ: e.typ, name: e.name, flags: e.flags, instance: -1, resident: e.resident, indexed: e.indexed,
		allocated: e.allocated, size: e.size, initialized: e.initialized, unit: e.unit, packed: e.compressed,
	}
	if r.base() == 0 {
		a.instance = int(e.instance)
	}
	if e.resident {
		a.value = e.value
		return a, nil
	}
	if e.lowest != 0 {
		return nil, r.damage(e.offset, "%v begins with virtual cluster %d", a, e.lowest)
	}
	return a, v.extend(a, r, e)
}

// extend adds the runs of the next extent to an attribute.
func (v *Volume) extend(a *attribute, r *record, e *extent) error {
	runs, end, err := decodeRuns(a.runs, e.pairs, e.lowest, v.clusters)
	if err != nil {
		return r.damage(e.offset, "%v: %w", a, err)
	}
	if end != e.highest+1 {
		return r.damage(e.offset, "%v: a run list up to virtual cluster %d, not %d", a, end-1, e.highest)
	}
	a.runs = runs
	return nil
}

// add adds an extent of one of the file's records.
func (n *inode) add(v *Volume, r *record, e *extent) error {
	if e.resident || e.lowest == 0 {
		if e.typ != typeFileName && n.find(e.typ, e.name) != nil {
			return r.damage(e.offset, "a second %v", &attribute{typ: e.typ, name: e.name})
		}
		a, err := v.attribute(r, e)
		if err != nil {
			return err
		}
		n.attributes = append(n.attributes, a)
		return n.count(len(a.runs))
	}
	a := n.find(e.typ, e.name)
	if a == nil || a.resident {
		return r.damage(e.offset, "%v has no beginning", &attribute{typ: e.typ, name: e.name})
	}
	end := int64(0)
	if len(a.runs) > 0 {
		last := a.runs[len(a.runs)-1]
		end = last.vcn + last.count
	}
	if end != e.lowest {
		return r.damage(e.offset, "%v goes on with virtual cluster %d, not %d", a, e.lowest, end)
	}
	before := len(a.runs)
	if err := v.extend(a, r, e); err != nil {
		return err
	}
	return n.count(len(a.runs) - before)
}

// count keeps the runs of a file within their bound.
func (n *inode) count(runs int) error {
	if n.runs += runs; n.runs > maxRuns {
		return fmt.Errorf("%s: %w", n.name(), errRuns)
	}
	return nil
}

// complete checks that each attribute has the clusters that its size needs.
func (n *inode) complete(v *Volume) error {
	for _, a := range n.attributes {
		if a.resident {
			continue
		}
		all, _ := clustersOf(a.runs)
		if all > (1<<62)/v.clusterSize || a.allocated != all*v.clusterSize {
			return n.base.damage(0, "%v: %d clusters for %d bytes", a, all, a.allocated)
		}
	}
	return nil
}

// file names a file's record for messages, by its name if it has one.
func (n *inode) file() string {
	for _, a := range n.attributes {
		if a.typ == typeFileName {
			if f, err := parseFileName(a.value); err == nil {
				return fmt.Sprintf("%s (%s)", n.name(), f.name)
			}
		}
	}
	return n.name()
}
