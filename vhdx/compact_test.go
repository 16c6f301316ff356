package vhdx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

// empty writes zeros over whole blocks, some of those first in the file.
func (m *mirror) empty(blocks ...int64) {
	m.t.Helper()
	for _, n := range blocks {
		off := n * m.disk.params.blockSize
		m.write(make([]byte, min(m.disk.params.blockSize, m.disk.Size()-off)), off)
	}
}

func TestCompact(t *testing.T) {
	tests := []struct {
		name   string
		make   func(t *testing.T, path string) *Disk
		blocks []int64 // to empty
	}{
		{"ours", func(t *testing.T, path string) *Disk {
			return create(t, path, CreateOptions{Size: 40*mib + 512, BlockSize: mib})
		}, []int64{0, 1, 2, 3, 7, 12, 13, 40}},
		{"of large blocks", func(t *testing.T, path string) *Disk {
			return create(t, path, CreateOptions{Size: 100*mib + 512, BlockSize: 16 * mib})
		}, []int64{0, 2, 6}},
		{"of qemu", func(t *testing.T, path string) *Disk {
			tool(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=2M", path, "40M")
			d, err := OpenReadWrite(path)
			require.NoError(t, err)
			return d
		}, []int64{0, 3, 5, 19}},
		{"with large items", func(t *testing.T, path string) *Disk {
			d := create(t, path, CreateOptions{Size: 40 * mib, BlockSize: mib})
			_, err := d.WriteAt(repeat(1, 10*mib), 0)
			require.NoError(t, err)
			require.NoError(t, d.SetItem(GUID{1}, make([]byte, mib)))
			return d
		}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw")
			d := tt.make(t, path)
			tool(t, "qemu-img", "create", "-q", "-f", "raw", raw, "1")
			f, err := os.OpenFile(raw, os.O_RDWR, 0)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(d.Size()))
			require.NoError(t, Copy(context.Background(), f, d, nil))
			mustClose(t, f)
			m := newMirror(t, d, raw, uint64(i))
			m.scribble(60)
			m.empty(tt.blocks...)
			require.NoError(t, d.Sync())
			data, before := d.Info().DataWriteGUID, fileSize(t, path)

			var done, total int64
			saved, err := d.Compact(context.Background(), func(d, of int64) {
				require.Equal(t, done+1, d)
				done, total = d, of
			})
			require.NoError(t, err)
			require.Equal(t, total, done)
			require.Equal(t, d.layout.entries, total)
			require.Equal(t, before-saved, fileSize(t, path))
			require.GreaterOrEqual(t, saved, int64(len(tt.blocks)-1)*d.params.blockSize)
			require.Equal(t, data, d.Info().DataWriteGUID, "the data are the same")
			report, err := Check(path)
			require.NoError(t, err)
			require.Empty(t, report.Violations)
			reserved := int64(0)
			for _, r := range d.reserved {
				reserved += r.length
			}
			require.Equal(t, reserved+report.Blocks.Present*d.params.blockSize, fileSize(t, path), "nothing is left between")
			m.matches()

			m.scribble(30)
			m.empty(tt.blocks...)
			_, err = d.Compact(context.Background(), nil)
			require.NoError(t, err)
			again, err := d.Compact(context.Background(), nil)
			require.NoError(t, err)
			require.Zero(t, again)
			m.scribble(10)
			m.matches()
			mustClose(t, d)
			requireHealthy(t, path)
			qemuAgrees(t, path, raw)
		})
	}
}

// Blocks that hold only zeros still hide the parent's, and a sector bitmap that
// is given back and made anew begins empty.
func TestCompactDifferencing(t *testing.T) {
	d, path := family(t, CreateOptions{BlockSize: mib})
	raw := filepath.Join(filepath.Dir(path), "disk.raw")
	require.NoError(t, os.WriteFile(raw, repeat(0xaa, 12*mib), 0o600))
	m := newMirror(t, d, raw, 1)
	m.scribble(40)
	m.empty(0, 1, 2, 3, 4)
	saved, err := d.Compact(context.Background(), nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, saved, int64(4*mib))
	m.matches()
	for n := range int64(5) {
		e, err := d.entry(d.layout.payloadIndex(n))
		require.NoError(t, err)
		require.Equal(t, newBATEntry(stateZero, 0), e)
	}
	m.scribble(20)
	m.matches()

	// All blocks written whole: no sector bitmap is needed any more.
	for n := range int64(12) {
		require.NoError(t, d.setEntry(d.layout.payloadIndex(n), newBATEntry(stateZero, 0)))
		m.write(randomBytes(m.random, mib), n*mib)
	}
	_, err = d.Compact(context.Background(), nil)
	require.NoError(t, err)
	e, err := d.entry(d.layout.bitmapIndex(0))
	require.NoError(t, err)
	require.Equal(t, stateNotPresent, e.state())
	m.matches()

	// Blocks that read from the parent again, and are written in part.
	require.NoError(t, d.setEntry(d.layout.payloadIndex(3), newBATEntry(stateNotPresent, 0)))
	_, err = m.raw.WriteAt(repeat(0xaa, mib), 3*mib)
	require.NoError(t, err)
	m.write([]byte("in part"), 3*mib+5000)
	m.matches()
	mustClose(t, d)
	requireHealthy(t, path)
	d, err = Open(path)
	require.NoError(t, err)
	requireSame(t, d, raw)
	mustClose(t, d)
}

