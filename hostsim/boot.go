package hostsim

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/platform"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
	"github.com/scutum-project/scutum/hostsim/attest"
	"github.com/scutum-project/scutum/hostsim/measuredboot"
	"github.com/scutum-project/scutum/hostsim/tpm"
)

// A Running is a host that was started, until Close. It is not for several goroutines.
type Running struct {
	*Host
	Log      []byte // of the boot
	tpm      *tpm.TPM
	identity *identity // nil in a boot without protected memory
	client   *http.Client
}

// answerTime is how long a service may take for one answer.
const answerTime = 2 * time.Minute

// Boot starts the host. The TPM runs until Close, and at the latest until ctx ends.
func (h *Host) Boot(ctx context.Context, profile measuredboot.Profile) (*Running, error) {
	t, err := h.openTPM(ctx)
	if err != nil {
		return nil, err
	}
	r := &Running{Host: h, tpm: t, client: newClient()}
	if err := r.boot(profile); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return r, nil
}

// newClient follows no redirection: a service answers where it is.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *Host) openTPM(ctx context.Context) (*tpm.TPM, error) {
	if h.config.TPM == Software {
		return tpm.OpenSoftware(ctx, h.path(tpmFolder))
	}
	return tpm.Open(h.config.TPM)
}

func (r *Running) boot(profile measuredboot.Profile) error {
	ciPolicy, err := readFile(r.path(CIPolicyFile), policy.MaxFile)
	if err != nil {
		return fmt.Errorf("the code integrity policy of the host: %w", err)
	}
	if err := r.tpm.Fresh(); err != nil {
		return err
	}
	number, err := r.tpm.Resets()
	if err != nil {
		return err
	}
	b, err := measuredboot.Start(profile, uint64(number), ciPolicy, r.tpm.Extend)
	if err != nil {
		return err
	}
	if !b.HasIdentity() {
		r.Log, err = b.Finish(nil, nil)
		return err
	}
	if r.identity, err = r.Host.identity(r.tpm); err != nil {
		return err
	}
	r.Log, err = b.Finish(&r.identity.encryption.PublicKey, &r.identity.signing.PublicKey)
	return err
}

// Close stops the host.
func (r *Running) Close() error {
	r.client.CloseIdleConnections()
	return r.tpm.Close()
}

// Identifier is what the operator of the fabric registers the host by in TPM mode.
func (r *Running) Identifier() (*platform.Identifier, error) {
	public, certificate, err := r.endorsement()
	if err != nil {
		return nil, err
	}
	id := &platform.Identifier{Host: r.config.Name}
	if id.Key, err = rtpm.ParseEndorsementKey(public); err != nil {
		return nil, fmt.Errorf("the endorsement key of the TPM: %w", err)
	}
	if certificate == nil {
		return id, nil
	}
	if id.Certificate, err = x509.ParseCertificate(certificate); err != nil {
		return nil, fmt.Errorf("the endorsement certificate of the TPM: %w", err)
	}
	if r.config.TPM == Software {
		issuer, err := r.issuer()
		if err != nil {
			return nil, err
		}
		id.Issuers = append(id.Issuers, issuer)
	}
	return id, nil
}

// issuer is who made the endorsement certificate of the software TPM.
func (r *Running) issuer() (*x509.Certificate, error) {
	data, err := readFile(filepath.Join(r.path(tpmFolder), tpm.IntermediateFile), maxFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a certificate", tpm.IntermediateFile)
	}
	return x509.ParseCertificate(block.Bytes)
}

// endorsement gives the endorsement key of the TPM, and its certificate where there is one.
func (r *Running) endorsement() (public, certificate []byte, err error) {
	if public, err = r.tpm.EndorsementKey(); err != nil {
		return nil, nil, err
	}
	certificate, err = r.tpm.EndorsementCertificate()
	if errors.Is(err, tpm.ErrCertificate) {
		return public, nil, nil
	}
	return public, certificate, err
}

// HostKey is the public key by which the host is registered in host key mode: the DER of a SubjectPublicKeyInfo.
func (r *Running) HostKey() ([]byte, error) {
	key, err := r.tpm.HostKey()
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key.Public())
}

// measured is what the host shows in TPM mode.
func (r *Running) measured() (*attest.Measured, error) {
	public, certificate, err := r.endorsement()
	if err != nil {
		return nil, err
	}
	m := &attest.Measured{Send: r.tpm.Send, Key: public, Certificate: certificate, Log: r.Log}
	m.Device = hgsa.DeviceInfo{Version: hgsa.TPMVersion20, Interface: hgsa.TPMInterfaceHardware}
	if r.config.TPM == Software {
		m.Device.Interface = hgsa.TPMInterfaceEmulator
	}
	return m, nil
}

// TPMRoot is the file with the certificate of who vouches for the software TPM; empty for another TPM.
func (h *Host) TPMRoot() string {
	if h.config.TPM != Software {
		return ""
	}
	return filepath.Join(h.path(tpmFolder), tpm.RootFile)
}
