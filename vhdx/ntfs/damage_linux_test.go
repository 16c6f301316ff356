package ntfs

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A broken volume is one that a test breaks on purpose.
type broken struct {
	t    testing.TB
	e    *Editor
	d    *patched
	size int64
}

func (b *broken) inode(path string) *inode {
	n, _, err := b.e.v.lookup(path)
	require.NoError(b.t, err)
	return n
}

// put writes a file's record as it is.
func (b *broken) put(n *inode) { require.NoError(b.t, b.e.putRecord(n.base, phaseLink)) }

// save writes a file's attributes as they are.
func (b *broken) save(n *inode) { require.NoError(b.t, b.e.save(n, phaseLink)) }

// block is the i-th index block of a directory.
func (b *broken) block(path string, i int64) (*index, *node) {
	x, err := b.e.v.directory(b.inode(path))
	require.NoError(b.t, err)
	nd, err := x.node(i * int64(x.blockSize) >> x.shift)
	require.NoError(b.t, err)
	return x, nd
}

// fillMany adds to a directory until its index needs another block.
func fillMany(v *Volume) error {
	d := v.r.(*patched)
	e, err := Edit(d, int64(len(d.base)))
	for i := 0; err == nil && i < 60; i++ {
		err = e.WriteFile("many/file with some other name "+string(rune('一'+i)), nil)
	}
	return err
}

