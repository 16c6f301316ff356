package vhdx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A chain of disks, each written at random, reads as the sum of all writes.
func TestDifferencingDisks(t *testing.T) {
	tests := []struct {
		sector, base, block int
		kind                Type
		depth               int
		size                int64
	}{
		{512, mib, mib, Dynamic, 3, 24*mib + 512*5},
		{512, 2 * mib, 2 * mib, Fixed, 2, 21 * mib},
		{512, 32 * mib, 2 * mib, Dynamic, 3, 70*mib + 512},
		{512, mib, 32 * mib, Dynamic, 2, 65 * mib},
		{512, 2 * mib, 256 * mib, Dynamic, 2, 20 * mib},
		{4096, mib, mib, Dynamic, 3, 24*mib + 4096*5},
		{4096, 8 * mib, 2 * mib, Fixed, 2, 20 * mib},
		{4096, 2 * mib, 256 * mib, Dynamic, 2, 21*mib + 4096},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("sectors %d, blocks %d on %d", tt.sector, tt.block, tt.base), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			raw := filepath.Join(dir, "disk.raw")
			path := filepath.Join(dir, "0.vhdx")
			d := create(t, path, CreateOptions{Type: tt.kind, Size: tt.size, BlockSize: tt.base, LogicalSectorSize: tt.sector})
			newMirror(t, d, raw, uint64(i)).scribble(40)
			mustClose(t, d)
			for level := range tt.depth {
				parent, parentHash := path, hashFile(t, path)
				path = filepath.Join(dir, fmt.Sprintf("%d.vhdx", level+1))
				d := create(t, path, CreateOptions{Type: Differencing, Parent: parent, BlockSize: tt.block})
				require.Equal(t, tt.sector, d.SectorSize())
				m := newMirror(t, d, raw, uint64(100*i+level))
				m.matches()
				m.scribble(20)
				m.matches()
				mustClose(t, d)

				d, err := OpenReadWrite(path)
				require.NoError(t, err)
				require.Equal(t, Differencing, d.Info().Type)
				require.Equal(t, parent, d.Info().Parent)
				m.disk = d
				m.matches()
				m.scribble(20)
				mustClose(t, d)
				requireHealthy(t, path)
				d, err = Open(path)
				require.NoError(t, err)
				requireSame(t, d, raw)
				linkage := d.parent.Info().DataWriteGUID
				mustClose(t, d)
				require.Equal(t, parentHash, hashFile(t, parent), "the parent was changed")

				said := tool(t, "vhdiinfo", path)
				require.Contains(t, said, "Differential")
				require.Contains(t, said, fmt.Sprintf("(%d bytes)", tt.size))
				require.Contains(t, said, "Parent identifier\t: "+linkage.String())
			}
		})
	}
}

// family makes a parent of 12 MiB that holds only 0xaa, and a child of it.
func family(t *testing.T, o CreateOptions) (child *Disk, path string) {
	t.Helper()
	dir := t.TempDir()
	o.Type, o.Parent = Differencing, filepath.Join(dir, "parent.vhdx")
	p := create(t, o.Parent, CreateOptions{Size: 12 * mib, BlockSize: 2 * mib})
	_, err := p.WriteAt(repeat(0xaa, 12*mib), 0)
	require.NoError(t, err)
	mustClose(t, p)
	path = filepath.Join(dir, "child.vhdx")
	return create(t, path, o), path
}

func repeat(b byte, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = b
	}
	return p
}

// The bits of the sector bitmap stand where section 2.4 has them: bit 0 of byte
// 0 is the first sector of the chunk.
func TestSectorBitmapBits(t *testing.T) {
	d, path := family(t, CreateOptions{BlockSize: mib})
	for _, sector := range []int64{0, 3, 9, 2048*2 + 15} {
		_, err := d.WriteAt(repeat(1, 512), sector*512)
		require.NoError(t, err)
	}
	require.NoError(t, d.Sync())
	bitmap, err := d.bitmapOffset(0)
	require.NoError(t, err)
	blocks := []int64{d.layout.payloadIndex(0), d.layout.payloadIndex(2)}
	for _, index := range blocks {
		e, err := d.entry(index)
		require.NoError(t, err)
		require.Equal(t, statePartial, e.state())
	}
	mustClose(t, d)

	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	b := make([]byte, mib)
	_, err = f.ReadAt(b, bitmap)
	require.NoError(t, err)
	want := make([]byte, mib)
	want[0], want[1], want[2048*2/8+1] = 0b1001, 0b10, 0x80
	require.True(t, string(want) == string(b))
}

// What a child says of a whole block hides the parent's data, and a write into
// such a block does not bring them back.
func TestBlockStatesHideTheParent(t *testing.T) {
	for state, kind := range map[int]ExtentKind{stateZero: Zero, stateUnmapped: Absent, stateUndefined: Absent, stateNotPresent: Data} {
		t.Run(stateNames[state], func(t *testing.T) {
			d, path := family(t, CreateOptions{BlockSize: 2 * mib})
			require.NoError(t, d.beginWrite(true))
			require.NoError(t, d.setEntry(d.layout.payloadIndex(2), newBATEntry(state, 0)))
			mustClose(t, d)
			requireHealthy(t, path)

			d, err := OpenReadWrite(path)
			require.NoError(t, err)
			want := repeat(0xaa, 12*mib)
			if state != stateNotPresent {
				clear(want[4*mib : 6*mib])
			}
			got := make([]byte, len(want))
			_, err = d.ReadAt(got, 0)
			require.NoError(t, err)
			requireSameBytes(t, want, got, 0)
			for e, err := range d.Extents(4*mib+5, mib) {
				require.NoError(t, err)
				require.Equal(t, Extent{4*mib + 5, mib, kind}, e)
			}

			_, err = d.WriteAt([]byte("written"), 5*mib+1)
			require.NoError(t, err)
			copy(want[5*mib+1:], "written")
			mustClose(t, d)
			requireHealthy(t, path)
			d, err = Open(path)
			require.NoError(t, err)
			_, err = d.ReadAt(got, 0)
			require.NoError(t, err)
			requireSameBytes(t, want, got, 0)
			mustClose(t, d)
		})
	}
}

