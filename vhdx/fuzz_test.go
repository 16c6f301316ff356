package vhdx

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fuzzImage is the parts of a file that its reader looks at, small enough for
// a fuzzer to change. They are laid into a sparse file at the MiB that places names.
type fuzzImage struct {
	header, regions, table, items, bat, bitmap, log []byte
	places                                          uint32 // one byte each: log, metadata region, BAT, sector bitmap
	size                                            uint32 // MiB in the low 10 bits; bytes beyond from bit 12 on, 12 bits
	seal                                            uint8  // what is made right again after the change
}

const (
	sealHeaders = 1 << iota
	sealRegions
	sealTable
	sealLog
	nameLog // the headers name the log that is there
)

func (i fuzzImage) place(n int) int64 { return int64(i.places>>(8*n)&0xff) * mib }

// file lays the parts out.
func (i fuzzImage) file() *fuzzFile {
	f := &fuzzFile{memFile: newMemFile()}
	put := func(off int64, b []byte, limit int) {
		_, _ = f.WriteAt(b[:min(len(b), limit)], off)
	}
	put(0, []byte(fileSignature), 8)
	log := append([]byte(nil), i.log[:min(len(i.log), 64*kib)]...)
	if i.seal&sealLog != 0 {
		sealLogEntries(log)
	}
	put(i.place(0), log, len(log))
	put(i.place(1), i.table, metadataTableSize)
	if i.seal&sealTable != 0 {
		put(i.place(1), []byte(metadataSignature), 8)
	}
	put(i.place(1)+metadataTableSize, i.items, 64*kib)
	put(i.place(2), i.bat, 64*kib)
	put(i.place(3), i.bitmap, 64*kib)
	for n := range headerOffsets {
		header, regions := make([]byte, headerSize), make([]byte, regionTableSize)
		copy(header, i.header)
		copy(regions, i.regions)
		if i.seal&nameLog != 0 && len(log) >= logEntryHeaderSize {
			copy(header[48:64], log[32:48])
		}
		if i.seal&sealHeaders != 0 {
			copy(header, headerSignature)
			binary.LittleEndian.PutUint32(header[4:], checksum(header))
		}
		if i.seal&sealRegions != 0 {
			copy(regions, regionSignature)
			binary.LittleEndian.PutUint32(regions[4:], checksum(regions))
		}
		put(headerOffsets[n], header, headerSize)
		put(regionOffsets[n], regions, regionTableSize)
	}
	_ = f.Truncate(int64(i.size&0x3ff)*mib + int64(i.size>>12&0xfff))
	return f
}

// sealLogEntries makes the checksums of the entries in a log right.
func sealLogEntries(log []byte) {
	for len(log) >= logEntryHeaderSize {
		length := int64(binary.LittleEndian.Uint32(log[8:]))
		if length < logSectorSize || length > int64(len(log)) {
			return
		}
		copy(log, logEntrySignature)
		binary.LittleEndian.PutUint32(log[4:], checksum(log[:length]))
		log = log[length:]
	}
}

// A fuzzFile keeps no zeros that nobody has overwritten: a fuzzer's disk may
// have blocks of 256 MiB.
type fuzzFile struct{ *memFile }

func (f *fuzzFile) WriteAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		at := off + int64(done)
		part := p[done:min(len(p), done+int(memPage-at%memPage))]
		if f.pages[at/memPage] != nil || !allZero(part) {
			if _, err := f.memFile.WriteAt(part, at); err != nil {
				return done, err
			}
		}
		done += len(part)
	}
	f.size = max(f.size, off+int64(len(p)))
	return len(p), nil
}

func (f *fuzzFile) clone() *fuzzFile { return &fuzzFile{f.memFile.clone()} }

// A readOnlyFile fails what a disk that is open for reading must not do.
type readOnlyFile struct {
	File
	t *testing.T
}

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) {
	f.t.Fatal("a disk that is open for reading writes")
	return 0, nil
}

func (f readOnlyFile) Truncate(int64) error {
	f.t.Fatal("a disk that is open for reading changes its file's length")
	return nil
}

