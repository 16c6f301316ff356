package ntfs

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// editImage opens a volume that lies in a file to change it.
func editImage(t testing.TB, image string) *Editor {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	e, err := Edit(f, info.Size())
	require.NoError(t, err)
	return e
}

// judge requires that everything that knows NTFS finds the volume whole and
// reads what it should hold.
func judge(t testing.TB, image string, want tree) {
	t.Helper()
	v := openImage(t, image)
	state, err := v.State()
	require.NoError(t, err)
	require.NoError(t, state.Err())
	require.NoError(t, v.mirrored())
	want.equal(t, read(t, v))
	requireSound(t, v)
	requireTrees(t, v)

	tool(t, "ntfsfix", "-n", image)
	tool(t, "ntfsinfo", "-m", image)
	// ntfsresize compares $Bitmap with every run list before it looks for room.
	if out, err := exec.Command("ntfsresize", "-i", "-f", image).CombinedOutput(); err != nil {
		require.Contains(t, string(out), "Volume is full")
	}
	if ntfsck := os.Getenv("NTFSCK"); ntfsck != "" { // of ntfsprogs-plus, not packaged by Debian
		out := tool(t, ntfsck, "-n", image)
		require.Contains(t, out, "Clean, No errors found")
	}
	if err := canMount(); err != nil {
		t.Logf("FUSE does not work here, ntfsls and ntfscat read everything instead: %v", err)
		readByTools(t, image, want, 1)
		return
	}
	want.equal(t, mounted(t, image))
	readByTools(t, image, want, max(1, len(want)/20))
}

// readByTools reads every so manieth file with ntfscat, and lists all with ntfsls.
func readByTools(t testing.TB, image string, want tree, every int) {
	t.Helper()
	listing := tool(t, "ntfsls", "-R", image)
	names := map[string]bool{}
	for line := range strings.Lines(listing) {
		names[strings.TrimSuffix(line, "\n")] = true
	}
	i := 0
	for path, data := range want {
		name := path[strings.LastIndexByte(path, '/')+1:]
		require.Truef(t, names[name], "ntfsls does not list %s", path)
		if i++; data == nil || i%every != 0 {
			continue
		}
		out, err := exec.Command("ntfscat", image, "/"+path).Output()
		require.NoErrorf(t, err, "ntfscat %s", path)
		require.Truef(t, string(out) == string(data), "ntfscat reads something else of %s", path)
	}
}

// requireTrees requires of each directory that its index is in order, that its
// blocks are those that its bitmap has taken, that each name leads to a file
// that knows it, and of each file that as many names lead to it as it counts.
func requireTrees(t testing.TB, v *Volume) {
	t.Helper()
	names := map[uint64]int{}
	count := map[uint64]int{}
	for number := uint64(recordRoot); number < v.records(); number++ {
		r, err := v.record(number)
		if err != nil || !r.inUse() || r.base() != 0 {
			continue
		}
		n, err := v.inode(number)
		require.NoError(t, err)
		for _, a := range n.attributes {
			if a.typ == typeFileName {
				count[number]++
			}
		}
		require.Equalf(t, int(n.base.links()), count[number], "names of record %d", number)
		if !n.isDirectory() {
			continue
		}
		x, err := v.directory(n)
		require.NoError(t, err)
		var last []uint16
		blocks, err := x.each(func(e *entry) error {
			c, err := toChild(e)
			require.NoError(t, err)
			require.Negativef(t, v.upcase.collate(last, c.units), "%q in record %d is not in order", c.name, number)
			last = c.units
			names[recordOf(c.reference)]++
			if recordOf(c.reference) >= firstListed {
				_, err = v.follow(n, c)
			}
			return err
		})
		require.NoError(t, err)
		if x.blocks == nil {
			continue
		}
		taken, used := x.count(), 0
		for f, err := range (&stream{v: v, a: n.find(typeBitmap, indexDirectory)}).clear(0, x.count()) {
			require.NoError(t, err)
			taken -= f.Count
		}
		for _, word := range blocks {
			used += bits.OnesCount64(word)
		}
		require.EqualValuesf(t, taken, used, "blocks of the index of record %d", number)
	}
	for number, n := range count {
		require.Equalf(t, n, names[number], "names that lead to record %d", number)
	}
}

// An adder adds to a volume at random and keeps what should be on it.
type adder struct {
	random *rand.Rand
	e      *Editor
	want   tree
	dirs   []string
	files  []string
	most   int // bytes of a file
}

func newAdder(e *Editor, want tree, seed uint64) *adder {
	a := &adder{random: newRandom(seed), e: e, want: want, dirs: []string{""}, most: 20_000}
	for path, data := range want {
		if data == nil {
			a.dirs = append(a.dirs, path+"/")
		} else {
			a.files = append(a.files, path)
		}
	}
	slices.Sort(a.dirs)
	slices.Sort(a.files)
	return a
}

