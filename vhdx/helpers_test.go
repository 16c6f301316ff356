package vhdx

import (
	"bytes"
	"crypto/sha256"
	"io"
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

// qemuAgrees requires that qemu-img finds no fault in a disk and that it reads
// what the raw image holds.
func qemuAgrees(t testing.TB, disk, raw string) {
	t.Helper()
	tool(t, "qemu-img", "check", "-q", "-f", "vhdx", disk)
	tool(t, "qemu-img", "compare", "-q", "-f", "vhdx", "-F", "raw", disk, raw)
}

// requireHealthy requires that Check finds nothing.
func requireHealthy(t testing.TB, path string) {
	t.Helper()
	report, err := Check(path)
	require.NoError(t, err)
	require.Emptyf(t, report.Violations, "%s", path)
	require.True(t, report.Healthy())
}

func hashFile(t testing.TB, path string) [32]byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return [32]byte(h.Sum(nil))
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

// create makes a disk at path, as a user of the package does.
func create(t testing.TB, path string, o CreateOptions) *Disk {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	o.Path = path
	d, err := Create(f, o)
	require.NoError(t, err)
	d.closers = append(d.closers, f)
	return d
}

func mustClose(t testing.TB, c io.Closer) {
	t.Helper()
	require.NoError(t, c.Close())
}

// A mirror is a disk and a raw image that are written side by side.
type mirror struct {
	t      testing.TB
	disk   *Disk
	raw    *os.File
	random *rand.Rand
}

// newMirror makes the raw image at path, as long as the disk. What the image
// holds already must be what the disk reads.
func newMirror(t testing.TB, d *Disk, path string, seed uint64) *mirror {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	require.NoError(t, f.Truncate(d.Size()))
	return &mirror{t, d, f, newRandom(seed)}
}

func (m *mirror) write(p []byte, off int64) {
	m.t.Helper()
	n, err := m.disk.WriteAt(p, off)
	require.NoError(m.t, err)
	require.Equal(m.t, len(p), n)
	_, err = m.raw.WriteAt(p, off)
	require.NoError(m.t, err)
}

// scribble writes n times: short and long, aligned and not, at the ends of the
// disk, over the borders of blocks, now and then zeros, now and then synced.
func (m *mirror) scribble(n int) {
	m.t.Helper()
	size, block := m.disk.Size(), m.disk.params.blockSize
	for i := range n {
		length := int64(1 + m.random.IntN(200*kib))
		switch m.random.IntN(4) {
		case 0:
			length = roundUp(length, 4*kib)
		case 1:
			length = 1 + length%700
		}
		length = min(length, size)
		off := m.random.Int64N(size - length + 1)
		switch {
		case i == 0:
			off = 0
		case i == 1:
			off = size - length
		case i%5 == 2 && size > 2*block: // over a border
			off = min(m.random.Int64N(size/block)*block+block-length/2, size-length)
		case i%5 == 3:
			off = off / 4096 * 4096
		}
		p := randomBytes(m.random, int(length))
		if i%7 == 6 {
			clear(p)
		}
		m.write(p, off)
		if i%11 == 10 {
			require.NoError(m.t, m.disk.Sync())
		}
	}
}

// matches requires that the disk reads what the raw image holds.
func (m *mirror) matches() {
	m.t.Helper()
	requireSame(m.t, m.disk, m.raw.Name())
}

// requireSame requires that a disk reads what a raw image holds, read in pieces
// that keep to no border, and that its extents tell the truth.
func requireSame(t testing.TB, d *Disk, raw string) {
	t.Helper()
	f, err := os.Open(raw)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	require.Equal(t, info.Size(), d.Size())
	got, want := make([]byte, 3*mib+4096+7), make([]byte, 3*mib+4096+7)
	for off := int64(0); off < d.Size(); off += int64(len(got)) {
		n := int(min(int64(len(got)), d.Size()-off))
		_, err := d.ReadAt(got[:n], off)
		require.NoError(t, err)
		_, err = f.ReadAt(want[:n], off)
		require.NoError(t, err)
		requireSameBytes(t, want[:n], got[:n], off)
	}
	next, last := int64(0), ExtentKind(-1)
	for e, err := range d.Extents(0, d.Size()) {
		require.NoError(t, err)
		require.Equal(t, next, e.Offset, "extents without gaps")
		require.Positive(t, e.Length)
		require.NotEqual(t, last, e.Kind, "neighbours of a kind are merged")
		next, last = e.Offset+e.Length, e.Kind
		for off := e.Offset; e.Kind != Data && off < next; off += int64(len(want)) {
			n := int(min(int64(len(want)), next-off))
			_, err := f.ReadAt(want[:n], off)
			require.NoError(t, err)
			require.Truef(t, allZero(want[:n]), "%s extent at %d of %d bytes holds data", e.Kind, e.Offset, e.Length)
		}
	}
	require.Equal(t, d.Size(), next)
}

func requireSameBytes(t testing.TB, want, got []byte, off int64) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	for i := range want {
		if want[i] != got[i] {
			require.Failf(t, "content differs", "at %#x: %#x, not %#x", off+int64(i), got[i], want[i])
		}
	}
}

// copyFile copies a file, sparse as it is.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	tool(t, "cp", "--sparse=always", from, to)
}

func tempPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), name)
}
