package ntfs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxOwners bounds the runs of clusters that [Owners] keeps: 40 bytes each.
const MaxOwners = 4 << 20

// Owners tells which files own which clusters.
type Owners struct {
	v    *Volume
	runs []ownedRun
	// reach[i] is the end of the run among the first i+1 that ends last: on a
	// damaged volume runs overlap.
	reach   []int64
	streams []string
	mft     []run   // of the MFT's $DATA, by their places on the volume
	records *stream // the MFT's $BITMAP, once it was needed; nil: none
	looked  bool
	skipped int
	fault   error
}

type ownedRun struct {
	first, count int64
	record       uint64
	stream       uint32
}

// An Owner is a file that owns clusters.
type Owner struct {
	Record uint64 // of the file in the MFT
	Stream string // such as "$DATA", "$DATA:name" or "$INDEX_ALLOCATION:$I30"; empty: the clusters hold the record itself
	Extent        // the part of the clusters asked for that it owns
}

// Owners reads the whole MFT once. Records that cannot be read are passed over:
// see [Owners.Skipped].
func (v *Volume) Owners() (*Owners, error) {
	o := &Owners{v: v}
	ids := map[string]uint32{}
	const most = 1 << 20
	chunk := max(1, most/v.recordSize)
	buf := make([]byte, chunk*v.recordSize)
	total := v.records()
	for number := uint64(0); number < total; {
		b := buf[:min(uint64(chunk), total-number)*uint64(v.recordSize)]
		if err := v.readRecord(b, number); err != nil {
			return nil, fmt.Errorf("find the owners of clusters: %w", err)
		}
		for ; len(b) > 0; b, number = b[v.recordSize:], number+1 {
			if err := o.add(number, b[:v.recordSize:v.recordSize], ids); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(o.runs, func(a, b ownedRun) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.record, b.record))
	})
	o.records, o.looked = nil, false
	o.mft = slices.Clone(v.mft.a.runs)
	slices.SortFunc(o.mft, func(a, b run) int { return cmp.Compare(a.lcn, b.lcn) })
	for i, r := range o.mft {
		if i > 0 && o.mft[i-1].lcn+o.mft[i-1].count > r.lcn {
			o.skip(damage(recordName(recordMFT), r.lcn*v.clusterSize, "$DATA of the MFT has cluster %d twice", r.lcn))
			o.mft = nil // nothing in it has a place of its own
			break
		}
	}
	o.reach = make([]int64, len(o.runs))
	end := int64(0)
	for i, r := range o.runs {
		end = max(end, r.first+r.count)
		o.reach[i] = end
	}
	return o, nil
}

// add takes in one record; only one that goes beyond MaxOwners is an error.
func (o *Owners) add(number uint64, b []byte, ids map[string]uint32) error {
	at, err := o.v.recordAt(number)
	if err != nil {
		o.skip(err)
		return nil
	}
	r, err := parseRecord(number, at, b)
	if err != nil {
		if !o.recordFree(number) { // what a free record holds does not count
			o.skip(err)
		}
		return nil
	}
	if !r.inUse() {
		return nil
	}
	extents, err := r.extents()
	if err != nil {
		o.skip(err)
		return nil
	}
	owner := number
	if r.base() != 0 {
		owner = recordOf(r.base())
	}
	for i := range extents {
		e := &extents[i]
		if e.resident {
			continue
		}
		runs, _, err := decodeRuns(nil, e.pairs, e.lowest, o.v.clusters)
		if err != nil {
			o.skip(r.damage(e.offset, "%w", err))
			continue
		}
		stream, err := o.stream(e, ids)
		if err != nil {
			return err
		}
		for _, run := range runs {
			if run.lcn == hole {
				continue
			}
			if len(o.runs) == MaxOwners {
				return fmt.Errorf("find the owners of clusters: %w: more than %d runs of clusters", ErrTooLarge, MaxOwners)
			}
			o.runs = append(o.runs, ownedRun{first: run.lcn, count: run.count, record: owner, stream: stream})
		}
	}
	return nil
}

// recordFree tells whether the MFT's bitmap has a record as free.
func (o *Owners) recordFree(number uint64) bool {
	if !o.looked {
		o.looked = true
		if n, err := o.v.inode(recordMFT); err == nil {
			if a := n.find(typeBitmap, ""); a != nil {
				o.records = &stream{v: o.v, a: a, what: n.name()}
			}
		}
	}
	if o.records == nil {
		return false
	}
	b := make([]byte, 1)
	err := o.records.read(b, int64(number/8))
	return err == nil && b[0]>>(number%8)&1 == 0
}

