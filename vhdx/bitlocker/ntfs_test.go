package bitlocker

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs a program and gives what it prints.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return runWith(t, nil, name, args...)
}

func runWith(t testing.TB, input []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

// An ntfsVolume is a volume in a file, made by mkntfs.
type ntfsVolume struct {
	path        string
	size        int64
	clusterSize int64
	files       map[string][]byte
}

// newNTFS makes a volume with some files in it.
func newNTFS(t testing.TB, size int64, sectorSize, clusterSize int) *ntfsVolume {
	t.Helper()
	v := &ntfsVolume{filepath.Join(t.TempDir(), "ntfs.img"), size, int64(clusterSize), map[string][]byte{}}
	require.NoError(t, os.WriteFile(v.path, nil, 0o600))
	require.NoError(t, os.Truncate(v.path, size))
	run(t, "mkntfs", "-q", "-F", "-f", "-L", "judged", "-s", strconv.Itoa(sectorSize), "-c", strconv.Itoa(clusterSize), v.path)
	random := rand.NewChaCha8([32]byte{1})
	for i, n := range []int{100, 5_000, 700_000, 4 << 20} {
		data := make([]byte, n)
		_, _ = random.Read(data)
		source := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(source, data, 0o600))
		name := fmt.Sprintf("file-%d.bin", i)
		run(t, "ntfscp", "-f", "-q", v.path, source, name)
		v.files[name] = data
	}
	return v
}

func (v *ntfsVolume) bitmap(t testing.TB) []byte {
	t.Helper()
	out, err := exec.Command("ntfscat", "-f", "-i", "6", v.path).Output()
	require.NoError(t, err)
	return out
}

// free gives the free runs of a bitmap.
func (v *ntfsVolume) free(bitmap []byte) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		start, clusters := int64(-1), min(v.size/v.clusterSize, int64(8*len(bitmap)))
		for i := range clusters + 1 {
			used := i == clusters || bitmap[i/8]>>(i%8)&1 == 1
			switch {
			case !used && start < 0:
				start = i
			case used && start >= 0:
				if !yield(Extent{start * v.clusterSize, (i - start) * v.clusterSize}, nil) {
					return
				}
				start = -1
			}
		}
	}
}

var runLine = regexp.MustCompile(`(?m)^\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s*$`)

// reserve marks clusters as in use.
func (v *ntfsVolume) reserve(t testing.TB, reserved []Reserved) {
	t.Helper()
	bitmap := v.bitmap(t)
	for _, e := range reserved {
		for i := e.Offset / v.clusterSize; i < (e.Offset+e.Size)/v.clusterSize; i++ {
			require.Zero(t, bitmap[i/8]>>(i%8)&1, "cluster %d is free", i)
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	info := run(t, "ntfsinfo", "-f", "-v", "-i", "6", v.path)
	_, data, ok := strings.Cut(info, "attribute $DATA")
	require.True(t, ok)
	f, err := os.OpenFile(v.path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	for _, m := range runLine.FindAllStringSubmatch(data, -1) {
		number := func(i int) int64 {
			n, err := strconv.ParseInt(m[i], 16, 64)
			require.NoError(t, err)
			return n * v.clusterSize
		}
		from := number(1)
		part := bitmap[from:min(from+number(3), int64(len(bitmap)))]
		_, err = f.WriteAt(part, number(2))
		require.NoError(t, err)
	}
	require.Equal(t, bitmap, v.bitmap(t))
}

// check has ntfs-3g look at a copy of the volume.
func (v *ntfsVolume) check(t testing.TB, path string) {
	t.Helper()
	run(t, "ntfsfix", "-n", path)
	for name, want := range v.files {
		out, err := exec.Command("ntfscat", "-f", path, name).Output()
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, out), name)
	}
}
