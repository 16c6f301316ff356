package hgsserver

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := limited(inner)
	defer l.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	var first net.Conn
	for range maxConnectionsAddress {
		dial()
		c, err := l.Accept()
		require.NoError(t, err)
		defer c.Close()
		first = c
	}
	over := dial()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	_, err = over.Read(make([]byte, 1)) // Accept closed it, and waits for another one
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, first.Close())
	require.Error(t, first.Close()) // closed already, and counts once
	dial()
	require.NoError(t, (<-accepted).Close())
	require.Len(t, l.slots, maxConnectionsAddress-1)
}

func TestAddresses(t *testing.T) {
	for remote, address := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "@": "", "": "",
	} {
		require.Equal(t, address, addressOf(remote), remote)
	}
}
