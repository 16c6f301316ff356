package attest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// requested is what a host asks for.
var requested = []hgsa.ResultType{hgsa.EncryptionKeyCertificate, hgsa.SigningKeyCertificate}

// A Measured is a host in TPM mode: what speaks to its TPM, its endorsement key or the certificate of it, and the log of its
// boot. Device tells about the TPM, and proves nothing.
type Measured struct {
	Send        func(command []byte) ([]byte, error)
	Key         []byte // TPM2B_PUBLIC
	Certificate []byte // DER, or nil
	Device      hgsa.DeviceInfo
	Log         []byte
}

// retries is how often a whole attestation is tried again where the service says that it may do better.
const retries = 2

// TPM attests by a TPM, in the version that the service has (section 3.2.5.1).
func (c *Client) TPM(ctx context.Context, info *hgsa.ServiceInfoReply, m *Measured, id *Identity) (*Certificates, error) {
	if info.OperationMode != hgsa.ModeTPM {
		return nil, fmt.Errorf("%w: it is in mode %v", ErrMode, info.OperationMode)
	}
	began := time.Now()
	for i := 0; ; i++ {
		reply, err := c.exchange(ctx, version(info), m)
		if refusal, ok := err.(*Refusal); ok && refusal.Reply.Name == hgsa.RtpmError && refusal.Reply.Retryable && i < retries {
			continue // the service lost its state, or keeps another key now
		}
		if err != nil {
			return nil, err
		}
		return c.certificates(reply, hgsa.ModeTPM, id, began)
	}
}

// version is the newest version of the protocol that both sides have. Level 1 has version 1.0.
func version(info *hgsa.ServiceInfoReply) int {
	if info.FunctionalLevel >= 2 {
		return 2
	}
	return 1
}

// exchange goes through the remote-TPM exchange once.
func (c *Client) exchange(ctx context.Context, version int, m *Measured) (hgsa.Reply, error) {
	const maxRounds = 8 // the exchange has four
	session := uuid.New()
	runner := &runner{Measured: m}
	defer runner.clean()
	var answer []byte
	for range maxRounds {
		path, message := "v2.0/attest", m.request2(session, answer)
		if version == 1 {
			path, message = "v1.0/attest", m.request1(session, answer)
		}
		reply, err := c.post(ctx, path, message)
		if err != nil {
			return nil, err
		}
		next, more := reply.(*hgsa.ContinueReply)
		if !more {
			return reply, nil
		}
		if answer, err = runner.answer(next.Context); err != nil {
			return nil, fmt.Errorf("answering the attestation service at %s: %w", c.Server, err)
		}
	}
	return nil, fmt.Errorf("asking the attestation service at %s: %w: it goes on without end", c.Server, ErrAnswer)
}

// request1 is a request of version 1.0 (sections 2.2.2.3 and 2.2.2.4).
func (m *Measured) request1(session uuid.UUID, context []byte) json.Marshaler {
	return &hgsa.TPMRequest{SessionID: session, Requested: requested, EndorsementKey: m.Key, Continue: context != nil, Context: context}
}

// request2 is a request of version 2.0 (section 2.2.2.1).
func (m *Measured) request2(session uuid.UUID, context []byte) json.Marshaler {
	key := m.Certificate
	if key == nil {
		key = m.Key
	}
	r := &hgsa.AttestationRequest{SessionID: session, Requested: requested, Provided: []hgsa.Provided{{Type: hgsa.EndorsementKeyCertificate, Content: key}}}
	if context != nil {
		r.Provided = append(r.Provided, hgsa.Provided{Type: hgsa.RtpmContext, Content: context})
	}
	return r
}

