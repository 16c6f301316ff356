package hgsserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// requireProblems holds each problem to a remedy, and finds those that must be there and no other.
func requireProblems(t testing.TB, got []Problem, want ...string) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for i, p := range got {
		require.Contains(t, p.What, want[i])
		require.NotEmpty(t, p.Remedy, p.What)
	}
}

func TestDiagnoseFolder(t *testing.T) {
	requireProblems(t, DiagnoseFolder(t.TempDir()), "there is no service in ")
	dir := newService(t)
	requireProblems(t, DiagnoseFolder(dir))
	require.NoError(t, os.Chmod(filepath.Join(dir, StateFile), 0o640))
	requireProblems(t, DiagnoseFolder(dir), "its permissions are 640")
	require.NoError(t, os.Chmod(filepath.Join(dir, StateFile), 0o600))
	require.NoError(t, os.Chmod(dir, 0o755))
	requireProblems(t, DiagnoseFolder(dir), "its permissions are 755")
}

func TestDiagnoseUnits(t *testing.T) {
	shipped, err := os.ReadFile("../assets/systemd/hgs.service")
	require.NoError(t, err)
	folder := t.TempDir()
	credential := filepath.Join(folder, "passphrase.cred")
	unit := strings.ReplaceAll(string(shipped), "/etc/hgs/passphrase.cred", credential)
	look := func(text string) []Problem {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "hgs.service"), []byte(text), 0o600))
		return DiagnoseUnits(filepath.Join(folder, "none"), folder)
	}
	requireProblems(t, DiagnoseUnits(folder))
	requireProblems(t, look(unit), credential+", which is not there")
	requireProblems(t, look(strings.ReplaceAll(unit, "LoadCredentialEncrypted=", "#")), "gives the service no passphrase")
	requireProblems(t, look("ExecStart=hgs serve --passphrase-file x"))
	requireProblems(t, look("SetCredentialEncrypted=hgs-passphrase: \\"))
	require.NoError(t, os.WriteFile(credential, nil, 0o600))
	requireProblems(t, look(unit))
}

func TestDiagnoseAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	requireProblems(t, DiagnoseAddress(l.Addr().String()), "another program listens at ")
	require.NoError(t, l.Close())
	requireProblems(t, DiagnoseAddress(l.Addr().String()))
	requireProblems(t, DiagnoseAddress("192.0.2.1:80"), "192.0.2.1:80")
}

func TestDiagnoseHosts(t *testing.T) {
	s := open(t, newService(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- s.Serve(ctx, Options{Listen: "[::]:0", Group: -1, Ready: func(a string) { ready <- a }})
	}()
	<-ready
	st, err := s.status(nil)
	require.NoError(t, err)
	status := st.(Status)
	require.NotEmpty(t, status.Address)
	requireProblems(t, DiagnoseHosts(t.Context(), &status, time.Now()))
	cancel()
	require.NoError(t, errors.Join(<-ended, s.Close()))
	requireProblems(t, DiagnoseHosts(t.Context(), &status, time.Now()), "the metadata cannot be read: ")

	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	at := Status{Name: "example.com", Address: other.Listener.Addr().String(), TLS: true}
	requireProblems(t, DiagnoseHosts(t.Context(), &at, time.Now()), "404 Not Found")
	at.Name = "hgs.invalid"
	requireProblems(t, DiagnoseHosts(t.Context(), &at, other.Certificate().NotAfter.Add(-time.Hour)), "the TLS certificate ends at ",
		"the TLS certificate is not for hgs.invalid", "404 Not Found")
	at.Name = "example.com"
	requireProblems(t, DiagnoseHosts(t.Context(), &at, other.Certificate().NotAfter.Add(time.Hour)), "the TLS certificate ended at ", "404 Not Found")
}

func TestProblems(t *testing.T) {
	s := open(t, newService(t))
	said := func() []Problem { return s.problems(s.current.Load()) }
	requireProblems(t, said(), "no host key is registered")
	mode := ModeTPM
	mustChange(t, s, "PATCH", "/v1/config", SettingsChange{Mode: &mode})
	requireProblems(t, said(), "no TPM host is registered", "no maker of TPMs is trusted", "no policy of kind baseline", "no policy of kind ci")
	mustChange(t, s, "POST", "/v1/policies", NewPolicy{Name: "ci1", Kind: policy.CI, File: []byte("x")})
	requireProblems(t, said(), "no TPM host", "no maker", "no policy of kind baseline")
	mustChange(t, s, "PATCH", "/v1/policies", PolicyState{Name: "ci1"})
	last := said()[3]
	require.Equal(t, `hgs policy enable "ci1", or hgs policy add NAME --ci POLICY.p7b`, last.Remedy)

	mode = ModeHostKey
	mustChange(t, s, "PATCH", "/v1/config", SettingsChange{Mode: &mode})
	mustChange(t, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(t, newHost(t).key.Public())})
	requireProblems(t, said())
	now := time.Now()
	at := func(to time.Time) { s.now = func() time.Time { return to } }
	at(now.AddDate(0, 0, 340))
	for _, p := range said()[1:] {
		require.Contains(t, p.What, " certificate ends at ")
	}
	at(now.AddDate(0, 0, -2))
	requireProblems(t, said(), "and the attestation signer holds from ", "of the audit log is from ")
}

func TestStateThatCannotBeWrittenIsAProblem(t *testing.T) {
	s := open(t, newService(t))
	said := func() []Problem { return s.problems(s.current.Load()) }
	status := func() int {
		w := httptest.NewRecorder()
		s.metricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
		return w.Code
	}
	require.NoError(t, s.recordRelease(keyprotection.Release{}))
	requireProblems(t, said(), "no host key is registered")
	require.Equal(t, http.StatusOK, status())

	require.ErrorIs(t, s.recordRelease(keyprotection.Release{Host: strings.Repeat("x", store.MaxValue)}), store.ErrTooLarge)
	requireProblems(t, said(), "no host key is registered")
	require.NoError(t, s.store.Close())
	require.Error(t, s.recordRelease(keyprotection.Release{}))
	requireProblems(t, said(), "no host key is registered", "the state could not be written: no host attests or gets a key (")
	require.True(t, said()[1].Fatal)
	require.Equal(t, http.StatusServiceUnavailable, status())

	later := time.Now().Add(unwrittenFor)
	s.now = func() time.Time { return later }
	require.Equal(t, http.StatusOK, status())
}
