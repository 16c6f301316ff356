package ntfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// canMount tells whether FUSE works here.
func canMount() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// mount mounts a volume with ntfs-3g for the time of a function.
func mount(t testing.TB, image string, options string, use func(dir string)) {
	t.Helper()
	if err := canMount(); err != nil {
		t.Skipf("FUSE does not work here, so nothing can be mounted: %v", err)
	}
	dir, err := os.MkdirTemp(t.TempDir(), "mnt")
	require.NoError(t, err)
	args := []string{image, dir}
	if options != "" {
		args = append([]string{"-o", options}, args...)
	}
	tool(t, "ntfs-3g", args...)
	mounted := true
	defer func() {
		if mounted {
			_ = exec.Command("umount", "-l", dir).Run()
		}
	}()
	use(dir)
	tool(t, "umount", dir)
	mounted = false
	// ntfs-3g goes on after umount has returned, and holds a lock until it is done.
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &syscall.Flock_t{Type: syscall.F_RDLCK}))
}

// mounted is what a volume holds as ntfs-3g reads it through a mount.
func mounted(t testing.TB, image string) (got tree) {
	t.Helper()
	mount(t, image, "ro", func(dir string) { got = read(t, os.DirFS(filepath.Clean(dir))) })
	return got
}
