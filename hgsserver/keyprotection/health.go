package keyprotection

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxHealth is how long a health certificate may hold, and clockSkew how far the clock of who issued it may be ahead.
const (
	maxHealth = 8 * time.Hour
	clockSkew = 5 * time.Minute
)

// checkHealth says whether a health certificate is to be accepted at that time, and gives it and its signer.
func (st *state) checkHealth(der []byte, at time.Time) (host, signer *x509.Certificate, err error) {
	issued, err := st.issued.read(der, st.Signers)
	if err != nil {
		return nil, nil, err
	}
	if signer, err = issued.signer(at); err != nil {
		return nil, nil, err
	}
	host = issued.Certificate
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

// An issued certificate is one that attestation signers of a configuration have issued. Whether it is to be accepted changes with
// the time; that they have issued it does not.
type issued struct {
	*x509.Certificate
	by []*x509.Certificate
}

// signer gives the first signer that holds at that time.
func (c *issued) signer(at time.Time) (*x509.Certificate, error) {
	for _, signer := range c.by {
		if !at.After(signer.NotAfter) && !signer.NotBefore.After(at.Add(clockSkew)) {
			return signer, nil
		}
	}
	return nil, fmt.Errorf("the certificate of the attestation signer %.128q has expired, or does not hold yet", c.Issuer)
}

// issuedCache remembers certificates that were issued by signers of one configuration, and its size is bounded: when the young
// ones are too many they become the old ones, and these are forgotten. It never remembers a certificate that was not issued by
// one of them.
type issuedCache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*issued
}

// A cache keeps up to twice as many certificates, and none that is larger.
const (
	maxIssued     = 4096
	maxIssuedSize = 2 << 10 // bytes
)

func (c *issuedCache) get(name [sha256.Size]byte) *issued {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.young[name]; found != nil {
		return found
	}
	found := c.old[name]
	if found != nil {
		c.put(name, found)
	}
	return found
}

func (c *issuedCache) put(name [sha256.Size]byte, cert *issued) {
	if c.young == nil || len(c.young) >= maxIssued {
		c.old, c.young = c.young, map[[sha256.Size]byte]*issued{}
	}
	c.young[name] = cert
}

// read reads a certificate that one of the signers must have issued.
func (c *issuedCache) read(der []byte, signers []*x509.Certificate) (*issued, error) {
	name := sha256.Sum256(der)
	if found := c.get(name); found != nil {
		return found, nil
	}
	host, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the health certificate cannot be read: %w", err)
	}
	cert := &issued{Certificate: host}
	for _, signer := range signers {
		if bytes.Equal(host.RawIssuer, signer.RawSubject) && host.CheckSignatureFrom(signer) == nil {
			cert.by = append(cert.by, signer)
		}
	}
	if len(cert.by) == 0 {
		return nil, fmt.Errorf("no attestation signer that is trusted has issued the health certificate; it names %.128q", host.Issuer)
	}
	if len(der) <= maxIssuedSize {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.put(name, cert)
	}
	return cert, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
