package vhdx

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Writers whose ranges meet in the middle of blocks, and of sectors, do not
// disturb each other, whatever else is going on.
func TestConcurrentWritersAndReaders(t *testing.T) {
	for _, kind := range []Type{Dynamic, Fixed, Differencing} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw")
			o := CreateOptions{Type: kind, Size: 24*mib + 512, BlockSize: mib}
			if kind == Differencing {
				o.Parent = filepath.Join(dir, "parent.vhdx")
				p := create(t, o.Parent, CreateOptions{Size: o.Size, BlockSize: 2 * mib})
				newMirror(t, p, raw, 1).scribble(30)
				mustClose(t, p)
			}
			d := create(t, path, o)
			m := newMirror(t, d, raw, 2)

			const writers = 8
			share := d.Size()/writers + 1
			var group errgroup.Group
			stop := make(chan struct{})
			for w := range int64(writers) {
				from, to := w*share, min((w+1)*share, d.Size())
				group.Go(func() error { return scribbleWithin(d, m, from, to, uint64(w)) })
			}
			var others sync.WaitGroup
			errs := make(chan error, 3)
			during := func(work func(n int) error) {
				others.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						if err := work(n); err != nil {
							errs <- err
							return
						}
					}
				})
			}
			buf := make([]byte, 300*kib)
			during(func(n int) error {
				_, err := d.ReadAt(buf, int64(n)*77777%(d.Size()-int64(len(buf))))
				return err
			})
			during(func(int) error {
				for _, err := range d.Extents(0, d.Size()) {
					if err != nil {
						return err
					}
				}
				_ = d.Info()
				return nil
			})
			during(func(n int) error {
				if err := d.SetItem(GUID{1}, make([]byte, n%50000)); err != nil {
					return err
				}
				_ = d.Items()
				return d.Sync()
			})
			err := group.Wait()
			close(stop)
			others.Wait()
			close(errs)
			require.NoError(t, err)
			for err := range errs {
				require.NoError(t, err)
			}
			m.matches()
			mustClose(t, d)
			requireHealthy(t, path)
			if kind != Differencing {
				qemuAgrees(t, path, raw)
			}
			d, err = Open(path)
			require.NoError(t, err)
			requireSame(t, d, raw)
			mustClose(t, d)
		})
	}
}

// scribbleWithin writes at random between two offsets, and reads what it wrote.
func scribbleWithin(d *Disk, m *mirror, from, to int64, seed uint64) error {
	random := newRandom(seed)
	for range 40 {
		p := randomBytes(random, 1+random.IntN(60*kib))
		off := from + random.Int64N(to-from-int64(len(p))+1)
		if _, err := d.WriteAt(p, off); err != nil {
			return err
		}
		if _, err := m.raw.WriteAt(p, off); err != nil {
			return err
		}
		got := make([]byte, len(p))
		if _, err := d.ReadAt(got, off); err != nil {
			return err
		}
		if string(got) != string(p) {
			return fmt.Errorf("what was written at %d reads otherwise", off)
		}
	}
	return nil
}

// Closing while others read and write ends their work with ErrClosed.
func TestCloseUnderWay(t *testing.T) {
	path := tempPath(t, "disk.vhdx")
	d := create(t, path, CreateOptions{Size: 8 * mib, BlockSize: mib})
	begun := make(chan struct{}, 4)
	var group errgroup.Group
	for w := range int64(4) {
		group.Go(func() error {
			p := make([]byte, 5000)
			for n := int64(0); ; n++ {
				_, err := d.WriteAt(p, (w*mib+n*5000)%(7*mib))
				if err == nil {
					_, err = d.ReadAt(p, n*5000%(7*mib))
				}
				if err != nil {
					return err
				}
				if n == 3 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-begun
	}
	mustClose(t, d)
	require.ErrorIs(t, group.Wait(), ErrClosed)
	require.NoError(t, d.Close(), "closing twice is allowed")
	require.ErrorIs(t, d.Sync(), ErrClosed)
	for _, err := range d.Extents(0, mib) {
		require.ErrorIs(t, err, ErrClosed)
	}
	requireHealthy(t, path)
}
