package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// A contender does one of the things that are compared, and says how long it took.
type contender struct {
	name  string
	bytes int64 // that it goes through
	cold  bool  // nothing of the disk is in the page cache
	run   func(context.Context) (time.Duration, error)
	times []time.Duration
}

// time is the best of the times, which is the one least disturbed by others on the machine. For what waits for the disk
// it is their median: the best of those is luck.
func (c *contender) time() time.Duration {
	if c.cold {
		return slices.Sorted(slices.Values(c.times))[len(c.times)/2]
	}
	return slices.Min(c.times)
}

// rate in bytes a second.
func (c *contender) rate() float64 { return float64(c.bytes) / c.time().Seconds() }

// results are the contenders that have run.
type results struct {
	image                        *image
	limit, warm, openssl, verity *contender
	cold, fio                    *contender
}

// measure lets all contenders take turns, so that a change of the machine's mood meets all of them.
func measure(ctx context.Context, img *image, rounds int) (*results, error) {
	hash := func(ctx context.Context) (time.Duration, error) {
		return timed(func() error { return hashDisk(ctx, img.vhdx) })
	}
	perCore := int64(1 << 30)
	r := &results{
		image: img,
		limit: &contender{name: "crypto/sha256 on all cores, data in memory", bytes: perCore * int64(runtime.NumCPU()),
			run: func(context.Context) (time.Duration, error) { return hashMemory(perCore), nil }},
		warm: &contender{name: "scutum", bytes: img.stored, run: hash},
		openssl: &contender{name: "openssl dgst -sha256", bytes: img.size,
			run: timedTool("openssl", "dgst", "-sha256", img.raw)},
		verity: &contender{name: "veritysetup format", bytes: img.size,
			run: timedTool("veritysetup", "format", img.raw, filepath.Join(img.dir, "hashes"))},
		cold: &contender{name: "scutum", bytes: img.stored, cold: true, run: hash},
		fio: &contender{name: "fio, sequential, direct, queue depth 32", cold: true,
			run: func(ctx context.Context) (time.Duration, error) { return fioRead(ctx, img.vhdx) }},
	}
	info, err := os.Stat(img.vhdx)
	if err != nil {
		return nil, err
	}
	r.fio.bytes = info.Size()

	for range rounds {
		for _, path := range []string{img.raw, img.vhdx} {
			if err := warm(path); err != nil {
				return nil, err
			}
		}
		for _, c := range []*contender{r.limit, r.warm, r.openssl, r.verity, r.cold, r.fio} {
			if c.cold {
				if err := dropCache(img.vhdx); err != nil {
					return nil, err
				}
			}
			elapsed, err := c.run(ctx)
			if err != nil {
				return nil, err
			}
			c.times = append(c.times, elapsed)
		}
	}
	return r, nil
}

// measureSparse hashes a disk of this size with 1 GiB of data, warm.
func measureSparse(ctx context.Context, size int64, rounds int) (*contender, error) {
	img, err := makeImage(ctx, size, 0, 1<<30)
	if err != nil {
		return nil, err
	}
	defer img.remove()
	if err := warm(img.vhdx); err != nil {
		return nil, err
	}
	c := &contender{name: fmt.Sprintf("scutum, a disk of %d GiB", size>>30), bytes: img.stored}
	for range rounds {
		elapsed, err := timed(func() error { return hashDisk(ctx, img.vhdx) })
		if err != nil {
			return nil, err
		}
		c.times = append(c.times, elapsed)
	}
	return c, nil
}

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

func timedTool(name string, args ...string) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		return timed(func() error {
			_, err := tool(ctx, name, args...)
			return err
		})
	}
}

// hashDisk is all of signing but the signature: it opens the disk, reads its layout and hashes its partitions.
func hashDisk(ctx context.Context, path string) error {
	d, err := vhdx.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	l, err := volume.Read(d)
	if err != nil {
		return err
	}
	_, err = signing.Build(ctx, d, l, signing.BuildOptions{
		Template: signing.Template{Name: "bench", Version: signing.Version{1}}, Type: volume.Windows, Created: time.Now(),
	})
	return err
}

// hashMemory hashes so many bytes of memory on each core.
func hashMemory(perCore int64) time.Duration {
	data := make([]byte, 256<<10) // fits into the core's cache: nothing but SHA-256 counts
	_, _ = rand.Read(data)
	elapsed, _ := timed(func() error {
		var cores sync.WaitGroup
		for range runtime.NumCPU() {
			cores.Go(func() {
				h := sha256.New()
				for done := int64(0); done < perCore; done += int64(len(data)) {
					h.Write(data)
				}
			})
		}
		cores.Wait()
		return nil
	})
	return elapsed
}

// fioRead takes the time from fio, without its start.
func fioRead(ctx context.Context, path string) (time.Duration, error) {
	out, err := tool(ctx, "fio", "--name=read", "--readonly", "--rw=read", "--bs=1M", "--direct=1", "--ioengine=libaio",
		"--iodepth=32", "--output-format=json", "--filename="+path)
	if err != nil {
		return 0, err
	}
	var report struct {
		Jobs []struct {
			Read struct {
				Runtime int64 `json:"runtime"` // ms
			} `json:"read"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return 0, fmt.Errorf("fio: %w", err)
	}
	if len(report.Jobs) != 1 || report.Jobs[0].Read.Runtime <= 0 {
		return 0, fmt.Errorf("fio reports no time")
	}
	return time.Duration(report.Jobs[0].Read.Runtime) * time.Millisecond, nil
}

func warm(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}
