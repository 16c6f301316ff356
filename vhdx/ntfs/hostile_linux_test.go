package ntfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A patched device is a volume in memory that others share, with changes of its own.
type patched struct {
	base    []byte
	sectors map[int64][]byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(p.base)) {
		return 0, io.EOF
	}
	n := copy(b, p.base[off:])
	for s := off / stride; len(p.sectors) > 0 && s*stride < off+int64(n); s++ {
		if sector, ok := p.sectors[s]; ok {
			if at := s*stride - off; at >= 0 {
				copy(b[at:n], sector)
			} else {
				copy(b[:n], sector[-at:])
			}
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p *patched) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(b)) > int64(len(p.base)) {
		return 0, errors.New("a write behind the end of the device")
	}
	for i, c := range b {
		s := (off + int64(i)) / stride
		if p.sectors[s] == nil {
			p.sectors[s] = bytes.Clone(p.base[s*stride : min((s+1)*stride, int64(len(p.base)))])
		}
		p.sectors[s][(off+int64(i))%stride] = c
	}
	return len(b), nil
}

// A victim is a volume with some of everything, and where its structures lie.
type victim struct {
	b      []byte
	places []Extent // in bytes
	total  int64
}

// newVictim makes a volume with ntfs-3g and the editor.
func newVictim(t testing.TB) *victim {
	t.Helper()
	image := shape{512, 512, 1024, 3 << 20}.mkntfs(t)
	e := editImage(t, image)
	a := newAdder(e, tree{}, 30)
	a.most = 3000
	for range 150 {
		require.NoError(t, a.add(t))
	}
	// A file in so many pieces that it has an attribute list.
	for i := range 60 {
		require.NoError(t, e.WriteFile("in pieces "+string(rune('A'+i%26))+string(rune('0'+i/26)), randomBytes(a.random, 1200)))
	}
	n, _, err := e.v.lookup("in pieces A0")
	require.NoError(t, err)
	data := n.find(typeData, "")
	last := int64(0)
	for i := range int64(250) { // a cluster here and there
		runs, err := e.allocate(i, 1, last)
		require.NoError(t, err)
		data.runs = append(data.runs, run{vcn: 3 + i, lcn: runs[0].lcn, count: 1})
		last = runs[0].lcn + 2
	}
	data.allocated, data.size, data.initialized = 253*512, 253*512, 253*512
	require.NoError(t, e.save(n, phaseLink))
	require.NoError(t, e.finish())
	n, _, err = e.v.lookup("in pieces A0")
	require.NoError(t, err)
	require.NotNil(t, n.list)
	require.NoError(t, e.Close())

	b, err := os.ReadFile(image)
	require.NoError(t, err)
	x := &victim{b: b, places: []Extent{{0, 90}}}
	v := openImage(t, image)
	add := func(s *stream, most int64) {
		for _, r := range s.a.runs {
			if most > 0 && r.lcn != hole {
				x.places = append(x.places, Extent{r.lcn * v.clusterSize, min(r.count*v.clusterSize, most)})
				most -= r.count * v.clusterSize
			}
		}
	}
	for number := range v.records() {
		r, err := v.record(number)
		if err != nil || !r.inUse() {
			continue
		}
		x.places = append(x.places, Extent{r.at, int64(le.Uint32(r.b[24:]))})
		n, err := v.inode(number)
		if err != nil {
			continue
		}
		for _, a := range n.attributes {
			if a.typ == typeIndexAllocation {
				add(&stream{v: v, a: a}, 1<<20)
			}
		}
		if n.list != nil {
			add(&stream{v: v, a: n.list}, 4096)
		}
		switch number {
		case recordMFTMirr, recordLogFile, recordBitmap, recordUpCase:
			add(&stream{v: v, a: n.find(typeData, "")}, 4096)
		}
	}
	for _, p := range x.places {
		x.total += p.Count
	}
	return x
}

// at gives the place on the volume of the n-th byte of its structures.
func (x *victim) at(n int64) int64 {
	n %= x.total
	for _, p := range x.places {
		if n < p.Count {
			return p.First + n
		}
		n -= p.Count
	}
	panic("unreachable")
}

