package cms

import (
	"crypto/elliptic"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const tsaConfig = `
[tsa]
default_tsa = service
[service]
serial = serial
default_policy = 1.2.3.4
signer_digest = sha256
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[req]
distinguished_name = name
[name]
[certificate]
extendedKeyUsage = critical, timeStamping
keyUsage = critical, digitalSignature
`

// timestampToken has the data time-stamped by OpenSSL's authority.
func timestampToken(t *testing.T, data []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "tsa.cnf", []byte(tsaConfig))
	write(t, dir, "serial", []byte("01\n"))
	write(t, dir, "data", data)
	mustOpenssl(t, dir, "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", "key.pem", "-out", "tsa.pem",
		"-subj", "/CN=time stamps", "-config", "tsa.cnf", "-extensions", "certificate")
	mustOpenssl(t, dir, "ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query")
	mustOpenssl(t, dir, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "key.pem",
		"-token_out", "-out", "token")
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	require.NoError(t, err)
	return token
}

func TestUnsignedAttributes(t *testing.T) {
	s := newSigned(t, ecKey(t, elliptic.P256()))
	root := parseTree(t, s.der)
	token := timestampToken(t, root.at(append(pathSignerInfo, atSignature)...).value)
	timestamp := attribute(oidTimeStampToken, token)
	with := func(attributes ...[]byte) []byte {
		edited := clone(root)
		info := edited.at(pathSignerInfo...)
		info.children = append(info.children, parseTree(t, element(tagged(1), attributes...)))
		return edited.der()
	}

	parsed, err := Parse(with(timestamp))
	require.NoError(t, err)
	require.True(t, parsed.HasTimestamp)
	require.Equal(t, content, parsed.Content)
	path := write(t, t.TempDir(), "message", with(timestamp))
	mustOpenssl(t, t.TempDir(), "cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-in", path)
	require.Contains(t, mustOpenssl(t, t.TempDir(), "cms", "-cmsout", "-print", "-inform", "DER", "-in", path), "id-smime-aa-timeStampToken")

	for name, attributes := range map[string][][]byte{
		"none":               nil,
		"counter signature":  {attribute(oidRSA, sequence())},
		"one more":           {timestamp, attribute(oidRSA, sequence())},
		"time stamp twice":   {timestamp, timestamp},
		"two values":         {sequence(oid(oidTimeStampToken), element(asn1.SET, token, token))},
		"not a token inside": {attribute(oidTimeStampToken, octetString(nil))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(with(attributes...))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, "unsigned attributes")
		})
	}
}
