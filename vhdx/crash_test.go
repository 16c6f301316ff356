package vhdx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A workload drives a disk and keeps account of what must survive.
type workload struct {
	t      *testing.T
	file   *recordedFile
	disk   *Disk
	random *rand.Rand

	content []byte          // of the virtual disk
	items   map[GUID][]byte // nil: deleted
	marks   []durable       // after each sync
}

// durable is what a crash after op operations, and before the next mark, may
// not lose.
type durable struct {
	op      int
	content []byte
	items   map[GUID][]byte
}

var crashItems = []GUID{{1}, {2}, {3}}

func (w *workload) write(length int, off int64) {
	p := make([]byte, length)
	for i := range p {
		p[i] = byte(w.random.Uint32())
	}
	_, err := w.disk.WriteAt(p, off)
	require.NoError(w.t, err)
	copy(w.content[off:], p)
}

func (w *workload) sync() {
	require.NoError(w.t, w.disk.Sync())
	w.mark()
}

func (w *workload) mark() {
	items := map[GUID][]byte{}
	for id, data := range w.items {
		items[id] = data
	}
	w.marks = append(w.marks, durable{len(w.file.ops), bytes.Clone(w.content), items})
}

func (w *workload) setItem(id GUID, length int) {
	data := bytes.Repeat([]byte{byte(w.random.Uint32() | 1)}, length)
	w.mark()
	require.NoError(w.t, w.disk.SetItem(id, data))
	w.items[id] = data
	w.mark()
}

// run is a life of a disk: written here and there, synced now and then, signed,
// emptied, compacted, closed and opened again.
func (w *workload) run(o Options) {
	size := int64(len(w.content))
	for round := range 4 {
		for range 6 {
			length := 1 + w.random.IntN(40*kib)
			w.write(length, w.random.Int64N(size-int64(length)))
		}
		w.sync()
		w.setItem(crashItems[round%3], 1+w.random.IntN(100*kib))
		w.write(mib+700, w.random.Int64N(size-2*mib)/512*512)
		w.sync()
		switch round {
		case 1:
			w.setItem(crashItems[0], 700*kib) // together with the others more than the region holds
			w.setItem(crashItems[1], 600*kib)
		case 2:
			require.NoError(w.t, w.disk.DeleteItem(crashItems[1]))
			delete(w.items, crashItems[1])
			w.mark()
			zero := make([]byte, 3*mib)
			_, err := w.disk.WriteAt(zero, 4*mib)
			require.NoError(w.t, err)
			copy(w.content[4*mib:], zero)
			w.sync()
			_, err = w.disk.Compact(context.Background(), nil)
			require.NoError(w.t, err)
			w.mark()
		}
		require.NoError(w.t, w.disk.Close())
		w.mark()
		var err error
		w.disk, err = OpenFile(w.file, o)
		require.NoError(w.t, err)
	}
	require.NoError(w.t, w.disk.Close())
	w.mark()
}

// A crash at any moment leaves a file that opens, breaks no rule, and holds
// everything that was synced, for every way that power can fail in.
func TestCrashAtEveryWrite(t *testing.T) {
	const size = 10 * mib
	for _, kind := range []Type{Dynamic, Differencing} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := Options{Writable: true, Path: filepath.Join(dir, "disk.vhdx")}
			create := CreateOptions{Type: kind, Size: size, BlockSize: mib, Path: o.Path}
			w := &workload{t: t, file: &recordedFile{memFile: newMemFile()}, random: rand.New(rand.NewPCG(1, 2)),
				content: make([]byte, size), items: map[GUID][]byte{}}
			if kind == Differencing {
				create.Parent = filepath.Join(dir, "parent.vhdx")
				w.content = writeParent(t, create.Parent, size)
			}
			var err error
			w.disk, err = Create(w.file, create)
			require.NoError(t, err)
			w.file.ops = nil
			base := w.file.clone()
			w.mark()
			w.run(o)

			c := &crashChecker{t: t, options: o, dir: dir, marks: w.marks, kind: kind, content: make([]byte, size), again: make([]byte, size)}
			random := rand.New(rand.NewPCG(3, 4))
			step := 1
			if testing.Short() {
				step = 10
			}
			synced := 0 // operations that base holds
			for n := 1; n <= len(w.file.ops); n++ {
				if w.file.ops[n-1].sync {
					for _, op := range w.file.ops[synced:n] {
						op.apply(base)
					}
					synced = n
				}
				if n%step != 0 {
					continue
				}
				for _, crash := range crashes {
					after := crash.file(base, w.file.ops[synced:n], random)
					c.check(fmt.Sprintf("operation %d of %d, %s", n, len(w.file.ops), crash.name), n, after, crash.qemu && n%11 == 0)
				}
			}
			require.Greater(t, c.replayed, 50/step, "crashes that left a log to replay")
		})
	}
}

