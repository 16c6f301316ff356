package vhdx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchDisk makes a disk of 256 MiB, all written.
func benchDisk(b *testing.B, o CreateOptions) *Disk {
	b.Helper()
	o.Size = 256 * mib
	d := create(b, filepath.Join(b.TempDir(), "disk.vhdx"), o)
	data := randomBytes(newRandom(1), 4*mib)
	for off := int64(0); off < o.Size; off += int64(len(data)) {
		_, err := d.WriteAt(data, off)
		require.NoError(b, err)
	}
	require.NoError(b, d.Sync())
	b.Cleanup(func() { mustClose(b, d) })
	return d
}

// Reading in order, of what the host has in memory, beside reading the file itself.
func BenchmarkReadAt(b *testing.B) {
	for _, block := range []int{mib, 32 * mib} {
		for _, length := range []int{64 * kib, mib} {
			b.Run(fmt.Sprintf("%d KiB of blocks of %d MiB", length/kib, block/mib), func(b *testing.B) {
				d := benchDisk(b, CreateOptions{BlockSize: block})
				buf := make([]byte, length)
				b.SetBytes(int64(length))
				off := int64(0)
				for b.Loop() {
					_, err := d.ReadAt(buf, off)
					require.NoError(b, err)
					off = (off + int64(length)) % d.Size()
				}
			})
		}
	}
	b.Run("1024 KiB of the file itself", func(b *testing.B) {
		d := benchDisk(b, CreateOptions{})
		f, err := os.Open(d.path)
		require.NoError(b, err)
		defer f.Close()
		buf := make([]byte, mib)
		b.SetBytes(mib)
		off := int64(0)
		for b.Loop() {
			_, err := f.ReadAt(buf, off)
			require.NoError(b, err)
			off = (off + mib) % (256 * mib)
		}
	})
}

// Writing where nothing has been written: each write takes a block.
func BenchmarkWriteAtAllocates(b *testing.B) {
	for _, kind := range []Type{Dynamic, Differencing} {
		b.Run(kind.String(), func(b *testing.B) {
			dir := b.TempDir()
			o := CreateOptions{Type: kind, Size: 64 << 40, BlockSize: mib}
			if kind == Differencing {
				o.Parent = filepath.Join(dir, "parent.vhdx")
				mustClose(b, create(b, o.Parent, CreateOptions{Size: o.Size}))
			}
			d := create(b, filepath.Join(dir, "disk.vhdx"), o)
			defer mustClose(b, d)
			data := randomBytes(newRandom(1), 4*kib)
			_, err := d.WriteAt(data, 0) // learns what is free
			require.NoError(b, err)
			b.SetBytes(int64(len(data)))
			off := int64(mib)
			for b.Loop() {
				_, err := d.WriteAt(data, off)
				require.NoError(b, err)
				off = (off + mib) % d.Size()
			}
		})
	}
}

// Writing over what is there.
func BenchmarkWriteAtInPlace(b *testing.B) {
	d := benchDisk(b, CreateOptions{})
	data := randomBytes(newRandom(1), 64*kib)
	b.SetBytes(int64(len(data)))
	off := int64(0)
	for b.Loop() {
		_, err := d.WriteAt(data, off)
		require.NoError(b, err)
		off = (off + int64(len(data))) % d.Size()
	}
}

// Describing 2 TiB of a disk in the smallest blocks, of which none is there.
func BenchmarkExtents(b *testing.B) {
	d := create(b, filepath.Join(b.TempDir(), "disk.vhdx"), CreateOptions{Size: 2 << 40, BlockSize: mib})
	defer mustClose(b, d)
	for b.Loop() {
		for _, err := range d.Extents(0, d.Size()) {
			require.NoError(b, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(d.layout.blocks), "ns/block")
}
