//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// Ctrl-C itself, while a server keeps the command waiting.
func TestCtrlCEndsImport(t *testing.T) {
	newStore(t)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGINT)
		<-r.Context().Done()
	}))
	defer server.Close()
	status, stdout, stderr := runHere(t, "guardian", "import", "Fabric", server.URL)
	require.Equal(t, cli.ExitInterrupted, status)
	require.Empty(t, stdout)
	require.Equal(t, "scutum: interrupted\n", stderr)
}
