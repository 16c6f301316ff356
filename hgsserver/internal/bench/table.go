package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results are all that was measured.
type results struct {
	plan          plan
	sign, decrypt time.Duration
	openssl       float64       // private operations in a second of a core
	tpm           time.Duration // of a core, for an attestation
	attestation   *measure
	storm         *measure

	memoryBefore, memoryAfter, memoryPeak int64 // bytes
}

// lifetime is that of a health certificate.
const lifetime = 8 * time.Hour

func (r *results) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s/%s, %s. The service is a process of its own, asked over TCP on the same machine. Per core means per second of processor time.\n\n",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())

	limit := 1 / (r.sign + r.decrypt).Seconds()
	fmt.Fprintln(w, "| what | a second, per core | |")
	fmt.Fprintln(w, "|---|---:|---|")
	row := func(what string, rate float64, remark string) {
		fmt.Fprintf(w, "| %s | %.0f | %s |\n", what, rate, remark)
	}
	row("RSA-2048 signature, crypto/rsa", 1/r.sign.Seconds(), microseconds(r.sign)+", all cores busy")
	row("RSA-2048 decryption, crypto/rsa", 1/r.decrypt.Seconds(), microseconds(r.decrypt)+", all cores busy")
	row("RSA-2048 private operation, openssl speed", r.openssl, fmt.Sprintf("%.0f µs, one core busy", 1e6/r.openssl))
	row("limit: one signature and one decryption", limit, microseconds(r.sign+r.decrypt))
	row("RollTransportKey", r.storm.perCore(), fmt.Sprintf("%s, %.0f %% of the limit", microseconds(r.storm.each()), 100*r.storm.perCore()/limit))
	row("attestation by host key", r.attestation.perCore(), microseconds(r.attestation.each()))
	row("attestation by TPM", 1/r.tpm.Seconds(), microseconds(r.tpm)+", all requests of one, without HTTP and disk")

	fmt.Fprintf(w, "\nA boot storm: of %d registered hosts, %d start %d virtual machines each.\n\n| what | |\n|---|---:|\n", r.plan.registered, r.plan.hosts, r.plan.machines)
	line := func(what, value string) { fmt.Fprintf(w, "| %s | %s |\n", what, value) }
	line("keys released", fmt.Sprint(r.storm.count))
	line("time", fmt.Sprintf("%.1f s", r.storm.clock.Seconds()))
	line("processor time of the service", fmt.Sprintf("%.1f s", r.storm.cpu.Seconds()))
	slices.Sort(r.storm.latencies)
	for _, percent := range []int{50, 99, 100} {
		line(fmt.Sprintf("a request, p%d", percent), fmt.Sprintf("%.2f s", percentile(r.storm.latencies, percent).Seconds()))
	}
	line("memory of the service before", mebibytes(r.memoryBefore))
	line("memory of the service after", mebibytes(r.memoryAfter))
	line("memory of the service, peak since its start", mebibytes(r.memoryPeak))

	needed := float64(r.plan.registered) / lifetime.Seconds()
	fmt.Fprintf(w, "\n%d hosts with certificates of %d hours attest %.2f times a second: %.2f %% of a core by host key, %.2f %% by TPM.\n",
		r.plan.registered, int(lifetime.Hours()), needed, 100*needed/r.attestation.perCore(), 100*needed*r.tpm.Seconds())
}

func (m *measure) each() time.Duration { return m.cpu / time.Duration(m.count) }

// percentile takes sorted times.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

func microseconds(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

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
