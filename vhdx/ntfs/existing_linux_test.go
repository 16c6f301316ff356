package ntfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReplaceWhatOthersMade replaces files that ntfs-3g made: linked, sparse,
// in pieces, with other streams, with so many names that they need an
// attribute list, and adds to directories that need one.
func TestReplaceWhatOthersMade(t *testing.T) {
	image := shape{1024, 512, 1024, 48 << 20}.mkntfs(t)
	random := newRandom(20)
	want := tree{}
	large := randomBytes(random, 3_000_000)
	mount(t, image, "streams_interface=xattr", func(dir string) {
		write := func(path string, data []byte) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, path), data, 0o644))
			want[path] = data
		}
		write("linked", []byte("old"))
		for i := range 120 {
			path := fmt.Sprintf("another name of the linked file that is rather long %d", i)
			require.NoError(t, os.Link(filepath.Join(dir, "linked"), filepath.Join(dir, path)))
			want[path] = []byte("old")
		}
		write("streams", []byte("main"))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "streams"), "user.side", large[:60_000], 0))
		f, err := os.Create(filepath.Join(dir, "sparse"))
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("end"), 2_000_000)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		want["sparse"] = append(make([]byte, 2_000_000), "end"...)
		// Two files that grow in turns lie in pieces.
		a, err := os.Create(filepath.Join(dir, "pieces a"))
		require.NoError(t, err)
		b, err := os.Create(filepath.Join(dir, "pieces b"))
		require.NoError(t, err)
		for i := 0; i < len(large); i += 5000 {
			for _, f := range []*os.File{a, b} {
				_, err := f.Write(large[i : i+5000])
				require.NoError(t, err)
				require.NoError(t, f.Sync())
			}
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
		want["pieces a"], want["pieces b"] = large, large
		require.NoError(t, os.Mkdir(filepath.Join(dir, "names"), 0o755))
		want["names"] = nil
		for i := range 2000 {
			write(fmt.Sprintf("names/%d %s", i*7%2000, strings.Repeat("n", i%180)), nil)
		}
	})
	for path, data := range want {
		if data == nil && path != "names" {
			want[path] = []byte{}
		}
	}
	judge(t, image, want)

	e := editImage(t, image)
	n, _, err := e.v.lookup("linked")
	require.NoError(t, err)
	require.NotNil(t, n.list)
	created := n.find(typeStandardInformation, "").value[:8]
	created = bytes.Clone(created)
	e.Now = func() time.Time { return time.Date(2031, 2, 3, 4, 5, 6, 700, time.UTC) }
	for _, size := range []int{3, 40_000, 0, 700} {
		data := randomBytes(random, size)
		for path := range want {
			if path == "linked" || strings.HasPrefix(path, "another") {
				want[path] = data
			}
		}
		require.NoError(t, e.WriteFile("another name of the LINKED file that is rather long 77", data))
		for _, path := range []string{"streams", "sparse", "pieces a", "names/7 n"} {
			want[path] = randomBytes(random, size*2)
			require.NoError(t, e.WriteFile(path, want[path]))
		}
	}
	for i := range 300 {
		path := fmt.Sprintf("names/%d and m%s", i, strings.Repeat("m", i%200))
		want[path] = []byte(path)
		require.NoError(t, e.WriteFile(path, want[path]))
	}
	require.NoError(t, e.Close())
	judge(t, image, want)

	v := openImage(t, image)
	n, _, err = v.lookup("linked")
	require.NoError(t, err)
	require.Equal(t, created, n.find(typeStandardInformation, "").value[:8])
	info, err := v.Stat("linked")
	require.NoError(t, err)
	require.Equal(t, time.Date(2031, 2, 3, 4, 5, 6, 700, time.UTC), info.ModTime())
	require.Equal(t, 121, info.Sys().(*Details).Links)
	mount(t, image, "ro,streams_interface=xattr", func(dir string) {
		b := make([]byte, 70_000)
		n, err := syscall.Getxattr(filepath.Join(dir, "streams"), "user.side", b)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b[:n], large[:60_000]))
		info, err := os.Stat(filepath.Join(dir, "names/0 and m"))
		if err == nil {
			require.Equal(t, 2031, info.ModTime().UTC().Year())
		}
	})
	// Nothing is left of the sparse file's kind.
	require.NotContains(t, tool(t, "ntfsinfo", "-F", "sparse", image), "SPARSE")
}