func TestChildLargerThanItsParent(t *testing.T) {
	d, path := family(t, CreateOptions{Size: 19*mib + 512, BlockSize: 2 * mib})
	raw := filepath.Join(filepath.Dir(path), "disk.raw")
	require.NoError(t, os.WriteFile(raw, repeat(0xaa, 12*mib), 0o600))
	m := newMirror(t, d, raw, 1)
	m.matches()
	var kinds []Extent
	for e, err := range d.Extents(0, d.Size()) {
		require.NoError(t, err)
		kinds = append(kinds, e)
	}
	require.Equal(t, []Extent{{0, 12 * mib, Data}, {12 * mib, 7*mib + 512, Absent}}, kinds)
	m.write(repeat(3, 3000), 12*mib-1500)
	m.write(repeat(4, 500), 19*mib)
	m.scribble(20)
	m.matches()
	mustClose(t, d)
	requireHealthy(t, path)
	d, err := Open(path)
	require.NoError(t, err)
	requireSame(t, d, raw)
	mustClose(t, d)
}

func TestExtentsOfAChain(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "0.vhdx"), filepath.Join(dir, "1.vhdx"), filepath.Join(dir, "2.vhdx")}
	write := func(d *Disk, off, length int64) {
		_, err := d.WriteAt(repeat(1, int(length)), off)
		require.NoError(t, err)
	}
	d := create(t, paths[0], CreateOptions{Size: 16 * mib, BlockSize: 2 * mib})
	write(d, 0, 1) // block 0
	mustClose(t, d)
	d = create(t, paths[1], CreateOptions{Type: Differencing, Parent: paths[0], BlockSize: mib})
	write(d, 4*mib+512, 1024)
	write(d, 8*mib, 2*mib)
	mustClose(t, d)
	d = create(t, paths[2], CreateOptions{Type: Differencing, Parent: paths[1], BlockSize: mib})
	write(d, 4*mib+1536, 512)
	require.NoError(t, d.setEntry(d.layout.payloadIndex(9), newBATEntry(stateZero, 0)))
	write(d, 15*mib+512, mib-512)
	var got []Extent
	for e, err := range d.Extents(0, d.Size()) {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, []Extent{
		{0, 2 * mib, Data}, {2 * mib, 2*mib + 512, Absent}, {4*mib + 512, 1536, Data}, {4*mib + 2048, 4*mib - 2048, Absent},
		{8 * mib, mib, Data}, {9 * mib, mib, Zero}, {10 * mib, 5*mib + 512, Absent}, {15*mib + 512, mib - 512, Data},
	}, got)
	got = got[:0]
	for e, err := range d.Extents(4*mib+1000, 600) {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, []Extent{{4*mib + 1000, 600, Data}}, got)
	for range d.Extents(0, d.Size()) {
		break // stopping is allowed
	}
	mustClose(t, d)
}

// A child gets a copy of the items that belong to the virtual disk, the user's
// and those of whoever made the disk, and of no others.
func TestChildInheritsItemsOfTheVirtualDisk(t *testing.T) {
	dir := t.TempDir()
	parent := filepath.Join(dir, "parent.vhdx")
	p := create(t, parent, CreateOptions{Size: 12 * mib})
	large := randomBytes(newRandom(1), mib)
	for id, i := range map[GUID]item{
		{1}: {user: true, virtualDisk: true}, {2}: {user: true}, {3}: {virtualDisk: true}, {4}: {}, {5}: {user: true, virtualDisk: true},
	} {
		i.id = id
		data := large[:1000+int(id[0])]
		if id == (GUID{5}) {
			data = large
		}
		require.NoError(t, p.setItem(i, data, true))
	}
	require.NoError(t, p.setItem(item{id: GUID{6}, user: true, virtualDisk: true}, nil, true))
	mustClose(t, p)
	path := filepath.Join(dir, "child.vhdx")
	mustClose(t, create(t, path, CreateOptions{Type: Differencing, Parent: parent}))
	requireHealthy(t, path)
	d, err := Open(path)
	require.NoError(t, err)
	defer d.Close()
	require.ElementsMatch(t, []Item{{GUID{1}, 1001, true}, {GUID{5}, mib, true}, {GUID{6}, 0, true}}, d.Items())
	for id, length := range map[GUID]int{{1}: 1001, {5}: mib, {6}: 0} {
		data, err := d.Item(id)
		require.NoError(t, err)
		require.True(t, string(large[:length]) == string(data))
	}
	require.Len(t, d.items, 6+3+1)
	for _, i := range d.items {
		if i.id == (GUID{3}) {
			data, err := d.readItem(i)
			require.NoError(t, err)
			require.Equal(t, large[:1003], data)
			require.True(t, i.virtualDisk && !i.user)
		}
	}
	require.Equal(t, d.parent.Info().VirtualDiskID, d.Info().VirtualDiskID)
}
