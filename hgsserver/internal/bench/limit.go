package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rsaTime is for how long each kind of operation is measured.
const rsaTime = 2 * time.Second

// privateTimes are what operations with a private key of 2048 bits take of a core.
type privateTimes struct{ sign, decrypt time.Duration }

// measurePrivate measures the two operations of a key release, as the service uses them, on all cores at a time: on a machine
// whose cores share their parts, a core alone is faster.
func measurePrivate(ctx context.Context) (t privateTimes, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return t, err
	}
	digest := sha256.Sum256([]byte("message"))
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, digest[:], nil)
	if err != nil {
		return t, err
	}
	t.sign, err = busy(ctx, func() error {
		_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	})
	if err != nil {
		return t, err
	}
	t.decrypt, err = busy(ctx, func() error {
		_, err := key.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA256})
		return err
	})
	return t, err
}

// busy gives the processor time of an operation.
func busy(ctx context.Context, operation func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, rsaTime)
	defer cancel()
	var lock sync.Mutex
	var cores sync.WaitGroup
	var count int
	var failed error
	start, err := ownTime()
	if err != nil {
		return 0, err
	}
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			n := 0
			var err error
			for ; err == nil && ctx.Err() == nil; n++ {
				err = operation()
			}
			lock.Lock()
			defer lock.Unlock()
			count += n
			if err != nil {
				failed = err
			}
		})
	}
	cores.Wait()
	end, err := ownTime()
	if err != nil || failed != nil || count == 0 {
		return 0, fmt.Errorf("measuring RSA: %d operations, %v, %v", count, failed, err)
	}
	return (end - start) / time.Duration(count), nil
}

// measureOpenSSL gives the private operations in a second of one core, by processor time.
func measureOpenSSL(ctx context.Context) (float64, error) {
	out, err := tool(ctx, "openssl", "speed", "-seconds", "2", "rsa2048")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) { // rsa 2048 bits 0.000210s 0.000013s   4757.3  79076.5
		if fields := strings.Fields(line); len(fields) >= 6 && fields[0] == "rsa" && fields[1] == "2048" {
			return strconv.ParseFloat(fields[5], 64)
		}
	}
	return 0, fmt.Errorf("openssl speed says nothing of rsa2048: %.200q", out)
}

var benchmarkLine = regexp.MustCompile(`BenchmarkTPMAttestation\S*\s+\d+\s+(\d+) ns/op`)

// measureTPM gives what the service does for an attestation by TPM, in the benchmark of its package.
func measureTPM(ctx context.Context) (time.Duration, error) {
	out, err := tool(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkTPMAttestation$", "-cpu", "1", "-count", "3",
		"github.com/scutum-project/scutum/hgsserver/attestation")
	if err != nil {
		return 0, err
	}
	var best time.Duration // the one least disturbed by others on the machine
	for _, found := range benchmarkLine.FindAllStringSubmatch(out, -1) {
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			return 0, err
		}
		if best == 0 || time.Duration(n) < best {
			best = time.Duration(n)
		}
	}
	if best == 0 {
		return 0, fmt.Errorf("the benchmark of the TPM attestation says %.200q", out)
	}
	return best, nil
}

// tool runs a program and returns its standard output.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s %.2000s", name, err, strings.TrimSpace(stderr.String()), out)
	}
	return string(out), nil
}
