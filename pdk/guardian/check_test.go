package guardian_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

func TestCheck(t *testing.T) {
	o := contoso(t)
	ca := changed(t, o.Signing, nil, o.SigningKey, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "root"}
		c.KeyUsage, c.IsCA = x509.KeyUsageCertSign, true
		c.NotBefore = c.NotBefore.Add(-time.Hour)
		c.NotAfter = c.NotAfter.Add(time.Hour)
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	issued := func(of *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
		return changed(t, of, ca, o.SigningKey, change)
	}
	same := func(*x509.Certificate) {}
	weak := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	both := x509.KeyUsageDigitalSignature | x509.KeyUsageDataEncipherment

	for name, c := range map[string]struct {
		signing, encryption func(*x509.Certificate)
		at                  time.Duration // from now
		options             guardian.CheckOptions
		errs                []error
	}{
		"good": {signing: same, encryption: same},
		"as the documentation of HGS has it": {
			signing: func(c *x509.Certificate) {
				c.KeyUsage, c.ExtKeyUsage = both, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			},
			encryption: func(c *x509.Certificate) {
				c.KeyUsage, c.ExtKeyUsage = both, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			},
		},
		"expired":                        {signing: same, encryption: same, at: 48 * time.Hour, errs: []error{guardian.ErrExpired}},
		"expired, allowed":               {signing: same, encryption: same, at: 48 * time.Hour, options: guardian.CheckOptions{AllowExpired: true}},
		"not yet valid":                  {signing: same, encryption: same, at: -time.Hour, errs: []error{signing.ErrNotYetValid}},
		"not yet valid is never allowed": {signing: same, encryption: same, at: -time.Hour, options: guardian.CheckOptions{AllowExpired: true}, errs: []error{signing.ErrNotYetValid}},
		"only the encryption expired": {
			signing:    same,
			encryption: func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(-23 * time.Hour) }, at: 2 * time.Hour,
			errs: []error{guardian.ErrExpired},
		},
		"weak signing certificate":    {signing: weak, encryption: same, errs: []error{signing.ErrWeak, guardian.ErrUntrustedRoot}},
		"weak encryption certificate": {signing: same, encryption: weak, errs: []error{signing.ErrWeak, guardian.ErrUntrustedRoot}},
		"signing is for encryption":   {signing: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, encryption: same, errs: []error{signing.ErrKeyUsage}},
		"encryption is for signing":   {signing: same, encryption: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, errs: []error{guardian.ErrNotForEncryption}},
		"encryption is for nothing":   {signing: same, encryption: func(c *x509.Certificate) { c.KeyUsage = 0 }, errs: []error{guardian.ErrNotForEncryption}},
		"all at once": {
			signing: weak, encryption: func(c *x509.Certificate) { c.KeyUsage = 0 },
			options: guardian.CheckOptions{AllowExpired: true}, at: 48 * time.Hour,
			errs: []error{signing.ErrWeak, guardian.ErrNotForEncryption, guardian.ErrUntrustedRoot},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := guardian.Guardian{Signing: issued(o.Signing, c.signing), Encryption: issued(o.Encryption, c.encryption)}
			c.options.Roots = roots
			requireIs(t, g.Check(time.Now().Add(c.at), c.options), c.errs...)
		})
	}

	t.Run("nothing can be encrypted to the key", func(t *testing.T) {
		odd := o.Encryption.PublicKey.(*rsa.PublicKey).N
		for _, key := range []*rsa.PublicKey{
			{N: new(big.Int).Sub(odd, big.NewInt(1)), E: 65537}, {N: odd, E: 1}, {N: odd, E: 2}, {N: odd, E: math.MaxInt},
		} {
			der, err := x509.CreateCertificate(rand.Reader, o.Encryption, ca, key, o.SigningKey)
			require.NoError(t, err)
			encryption, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			g := guardian.Guardian{Signing: issued(o.Signing, same), Encryption: encryption}
			requireIs(t, g.Check(time.Now(), guardian.CheckOptions{Roots: roots}), signing.ErrKeyType)
		}
	})

	t.Run("one key for both", func(t *testing.T) {
		g := guardian.Guardian{Signing: issued(o.Encryption, func(c *x509.Certificate) { c.KeyUsage = both }), Encryption: issued(o.Encryption, same)}
		requireIs(t, g.Check(time.Now(), guardian.CheckOptions{Roots: roots}), signing.ErrKeyType)
	})

	t.Run("an unknown critical extension", func(t *testing.T) {
		unknown := func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 311, 99}, Critical: true, Value: []byte{5, 0}})
		}
		g := guardian.Guardian{Signing: issued(o.Signing, same), Encryption: issued(o.Encryption, unknown)}
		require.ErrorContains(t, g.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true}), "the encryption certificate has the critical extension 1.3.6.1.4.1.311.99")
	})

	t.Run("roots", func(t *testing.T) {
		g := guardian.Guardian{Signing: issued(o.Signing, same), Encryption: issued(o.Encryption, same)}
		for _, unknown := range []*guardian.Guardian{&g, &o.Guardian} {
			err := unknown.Check(time.Now(), guardian.CheckOptions{Roots: x509.NewCertPool()})
			requireIs(t, err, guardian.ErrUntrustedRoot)
			require.ErrorContains(t, err, signing.Thumbprint(unknown.Signing))
			require.ErrorContains(t, err, signing.Thumbprint(unknown.Encryption))
			requireIs(t, unknown.Check(time.Now(), guardian.CheckOptions{}), guardian.ErrUntrustedRoot) // by the system
			require.NoError(t, unknown.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true}))
		}
		half := guardian.Guardian{Signing: issued(o.Signing, same), Encryption: o.Encryption}
		err := half.Check(time.Now(), guardian.CheckOptions{Roots: roots})
		requireIs(t, err, guardian.ErrUntrustedRoot)
		require.NotContains(t, err.Error(), signing.Thumbprint(half.Signing))

		pinned := x509.NewCertPool()
		pinned.AddCert(o.Signing)
		pinned.AddCert(o.Encryption)
		require.NoError(t, o.Check(time.Now(), guardian.CheckOptions{Roots: pinned}))
		requireIs(t, o.Check(time.Now().Add(48*time.Hour), guardian.CheckOptions{Roots: pinned}), guardian.ErrExpired)
	})
}

// requireIs demands that of all reasons err has these, and no other.
func requireIs(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, reason := range []error{
		guardian.ErrUntrustedRoot, guardian.ErrExpired, guardian.ErrNotForEncryption,
		signing.ErrNotYetValid, signing.ErrWeak, signing.ErrKeyType, signing.ErrKeyUsage,
	} {
		found := false
		for _, w := range want {
			found = found || w == reason
		}
		if found {
			require.ErrorIs(t, err, reason)
		} else {
			require.NotErrorIs(t, err, reason)
		}
	}
	if len(want) == 0 {
		require.NoError(t, err)
	}
}
