// Package attestation is the attestation service of a Host Guardian Service (MS-HGSA): it gives health certificates to hosts
// that prove that they are healthy. In TPM mode a host proves its endorsement key and its measured boot, and the boot has to
// meet the policies; in host key mode it proves a registered key.
//
// The service keeps nothing between two requests but its configuration. Every outcome is recorded before it is answered: where a
// health certificate cannot be recorded, there is none. Of a flood of refusals only some are recorded, and the rest counted. A certificate is for the identity key that the boot
// log names, or in host key mode for the one in the request: who once saw a signed request can have that same identity key
// certified again, and needs the identity key itself to gain by it.
package attestation

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
	"github.com/scutum-project/scutum/hgsserver/internal/refusals"
)

// The functional levels of the service: 1 is what version 1.0 of the protocol has, 2 adds version 2.0.
const functionalLevel = 2

// A Config is what administrators set. Both modes keep theirs, whichever is in force.
type Config struct {
	Mode     hgsa.OperationMode
	Hosts    []Host     // in TPM mode
	Policies policy.Set // in TPM mode
	HostKeys []HostKey  // in host key mode
	Signers  []*health.Signer
	Lifetime time.Duration // of health certificates; 0 is health.Lifetime
}

// A Report says what came of an attestation.
type Report struct {
	Mode         string         `json:"mode"`
	Host         string         `json:"host"`             // its registered name; empty for one that is not registered
	Identifier   string         `json:"identifier"`       // SHA-256 of the endorsement key or host key
	Remote       string         `json:"remote,omitempty"` // the address that the request came from
	Healthy      bool           `json:"healthy"`
	Reason       string         `json:"reason,omitempty"`
	Omitted      int            `json:"omitted,omitempty"`      // refusals of the host, or of strangers, before this one that were not recorded
	Policies     []PolicyReport `json:"policies,omitempty"`     // all, in TPM mode
	Certificates []string       `json:"certificates,omitempty"` // SHA-256 of the health certificates
	Expires      time.Time      `json:"expires,omitzero"`
}

// A PolicyReport says what one policy made of a boot.
type PolicyReport struct {
	Name     string `json:"name"`
	Enforced bool   `json:"enforced"`
	Passed   bool   `json:"passed"`
	Measured string `json:"measured"`
	Expected string `json:"expected"`
	Matched  string `json:"matched,omitempty"`
}

// A Service answers requests. Its methods may be called at the same time.
type Service struct {
	record func(Report) error
	log    *slog.Logger
	now    func() time.Time
	rtpm   *rtpm.Server
	state  atomic.Pointer[state]

	refusals refusals.Limit
}

// A state is a configuration with its hosts by the digests of their keys.
type state struct {
	Config
	hosts    map[[sha256.Size]byte]*Host
	hostKeys map[[sha256.Size]byte]*hostKey
}

type hostKey struct {
	HostKey
	public crypto.PublicKey
}

// New makes a service. All services that share the key continue each other's attestations.
func New(key [32]byte, record func(Report) error, log *slog.Logger) *Service {
	s := &Service{record: record, log: log, now: time.Now, rtpm: rtpm.NewServer(key)}
	s.state.Store(&state{})
	return s
}

// Configure takes a configuration for all requests that come from now on. It fails, and nothing changes, where something in it
// cannot be read, or two hosts have the same key.
func (s *Service) Configure(c Config) error {
	st, err := newState(c)
	if err != nil {
		return fmt.Errorf("configuring the attestation service: %w", err)
	}
	s.state.Store(st)
	return nil
}

