package signing_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/signing/cms"
)

// An authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// issue makes a certificate for a new key, valid in 2026; a nil authority makes one for itself.
func (a *authority) issue(t testing.TB, name string, vary func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return a.issueFor(t, name, key, vary)
}

func mustRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func (a *authority) issueFor(t testing.TB, name string, key crypto.Signer, vary func(*x509.Certificate)) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	if vary != nil {
		vary(template)
	}
	issuer := &authority{template, key}
	if a != nil {
		issuer = a
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{c, key}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func TestTrust(t *testing.T) {
	usage := func(u x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	root := (*authority)(nil).issue(t, "root", isCA)
	middle := root.issue(t, "middle", isCA)
	signer := middle.issue(t, "signer", nil)
	coder := middle.issue(t, "coder", usage(x509.ExtKeyUsageCodeSigning))
	server := middle.issue(t, "server", usage(x509.ExtKeyUsageServerAuth))
	self := (*authority)(nil).issue(t, "self", nil)
	stranger := (*authority)(nil).issue(t, "stranger", isCA)
	shortRoot := (*authority)(nil).issue(t, "short root", func(c *x509.Certificate) {
		isCA(c)
		c.NotAfter = c.NotBefore.AddDate(0, 1, 0)
	})
	ofShort := shortRoot.issue(t, "of short root", nil)

	pool := func(a ...*authority) *x509.CertPool {
		p := x509.NewCertPool()
		for _, a := range a {
			p.AddCert(a.certificate)
		}
		return p
	}
	certificates := func(a ...*authority) (c []*x509.Certificate) {
		for _, a := range a {
			c = append(c, a.certificate)
		}
		return c
	}
	weak := root.issueFor(t, "weak", mustRSA(t, 1024), isCA)
	ofWeak := weak.issue(t, "of weak", nil)
	untilLate := func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(50, 0, 0) }
	lateRoot := (*authority)(nil).issue(t, "late root", func(c *x509.Certificate) { isCA(c); untilLate(c) })
	late := lateRoot.issue(t, "late", untilLate)

	june := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	now := june.AddDate(0, 3, 0)
	for name, c := range map[string]struct {
		signer  *authority
		chain   []*authority
		at      time.Time
		options signing.TrustOptions
		say     string // empty: trusted
	}{
		"the certificate itself":              {signer: self, options: signing.TrustOptions{Certificates: certificates(stranger, self)}},
		"the certificate itself, other usage": {signer: server, options: signing.TrustOptions{Certificates: certificates(server)}},
		"issuer given":                        {signer: signer, options: signing.TrustOptions{Certificates: certificates(middle)}},
		"root given":                          {signer: signer, chain: []*authority{middle}, options: signing.TrustOptions{Certificates: certificates(root)}},
		"in the roots":                        {signer: signer, chain: []*authority{middle, root}, options: signing.TrustOptions{Roots: pool(stranger, root)}},
		"in the roots, for code":              {signer: coder, chain: []*authority{middle}, options: signing.TrustOptions{Roots: pool(root)}},
		"issuer given, for code":              {signer: coder, options: signing.TrustOptions{Certificates: certificates(middle)}},
		"a clock that is ahead":               {signer: self, at: now.Add(23 * time.Hour), options: signing.TrustOptions{Certificates: certificates(self)}},
		"given none fits, but a root":         {signer: signer, chain: []*authority{middle}, options: signing.TrustOptions{Certificates: certificates(stranger), Roots: pool(root)}},

		"nobody":                          {signer: self, options: signing.TrustOptions{Roots: pool()}, say: "unknown authority"},
		"unknown to the system":           {signer: self, say: "certificate"},
		"a stranger given":                {signer: self, options: signing.TrustOptions{Certificates: certificates(stranger)}, say: "unknown authority"},
		"given, so the system is no help": {signer: signer, chain: []*authority{middle, root}, options: signing.TrustOptions{Certificates: certificates(stranger)}, say: "unknown authority"},
		"neither nor":                     {signer: self, options: signing.TrustOptions{Certificates: certificates(stranger), Roots: pool(root)}, say: "neither by the certificates given"},
		"chain incomplete":                {signer: signer, options: signing.TrustOptions{Roots: pool(root)}, say: "unknown authority"},
		"a server's, by the roots":        {signer: server, chain: []*authority{middle}, options: signing.TrustOptions{Roots: pool(root)}, say: "usage"},
		"a server's, by an issuer given":  {signer: server, options: signing.TrustOptions{Certificates: certificates(middle)}, say: "usage"},
		"a server's, by a root given":     {signer: server, chain: []*authority{middle}, options: signing.TrustOptions{Certificates: certificates(root)}, say: "usage"},
		"signed in the future":            {signer: self, at: now.Add(25 * time.Hour), options: signing.TrustOptions{Certificates: certificates(self)}, say: "clock"},
		"signed in 2055, by the roots":    {signer: late, at: time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC), options: signing.TrustOptions{Roots: pool(lateRoot)}, say: "clock"},
		"weak intermediate, by the roots": {signer: ofWeak, chain: []*authority{weak}, options: signing.TrustOptions{Roots: pool(root)}, say: "only 1024 bits"},
		"weak intermediate, root given":   {signer: ofWeak, chain: []*authority{weak}, options: signing.TrustOptions{Certificates: certificates(root)}, say: "only 1024 bits"},
		"weak issuer given":               {signer: ofWeak, options: signing.TrustOptions{Certificates: certificates(weak)}, say: "only 1024 bits"},
		"signed before it was valid":      {signer: self, at: june.AddDate(-1, 0, 0), options: signing.TrustOptions{Certificates: certificates(self)}, say: "not valid before"},
		"signed after it expired":         {signer: self, at: june.AddDate(1, 0, 0), options: signing.TrustOptions{Certificates: certificates(self)}, say: "expired"},
		"signed after the root expired":   {signer: ofShort, options: signing.TrustOptions{Roots: pool(shortRoot)}, say: "expired"},
		"signed before the root expired":  {signer: ofShort, at: june.AddDate(0, -5, 0), options: signing.TrustOptions{Roots: pool(shortRoot)}},
		"not for signatures":              {signer: middle, options: signing.TrustOptions{Certificates: certificates(middle)}, say: "digitalSignature"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := smallCatalog().Encode()
			require.NoError(t, err)
			at := c.at
			if at.IsZero() {
				at = june
			}
			der, err := cms.Sign(content, c.signer.key, c.signer.certificate, certificates(c.chain...), at)
			require.NoError(t, err)
			s, err := signing.Parse(der)
			require.NoError(t, err)

			c.options.Now = now
			err = signing.Trust(s, c.options)
			if c.say == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, signing.ErrUntrusted)
			require.ErrorContains(t, err, signing.Thumbprint(s.Signer))
			require.ErrorContains(t, err, c.say)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestTrustGoesByTheClock leaves out what time it is.
func TestTrustGoesByTheClock(t *testing.T) {
	content, err := smallCatalog().Encode()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		ahead   time.Duration
		trusted bool
	}{
		"now":       {time.Second, true},
		"in future": {48 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			ca := (*authority)(nil).issue(t, "long", func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(1, 0, 0) })
			der, err := cms.Sign(content, ca.key, ca.certificate, nil, time.Now().Add(c.ahead))
			require.NoError(t, err)
			s, err := signing.Parse(der)
			require.NoError(t, err)
			err = signing.Trust(s, signing.TrustOptions{Certificates: []*x509.Certificate{ca.certificate}})
			if c.trusted {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, signing.ErrUntrusted)
		})
	}
}
