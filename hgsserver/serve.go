package hgsserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
)

// Limits of requests. What a service accepts is smaller still.
const (
	maxBody     = max(kps.MaxMessage, hgsa.MaxMessage) // bytes
	smallBody   = 128 << 10                            // what hosts send: larger ones are few at a time
	maxHeader   = 16 << 10
	headerTime  = 5 * time.Second
	requestTime = 30 * time.Second
	idleTime    = 2 * time.Minute
	streams     = 16       // of one HTTP/2 connection at a time
	window      = 64 << 10 // what one HTTP/2 connection may send before it is read
	frame       = 16 << 10
	worked      = 16 // requests that are worked on at a time, per core: most of them wait for the disk, and share its syncs
)

// Options say where a server listens.
type Options struct {
	Listen    string       // for hosts, such as ":80"
	TLS       *tls.Config  // nil for HTTP
	Metrics   string       // for Prometheus: metrics and health alone; may be empty
	Admin     string       // for administrators and reviewers, by their client certificates; may be empty
	AdminTLS  *tls.Config  // the certificate of Admin
	Socket    string       // for administrators; empty for SocketFile in the folder of the service
	Reviewers string       // a socket for reviewers; may be empty
	Group     int          // of the reviewers' socket, -1 for the server's own
	Version   string       // of the program, for its metrics; may be empty
	Ready     func(string) // called with the address for hosts once all are open; may be nil
}

// A serving is where hosts are served, and others, where they are.
type serving struct {
	address, metrics, admin string
	tls                     bool
}

// Serve serves until ctx ends, then finishes the requests that are under way; it returns within eight seconds.
func (s *Server) Serve(ctx context.Context, o Options) error {
	if o.Admin != "" && (o.AdminTLS == nil || len(o.AdminTLS.Certificates) == 0) {
		return errors.New("administration over TLS needs a certificate of the service")
	}
	s.metrics.build(o.Version)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var servers []*http.Server
	quiet := &silent{conns: map[net.Conn]struct{}{}}
	defer func() { shutDown(ctx, servers, quiet) }()
	start := func(l net.Listener, handler http.Handler) {
		server := s.httpServer(handler)
		server.ConnState = quiet.state
		servers = append(servers, server)
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				stop(err)
			}
		}()
	}

	if o.Socket == "" {
		o.Socket = filepath.Join(s.dir, SocketFile)
	}
	admin, err := listenUnix(o.Socket, 0o600, -1)
	if err != nil {
		return err
	}
	start(admin, s.AdminHandler(Administrator))
	if o.Reviewers != "" {
		l, err := listenUnix(o.Reviewers, 0o660, o.Group)
		if err != nil {
			return err
		}
		start(l, s.AdminHandler(Reviewer))
	}
	at := &serving{tls: o.TLS != nil}
	if o.Metrics != "" {
		l, err := listenTCP(o.Metrics, "Prometheus", nil)
		if err != nil {
			return err
		}
		at.metrics = l.Addr().String()
		start(l, s.metricsHandler())
	}
	if o.Admin != "" {
		l, err := listenTCP(o.Admin, "administrators", remoteTLS(o.AdminTLS))
		if err != nil {
			return err
		}
		at.admin = l.Addr().String()
		start(l, s.remoteHandler())
		s.log.Info("administration", "address", at.admin)
	}
	hosts, err := listenTCP(o.Listen, "hosts", hostTLS(o.TLS))
	if err != nil {
		return err
	}
	at.address = hosts.Addr().String()
	start(hosts, s.Handler())
	s.serving.Store(at)
	s.log.Info("serving", "address", at.address, "tls", at.tls, "mode", s.current.Load().Mode)
	if o.Ready != nil {
		o.Ready(at.address)
	}
	go s.renewing(ctx)
	go s.retaining(ctx)
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("serving: %w", err)
	}
	s.log.Info("stopping")
	return nil
}

// hostTLS is for hosts. It is nil where they come without TLS.
func hostTLS(own *tls.Config) *tls.Config {
	if own == nil {
		return nil
	}
	config := own.Clone()
	config.MinVersion = tls.VersionTLS12
	config.NextProtos = []string{"h2", "http/1.1"}
	return config
}

// listenTCP opens an address with a limit of connections.
func listenTCP(address, whom string, config *tls.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening for %s: %w: another program listens there; find it with ss -ltnp, or take another address", whom, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", whom, err)
	}
	if config == nil {
		return limited(l), nil
	}
	return tls.NewListener(limited(l), config), nil
}

func (s *Server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.loggingPanics(handler),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      2 * requestTime, // from the end of the header on, and so of reading, too
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams, MaxReceiveBufferPerConnection: window,
			MaxReceiveBufferPerStream: window, MaxReadFrameSize: frame},
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: withPeer,
	}
}

// loggingPanics logs where a handler went wrong, which is a fault of the service. The connection ends, and nothing else: what the
// HTTP server would log is of no interest but to who looks for a fault.
func (s *Server) loggingPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if fault != http.ErrAbortHandler {
				s.log.Error("a request was too much for the service: this is a fault in it", "remote", r.RemoteAddr, "fault", fault, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}

// Handler answers hosts: the two services, at their addresses without regard to case.
func (s *Server) Handler() http.Handler {
	working := make(chan struct{}, worked*runtime.GOMAXPROCS(0))
	requests, large := newLimiter(maxRequests, maxRequestsAddress), newLimiter(maxLarge, maxLargeAddress)
	attestation := s.metrics.timed("attestation", s.attestation)
	protection := s.metrics.timed("keyprotection", s.protection)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var next http.Handler
		switch service, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(r.URL.Path), "/"), "/"); service {
		case "attestation":
			next = attestation
		case "keyprotection":
			next = protection
		default:
			http.NotFound(w, r)
			return
		}
		from, limits := addressOf(r.RemoteAddr), []*limiter{requests}
		if r.ContentLength < 0 || r.ContentLength > smallBody {
			limits = append(limits, large)
		}
		for _, l := range limits {
			if !l.take(from) {
				w.Header().Set("Retry-After", "5")
				http.Error(w, "too many requests at a time, or large ones", http.StatusServiceUnavailable)
				return
			}
			defer l.release(from)
		}
		// All of a request is there before work on it begins, so that a slow client keeps no other from being served.
		body, err := readBody(w, r)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			return // too slow, or gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		select {
		case working <- struct{}{}:
			defer func() { <-working }()
		case <-r.Context().Done():
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readBody reads the body of a request, whose length is as the client says, or not.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const usual = 32 << 10 // bytes
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), usual)+bytes.MinRead))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return body.Bytes(), err
}

// listenUnix opens a socket with permissions. One that a server which has ended left behind is taken away: the caller has the
// state open, and with it the only right to serve.
func listenUnix(path string, mode os.FileMode, group int) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("opening the socket %s: %w", path, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the socket %s: %w", path, err)
	}
	err = os.Chmod(path, mode)
	if err == nil && group >= 0 {
		err = os.Lchown(path, -1, group)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the socket %s: %w", path, err), l.Close())
	}
	return l, nil
}
