package signing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

func newReader(t testing.TB, d *vhdx.Disk, s *signing.Signed, volume int) *signing.VolumeReader {
	t.Helper()
	r, err := signing.NewVolumeReader(d, s, volume)
	require.NoError(t, err)
	return r
}

func TestVolumeReader(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	raw, err := os.ReadFile(volumetest.WindowsRaw(t, volumetest.Options{}))
	require.NoError(t, err)
	d := open(t, path)
	for i, v := range s.Catalog.Volumes {
		at := v.Range(s.Catalog.Disk)
		want := raw[at.Offset:at.End()]
		r := newReader(t, d, s, i)
		require.EqualValues(t, len(want), r.Size())

		var all bytes.Buffer
		n, err := io.Copy(&all, io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err)
		require.Equal(t, r.Size(), n)
		require.True(t, bytes.Equal(want, all.Bytes()))

		all.Reset()
		n, err = r.WriteTo(&all)
		require.NoError(t, err)
		require.Equal(t, r.Size(), n)
		require.True(t, bytes.Equal(want, all.Bytes()))

		random := rand.New(rand.NewPCG(3, uint64(i)))
		for range 25 {
			p := make([]byte, 1+random.IntN(3*mib))
			off := random.Int64N(r.Size() + 1)
			n, err := r.ReadAt(p, off)
			if rest := r.Size() - off; rest < int64(len(p)) {
				require.ErrorIs(t, err, io.EOF)
				require.EqualValues(t, rest, n)
			} else {
				require.NoError(t, err)
				require.Len(t, p, n)
			}
			require.True(t, bytes.Equal(want[off:off+int64(n)], p[:n]))
		}
		if i == windows {
			require.NoError(t, iotest.TestReader(io.NewSectionReader(r, 0, mib), want[:mib]))
		}
	}
	r := newReader(t, d, s, esp)
	_, err = r.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
	_, err = r.ReadAt(make([]byte, 1), r.Size()+1)
	require.ErrorIs(t, err, io.EOF)
	for _, i := range []int{-1, len(s.Catalog.Volumes)} {
		_, err := signing.NewVolumeReader(d, s, i)
		require.Error(t, err)
	}
}

// TestVolumeReaderStopsAtAlteredBytes reads a disk with one byte altered: all before its segment comes, and nothing of it.
func TestVolumeReaderStopsAtAlteredBytes(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	write(t, path, place(s.Catalog, windows, 5*mib+4711), 1)
	r := newReader(t, open(t, path), s, windows)

	var got bytes.Buffer
	n, err := r.WriteTo(&got)
	var altered *signing.AlteredError
	require.ErrorAs(t, err, &altered)
	require.Equal(t, signing.Range{Offset: 5 * mib, Length: mib}, altered.InVolume)
	require.Equal(t, windows, altered.Volume)
	require.Contains(t, err.Error(), "partition 3 (os")
	require.EqualValues(t, 5*mib, n)
	require.Equal(t, 5*mib, got.Len())

	p := make([]byte, 2*mib)
	read, err := r.ReadAt(p, 4*mib)
	require.ErrorAs(t, err, &altered)
	require.Equal(t, mib, read)
	require.Equal(t, make([]byte, mib), p[mib:])
	_, err = r.ReadAt(p[:1], 5*mib)
	require.ErrorAs(t, err, &altered)
	_, err = r.ReadAt(p[:mib], 6*mib)
	require.NoError(t, err)
}

// A fickleFile has other bytes from some moment on.
type fickleFile struct {
	*os.File
	changed *os.File // nil until then
}

func (f *fickleFile) ReadAt(p []byte, off int64) (int, error) {
	if f.changed != nil {
		return f.changed.ReadAt(p, off)
	}
	return f.File.ReadAt(p, off)
}

// hugeDisk is one with segments of 256 MiB, in the first of which there is more than a reader keeps, and its OS volume.
func hugeDisk(t testing.TB) (path string, s *signing.Signed) {
	path = volumetest.Windows(t, volumetest.Options{OSSize: 2*tib - 512*mib, BlockSize: mib})
	d, err := vhdx.OpenReadWrite(path)
	require.NoError(t, err)
	random := rand.NewChaCha8([32]byte{})
	data := make([]byte, mib)
	for at := int64(0); at < 40*mib; at += 2 * mib {
		_, _ = random.Read(data)
		_, err := d.WriteAt(data, 400*mib+at)
		require.NoError(t, err)
	}
	require.NoError(t, d.Close())
	return path, sign(t, path)
}

// TestVolumeReaderHandsOutWhatItHashed changes the file between the two readings of a large segment.
func TestVolumeReaderHandsOutWhatItHashed(t *testing.T) {
	path, s := hugeDisk(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "other.vhdx")
	require.NoError(t, os.WriteFile(other, content, 0o600))
	from := place(s.Catalog, windows, 0)
	write(t, other, 400*mib+512*3, 512)        // in what is kept
	write(t, other, 400*mib+30*mib+512*3, 512) // in what is read again

	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	file := &fickleFile{File: f}
	d, err := vhdx.OpenFile(file, vhdx.Options{})
	require.NoError(t, err)
	defer d.Close()
	r := newReader(t, d, s, windows)

	segment := s.Catalog.Hash.Segment
	start := (400*mib - from) / segment * segment // of the segment
	_, err = r.ReadAt(make([]byte, 1), start)
	require.NoError(t, err)
	file.changed, err = os.Open(other)
	require.NoError(t, err)
	defer file.changed.Close()

	want := make([]byte, 40*mib)
	_, err = open(t, path).ReadAt(want, 400*mib)
	require.NoError(t, err)
	got := make([]byte, len(want))
	n, err := r.ReadAt(got, 400*mib-from)
	var altered *signing.AlteredError
	require.ErrorAs(t, err, &altered)
	require.Equal(t, 30*mib, n)
	require.True(t, bytes.Equal(want[:n], got[:n]))
	require.Equal(t, make([]byte, 10*mib), got[n:])
}

// TestVolumeReaderHuge reads all of 2 TiB, in bounded memory.
func TestVolumeReaderHuge(t *testing.T) {
	path, s := hugeDisk(t)
	d := open(t, path)
	r := newReader(t, d, s, windows)
	from := place(s.Catalog, windows, 0)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	at := int64(0)
	plain := make([]byte, 256<<10)
	for c, err := range r.Chunks(t.Context()) { // millions of times, so without require
		if err != nil || c.Offset != at {
			t.Fatal(c, at, err)
		}
		at = c.End()
		if c.Data == nil {
			continue
		}
		if _, err := d.ReadAt(plain[:c.Length], from+c.Offset); err != nil || !bytes.Equal(plain[:c.Length], c.Data) {
			t.Fatal(c.Range, err)
		}
	}
	require.Equal(t, r.Size(), at)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*mib), "all that was ever allocated, so the most at any time")
}

func TestVolumeReaderCancelled(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	r := newReader(t, open(t, path), s, windows)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	chunks := 0
	var last error
	for _, err := range r.Chunks(ctx) {
		chunks++
		last = err
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Equal(t, 2, chunks)

	// A loop that is left early leaves nothing behind that reads.
	for range r.Chunks(t.Context()) {
		break
	}

	full := errors.New("full")
	n, err := r.WriteTo(writerFunc(func(p []byte) (int, error) { return 7, full }))
	require.ErrorIs(t, err, full)
	require.EqualValues(t, 7, n)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
