package hgsserver

import (
	"net"
	"net/netip"
	"sync"
)

// Limits of what hosts may have open at a time, all of them and one address. An address that has all of its own is closed the
// door, so that the others find theirs open.
const (
	maxConnections        = 1024
	maxConnectionsAddress = 128
	maxRequests           = maxConnections // HTTP/2 has several in a connection
	maxRequestsAddress    = 128
	maxLarge              = 64 // requests larger than smallBody
	maxLargeAddress       = 16
)

// A limiter gives away so many slots at a time, and so many to one address.
type limiter struct {
	slots chan struct{}
	each  int

	mu    sync.Mutex
	taken map[string]int
}

func newLimiter(all, each int) *limiter {
	return &limiter{slots: make(chan struct{}, all), each: each, taken: map[string]int{}}
}

func (l *limiter) take(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[from] >= l.each {
		return false
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return false
	}
	l.taken[from]++
	return true
}

func (l *limiter) release(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[from]--; l.taken[from] == 0 {
		delete(l.taken, from)
	}
	<-l.slots
}

// A limitedListener accepts as many connections as its limiter allows.
type limitedListener struct {
	net.Listener
	*limiter
}

func limited(l net.Listener) *limitedListener {
	return &limitedListener{l, newLimiter(maxConnections, maxConnectionsAddress)}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(c.RemoteAddr().String())
		if !l.take(from) {
			_ = c.Close()
			continue
		}
		return &limitedConn{Conn: c, done: sync.OnceFunc(func() { l.release(from) })}, nil
	}
}

// addressOf is what is counted by, of an address with a port: an IPv4 address, or a network of 64 bits in IPv6, which is one
// customer's.
func addressOf(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	a := from.Addr().Unmap()
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}

type limitedConn struct {
	net.Conn
	done func()
}

func (c *limitedConn) Close() error {
	c.done()
	return c.Conn.Close()
}
