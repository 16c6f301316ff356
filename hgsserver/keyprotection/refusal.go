package keyprotection

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// A Refusal says who got no key, of which key protector, and why.
type Refusal struct {
	Code              kps.Code `json:"code"`
	Reason            string   `json:"reason"`
	Host              string   `json:"host"` // of the health certificate, as is its thumbprint
	HealthCertificate string   `json:"healthCertificate"`
	Remote            string   `json:"remote,omitempty"`     // the address that the request came from
	Ingress           string   `json:"ingress"`              // SHA-256 of the key protector
	Encryption        []string `json:"encryption,omitempty"` // thumbprints of whom it is for, the first ones, where it is not for the service
	Omitted           int      `json:"omitted,omitempty"`    // refusals of the host before this one that were not recorded
}

// notGranted refuses a protector that is not for the service. Whom it is for, the host need not know.
type notGranted struct {
	error
	wrappings []keyprotector.WrappingInfo
}

func (e *notGranted) Unwrap() error { return e.error }

// maxNamed bounds how many certificates are named.
const maxNamed = 16

func (e *notGranted) encryption() []string {
	var list []string
	for _, w := range e.wrappings[:min(len(e.wrappings), maxNamed)] {
		list = append(list, signing.Thumbprint(w.Encryption))
	}
	return list
}

// maxReason bounds the reason of a refusal in the audit log, in bytes.
const maxReason = 1024

// refuseRoll answers a request for a key. Its refusal is recorded where a signer that is trusted has issued the health
// certificate, also one that is no longer accepted, and where there are not too many: what others say of themselves is anybody's
// word, and is logged and counted alone. It is answered whether or not it was recorded.
func (s *Service) refuseRoll(w http.ResponseWriter, r *http.Request, request *kps.Request, err error) {
	host, protector := s.hostOf(request.HealthCertificate), digest(request.Ingress)
	name, about := "", []any{"protector", protector}
	var foreign *notGranted
	var encryption []string
	if errors.As(err, &foreign) {
		encryption = foreign.encryption()
		about = append(about, "encryption", encryption)
	}
	if host != nil {
		name = host.Subject.CommonName
	}
	var answer *kps.Error
	if host != nil && errors.As(err, &answer) {
		refusal := Refusal{Code: answer.Code, Reason: answer.Message, Host: name, HealthCertificate: signing.Thumbprint(host), Ingress: protector,
			Encryption: encryption}
		refusal.Reason = strings.ToValidUTF8(refusal.Reason[:min(len(refusal.Reason), maxReason)], "?")
		if address, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			refusal.Remote = address
		}
		s.recordRefusal(refusal)
	}
	s.refuse(w, r, err, append([]any{"host", name}, about...)...)
}

func (s *Service) recordRefusal(r Refusal) {
	if s.RecordRefusal == nil {
		return
	}
	omitted, ok := s.refusals.Take(r.Host, s.now())
	if !ok {
		return
	}
	r.Omitted = omitted
	if err := s.RecordRefusal(r); err != nil {
		s.log.Error("recording a refusal failed", "host", r.Host, "error", err)
	}
}

// hostOf gives a health certificate. It is nil where no signer that is trusted has issued it.
func (s *Service) hostOf(healthCertificate []byte) *x509.Certificate {
	if known := s.state.Load().issued.get(sha256.Sum256(healthCertificate)); known != nil {
		return known.Certificate
	}
	return nil
}
