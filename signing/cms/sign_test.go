package cms

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func TestSignIsReadByOpenSSL(t *testing.T) {
	for name, newKey := range map[string]func() crypto.Signer{
		"rsa2048": func() crypto.Signer { return rsaKey(t, 2048) },
		"rsa3072": func() crypto.Signer { return rsaKey(t, 3072) },
		"rsa4096": func() crypto.Signer { return rsaKey(t, 4096) },
		"p256":    func() crypto.Signer { return ecKey(t, elliptic.P256()) },
		"p384":    func() crypto.Signer { return ecKey(t, elliptic.P384()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSigned(t, newKey())
			write(t, dir, "message", s.der)
			write(t, dir, "root.pem", certificatePEM(s.root))

			mustOpenssl(t, dir, "asn1parse", "-inform", "DER", "-in", "message")
			mustOpenssl(t, dir, "cms", "-verify", "-inform", "DER", "-noverify", "-in", "message", "-out", "content")
			got, err := os.ReadFile(filepath.Join(dir, "content"))
			require.NoError(t, err)
			require.Equal(t, content, got)

			// The chain is in the message: the root alone is enough to trust it.
			mustOpenssl(t, dir, "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", "root.pem", "-in", "message", "-out", "content")
			printed := mustOpenssl(t, dir, "cms", "-cmsout", "-print", "-inform", "DER", "-in", "message")
			require.Contains(t, printed, "sha256")
			require.Contains(t, printed, "signingTime")

			// OpenSSL writes DER from its own model of the message: it has found nothing to put differently.
			mustOpenssl(t, dir, "cms", "-cmsout", "-inform", "DER", "-outform", "DER", "-in", "message", "-out", "again")
			again, err := os.ReadFile(filepath.Join(dir, "again"))
			require.NoError(t, err)
			require.Equal(t, s.der, again)

			parsed, err := Parse(s.der)
			require.NoError(t, err)
			require.Equal(t, content, parsed.Content)
			require.True(t, s.signer.Equal(parsed.Signer))
			require.Len(t, parsed.Certificates, 2)
			require.WithinDuration(t, time.Now(), parsed.SigningTime, time.Minute)
			require.False(t, parsed.HasTimestamp)
		})
	}
}

func TestOpenSSLSeesAlteration(t *testing.T) {
	dir := t.TempDir()
	s := newSigned(t, ecKey(t, elliptic.P256()))
	write(t, dir, "message", bytes.Replace(s.der, []byte("line"), []byte("Line"), 1))
	out, err := openssl(t, dir, "cms", "-verify", "-inform", "DER", "-noverify", "-in", "message", "-out", "content")
	require.Error(t, err, out)
}

func TestSignSizes(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	signer := certify(t, "signer", key, nil, nil, false)
	for _, size := range []int{0, 1, 127, 128, 65535, 65536, MaxSize - 2048} {
		der, err := Sign(make([]byte, size), key, signer, nil, time.Now())
		require.NoError(t, err)
		parsed, err := Parse(der)
		require.NoError(t, err)
		require.Len(t, parsed.Content, size)
	}
	for _, size := range []int{MaxSize - 100, MaxSize + 1} {
		_, err := Sign(make([]byte, size), key, signer, nil, time.Now())
		require.ErrorContains(t, err, "4194304")
	}
}

func TestSigningTimeHasTheFormOfItsYear(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	signer := certify(t, "signer", key, nil, nil, false)
	zone := time.FixedZone("east", 3600)
	for _, c := range []struct {
		at   time.Time
		tag  asn1.Tag
		text string
	}{
		{time.Date(2026, 11, 22, 1, 2, 3, 999, zone), asn1.UTCTime, "261122000203Z"},
		{time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), asn1.UTCTime, "500101000000Z"},
		{time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), asn1.GeneralizedTime, "19491231235959Z"},
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), asn1.UTCTime, "491231235959Z"},
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), asn1.GeneralizedTime, "20500101000000Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), asn1.GeneralizedTime, "99991231235959Z"},
	} {
		der, err := Sign(content, key, signer, nil, c.at)
		require.NoError(t, err)
		require.True(t, bytes.Contains(der, element(c.tag, []byte(c.text))), c.text)
		parsed, err := Parse(der)
		require.NoError(t, err)
		require.Equal(t, c.at.UTC().Truncate(time.Second), parsed.SigningTime)
		printed := mustOpenssl(t, t.TempDir(), "cms", "-cmsout", "-print", "-inform", "DER", "-in", write(t, t.TempDir(), "m", der))
		require.Contains(t, printed, "TIME:"+c.at.UTC().Format("Jan _2 15:04:05 2006 GMT"))
	}
	for _, year := range []int{-1, 10000} {
		_, err := Sign(content, key, signer, nil, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		require.ErrorContains(t, err, "year")
	}
}

func TestSignDropsRepeatedCertificates(t *testing.T) {
	s := newSigned(t, ecKey(t, elliptic.P256()))
	der, err := Sign(content, s.key, s.signer, []*x509.Certificate{s.root, s.signer, s.intermediate, s.root}, time.Now())
	require.NoError(t, err)
	parsed, err := Parse(der)
	require.NoError(t, err)
	require.Len(t, parsed.Certificates, 3)
}

func TestSignRefuses(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	signer := certify(t, "signer", p256, nil, nil, false)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	small, p224, p521 := rsaKey(t, 1024), ecKey(t, elliptic.P224()), ecKey(t, elliptic.P521())
	var long []*x509.Certificate
	for range MaxCertificates {
		long = append(long, certify(t, "issuer", p256, nil, nil, true))
	}
	for name, c := range map[string]struct {
		key    crypto.Signer
		signer *x509.Certificate
		chain  []*x509.Certificate
		reason string
	}{
		"another's key": {ecKey(t, elliptic.P256()), signer, nil, "does not belong"},
		"RSA 1024":      {small, certify(t, "s", small, nil, nil, false), nil, "1024 bits"},
		"P-224":         {p224, certify(t, "s", p224, nil, nil, false), nil, "P-224"},
		"P-521":         {p521, certify(t, "s", p521, nil, nil, false), nil, "P-521"},
		"Ed25519":       {edKey, certify(t, "s", edKey, nil, nil, false), nil, "neither RSA nor ECDSA"},
		"long chain":    {p256, signer, long, "more than 16 certificates"},
		"broken token":  {brokenToken{p256}, signer, nil, "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			der, err := Sign(content, c.key, c.signer, c.chain, time.Now())
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, der)
		})
	}
}

// brokenToken is a key whose signatures are of something else.
type brokenToken struct{ crypto.Signer }

func (b brokenToken) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return b.Signer.Sign(random, make([]byte, len(digest)), opts)
}