// TestDamage has what an attacker would do to a volume. Reading must end and
// name the structure, and nothing may be changed.
func TestDamage(t *testing.T) {
	image := shape{512, 512, 1024, 6 << 20}.mkntfs(t)
	e := editImage(t, image)
	require.NoError(t, e.MkdirAll("outer/inner"))
	require.NoError(t, e.Mkdir("many"))
	for i := range 400 {
		require.NoError(t, e.WriteFile("many/file with some name "+string(rune('一'+i)), nil))
	}
	require.NoError(t, e.WriteFile("one", make([]byte, 20_000)))
	require.NoError(t, e.WriteFile("two", make([]byte, 30_000)))
	require.NoError(t, e.WriteFile("small", []byte("small")))
	require.NoError(t, e.Close())
	base, err := os.ReadFile(image)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		damage func(b *broken)
		read   func(v *Volume) error // nil: only changing fails
		want   string                // in the message
	}{
		"two files own a cluster": {
			func(b *broken) {
				one, two := b.inode("one"), b.inode("two")
				two.find(typeData, "").runs[0].lcn = one.find(typeData, "").runs[0].lcn
				b.save(two)
			}, (*Volume).Check, "as another file or stream does: $DATA of MFT record"},
		"a file owns clusters of the MFT": {
			func(b *broken) {
				one := b.inode("one")
				one.find(typeData, "").runs[0].lcn = b.e.v.geometry.mft
				b.save(one)
			}, (*Volume).Check, "owns cluster"},
		"a cluster of a file is free": {
			func(b *broken) {
				r := b.inode("one").find(typeData, "").runs[0]
				require.NoError(b.t, b.e.setBits(b.e.bits, phaseLink, r.lcn+3, 1, false))
			}, (*Volume).Check, "as free, which $DATA of MFT record"},
		"a run list behind the end of the volume": {
			func(b *broken) {
				one := b.inode("one")
				one.find(typeData, "").runs[0].lcn = b.e.v.clusters - 5
				b.save(one)
			}, func(v *Volume) error { _, err := v.ReadFile("one"); return err }, "on a volume of"},
		"a file of more bytes than clusters": {
			func(b *broken) {
				one := b.inode("one")
				a := one.find(typeData, "")
				a.size, a.initialized, a.allocated = 1<<50, 1<<50, 1<<50
				b.save(one)
			}, func(v *Volume) error { _, err := v.ReadFile("one"); return err }, "clusters for 1125899906842624 bytes"},
		"a block of an index leads to itself": {
			func(b *broken) {
				x, nd := b.block("many", 0)
				for i := range nd.entries {
					nd.entries[i].sub = 0
				}
				nd.entries = nd.entries[:5]
				nd.entries = append(nd.entries, entry{end: true, sub: 0})
				require.NoError(b.t, b.e.putBlock(x, nd.vcn, nd.b, nd.entries, phaseLink))
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "its blocks lead to each other"},
		"an entry of an index leads out of it": {
			func(b *broken) {
				n := b.inode("many")
				x, err := b.e.v.directory(n)
				require.NoError(b.t, err)
				nd, err := x.node(-1)
				require.NoError(b.t, err)
				nd.entries[0].sub = 1 << 40
				require.NoError(b.t, b.e.putRoot(x, nd.entries))
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "block 1099511627776 of index $I30"},
		"names out of order": {
			func(b *broken) {
				x, nd := b.block("many", 1)
				nd.entries[0], nd.entries[1] = nd.entries[1], nd.entries[0]
				require.NoError(b.t, b.e.putBlock(x, nd.vcn, nd.b, nd.entries, phaseLink))
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "not in order"},
		"names out of order, and one to come among them": {
			func(b *broken) {
				x, err := b.e.v.directory(b.inode("many"))
				require.NoError(b.t, err)
				way, _, err := x.exactly(keyUnits(newFileName(0, 0, 0, 0, []uint16{'g'})))
				require.NoError(b.t, err)
				nd := way[len(way)-1].node
				nd.entries[0], nd.entries[2] = nd.entries[2], nd.entries[0]
				require.NoError(b.t, b.e.putBlock(x, nd.vcn, nd.b, nd.entries, phaseLink))
			}, func(v *Volume) error {
				e, err := Edit(v.r.(*patched), 6<<20)
				require.NoError(t, err)
				return e.WriteFile("many/g", nil)
			}, "not in order"},
		"the first cluster is nobody's": {
			func(b *broken) {
				n, err := b.e.v.inode(recordBoot)
				require.NoError(b.t, err)
				a := n.find(typeData, "")
				a.runs[0].lcn, a.runs[0].count = 1, a.runs[0].count-1
				a.allocated -= 512
				a.size, a.initialized = a.allocated, a.allocated
				b.save(n)
				require.NoError(b.t, b.e.setBits(b.e.bits, phaseLink, 0, 1, false))
			}, (*Volume).Check, "nothing owns the first cluster"},
		"a bitmap that is too short": {
			func(b *broken) {
				n, err := b.e.v.inode(recordBitmap)
				require.NoError(b.t, err)
				a := n.find(typeData, "")
				a.size, a.initialized = b.e.v.clusters/8-1, b.e.v.clusters/8-1
				b.save(n)
			}, func(v *Volume) error { return nil }, "$Bitmap of"},
		"a bitmap with a hole": {
			func(b *broken) {
				n, err := b.e.v.inode(recordBitmap)
				require.NoError(b.t, err)
				a := n.find(typeData, "")
				a.runs[0].lcn = hole
				b.save(n)
			}, (*Volume).Check, "as free, which"},
		"a resident index of blocks": {
			func(b *broken) {
				n := b.inode("many")
				a := n.find(typeIndexAllocation, indexDirectory)
				*a = *resident(typeIndexAllocation, indexDirectory, []byte("INDX"))
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "is resident"},
		"an index root that is not resident": {
			func(b *broken) {
				n := b.inode("many")
				*n.find(typeIndexRoot, indexDirectory) = attribute{typ: typeIndexRoot, name: indexDirectory, runs: []run{}}
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "is not resident"},
		"a name without letters": {
			func(b *broken) {
				n := b.inode("small")
				n.find(typeFileName, "").value[64] = 0
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "$FILE_NAME that does not fit"},
		"a name longer than its attribute": {
			func(b *broken) {
				n := b.inode("small")
				n.find(typeFileName, "").value[64] = 255
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "$FILE_NAME that does not fit"},
		"lower case is upper case": {
			func(b *broken) {
				n, err := b.e.v.inode(recordUpCase)
				require.NoError(b.t, err)
				require.NoError(b.t, b.e.writeStream(phaseLink, &stream{v: b.e.v, a: n.find(typeData, "")}, 2*'q', []byte{'q', 0}))
			}, func(v *Volume) error { return nil }, "$UpCase makes 0x71 of the unit 0x71"},
		"a block of an index torn": {
			func(b *broken) {
				_, nd := b.block("many", 1)
				require.NoError(b.t, b.e.tx.write(phaseLink, nd.at+1022, []byte{1, 2}))
			}, func(v *Volume) error { _, err := v.ReadDir("many"); return err }, "part 2 of 8 was not written with the rest"},
		"a block of an index is free by its bitmap": {
			func(b *broken) {
				n := b.inode("many")
				n.find(typeBitmap, indexDirectory).value[0] = 0
				b.save(n)
			}, func(v *Volume) error { return fillMany(v) }, "is part of the index, but free by its $BITMAP"},
		"a directory below itself": {
			func(b *broken) { // outer/inner holds outer
				outer, inner := b.inode("outer"), b.inode("outer/inner")
				key := newFileName(inner.reference(), 0, fileDirectory, namePOSIX, []uint16{'a'})
				require.NoError(b.t, b.e.insert(inner, outer.reference(), key))
				b.save(inner)
			}, func(v *Volume) error { _, err := v.Stat("outer/inner/a"); return err }, "a directory with names in two directories"},
		"a directory with the name of every directory": {
			func(b *broken) { // which path.Join would take away again
				outer, inner := b.inode("outer"), b.inode("outer/inner")
				require.NoError(b.t, b.e.insert(outer, inner.reference(), newFileName(outer.reference(), 0, fileDirectory, namePOSIX, []uint16{'.'})))
				b.save(outer)
			}, func(v *Volume) error { _, err := v.ReadDir("outer"); return err }, `"." is not a name`},
		"a name that is a path": {
			func(b *broken) {
				outer, inner := b.inode("outer"), b.inode("outer/inner")
				require.NoError(b.t, b.e.insert(outer, inner.reference(), newFileName(outer.reference(), 0, fileDirectory, namePOSIX, []uint16{'a', '/', 'b'})))
				b.save(outer)
			}, func(v *Volume) error { _, err := v.ReadDir("outer"); return err }, `"a/b" is not a name`},
		"a name of another file": {
			func(b *broken) {
				root, small := b.inode("."), b.inode("small")
				key := newFileName(root.reference(), 0, 0, namePOSIX, []uint16{'z'})
				require.NoError(b.t, b.e.insert(root, small.reference(), key))
				b.save(root)
			}, func(v *Volume) error { _, err := v.ReadFile("z"); return err }, "none of its 1 names"},
		"a name of a file that is gone": {
			func(b *broken) {
				root := b.inode(".")
				require.NoError(b.t, b.e.insert(root, makeReference(70, 99), newFileName(root.reference(), 0, 0, namePOSIX, []uint16{'z'})))
				b.save(root)
			}, func(v *Volume) error { _, err := v.ReadFile("z"); return err }, "sequence number"},
		"a record that is not in use": {
			func(b *broken) {
				n := b.inode("small")
				le.PutUint16(n.base.b[22:], 0)
				b.put(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "is not in use"},
		"a record with an attribute that is too long": {
			func(b *broken) {
				n := b.inode("small")
				le.PutUint32(n.base.b[le.Uint16(n.base.b[20:])+4:], 1000)
				b.put(n)
			}, (*Volume).Check, "attribute 0x10 of 1000 bytes"},
		"a record of another base record": {
			func(b *broken) {
				n := b.inode("small")
				le.PutUint64(n.base.b[32:], b.inode("one").reference())
				b.put(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "is not the first of its file"},
		"an attribute list that names its file's record twice": {
			func(b *broken) {
				n := b.inode("small")
				pieces := []*piece{}
				for _, a := range n.attributes {
					for range 2 {
						pieces = append(pieces, &piece{a: a, instance: a.instance, holder: n.reference()})
					}
				}
				n.attributes = append(n.attributes, resident(typeAttributeList, "", encodeList(pieces)))
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "twice"},
		"an attribute list that names the records of others": {
			func(b *broken) {
				n := b.inode("small")
				pieces := []*piece{{a: n.attributes[0], instance: n.attributes[0].instance, holder: n.reference()}}
				for _, a := range b.inode("one").attributes[1:] {
					pieces = append(pieces, &piece{a: a, instance: a.instance, holder: b.inode("one").reference()})
				}
				n.attributes = append(n.attributes, resident(typeAttributeList, "", encodeList(pieces)))
				b.save(n)
			}, func(v *Volume) error { _, err := v.ReadFile("small"); return err }, "whose $ATTRIBUTE_LIST names it"},
		"the MFT has a hole": {
			func(b *broken) {
				n, err := b.e.v.inode(recordMFT)
				require.NoError(b.t, err)
				a := n.find(typeData, "")
				a.runs = append(a.runs, run{vcn: a.allocated / 512, lcn: hole, count: 1 << 40})
				a.allocated += 512 << 40
				a.size, a.initialized = a.allocated, a.allocated
				for _, p := range n.attributes {
					p.instance = -1
				}
				pieces := []*piece{}
				for _, p := range n.attributes {
					pieces = append(pieces, &piece{a: p, runs: p.runs, instance: -1, holder: n.reference()})
				}
				require.NoError(b.t, b.e.writeRecord(n.base, pieces, phaseLink))
			}, func(v *Volume) error { return nil }, "of them on the volume of"},
		"the mirror of the MFT differs": {
			func(b *broken) {
				require.NoError(b.t, b.e.writeStream(phaseLink, b.e.mirror, 1024+300, []byte{1, 2, 3}))
			}, nil, "copy of MFT record 1 in $MFTMirr"},
		"a metadata file's record is free": {
			func(b *broken) {
				_, bits, err := b.e.recordBits()
				require.NoError(b.t, err)
				require.NoError(b.t, b.e.setBits(bits, phaseLink, 6, 1, false))
			}, nil, "$BITMAP has record 6 as free"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &patched{base: base, sectors: map[int64][]byte{}}
			size := int64(len(base))
			e, err := Edit(d, size)
			require.NoError(t, err)
			c.damage(&broken{t, e, d, size})
			require.NoError(t, e.tx.flush())
			writes := len(d.sectors)
			var damaged *DamageError

			v, err := Open(d, size)
			if err == nil && c.read != nil {
				err = c.read(v)
			}
			if err != nil || c.read != nil {
				require.True(t, errors.As(err, &damaged), err)
				require.ErrorIs(t, err, ErrDamaged)
				require.Contains(t, err.Error(), c.want)
			}
			use(d, size)
			if v != nil {
				_ = fs.WalkDir(v, ".", func(string, fs.DirEntry, error) error { return nil })
			}
			_, err = Edit(&patched{base: base, sectors: d.sectors}, size)
			if c.read == nil {
				require.ErrorIs(t, err, ErrDamaged)
				require.Contains(t, err.Error(), c.want)
				require.Len(t, d.sectors, writes)
			}
		})
	}
}
