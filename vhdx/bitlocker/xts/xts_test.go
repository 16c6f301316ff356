package xts

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	judge "golang.org/x/crypto/xts"
)

// random fills n bytes with what a seed gives.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1}).Read(b)
	return b
}

// judged encrypts with golang.org/x/crypto/xts.
func judged(t testing.TB, key, plain []byte, sectorSize int, first uint64) []byte {
	t.Helper()
	c, err := judge.NewCipher(aes.NewCipher, key)
	require.NoError(t, err)
	out := make([]byte, len(plain))
	for i := 0; i < len(plain); i += sectorSize {
		c.Encrypt(out[i:i+sectorSize], plain[i:i+sectorSize], first)
		first++
	}
	return out
}

// eachEngine runs a test with every engine that this machine has.
func eachEngine(t *testing.T, test func(t *testing.T, kind engineKind)) {
	for _, kind := range engines() {
		t.Run(kind.name, func(t *testing.T) { test(t, kind) })
	}
}

func TestAgainstXCrypto(t *testing.T) {
	eachEngine(t, func(t *testing.T, kind engineKind) {
		seed := uint64(0)
		for _, keySize := range []int{32, 64} {
			for sectorSize := MinSectorSize; sectorSize <= MaxSectorSize; sectorSize += 512 {
				for _, sectors := range []int{1, 2, 7, 8, 9, 31, 32, 33, 70} {
					for _, first := range []uint64{0, 1, 1<<32 - 5, 1<<63 - 3, 1<<64 - 4} {
						seed++
						key, plain := random(seed, keySize), random(seed+1<<20, sectors*sectorSize)
						c := &Cipher{sectorSize, kind.make(key)}
						want := judged(t, key, plain, sectorSize, first)
						what := fmt.Sprintf("key %d, sectors %d of %d from %d", keySize, sectors, sectorSize, first)

						out := bytes.Repeat([]byte{0xee}, len(plain)+64)
						c.Encrypt(out, plain, first)
						require.True(t, bytes.Equal(want, out[:len(plain)]), "encrypt: %s", what)
						require.Equal(t, bytes.Repeat([]byte{0xee}, 64), out[len(plain):], "nothing behind: %s", what)

						c.Decrypt(out, out[:len(plain)], first)
						require.True(t, bytes.Equal(plain, out[:len(plain)]), "decrypt in place: %s", what)
						require.Equal(t, bytes.Repeat([]byte{0xee}, 64), out[len(plain):], "nothing behind: %s", what)
					}
				}
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 48, 63, 65, 128} {
		_, err := New(make([]byte, n), 512)
		require.ErrorContains(t, err, fmt.Sprintf("key of %d bytes", n))
	}
	for _, n := range []int{-512, 0, 16, 511, 520, 4097, 8192} {
		_, err := New(make([]byte, 32), n)
		require.ErrorContains(t, err, fmt.Sprintf("sectors of %d bytes", n))
	}
}

func TestMisuse(t *testing.T) {
	c, err := New(make([]byte, 32), 4096)
	require.NoError(t, err)
	require.Panics(t, func() { c.Encrypt(make([]byte, 4096), make([]byte, 512), 0) })
	require.Panics(t, func() { c.Encrypt(make([]byte, 4096), make([]byte, 8192), 0) })
	require.Panics(t, func() { c.Decrypt(make([]byte, 4095), make([]byte, 4096), 0) })
	c.Encrypt(nil, nil, 0)
	c.Decrypt(nil, nil, 0)
}

// Neither memory that is not aligned nor work at the same time changes anything.
func TestUnalignedAndConcurrent(t *testing.T) {
	eachEngine(t, func(t *testing.T, kind engineKind) {
		key, plain := random(1, 64), random(2, 64<<10)
		c := &Cipher{MinSectorSize, kind.make(key)}
		want := judged(t, key, plain, MinSectorSize, 9)
		var wait sync.WaitGroup
		for shift := range 17 {
			wait.Go(func() {
				from, to := make([]byte, shift+len(plain)), make([]byte, 2*shift+len(plain))
				copy(from[shift:], plain)
				c.Encrypt(to[2*shift:], from[shift:], 9)
				assert.True(t, bytes.Equal(want, to[2*shift:]))
				c.Decrypt(to[2*shift:], to[2*shift:], 9)
				assert.True(t, bytes.Equal(plain, to[2*shift:]))
			})
		}
		wait.Wait()
	})
}

// The key of New is the caller's to clear, and Clear leaves nothing of what was made of it.
func TestClear(t *testing.T) {
	eachEngine(t, func(t *testing.T, kind engineKind) {
		key := random(3, 32)
		plain := make([]byte, 512)
		want := judged(t, key, plain, 512, 0)
		c := &Cipher{512, kind.make(key)}
		clear(key)
		out := make([]byte, 512)
		c.Encrypt(out, plain, 0)
		require.Equal(t, want, out)

		c.Clear()
		require.NotContains(t, fmt.Sprintf("%v", c.engine), fmt.Sprintf("%v", random(3, 32)[:16]))
	})
}

func FuzzAgainstXCrypto(f *testing.F) {
	f.Add(random(1, 32), random(2, 1024), uint64(0), uint8(0))
	f.Add(random(3, 64), random(4, 8192), uint64(1<<64-1), uint8(7))
	f.Add(bytes.Repeat([]byte{0xff}, 64), bytes.Repeat([]byte{0xff}, 40*512), uint64(1<<32-1), uint8(0))
	f.Fuzz(func(t *testing.T, key, plain []byte, first uint64, size uint8) {
		sectorSize := MinSectorSize * (1 + int(size)%8)
		plain = plain[:len(plain)/sectorSize*sectorSize]
		if len(key) != 32 && len(key) != 64 {
			return
		}
		want := judged(t, key, plain, sectorSize, first)
		for _, kind := range engines() {
			c := &Cipher{sectorSize, kind.make(key)}
			out := make([]byte, len(plain))
			c.Encrypt(out, plain, first)
			require.True(t, bytes.Equal(want, out), kind.name)
			c.Decrypt(out, out, first)
			require.True(t, bytes.Equal(plain, out), kind.name)
		}
	})
}
