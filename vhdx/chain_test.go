package vhdx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// setLocator replaces the parent locator of a disk.
func setLocator(t testing.TB, path string, l parentLocator) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	d, err := OpenFile(f, Options{Writable: true, WithoutParent: true})
	require.NoError(t, err)
	require.NoError(t, d.setItem(item{id: parentLocatorID, required: true}, l.marshal(), false))
	require.NoError(t, d.Close())
}

func locatorOf(t testing.TB, path string) parentLocator {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	s, err := readStructure(f, &findings{})
	require.NoError(t, err)
	return s.params.locator
}

// inWindows writes a path as a locator has it behind a drive or volume.
func inWindows(path string) string { return strings.ReplaceAll(path, "/", `\`) }

const (
	volume = `\\?\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}`
	drive  = `\\?\d:`
)

// The parent is looked for in the order of section 2.6.2.6.3, and what is there
// but is not the parent is passed over.
func TestFindTheParent(t *testing.T) {
	type where struct{ relative, volume, absolute string }
	tests := []struct {
		name     string
		paths    where
		found    string
		linkage2 bool
	}{
		{name: "relative", paths: where{`..\base\parent.vhdx`, "", ""}, found: "parent.vhdx"},
		{name: "relative with a dot", paths: where{`.\..\base\.\parent.vhdx`, "", ""}, found: "parent.vhdx"},
		{name: "volume", paths: where{"", "copy.vhdx", ""}, found: "copy.vhdx"},
		{name: "absolute", paths: where{"", "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative first", paths: where{`..\base\parent.vhdx`, "copy.vhdx", "copy.vhdx"}, found: "parent.vhdx"},
		{name: "volume before absolute", paths: where{"", "copy.vhdx", "parent.vhdx"}, found: "copy.vhdx"},
		{name: "relative is not there", paths: where{`..\base\none.vhdx`, "none.vhdx", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative leads through a file", paths: where{`..\base\parent.vhdx\x`, "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative is a folder", paths: where{`..\base`, "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative is another disk", paths: where{`..\base\other.vhdx`, "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative is no disk", paths: where{`..\base\text.vhdx`, "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative is too long a name", paths: where{strings.Repeat("x", 5000), "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "relative is a drive's", paths: where{`d:\base\parent.vhdx`, "", "copy.vhdx"}, found: "copy.vhdx"},
		{name: "second linkage", paths: where{`..\base\parent.vhdx`, "", ""}, found: "parent.vhdx", linkage2: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base, leaf := filepath.Join(dir, "base"), filepath.Join(dir, "leaf")
			require.NoError(t, os.Mkdir(base, 0o700))
			require.NoError(t, os.Mkdir(leaf, 0o700))
			parent, child := filepath.Join(base, "parent.vhdx"), filepath.Join(leaf, "child.vhdx")
			mustClose(t, create(t, parent, CreateOptions{Size: 4 * mib}))
			mustClose(t, create(t, filepath.Join(base, "other.vhdx"), CreateOptions{Size: 4 * mib}))
			require.NoError(t, os.WriteFile(filepath.Join(base, "text.vhdx"), []byte("hello"), 0o600))
			copyFile(t, parent, filepath.Join(base, "copy.vhdx"))
			mustClose(t, create(t, child, CreateOptions{Type: Differencing, Parent: parent}))
			require.Equal(t, `..\base\parent.vhdx`, locatorOf(t, child)[relativePathKey])

			l := parentLocator{linkageKey: locatorOf(t, child)[linkageKey], relativePathKey: tt.paths.relative}
			if tt.linkage2 {
				l[linkage2Key] = strings.ToUpper(l[linkageKey])
				l[linkageKey] = "{" + GUID{1}.String() + "}"
			}
			if tt.paths.volume != "" {
				l[volumePathKey] = volume + inWindows(filepath.Join(base, tt.paths.volume))
			}
			if tt.paths.absolute != "" {
				l[absolutePathKey] = drive + inWindows(filepath.Join(base, tt.paths.absolute))
			}
			setLocator(t, child, l)

			before := hashFile(t, child)
			d, err := Open(child)
			require.NoError(t, err)
			require.Equal(t, filepath.Join(base, tt.found), d.Info().Parent)
			mustClose(t, d)
			requireHealthy(t, child)
			require.Equal(t, before, hashFile(t, child), "reading changed the file")

			// Opened for writing, stale entries are brought up to date.
			d, err = OpenReadWrite(child)
			require.NoError(t, err)
			require.Equal(t, filepath.Join(base, tt.found), d.Info().Parent)
			data := d.Info().DataWriteGUID
			mustClose(t, d)
			requireHealthy(t, child)
			after := locatorOf(t, child)
			require.Equal(t, filepath.Join(base, tt.found), after.paths(leaf)[0])
			for _, path := range after.paths(leaf) {
				require.FileExists(t, path)
			}
			if tt.paths.relative == "" || after[relativePathKey] == tt.paths.relative {
				require.Equal(t, before, hashFile(t, child), "nothing was stale")
			}
			d, err = Open(child)
			require.NoError(t, err)
			require.Equal(t, data, d.Info().DataWriteGUID, "the data are the same")
			mustClose(t, d)
		})
	}
}

func TestNoParent(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, parent, child string)
		is    error
		text  string
	}{
		{"missing", func(t *testing.T, parent, _ string) { require.NoError(t, os.Remove(parent)) }, ErrParentNotFound, "parent.vhdx"},
		{"only a drive", func(t *testing.T, _, child string) {
			setLocator(t, child, parentLocator{linkageKey: locatorOf(t, child)[linkageKey], absolutePathKey: `\\?\d:`})
		}, ErrParentNotFound, ""},
		{"written since", func(t *testing.T, parent, _ string) {
			d, err := OpenReadWrite(parent)
			require.NoError(t, err)
			_, err = d.WriteAt([]byte{1}, 0)
			require.NoError(t, err)
			mustClose(t, d)
		}, ErrParentChanged, "parent.vhdx"},
		{"another disk", func(t *testing.T, parent, _ string) {
			require.NoError(t, os.Remove(parent))
			mustClose(t, create(t, parent, CreateOptions{Size: 4 * mib}))
		}, ErrParentChanged, "parent.vhdx"},
		{"no disk", func(t *testing.T, parent, _ string) {
			require.NoError(t, os.WriteFile(parent, []byte("hello"), 0o600))
		}, ErrNotVHDX, "parent.vhdx"},
		{"other sectors", func(t *testing.T, parent, child string) {
			require.NoError(t, os.Remove(parent))
			d := create(t, parent, CreateOptions{Size: 4 * mib, LogicalSectorSize: 4096})
			l := parentLocator{linkageKey: "{" + d.Info().DataWriteGUID.String() + "}", relativePathKey: `.\parent.vhdx`}
			mustClose(t, d)
			setLocator(t, child, l)
		}, nil, "its logical sectors have 4096 bytes, the child's 512"},
		{"itself", func(t *testing.T, _, child string) {
			setLocator(t, child, parentLocator{linkageKey: locatorOf(t, child)[linkageKey], relativePathKey: `child.vhdx`})
		}, nil, "runs in a circle at "},
		{"in a circle", func(t *testing.T, parent, child string) {
			require.NoError(t, os.Remove(parent))
			grand := filepath.Join(filepath.Dir(parent), "grand.vhdx")
			mustClose(t, create(t, grand, CreateOptions{Size: 4 * mib}))
			d := create(t, parent, CreateOptions{Type: Differencing, Parent: grand})
			linkage := "{" + d.Info().DataWriteGUID.String() + "}"
			mustClose(t, d)
			setLocator(t, child, parentLocator{linkageKey: linkage, relativePathKey: `.\parent.vhdx`})
			setLocator(t, parent, parentLocator{linkageKey: linkage, relativePathKey: `.\child.vhdx`})
		}, nil, "runs in a circle at "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			parent, child := filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "child.vhdx")
			mustClose(t, create(t, parent, CreateOptions{Size: 4 * mib}))
			mustClose(t, create(t, child, CreateOptions{Type: Differencing, Parent: parent}))
			tt.spoil(t, parent, child)
			before := hashFile(t, child)
			for _, open := range []func(string) (*Disk, error){Open, OpenReadWrite} {
				_, err := open(child)
				require.ErrorContains(t, err, "open "+child+": ")
				require.ErrorContains(t, err, tt.text)
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
			}
			require.Equal(t, before, hashFile(t, child))
			report, err := Check(child)
			require.NoError(t, err)
			require.Len(t, report.Violations, 1)
			require.True(t, report.Violations[0].Fatal)
			require.Equal(t, "2.6.2.6", report.Violations[0].Section)
			require.Contains(t, report.Violations[0].Text, tt.text)
			done, err := Repair(child)
			require.NoError(t, err, "a repair needs no parent")
			require.Empty(t, done)
		})
	}
	t.Run("path not known", func(t *testing.T) {
		p := plant(t, Differencing)
		_, err := OpenFile(p, Options{})
		require.ErrorIs(t, err, ErrParentNotFound)
	})
}

// lengthenChain makes an empty child without opening all disks of the chain.
func lengthenChain(t *testing.T, path, parent string) {
	t.Helper()
	f, err := os.Open(parent)
	require.NoError(t, err)
	defer f.Close()
	s, err := readStructure(f, &findings{})
	require.NoError(t, err)
	p := s.params
	p.hasParent, p.leaveAllocated = true, false
	p.locator = parentLocator{linkageKey: "{" + s.headers.current.dataWrite.String() + "}", relativePathKey: filepath.Base(parent)}
	child, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, writeNew(child, p, p.items()))
	mustClose(t, child)
}

func TestLengthOfAChain(t *testing.T) {
	dir := t.TempDir()
	path := func(n int) string { return filepath.Join(dir, fmt.Sprintf("%d.vhdx", n)) }
	d := create(t, path(1), CreateOptions{Size: 4 * mib, BlockSize: mib})
	_, err := d.WriteAt([]byte("from the first"), mib)
	require.NoError(t, err)
	mustClose(t, d)
	for n := 2; n <= 64; n++ {
		lengthenChain(t, path(n), path(n-1))
		if n%8 == 0 {
			d, err := OpenReadWrite(path(n))
			require.NoError(t, err)
			_, err = d.WriteAt(repeat(byte(n), 512), int64(n)*512)
			require.NoError(t, err)
			mustClose(t, d)
		}
	}
	requireHealthy(t, path(64))
	d, err = OpenReadWrite(path(64))
	require.NoError(t, err)
	got := make([]byte, 2*mib)
	_, err = d.ReadAt(got, 0)
	require.NoError(t, err)
	want := make([]byte, 2*mib)
	copy(want[mib:], "from the first")
	next := int64(0)
	var wantExtents []Extent
	for n := int64(8); n <= 64; n += 8 {
		copy(want[n*512:], repeat(byte(n), 512))
		wantExtents = append(wantExtents, Extent{next, n*512 - next, Absent}, Extent{n * 512, 512, Data})
		next = n*512 + 512
	}
	wantExtents = append(wantExtents, Extent{next, mib - next, Absent}, Extent{mib, mib, Data}, Extent{2 * mib, 2 * mib, Absent})
	requireSameBytes(t, want, got, 0)
	var extents []Extent
	for e, err := range d.Extents(0, d.Size()) {
		require.NoError(t, err)
		extents = append(extents, e)
	}
	require.Equal(t, wantExtents, extents)
	mustClose(t, d)

	f, err := os.Create(path(65))
	require.NoError(t, err)
	defer f.Close()
	_, err = Create(f, CreateOptions{Type: Differencing, Parent: path(64), BlockSize: mib, Path: path(65)})
	require.ErrorContains(t, err, "the chain of differencing disks is longer than 64")
}

// Each of many levels has two files, of which the second is the parent: who
// opened each of them to the end before comparing would open sixteen million.
func TestParentsAreFoundInLinearTime(t *testing.T) {
	dir := t.TempDir()
	const levels = 24
	path := func(n int, kind string) string { return filepath.Join(dir, fmt.Sprintf("%d%s.vhdx", n, kind)) }
	for _, kind := range []string{"x", "y"} {
		mustClose(t, create(t, path(0, kind), CreateOptions{Size: 4 * mib}))
	}
	for n := 1; n <= levels; n++ {
		for _, kind := range []string{"x", "y"} {
			d := create(t, path(n, kind), CreateOptions{Type: Differencing, Parent: path(n-1, "y")})
			linkage := "{" + d.parent.Info().DataWriteGUID.String() + "}"
			mustClose(t, d)
			setLocator(t, path(n, kind), parentLocator{linkageKey: linkage,
				relativePathKey: fmt.Sprintf("%dx.vhdx", n-1), absolutePathKey: drive + inWindows(path(n-1, "y"))})
		}
	}
	d, err := Open(path(levels, "x"))
	require.NoError(t, err)
	mustClose(t, d)
}
