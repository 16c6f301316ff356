package ntfs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var errDevice = errors.New("the device failed")

// A failing device is a volume in memory whose writes fail from some on.
type failing struct {
	b      []byte
	align  int64 // of writes
	writes int   // that are left
	syncs  int
	log    []int64
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *failing) WriteAt(p []byte, off int64) (int, error) {
	if f.align > 0 && (off%f.align != 0 || int64(len(p))%f.align != 0) {
		return 0, errors.New("a write that is not of whole sectors")
	}
	if f.writes == 0 {
		return 0, errDevice
	}
	f.writes--
	f.log = append(f.log, off)
	return copy(f.b[off:], p), nil
}

func (f *failing) Sync() error { f.syncs++; return nil }

// TestCrash cuts a row of changes short after each of its writes: the volume is
// then marked dirty, or as it was before or after all of them, and each file
// that was there has its old data or its new ones.
func TestCrash(t *testing.T) {
	for _, s := range []shape{{1024, 512, 1024, 4 << 20}, {4096, 4096, 4096, 6 << 20}} {
		t.Run(s.String(), func(t *testing.T) {
			image := s.mkntfs(t)
			old := tree{"replaced": []byte("old"), "replaced large": randomBytes(newRandom(1), 50_000), "dir": nil}
			for i := range 60 {
				old["dir/"+string(rune('A'+i%26))+"old name "+string(rune('a'+i/26))] = randomBytes(newRandom(uint64(i)), i*40)
			}
			mount(t, image, "", func(dir string) { old.plant(t, dir) })
			before, err := os.ReadFile(image)
			require.NoError(t, err)
			next := tree{"replaced": randomBytes(newRandom(2), 9000), "replaced large": []byte("new")}
			work := func(d *failing) error {
				e, err := Edit(d, int64(len(d.b)))
				require.NoError(t, err)
				defer e.Close()
				for _, path := range []string{"replaced", "replaced large"} {
					if err := e.WriteFile(path, next[path]); err != nil {
						return err
					}
				}
				if err := e.MkdirAll("dir/new/newer"); err != nil {
					return err
				}
				var places []Reservation // in the directory that is already full of names
				for x, err := range e.v.Free() {
					require.NoError(t, err)
					for ; len(places) < 8 && x.Count > 40; x.First, x.Count = x.First+11, x.Count-11 {
						name := "dir/reserved with a name that is long enough to need room " + string(rune('A'+len(places)))
						places = append(places, Reservation{name, []Extent{{x.First + 30, 5}}})
					}
				}
				require.Len(t, places, 8)
				if err := e.Reserve(places...); err != nil {
					return err
				}
				for i := range 40 { // splits nodes and grows the MFT
					if err := e.WriteFile("dir/new name "+string(rune('一'+i)), next["replaced"][:i*100]); err != nil {
						return err
					}
				}
				return e.Close()
			}
			whole := &failing{b: append([]byte{}, before...), align: int64(s.sector), writes: -1}
			require.NoError(t, work(whole))
			v, err := Open(whole, int64(len(whole.b)))
			require.NoError(t, err)
			require.NoError(t, v.Check())
			requireTrees(t, v)
			require.Greater(t, whole.syncs, 40)
			step := 1
			if testing.Short() {
				step = 23
			}
			scratch := filepath.Join(t.TempDir(), "crashed.img")
			for cut := 0; cut < len(whole.log); cut += step {
				d := &failing{b: append([]byte{}, before...), align: int64(s.sector), writes: cut}
				require.ErrorIs(t, work(d), errDevice)
				v, err := Open(d, int64(len(d.b)))
				require.NoErrorf(t, err, "cut after %d writes", cut)
				state, err := v.State()
				require.NoError(t, err)
				_, err = Edit(d, int64(len(d.b)))
				if cut > 1 && cut < len(whole.log)-1 {
					require.Truef(t, state.Dirty, "cut after %d writes", cut)
					require.ErrorIs(t, err, ErrDirty)
				}
				require.NoErrorf(t, holds(v, old, next), "cut after %d writes", cut)
				if cut%(step*17) == 0 { // as ntfs-3g sees it, which wants the MFT's mirror to be up to date
					require.NoError(t, os.WriteFile(scratch, d.b, 0o600))
					tool(t, "ntfsfix", scratch)
					mount(t, scratch, "ro", func(dir string) { require.NoError(t, holds(os.DirFS(dir), old, next)) })
				}
			}
		})
	}
}
