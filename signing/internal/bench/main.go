// Command bench measures how fast a template disk is hashed for signing, in one run and on one image, beside what the
// machine can do at most and what other programs do with the same bytes. It prints a table in Markdown.
//
//	go run ./signing/internal/bench [-size MiB] [-rounds N]
//
// It needs fio, openssl, veritysetup and qemu-img, and makes its image in $TMPDIR. It drops the page cache as root; as
// another user it can only ask for that, and the cold numbers may then be too good.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	size := flag.Int64("size", 2048, "MiB of the image, half of them holes")
	rounds := flag.Int("rounds", 7, "how often to measure each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *size<<20, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, size int64, rounds int) error {
	img, err := makeImage(ctx, size, stripe, size)
	if err != nil {
		return err
	}
	defer img.remove()
	r, err := measure(ctx, img, rounds)
	if err != nil {
		return err
	}
	r.print(os.Stdout)

	sparse := make([]*contender, 0, 2)
	for _, size := range []int64{20 << 30, 2 << 40} {
		c, err := measureSparse(ctx, size, rounds)
		if err != nil {
			return err
		}
		sparse = append(sparse, c)
	}
	printSparse(os.Stdout, sparse)
	return nil
}
