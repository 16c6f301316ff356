package attestation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// attestHostKey answers a request in host key mode (section 3.1.5.3.1.3). The signature, whose form the specification leaves
// open, is over the contents HostKeyPublicKey and VSMIdentityKey, one after the other: RSA with PKCS #1 v1.5 padding, or ECDSA
// in DER, over SHA-256.
func (s *Service) attestHostKey(st *state, r *hgsa.AttestationRequest, remote string) hgsa.Reply {
	key, identity, signature := r.Content(hgsa.HostKeyPublicKey), r.Content(hgsa.VSMIdentityKey), r.Content(hgsa.HostKeySignature)
	if len(key) == 0 || len(identity) == 0 || len(signature) == 0 || !certifiable(r.Requested) {
		return payloadError()
	}
	digest := sha256.Sum256(key)
	report := Report{Mode: hgsa.ModeHostKey.String(), Identifier: hex.EncodeToString(digest[:]), Remote: remote}
	host := st.hostKeys[digest]
	if host == nil {
		return s.refuse(report, errors.New("the host key is not registered"), &hgsa.ErrorReply{Name: hgsa.UnauthorizedError})
	}
	report.Host = host.Name
	message := sha256.New()
	message.Write(key)
	message.Write(identity)
	if !verify(host.public, message.Sum(nil), signature) {
		return s.refuse(report, errors.New("the signature is not by the host key"), &hgsa.ErrorReply{Name: hgsa.UnauthorizedError})
	}

	identityKey, err := parseIdentityKey(identity)
	if err != nil {
		return s.refuse(report, err, &hgsa.ErrorReply{Name: hgsa.VirtualSecureModeError})
	}
	var statements []*health.Statement
	for _, t := range r.Requested {
		statements = append(statements, &health.Statement{Host: host.Name, Type: t, Mode: hgsa.ModeHostKey, Key: identityKey})
	}
	return s.issue(st, report, statements)
}

func verify(public crypto.PublicKey, digest, signature []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}

func parseIdentityKey(content []byte) (*rsa.PublicKey, error) {
	k, err := hgsa.ParseEndorsementKey(content)
	if err != nil {
		return nil, fmt.Errorf("the identity key: %w", err)
	}
	public, err := parsePublicKey(k.Key)
	if err == nil {
		err = checkRSA(public)
	}
	if err != nil {
		return nil, fmt.Errorf("the identity key: %w", err)
	}
	return public.(*rsa.PublicKey), nil
}

// certifiable says whether only what the service certifies is asked for: a host does not become an authority.
func certifiable(requested []hgsa.ResultType) bool {
	for _, t := range requested {
		if t != hgsa.EncryptionKeyCertificate && t != hgsa.SigningKeyCertificate {
			return false
		}
	}
	return len(requested) > 0
}

func payloadError() hgsa.Reply { return &hgsa.ErrorReply{Name: hgsa.PayloadError} }
