package keyprotection

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// maxHealth is how long a health certificate may hold, and clockSkew how far the clock of who issued it may be ahead.
const (
	maxHealth = 8 * time.Hour
	clockSkew = 5 * time.Minute
)

// checkHealth says whether a health certificate is to be accepted at that time, and gives it and its signer.
func (st *state) checkHealth(der []byte, at time.Time) (host, signer *x509.Certificate, err error) {
	if host, err = x509.ParseCertificate(der); err != nil {
		return nil, nil, fmt.Errorf("the health certificate cannot be read: %w", err)
	}
	if signer, err = st.signerOf(host, at); err != nil {
		return nil, nil, err
	}
	switch {
	case host.NotBefore.After(at.Add(clockSkew)):
		err = fmt.Errorf("the health certificate holds from %s on, and it is %s: are the clocks right?", stamp(host.NotBefore), stamp(at))
	case at.After(host.NotAfter):
		err = fmt.Errorf("the health certificate ended at %s: attest again", stamp(host.NotAfter))
	case host.NotAfter.Sub(host.NotBefore) > maxHealth:
		err = fmt.Errorf("the health certificate holds for more than %v", maxHealth)
	case host.NotBefore.Before(st.DenyBefore):
		err = fmt.Errorf("the health certificate was issued at %s, and those from before %s are no longer accepted: attest again",
			stamp(host.NotBefore), stamp(st.DenyBefore))
	case host.IsCA || host.KeyUsage != x509.KeyUsageKeyEncipherment:
		err = errors.New("the health certificate is not one for encryption alone: ask for one of the key for encryption")
	case len(host.UnhandledCriticalExtensions) > 0:
		err = fmt.Errorf("the health certificate has an unknown critical extension, %v", host.UnhandledCriticalExtensions[0])
	default:
		if rsaErr := checkRSA(host); rsaErr != nil {
			err = fmt.Errorf("the health certificate: %w", rsaErr)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return host, signer, nil
}

// signerOf gives the attestation signer that issued a certificate.
func (st *state) signerOf(host *x509.Certificate, at time.Time) (*x509.Certificate, error) {
	expired := false
	for _, signer := range st.Signers {
		if !bytes.Equal(host.RawIssuer, signer.RawSubject) || host.CheckSignatureFrom(signer) != nil {
			continue
		}
		if at.After(signer.NotAfter) || signer.NotBefore.After(at.Add(clockSkew)) {
			expired = true
			continue
		}
		return signer, nil
	}
	if expired {
		return nil, fmt.Errorf("the certificate of the attestation signer %.128q has expired, or does not hold yet", host.Issuer)
	}
	return nil, fmt.Errorf("no attestation signer that is trusted has issued the health certificate; it names %.128q", host.Issuer)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
