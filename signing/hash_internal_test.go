package signing

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
)

const mib = 1 << 20

func TestSegmentSize(t *testing.T) {
	const gib, tib = 1 << 30, 1 << 40
	for name, c := range map[string]struct {
		volumes []int64
		want    int64
	}{
		"one sector":              {[]int64{512}, mib},
		"exactly 16 GiB":          {[]int64{16 * gib}, mib},
		"a sector more":           {[]int64{16*gib + 512}, 2 * mib},
		"two that end in between": {[]int64{8*gib + 512, 8*gib - 512}, 2 * mib},
		"127 GiB":                 {[]int64{100 * mib, 16 * mib, 127 * gib}, 8 * mib},
		"2 TiB":                   {[]int64{2 * tib}, 128 * mib},
		"64 TiB":                  {[]int64{64 * tib}, 4 * gib},
		"64 TiB in two":           {[]int64{512, 64*tib - 4096}, 8 * gib},
	} {
		require.Equal(t, c.want, segmentSize(c.volumes), name)
	}
}

// TestSegmentHash feeds data with zeros at any place, in chunks.
func TestSegmentHash(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	zeros := &zeroHashes{}
	for range 40 {
		s := segmentHash{zeros: zeros}
		var all []byte
		for range random.IntN(20) {
			p := make([]byte, 512*(1+random.IntN(chunkSize/512)))
			switch random.IntN(4) {
			case 0:
				p[random.IntN(len(p))] = 1
			case 1:
				for i := range p {
					p[i] = byte(random.Uint32())
				}
			}
			all = append(all, p...)
			s.write(p)
			require.Equal(t, sha256.Sum256(all), sumOf(s.state()))
		}
		require.Equal(t, sha256.Sum256(all), s.sum())
	}
	for _, n := range []int64{0, 1, 512, zeroStep - 1, zeroStep, zeroStep + 1, 5*zeroStep + 512} {
		require.Equal(t, sha256.Sum256(make([]byte, n)), zeros.sum(n), n)
	}
}

// A countdown is cancelled while it is asked the last of some times whether it was.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	asked  int
}

func (c *countdown) Err() error {
	err := c.Context.Err()
	if c.asked--; c.asked == 0 {
		c.cancel()
	}
	return err
}

// TestHashEmptyRangesCancelled cancels when all that is left to do is to hash zeros.
func TestHashEmptyRangesCancelled(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.vhdx"))
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Size: 64 * mib, BlockSize: mib})
	require.NoError(t, err)
	defer d.Close()
	ranges := []Range{{0, mib}, {mib, mib}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = hashRanges(&countdown{ctx, cancel, len(ranges)}, d, ranges, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// A spoiledFile fails one write.
type spoiledFile struct {
	*os.File
	writes int // until the one that fails
}

func (f *spoiledFile) fails() bool {
	f.writes--
	return f.writes == -1
}

func (f *spoiledFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fails() {
		n, _ := f.File.WriteAt(p[:len(p)/2], off) // half of it arrives
		return n, os.ErrDeadlineExceeded
	}
	return f.File.WriteAt(p, off)
}

func (f *spoiledFile) Truncate(size int64) error {
	if f.fails() {
		return os.ErrDeadlineExceeded
	}
	return f.File.Truncate(size)
}

// TestStoreLeavesNoTrace fails each write of storing a catalog in turn: the first one, and one in place of another.
func TestStoreLeavesNoTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.vhdx")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Size: 64 * mib, BlockSize: mib})
	require.NoError(t, err)
	_, err = d.WriteAt([]byte("data"), mib)
	require.NoError(t, err)
	require.NoError(t, d.Close())

	for _, item := range [][]byte{[]byte("first"), make([]byte, 700<<10), append(make([]byte, MaxSize-1), 1)} {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		failed := 0
		for ; ; failed++ {
			if err = store(&spoiledFile{File: f, writes: failed}, path, item); err == nil {
				break
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.ErrorContains(t, err, "the file is as it was")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(before), sha256.Sum256(after), "write %d", failed)
		}
		require.Greater(t, failed, 4)
		d, err := vhdx.Open(path)
		require.NoError(t, err)
		stored, err := d.Item(itemID)
		require.NoError(t, err)
		require.Equal(t, item, stored)
		require.NoError(t, d.Close())
	}
}
