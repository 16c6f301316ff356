package attestation

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// ServeHTTP answers at the addresses of MS-HGSA section 3.1.5, without regard to case. An error reply has the status 200 like
// any other, as the specification has no other for it. Time and connections are for the server to bound.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch strings.ToLower(r.URL.Path) {
	case "/attestation/getinfo":
		if allowed(w, r, http.MethodGet) {
			s.write(w, s.Info())
		}
	case "/attestation/v2.0/signingcertificates":
		if allowed(w, r, http.MethodGet) {
			s.writeCertificates(w)
		}
	case "/attestation/v1.0/attest":
		s.serve(w, r, hgsa.ModeTPM, false)
	case "/attestation/v2.0/attest":
		s.serve(w, r, hgsa.ModeTPM, true)
	case "/attestation/v2.0/hostkeyattest":
		s.serve(w, r, hgsa.ModeHostKey, true)
	case "/attestation/v1.0/domainattest":
		s.serve(w, r, hgsa.ModeAD, false)
	default:
		http.NotFound(w, r)
	}
}

// remoteOf is the address that a request came from, without its port.
func remoteOf(r *http.Request) string {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return address.Addr().Unmap().String()
}

func allowed(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	http.Error(w, "the method is not allowed here", http.StatusMethodNotAllowed)
	return false
}

// serve answers a request to the address of a mode.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, mode hgsa.OperationMode, v2 bool) {
	if !allowed(w, r, http.MethodPost) {
		return
	}
	st := s.state.Load()
	switch st.Mode {
	case hgsa.ModeUnknown:
		s.write(w, &hgsa.ErrorReply{Name: hgsa.UnavailableError, Retryable: true})
		return
	case mode:
	default:
		s.write(w, &hgsa.ErrorReply{Name: hgsa.OperationModeError, Retryable: true, Expected: st.Mode})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hgsa.MaxMessage))
	if tooLarge := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &tooLarge) {
		return // the client is gone
	}
	var reply hgsa.Reply
	if err == nil {
		reply, err = s.attest(st, mode, body, v2, remoteOf(r))
	}
	if err != nil {
		s.log.Warn("attestation request refused", "remote", r.RemoteAddr, "reason", err)
		reply = payloadError()
	}
	s.write(w, reply)
}

// attest answers a body; where it has not the form of a request, it fails.
func (s *Service) attest(st *state, mode hgsa.OperationMode, body []byte, v2 bool, remote string) (hgsa.Reply, error) {
	if mode == hgsa.ModeHostKey {
		request, err := hgsa.ParseAttestationRequest(body)
		if err != nil {
			return nil, err
		}
		return s.attestHostKey(st, request, remote), nil
	}
	request, err := parseTPMRequest(body, v2)
	if err != nil {
		return nil, err
	}
	return s.attestTPM(st, request, remote), nil
}

func (s *Service) write(w http.ResponseWriter, reply hgsa.Reply) {
	body, err := json.Marshal(reply)
	if err != nil {
		s.log.Error("writing a reply failed", "error", err)
		http.Error(w, "the service failed: its log says why", http.StatusInternalServerError)
		return
	}
	writeBody(w, "application/json; charset=utf-8", body)
}

func (s *Service) writeCertificates(w http.ResponseWriter) {
	body, err := hgsa.EncodeCertificates(s.SigningCertificates())
	if err != nil {
		s.log.Error("there are no signing certificates to give", "error", err)
		http.Error(w, "there are no signing certificates", http.StatusServiceUnavailable)
		return
	}
	writeBody(w, "application/pkcs7-mime", body)
}

func writeBody(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // where the client is gone, there is nobody to tell
}
