package vhdx

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireItems requires that a disk has these user items and no others, in
// memory and in the file, and that qemu-img finds no fault in it.
func requireItems(t *testing.T, d *Disk, want map[GUID][]byte) {
	t.Helper()
	require.NoError(t, d.Sync())
	again, err := Open(d.path)
	require.NoError(t, err)
	for _, d := range []*Disk{d, again} {
		items := d.Items()
		require.Len(t, items, len(want))
		for _, i := range items {
			data, err := d.Item(i.ID)
			require.NoError(t, err)
			require.Equal(t, len(data), i.Length)
			require.True(t, bytes.Equal(want[i.ID], data), "item %s", i.ID)
		}
	}
	mustClose(t, again)
	judged := filepath.Join(t.TempDir(), "judged.vhdx")
	copyFile(t, d.path, judged)
	tool(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", judged)
	requireHealthy(t, judged)
}

func TestItems(t *testing.T) {
	path := tempPath(t, "disk.vhdx")
	d := create(t, path, CreateOptions{Size: 12 * mib, BlockSize: mib})
	_, err := d.WriteAt([]byte("payload"), 7*mib)
	require.NoError(t, err)
	random, want := newRandom(1), map[GUID][]byte{}
	set := func(id byte, length int) {
		t.Helper()
		data := randomBytes(random, length)
		require.NoError(t, d.SetItem(GUID{id}, data))
		want[GUID{id}] = data
	}
	require.Empty(t, d.Items())
	_, err = d.Item(GUID{1})
	require.ErrorIs(t, err, ErrNoItem)
	require.ErrorContains(t, err, GUID{1}.String())
	require.ErrorIs(t, d.DeleteItem(GUID{1}), ErrNoItem)

	set(1, 10)
	set(2, 5000)
	set(3, 1)
	set(4, 0)
	requireItems(t, d, want)
	set(2, 5000) // replaced
	set(2, 4999)
	set(2, 0)
	set(2, 70000)
	set(4, 3)
	requireItems(t, d, want)
	require.NoError(t, d.DeleteItem(GUID{1}))
	delete(want, GUID{1})
	requireItems(t, d, want)

	metadata := d.metadata.offset
	set(5, mib) // does not fit beside the others: the region moves
	require.NotEqual(t, metadata, d.metadata.offset)
	requireItems(t, d, want)
	set(5, mib)
	set(6, mib)
	set(7, mib-1)
	requireItems(t, d, want)
	require.EqualError(t, d.SetItem(GUID{8}, make([]byte, mib+1)),
		"set metadata item 00000008-0000-0000-0000-000000000000: 1048577 bytes are more than 1 MiB")
	require.NoError(t, d.DeleteItem(GUID{6}))
	delete(want, GUID{6})
	set(1, mib)
	requireItems(t, d, want)

	dataWrite := d.Info().DataWriteGUID
	mustClose(t, d)
	qemu := tool(t, "qemu-io", "-f", "vhdx", path, "-c", "read -v 7M 7")
	require.Contains(t, qemu, "payload")
	d, err = OpenReadWrite(path)
	require.NoError(t, err)
	requireItems(t, d, want)
	require.Equal(t, dataWrite, d.Info().DataWriteGUID)
	require.NoError(t, d.DeleteItem(GUID{1}))
	require.NotEqual(t, dataWrite, d.Info().DataWriteGUID, "metadata of the user is data that a user sees")
	mustClose(t, d)
	require.ErrorIs(t, d.SetItem(GUID{1}, nil), ErrClosed)
	_, err = d.Item(GUID{2})
	require.ErrorIs(t, err, ErrClosed)

	before := hashFile(t, path)
	d, err = Open(path)
	require.NoError(t, err)
	require.ErrorIs(t, d.SetItem(GUID{1}, nil), ErrReadOnly)
	require.ErrorIs(t, d.DeleteItem(GUID{2}), ErrReadOnly)
	mustClose(t, d)
	require.Equal(t, before, hashFile(t, path))
}

// A table holds 1024 items of users. A refused item leaves the others alone.
func TestManyItems(t *testing.T) {
	file := newMemFile()
	d, err := Create(file, CreateOptions{Size: 12 * mib})
	require.NoError(t, err)
	id := func(n int) (g GUID) { binary.LittleEndian.PutUint32(g[4:], uint32(n)); return g }
	want := map[GUID][]byte{}
	set := func(n int, data []byte) {
		t.Helper()
		require.NoError(t, d.SetItem(id(n), data))
		want[id(n)] = data
	}
	for n := range 1024 {
		set(n, binary.LittleEndian.AppendUint64(nil, uint64(n))[:1+n%8])
	}
	require.ErrorContains(t, d.SetItem(id(1024), []byte{1}), "the metadata table is full")
	require.Len(t, d.Items(), 1024)
	set(700, []byte("another")) // replacing needs no entry
	require.NoError(t, d.DeleteItem(id(3)))
	delete(want, id(3))
	set(1024, []byte{1})
	require.NoError(t, d.Close())

	path := tempPath(t, "disk.vhdx")
	writeSparse(t, path, file)
	d, err = Open(path)
	require.NoError(t, err)
	requireItems(t, d, want)
	mustClose(t, d)
}

// Regions and items that are not known are kept, whatever is done to the rest.
func TestKeepsWhatIsNotKnown(t *testing.T) {
	p := plant(t, Dynamic)
	place := uint64(p.size)
	region := GUID{0xaa}
	p.put(int64(place), repeat(0x55, mib))
	p.addRegion(region, place, mib, 0)
	p.addItem(GUID{0xbb}, 512*kib, 100, 2) // of the system, not required
	p.put(p.s.metadata.offset+512*kib, repeat(0x66, 100))
	report, err := CheckFile(p, p.path)
	require.NoError(t, err)
	require.True(t, report.Healthy())

	d, err := OpenFile(p, Options{Writable: true})
	require.NoError(t, err)
	require.Len(t, d.Items(), 2)
	_, err = d.Item(GUID{0xbb})
	require.ErrorIs(t, err, ErrNoItem, "not the user's")
	for n := range 20 {
		_, err := d.WriteAt(repeat(7, 2*mib), int64(n)*2*mib)
		require.NoError(t, err)
	}
	require.NoError(t, d.SetItem(GUID{1}, make([]byte, mib)))
	require.NoError(t, d.SetItem(GUID{2}, make([]byte, mib)))
	require.NoError(t, d.Close())
	require.Equal(t, repeat(0x55, mib), p.bytes(int64(place), mib))

	s, err := readStructure(p, &findings{})
	require.NoError(t, err)
	require.Len(t, s.regions, 3)
	require.Equal(t, region, s.regions[2].id)
	require.NotEqual(t, p.s.metadata.offset, s.metadata.offset, "the metadata region has moved")
	found := false
	for _, i := range s.items {
		if i.id == (GUID{0xbb}) {
			found = true
			data, err := s.readItem(i)
			require.NoError(t, err)
			require.Equal(t, repeat(0x66, 100), data)
			require.True(t, i.virtualDisk && !i.user && !i.required)
		}
	}
	require.True(t, found)
}

// An item that belongs to the virtual disk still does when it gets new content.
func TestReplacedItemKeepsItsKind(t *testing.T) {
	d := create(t, tempPath(t, "disk.vhdx"), CreateOptions{Size: 12 * mib})
	require.NoError(t, d.setItem(item{id: GUID{1}, user: true, virtualDisk: true}, []byte("old"), true))
	require.NoError(t, d.SetItem(GUID{1}, []byte("new")))
	require.Equal(t, []Item{{GUID{1}, 3, true}}, d.Items())
	mustClose(t, d)
}