func newState(c Config) (*state, error) {
	if c.Mode != hgsa.ModeTPM && c.Mode != hgsa.ModeHostKey {
		return nil, fmt.Errorf("the mode %v is not supported: use TPM or HostKey", c.Mode)
	}
	if c.Lifetime == 0 {
		c.Lifetime = health.Lifetime
	}
	if c.Lifetime < health.MinLifetime || c.Lifetime > health.Lifetime {
		return nil, fmt.Errorf("health certificates hold for %v to %v, not %v", health.MinLifetime, health.Lifetime, c.Lifetime)
	}
	st := &state{Config: c, hosts: map[[sha256.Size]byte]*Host{}, hostKeys: map[[sha256.Size]byte]*hostKey{}}
	for i := range c.Hosts {
		h := &c.Hosts[i]
		ek, err := rtpm.ParseEndorsementKey(h.Key)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		if other := st.hosts[ek.Digest()]; other != nil {
			return nil, fmt.Errorf("hosts %s and %s have the same endorsement key", other.Name, h.Name)
		}
		st.hosts[ek.Digest()] = h
	}
	for _, k := range c.HostKeys {
		public, err := parseHostKey(k.Key)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", k.Name, err)
		}
		digest := sha256.Sum256(k.Key)
		if other := st.hostKeys[digest]; other != nil {
			return nil, fmt.Errorf("hosts %s and %s have the same host key", other.Name, k.Name)
		}
		st.hostKeys[digest] = &hostKey{k, public}
	}
	return st, nil
}

// Info says what the service is (section 3.1.5.4).
func (s *Service) Info() *hgsa.ServiceInfoReply {
	return &hgsa.ServiceInfoReply{FunctionalLevel: functionalLevel, OperationMode: s.state.Load().Mode, SupportedLevels: []uint32{1, functionalLevel}}
}

// SigningCertificates gives those of all attestation signers (section 3.1.5.5).
func (s *Service) SigningCertificates() []*x509.Certificate {
	var all []*x509.Certificate
	for _, signer := range s.state.Load().Signers {
		all = append(all, signer.Certificate)
	}
	return all
}

// refuse gives an error reply, after it was recorded where there are not too many. It is answered whether or not it was recorded.
func (s *Service) refuse(r Report, reason error, reply *hgsa.ErrorReply) hgsa.Reply {
	r.Reason = reason.Error()
	facts := []any{"host", r.Host, "identifier", r.Identifier, "remote", r.Remote, "reason", r.Reason}
	if sentences := r.Explain(); len(sentences) > 0 {
		facts = append(facts, "policies", sentences)
	}
	s.log.Warn("attestation refused", facts...)
	omitted, ok := s.refusals.Take(r.Host, s.now())
	if !ok {
		return reply
	}
	r.Omitted = omitted
	if err := s.record(r); err != nil {
		s.log.Error("recording an attestation failed", "error", err)
	}
	return reply
}

// issue gives the health certificates that a host asked for, after they were recorded.
func (s *Service) issue(st *state, r Report, statements []*health.Statement) hgsa.Reply {
	now := s.now()
	if s.state.Load() != st { // the host may have been taken away, and all certificates so far denied
		return &hgsa.ErrorReply{Name: hgsa.UnavailableError, Retryable: true}
	}
	signer := health.Current(st.Signers, now)
	if signer == nil {
		s.log.Error("there is no attestation signer that holds: renew it")
		return &hgsa.ErrorReply{Name: hgsa.UnavailableError, Retryable: true}
	}
	reply := &hgsa.HealthCertificateReply{}
	for _, statement := range statements {
		c, err := signer.IssueFor(statement, now, st.Lifetime)
		if err != nil { // the identity key is of no use
			return s.refuse(r, err, &hgsa.ErrorReply{Name: hgsa.VirtualSecureModeError})
		}
		digest := sha256.Sum256(c.Raw)
		r.Certificates, r.Expires = append(r.Certificates, hex.EncodeToString(digest[:])), c.NotAfter
		reply.Content = append(reply.Content, hgsa.Result{Type: statement.Type, Content: c.Raw})
	}
	r.Healthy = true
	if err := s.record(r); err != nil {
		s.log.Error("recording a health certificate failed: it was not given", "host", r.Host, "error", err)
		return &hgsa.ErrorReply{Name: hgsa.UnavailableError, Retryable: true}
	}
	s.log.Info("attested", "host", r.Host, "identifier", r.Identifier, "remote", r.Remote, "expires", r.Expires)
	return reply
}