var alphabet = []rune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.()äöüßÄÖÜéø日本語😀ςσΣ")

func (a *adder) name() string {
	n := 1 + a.random.IntN(20)
	if a.random.IntN(8) == 0 {
		n = 1 + a.random.IntN(120)
	}
	name := make([]rune, n)
	for i := range name {
		name[i] = alphabet[a.random.IntN(len(alphabet))]
	}
	return strings.Trim(string(name), " .") + fmt.Sprint(a.random.IntN(1000))
}

func (a *adder) data() []byte {
	switch a.random.IntN(4) {
	case 0:
		return []byte{}
	case 1, 2:
		return randomBytes(a.random, a.random.IntN(900))
	}
	return randomBytes(a.random, a.random.IntN(a.most))
}

// add adds or replaces something; the volume may be full.
func (a *adder) add(t testing.TB) error {
	dir := a.dirs[a.random.IntN(len(a.dirs))]
	switch k := a.random.IntN(20); {
	case k == 0:
		path := dir + a.name()
		if err := a.e.Mkdir(path); err != nil {
			return err
		}
		a.dirs = append(a.dirs, path+"/")
		a.want[path] = nil
	case k < 4 && len(a.files) > 0:
		path := a.files[a.random.IntN(len(a.files))]
		data := a.data()
		spelled := path
		if i := strings.LastIndexByte(path, '/') + 1; a.random.IntN(2) == 0 && !a.ambiguous(path) {
			spelled = path[:i] + upper(a.e.v, path[i:])
		}
		if err := a.e.WriteFile(spelled, data); err != nil {
			return err
		}
		a.want[path] = data
	default:
		path, data := dir+a.name(), a.data()
		if err := a.e.WriteFile(path, data); err != nil {
			return err
		}
		require.NotContains(t, a.want, path)
		a.want[path] = data
		a.files = append(a.files, path)
	}
	return nil
}

// ambiguous tells whether other names in the directory differ from one only by case.
func (a *adder) ambiguous(path string) bool {
	folded := upper(a.e.v, path)
	for _, other := range a.files {
		if other != path && upper(a.e.v, other) == folded {
			return true
		}
	}
	return false
}

func upper(v *Volume, name string) string {
	units, _ := encodeName(name)
	for i, u := range units {
		units[i] = v.upcase[u]
	}
	return decodeName(appendUnits(nil, units))
}

func TestAdd(t *testing.T) {
	for _, s := range someShapes() {
		t.Run(s.String(), func(t *testing.T) {
			image := s.mkntfs(t)
			want := planted(6)
			mount(t, image, "", func(dir string) { want.plant(t, dir) })
			judge(t, image, want)
			e := editImage(t, image)
			a := newAdder(e, want, 7)
			n := 3000
			if testing.Short() {
				n = 400
			}
			for range n {
				if err := a.add(t); err != nil {
					require.ErrorIs(t, err, ErrFull)
				}
			}
			require.NoError(t, e.Close())
			judge(t, image, want)
			// A second time, on what the first left.
			e = editImage(t, image)
			a = newAdder(e, want, 8)
			for range n / 10 {
				if err := a.add(t); err != nil {
					require.ErrorIs(t, err, ErrFull)
				}
			}
			require.NoError(t, e.Close())
			judge(t, image, want)
		})
	}
}

// TestFill adds until the volume is full of small, long-named and large files.
func TestFill(t *testing.T) {
	for _, s := range someShapes() {
		t.Run(s.String(), func(t *testing.T) {
			s.size = 4 << 20
			if s.cluster > 16384 {
				s.size = 16 << 20
			}
			image := s.mkntfs(t)
			want := tree{}
			e := editImage(t, image)
			a := newAdder(e, want, 9)
			a.most = int(s.size / 30)
			full := 0
			for full < 300 {
				if err := a.add(t); err != nil {
					require.ErrorIs(t, err, ErrFull)
					full++
					a.most = a.most/2 + 1000
				}
			}
			require.NoError(t, e.Close())
			judge(t, image, want)
			require.Less(t, free(t, openImage(t, image)), int64(50))
		})
	}
}

func free(t testing.TB, v *Volume) (n int64) {
	for x, err := range v.Free() {
		require.NoError(t, err)
		n += x.Count
	}
	return n
}