// HostKey attests by a key that is registered (section 3.2.5.3). The signature is over the contents HostKeyPublicKey and
// VirtualSecureModeIdentityKey, one after the other. A request has place for one identity key: that for encryption.
func (c *Client) HostKey(ctx context.Context, info *hgsa.ServiceInfoReply, key crypto.Signer, id *Identity) (*Certificates, error) {
	if info.OperationMode != hgsa.ModeHostKey || info.FunctionalLevel < 2 {
		return nil, fmt.Errorf("%w: it is in mode %v, level %d", ErrMode, info.OperationMode, info.FunctionalLevel)
	}
	began := time.Now()
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("attesting by the host key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(id.Encryption)
	if err != nil {
		return nil, fmt.Errorf("attesting by the host key: %w", err)
	}
	identity, err := json.Marshal(&hgsa.EndorsementKey{Key: spki})
	if err != nil {
		return nil, fmt.Errorf("attesting by the host key: %w", err)
	}
	digest := sha256.New()
	digest.Write(public)
	digest.Write(identity)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("attesting by the host key: %w", err)
	}
	reply, err := c.post(ctx, "v2.0/hostkeyattest", &hgsa.AttestationRequest{
		SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate},
		Provided: []hgsa.Provided{
			{Type: hgsa.VSMIdentityKey, Content: identity}, {Type: hgsa.HostKeyPublicKey, Content: public}, {Type: hgsa.HostKeySignature, Content: signature},
		},
	})
	if err != nil {
		return nil, err
	}
	return c.certificates(reply, hgsa.ModeHostKey, &Identity{Encryption: id.Encryption}, began)
}

// clockSkew is how far the clocks of host and service may be apart.
const clockSkew = 5 * time.Minute

// certificates reads a reply: one health certificate for each identity key, for that key, in that mode, and new.
func (c *Client) certificates(reply hgsa.Reply, mode hgsa.OperationMode, id *Identity, began time.Time) (*Certificates, error) {
	r, ok := reply.(*hgsa.HealthCertificateReply)
	if !ok {
		return nil, c.unexpected(reply)
	}
	all := &Certificates{Mode: mode}
	for _, result := range r.Content {
		key, place := id.Encryption, &all.Encryption
		if result.Type == hgsa.SigningKeyCertificate {
			key, place = id.Signing, &all.Signing
		}
		var err error
		if *place != nil || key == nil {
			err = fmt.Errorf("a %v that was not asked for, or twice", result.Type)
		} else {
			*place, err = check(result, mode, key, began)
		}
		if err != nil {
			return nil, fmt.Errorf("the attestation service at %s: %w: %w", c.Server, ErrAnswer, err)
		}
	}
	if all.Encryption == nil || (all.Signing == nil) != (id.Signing == nil) {
		return nil, fmt.Errorf("the attestation service at %s: %w: a health certificate is missing", c.Server, ErrAnswer)
	}
	return all, nil
}

func check(result hgsa.Result, mode hgsa.OperationMode, key *rsa.PublicKey, began time.Time) (*x509.Certificate, error) {
	certificate, err := x509.ParseCertificate(result.Content)
	if err != nil {
		return nil, fmt.Errorf("the health certificate cannot be read: %w", err)
	}
	st, err := health.Read(certificate)
	if err != nil {
		return nil, err
	}
	switch now := time.Now(); {
	case !st.Key.Equal(key):
		err = fmt.Errorf("the health certificate is for another key than that of this host")
	case st.Type != result.Type:
		err = fmt.Errorf("the health certificate is a %v, not a %v", st.Type, result.Type)
	case st.Mode != mode:
		err = fmt.Errorf("the health certificate says mode %v, not %v", st.Mode, mode)
	case certificate.NotBefore.Before(began.Add(-clockSkew)):
		err = fmt.Errorf("the health certificate is of %s, an answer to an earlier request", certificate.NotBefore.UTC().Format(time.RFC3339))
	case certificate.NotBefore.After(now.Add(clockSkew)) || !now.Before(certificate.NotAfter):
		err = fmt.Errorf("the health certificate does not hold now: are the clocks right?")
	}
	if err != nil {
		return nil, err
	}
	return certificate, nil
}
