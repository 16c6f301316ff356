package bitlocker

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMounted has libbde (bdemount) and dislocker (dislocker-fuse) show the whole of what they opened with each key.
func TestMounted(t *testing.T) {
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skipf("FUSE does not work here, so nothing can be mounted: %v", err)
	} else {
		require.NoError(t, f.Close())
	}
	for _, method := range []Method{AESXTS128, AESCBC256Diffuser} {
		if testing.Short() && method != AESXTS128 {
			continue
		}
		ntfs := newNTFS(t, 16<<20, 512, 4096)
		place, err := Place(ntfs.free(ntfs.bitmap(t)), ntfs.size, ntfs.clusterSize)
		require.NoError(t, err)
		ntfs.reserve(t, place.Reserved)
		src, err := os.Open(ntfs.path)
		require.NoError(t, err)
		defer src.Close()
		dst := create(t, ntfs.size)
		k := newKeys()
		_, err = Convert(context.Background(), dst, src, ntfs.size,
			Options{Method: method, SectorSize: 512, Placement: place, Protectors: k.protectors()})
		require.NoError(t, err)
		want := ntfs.masked(t, ntfs.path, place, nil)
		for name, how := range map[string][]string{
			"recovery password": {"-r", k.recovery.Text()}, "passphrase": {"-p", string(k.passphrase)}, "external key": {"-s", k.bek(t)},
		} {
			dir := t.TempDir()
			run(t, "bdemount", append(append([]string{"-X", "default_permissions"}, how...), dst.Name(), dir)...)
			data, err := os.ReadFile(filepath.Join(dir, "bde1"))
			unmount(t, dir)
			require.NoError(t, err, name)
			plain := filepath.Join(t.TempDir(), "plain")
			require.NoError(t, os.WriteFile(plain, data, 0o600))
			require.Equal(t, want, ntfs.masked(t, plain, place, nil), name)
		}

		// Through dislocker files are written, by ntfs-3g: then we read them.
		dir, files := t.TempDir(), t.TempDir()
		t.Cleanup(func() { _ = exec.Command("umount", "-l", files, dir).Run() })
		run(t, "dislocker-fuse", "-p"+k.recovery.Text(), "-V", dst.Name(), "--", dir)
		run(t, "ntfs-3g", filepath.Join(dir, "dislocker-file"), files)
		for name, data := range ntfs.files {
			got, err := os.ReadFile(filepath.Join(files, name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got), name)
		}
		require.NoError(t, os.WriteFile(filepath.Join(files, "written by others"), ntfs.files["file-2.bin"], 0o600))
		unmount(t, files)
		unmount(t, dir)
		v, err := Open(dst, ntfs.size)
		require.NoError(t, err)
		require.NoError(t, v.Unlock(k.passphrase))
		plain := filepath.Join(t.TempDir(), "plain")
		data := make([]byte, ntfs.size)
		_, err = v.ReadAt(data, 0)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(plain, data, 0o600))
		ntfs.files["written by others"] = ntfs.files["file-2.bin"]
		ntfs.check(t, plain)
	}
}

// unmount waits for who still holds what was mounted, as ntfs-3g does for a while.
func unmount(t testing.TB, dir string) {
	t.Helper()
	require.Eventually(t, func() bool { return exec.Command("umount", dir).Run() == nil }, 20*time.Second, 5*time.Millisecond)
}
