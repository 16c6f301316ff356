package bitlocker

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const benchSize = 512 << 20

// benchSource is a volume of random sectors in a file.
func benchSource(b *testing.B) *os.File {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "plain.img"))
	require.NoError(b, err)
	b.Cleanup(func() { _ = f.Close() })
	_, err = io.Copy(f, io.LimitReader(rand.NewChaCha8([32]byte{6}), benchSize))
	require.NoError(b, err)
	return f
}

func benchOptions() Options {
	return Options{SectorSize: 512, Placement: testPlacement, Protectors: []NewProtector{ClearKey{}}}
}

// BenchmarkConvert encrypts all of a volume from a file to another. What the parts take alone is beside it: reading and
// writing in as many goroutines (BenchmarkCopy), and in memory (BenchmarkConvertMemory).
func BenchmarkConvert(b *testing.B) {
	src := benchSource(b)
	dst, err := os.Create(filepath.Join(b.TempDir(), "volume.img"))
	require.NoError(b, err)
	defer dst.Close()
	b.SetBytes(benchSize)
	for b.Loop() {
		_, err := Convert(context.Background(), dst, src, benchSize, benchOptions())
		require.NoError(b, err)
	}
}

type noCipher struct{}

func (noCipher) encrypt(dst, src []byte, _ int64) {}
func (noCipher) decrypt(dst, src []byte, _ int64) {}
func (noCipher) clear()                           {}

// BenchmarkCopy is BenchmarkConvert without encryption.
func BenchmarkCopy(b *testing.B) {
	src := benchSource(b)
	dst, err := os.Create(filepath.Join(b.TempDir(), "volume.img"))
	require.NoError(b, err)
	defer dst.Close()
	b.SetBytes(benchSize)
	for b.Loop() {
		c := &converter{dst, src, noCipher{}, benchSize, 512, nil}
		require.NoError(b, c.run(context.Background(), c.used(nil, benchOptions().Placement)))
	}
}

type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// BenchmarkConvertMemory is BenchmarkConvert without a disk.
func BenchmarkConvertMemory(b *testing.B) {
	src := bytes.NewReader(make([]byte, benchSize/4))
	b.SetBytes(benchSize / 4)
	for b.Loop() {
		_, err := Convert(context.Background(), nowhere{}, src, benchSize/4, benchOptions())
		require.NoError(b, err)
	}
}

// BenchmarkRead decrypts a volume from a file.
func BenchmarkRead(b *testing.B) {
	src := benchSource(b)
	dst, err := os.Create(filepath.Join(b.TempDir(), "volume.img"))
	require.NoError(b, err)
	defer dst.Close()
	key, err := Convert(context.Background(), dst, src, benchSize, benchOptions())
	require.NoError(b, err)
	v, err := Open(dst, benchSize)
	require.NoError(b, err)
	require.NoError(b, v.Unlock(key))
	buf := make([]byte, 1<<20)
	b.SetBytes(benchSize)
	for b.Loop() {
		for off := int64(0); off < benchSize; off += int64(len(buf)) {
			_, err := v.ReadAt(buf, off)
			require.NoError(b, err)
		}
	}
}

// BenchmarkStretch is what one try of a password takes.
func BenchmarkStretch(b *testing.B) {
	for b.Loop() {
		stretch([32]byte{}, make([]byte, 16))
	}
}

// BenchmarkSectors encrypts in memory with each method.
func BenchmarkSectors(b *testing.B) {
	for m := AESCBC128Diffuser; m <= AESXTS256; m++ {
		b.Run(m.String(), func(b *testing.B) {
			c, err := newSectorCipher(m, make([]byte, m.keySize()), 512)
			require.NoError(b, err)
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				c.decrypt(buf, buf, 0)
			}
		})
	}
}
