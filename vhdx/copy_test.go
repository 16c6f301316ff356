package vhdx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stored is what a file takes up on its host.
func stored(t testing.TB, path string) int64 {
	t.Helper()
	blocks, err := strconv.ParseInt(strings.TrimSpace(tool(t, "stat", "-c", "%b", path)), 10, 64)
	require.NoError(t, err)
	return blocks * 512
}

// Raw images become disks and come back the same, byte for byte and hole for hole.
func TestConvert(t *testing.T) {
	for i, o := range []CreateOptions{
		{Size: 200 * mib},
		{Size: 200*mib + 512, BlockSize: mib},
		{Size: 130 * mib, BlockSize: 256 * mib},
		{Type: Fixed, Size: 100*mib + 512*3},
		{Size: 100 * mib, LogicalSectorSize: 4096},
	} {
		t.Run(fmt.Sprintf("%s %d in %d", o.Type, o.Size, o.BlockSize), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			raw, image, back := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "back.raw")
			fillRaw(t, raw, o.Size, uint64(i))
			zeroed, err := os.OpenFile(raw, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = zeroed.WriteAt(make([]byte, 8*mib), 60*mib) // zeros that are stored
			require.NoError(t, err)
			mustClose(t, zeroed)

			src, err := OpenRaw(raw)
			require.NoError(t, err)
			require.Equal(t, o.Size, src.Size())
			d := create(t, image, o)
			last := int64(-1)
			require.NoError(t, Copy(context.Background(), d, src, func(done int64) {
				require.GreaterOrEqual(t, done, last)
				last = done
			}))
			require.Equal(t, o.Size, last)
			mustClose(t, d)
			mustClose(t, src)
			requireHealthy(t, image)
			if o.LogicalSectorSize != 4096 {
				qemuAgrees(t, image, raw)
			}

			d, err = Open(image)
			require.NoError(t, err)
			requireSame(t, d, raw)
			f, err := os.Create(back)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(d.Size()))
			require.NoError(t, Copy(context.Background(), f, d, nil))
			mustClose(t, f)
			mustClose(t, d)
			tool(t, "cmp", raw, back)
			require.Less(t, stored(t, image), stored(t, raw)-6*mib, "zeros are not stored")
			require.Less(t, stored(t, back), stored(t, raw)-6*mib, "zeros are not stored")
			if o.LogicalSectorSize != 4096 {
				tool(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", image, back)
				tool(t, "cmp", raw, back)
			}
		})
	}
}

// One disk is copied into another, with other blocks and another history.
func TestCopyBetweenDisks(t *testing.T) {
	dir := t.TempDir()
	raw, parent, child, flat := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "parent.vhdx"), filepath.Join(dir, "child.vhdx"), filepath.Join(dir, "flat.vhdx")
	d := create(t, parent, CreateOptions{Size: 30*mib + 512, BlockSize: 4 * mib})
	newMirror(t, d, raw, 1).scribble(30)
	mustClose(t, d)
	d = create(t, child, CreateOptions{Type: Differencing, Parent: parent})
	newMirror(t, d, raw, 2).scribble(30)
	to := create(t, flat, CreateOptions{Size: d.Size(), BlockSize: mib})
	require.NoError(t, Copy(context.Background(), to, d, nil))
	mustClose(t, to)
	mustClose(t, d)
	requireHealthy(t, flat)
	qemuAgrees(t, flat, raw)
}

func TestCopyStops(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	fillRaw(t, raw, 40*mib, 1)
	src, err := OpenRaw(raw)
	require.NoError(t, err)
	defer src.Close()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	d := create(t, filepath.Join(dir, "disk.vhdx"), CreateOptions{Size: 40 * mib})
	err = Copy(ctx, d, src, func(done int64) { cancel(why) })
	require.ErrorIs(t, err, why)
	mustClose(t, d)
	require.ErrorIs(t, Copy(ctx, d, src, nil), why, "cancelled before it began")
	err = Copy(context.Background(), d, src, nil)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "write at ")

	small := create(t, filepath.Join(dir, "small.vhdx"), CreateOptions{Size: 20 * mib})
	require.ErrorContains(t, Copy(context.Background(), small, src, nil), "the disk ends at 20971520")
	mustClose(t, small)
	_, err = OpenRaw(filepath.Join(dir, "none.raw"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestExtentsOfRaw(t *testing.T) {
	raw := tempPath(t, "disk.raw")
	f, err := os.Create(raw)
	require.NoError(t, err)
	_, err = f.WriteAt(repeat(1, mib), 4*mib)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(10*mib))
	mustClose(t, f)
	src, err := OpenRaw(raw)
	require.NoError(t, err)
	defer src.Close()
	all := []Extent{{0, 4 * mib, Absent}, {4 * mib, mib, Data}, {5 * mib, 5 * mib, Absent}}
	for _, tt := range []struct {
		off, length int64
		want        []Extent
	}{
		{0, 10 * mib, all},
		{0, math.MaxInt64, all},
		{1, math.MaxInt64, []Extent{{1, 4*mib - 1, Absent}, all[1], all[2]}},
		{4*mib + 10, 20, []Extent{{4*mib + 10, 20, Data}}},
		{6 * mib, mib, []Extent{{6 * mib, mib, Absent}}},
		{10 * mib, 5, nil},
		{11 * mib, 5, nil},
		{5, 0, nil},
	} {
		var got []Extent
		for e, err := range src.Extents(tt.off, tt.length) {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, tt.want, got, "%d bytes at %d", tt.length, tt.off)
	}
	for _, s := range []Source{src, create(t, tempPath(t, "disk.vhdx"), CreateOptions{Size: mib})} {
		for _, r := range [][2]int64{{-1, 5}, {5, -1}} {
			for _, err := range s.Extents(r[0], r[1]) {
				require.ErrorContains(t, err, "negative")
			}
		}
	}
}