// TestManyNames fills one directory, in order, backwards and at random.
func TestManyNames(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := tree{"up": nil, "down": nil, "mixed": nil}
	e := editImage(t, image)
	for path := range want {
		require.NoError(t, e.Mkdir(path))
	}
	n := 2500
	if testing.Short() {
		n = 500
	}
	mixed := newRandom(10).Perm(n)
	long := strings.Repeat("x", 200)
	for i := range n {
		for dir, number := range map[string]int{"up": i, "down": n - i, "mixed": mixed[i]} {
			path := fmt.Sprintf("%s/%06d", dir, number)
			if i%5 == 0 {
				path += long
			}
			require.NoError(t, e.WriteFile(path, []byte(path)))
			want[path] = []byte(path)
		}
	}
	require.NoError(t, e.Close())
	judge(t, image, want)
}

// TestFragments replaces a file on a volume whose free clusters lie apart, so
// that its runs need several records.
func TestFragments(t *testing.T) {
	image := shape{512, 512, 1024, 8 << 20}.mkntfs(t)
	want := tree{}
	v := openImage(t, image)
	total := free(t, v)
	e := editImage(t, image)
	// Every other cluster is taken by what nothing owns.
	for x, err := range v.Free() {
		require.NoError(t, err)
		for c := x.First; c < x.First+x.Count; c += 2 {
			require.NoError(t, e.tx.write(phaseClaim, bitAt(t, e, c), setBit(t, e, c)))
		}
	}
	require.NoError(t, e.tx.flush())
	random := newRandom(11)
	for i := range 4 {
		path := fmt.Sprintf("in pieces %d", i%2)
		want[path] = randomBytes(random, 700_000-100_000*i)
		require.NoError(t, e.WriteFile(path, want[path]))
	}
	require.NoError(t, e.Mkdir("many"))
	want["many"] = nil
	added := 0
	for ; added < 1500; added++ {
		path := fmt.Sprintf("many/a file with a name that is not too short %d", added)
		if err := e.WriteFile(path, []byte(path)); err != nil {
			require.ErrorIs(t, err, ErrFull) // the MFT is in too many parts
			break
		}
		want[path] = []byte(path)
	}
	require.Greater(t, added, 50)
	n, _, err := e.v.lookup("in pieces 0")
	require.NoError(t, err)
	require.Greater(t, len(n.others), 2)
	require.NoError(t, e.Close())
	want.equal(t, mounted(t, image))
	readByTools(t, image, want, 10)
	requireTrees(t, e.v)
	require.Less(t, free(t, openImage(t, image)), total/2)
}

func bitAt(t testing.TB, e *Editor, c int64) int64 {
	at, _, err := e.bits.place(c / 8)
	require.NoError(t, err)
	return at
}

func setBit(t testing.TB, e *Editor, c int64) []byte {
	b := make([]byte, 1)
	require.NoError(t, e.bits.read(b, c/8))
	b[0] |= 1 << (c % 8)
	return b
}

func TestRefusals(t *testing.T) {
	image := shapes[3].mkntfs(t)
	e := editImage(t, image)
	require.NoError(t, e.WriteFile("there", []byte("x")))
	for path, want := range map[string]error{
		"a?": ErrName, "a:b": ErrName, "a\\b": ErrName, "dot.": ErrName, "space ": ErrName, "con": ErrName, "NUL.txt": ErrName, "com7.x.y": ErrName,
		"lpt¹": ErrName, "a\x01": ErrName, strings.Repeat("x", 256): ErrName, "a\xff": ErrName, "\xed\xa0\x80": ErrName,
		"none/x": os.ErrNotExist, "$MFT": os.ErrPermission, "$Extend/x": os.ErrPermission, "": os.ErrInvalid, "/x": os.ErrInvalid, "x/../y": os.ErrInvalid,
	} {
		require.ErrorIs(t, e.WriteFile(path, nil), want, path)
	}
	longest := strings.Repeat("é", 253) + "😀" // 255 units of UTF-16
	require.NoError(t, e.Mkdir(longest))
	require.NoError(t, e.WriteFile(longest+"/"+longest, []byte("long")))
	require.ErrorIs(t, e.WriteFile(longest+"x", nil), ErrName)
	require.ErrorIs(t, e.Mkdir("THERE"), os.ErrExist)
	require.ErrorIs(t, e.WriteFile("big", make([]byte, MaxFile+1)), ErrTooLarge)
	require.Error(t, e.WriteFile("there/x", nil))
	require.NoError(t, e.MkdirAll("a/b/c/d"))
	require.NoError(t, e.MkdirAll("A/B/e"))
	require.Error(t, e.WriteFile("a", nil))
	require.NoError(t, e.Close())
	require.Error(t, e.WriteFile("late", nil))
	judge(t, image, tree{"there": []byte("x"), "a": nil, "a/b": nil, "a/b/c": nil, "a/b/c/d": nil, "a/b/e": nil,
		longest: nil, longest + "/" + longest: []byte("long")})
}
