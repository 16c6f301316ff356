package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	mib    = 1 << 20
	stripe = 32 * mib // of data
)

// An image is one disk as two files, a raw image and a dynamic VHDX.
type image struct {
	dir, raw, vhdx string
	size, stored   int64 // bytes of the disk, and of data in it
}

// makeImage makes a disk with one large partition. Up to the byte at the offset end, stripes of random data come with gaps
// of this length between them; the rest was never written.
func makeImage(ctx context.Context, size, gap, end int64) (*image, error) {
	dir, err := os.MkdirTemp("", "scutum-bench-")
	if err != nil {
		return nil, err
	}
	img := &image{dir: dir, raw: filepath.Join(dir, "disk.raw"), vhdx: filepath.Join(dir, "disk.vhdx"), size: size}
	if err := img.fill(ctx, gap, end); err != nil {
		img.remove()
		return nil, err
	}
	return img, nil
}

func (img *image) remove() { _ = os.RemoveAll(img.dir) }

func (img *image) fill(ctx context.Context, gap, end int64) error {
	f, err := os.Create(img.raw)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(img.size); err != nil {
		return err
	}
	for at := int64(0); at < end; at += stripe + gap {
		n := min(stripe, end-at)
		if _, err := io.CopyN(io.NewOffsetWriter(f, at), rand.Reader, n); err != nil {
			return err
		}
		img.stored += n
	}
	bootSector := make([]byte, 512) // enough to be taken for NTFS
	copy(bootSector, "\xeb\x52\x90NTFS    \x00\x02\x08")
	copy(bootSector[510:], "\x55\xaa")
	if _, err := f.WriteAt(bootSector, 17*mib); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := tool(ctx, "sgdisk", "--zap-all", img.raw); err != nil {
		return err
	}
	if _, err := tool(ctx, "sgdisk", "--new=1:1M:+16M", "--typecode=1:0c01", "--new=2:17M:0", "--typecode=2:0700", img.raw); err != nil {
		return err
	}
	if _, err := tool(ctx, "qemu-img", "convert", "-O", "vhdx", "-o", "subformat=dynamic,block_size=32M", img.raw, img.vhdx); err != nil {
		return err
	}
	return syncAll(img.raw, img.vhdx)
}

func syncAll(paths ...string) error {
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// tool runs a program and returns its standard output.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
