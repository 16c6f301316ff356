package hgsserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// shutdownLimit is how long requests that are under way have to finish, and closeLimit what they read of the state after that:
// ten seconds together. Connections on which nothing is asked, or no whole header has come, end at once.
const (
	shutdownLimit = 8 * time.Second
	closeLimit    = 2 * time.Second
)

// silent are the connections without a request yet. An http.Server would wait for the first one, for five seconds.
type silent struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	ending bool
}

// state is for http.Server.ConnState.
func (s *silent) state(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.conns, c)
	case s.ending:
		_ = c.Close()
	default:
		s.conns[c] = struct{}{}
	}
}

func (s *silent) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	for c := range s.conns {
		go c.Close() // over TLS it may take time to say so
	}
}

// Close closes the state. A request that outlived the end of Serve, and reads it still, is left to end with the program: then
// Close fails, after two seconds.
func (s *Server) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- s.store.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeLimit):
		return errors.New("closing the state: a request was still reading it")
	}
}

// shutDown ends servers, all at the same time, within shutdownLimit.
func shutDown(ctx context.Context, servers []*http.Server, silent *silent) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	silent.close()
	var all sync.WaitGroup
	for _, server := range servers {
		all.Go(func() {
			if server.Shutdown(limit) != nil {
				_ = server.Close()
			}
		})
	}
	all.Wait()
}
