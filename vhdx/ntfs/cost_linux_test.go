package ntfs

import (
	"io"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A counting device counts what is read.
type counting struct {
	io.ReaderAt
	reads atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	return c.ReaderAt.ReadAt(p, off)
}

// Records that were never written cost no more than others.
func TestOwnersOfManyEmptyRecords(t *testing.T) {
	image := shape{512, 512, 1024, 16 << 20}.mkntfs(t)
	e := editImage(t, image)
	for i := range 2000 {
		require.NoError(t, e.WriteFile("file "+string(rune('一'+i)), nil))
	}
	require.NoError(t, e.Close())
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	v := openImage(t, image)
	_, bits, err := (&Editor{v: v}).recordBits()
	require.NoError(t, err)
	cleared := 0
	for number := uint64(100); number < v.records(); number++ {
		at, err := v.recordAt(number)
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, 1024), at)
		require.NoError(t, err)
		place, _, err := bits.place(int64(number / 8))
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{0}, place)
		require.NoError(t, err)
		cleared++
	}
	require.Greater(t, cleared, 1500)
	counted := &counting{ReaderAt: f}
	v, err = Open(counted, 16<<20)
	require.NoError(t, err)
	counted.reads.Store(0)
	_, err = v.Owners()
	require.NoError(t, err)
	require.Less(t, counted.reads.Load(), int64(cleared)+100, "one for each at most")
}

// An MFT in very many pieces does not make each question for a part of it expensive: this would not end.
func TestOwnersOfManyPieces(t *testing.T) {
	const count = 1 << 20
	v := &Volume{geometry: geometry{clusterSize: 512, recordSize: 1024, clusters: 2 * count}}
	v.mft = &stream{v: v, a: &attribute{typ: typeData}}
	o := &Owners{v: v, streams: []string{typeName(typeData)}}
	for i := range int64(count) {
		v.mft.a.runs = append(v.mft.a.runs, run{vcn: i, lcn: 2 * i, count: 1})
		o.runs = append(o.runs, ownedRun{first: 2 * i, count: 1, record: recordMFT})
		o.reach = append(o.reach, 2*i+1)
	}

	o.mft = v.mft.a.runs
	found := 0
	for first := int64(0); first < v.clusters; first += 1024 {
		found += len(o.Of(Extent{first, 1024}))
	}
	require.Equal(t, count, found)
}

// Directories that lead to each other have no path, which is found out at once.
func TestPathInCircles(t *testing.T) {
	image := shape{512, 512, 1024, 6 << 20}.mkntfs(t)
	e := editImage(t, image)
	require.NoError(t, e.MkdirAll("a/b"))
	a, _, err := e.v.lookup("a")
	require.NoError(t, err)
	b, _, err := e.v.lookup("a/b")
	require.NoError(t, err)
	le.PutUint64(a.find(typeFileName, "").value, b.reference())
	require.NoError(t, e.putRecord(a.base, phaseLink))
	require.NoError(t, e.tx.flush())
	require.NoError(t, e.Close())
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	counted := &counting{ReaderAt: f}
	v, err := Open(counted, 6<<20)
	require.NoError(t, err)
	counted.reads.Store(0)
	_, err = v.Path(b.number())
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "lead to each other")
	require.Less(t, counted.reads.Load(), int64(10))
}

// A stream of security descriptors that all are what is sought, and none of which the index has, is given up soon.
func TestDescriptorsThatNobodyUses(t *testing.T) {
	image := shape{512, 512, 1024, 6 << 20}.mkntfs(t)
	e := forced(t, image)
	n, err := e.v.inode(recordSecure)
	require.NoError(t, err)
	s := &stream{v: e.v, a: n.find(typeData, secureStream), what: n.name()}
	descriptor := private()
	size := int64(secureHeader + len(descriptor))
	count := 0
	for at := int64(0); at+size < min(s.a.size, secureBlock); at += alignUp(size, 16) {
		b := make([]byte, secureHeader, size)
		le.PutUint32(b, securityHash(descriptor))
		le.PutUint32(b[4:], uint32(0x10000+count))
		le.PutUint64(b[8:], uint64(at))
		le.PutUint32(b[16:], uint32(size))
		require.NoError(t, e.writeStream(phaseLink, s, at, append(b, descriptor...)))
		count++
	}
	require.NoError(t, e.tx.flush())
	require.Greater(t, count, 500)
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	counted := &counting{ReaderAt: f}
	v, err := Open(counted, 6<<20)
	require.NoError(t, err)
	counted.reads.Store(0)
	id, err := v.securityID(descriptor)
	require.NoError(t, err)
	require.Zero(t, id)
	require.Less(t, counted.reads.Load(), int64(4*maxUnused))
}
