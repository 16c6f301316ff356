// Command bench measures how fast a volume is encrypted for BitLocker, beside what its parts take alone and what other
// programs do with the same bytes. It prints a table in Markdown.
//
//	go run ./vhdx/bitlocker/internal/bench [-size MiB] [-rounds N]
//
// It needs qemu-img and dislocker-file, and makes its images, up to five times the size, in $TMPDIR.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scutum-project/scutum/vhdx/bitlocker"
)

func main() {
	size := flag.Int64("size", 1024, "MiB of the volume")
	rounds := flag.Int("rounds", 5, "how often to measure each; the best counts")
	flag.Parse()
	if err := run(max(*size, 64)<<20, max(*rounds, 1)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(size int64, rounds int) error {
	dir, err := os.MkdirTemp("", "scutum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plain, err := os.Create(filepath.Join(dir, "plain.raw"))
	if err != nil {
		return err
	}
	defer plain.Close()
	if _, err := io.Copy(plain, io.LimitReader(rand.NewChaCha8([32]byte{6}), size)); err != nil {
		return err
	}
	volume, err := os.Create(filepath.Join(dir, "volume.bde"))
	if err != nil {
		return err
	}
	defer volume.Close()
	other := filepath.Join(dir, "other")

	place, err := bitlocker.Place(func(yield func(bitlocker.Extent, error) bool) { yield(bitlocker.Extent{Size: size}, nil) }, size, 4096)
	if err != nil {
		return err
	}
	options := bitlocker.Options{SectorSize: 512, Placement: place, Protectors: []bitlocker.NewProtector{bitlocker.ClearKey{}}}
	encrypted, err := os.Create(filepath.Join(dir, "encrypted.bde"))
	if err != nil {
		return err
	}
	defer encrypted.Close()
	if _, err := bitlocker.Convert(context.Background(), encrypted, plain, size, options); err != nil {
		return err
	}
	// What a passphrase takes is kept short, and is no part of what is measured but for opening the image.
	const secret = "secret,id=s,data=bench"
	luks := filepath.Join(dir, "luks")
	for try := 1; ; try++ {
		err := program("qemu-img", "create", "-f", "luks", "--object", secret,
			"-o", "key-secret=s,cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain64,iter-time=100", luks, fmt.Sprint(size))
		if err == nil {
			break
		}
		// It measures the processor first, and gives up where another program had it for a moment.
		if try == 30 || !strings.Contains(err.Error(), "Unable to get accurate CPU usage") {
			return err
		}
		_ = os.Remove(luks)
	}
	memory := make([]byte, size/4)
	contenders := []struct {
		name string
		size int64
		do   func() error
		time time.Duration
	}{
		{"scutum", size, func() error {
			_, err := bitlocker.Convert(context.Background(), volume, plain, size, options)
			return err
		}, 0},
		{"reading and writing alone", size, func() error { return copyAlone(volume, plain, size) }, 0},
		{"encrypting alone, in memory", size / 4, func() error {
			o := options
			o.Placement = bitlocker.Placement{
				Metadata: [3]int64{1 << 20, 2 << 20, 3 << 20}, Header: 4 << 20, Spare: 5 << 20,
			}
			_, err := bitlocker.Convert(context.Background(), nowhere{}, bytes.NewReader(memory), size/4, o)
			return err
		}, 0},
		{"qemu-img convert into LUKS (AES-XTS)", size, func() error {
			return program("qemu-img", "convert", "-n", "-f", "raw", "--object", secret, "--target-image-opts", plain.Name(),
				"driver=luks,key-secret=s,file.filename="+luks)
		}, 0},
		{"dislocker-file, decrypting such a volume", size, func() error {
			return program("dislocker-file", "-V", encrypted.Name(), "-c", "--", other)
		}, 0},
	}
	for i := range contenders {
		c := &contenders[i]
		for range rounds {
			_ = os.Remove(other)
			begin := time.Now()
			if err := c.do(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if t := time.Since(begin); c.time == 0 || t < c.time {
				c.time = t
			}
		}
		_ = os.Remove(other)
	}

	ours := contenders[0].time
	limit := contenders[1].time + 4*contenders[2].time
	fmt.Println("| what | bytes | time | MB/s | |")
	fmt.Println("|---|---:|---:|---:|---|")
	for i, c := range contenders {
		note := ""
		if i > 2 {
			note = fmt.Sprintf("scutum takes 1/%.1f of its time", c.time.Seconds()/ours.Seconds())
		} else if i == 0 {
			note = fmt.Sprintf("%.0f %% of what its parts take alone, one after the other", 100*limit.Seconds()/ours.Seconds())
		}
		fmt.Printf("| %s | %d MB | %d ms | %.0f | %s |\n", c.name, c.size/1e6, c.time.Milliseconds(), float64(c.size)/1e6/c.time.Seconds(), note)
	}
	return nil
}

// copyAlone copies in as many goroutines and pieces as a conversion.
func copyAlone(dst io.WriterAt, src io.ReaderAt, size int64) error {
	const chunk = 512 << 10
	var next atomic.Int64
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			b := make([]byte, chunk)
			for {
				at := next.Add(chunk) - chunk
				if at >= size {
					return nil
				}
				part := b[:min(chunk, size-at)]
				if _, err := src.ReadAt(part, at); err != nil {
					return err
				}
				if _, err := dst.WriteAt(part, at); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func program(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
