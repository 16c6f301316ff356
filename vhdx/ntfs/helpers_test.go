package ntfs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tool runs a tool that must succeed and returns what it printed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoErrorf(t, err, "%s %q: %s", name, args, out)
	return string(out)
}

// mkntfs makes a volume of size bytes, with options of mkntfs.
func mkntfs(t testing.TB, size int64, options ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "volume.img")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, size))
	tool(t, "mkntfs", append(append([]string{"-F", "-q", "-f"}, options...), image)...)
	return image
}

// openImage opens a volume that lies in a file.
func openImage(t testing.TB, image string) *Volume {
	t.Helper()
	f, err := os.Open(image)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	v, err := Open(f, info.Size())
	require.NoError(t, err)
	return v
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func randomBytes(random *rand.Rand, n int) []byte {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(random.Uint32())
	}
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(p)
	return p
}

// tree is what a volume should hold: paths of files with their data, and of
// directories with nil.
type tree map[string][]byte

// read reads a file system whole.
func read(t testing.TB, fsys fs.FS) tree {
	t.Helper()
	got := tree{}
	require.NoError(t, fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "." {
			return nil
		}
		if d.IsDir() {
			got[path] = nil
			return nil
		}
		data, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		got[path] = append([]byte{}, data...)
		return nil
	}))
	return got
}

// equal requires two trees to be the same, saying only what differs.
func (want tree) equal(t testing.TB, got tree) {
	t.Helper()
	var wrong []string
	for path, data := range want {
		other, ok := got[path]
		switch {
		case !ok:
			wrong = append(wrong, "missing: "+path)
		case (data == nil) != (other == nil):
			wrong = append(wrong, "not of the same kind: "+path)
		case string(data) != string(other):
			wrong = append(wrong, fmt.Sprintf("differs: %s (%d bytes, not %d)", path, len(other), len(data)))
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			wrong = append(wrong, "not expected: "+path)
		}
	}
	require.Emptyf(t, wrong, "%d of %d", len(wrong), len(want))
}

// plant makes files and directories below a mounted directory.
func (want tree) plant(t testing.TB, dir string) {
	t.Helper()
	for path, data := range want {
		full := filepath.Join(dir, path)
		if data == nil {
			require.NoError(t, os.MkdirAll(full, 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, data, 0o644))
	}
	for path := range want { // the directories above
		for up := filepath.Dir(path); up != "."; up = filepath.Dir(up) {
			if _, ok := want[up]; !ok {
				want[up] = nil
			}
		}
	}
}

// holds tells whether each file of a tree has its old data or those that replace them.
func holds(fsys fs.FS, old, next tree) error {
	for path, data := range old {
		if data == nil {
			continue
		}
		got, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		if replaced, ok := next[path]; string(got) != string(data) && !(ok && string(got) == string(replaced)) {
			return fmt.Errorf("%s has lost its data", path)
		}
	}
	return nil
}
