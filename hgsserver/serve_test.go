package hgsserver

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// serve starts a service, and gives its address and what stops it.
func serve(t *testing.T, s *Server, o Options) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	o.Listen, o.Ready, o.Group = "127.0.0.1:0", func(address string) { ready <- address }, -1
	go func() { ended <- s.Serve(ctx, o) }()
	select {
	case address = <-ready:
	case err := <-ended:
		require.NoError(t, err)
	}
	stop = func() error {
		cancel()
		return <-ended
	}
	return address, stop
}

func TestSlowClientsKeepNobodyFromBeingServed(t *testing.T) {
	s := open(t, newService(t))
	address, stop := serve(t, s, Options{})
	var slow []net.Conn
	for range maxConnectionsAddress - 1 { // more than are worked on at a time
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		slow = append(slow, c)
		_, err = io.WriteString(c, "POST /Attestation/v2.0/attest HTTP/1.1\r\nHost: hgs\r\nContent-Length: 1000\r\n\r\n{")
		require.NoError(t, err)
	}
	response, err := http.Get("http://" + address + "/attestation/getinfo")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	for _, c := range slow {
		require.NoError(t, c.Close())
	}
	require.NoError(t, stop())
}

// A slowBody has nothing to read until it is released.
type slowBody struct{ read, release chan struct{} }

func (b *slowBody) Read([]byte) (int, error) {
	b.read <- struct{}{}
	<-b.release
	return 0, io.EOF
}

func TestRequestsOfOneAddressAreLimited(t *testing.T) {
	s := open(t, newService(t))
	for name, c := range map[string]struct {
		length int64
		most   int
	}{
		"small":          {1000, maxRequestsAddress},
		"large":          {smallBody + 1, maxLargeAddress},
		"without length": {-1, maxLargeAddress},
	} {
		t.Run(name, func(t *testing.T) {
			handler := s.Handler()
			slow := &slowBody{make(chan struct{}), make(chan struct{})}
			ask := func(from string, body io.Reader) int {
				r := httptest.NewRequest(http.MethodPost, "/attestation/v2.0/hostkeyattest", body)
				r.RemoteAddr, r.ContentLength = from, c.length
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w.Code
			}
			var all sync.WaitGroup
			for range c.most {
				all.Go(func() { ask("192.0.2.1:1", slow) })
				<-slow.read
			}
			require.Equal(t, http.StatusServiceUnavailable, ask("192.0.2.1:2", strings.NewReader("{}")))
			require.Equal(t, http.StatusOK, ask("192.0.2.2:1", strings.NewReader("{}")))
			close(slow.release)
			all.Wait()
			require.Equal(t, http.StatusOK, ask("192.0.2.1:2", strings.NewReader("{}")))
		})
	}
}

func TestRequestsAreBounded(t *testing.T) {
	s := open(t, newService(t))
	address, stop := serve(t, s, Options{})
	for name, request := range map[string]struct {
		path   string
		body   io.Reader
		status int
	}{
		"too large":      {"/Attestation/v2.0/attest", strings.NewReader(strings.Repeat("a", maxBody+1)), http.StatusRequestEntityTooLarge},
		"without length": {"/KeyProtection/service/v2.0/rolltransportkey", io.MultiReader(strings.NewReader(strings.Repeat("a", maxBody+1))), http.StatusRequestEntityTooLarge},
		"elsewhere":      {"/v1/backup", strings.NewReader("{}"), http.StatusNotFound},
		"metrics":        {"/metrics", nil, http.StatusNotFound},
		"another path":   {"/Attestation/../v1/status", nil, http.StatusNotFound},
	} {
		response, err := http.Post("http://"+address+request.path, "application/json", request.body)
		require.NoError(t, err, name)
		require.NoError(t, response.Body.Close())
		require.Equal(t, request.status, response.StatusCode, name)
	}
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, stop())
}

func TestReviewersSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no permissions of sockets
	}
	s := open(t, newService(t))
	reviewers := filepath.Join(t.TempDir(), "r")
	_, stop := serve(t, s, Options{Reviewers: reviewers})
	var status Status
	require.NoError(t, NewClient(reviewers).Do(t.Context(), "GET", "/v1/status", nil, &status))
	require.Equal(t, "hgs.example.com", status.Name)
	require.ErrorContains(t, NewClient(reviewers).Do(t.Context(), "DELETE", "/v1/hosts", Named{"x"}, nil), "reviewers read and change nothing")
	name := "other.example.com"
	require.NoError(t, NewClient(filepath.Join(s.dir, SocketFile)).Do(t.Context(), "PATCH", "/v1/config", SettingsChange{Name: &name}, nil))
	require.Equal(t, name, s.current.Load().Name)
	require.NoError(t, stop())
}

func TestPanicsAreLogged(t *testing.T) {
	s := open(t, newService(t))
	var logged bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&logged, nil))
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.httpServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fault":
			panic("out of order")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	}))
	server.Start()
	for _, path := range []string{"/abort", "/fault"} {
		require.Empty(t, logged.String())
		_, err := http.Get(server.URL + path)
		require.ErrorIs(t, err, io.EOF)
	}
	response, err := http.Get(server.URL + "/")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	server.Close()
	require.Contains(t, logged.String(), "out of order")
	require.Contains(t, logged.String(), "TestPanicsAreLogged")
	require.NotContains(t, logged.String(), "\n\t", "in one line")
}
