package ntfs

import (
	"fmt"
	"io/fs"
	"slices"
)

// size is the length of an entry in a node.
func (x *entry) size() int {
	n := entryHeader
	if !x.end {
		n += int(alignUp(int64(len(x.key)), 8))
	}
	if x.sub >= 0 {
		n += 8
	}
	return n
}

func entriesSize(entries []entry) (n int) {
	for i := range entries {
		n += entries[i].size()
	}
	return n
}

func encodeEntries(entries []entry) []byte {
	var b []byte
	for i := range entries {
		x := &entries[i]
		head := make([]byte, entryHeader)
		le.PutUint64(head, x.reference)
		le.PutUint16(head[8:], uint16(x.size()))
		le.PutUint16(head[10:], uint16(len(x.key)))
		flags := uint16(0)
		if x.sub >= 0 {
			flags |= entrySub
		}
		if x.end {
			flags |= entryEnd
		}
		le.PutUint16(head[12:], flags)
		b = pad8(append(append(b, head...), x.key...))
		if x.sub >= 0 {
			b = le.AppendUint64(b, uint64(x.sub))
		}
	}
	return b
}

// nodeBytes makes a node's header and entries.
func nodeBytes(entries []entry, first, allocated int) []byte {
	b := make([]byte, first)
	b = append(b, encodeEntries(entries)...)
	le.PutUint32(b, uint32(first))
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[8:], uint32(max(allocated, len(b))))
	if entries[0].sub >= 0 {
		b[12] = nodeInner
	}
	return b
}

// firstInBlock is where entries begin in a block, behind its header.
func (x *index) firstInBlock() int {
	return int(alignUp(int64(nodeHeader+2*(x.blockSize/stride+1)), 8))
}

// blockFits tells whether entries fit into a block.
func (x *index) blockFits(entries []entry) bool {
	return x.firstInBlock()+entriesSize(entries) <= x.blockSize-indexBlockHeader
}

// insert puts a name into a directory. The directory's record is not saved.
func (e *Editor) insert(dir *inode, reference uint64, key []byte) error {
	x, err := e.v.directory(dir)
	if err != nil {
		return err
	}
	if x.blockSize < 2048 { // four of the longest names
		return dir.base.damage(0, "index blocks of %d bytes", x.blockSize)
	}
	way, found, err := x.exactly(keyUnits(key))
	if err != nil {
		return err
	}
	if found {
		return fs.ErrExist
	}
	for i := range way {
		if err := x.ordered(way[i].node); err != nil {
			return err
		}
	}
	add := entry{reference: reference, key: key, sub: -1}
	for level := len(way) - 1; ; level-- {
		s := way[level]
		entries := slices.Insert(slices.Clone(s.entries), s.i, add)
		if level < len(way)-1 { // the node below was split: what comes behind the new entry is its second half
			entries[s.i+1].sub = way[level+1].second
		}
		if level == 0 {
			return e.putRoot(x, entries)
		}
		if x.blockFits(entries) {
			return e.putBlock(x, s.vcn, s.b, entries, phaseIndex+level)
		}
		second, err := e.splitNode(x, s.node, entries, level)
		if err != nil {
			return err
		}
		add = second.middle
		way[level].second = second.vcn
	}
}

// ordered requires that a node's names are in order: otherwise a name that is
// there may not have been found.
func (x *index) ordered(nd *node) error {
	for i := 1; i < len(nd.entries) && !nd.entries[i].end; i++ {
		before, after := keyUnits(nd.entries[i-1].key), keyUnits(nd.entries[i].key)
		if x.v.upcase.collate(before, after) >= 0 {
			return damage(x.what(nd.vcn), nd.at, "%q and %q are not in order", decodeName(appendUnits(nil, before)), decodeName(appendUnits(nil, after)))
		}
	}
	return nil
}

// A halved node is the second half of a node and the entry between the halves.
type halved struct {
	middle entry
	vcn    int64
}

