package hgsserver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// dialFrom opens a connection from an address of this machine.
func dialFrom(t testing.TB, from, to string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", to)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// exchange writes a request and gives the status of the answer, 0 where the connection ended.
func exchange(c net.Conn, request string) int {
	if _, err := io.WriteString(c, request); err != nil {
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return 0
	}
	return response.StatusCode
}

const getInfo = "GET /attestation/getinfo HTTP/1.1\r\nHost: hgs\r\n\r\n"

// TestFloodFromOneAddress opens more connections from one address than it may have, which say nothing, begin a header, begin a
// body, or ask without end. Another address is served all the while, and nothing of them remains.
func TestFloodFromOneAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the machine has no other loopback addresses
	}
	const flooding, other = "127.0.0.2", "127.0.0.3"
	s := open(t, newService(t))
	before := runtime.NumGoroutine()
	address, stop := serve(t, s, Options{})

	var flood []net.Conn
	var asking sync.WaitGroup
	for i := range maxConnectionsAddress {
		c := dialFrom(t, flooding, address)
		flood = append(flood, c)
		switch i % 4 {
		case 1:
			_, err := io.WriteString(c, "POST /Attestation/v2.0/hostkeyattest HTTP/1.1\r\nHost:")
			require.NoError(t, err)
		case 2:
			_, err := io.WriteString(c, "POST /KeyProtection/service/v2.0/rolltransportkey HTTP/1.1\r\nHost: hgs\r\nContent-Length: 100000\r\n\r\n<")
			require.NoError(t, err)
		case 3:
			require.Equal(t, http.StatusOK, exchange(c, getInfo))
			asking.Go(func() {
				for exchange(c, getInfo) == http.StatusOK {
				}
			})
		}
	}
	for range 20 {
		over := dialFrom(t, flooding, address)
		require.Zero(t, exchange(over, getInfo), "the address has all of its connections")
		c := dialFrom(t, other, address)
		for range 5 {
			require.Equal(t, http.StatusOK, exchange(c, getInfo))
		}
	}
	for _, c := range flood {
		require.NoError(t, c.Close())
	}
	asking.Wait()
	require.Equal(t, http.StatusOK, exchange(dialFrom(t, other, address), getInfo))
	require.NoError(t, stop())
	for runtime.NumGoroutine() > before { // what served the connections is at its end
		runtime.Gosched()
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	s := open(t, newService(t))
	address, stop := serve(t, s, Options{})
	for name, header := range map[string]string{
		"long":     "X: " + strings.Repeat("x", 2*maxHeader),
		"many":     strings.Repeat("X: x\r\n", 2*maxHeader/6) + "X: x",
		"long URL": "",
	} {
		request := "GET /attestation/getinfo HTTP/1.1\r\nHost: hgs\r\n" + header + "\r\n\r\n"
		if header == "" {
			request = strings.Replace(getInfo, "getinfo", "getinfo?"+strings.Repeat("x", 2*maxHeader), 1)
		}
		status := exchange(dialFrom(t, "127.0.0.1", address), request)
		require.Contains(t, []int{0, http.StatusRequestHeaderFieldsTooLarge}, status, name) // 0: the connection was reset before the answer was read
	}
	require.Equal(t, http.StatusOK, exchange(dialFrom(t, "127.0.0.1", address), getInfo))
	require.NoError(t, stop())
}
