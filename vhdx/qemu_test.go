package vhdx

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fillRaw makes a raw image of random data, zeros and holes.
func fillRaw(t testing.TB, path string, size int64, seed uint64) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(size))
	random := newRandom(seed)
	for range 24 {
		p := randomBytes(random, int(min(int64(1+random.IntN(400*kib)), size)))
		_, err := f.WriteAt(p, random.Int64N(size-int64(len(p))+1))
		require.NoError(t, err)
	}
	last := randomBytes(random, 512)
	_, err = f.WriteAt(last, size-int64(len(last)))
	require.NoError(t, err)
}

var qemuVariants = []struct {
	options string
	size    int64
}{
	{"subformat=dynamic", 40 * mib},
	{"subformat=dynamic", 40*mib + 3*512},
	{"subformat=dynamic,block_size=1M", 40*mib + 3*512},
	{"subformat=dynamic,block_size=1M,block_state_zero=off", 37*mib + 200*kib},
	{"subformat=dynamic,block_size=2M,log_size=2M", 41 * mib},
	{"subformat=dynamic,block_size=4M,block_state_zero=off", 41 * mib},
	{"subformat=dynamic,block_size=8M,log_size=8M", 41*mib + 512},
	{"subformat=dynamic,block_size=16M,block_state_zero=on", 100 * mib},
	{"subformat=dynamic,block_size=32M,log_size=32M", 100 * mib},
	{"subformat=dynamic,block_size=64M", 70*mib + 9*512},
	{"subformat=dynamic,block_size=128M", 130 * mib},
	{"subformat=dynamic,block_size=256M,block_state_zero=off", 300*mib + 512},
	{"subformat=dynamic,block_size=1M", 512},
	{"subformat=fixed", 40 * mib},
	{"subformat=fixed,block_size=1M", 17*mib + 5*512},
	{"subformat=fixed,block_size=8M,block_state_zero=off,log_size=4M", 33*mib + 512},
	{"subformat=fixed,block_size=256M", 20 * mib},
}