func writeParent(t *testing.T, path string, size int64) []byte {
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := Create(f, CreateOptions{Size: size, BlockSize: mib})
	require.NoError(t, err)
	content := make([]byte, size)
	random := rand.NewChaCha8([32]byte{5})
	_, _ = random.Read(content[:size/2])
	_, err = d.WriteAt(content[:size/2], 0)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return content
}

type crashChecker struct {
	t        *testing.T
	options  Options
	dir      string
	marks    []durable
	kind     Type
	replayed int

	content, again []byte // read for reading, and for writing
}

// check opens what a crash after n operations left, first for reading, then for
// writing, and compares. With qemu, qemu-img judges as well.
func (c *crashChecker) check(name string, n int, file *memFile, qemu bool) {
	t := c.t
	report, err := CheckFile(file, c.options.Path)
	require.NoError(t, err, name)
	for _, v := range report.Violations {
		require.False(t, v.Fatal, "%s: %s", name, v.Error())
		require.Equal(t, "2.2.2", v.Section, "%s: %s", name, v.Error()) // a torn header, of which there are two
	}
	if report.LogHoldsUnwritten {
		c.replayed++
	}
	before := file.clone()
	reading, err := OpenFile(file, Options{Path: c.options.Path})
	require.NoError(t, err, name)
	content := c.compare(name, n, reading)
	require.NoError(t, reading.Close())
	require.True(t, maps.Equal(before.pages, file.pages) && before.size == file.size, "%s: reading changed the file", name)

	if qemu && c.kind == Dynamic {
		c.qemuAgrees(name, file, content)
	}
	writing, err := OpenFile(file, c.options)
	require.NoError(t, err, name)
	_, err = writing.ReadAt(c.again, 0)
	require.NoError(t, err, name)
	require.True(t, bytes.Equal(content, c.again), "%s: the replay into the file reads otherwise than that in memory", name)
	_, err = writing.WriteAt([]byte("life goes on"), 9*mib)
	require.NoError(t, err, name)
	require.NoError(t, writing.Close())
	report, err = CheckFile(file, c.options.Path)
	require.NoError(t, err, name)
	require.False(t, report.LogHoldsUnwritten, name)
	for _, v := range report.Violations {
		require.Equal(t, "2.2.2", v.Section, "%s: after writing: %s", name, v.Error())
	}
}

// compare requires that every byte, and every item, is that of the last mark
// or one that was being written when the crash came.
func (c *crashChecker) compare(name string, n int, d *Disk) []byte {
	t := c.t
	i := 0
	for i+1 < len(c.marks) && c.marks[i+1].op <= n {
		i++
	}
	held := c.marks[i]
	coming := held
	if i+1 < len(c.marks) {
		coming = c.marks[i+1]
	}
	content := c.content
	if _, err := d.ReadAt(content, 0); err != io.EOF {
		require.NoError(t, err, name)
	}
	for at := 0; at < len(content); at += 512 {
		got, old, next := content[at:at+512], held.content[at:at+512], coming.content[at:at+512]
		if bytes.Equal(got, old) || bytes.Equal(got, next) {
			continue
		}
		for j := range got {
			if got[j] != old[j] && got[j] != next[j] {
				require.Failf(t, "lost", "%s: byte %#x is %#x, was synced as %#x and then written as %#x", name, at+j, got[j], old[j], next[j])
			}
		}
	}
	for _, id := range crashItems {
		data, err := d.Item(id)
		if err != nil {
			require.ErrorIs(t, err, ErrNoItem, name)
			data = nil
		}
		if !bytes.Equal(data, held.items[id]) && !bytes.Equal(data, coming.items[id]) {
			require.Failf(t, "lost", "%s: item %s has %d bytes, of %d or %d", name, id, len(data), len(held.items[id]), len(coming.items[id]))
		}
	}
	return content
}

// qemuAgrees lets qemu-img replay the log, check the file and compare it.
func (c *crashChecker) qemuAgrees(name string, file *memFile, content []byte) {
	t := c.t
	image, raw := filepath.Join(c.dir, "crashed.vhdx"), filepath.Join(c.dir, "crashed.raw")
	writeSparse(t, image, file)
	require.NoError(t, os.WriteFile(raw, content, 0o600))
	for _, args := range [][]string{
		{"check", "-q", "-r", "all", "-f", "vhdx", image},
		{"check", "-q", "-f", "vhdx", image},
		{"compare", "-q", "-f", "vhdx", "-F", "raw", image, raw},
	} {
		out, err := exec.Command("qemu-img", args...).CombinedOutput()
		require.NoError(t, err, "%s: qemu-img %v: %s", name, args, out)
	}
}

func writeSparse(t *testing.T, path string, m *memFile) {
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(m.size))
	for at, page := range m.pages {
		_, err := f.WriteAt(page[:min(memPage, m.size-at*memPage)], at*memPage)
		require.NoError(t, err)
	}
}
