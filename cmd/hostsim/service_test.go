package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hostsim"
	"github.com/scutum-project/scutum/hostsim/measuredboot"
)

// A service is hgs in a process, behind a proxy that may do with answers what it likes.
type service struct {
	t            *testing.T
	dir, address string
	process      *exec.Cmd
	proxy        *httptest.Server

	mu     sync.Mutex
	change func(path string, body []byte) []byte // of an answer, after the service gave it
}

func startService(t *testing.T, mode string) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &service{t: t, dir: filepath.Join(t.TempDir(), "hgs"), address: l.Addr().String()}
	require.NoError(t, l.Close())
	s.hgs("init", "--name", "hgs.example.com", "--mode", mode, "--generate", "--passphrase-env", "SECRET")
	s.start()
	t.Cleanup(s.kill)
	s.proxy = httptest.NewServer(http.HandlerFunc(s.forward))
	t.Cleanup(s.proxy.Close)
	return s
}

func (s *service) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(programs, "hgs"), args...)
	cmd.Env = append(os.Environ(), "SECRET=correct horse", "HGS_DIR="+s.dir)
	return cmd
}

func (s *service) hgs(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	require.NoError(s.t, err, "hgs %s: %s", args, out)
	return string(out)
}

// start starts the process, and waits until it answers.
func (s *service) start() {
	s.process = s.command("serve", "--listen", s.address, "--passphrase-env", "SECRET")
	require.NoError(s.t, s.process.Start())
	require.Eventually(s.t, func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, time.Minute, 5*time.Millisecond)
}

// kill ends it as a power cut does.
func (s *service) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func (s *service) onAnswer(change func(path string, body []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = change
}

func (s *service) forward(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+s.address+r.URL.Path, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	request.Header = r.Header
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && s.change != nil {
		body = s.change(strings.ToLower(r.URL.Path), body)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, bytes.NewReader(body))
}

// host makes a host of the service and starts it.
func (s *service) host(name string) *hostsim.Running {
	s.t.Helper()
	h, err := hostsim.Init(s.t.Context(), filepath.Join(s.t.TempDir(), name), hostsim.Config{Name: name, HGS: s.proxy.URL, TPM: hostsim.Software})
	require.NoError(s.t, err)
	return s.boot(h, "healthy")
}

func (s *service) boot(h *hostsim.Host, profile string) *hostsim.Running {
	s.t.Helper()
	p, err := measuredboot.Find(profile)
	require.NoError(s.t, err)
	running, err := h.Boot(s.t.Context(), p)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, running.Close()) })
	return running
}

// write writes a file for hgs.
func (s *service) write(name string, data []byte) string {
	path := filepath.Join(s.t.TempDir(), name)
	require.NoError(s.t, os.WriteFile(path, data, 0o600))
	return path
}

// registerTPM has the service expect a host as it is now.
func (s *service) registerTPM(h *hostsim.Running) {
	s.t.Helper()
	id, err := h.Identifier()
	require.NoError(s.t, err)
	file, err := id.XML()
	require.NoError(s.t, err)
	s.hgs("host", "root", "add", h.TPMRoot())
	s.hgs("host", "add", s.write("host.xml", file))
	s.hgs("policy", "add", "baseline", "--baseline", s.write("baseline", h.Log))
	s.hgs("policy", "add", "ci", "--ci", filepath.Join(filepath.Dir(filepath.Dir(h.TPMRoot())), hostsim.CIPolicyFile))
}

// registerKey has the service know the key of a host.
func (s *service) registerKey(h *hostsim.Running) {
	s.t.Helper()
	key, err := h.HostKey()
	require.NoError(s.t, err)
	s.hgs("hostkey", "add", h.Config().Name, s.write("host.der", key))
}
