package vhdx

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

const memPage = 4 * kib

// memFile is a sparse file in memory. Its pages are never changed in place, so
// that a clone costs no more than the map of them.
type memFile struct {
	mu    sync.Mutex
	pages map[int64]*[memPage]byte
	size  int64
	read  int64 // bytes that were asked for
}

func newMemFile() *memFile { return &memFile{pages: map[int64]*[memPage]byte{}} }

func (m *memFile) clone() *memFile {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memFile{pages: maps.Clone(m.pages), size: m.size}
}

func (m *memFile) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read += int64(len(p))
	if off >= m.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), m.size-off))
	for done := 0; done < n; {
		at := off + int64(done)
		length := min(n-done, int(memPage-at%memPage))
		if page := m.pages[at/memPage]; page != nil {
			copy(p[done:done+length], page[at%memPage:])
		} else {
			clear(p[done : done+length])
		}
		done += length
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memFile) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for done := 0; done < len(p); {
		at := off + int64(done)
		page := new([memPage]byte)
		if old := m.pages[at/memPage]; old != nil {
			*page = *old
		}
		done += copy(page[at%memPage:], p[done:])
		m.pages[at/memPage] = page
	}
	m.size = max(m.size, off+int64(len(p)))
	return len(p), nil
}

func (m *memFile) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.pages, func(at int64, _ *[memPage]byte) bool { return at*memPage >= size })
	if page := m.pages[size/memPage]; page != nil && size < m.size {
		cut := *page
		clear(cut[size%memPage:])
		m.pages[size/memPage] = &cut
	}
	m.size = size
	return nil
}

func (m *memFile) Sync() error { return nil }

func (m *memFile) Stat() (fs.FileInfo, error) { return memInfo(m.size), nil }

type memInfo int64

func (i memInfo) Name() string       { return "memory" }
func (i memInfo) Size() int64        { return int64(i) }
func (i memInfo) Mode() fs.FileMode  { return 0o600 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }

// A fileOp is a write, a truncation or a sync.
type fileOp struct {
	data     []byte
	offset   int64
	truncate bool
	sync     bool
}

// recordedFile is a memFile that remembers everything done to it.
type recordedFile struct {
	*memFile
	ops []fileOp
}

func (r *recordedFile) WriteAt(p []byte, off int64) (int, error) {
	r.ops = append(r.ops, fileOp{data: append([]byte(nil), p...), offset: off})
	return r.memFile.WriteAt(p, off)
}

func (r *recordedFile) Truncate(size int64) error {
	r.ops = append(r.ops, fileOp{offset: size, truncate: true})
	return r.memFile.Truncate(size)
}

func (r *recordedFile) Sync() error {
	r.ops = append(r.ops, fileOp{sync: true})
	return nil
}

func (op fileOp) apply(m *memFile) {
	switch {
	case op.sync:
	case op.truncate:
		_ = m.Truncate(op.offset)
	default:
		_, _ = m.WriteAt(op.data, op.offset)
	}
}

// torn applies some of the write's sectors, as a disk may that loses power.
func (op fileOp) torn(m *memFile, sector int64, keep func() bool) {
	if op.sync || op.truncate {
		return
	}
	for at := int64(0); at < int64(len(op.data)); {
		end := min((op.offset+at)/sector*sector+sector-op.offset, int64(len(op.data)))
		if keep() {
			_, _ = m.WriteAt(op.data[at:end], op.offset+at)
		}
		at = end
	}
}

// A crash is a way in which power can fail after n operations. It returns the
// file as the next start finds it. base is the file as of the last sync before,
// since are the operations after that, up to the n-th.
type crash struct {
	name string
	file func(base *memFile, since []fileOp, random *rand.Rand) *memFile
	qemu bool // qemu-img can replay what it leaves
}

var crashes = []crash{
	{"stops after the write", func(base *memFile, since []fileOp, _ *rand.Rand) *memFile {
		m := base.clone()
		for _, op := range since {
			op.apply(m)
		}
		return m
	}, true},
	{"tears the write", func(base *memFile, since []fileOp, random *rand.Rand) *memFile {
		m := base.clone()
		for i, op := range since {
			if i < len(since)-1 {
				op.apply(m)
			} else {
				op.torn(m, 512, func() bool { return random.IntN(2) == 0 })
			}
		}
		return m
	}, false},
	// qemu 7 gives up on a log in which the descriptors of an entry do not match
	// its header; on a disk with sectors of 512 bytes such an entry is just torn.
	{"loses and tears what was not synced, by 512 bytes", losesUnsynced(512), false},
	{"loses and tears what was not synced, by 4096 bytes", losesUnsynced(4096), true},
}

func losesUnsynced(sector int64) func(base *memFile, since []fileOp, random *rand.Rand) *memFile {
	return func(base *memFile, since []fileOp, random *rand.Rand) *memFile {
		m := base.clone()
		for _, op := range since {
			switch random.IntN(3) {
			case 0:
				op.apply(m)
			case 1:
				op.torn(m, sector, func() bool { return random.IntN(2) == 0 })
			}
		}
		return m
	}
}
