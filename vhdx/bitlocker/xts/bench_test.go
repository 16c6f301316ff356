package xts

import (
	"crypto/aes"
	"fmt"
	"testing"

	judge "golang.org/x/crypto/xts"
)

// To be compared with `openssl speed -evp aes-128-xts -bytes 512`.
func BenchmarkEncrypt(b *testing.B) {
	for _, kind := range engines() {
		for _, keySize := range []int{32, 64} {
			for _, sectorSize := range []int{512, 4096} {
				for _, size := range []int{sectorSize, 64 << 10} {
					b.Run(fmt.Sprintf("%s/aes%d/sector%d/run%d", kind.name, keySize*4, sectorSize, size), func(b *testing.B) {
						c := &Cipher{sectorSize, kind.make(make([]byte, keySize))}
						buf := make([]byte, size)
						b.SetBytes(int64(size))
						for b.Loop() {
							c.Encrypt(buf, buf, 7)
						}
					})
				}
			}
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	for _, kind := range engines() {
		b.Run(kind.name+"/aes128/sector512/run65536", func(b *testing.B) {
			c := &Cipher{512, kind.make(make([]byte, 32))}
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				c.Decrypt(buf, buf, 7)
			}
		})
	}
}

func BenchmarkXCrypto(b *testing.B) {
	c, err := judge.NewCipher(aes.NewCipher, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 512)
	b.SetBytes(512)
	for b.Loop() {
		c.Encrypt(buf, buf, 7)
	}
}