// stream numbers the names of streams, few of which differ.
func (o *Owners) stream(e *extent, ids map[string]uint32) (uint32, error) {
	name := (&attribute{typ: e.typ, name: e.name}).String()
	id, ok := ids[name]
	if !ok {
		if len(o.streams) == MaxOwners/16 {
			return 0, fmt.Errorf("find the owners of clusters: %w: more than %d names of streams", ErrTooLarge, len(o.streams))
		}
		id = uint32(len(o.streams))
		ids[name] = id
		o.streams = append(o.streams, name)
	}
	return id, nil
}

func (o *Owners) skip(err error) {
	o.skipped++
	if o.fault == nil {
		o.fault = err
	}
}

// Skipped counts the records, or parts of them, that could not be read, and
// gives the first reason.
func (o *Owners) Skipped() (int, error) { return o.skipped, o.fault }

// Of gives the owners of clusters, in the order of the clusters: each run of a
// file that reaches into them, and for clusters of the MFT also the records in
// use that lie there. More than one owner of a cluster is damage.
func (o *Owners) Of(e Extent) []Owner {
	var list []Owner
	end := e.First + e.Count
	i, _ := slices.BinarySearchFunc(o.reach, e.First+1, cmp.Compare)
	for ; i < len(o.runs) && o.runs[i].first < end; i++ {
		r := o.runs[i]
		first, last := max(r.first, e.First), min(r.first+r.count, end)
		if first >= last {
			continue
		}
		own := Owner{Record: r.record, Stream: o.streams[r.stream], Extent: Extent{first, last - first}}
		list = append(list, own)
		if r.record == recordMFT && own.Stream == typeName(typeData) {
			list = o.recordsIn(list, own.Extent)
		}
	}
	return list
}

// recordsIn appends the files whose records lie in clusters of the MFT.
func (o *Owners) recordsIn(list []Owner, e Extent) []Owner {
	size, record := o.v.clusterSize, int64(o.v.recordSize)
	i, _ := slices.BinarySearchFunc(o.mft, e.First+1, func(r run, at int64) int { return cmp.Compare(r.lcn+r.count, at) })
	for ; i < len(o.mft) && o.mft[i].lcn < e.First+e.Count; i++ {
		r := o.mft[i]
		first, last := max(r.lcn, e.First), min(r.lcn+r.count, e.First+e.Count)
		from, to := (r.vcn+first-r.lcn)*size, (r.vcn+last-r.lcn)*size
		for number := uint64(from / record); number < min(uint64((to+record-1)/record), o.v.records()); number++ {
			rec, err := o.v.record(number)
			if err != nil || !rec.inUse() {
				continue
			}
			owner := number
			if rec.base() != 0 {
				owner = recordOf(rec.base())
			}
			list = append(list, Owner{Record: owner, Extent: Extent{first, last - first}})
		}
	}
	return list
}

// Path gives a path of a file by its record, such as "Windows/win.ini" or
// "$MFT". Of several names it takes the first that is not a short DOS name.
func (v *Volume) Path(number uint64) (string, error) {
	var parts []string
	units := 0
	seen := map[uint64]bool{}
	for at := number; at != recordRoot; {
		n, err := v.inode(at)
		if err != nil {
			return "", fmt.Errorf("path of MFT record %d: %w", number, err)
		}
		f, err := n.bestName()
		if err != nil {
			return "", fmt.Errorf("path of MFT record %d: %w", number, err)
		}
		if units += len(f.units) + 1; units > maxPath || seen[at] {
			return "", fmt.Errorf("path of MFT record %d: %w", number, n.base.damage(0, "its directories lead to each other"))
		}
		seen[at] = true
		parts = append(parts, f.name)
		at = recordOf(f.parent)
	}
	if len(parts) == 0 {
		return ".", nil
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/"), nil
}

// bestName is the file's first name that is not one made for DOS.
func (n *inode) bestName() (best fileName, err error) {
	found := false
	for _, a := range n.attributes {
		if a.typ != typeFileName {
			continue
		}
		f, err := parseFileName(a.value)
		if err != nil {
			return best, n.base.damage(0, "%w", err)
		}
		if !found || best.space == nameDOS && f.space != nameDOS {
			best, found = f, true
		}
	}
	if !found {
		return best, n.base.damage(0, "has no name")
	}
	return best, nil
}