// TestHugeDirectory has directories whose indexes' bitmaps are no longer
// resident: one that ntfs-3g began and one that the editor did.
func TestHugeDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes thousands of long names")
	}
	image := shape{4096, 512, 1024, 96 << 20}.mkntfs(t)
	name := func(i int) string { return fmt.Sprintf("%06d", i*7919%1_000_000) + strings.Repeat("n", 249) }
	want := tree{"theirs": nil, "ours": nil}
	mount(t, image, "", func(dir string) {
		for i := range 5000 {
			want["theirs/"+name(i)] = []byte{}
		}
		want.plant(t, dir)
	})
	e := editImage(t, image)
	for i := range 9000 {
		for _, dir := range []string{"theirs/", "ours/"} {
			if path := dir + name(i); want[path] == nil && i%3 != 2 {
				want[path] = []byte{}
				require.NoError(t, e.WriteFile(path, nil))
			}
		}
	}
	for _, dir := range []string{"theirs", "ours"} {
		n, _, err := e.v.lookup(dir)
		require.NoError(t, err)
		require.False(t, n.find(typeBitmap, indexDirectory).resident)
	}
	require.NoError(t, e.Close())
	judge(t, image, want)
}

// TestCase shows that a name that differs by case is the same file, unless two
// such are there.
func TestCase(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := tree{"Both": []byte("1"), "both": []byte("2"), "Single": []byte("3"), "STRASSE": []byte("4"), "Äpfel": []byte("5")}
	mount(t, image, "", func(dir string) { want.plant(t, dir) })
	e := editImage(t, image)
	for path, real := range map[string]string{"Both": "Both", "both": "both", "SINGLE": "Single", "straße": "", "ÄPFEL": "Äpfel"} {
		data := []byte("now " + path)
		require.NoError(t, e.WriteFile(path, data))
		if real == "" {
			real = path
		}
		want[real] = data
	}
	require.NoError(t, e.Close())
	judge(t, image, want)
}

// TestObjectIDs keeps the object ID of a file that is replaced.
func TestObjectIDs(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := tree{"known": []byte("old"), "with a name that takes some room": []byte("old")}
	id := func(path string) []byte { return []byte(fmt.Sprintf("%-16.16s", path)) }
	mount(t, image, "", func(dir string) {
		want.plant(t, dir)
		for path := range want {
			require.NoError(t, syscall.Setxattr(filepath.Join(dir, path), "system.ntfs_object_id", id(path), 0))
		}
	})
	e := editImage(t, image)
	for path := range want {
		want[path] = randomBytes(newRandom(3), 5000)
		require.NoError(t, e.WriteFile(path, want[path]))
	}
	require.NoError(t, e.Close())
	judge(t, image, want)
	mount(t, image, "ro", func(dir string) {
		for path := range want {
			b := make([]byte, 64)
			_, err := syscall.Getxattr(filepath.Join(dir, path), "system.ntfs_object_id", b)
			require.NoError(t, err)
			require.Equal(t, id(path), b[:16])
		}
	})
}

// TestShortNames finds files by the short names that Windows made for DOS.
func TestShortNames(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := tree{"Program Files/A long name.text": []byte("old"), "Program Files/short": []byte("s")}
	mount(t, image, "", func(dir string) {
		want.plant(t, dir)
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "Program Files/A long name.text"), "system.ntfs_dos_name", []byte("ALONGN~1.TEX"), 0))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "Program Files"), "system.ntfs_dos_name", []byte("PROGRA~1"), 0))
	})
	e := editImage(t, image)
	want["Program Files/A long name.text"] = randomBytes(newRandom(1), 7000)
	require.NoError(t, e.WriteFile("progra~1/alongn~1.tex", want["Program Files/A long name.text"]))
	want["Program Files/new"] = []byte("n")
	require.NoError(t, e.WriteFile("PROGRA~1/new", []byte("n")))
	require.ErrorIs(t, e.Mkdir("progra~1"), fs.ErrExist)
	require.NoError(t, e.Close())
	judge(t, image, want)
	data, err := openImage(t, image).ReadFile("PROGRA~1/ALONGN~1.TEX")
	require.NoError(t, err)
	require.Len(t, data, 7000)
}

