package vhdx

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// unpackWindowsImage unpacks a disk that Windows made, or skips the test where
// the folder of such disks is missing.
func unpackWindowsImage(t testing.TB, name, to string) {
	t.Helper()
	folder := "../../shared/testdata/vhdx"
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("no disks made by Windows here: %v", err)
	}
	packed, err := os.Open(filepath.Join(folder, name+".gz"))
	require.NoError(t, err)
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	require.NoError(t, err)
	f, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(f, z)
	require.NoError(t, err)
	mustClose(t, f)
}

func TestReadAndWriteWhatWindowsMade(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "swap.vhdx")
	unpackWindowsImage(t, "swap.vhdx", image)

	before := hashFile(t, image)
	d, err := Open(image)
	require.NoError(t, err)
	info := d.Info()
	require.Equal(t, Dynamic, info.Type)
	require.EqualValues(t, 10<<30, info.Size)
	require.Equal(t, 32*mib, info.BlockSize)
	require.Contains(t, info.Creator, "Microsoft Windows")
	require.False(t, info.LogReplayed)
	compareData(t, d, image)
	mustClose(t, d)
	require.Equal(t, before, hashFile(t, image), "reading changed the file")
	requireHealthy(t, image)

	d, err = OpenReadWrite(image)
	require.NoError(t, err)
	require.Equal(t, before, hashFile(t, image), "opening changed the file")
	random, written := newRandom(1), map[int64][]byte{}
	for _, off := range []int64{0, 5000, 9<<30 + 7, 10<<30 - 3000} {
		written[off] = randomBytes(random, 3000)
		_, err := d.WriteAt(written[off], off)
		require.NoError(t, err)
	}
	require.NotEqual(t, info.DataWriteGUID, d.Info().DataWriteGUID)
	mustClose(t, d)
	requireHealthy(t, image)
	tool(t, "qemu-img", "check", "-q", "-f", "vhdx", image)
	d, err = Open(image)
	require.NoError(t, err)
	compareData(t, d, image)
	for off, want := range written {
		got := make([]byte, len(want))
		_, err := d.ReadAt(got, off)
		require.NoError(t, err)
		requireSameBytes(t, want, got, off)
	}
	mustClose(t, d)
}

// compareData compares what a disk holds, some ten MiB of ten GiB, with what
// qemu-img reads there.
func compareData(t *testing.T, d *Disk, image string) {
	t.Helper()
	part := filepath.Join(t.TempDir(), "part.raw")
	for e, err := range d.Extents(0, d.Size()) {
		require.NoError(t, err)
		if e.Kind != Data {
			continue
		}
		tool(t, "qemu-img", "convert", "-O", "raw", fmt.Sprintf(`json:{"driver":"raw","offset":%d,"size":%d,`+
			`"file":{"driver":"vhdx","file":{"driver":"file","filename":%q}}}`, e.Offset, e.Length, image), part)
		want, err := os.ReadFile(part)
		require.NoError(t, err)
		got := make([]byte, e.Length)
		_, err = d.ReadAt(got, e.Offset)
		require.NoError(t, err)
		requireSameBytes(t, want, got, e.Offset)
	}
}

func TestReplayTheLogOfWindows(t *testing.T) {
	dir := t.TempDir()
	image, judged, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "judged.vhdx"), filepath.Join(dir, "disk.raw")
	unpackWindowsImage(t, "vhdx-log-replay.vhdx", image)
	copyFile(t, image, judged)
	tool(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", judged)
	tool(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", judged, raw)

	report, err := Check(image)
	require.NoError(t, err)
	require.True(t, report.LogHoldsUnwritten)
	require.Empty(t, report.Violations)
	requireReplay(t, image, raw)

	unpackWindowsImage(t, "vhdx-log-replay.vhdx", image)
	done, err := Repair(image)
	require.NoError(t, err)
	require.Equal(t, []string{"brought the changes in the log to their place"}, done)
	requireHealthy(t, image)
	tool(t, "qemu-img", "compare", "-q", "-f", "vhdx", "-F", "vhdx", image, judged)
}
