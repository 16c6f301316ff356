package attestation

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// A tpmRequest is a request in TPM mode, of either version. The context is nil in the first one.
type tpmRequest struct {
	session   uuid.UUID
	requested []hgsa.ResultType
	ek        *rtpm.EndorsementKey
	context   []byte
}

// parseTPMRequest reads the body of a request of version 1.0 or 2.0 (section 3.1.5.1.1.1).
func parseTPMRequest(body []byte, v2 bool) (*tpmRequest, error) {
	if !v2 {
		r, err := hgsa.ParseTPMRequest(body)
		if err != nil {
			return nil, err
		}
		ek, err := rtpm.ParseEndorsementKey(r.EndorsementKey)
		return &tpmRequest{r.SessionID, r.Requested, ek, r.Context}, err
	}
	r, err := hgsa.ParseAttestationRequest(body)
	if err != nil {
		return nil, err
	}
	ek, err := parseProvidedKey(r.Content(hgsa.EndorsementKeyCertificate))
	return &tpmRequest{r.SessionID, r.Requested, ek, r.Content(hgsa.RtpmContext)}, err
}

// parseProvidedKey reads what the specification calls an endorsement key certificate in section 2.2.1.2 and the public key itself
// in section 3.2.5.1. A host without a certificate sends its key.
func parseProvidedKey(content []byte) (*rtpm.EndorsementKey, error) {
	if ek, err := rtpm.ParseEndorsementKey(content); err == nil {
		return ek, nil
	}
	c, err := x509.ParseCertificate(content)
	if err != nil {
		return nil, fmt.Errorf("the endorsement key is neither a certificate nor a key: %w", err)
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, rtpm.ErrEndorsementKey
	}
	return rtpm.NewEndorsementKey(key)
}

// attestTPM answers a request in TPM mode (section 3.1.5.1.1.3).
func (s *Service) attestTPM(st *state, r *tpmRequest, remote string) hgsa.Reply {
	if !certifiable(r.requested) {
		return payloadError()
	}
	digest := r.ek.Digest()
	report := Report{Mode: hgsa.ModeTPM.String(), Identifier: hex.EncodeToString(digest[:]), Remote: remote}
	host := st.hosts[digest]
	if host == nil {
		return s.refuse(report, errors.New("the endorsement key is not registered"), &hgsa.ErrorReply{Name: hgsa.UnauthorizedError})
	}
	report.Host = host.Name
	if len(r.context) == 0 {
		return &hgsa.ContinueReply{Context: s.rtpm.Begin(r.session, r.ek)}
	}
	next, proof, err := s.rtpm.Continue(r.session, r.ek, r.context)
	if err != nil {
		return s.refuse(report, err, exchangeError(err))
	}
	if proof == nil {
		return &hgsa.ContinueReply{Context: next}
	}
	boot, err := proof.Boot()
	if err != nil {
		return s.refuse(report, err, &hgsa.ErrorReply{Name: hgsa.TcgLogValidationError})
	}
	evaluation := st.Policies.Evaluate(boot)
	report.Policies = reportPolicies(evaluation)
	if !evaluation.Passed() {
		return s.refuse(report, failures(evaluation), policyError(evaluation))
	}
	statements, err := bootStatements(host.Name, r.requested, boot, evaluation)
	if err != nil {
		return s.refuse(report, err, &hgsa.ErrorReply{Name: hgsa.VirtualSecureModeError})
	}
	return s.issue(st, report, statements)
}

// exchangeError names an error of the exchange with the TPM.
func exchangeError(err error) *hgsa.ErrorReply {
	var response *rtpm.ResponseError
	switch {
	case errors.Is(err, hgsa.ErrMessage):
		return &hgsa.ErrorReply{Name: hgsa.PayloadError}
	case errors.As(err, &response):
		return &hgsa.ErrorReply{Name: hgsa.RtpmError, Retryable: response.Temporary()}
	}
	return &hgsa.ErrorReply{Name: hgsa.RtpmError, Retryable: errors.Is(err, rtpm.ErrContext)}
}

func reportPolicies(e policy.Evaluation) (all []PolicyReport) {
	for _, r := range e {
		all = append(all, PolicyReport{r.Policy.Name, r.Enforced, r.Passed, r.Measured, r.Expected, r.Matched})
	}
	return all
}

func failures(e policy.Evaluation) error {
	var names []string
	for _, r := range e.Failed() {
		names = append(names, r.Policy.Name)
	}
	return fmt.Errorf("the boot does not meet %s", strings.Join(names, ", "))
}

// policyError tells a host what every policy that counts made of its boot.
func policyError(e policy.Evaluation) *hgsa.ErrorReply {
	reply := &hgsa.ErrorReply{Name: hgsa.PolicyEvaluationError}
	for _, r := range e {
		if r.Enforced {
			reply.Reasons = append(reply.Reasons, hgsa.Evaluation{Result: r.Passed, Reason: r.Policy.GUID})
		}
	}
	return reply
}

// bootStatements says what is certified: the identity keys that the boot log names.
func bootStatements(host string, requested []hgsa.ResultType, boot *tcglog.Boot, e policy.Evaluation) (all []*health.Statement, err error) {
	var met []uuid.UUID
	for _, r := range e {
		if r.Enforced && r.Passed {
			met = append(met, r.Policy.GUID)
		}
	}
	for _, t := range requested {
		key := boot.EncryptionKey
		if t == hgsa.SigningKeyCertificate {
			key = boot.SigningKey
		}
		if key == nil {
			return nil, fmt.Errorf("the boot log names no identity key for a %v", t)
		}
		all = append(all, &health.Statement{Host: host, Type: t, Mode: hgsa.ModeTPM, Policies: met, Key: key})
	}
	return all, nil
}
