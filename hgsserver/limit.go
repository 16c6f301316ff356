package hgsserver

import (
	"net"
	"sync"
)

// Limits of connections. An address that has all of its own is closed the door, so that the others find theirs open.
const (
	maxConnections        = 1024
	maxConnectionsAddress = 128
)

// A limitedListener accepts so many connections at a time, and so many from one address.
type limitedListener struct {
	net.Listener
	slots chan struct{}

	mu      sync.Mutex
	address map[string]int
}

func limited(l net.Listener) *limitedListener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, maxConnections), address: map[string]int{}}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(c)
		if !l.take(from) {
			_ = c.Close()
			continue
		}
		return &limitedConn{Conn: c, done: sync.OnceFunc(func() { l.release(from) })}, nil
	}
}

func (l *limitedListener) take(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.address[from] >= maxConnectionsAddress {
		return false
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return false
	}
	l.address[from]++
	return true
}

func (l *limitedListener) release(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.address[from]--; l.address[from] == 0 {
		delete(l.address, from)
	}
	<-l.slots
}

// addressOf is what connections are counted by: an IPv4 address, or a network of 64 bits in IPv6, which is one customer's.
func addressOf(c net.Conn) string {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	if v4 := tcp.IP.To4(); v4 != nil {
		return string(v4)
	}
	return string(tcp.IP.Mask(net.CIDRMask(64, 128)))
}

type limitedConn struct {
	net.Conn
	done func()
}

func (c *limitedConn) Close() error {
	c.done()
	return c.Conn.Close()
}