// TestNotReadable has what can be neither read nor replaced.
func TestNotReadable(t *testing.T) {
	image := shapes[3].mkntfs(t)
	junction := append([]byte{3, 0, 0, 0xa0, 12, 0, 0, 0}, make([]byte, 12)...)
	wof := append([]byte{0x17, 0, 0, 0x80, 4, 0, 0, 0}, make([]byte, 4)...)
	mount(t, image, "", func(dir string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "junction"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "wof"), nil, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "encrypted"), []byte("e"), 0o644))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "junction"), "system.ntfs_reparse_data", junction, 0))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "wof"), "system.ntfs_reparse_data", wof, 0))
	})
	f := forced(t, image)
	n, _, err := f.v.lookup("encrypted")
	require.NoError(t, err)
	n.find(typeData, "").flags = flagEncrypted
	require.NoError(t, f.save(n, phaseLink))
	require.NoError(t, f.tx.flush())

	e := editImage(t, image)
	for path, want := range map[string]error{"junction/x": ErrReparse, "wof": ErrReparse, "encrypted": ErrEncrypted} {
		_, err := e.v.ReadFile(path)
		require.ErrorIs(t, err, want, path)
		require.ErrorIs(t, e.WriteFile(path, nil), want, path)
	}
	_, err = fs.ReadDir(e.v, "junction")
	require.ErrorIs(t, err, ErrReparse)
	for _, path := range []string{"junction", "junction/new", "Junction/new/newer", "wof/new"} {
		err := e.MkdirAll(path)
		require.ErrorIs(t, err, ErrReparse, path)
		require.ErrorContains(t, err, strings.SplitN(path, "/", 2)[0])
	}
	require.ErrorIs(t, e.Mkdir("junction/new"), ErrReparse)
	require.ErrorIs(t, e.Reserve(Reservation{"junction/new", []Extent{{5000, 1}}}), ErrReparse)
	file, err := e.v.Open("encrypted")
	require.NoError(t, err)
	_, err = file.Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrEncrypted)
	var listed []string
	require.NoError(t, fs.WalkDir(e.v, ".", func(path string, entry fs.DirEntry, err error) error {
		listed = append(listed, path+" "+entry.Type().String())
		return err
	}))
	require.Equal(t, []string{". d---------", "encrypted ----------", "junction ?---------", "wof ?---------"}, listed)
	require.NoError(t, e.Close())
}

// TestTimes compares with what ntfsinfo says of times, attributes and name spaces.
func TestTimes(t *testing.T) {
	image := shapes[3].mkntfs(t)
	e := editImage(t, image)
	e.Now = func() time.Time { return time.Date(2030, 7, 8, 9, 10, 11, 0, time.UTC) }
	require.NoError(t, e.MkdirAll("Folder/A longer name"))
	require.NoError(t, e.WriteFile("Folder/short.txt", []byte("12345")))
	require.NoError(t, e.WriteFile("Folder/Not so short.text", make([]byte, 10_000)))
	require.NoError(t, e.Close())
	for path, wants := range map[string][]string{
		"Folder/short.txt":         {"Win32 & DOS", "Allocated Size:		 8 (0x8)", "Data Size:		 5 (0x5)", "ARCHIVE"},
		"Folder/Not so short.text": {"POSIX", "Allocated Size:		 12288 (0x3000)", "Data Size:		 10000 (0x2710)"},
		"Folder":                   {"Win32 & DOS", "I30_INDEX"},
		"Folder/A longer name":     {"POSIX"},
	} {
		out := tool(t, "ntfsinfo", "-v", "-F", path, image)
		for _, want := range append(wants, "Mon Jul  8 09:10:11 2030") {
			require.Contains(t, strings.ReplaceAll(out, "\t", "	"), want, path)
		}
	}
	v := openImage(t, image)
	for _, path := range []string{".", "Folder"} {
		entries, err := fs.ReadDir(v, path)
		require.NoError(t, err)
		for _, entry := range entries {
			info, err := entry.Info()
			require.NoError(t, err)
			require.Equal(t, 2030, info.ModTime().Year())
		}
	}
}
