package keyprotection

import (
	"errors"
	"net/http"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// ServeHTTP answers at the addresses of MS-KPS section 2.2.1, without regard to case. Time and connections are for the server
// to bound.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.EqualFold(path, guardian.MetadataPath):
		if allowed(w, r, http.MethodGet, http.MethodHead) {
			s.serveMetadata(w, r)
		}
	case strings.EqualFold(path, kps.V1.Path()):
		if allowed(w, r, http.MethodPost) {
			s.serveRoll(w, r, kps.V1)
		}
	case strings.EqualFold(path, kps.V2.Path()):
		if allowed(w, r, http.MethodPost) {
			s.serveRoll(w, r, kps.V2)
		}
	default:
		http.NotFound(w, r)
	}
}

func allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, "the method is not allowed here", http.StatusMethodNotAllowed)
	return false
}

func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request) {
	document, err := s.Metadata()
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	kps.WriteDocument(w, document)
}

func (s *Service) serveRoll(w http.ResponseWriter, r *http.Request, v kps.Version) {
	request, err := kps.ReadRequest(w, r)
	if err != nil {
		if errors.Is(err, kps.ErrMessage) {
			err = &kps.Error{Code: kps.InvalidRequest, Message: err.Error()}
		}
		s.refuse(w, r, err)
		return
	}
	response, err := s.Roll(v, request)
	if err != nil {
		s.refuseRoll(w, r, request, err)
		return
	}
	kps.WriteDocument(w, response.Bytes())
}

// refuse answers with a refusal, or without details where it is the service itself that failed. The log has who and what it was
// about, too.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error, about ...any) {
	log := s.log.With("remote", r.RemoteAddr).With(about...)
	var answer *kps.Error
	if !errors.As(err, &answer) {
		log.Error("key protection failed", "error", err)
		answer = &kps.Error{Code: kps.ServiceUnavailable, Message: "the service failed: its log says why"}
	} else {
		log.Warn("key protection refused", "code", string(answer.Code), "reason", answer.Message)
	}
	if s.Refused != nil {
		s.Refused(answer.Code)
	}
	kps.WriteError(w, answer)
}
