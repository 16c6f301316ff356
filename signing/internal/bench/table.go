package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

func (r *results) print(w io.Writer) {
	const mega = 1e6
	fmt.Fprintf(w, "%s, %d cores, %s/%s, %s. One image of %d MiB, %d MiB of them data, the rest never written. Warm: best of %d; cold: median of as many.\n\n",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), r.image.size/mib, r.image.stored/mib, len(r.warm.times))

	fmt.Fprintln(w, "| cache | what | bytes read | time | MB/s | |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---|")
	row := func(cache string, c *contender, remark string) {
		fmt.Fprintf(w, "| %s | %s | %.0f MB | %v | %.0f | %s |\n",
			cache, c.name, float64(c.bytes)/mega, c.time().Round(time.Millisecond), c.rate()/mega, remark)
	}
	times := func(c *contender) string {
		return fmt.Sprintf("scutum takes 1/%.1f of its time", c.time().Seconds()/r.warm.time().Seconds())
	}
	row("warm", r.warm, "")
	row("", r.limit, fmt.Sprintf("scutum reaches %.0f %%", 100*r.warm.rate()/r.limit.rate()))
	row("warm", r.openssl, times(r.openssl))
	row("warm", r.verity, times(r.verity))
	row("cold", r.cold, "")
	row("cold", r.fio, fmt.Sprintf("scutum reaches %.0f %%", 100*r.cold.rate()/r.fio.rate()))
}

func printSparse(w io.Writer, disks []*contender) {
	fmt.Fprintf(w, "\nThe same %d MiB of data on disks of other sizes, warm:\n\n| what | time |\n|---|---:|\n", disks[0].bytes/mib)
	for _, c := range disks {
		fmt.Fprintf(w, "| %s | %v |\n", c.name, c.time().Round(time.Millisecond))
	}
}

// processor names the machine's.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
