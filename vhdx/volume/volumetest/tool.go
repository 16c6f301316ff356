package volumetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// packages are the Debian packages of the tools.
var packages = map[string]string{
	"blkid":      "util-linux",
	"cryptsetup": "cryptsetup-bin",
	"debugfs":    "e2fsprogs",
	"e2fsck":     "e2fsprogs",
	"fdisk":      "fdisk",
	"fsck.fat":   "dosfstools",
	"mcopy":      "mtools",
	"mdir":       "mtools",
	"mke2fs":     "e2fsprogs",
	"mkfs.fat":   "dosfstools",
	"mkntfs":     "ntfs-3g",
	"mkswap":     "util-linux",
	"ntfscat":    "ntfs-3g",
	"ntfsfix":    "ntfs-3g",
	"ntfsls":     "ntfs-3g",
	"qemu-img":   "qemu-utils",
	"sgdisk":     "gdisk",
	"wimapply":   "wimtools",
	"wimcapture": "wimtools",
}

// Run runs one of the tools that make and judge disks and returns what it
// prints. It fails the test when the tool is missing or fails.
func Run(t testing.TB, tool string, args ...string) string {
	t.Helper()
	return runWithInput(t, "", tool, args...)
}

func runWithInput(t testing.TB, input, tool string, args ...string) string {
	t.Helper()
	path, err := lookPath(tool)
	if err != nil {
		t.Fatalf("%s is not installed; install the package %s", tool, packages[tool])
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, &out, &errs)
	}
	return out.String()
}

// lookPath finds a tool also where Debian keeps those of the administrator,
// which is not in the PATH of others.
func lookPath(tool string) (string, error) {
	path, err := exec.LookPath(tool)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, tool))
		}
	}
	return path, err
}

// Whence values of lseek(2) on Linux.
const (
	seekData = 3
	seekHole = 4
)

// copyData copies all of src but its holes.
func copyData(dst io.WriterAt, src *os.File) error {
	for end := int64(0); ; {
		start, err := src.Seek(end, seekData)
		if errors.Is(err, syscall.ENXIO) { // nothing but a hole up to the end
			return nil
		} else if err != nil {
			return err
		}
		if end, err = src.Seek(start, seekHole); err != nil {
			return err
		}
		_, err = io.Copy(io.NewOffsetWriter(dst, start), io.NewSectionReader(src, start, end-start))
		if err != nil {
			return err
		}
	}
}