// dissect takes the parts of a real file.
func dissect(t testing.TB, path string) fuzzImage {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	s, err := readStructure(f, &findings{})
	require.NoError(t, err)
	part := func(off int64, n int) []byte {
		b := make([]byte, n)
		_, err := f.ReadAt(b, off)
		require.True(t, err == nil || err == io.EOF)
		for len(b) > 0 && b[len(b)-1] == 0 {
			b = b[:len(b)-1]
		}
		return b
	}
	h := s.headers.current
	i := fuzzImage{
		header: part(headerOffsets[s.headers.slot], 80), regions: part(regionOffsets[0], 160),
		table: part(s.metadata.offset, 512), items: part(s.metadata.offset+metadataTableSize, 512),
		bat: part(s.bat.offset, 1024), log: part(int64(h.logOffset), 64*kib),
		places: uint32(h.logOffset/mib) | uint32(s.metadata.offset/mib)<<8 | uint32(s.bat.offset/mib)<<16,
		size:   uint32(s.image.stored / mib), seal: sealHeaders | sealRegions,
	}
	if s.params.hasParent {
		b := make([]byte, 8)
		_, err := s.image.ReadAt(b, s.bat.offset+8*s.layout.bitmapIndex(0))
		require.NoError(t, err)
		at := batEntry(binary.LittleEndian.Uint64(b))
		i.bitmap = part(at.offset(), 1024)
		i.places |= uint32(at.offset()/mib) << 24
	}
	return i
}

// fuzzParent makes the parent of the differencing seeds, always the same one.
func fuzzParent(t testing.TB, path string) {
	d := create(t, path, CreateOptions{Size: 12 * mib, BlockSize: mib})
	_, err := d.WriteAt(repeat(0xaa, 100*kib), 2*mib)
	require.NoError(t, err)
	mustClose(t, d)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	for _, off := range headerOffsets {
		b := make([]byte, headerSize)
		_, err := f.ReadAt(b, off)
		require.NoError(t, err)
		copy(b[32:48], repeat(7, 16))
		binary.LittleEndian.PutUint32(b[4:], checksum(b))
		_, err = f.WriteAt(b, off)
		require.NoError(t, err)
	}
}

// fuzzSeeds are disks of ours, clean and with a log, of qemu and of Windows.
func fuzzSeeds(t testing.TB, dir, parent string) []fuzzImage {
	var seeds []fuzzImage
	add := func(path string) { seeds = append(seeds, dissect(t, path)) }
	for n, o := range []CreateOptions{
		{Size: 12 * mib, BlockSize: mib}, {Type: Fixed, Size: 5*mib + 4096, BlockSize: mib, LogicalSectorSize: 4096},
		{Type: Differencing, Parent: parent, BlockSize: 64 * mib}, {Type: Differencing, Parent: parent, BlockSize: 64 * mib, Size: 200 * mib},
	} {
		path, dirty := filepath.Join(dir, string(rune('a'+n))+".vhdx"), filepath.Join(dir, string(rune('a'+n))+"-dirty.vhdx")
		d := create(t, path, o)
		for _, off := range []int64{4096, 2*mib + 1000, d.Size() - 512} {
			_, err := d.WriteAt(repeat(3, 512), off)
			require.NoError(t, err)
		}
		require.NoError(t, d.Sync())
		copyFile(t, path, dirty)
		require.NoError(t, d.SetItem(GUID{1}, []byte("user item")))
		mustClose(t, d)
		add(path)
		add(dirty)
	}
	qemu := filepath.Join(dir, "qemu.vhdx")
	tool(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", qemu, "12M")
	add(qemu)
	leaveDirtyLog(t, qemu, seeds[len(seeds)-1].place(2), "write -P 2 5M 100k")
	add(qemu)
	if _, err := os.Stat("../../shared/testdata/vhdx"); err == nil {
		windows := filepath.Join(dir, "windows.vhdx")
		unpackWindowsImage(t, "vhdx-log-replay.vhdx", windows)
		add(windows)
	}
	return seeds
}

// Whatever the file says, opening, checking, reading, writing, compacting and
// repairing it neither panics nor takes long, and they agree with each other.
func FuzzOpen(f *testing.F) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	parent := filepath.Join(dir, "parent.vhdx")
	fuzzParent(f, parent)
	for _, s := range fuzzSeeds(f, dir, parent) {
		for _, off := range []int64{0, 2*mib - 3} {
			f.Add(s.header, s.regions, s.table, s.items, s.bat, s.bitmap, s.log, s.places, s.size, s.seal, off, []byte("written"))
		}
		f.Add(s.header, s.regions, s.table, s.items, s.bat, s.bitmap, s.log, s.places, s.size, uint8(0xff), int64(-1), []byte{})
	}
	path := filepath.Join(dir, "fuzzed.vhdx")
	f.Fuzz(func(t *testing.T, header, regions, table, items, bat, bitmap, log []byte, places, size uint32, seal uint8, off int64, data []byte) {
		image := fuzzImage{header, regions, table, items, bat, bitmap, log, places, size, seal}.file()
		sound := fuzzRead(t, image, path, off)
		if d, err := OpenFile(image.clone(), Options{Path: path, Writable: true}); err != nil {
			require.True(t, !sound || d == nil && unwritable(err), "%v", err)
			return
		}
		fuzzWrite(t, image.clone(), path, off, data, sound)
		fuzzMaintain(t, image, path, sound)
	})
}

