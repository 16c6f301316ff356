package ntfs

import "fmt"

// An index is a B-tree of a file: its root lies in the file's record, its other
// nodes are blocks of a stream.
type index struct {
	v         *Volume
	n         *inode
	name      string
	root      []byte // $INDEX_ROOT
	blockSize int
	shift     int     // blocks are counted in units of 1 << shift bytes
	blocks    *stream // nil: the root is all there is
}

const (
	indexDirectory = "$I30"

	indexRootHeader  = 16 // before the node header
	indexBlockHeader = 24
	nodeHeader       = 16
	entryHeader      = 16

	entrySub = 1 // the entry leads to a node
	entryEnd = 2

	nodeInner = 1
)

// Collation rules of indexes.
const (
	collateFileName     = 1
	collateUint32       = 0x10
	collateSecurityHash = 0x12
)

// An entry is one of an index. The last of a node has no key.
type entry struct {
	reference uint64 // directories: the file
	key       []byte
	data      []byte // other indexes
	sub       int64  // the node below whose keys come before this one; -1: none
	end       bool
}

// A node is one of an index, its entries sharing its memory.
type node struct {
	vcn     int64 // -1: the root
	at      int64 // on the volume, of its first entry's node header
	b       []byte
	entries []entry
}

// openIndex opens an index of a file.
func (v *Volume) openIndex(n *inode, name string, rule uint32) (*index, error) {
	root, err := n.resident(typeIndexRoot, name, indexRootHeader+nodeHeader)
	if err != nil {
		return nil, err
	}
	x := &index{v: v, n: n, name: name, root: root}
	if got := le.Uint32(root[4:]); got != rule {
		return nil, n.base.damage(0, "index %s is in order %#x, not %#x", name, got, rule)
	}
	size := int64(le.Uint32(root[8:]))
	if !powerOfTwo(size) || size < stride || size > maxRecord {
		return nil, n.base.damage(0, "index %s has blocks of %d bytes", name, size)
	}
	x.blockSize = int(size)
	x.shift = v.vcnShift(x.blockSize)
	if a := n.find(typeIndexAllocation, name); a != nil {
		if a.resident {
			return nil, n.base.damage(0, "%v is resident", a)
		}
		x.blocks = &stream{v: v, a: a, what: n.file()}
	}
	return x, nil
}

func (x *index) what(vcn int64) string {
	if vcn < 0 {
		return fmt.Sprintf("index %s of %s", x.name, x.n.file())
	}
	return fmt.Sprintf("block %d of index %s of %s", vcn, x.name, x.n.file())
}

func (x *index) count() int64 {
	if x.blocks == nil {
		return 0
	}
	return x.blocks.a.size / int64(x.blockSize)
}

// node reads a node of the index.
func (x *index) node(vcn int64) (*node, error) {
	if vcn < 0 {
		nd := &node{vcn: -1, at: x.n.base.at, b: x.root}
		return nd, x.parse(nd, indexRootHeader)
	}
	if x.blocks == nil || vcn >= x.blocks.a.size>>x.shift {
		return nil, damage(x.what(vcn), -1, "the index has %d bytes of blocks", x.count()*int64(x.blockSize))
	}
	offset := vcn << x.shift
	if offset%int64(x.blockSize) != 0 {
		return nil, damage(x.what(vcn), -1, "is not at the beginning of a block")
	}
	b := make([]byte, x.blockSize)
	at, _, err := x.blocks.place(offset)
	if err != nil {
		return nil, err
	}
	if err := x.blocks.read(b, offset); err != nil {
		return nil, err
	}
	if err := unprotect(b, "INDX"); err != nil {
		return nil, damage(x.what(vcn), at, "%w", err)
	}
	if got := int64(le.Uint64(b[16:])); got != vcn {
		return nil, damage(x.what(vcn), at+16, "says it is block %d", got)
	}
	nd := &node{vcn: vcn, at: at, b: b}
	return nd, x.parse(nd, indexBlockHeader)
}