// use does everything with a volume that may be broken anywhere: only panics
// and endless loops are faults.
func use(d Device, size int64) (opened, edited bool) {
	v, err := Open(d, size)
	if err != nil {
		return false, false
	}
	_, _ = v.State()
	budget := 2000
	errEnough := errors.New("enough")
	_ = fs.WalkDir(v, ".", func(path string, entry fs.DirEntry, err error) error {
		if budget--; budget == 0 {
			return errEnough
		}
		if err != nil || entry.IsDir() {
			return nil
		}
		_, _ = entry.Info()
		if f, err := v.Open(path); err == nil {
			_, _ = io.CopyN(io.Discard, f, 100_000)
			_, _ = f.(io.ReaderAt).ReadAt(make([]byte, 10), 1<<40)
		}
		return nil
	})
	for range v.Free() {
	}
	if o, err := v.Owners(); err == nil {
		for _, own := range o.Of(Extent{0, v.clusters}) {
			if budget--; budget < 0 {
				break
			}
			_, _ = v.Path(own.Record)
		}
	}
	e, err := Edit(d, size)
	if err != nil {
		return true, false
	}
	_ = e.WriteFile("in pieces A0", make([]byte, 5000))
	_ = e.MkdirAll("new/newer")
	for i := range 12 {
		_ = e.WriteFile("new/"+strings.Repeat("n", 100+i), make([]byte, i*300))
		_ = e.WriteFile("a new name "+strings.Repeat("n", 100+i), make([]byte, i*300))
	}
	_ = e.Close()
	return true, true
}

// TestMutated changes bytes of the structures of a volume at random.
func TestMutated(t *testing.T) {
	x := newVictim(t)
	random := newRandom(31)
	n := 1500
	if testing.Short() {
		n = 150
	}
	opened, edited := 0, 0
	for range n {
		d := &patched{base: x.b, sectors: map[int64][]byte{}}
		for range 1 + random.IntN(4) {
			at := x.at(random.Int64())
			if random.IntN(2) == 0 { // where most depends on it
				p := x.places[random.IntN(len(x.places))]
				at = p.First + random.Int64N(min(p.Count, 150))
			}
			_, _ = d.WriteAt(mutation(random), min(at, int64(len(x.b))-8))
		}
		before := intact(d, int64(len(x.b)))
		o, e := use(d, int64(len(x.b)))
		if e { // what could be read can be read, and is the same
			for path, data := range intact(d, int64(len(x.b))) {
				if old, ok := before[path]; ok && path != "in pieces A0" {
					require.Equal(t, old, data, path)
				}
				delete(before, path)
			}
			delete(before, "in pieces A0")
			require.Empty(t, before)
		}
		if o {
			opened++
		}
		if e {
			edited++
		}
	}
	t.Logf("%d of %d could be opened, %d changed", opened, n, edited)
	require.Greater(t, opened, n/4)
	require.Greater(t, edited, n/20)
}

// intact reads what can be read of a volume.
func intact(d Device, size int64) tree {
	got := tree{}
	v, err := Open(d, size)
	if err != nil {
		return got
	}
	_ = fs.WalkDir(v, ".", func(path string, entry fs.DirEntry, err error) error {
		if len(path) > maxPath {
			panic("a walk without end")
		}
		if err == nil && !entry.IsDir() {
			if data, err := v.ReadFile(path); err == nil && len(data) < 1<<20 {
				got[path] = data
			}
		}
		return nil
	})
	return got
}

func mutation(random *rand.Rand) []byte {
	switch random.IntN(4) {
	case 0:
		return []byte{byte(random.Uint32())}
	case 1:
		return []byte{0, 0xff, 0x7f, 0x80, 1}[random.IntN(5):][:1]
	case 2:
		return binary.LittleEndian.AppendUint32(nil, random.Uint32()>>random.IntN(32))
	}
	return binary.LittleEndian.AppendUint64(nil, random.Uint64()>>random.IntN(64))
}

// FuzzVolume changes up to three places of a volume's structures.
func FuzzVolume(f *testing.F) {
	x := newVictim(f)
	f.Add(uint32(3), []byte("NTFS"), uint32(64), []byte{0xf6}, uint32(40), []byte{0})
	f.Add(uint32(90+24), []byte{0xff, 0xff}, uint32(90+400), []byte{0x21, 0x40}, uint32(9000), []byte{1})
	for i := range uint32(40) {
		f.Add(i*977, []byte{byte(i)}, i*1237, []byte{0xff, 0xff, 0xff, 0xff}, i*3571, []byte{0, 0, 0, 0, 0, 0, 0, 0x80})
	}
	f.Fuzz(func(t *testing.T, a uint32, p []byte, b uint32, q []byte, c uint32, r []byte) {
		d := &patched{base: x.b, sectors: map[int64][]byte{}}
		for at, bytes := range map[uint32][]byte{a: p, b: q, c: r} {
			_, _ = d.WriteAt(bytes[:min(len(bytes), 64)], min(x.at(int64(at)), int64(len(x.b))-64))
		}
		use(d, int64(len(x.b)))
	})
}