// splitNode leaves the first half of a node's entries where it was, writes the
// second into a new block, and gives the entry between them, which leads to
// the first half.
func (e *Editor) splitNode(x *index, nd *node, entries []entry, level int) (halved, error) {
	half, at := entriesSize(entries)/2, 0
	mid := 0
	for ; mid < len(entries)-2 && at+entries[mid].size() < half; mid++ {
		at += entries[mid].size()
	}
	mid = max(mid, 1)
	if mid > len(entries)-2 {
		return halved{}, damage(x.what(nd.vcn), nd.at, "is full with %d entries", len(entries))
	}
	middle := entries[mid]
	first := append(slices.Clone(entries[:mid]), entry{end: true, sub: middle.sub})
	second := entries[mid+1:]
	vcn, err := e.takeBlock(x)
	if err != nil {
		return halved{}, err
	}
	if err := e.putBlock(x, vcn, nil, second, phaseFill); err != nil {
		return halved{}, err
	}
	if err := e.putBlock(x, nd.vcn, nd.b, first, phaseIndex+level); err != nil {
		return halved{}, err
	}
	middle.sub = nd.vcn
	return halved{middle, vcn}, nil
}

// putRoot gives the index new root entries, or moves them into a block if the
// file's record would not hold them.
func (e *Editor) putRoot(x *index, entries []entry) error {
	a, err := x.n.need(typeIndexRoot, x.name)
	if err != nil {
		return err
	}
	set := func(entries []entry) {
		b := nodeBytes(entries, nodeHeader, 0)
		a.value = append(slices.Clone(x.root[:indexRootHeader]), b...)
		a.size = int64(len(a.value))
		a.initialized, a.allocated = a.size, alignUp(a.size, 8)
		x.root = a.value
	}
	old := a.value
	set(entries)
	if e.fits(x.n) || x.n.list != nil && len(a.value) <= max(len(old), e.v.recordSize/4) {
		return nil
	}
	a.value, x.root = old, old
	if !x.blockFits(entries) {
		return damage(x.what(-1), x.n.base.at, "its root is larger than its blocks")
	}
	vcn, err := e.takeBlock(x)
	if err != nil {
		return err
	}
	if err := e.putBlock(x, vcn, nil, entries, phaseFill); err != nil {
		return err
	}
	set([]entry{{end: true, sub: vcn}})
	return nil
}

// putBlock writes a block of an index; old is the block so far, nil for a new one.
func (e *Editor) putBlock(x *index, vcn int64, old []byte, entries []entry, phase int) error {
	b := make([]byte, indexBlockHeader, x.blockSize)
	copy(b, "INDX")
	first := x.firstInBlock()
	le.PutUint16(b[4:], indexBlockHeader+nodeHeader)
	le.PutUint16(b[6:], uint16(x.blockSize/stride+1))
	le.PutUint64(b[16:], uint64(vcn))
	b = append(b, nodeBytes(entries, first, x.blockSize-indexBlockHeader)...)
	if len(b) > x.blockSize {
		return damage(x.what(vcn), -1, "%d bytes of entries", len(b))
	}
	b = b[:x.blockSize]
	if old != nil {
		copy(b[8:16], old[8:16]) // the log sequence number
		at := le.Uint16(old[4:])
		copy(b[indexBlockHeader+nodeHeader:], old[at:at+2])
	}
	if err := protect(b); err != nil {
		return damage(x.what(vcn), -1, "%w", err)
	}
	return e.writeStream(phase, x.blocks, vcn<<x.shift, b)
}