// parse reads the entries behind a node's header.
func (x *index) parse(nd *node, header int) error {
	b := nd.b[header:]
	fail := func(at int64, format string, args ...any) error {
		if nd.vcn >= 0 {
			at += nd.at + int64(header)
		} else {
			at = nd.at
		}
		return damage(x.what(nd.vcn), at, format, args...)
	}
	first, used, allocated := int64(le.Uint32(b)), int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:]))
	if first < nodeHeader || first%8 != 0 || used < first+entryHeader || used > allocated || allocated > int64(len(b)) {
		return fail(0, "entries at %d to %d of %d, in %d bytes", first, used, allocated, len(b))
	}
	for at := first; ; {
		if used-at < entryHeader {
			return fail(at, "has no last entry")
		}
		e := b[at:used]
		length, key, flags := int64(le.Uint16(e[8:])), int64(le.Uint16(e[10:])), le.Uint16(e[12:])
		if length < entryHeader || length%8 != 0 || length > int64(len(e)) {
			return fail(at, "an entry of %d bytes, %d are left", length, len(e))
		}
		e = e[:length]
		out := entry{reference: le.Uint64(e), sub: -1, end: flags&entryEnd != 0}
		room := length - entryHeader
		if flags&entrySub != 0 {
			if room -= 8; room < 0 {
				return fail(at, "an entry of %d bytes that leads to a block", length)
			}
			if out.sub = int64(le.Uint64(e[length-8:])); out.sub < 0 {
				return fail(at, "an entry that leads to block %d", out.sub)
			}
		}
		if !out.end {
			if key > room {
				return fail(at, "a key of %d bytes in an entry of %d", key, length)
			}
			out.key = e[entryHeader : entryHeader+key]
			from, n := int64(le.Uint16(e)), int64(le.Uint16(e[2:]))
			if x.name != indexDirectory {
				if from+n > length {
					return fail(at, "data of %d bytes at %d in an entry of %d", n, from, length)
				}
				out.data = e[from : from+n]
			} else if _, err := parseFileName(out.key); err != nil {
				return fail(at, "%w", err)
			}
		}
		if len(nd.entries) > 0 && (nd.entries[0].sub < 0) != (out.sub < 0) {
			return fail(at, "only some entries lead to blocks")
		}
		nd.entries = append(nd.entries, out)
		if out.end {
			return nil
		}
		at += length
	}
}

// A step is a node on the way from the root to an entry, and the entry there.
type step struct {
	*node
	i      int
	second int64 // when the node was split: the block with its second half
}

// search goes down to the first entry whose key is not before the one sought:
// order tells how a key compares to it (-1: before). found tells whether the
// way ends at the key itself; if not, it ends in a leaf.
func (x *index) search(order func(key []byte) int) (way []step, found bool, err error) {
	for vcn := int64(-1); ; {
		if len(way) == maxDepth {
			return nil, false, damage(x.what(vcn), -1, "lies %d levels deep: its blocks lead to each other", maxDepth)
		}
		nd, err := x.node(vcn)
		if err != nil {
			return nil, false, err
		}
		i := 0
		for ; !nd.entries[i].end; i++ {
			if c := order(nd.entries[i].key); c >= 0 {
				found = c == 0
				break
			}
		}
		way = append(way, step{node: nd, i: i})
		if vcn = nd.entries[i].sub; found || vcn < 0 {
			return way, found, nil
		}
	}
}

// each calls f for every entry in order, until it fails, and gives the blocks
// of the index as a bitmap.
func (x *index) each(f func(e *entry) error) (blocks []uint64, err error) {
	if x.count() > maxBlocks {
		return nil, fmt.Errorf("%s: %w: %d blocks, at most %d", x.what(-1), ErrTooLarge, x.count(), maxBlocks)
	}
	blocks = make([]uint64, x.count()/64+1)
	return blocks, x.eachBelow(-1, maxDepth, blocks, f)
}

const maxBlocks = 1 << 20 // of an index that is read whole

// eachBelow is each for a node; a block is part of an index once.
func (x *index) eachBelow(vcn int64, depth int, seen []uint64, f func(e *entry) error) error {
	nd, err := x.node(vcn)
	if err != nil {
		return err
	}
	if vcn >= 0 {
		i := vcn << x.shift / int64(x.blockSize)
		if depth == 0 || seen[i/64]>>(i%64)&1 == 1 {
			return damage(x.what(vcn), nd.at, "is part of the index more than once: its blocks lead to each other")
		}
		seen[i/64] |= 1 << (i % 64)
	}
	for i := range nd.entries {
		e := &nd.entries[i]
		if e.sub >= 0 {
			if err := x.eachBelow(e.sub, depth-1, seen, f); err != nil {
				return err
			}
		}
		if !e.end {
			if err := f(e); err != nil {
				return err
			}
		}
	}
	return nil
}
