package signing

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// A sparseFile is a file on a disk that is nearly full: it keeps the pages that were written to, and has room for so many more.
type sparseFile struct {
	fs.FileInfo
	pages map[int64]*[pageSize]byte
	size  int64
	room  int
}

// newSparseFile loads a file; its pages of zeros are holes.
func newSparseFile(t testing.TB, path string, room int) *sparseFile {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	f := &sparseFile{pages: map[int64]*[pageSize]byte{}, size: int64(len(content)), room: room}
	for n := int64(0); len(content) > 0; n++ {
		page := new([pageSize]byte)
		content = content[copy(page[:], content):]
		if *page != ([pageSize]byte{}) {
			f.pages[n] = page
		}
	}
	return f
}

func (f *sparseFile) content() []byte {
	b := make([]byte, f.size)
	for n, page := range f.pages {
		copy(b[n*pageSize:], page[:])
	}
	return b
}

func (f *sparseFile) ReadAt(p []byte, off int64) (done int, err error) {
	for done < len(p) && off < f.size {
		n := min(int(pageSize-off%pageSize), len(p)-done, int(f.size-off))
		if page := f.pages[off/pageSize]; page != nil {
			copy(p[done:done+n], page[off%pageSize:])
		} else {
			clear(p[done : done+n])
		}
		done, off = done+n, off+int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

func (f *sparseFile) WriteAt(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		page := f.pages[off/pageSize]
		if page == nil {
			if f.room == 0 {
				return done, syscall.ENOSPC
			}
			f.room--
			page = new([pageSize]byte)
			f.pages[off/pageSize] = page
		}
		n := copy(page[off%pageSize:], p[done:])
		done, off = done+n, off+int64(n)
		f.size = max(f.size, off)
	}
	return done, nil
}

func (f *sparseFile) Truncate(size int64) error {
	for n, page := range f.pages {
		if n*pageSize >= size {
			delete(f.pages, n)
			f.room++
		} else if rest := size - n*pageSize; rest < pageSize {
			clear(page[rest:])
		}
	}
	f.size = size
	return nil
}

func (f *sparseFile) Sync() error                { return nil }
func (f *sparseFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *sparseFile) Size() int64                { return f.size }
func (f *sparseFile) Mode() fs.FileMode          { return 0o600 }

// TestStoreOnFullDisk gives the disk room for one page more with each try, until the catalog fits: until then the file is as
// it was.
func TestStoreOnFullDisk(t *testing.T) {
	fresh := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "disk.vhdx")
		volumetest.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "subformat=dynamic", path, "64M")
		return path
	}
	for name, c := range map[string]struct {
		disk func(*testing.T) string
		item int // bytes
	}{
		"small":         {fresh, 7 << 10},
		"large":         {fresh, 300 << 10},
		"with a system": {func(t *testing.T) string { return volumetest.Windows(t, volumetest.Options{}) }, 100 << 10},
		"to replace one": {func(t *testing.T) string {
			path := fresh(t)
			d, err := vhdx.OpenReadWrite(path)
			require.NoError(t, err)
			require.NoError(t, d.SetItem(itemID, []byte("old")))
			require.NoError(t, d.Close())
			return path
		}, 100 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.disk(t)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			item := make([]byte, c.item)
			for i := range item {
				item[i] = byte(i%255 + 1)
			}
			failed := 0
			for ; ; failed++ {
				f := newSparseFile(t, path, failed)
				if err = store(f, path, item); err == nil {
					break
				}
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.ErrorContains(t, err, "the file is as it was")
				if string(before) != string(f.content()) {
					t.Fatalf("room for %d pages: another file", failed)
				}
			}
			require.Greater(t, failed, c.item/pageSize)
		})
	}
}