// unwritable tells whether a sound disk may be open for reading only.
func unwritable(err error) bool {
	return strings.Contains(err.Error(), "has no log") || strings.Contains(err.Error(), "are used up")
}

// fatal tells whether the disk is one that Check finds unusable.
func fuzzCheck(t *testing.T, file File, path string) (fatal bool) {
	report, err := CheckFile(readOnlyFile{file, t}, path)
	if err != nil {
		require.ErrorIs(t, err, ErrNotVHDX)
		return true
	}
	for _, v := range report.Violations {
		fatal = fatal || v.Fatal
		require.NotEmpty(t, v.Section)
		require.NotEmpty(t, v.Text)
	}
	return fatal
}

// fuzzRead checks and reads. sound: the disk opened, and no fatal violation is in it.
func fuzzRead(t *testing.T, file *fuzzFile, path string, off int64) (sound bool) {
	fatal := fuzzCheck(t, file, path)
	d, err := OpenFile(readOnlyFile{file, t}, Options{Path: path})
	if err != nil {
		require.True(t, fatal, "check finds nothing fatal, and open does: %v", err)
		return false
	}
	defer d.Close()
	buf := make([]byte, 5000)
	for _, at := range []int64{0, off, d.Size() / 2, d.Size() - 1, d.Size()} {
		if _, err := d.ReadAt(buf, at); err != nil && err != io.EOF && at >= 0 {
			require.True(t, fatal, "check finds nothing fatal, and reading at %d does: %v", at, err)
		}
	}
	next, count := int64(0), 0
	for e, err := range d.Extents(0, d.Size()) {
		if err != nil {
			require.True(t, fatal, "check finds nothing fatal, and extents do: %v", err)
			break
		}
		require.Equal(t, next, e.Offset)
		require.Positive(t, e.Length)
		next = e.Offset + e.Length
		if count++; count == 200 {
			break
		}
	}
	_ = d.Info()
	for _, i := range d.Items() {
		b, err := d.Item(i.ID)
		require.NoError(t, err)
		require.Len(t, b, i.Length)
	}
	return !fatal
}

