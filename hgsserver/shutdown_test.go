package hgsserver

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/store"
)

// TestSilentConnectionsDoNotDelayTheEnd has every listener with connections that say nothing, little, or nothing more.
func TestSilentConnectionsDoNotDelayTheEnd(t *testing.T) {
	s := open(t, newService(t))
	id, file := newIdentity(t, "service", time.Hour)
	var free []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		free = append(free, l.Addr().String())
		require.NoError(t, l.Close())
	}
	o, err := Listening{Metrics: free[0], Admin: free[1], AdminCert: file, AdminKey: file}.Options()
	require.NoError(t, err)
	o.Reviewers = filepath.Join(t.TempDir(), "r")
	hosts, stop := serve(t, s, o)

	for network, addresses := range map[string][]string{"tcp": append(free, hosts), "unix": {o.Reviewers, filepath.Join(s.dir, SocketFile)}} {
		for _, address := range addresses {
			for _, text := range []string{"", "GET /", "GET /health HTTP/1.1\r\nHost: hgs\r\n\r\n"} {
				c, err := net.Dial(network, address)
				require.NoError(t, err)
				defer c.Close()
				_, err = io.WriteString(c, text)
				require.NoError(t, err)
				if strings.HasSuffix(text, "\n") { // it is answered, and then says nothing more
					_, err = c.Read(make([]byte, 1))
					require.NoError(t, err)
				}
			}
		}
	}
	c, err := tls.Dial("tcp", free[1], &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}}})
	require.NoError(t, err)
	defer c.Close()

	start := time.Now()
	require.NoError(t, stop())
	require.Less(t, time.Since(start), 4*time.Second) // http.Server waits at least five for a silent connection
}

// TestRequestsUnderWayDelayTheEndNoLonger has a client that sends a request and never ends it.
func TestRequestsUnderWayDelayTheEndNoLonger(t *testing.T) {
	s := open(t, newService(t))
	hosts, stop := serve(t, s, Options{})
	c, err := net.Dial("tcp", hosts)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /Attestation/v2.0/attest HTTP/1.1\r\nHost: hgs\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1)) // the service reads the body by now
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, stop())
	require.Less(t, time.Since(start), shutdownLimit+2*time.Second)
	require.NoError(t, s.Close())
}

// TestCloseWaitsForNoEndlessReader has a request read the state that outlives the service.
func TestCloseWaitsForNoEndlessReader(t *testing.T) {
	s := open(t, newService(t))
	reading, end, ended := make(chan bool), make(chan bool), make(chan error)
	go func() {
		ended <- s.store.View(func(*store.Tx) error {
			reading <- true
			<-end
			return nil
		})
	}()
	<-reading
	start := time.Now()
	require.ErrorContains(t, s.Close(), "a request was still reading it")
	require.Less(t, time.Since(start), closeLimit+2*time.Second)
	end <- true
	require.NoError(t, <-ended)
	require.NoError(t, s.Close()) // once nobody reads
}
