package signing_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// copyOf gives a disk a folder of its own.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "disk.vhdx")
	require.NoError(t, os.WriteFile(path, data, 0o640))
	return path
}

// TestEncryptTemplate encrypts and signs a template, and finds it fit.
func TestEncryptTemplate(t *testing.T) {
	path := copyOf(t, volumetest.Windows(t, volumetest.Options{}))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	hard := filepath.Join(t.TempDir(), "hard.vhdx")
	require.NoError(t, os.Link(path, hard))
	link := filepath.Join(t.TempDir(), "link.vhdx")
	require.NoError(t, os.Symlink(path, link))
	o, last := signOptions(t), int64(0)
	o.Progress = func(done, total int64) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, total)
		last = done
	}
	signed, err := signing.EncryptTemplate(t.Context(), link, 0, o)
	require.NoError(t, err)
	require.Equal(t, volume.BitLocker, signed.Catalog.OSVolume().FileSystem)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	after, err := os.ReadFile(hard)
	require.NoError(t, err)
	require.True(t, string(before) == string(after), "another hard link keeps the old content")
	d, err := vhdx.OpenAlone(path)
	require.NoError(t, err)
	defer d.Close()
	report, err := signing.Verify(t.Context(), d, signed, signing.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, report.Intact(), report.Differences)
}

// TestEncryptTemplateInterrupted stops in each part of the work: the file is as it was, and alone.
func TestEncryptTemplateInterrupted(t *testing.T) {
	path := copyOf(t, volumetest.Windows(t, volumetest.Options{}))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	same := func(t *testing.T) {
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, string(before) == string(after))
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 1)
	}
	for _, part := range []float64{0, 0.34, 0.7} {
		ctx, cancel := context.WithCancel(t.Context())
		o := signOptions(t)
		o.Progress = func(done, total int64) {
			if float64(done) >= part*float64(total) {
				cancel()
			}
		}
		_, err := signing.EncryptTemplate(ctx, path, 0, o)
		require.ErrorIs(t, err, context.Canceled, "%v", part)
		same(t)
		cancel()
	}
	o, full := signOptions(t), errors.New("no room for the catalog")
	o.Ready = func(*signing.Signed) error { return full }
	_, err = signing.EncryptTemplate(t.Context(), path, 0, o)
	require.ErrorIs(t, err, full)
	same(t)
}

// TestEncryptTemplateChanged notices who writes to the file meanwhile.
func TestEncryptTemplateChanged(t *testing.T) {
	path := copyOf(t, volumetest.Windows(t, volumetest.Options{}))
	o := signOptions(t)
	o.Ready = func(*signing.Signed) error {
		d, err := vhdx.OpenReadWrite(path)
		require.NoError(t, err)
		_, err = d.WriteAt([]byte("later"), d.Size()/2)
		require.NoError(t, err)
		return d.Close()
	}
	_, err := signing.EncryptTemplate(t.Context(), path, 0, o)
	require.ErrorIs(t, err, signing.ErrChanged)
}
