//go:build linux

package ntfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A shape is a kind of volume: cluster and sector size, and the records that
// mkntfs then makes.
type shape struct {
	cluster, sector, record int
	size                    int64
}

func (s shape) String() string { return fmt.Sprintf("cluster %d, sector %d", s.cluster, s.sector) }

func (s shape) mkntfs(t testing.TB) string {
	return mkntfs(t, s.size, "-c", fmt.Sprint(s.cluster), "-s", fmt.Sprint(s.sector), "-L", "Größe")
}

var shapes = []shape{
	{512, 512, 1024, 16 << 20},
	{1024, 512, 1024, 16 << 20},
	{2048, 1024, 1024, 16 << 20},
	{4096, 512, 1024, 24 << 20},
	{4096, 4096, 4096, 24 << 20},
	{8192, 512, 1024, 32 << 20},
	{16384, 2048, 2048, 32 << 20},
	{65536, 512, 1024, 64 << 20},
	{65536, 4096, 4096, 64 << 20},
}

// someShapes is the shapes for a test run that is short, or all.
func someShapes() []shape {
	if testing.Short() {
		return []shape{shapes[0], shapes[4], shapes[7]}
	}
	return shapes
}

// planted is a tree with what is hard to read.
func planted(seed uint64) tree {
	random := newRandom(seed)
	want := tree{
		"empty":                           {},
		"resident.txt":                    []byte("a few bytes"),
		"just resident":                   randomBytes(random, 500),
		"large":                           randomBytes(random, 300_001),
		"a/b/c/d/e/f/g/h/deep.txt":        []byte("deep"),
		"Case/readme":                     []byte("lower"),
		"Case/README":                     []byte("upper"),
		"Case/ReadMe":                     []byte("mixed"),
		"Grüße/ÄÖÜ ß 日本語 😀.txt":           []byte("unicode"),
		strings.Repeat("l", 255):          []byte("long name"),
		"no files here":                   nil,
		strings.Repeat("é", 120) + "/x.y": []byte("in a long directory"),
	}
	for i := range 700 {
		want[fmt.Sprintf("many/file number %d of many.txt", i)] = fmt.Appendf(nil, "%d", i)
	}
	return want
}

func TestRead(t *testing.T) {
	for _, s := range someShapes() {
		t.Run(s.String(), func(t *testing.T) {
			image := s.mkntfs(t)
			want := planted(1)
			mount(t, image, "", func(dir string) { want.plant(t, dir) })
			v := openImage(t, image)
			info := v.Info()
			require.Equal(t, []int{s.sector, s.cluster, s.record}, []int{info.SectorSize, info.ClusterSize, info.RecordSize})
			require.Equal(t, "Größe", info.Label)
			require.Equal(t, []int{3, 1}, []int{info.Major, info.Minor})
			want.equal(t, read(t, v))
			require.NoError(t, v.mirrored())
			state, err := v.State()
			require.NoError(t, err)
			require.NoError(t, state.Err())
			requireSound(t, v)
		})
	}
}

func TestFS(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := planted(2)
	mount(t, image, "", func(dir string) { want.plant(t, dir) })
	v := openImage(t, image)
	require.NoError(t, fstest.TestFS(v, "large", "resident.txt", "Case/README", "a/b/c/d/e/f/g/h/deep.txt"))
	for _, path := range []string{"LARGE", "lArGe", "A/B/c/D/e/F/g/H/DEEP.TXT", "gRÜSSE", "GRÜßE/äöü ß 日本語 😀.TXT", "$mft", "$Extend/$ObjId"} {
		_, err := v.Stat(path)
		if path == "gRÜSSE" {
			require.ErrorIs(t, err, fs.ErrNotExist)
		} else {
			require.NoError(t, err, path)
		}
	}
	for name, content := range map[string]string{"readme": "lower", "README": "upper", "ReadMe": "mixed"} {
		data, err := fs.ReadFile(v, "case/"+name)
		require.NoError(t, err)
		require.Equal(t, content, string(data))
	}
	data, err := fs.ReadFile(v, "case/rEADmE")
	require.NoError(t, err)
	require.Contains(t, []string{"lower", "upper", "mixed"}, string(data))
	for _, path := range []string{"", "/", "a//b", "../a", "a/.", "nothing", "large/x", "a\xff"} {
		_, err := v.Stat(path)
		require.Error(t, err, path)
	}
}