// A sector bitmap block that comes to lie where another one was has only its own bits.
func TestBitmapInThePlaceOfAnother(t *testing.T) {
	const chunk = 4 << 30
	dir := t.TempDir()
	parent, path := filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "child.vhdx")
	p := create(t, parent, CreateOptions{Size: 3 * chunk, BlockSize: mib})
	for _, off := range []int64{0, chunk, 2 * chunk} {
		_, err := p.WriteAt(repeat(0xaa, mib), off)
		require.NoError(t, err)
	}
	mustClose(t, p)
	d := create(t, path, CreateOptions{Type: Differencing, Parent: parent, BlockSize: mib})
	write := func(b byte, length int, off int64) {
		_, err := d.WriteAt(repeat(b, length), off)
		require.NoError(t, err)
	}
	write(1, mib, 0)     // a block
	write(1, mib/2, mib) // the bitmap of chunk 0, and a block
	write(2, 512, chunk) // the bitmap of chunk 1, and a block
	first, err := d.bitmapOffset(0)
	require.NoError(t, err)
	for n := range int64(2) {
		require.NoError(t, d.setEntry(n, newBATEntry(stateZero, 0)))
	}
	_, err = d.Compact(context.Background(), nil) // the last two take the room of the first two
	require.NoError(t, err)
	second, err := d.bitmapOffset(1)
	require.NoError(t, err)
	require.Equal(t, first, second, "or the test tests nothing")
	check := func(off int64, want []byte) {
		t.Helper()
		got := make([]byte, len(want))
		_, err := d.ReadAt(got, off)
		require.NoError(t, err)
		requireSameBytes(t, want, got, off)
	}
	check(0, make([]byte, mib))
	check(chunk, append(repeat(2, 512), repeat(0xaa, mib-512)...))
	write(3, 512, 2*chunk)
	check(2*chunk, append(repeat(3, 512), repeat(0xaa, mib-512)...))
	mustClose(t, d)
	requireHealthy(t, path)
	d, err = Open(path)
	require.NoError(t, err)
	check(chunk, append(repeat(2, 512), repeat(0xaa, mib-512)...))
	check(2*chunk, append(repeat(3, 512), repeat(0xaa, mib-512)...))
	mustClose(t, d)
}

// Cancelled at any block, a disk reads as before and can be compacted again.
func TestCompactCancelled(t *testing.T) {
	dir := t.TempDir()
	path, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw")
	d := create(t, path, CreateOptions{Size: 30 * mib, BlockSize: mib})
	m := newMirror(t, d, raw, 1)
	m.scribble(60)
	m.empty(1, 2, 3, 4, 11)
	why := errors.New("enough")
	for n := int64(1); n <= 30; n += 4 {
		ctx, cancel := context.WithCancelCause(context.Background())
		_, err := d.Compact(ctx, func(done, _ int64) {
			if done == n {
				cancel(why)
			}
		})
		require.ErrorIs(t, err, why)
		m.matches()
		m.scribble(3)
		m.matches()
	}
	mustClose(t, d)
	requireHealthy(t, path)
	qemuAgrees(t, path, raw)
}

func TestCompactRefused(t *testing.T) {
	path := tempPath(t, "disk.vhdx")
	d := create(t, path, CreateOptions{Type: Fixed, Size: 4 * mib, BlockSize: mib})
	_, err := d.Compact(context.Background(), nil)
	require.ErrorIs(t, err, ErrFixed)
	mustClose(t, d)
	_, err = d.Compact(context.Background(), nil)
	require.Error(t, err)
	path = tempPath(t, "disk.vhdx")
	mustClose(t, create(t, path, CreateOptions{Size: 4 * mib}))
	d, err = Open(path)
	require.NoError(t, err)
	_, err = d.Compact(context.Background(), nil)
	require.ErrorIs(t, err, ErrReadOnly)
	mustClose(t, d)
}
