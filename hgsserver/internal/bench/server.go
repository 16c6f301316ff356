package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const passphraseEnv = "HGS_BENCH_PASSPHRASE"

var passphrase = []byte("bench")

// A server is a process that serves a state.
type server struct {
	process *exec.Cmd
	url     string
}

// startServer serves the state in a folder.
func startServer(ctx context.Context, dir string) (*server, error) {
	program := filepath.Join(dir, "program")
	if _, err := tool(ctx, "go", "build", "-trimpath", "-o", program, "github.com/scutum-project/scutum/cmd/hgs"); err != nil {
		return nil, err
	}
	s := &server{process: exec.CommandContext(ctx, program, "serve", "--dir", filepath.Join(dir, "hgs"), "--listen", "127.0.0.1:0",
		"--log-json", "--passphrase-env", passphraseEnv)}
	s.process.Env = append(os.Environ(), passphraseEnv+"="+string(passphrase))
	s.process.Cancel = func() error { return s.process.Process.Signal(os.Interrupt) }
	s.process.WaitDelay = 20 * time.Second
	log, err := s.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	var said string
	for s.url == "" && lines.Scan() {
		var line struct{ Msg, Address string }
		said = lines.Text()
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			s.url = "http://" + line.Address
		}
	}
	if s.url == "" {
		s.stop()
		return nil, fmt.Errorf("hgs serve ended: %s", said)
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // until the process ends
	return s, nil
}

func (s *server) stop() {
	_ = s.process.Process.Signal(os.Interrupt) // where it has ended, there is nobody to tell
	_ = s.process.Wait()
}

// clockTicks in a second are what the kernel counts processor time in (proc_pid_stat(5)). It is 100 on all of Go's platforms.
const clockTicks = 100

// time is the processor time that the service has taken.
func (s *server) time() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("measuring the processor time of the service, which Linux has: %w", err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("the kernel says in another form how much processor time a process has taken")
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}

// memory gives a line of what the kernel says about the memory of the service, in bytes.
func (s *server) memory(line string) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(l, line+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel does not say %s of a process", line)
}

// A measure is how often something was done, in what time.
type measure struct {
	count      int
	clock, cpu time.Duration // cpu is that of the service
	latencies  []time.Duration
}

// perCore is how often it can be done in a second of a core.
func (m *measure) perCore() float64 { return float64(m.count) / m.cpu.Seconds() }

// measured measures what the service does meanwhile.
func (s *server) measured(do func() (latencies []time.Duration, err error)) (*measure, error) {
	before, err := s.time()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	latencies, err := do()
	if err != nil {
		return nil, err
	}
	m := &measure{count: len(latencies), clock: time.Since(start), latencies: latencies}
	after, err := s.time()
	m.cpu = max(after-before, time.Second/clockTicks)
	return m, err
}