func TestSparseCompressedAndLinks(t *testing.T) {
	image := shapes[3].mkntfs(t)
	random := newRandom(3)
	end := randomBytes(random, 5000)
	mount(t, image, "compression,streams_interface=xattr", func(dir string) {
		f, err := os.Create(filepath.Join(dir, "sparse"))
		require.NoError(t, err)
		_, err = f.WriteAt(end, 3<<20)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, os.Mkdir(filepath.Join(dir, "packed"), 0o755))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "packed"), "system.ntfs_attrib_be", []byte{0, 0, 8, 0}, 0))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "packed/zeros"), make([]byte, 200_000), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "one"), []byte("linked"), 0o644))
		require.NoError(t, os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "two")))
		require.NoError(t, os.Symlink("one", filepath.Join(dir, "symbolic")))
	})
	v := openImage(t, image)
	data, err := fs.ReadFile(v, "sparse")
	require.NoError(t, err)
	require.Equal(t, append(make([]byte, 3<<20), end...), data)
	_, err = fs.ReadFile(v, "packed/zeros")
	require.ErrorIs(t, err, ErrCompressed)
	info, err := v.Stat("packed/zeros")
	require.NoError(t, err)
	require.EqualValues(t, 200_000, info.Size())
	for _, name := range []string{"one", "two"} {
		data, err := fs.ReadFile(v, name)
		require.NoError(t, err)
		require.Equal(t, "linked", string(data))
	}
	info, err = v.Stat("two")
	require.NoError(t, err)
	require.Equal(t, 2, info.Sys().(*Details).Links)
	requireSound(t, v)
}

// TestTogether reads a volume from several goroutines, for the race detector.
func TestTogether(t *testing.T) {
	image := shapes[3].mkntfs(t)
	e := editImage(t, image)
	want := tree{"dir": nil}
	require.NoError(t, e.Mkdir("dir"))
	for i := range 100 {
		path := fmt.Sprintf("dir/file %d", i)
		want[path] = randomBytes(newRandom(uint64(i)), i*30)
		require.NoError(t, e.WriteFile(path, want[path]))
	}
	require.NoError(t, e.Close())
	v := openImage(t, image)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			assert.NoError(t, v.Check())
			assert.NoError(t, fs.WalkDir(v, ".", func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				data, err := v.ReadFile(path)
				assert.True(t, string(want[path]) == string(data), path)
				return err
			}))
		})
	}
	all.Wait()
}

// TestOwners compares with what ntfscluster says of each file.
func TestOwners(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := planted(4)
	mount(t, image, "", func(dir string) { want.plant(t, dir) })
	v := openImage(t, image)
	owners, err := v.Owners()
	require.NoError(t, err)
	skipped, _ := owners.Skipped()
	require.Zero(t, skipped)
	n, _, err := v.lookup("large")
	require.NoError(t, err)
	run := n.find(typeData, "").runs[0]
	list := owners.Of(Extent{run.lcn, 1})
	require.Len(t, list, 1)
	path, err := v.Path(list[0].Record)
	require.NoError(t, err)
	require.Equal(t, "large", path)
	require.Equal(t, Owner{Record: n.number(), Stream: "$DATA", Extent: Extent{run.lcn, 1}}, list[0])
	out := tool(t, "ntfscluster", "-F", "large", image)
	require.Contains(t, out, fmt.Sprint(run.lcn))

	// The record of a small file lies in the MFT.
	n, _, err = v.lookup("a/b/c/d/e/f/g/h/deep.txt")
	require.NoError(t, err)
	at := n.base.at / v.clusterSize
	var records []string
	for _, o := range owners.Of(Extent{at, 1}) {
		path, err := v.Path(o.Record)
		require.NoError(t, err)
		records = append(records, path+o.Stream)
	}
	require.Contains(t, records, "$MFT$DATA")
	require.Contains(t, records, "a/b/c/d/e/f/g/h/deep.txt")
	require.Empty(t, owners.Of(Extent{v.clusters, 10}))
}

func TestFreeAgreesWithNtfsinfo(t *testing.T) {
	for _, s := range someShapes() {
		image := s.mkntfs(t)
		want := planted(5)
		mount(t, image, "", func(dir string) { want.plant(t, dir) })
		v := openImage(t, image)
		free := int64(0)
		last := int64(-1)
		for e, err := range v.Free() {
			require.NoError(t, err)
			require.Greater(t, e.First, last)
			require.Positive(t, e.Count)
			last = e.First + e.Count
			free += e.Count
		}
		require.LessOrEqual(t, last, v.clusters)
		out := tool(t, "ntfsinfo", "-m", image)
		require.Truef(t, strings.Contains(out, fmt.Sprintf("Free Clusters: %d (", free)), "%d free\n%s", free, out)
		require.Contains(t, out, fmt.Sprintf("Volume Size in Clusters: %d", v.clusters))
	}
}

// requireSound requires that each cluster in use has exactly one owner and that
// $Bitmap says so.
func requireSound(t testing.TB, v *Volume) {
	t.Helper()
	owners, err := v.Owners()
	require.NoError(t, err)
	skipped, fault := owners.Skipped()
	require.Zero(t, skipped, fault)
	next := int64(0)
	var free []Extent
	for _, r := range owners.runs {
		if r.record == recordBadClus {
			continue
		}
		require.GreaterOrEqualf(t, r.first, next, "cluster %d has two owners, one of them record %d", r.first, r.record)
		if r.first > next {
			free = append(free, Extent{next, r.first - next})
		}
		next = r.first + r.count
	}
	if next < v.clusters {
		free = append(free, Extent{next, v.clusters - next})
	}
	var listed []Extent
	for e, err := range v.Free() {
		require.NoError(t, err)
		listed = append(listed, e)
	}
	require.Equal(t, free, listed)
}