// What qemu-img made reads as qemu-img reads it, and is still sound in its eyes
// after we have written into it.
func TestReadAndWriteWhatQemuMade(t *testing.T) {
	for i, v := range qemuVariants {
		t.Run(fmt.Sprintf("%s of %d bytes", v.options, v.size), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			raw, image := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vhdx")
			fillRaw(t, raw, v.size, uint64(i))
			if strings.Contains(v.options, "dynamic") && strings.Contains(v.options, "block_state_zero=off") {
				// qemu-img convert relies on zero blocks: written by qemu-io instead.
				tool(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", v.options, image, fmt.Sprint(v.size))
				tool(t, "qemu-io", "-f", "vhdx", image, "-c", "write -q -P 0x5a 0 300k", "-c", "write -q -P 0xa5 3M 3M",
					"-c", fmt.Sprintf("write -q -P 7 %d 512", v.size-512), "-c", "write -q -z 4M 64k")
				tool(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", image, raw)
			} else {
				tool(t, "qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", v.options, raw, image)
			}

			before := hashFile(t, image)
			d, err := Open(image)
			require.NoError(t, err)
			requireSame(t, d, raw)
			mustClose(t, d)
			requireHealthy(t, image)
			require.Equal(t, before, hashFile(t, image), "reading changed the file")

			d, err = OpenReadWrite(image)
			require.NoError(t, err)
			m := newMirror(t, d, raw, uint64(i))
			m.scribble(40)
			m.matches()
			mustClose(t, d)
			requireHealthy(t, image)
			qemuAgrees(t, image, raw)

			tool(t, "qemu-io", "-f", "vhdx", image, "-c", fmt.Sprintf("write -q -P 0x77 %d 512", v.size/1024*512))
			tool(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", image, raw)
			d, err = Open(image)
			require.NoError(t, err)
			requireSame(t, d, raw)
			mustClose(t, d)
		})
	}
}

// What we make is sound in the eyes of qemu-img and of libvhdi.
func TestQemuAndLibvhdiReadWhatWeMade(t *testing.T) {
	tests := []CreateOptions{
		{Size: 40 * mib},
		{Size: 40*mib + 512*7, BlockSize: mib},
		{Size: 512, BlockSize: mib},
		{Size: 37*mib + 512, BlockSize: 2 * mib, PhysicalSectorSize: 512},
		{Size: 40 * mib, BlockSize: 4 * mib},
		{Size: 41 * mib, BlockSize: 8 * mib},
		{Size: 100*mib + 512, BlockSize: 16 * mib, PhysicalSectorSize: 4096},
		{Size: 70 * mib, BlockSize: 64 * mib},
		{Size: 150 * mib, BlockSize: 128 * mib},
		{Size: 300*mib + 512, BlockSize: 256 * mib},
		{Size: 1<<30 + 512},
		{Type: Fixed, Size: 40 * mib},
		{Type: Fixed, Size: 17*mib + 512*5, BlockSize: mib},
		{Type: Fixed, Size: 20 * mib, BlockSize: 256 * mib},
		{Size: 40 * mib, LogicalSectorSize: 4096, BlockSize: mib},
		{Size: 40*mib + 4096, LogicalSectorSize: 4096, PhysicalSectorSize: 512},
		{Type: Fixed, Size: 21*mib + 4096*3, LogicalSectorSize: 4096, BlockSize: 2 * mib},
	}
	for i, o := range tests {
		t.Run(fmt.Sprintf("%s %d in %d, sectors %d and %d", o.Type, o.Size, o.BlockSize, o.LogicalSectorSize, o.PhysicalSectorSize), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			raw, image := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vhdx")
			d := create(t, image, o)
			m := newMirror(t, d, raw, uint64(i))
			m.scribble(40)
			info := d.Info()
			mustClose(t, d)
			requireHealthy(t, image)

			d, err := Open(image)
			require.NoError(t, err)
			requireSame(t, d, raw)
			require.Equal(t, info, d.Info())
			mustClose(t, d)

			said := tool(t, "vhdiinfo", image)
			require.Contains(t, said, fmt.Sprintf("(%d bytes)", o.Size))
			require.Contains(t, said, map[Type]string{Fixed: "Fixed", Dynamic: "Dynamic"}[o.Type])
			require.Contains(t, said, fmt.Sprintf("Bytes per sector\t: %d", info.LogicalSectorSize))
			if o.LogicalSectorSize == 4096 {
				return // qemu knows no such disks
			}
			require.Contains(t, tool(t, "qemu-img", "info", "-f", "vhdx", image), fmt.Sprintf("(%d bytes)", o.Size))
			qemuAgrees(t, image, raw)
		})
	}
}

// leaveDirtyLog makes qemu write its log and fail when it brings the update to
// its place in the BAT, which begins at the given file offset.
func leaveDirtyLog(t testing.TB, image string, bat int64, commands ...string) {
	t.Helper()
	args := []string{fmt.Sprintf(`json:{"driver":"vhdx","file":{"driver":"blkdebug","image":{"driver":"file","filename":%q},`+
		`"inject-error":[{"event":"none","iotype":"write","sector":%d,"errno":5}]}}`, image, bat/512)}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := exec.Command("qemu-io", append(args, "-c", "sigraise 9")...).CombinedOutput()
	require.Error(t, err, "qemu-io is killed")
	require.Contains(t, string(out), "Input/output error")
}

func TestReplayTheLogOfQemu(t *testing.T) {
	for _, options := range []string{"block_size=1M", "block_size=2M,log_size=4M", "block_size=32M,block_state_zero=off"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			image, raw := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw")
			tool(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", options, image, "40M")
			tool(t, "qemu-io", "-f", "vhdx", image, "-c", "write -q -P 1 0 3M")
			d, err := Open(image)
			require.NoError(t, err)
			bat := d.bat.offset
			mustClose(t, d)
			leaveDirtyLog(t, image, bat, "write -P 2 35M 100k")

			report, err := Check(image)
			require.NoError(t, err)
			require.True(t, report.LogHoldsUnwritten)
			require.False(t, report.Healthy())

			judged := filepath.Join(dir, "judged.vhdx")
			copyFile(t, image, judged)
			tool(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", judged)
			tool(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", judged, raw)
			requireReplay(t, image, raw)
		})
	}
}

// requireReplay opens a disk whose log holds unwritten changes, for reading and
// for writing, and requires that it reads what a raw image holds.
func requireReplay(t *testing.T, image, raw string) {
	t.Helper()
	before := hashFile(t, image)
	d, err := Open(image)
	require.NoError(t, err)
	require.True(t, d.Info().LogReplayed)
	requireSame(t, d, raw)
	mustClose(t, d)
	require.Equal(t, before, hashFile(t, image), "reading changed the file")

	d, err = OpenReadWrite(image)
	require.NoError(t, err)
	require.True(t, d.Info().LogReplayed)
	requireSame(t, d, raw)
	mustClose(t, d)
	requireHealthy(t, image)
	qemuAgrees(t, image, raw)

	d, err = OpenReadWrite(image)
	require.NoError(t, err)
	require.False(t, d.Info().LogReplayed)
	newMirror(t, d, raw, 1).scribble(20)
	mustClose(t, d)
	qemuAgrees(t, image, raw)
}

// A copy of the file between Sync and Close has our log in it.
func TestQemuReplaysOurLog(t *testing.T) {
	for _, o := range []CreateOptions{
		{Size: 40 * mib, BlockSize: mib},
		{Size: 40*mib + 512, BlockSize: 2 * mib},
		{Type: Fixed, Size: 20 * mib},
	} {
		t.Run(o.Type.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			image, raw, judged := filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw"), filepath.Join(dir, "judged.vhdx")
			d := create(t, image, o)
			m := newMirror(t, d, raw, 3)
			for range 3 {
				m.scribble(12)
				require.NoError(t, d.SetItem(GUID{1}, randomBytes(m.random, 9000)))
				require.NoError(t, d.Sync())
				copyFile(t, image, judged)
				report, err := Check(judged)
				require.NoError(t, err)
				require.True(t, report.LogHoldsUnwritten)
				tool(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", judged)
				qemuAgrees(t, judged, raw)
				requireHealthy(t, judged)
			}
			mustClose(t, d)
			qemuAgrees(t, image, raw)
		})
	}
}
