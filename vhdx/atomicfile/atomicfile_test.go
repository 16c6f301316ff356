package atomicfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

func TestWriteFile(t *testing.T) {
	for name, c := range map[string]struct {
		existing  bool
		overwrite bool
		wantErr   error
	}{
		"new":                       {},
		"new, may overwrite":        {overwrite: true},
		"existing":                  {existing: true, wantErr: fs.ErrExist},
		"existing, is to overwrite": {existing: true, overwrite: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			if c.existing {
				require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			}
			err := atomicfile.WriteFile(path, []byte("new"), 0o600, c.overwrite)
			require.ErrorIs(t, err, c.wantErr)
			want := "new"
			if c.wantErr != nil {
				want = "old"
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			requireOnly(t, dir, "out")
		})
	}
}

// A name taken while the file was written is refused at the end.
func TestCommitDoesNotOverwriteLatecomer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f, err := atomicfile.Create(path, false)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("other"), 0o600))
	require.ErrorIs(t, f.Commit(), fs.ErrExist)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "other", string(got))
	requireOnly(t, dir, "out")
}

// A name as long as a file system takes it has room beside it for the temporary file.
func TestLongName(t *testing.T) {
	for _, name := range []string{strings.Repeat("n", 255), strings.Repeat("n", 240), "n" + strings.Repeat("ü", 127)} {
		dir := t.TempDir()
		require.NoError(t, atomicfile.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600, false))
		requireOnly(t, dir, name)
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := atomicfile.Create(filepath.Join(dir, "out"), false)
	require.NoError(t, err)
	_, err = f.WriteString("half")
	require.NoError(t, err)
	f.Discard()
	requireOnly(t, dir)
	require.Error(t, f.Commit())
}

func TestCreateErrorsNameThePath(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "out")
	_, err := atomicfile.Create(missing, false)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, missing)

	dir := t.TempDir()
	_, err = atomicfile.Create(dir, true)
	require.ErrorContains(t, err, dir+": is a directory")
}

func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.Equal(t, names, got)
}
