package hostsim

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hostsim/attest"
)

// ErrNoIdentity says that the host was started without protected memory, where its identity keys are.
var ErrNoIdentity = errors.New("the host was started without protected memory, and has no identity keys")

// A Health is a health certificate that a host has, for encryption, and the service that it is of. A host keeps one for each
// service until it ends; in TPM mode there is one for signing besides.
type Health struct {
	Server      string             `json:"server"`
	Mode        hgsa.OperationMode `json:"mode"`
	Certificate []byte             `json:"certificate"` // DER
	Signing     []byte             `json:"signing,omitempty"`

	x509 *x509.Certificate
}

// Ends is when the certificate ends, and Begins when it was issued.
func (h *Health) Ends() time.Time   { return h.x509.NotAfter }
func (h *Health) Begins() time.Time { return h.x509.NotBefore }

// Subject is the name under which the host is registered.
func (h *Health) Subject() string { return h.x509.Subject.CommonName }

// Attest attests to the first service that answers, and keeps the health certificate. A refusal is an *attest.Refusal.
func (r *Running) Attest(ctx context.Context) (*Health, error) {
	var failed []error
	for _, server := range r.config.servers() {
		health, err := r.attestTo(ctx, server)
		if !attest.Unavailable(err) {
			return health, err
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// attestTo attests to one service, in its mode.
func (r *Running) attestTo(ctx context.Context, server string) (*Health, error) {
	c := &attest.Client{HTTP: r.client, Server: server}
	certificates, err := r.inMode(ctx, c)
	if refusal := (*attest.Refusal)(nil); errors.As(err, &refusal) && refusal.Reply.Name == hgsa.OperationModeError {
		certificates, err = r.inMode(ctx, c) // it was changed just now (section 3.2.5.4)
	}
	if err != nil {
		return nil, err
	}
	h := &Health{Server: server, Mode: certificates.Mode, Certificate: certificates.Encryption.Raw, x509: certificates.Encryption}
	if certificates.Signing != nil {
		h.Signing = certificates.Signing.Raw
	}
	return h, r.keep(h)
}

func (r *Running) inMode(ctx context.Context, c *attest.Client) (*attest.Certificates, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	certificates, err := r.prove(ctx, c, info)
	if refusal := (*attest.Refusal)(nil); errors.As(err, &refusal) {
		refusal.Mode = info.OperationMode
	}
	return certificates, err
}

func (r *Running) prove(ctx context.Context, c *attest.Client, info *hgsa.ServiceInfoReply) (*attest.Certificates, error) {
	id := &attest.Identity{}
	if r.identity != nil {
		id.Encryption, id.Signing = &r.identity.encryption.PublicKey, &r.identity.signing.PublicKey
	}
	switch info.OperationMode {
	case hgsa.ModeTPM: // also without identity keys: the service says what it makes of such a boot
		m, err := r.measured()
		if err != nil {
			return nil, err
		}
		return c.TPM(ctx, info, m, id)
	case hgsa.ModeHostKey:
		if r.identity == nil {
			return nil, ErrNoIdentity
		}
		key, err := r.tpm.HostKey()
		if err != nil {
			return nil, err
		}
		return c.HostKey(ctx, info, key, id)
	}
	return nil, fmt.Errorf("attesting to %s: %w: it is in mode %v", c.Server, attest.ErrMode, info.OperationMode)
}

// keep writes a health certificate in the place of the one before of that service.
func (r *Running) keep(h *Health) error {
	all, err := r.kept()
	if err != nil {
		all = nil // they can be had again
	}
	list := []*Health{h}
	for _, other := range all {
		if other.Server != h.Server && time.Now().Before(other.Ends()) {
			list = append(list, other)
		}
	}
	if err := r.write(healthFile, list, true); err != nil {
		return fmt.Errorf("keeping the health certificate: %w", err)
	}
	return nil
}

// kept gives the health certificates that were kept for the identity keys of this boot, also those that have ended.
func (r *Running) kept() ([]*Health, error) {
	var list, own []*Health
	err := r.read(healthFile, &list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if h.x509, err = x509.ParseCertificate(h.Certificate); err != nil {
			return nil, fmt.Errorf("%s: %w", r.path(healthFile), err)
		}
		if r.identity != nil && r.identity.encryption.PublicKey.Equal(h.x509.PublicKey) {
			own = append(own, h)
		}
	}
	return own, nil
}

// keptFor is the health certificate of a service, or nil.
func (r *Running) keptFor(server string) *Health {
	all, err := r.kept()
	if err != nil {
		return nil
	}
	for _, h := range all {
		if h.Server == server {
			return h
		}
	}
	return nil
}
