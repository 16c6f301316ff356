package guardian_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

const passphrase = "correct horse"

// tool runs a program in dir, demands that it succeeds, and returns what it printed on both outputs.
func tool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, name, args...)
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return out
}

func try(t testing.TB, dir, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func put(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

var newContoso = sync.OnceValues(func() (*guardian.Owner, error) { return guardian.NewOwner("Contoso", 2048, 24*time.Hour) })

// contoso is an owner that tests share. The copy may be changed.
func contoso(t testing.TB) *guardian.Owner {
	t.Helper()
	o, err := newContoso()
	require.NoError(t, err)
	shared := *o
	return &shared
}

// imported is an owner with a signing key of that kind, and the encryption key of contoso, where making one costs time.
func imported(t testing.TB, name string, kind signing.KeyKind) *guardian.Owner {
	t.Helper()
	signer, err := signing.NewLabIdentity(name, kind, time.Hour)
	require.NoError(t, err)
	c := contoso(t)
	o, err := guardian.ImportOwner(name, signer, &signing.Identity{Certificate: c.Encryption, Key: c.EncryptionKey})
	require.NoError(t, err)
	return o
}

func metadata(t testing.TB, o *guardian.Owner) []byte {
	t.Helper()
	data, err := o.MetadataWithID("_0123456789abcdef")
	require.NoError(t, err)
	return data
}

// changed is a copy of the certificate with other contents, signed with the key by, which is the issuer's or, without an
// issuer, its own.
func changed(t testing.TB, of, issuer *x509.Certificate, by any, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(7),
		Subject:               of.Subject,
		NotBefore:             of.NotBefore,
		NotAfter:              of.NotAfter,
		KeyUsage:              of.KeyUsage,
		BasicConstraintsValid: true,
		PublicKey:             of.PublicKey,
	}
	change(template)
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, template.PublicKey, by)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
