package signing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/signing/cms"
)

func newLab(t testing.TB) *signing.Identity {
	t.Helper()
	id, err := signing.NewLabIdentity("Contoso template signing", signing.P256, time.Hour)
	require.NoError(t, err)
	return id
}

func TestLabIdentityIsReadByOpenSSL(t *testing.T) {
	for kind, key := range map[signing.KeyKind]string{
		signing.RSA2048: "(2048 bit)",
		signing.RSA3072: "(3072 bit)",
		signing.RSA4096: "(4096 bit)",
		signing.P256:    "NIST CURVE: P-256",
		signing.P384:    "NIST CURVE: P-384",
	} {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			id, err := signing.NewLabIdentity("Contoso Grüße", kind, 365*24*time.Hour)
			require.NoError(t, err)
			require.NoError(t, signing.CheckSigner(id.Certificate, time.Now()))
			require.Equal(t, 365*24*time.Hour, id.Certificate.NotAfter.Sub(id.Certificate.NotBefore))
			put(t, dir, "cert.pem", certPEM(id.Certificate))

			text := tool(t, dir, "x509", "-in", "cert.pem", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus")
			require.Contains(t, text, "Subject: O=Scutum lab certificate,CN=Contoso Grüße\n")
			require.Contains(t, text, key)
			require.Contains(t, text, "X509v3 Key Usage: critical\n                Digital Signature\n")
			require.Contains(t, text, "X509v3 Basic Constraints: critical\n                CA:FALSE\n")
			require.NotContains(t, text, "Extended Key Usage")
			tool(t, dir, "verify", "-x509_strict", "-CAfile", "cert.pem", "cert.pem")

			// Who trusts this certificate needs no options to verify what it signed.
			message, err := cms.Sign([]byte("content"), id.Key, id.Certificate, id.Chain, time.Now())
			require.NoError(t, err)
			put(t, dir, "message", message)
			tool(t, dir, "cms", "-verify", "-inform", "DER", "-CAfile", "cert.pem", "-in", "message", "-out", "content")
			require.Equal(t, "content", string(get(t, dir, "content")))
		})
	}
}

func TestLabIdentitiesDiffer(t *testing.T) {
	a, b := newLab(t).Certificate, newLab(t).Certificate
	require.NotEqual(t, a.SerialNumber, b.SerialNumber)
	require.GreaterOrEqual(t, a.SerialNumber.BitLen(), 64)
	require.False(t, a.Equal(b))
}

func TestNewLabIdentityRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		subject  string
		kind     signing.KeyKind
		validFor time.Duration
		reason   string
	}{
		"no subject":        {" ", signing.P256, time.Hour, "subject is empty"},
		"long subject":      {strings.Repeat("ü", 65), signing.P256, time.Hour, "more than 64"},
		"subject of lines":  {"a\nb", signing.P256, time.Hour, "cannot be printed"},
		"not UTF-8":         {"a\xffb", signing.P256, time.Hour, "cannot be printed"},
		"distinguished":     {"cn=Contoso", signing.P256, time.Hour, "leave out CN="},
		"no kind":           {"Contoso", "", time.Hour, "rsa2048, rsa3072, rsa4096, p256, p384"},
		"unknown kind":      {"Contoso", "dsa", time.Hour, `"dsa"`},
		"no time":           {"Contoso", signing.P256, 0, "valid for some time"},
		"time turned round": {"Contoso", signing.P256, -time.Hour, "valid for some time"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := signing.NewLabIdentity(c.subject, c.kind, c.validFor)
			require.ErrorContains(t, err, "making a lab certificate: ")
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, id)
		})
	}
	_, err := signing.NewLabIdentity(strings.Repeat("ü", 64), signing.P256, time.Hour)
	require.NoError(t, err)
}

func TestParseKeyKind(t *testing.T) {
	for _, kind := range signing.KeyKinds {
		parsed, err := signing.ParseKeyKind(strings.ToUpper(string(kind)))
		require.NoError(t, err)
		require.Equal(t, kind, parsed)
	}
	_, err := signing.ParseKeyKind("rsa1024")
	require.ErrorContains(t, err, `unknown kind of key "rsa1024": use one of rsa2048, `)
}