// takeBlock takes a free block of an index, which grows if there is none.
func (e *Editor) takeBlock(x *index) (int64, error) {
	if x.blocks == nil {
		a := &attribute{typ: typeIndexAllocation, name: x.name, instance: -1}
		x.n.attributes = append(x.n.attributes, a)
		x.blocks = &stream{v: e.v, a: a, what: x.n.file()}
	}
	bits := x.n.find(typeBitmap, x.name)
	if bits == nil {
		if x.count() > 0 {
			return 0, x.n.base.damage(0, "index %s has blocks and no $BITMAP", x.name)
		}
		bits = &attribute{typ: typeBitmap, name: x.name, resident: true, instance: -1}
		x.n.attributes = append(x.n.attributes, bits)
	}
	s := &stream{v: e.v, a: bits, what: x.n.file()}
	count := x.count()
	if bits.size < (count+7)/8 {
		return 0, x.n.base.damage(0, "%v of %d bytes for %d blocks", bits, bits.size, count)
	}
	if !bits.resident && bits.initialized < bits.size { // as ntfs-3g leaves it: what is beyond reads as zeros, and must be
		if err := e.zeroFrom(bits, bits.initialized); err != nil {
			return 0, err
		}
		bits.initialized = bits.size
	}
	if err := e.checkIndex(x, s); err != nil {
		return 0, err
	}
	free := count
	for f, err := range s.clear(0, count) {
		if err != nil {
			return 0, err
		}
		free = f.First
		break
	}
	if free == count {
		if err := e.growIndex(x, bits); err != nil {
			return 0, err
		}
	}
	if err := e.setIndexBit(bits, s, free); err != nil {
		return 0, err
	}
	return free * int64(x.blockSize) >> x.shift, nil
}

// checkIndex requires, before the editor first takes a block of an index, that
// its bitmap has none as free that is part of it.
func (e *Editor) checkIndex(x *index, bitmap *stream) error {
	if e.checked[x.n.number()] {
		return nil
	}
	blocks, err := x.each(func(*entry) error { return nil })
	if err != nil {
		return err
	}
	for f, err := range bitmap.clear(0, x.count()) {
		if err != nil {
			return err
		}
		for i := f.First; i < f.First+f.Count; i++ {
			if blocks[i/64]>>(i%64)&1 == 1 {
				return damage(x.what(i*int64(x.blockSize)>>x.shift), -1, "is part of the index, but free by its $BITMAP")
			}
		}
	}
	if len(e.checked) == maxChecked {
		clear(e.checked)
	}
	e.checked[x.n.number()] = true
	return nil
}

const maxChecked = 1 << 16

func (e *Editor) setIndexBit(bits *attribute, s *stream, i int64) error {
	if !bits.resident {
		return e.setBits(s, phaseClaim, i, 1, true)
	}
	bits.value = slices.Clone(bits.value) // it may share the record's memory
	bits.value[i/8] |= 1 << (i % 8)
	return nil
}

// growIndex adds free blocks to an index, an eighth of those that it has.
func (e *Editor) growIndex(x *index, bits *attribute) error {
	a := x.blocks.a
	count := x.count()
	if a.size != count*int64(x.blockSize) || a.initialized != a.size {
		return x.n.base.damage(0, "%v of %d bytes, %d of them initialized", a, a.size, a.initialized)
	}
	grown := count + min(max(count/8, 1), 16)
	err := e.enlarge(a, grown*int64(x.blockSize))
	if err != nil {
		return fmt.Errorf("directory %s: %w", x.n.file(), err)
	}
	for i := count; i < grown; i++ {
		if err := e.putBlock(x, i*int64(x.blockSize)>>x.shift, nil, []entry{{end: true, sub: -1}}, phaseFill); err != nil {
			return err
		}
	}
	if need := (grown + 7) / 8; bits.resident && need > bits.size {
		bits.value = append(slices.Clone(bits.value), make([]byte, alignUp(need, 8)-bits.size)...)
		bits.size = int64(len(bits.value))
		bits.initialized, bits.allocated = bits.size, bits.size
		if bits.size > maxResidentBits {
			return e.settle(bits)
		}
		return nil
	}
	if bits.resident {
		return nil
	}
	if need := alignUp((grown+7)/8, 8); need > bits.size {
		initialized := bits.initialized
		if err := e.enlarge(bits, need); err != nil {
			return err
		}
		return e.zeroFrom(bits, initialized)
	}
	return nil
}

const maxResidentBits = 128 // bytes of the bitmap of an index
