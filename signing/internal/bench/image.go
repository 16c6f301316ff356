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
	stripe = 32 * mib // data and holes take turns
)

// An image is one disk as two files, and how much of it is data.
type image struct {
	dir, raw, vhdx string
	size, stored   int64
}

// makeImage makes a disk with one large partition, every other 32 MiB of it random data and the rest never written.
func makeImage(ctx context.Context, size int64) (*image, error) {
	dir, err := os.MkdirTemp("", "scutum-bench-")
	if err != nil {
		return nil, err
	}
	img := &image{dir: dir, raw: filepath.Join(dir, "disk.raw"), vhdx: filepath.Join(dir, "disk.vhdx"), size: size}
	if err := img.fill(ctx); err != nil {
		img.remove()
		return nil, err
	}
	return img, nil
}

func (img *image) remove() { _ = os.RemoveAll(img.dir) }

func (img *image) fill(ctx context.Context) error {
	f, err := os.Create(img.raw)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(img.size); err != nil {
		return err
	}
	for at := int64(0); at < img.size; at += 2 * stripe {
		n := min(stripe, img.size-at)
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
	if _, err := tool(ctx, "qemu-img", "convert", "-O", "vhdx", "-o", "subformat=dynamic,block_size=1M", img.raw, img.vhdx); err != nil {
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