// fuzzWrite writes, and what it could write is there after opening again.
func fuzzWrite(t *testing.T, file *fuzzFile, path string, off int64, data []byte, sound bool) {
	d, err := OpenFile(file, Options{Path: path, Writable: true})
	if err != nil {
		return
	}
	_, writeErr := d.WriteAt(data, off)
	syncErr := d.Sync()
	itemErr := d.SetItem(GUID{2}, data)
	closeErr := d.Close()
	if sound {
		inside := off >= 0 && off <= d.Size() && int64(len(data)) <= d.Size()-off
		require.True(t, writeErr == nil || !inside, "%v", writeErr)
		require.NoError(t, errors.Join(syncErr, closeErr))
		require.False(t, fuzzCheck(t, file, path), "writing broke the disk")
	}
	if closeErr != nil {
		return
	}
	d, err = OpenFile(file, Options{Path: path})
	require.NoError(t, err, "after writing")
	defer d.Close()
	require.False(t, d.Info().LogReplayed, "the log is empty after closing")
	got := make([]byte, len(data))
	if writeErr == nil && syncErr == nil && sound {
		_, err := d.ReadAt(got, off)
		require.True(t, err == nil || len(data) == 0)
		require.Equal(t, data, got)
	}
	if itemErr == nil && sound {
		got, err := d.Item(GUID{2})
		require.NoError(t, err)
		require.Equal(t, len(data), len(got))
		require.Equal(t, string(data), string(got))
	}
}

// fuzzMaintain repairs and compacts, and neither changes what a sound disk reads.
func fuzzMaintain(t *testing.T, file *fuzzFile, path string, sound bool) {
	probe := func() []byte {
		d, err := OpenFile(file, Options{Path: path})
		if !sound && err != nil {
			return nil
		}
		require.NoError(t, err)
		defer d.Close()
		got := make([]byte, 0, 16*64)
		for n := range int64(16) {
			b := make([]byte, 64)
			if _, err := d.ReadAt(b, d.Size()/16*n); err != nil && err != io.EOF {
				require.False(t, sound, "%v", err)
			}
			got = append(got, b...)
		}
		return got
	}
	before := probe()
	_, err := RepairFile(file)
	if sound {
		require.NoError(t, err)
		require.False(t, fuzzCheck(t, file, path), "the repair broke the disk")
		require.Equal(t, before, probe(), "after the repair")
	}
	d, err := OpenFile(file, Options{Path: path, Writable: true})
	if err != nil || d.layout.entries > 1<<16 {
		return
	}
	_, err = d.Compact(context.Background(), nil)
	require.True(t, err == nil || !sound || errors.Is(err, ErrFixed), "%v", err)
	err = d.Close()
	if sound {
		require.NoError(t, err)
		require.False(t, fuzzCheck(t, file, path), "compacting broke the disk")
		require.Equal(t, before, probe(), "after compacting")
	}
}

func FuzzParseParentLocator(f *testing.F) {
	l := parentLocator{linkageKey: "{" + GUID{7}.String() + "}", relativePathKey: `..\a\b.vhdx`, volumePathKey: volume + `\a\b.vhdx`, absolutePathKey: drive + `\a\b.vhdx`}
	f.Add(l.marshal())
	l[linkage2Key] = l[linkageKey]
	f.Add(l.marshal())
	f.Add(parentLocator{}.marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseParentLocator(b)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		for _, p := range l.paths("/folder") {
			require.True(t, filepath.IsAbs(p))
		}
		_ = l.accepts(GUID{7})
		known := parentLocator{}
		for _, k := range []string{linkageKey, linkage2Key, relativePathKey, volumePathKey, absolutePathKey} {
			if l[k] != "" {
				known[k] = l[k]
			}
		}
		again, err := parseParentLocator(l.marshal())
		if err != nil {
			require.Greater(t, len(b), 20000, "a string of lone surrogates grows: %v", err)
			return
		}
		require.Equal(t, known, again)
	})
}

func FuzzParseGUID(f *testing.F) {
	f.Add("2dc27766-f623-4200-9d64-115e9bfd4a08")
	f.Add("{2DC27766-F623-4200-9D64-115E9BFD4A08}")
	f.Add("{}")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGUID(s)
		if err != nil {
			return
		}
		again, err := ParseGUID(g.String())
		require.NoError(t, err)
		require.Equal(t, g, again)
	})
}

// The seeds are disks that open, or the fuzzer would stay at the door.
func TestFuzzSeedsAreSound(t *testing.T) {
	dir := t.TempDir()
	parent := filepath.Join(dir, "parent.vhdx")
	fuzzParent(t, parent)
	for n, s := range fuzzSeeds(t, dir, parent) {
		require.True(t, fuzzRead(t, s.file(), filepath.Join(dir, "disk.vhdx"), 0), "seed %d", n)
	}
}
