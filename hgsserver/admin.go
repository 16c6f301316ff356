package hgsserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// maxAdmin bounds the body of an administrator's request: the file of a policy, in base64.
const maxAdmin = policy.MaxFile/3*4 + 64<<10

// errForbidden says that a reviewer wants to change something.
var errForbidden = errors.New("reviewers read and change nothing: ask an administrator")

type peerKey struct{}

// withPeer keeps who is at the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOf(c))
}

// A call is a request to the API, with who makes it.
type call struct {
	*http.Request
	w  http.ResponseWriter
	by string
}

// read reads the message of a request.
func (c *call) read(message any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(c.w, c.Body, maxAdmin))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(message); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading the request: something follows its end")
	}
	return nil
}

// AdminHandler answers those who have a role.
func (s *Server) AdminHandler(role Role) http.Handler {
	mux := http.NewServeMux()
	read := func(path string, answer func(*call) (any, error)) { mux.Handle("GET "+path, s.endpoint(answer)) }
	change := func(method, path string, answer func(*call) (any, error)) {
		if role != Administrator {
			answer = func(*call) (any, error) { return nil, errForbidden }
		}
		mux.Handle(method+" "+path, s.endpoint(answer))
	}
	read("/v1/status", s.status)
	read("/v1/config", func(*call) (any, error) { return s.current.Load().Settings, nil })
	change("PATCH", "/v1/config", s.changeSettings)
	read("/v1/hosts", s.listHosts)
	change("POST", "/v1/hosts", s.addHost)
	change("DELETE", "/v1/hosts", s.removeHost)
	read("/v1/roots", s.listRoots)
	change("POST", "/v1/roots", s.addRoot)
	change("DELETE", "/v1/roots", s.removeRoot)
	read("/v1/hostkeys", s.listHostKeys)
	change("POST", "/v1/hostkeys", s.addHostKey)
	change("DELETE", "/v1/hostkeys", s.removeHostKey)
	read("/v1/policies", s.listPolicies)
	change("POST", "/v1/policies", s.addPolicy)
	change("PATCH", "/v1/policies", s.enablePolicy)
	change("DELETE", "/v1/policies", s.removePolicy)
	read("/v1/certs", s.listCertificates)
	change("POST", "/v1/certs", s.addCertificate)
	change("PATCH", "/v1/certs", s.makePrimary)
	change("DELETE", "/v1/certs", s.removeCertificate)
	read("/v1/signers", s.listSigners)
	change("POST", "/v1/signers", s.trustSigner)
	change("DELETE", "/v1/signers", s.distrustSigner)
	read("/v1/admins", s.listAdmins)
	change("POST", "/v1/admins", s.addAdmin)
	change("DELETE", "/v1/admins", s.removeAdmin)
	read("/v1/report", s.report)
	read("/v1/check", s.check)
	change("POST", "/v1/backup", s.writeBackup)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { s.health(w, true) })
	return mux
}

// metricsHandler answers Prometheus, and whoever balances loads.
func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { s.health(w, false) })
	return mux
}

// health says by the status whether hosts can attest and get keys; why not, it says to administrators and reviewers alone.
func (s *Server) health(w http.ResponseWriter, reasons bool) {
	status, text := http.StatusOK, "healthy\n"
	var because strings.Builder
	for _, p := range s.healthProblems(s.current.Load()) {
		if p.Fatal {
			status, text = http.StatusServiceUnavailable, "not healthy\n"
			because.WriteString(p.What + ": " + p.Remedy + "\n")
		}
	}
	if reasons {
		text += because.String()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // where the client is gone, there is nobody to tell
}

func (s *Server) endpoint(answer func(*call) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, _ := r.Context().Value(peerKey{}).(string)
		v, err := answer(&call{r, w, by})
		status := http.StatusOK
		if err != nil {
			status, v = statusOf(err), apiError{err.Error()}
		} else if v == nil {
			return
		}
		writeJSON(w, status, v)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // where the client is gone, there is nobody to tell
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, errForbidden):
		return http.StatusForbidden
	case errors.Is(err, store.ErrNotFound), errors.Is(err, policy.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, errChecking), errors.Is(err, ErrExists), errors.Is(err, policy.ErrExists):
		return http.StatusConflict
	case errors.Is(err, store.ErrAltered), errors.Is(err, store.ErrAudit):
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// done is the answer to a change.
type done struct {
	Done bool `json:"done"`
}
