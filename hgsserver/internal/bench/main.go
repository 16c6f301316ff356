// Command bench measures a Host Guardian Service: what it does in a second of a core's time, beside the RSA operations that this
// cannot be done without, and a boot storm. It prints tables in Markdown.
//
//	go run ./hgsserver/internal/bench [-registered N] [-hosts N] [-vms N]
//
// The service is a process of its own, "hgs serve", with its state in $TMPDIR, and is asked over TCP. It shares the machine with
// who asks it, and so is measured by the processor time that it takes: a core is a second of that, in user and kernel mode,
// whatever the clock says. It needs Linux, the go command and openssl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// A plan says how much is measured.
type plan struct {
	registered   int // hosts that the service knows
	hosts        int // of them that start at the same moment
	machines     int // that each of these starts
	attestations int // rounds of all starting hosts
}

func main() {
	var p plan
	flag.IntVar(&p.registered, "registered", 10_000, "registered hosts")
	flag.IntVar(&p.hosts, "hosts", 1000, "hosts in the boot storm")
	flag.IntVar(&p.machines, "vms", 20, "virtual machines that each of them starts")
	flag.IntVar(&p.attestations, "attestations", 5, "how often each of them attests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, p)
	if ctx.Err() != nil {
		err = ctx.Err() // what failed then, failed of that
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	if p.hosts < 1 || p.hosts > p.registered || p.machines < 1 || p.attestations < 1 {
		return errors.New("there are at least one host, virtual machine and attestation, and no more hosts than registered ones")
	}
	dir, err := os.MkdirTemp("", "hgs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &results{plan: p}
	f, err := newFabric(ctx, dir, p)
	if err != nil {
		return err
	}
	before, err := measurePrivate(ctx)
	if err != nil {
		return err
	}
	if r.openssl, err = measureOpenSSL(ctx); err != nil {
		return err
	}
	if r.tpm, err = measureTPM(ctx); err != nil {
		return err
	}
	if err := r.serve(ctx, dir, f); err != nil {
		return err
	}
	after, err := measurePrivate(ctx)
	if err != nil {
		return err
	}
	r.sign, r.decrypt = (before.sign+after.sign)/2, (before.decrypt+after.decrypt)/2
	r.print(os.Stdout)
	return nil
}

// serve measures all that a service is asked.
func (r *results) serve(ctx context.Context, dir string, f *fabric) error {
	s, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	if r.attestation, err = f.attest(ctx, s, r.plan.attestations); err != nil {
		return err
	}
	if r.memoryBefore, err = s.memory("VmRSS"); err != nil {
		return err
	}
	if r.storm, err = f.storm(ctx, s, r.plan.machines); err != nil {
		return err
	}
	if r.memoryAfter, err = s.memory("VmRSS"); err != nil {
		return err
	}
	r.memoryPeak, err = s.memory("VmHWM")
	return err
}
