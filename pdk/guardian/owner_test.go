package guardian_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

func TestNewOwnerIsReadByOpenSSL(t *testing.T) {
	for _, bits := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			o, err := guardian.NewOwner("Contoso Grüße", bits, 365*24*time.Hour)
			require.NoError(t, err)
			require.Equal(t, "Contoso Grüße", o.Name)
			require.NoError(t, o.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true}))
			require.WithinDuration(t, time.Now().Add(365*24*time.Hour), o.Expires(), time.Minute)
			require.True(t, o.Signing.PublicKey.(*rsa.PublicKey).Equal(o.SigningKey.Public()))
			require.True(t, o.Encryption.PublicKey.(*rsa.PublicKey).Equal(o.EncryptionKey.Public()))
			require.False(t, o.Signing.PublicKey.(*rsa.PublicKey).Equal(o.Encryption.PublicKey))

			for _, c := range []struct {
				certificate    *x509.Certificate
				purpose, usage string
			}{
				{o.Signing, "Guardian signing", "Digital Signature"},
				{o.Encryption, "Guardian encryption", "Key Encipherment"},
			} {
				dir := t.TempDir()
				put(t, dir, "cert.pem", certPEM(c.certificate))
				text := tool(t, dir, "openssl", "x509", "-in", "cert.pem", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus")
				require.Contains(t, text, "Subject: OU="+c.purpose+",CN=Contoso Grüße\n")
				require.Contains(t, text, fmt.Sprintf("(%d bit)", bits))
				require.Contains(t, text, "X509v3 Key Usage: critical\n                "+c.usage+"\n")
				require.Contains(t, text, "X509v3 Basic Constraints: critical\n                CA:FALSE\n")
				require.NotContains(t, text, "Extended Key Usage")
				tool(t, dir, "openssl", "verify", "-x509_strict", "-CAfile", "cert.pem", "cert.pem")
			}
		})
	}
}

func TestNewOwnerRefuses(t *testing.T) {
	for _, bits := range []int{0, 1024, 2047, 8192} {
		_, err := guardian.NewOwner("Contoso", bits, time.Hour)
		require.ErrorContains(t, err, "use 2048, 3072 or 4096")
	}
	_, err := guardian.NewOwner("Contoso", 2048, 0)
	require.ErrorContains(t, err, "valid for some time")
}

// Keys and certificates by OpenSSL, as PFX files.
func TestImportOwner(t *testing.T) {
	dir := t.TempDir()
	load := func(name, usage string, newkey ...string) *signing.Identity {
		args := append([]string{"req", "-x509", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem",
			"-addext", "keyUsage=critical," + usage, "-newkey"}, newkey...)
		tool(t, dir, "openssl", args...)
		tool(t, dir, "openssl", "pkcs12", "-export", "-inkey", name+".key", "-in", name+".pem", "-out", name+".pfx", "-passout", "pass:"+name)
		data, err := os.ReadFile(filepath.Join(dir, name+".pfx"))
		require.NoError(t, err)
		id, err := signing.LoadPFX(data, name)
		require.NoError(t, err)
		return id
	}
	ec := load("signing", "digitalSignature", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
	rsa2048 := load("encryption", "dataEncipherment", "rsa:2048")
	p521 := load("p521", "digitalSignature", "ec", "-pkeyopt", "ec_paramgen_curve:P-521")

	o, err := guardian.ImportOwner("Contoso", ec, rsa2048)
	require.NoError(t, err)
	require.NoError(t, o.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true}))
	store := newStore(t)
	require.NoError(t, store.AddOwner(o, passphrase, false))
	again, err := store.Owner("Contoso", passphrase)
	require.NoError(t, err)
	require.Equal(t, o.SigningKey, again.SigningKey)

	_, err = guardian.ImportOwner("Contoso", rsa2048, ec)
	require.ErrorContains(t, err, "the encryption key is not RSA")
	_, err = guardian.ImportOwner("Contoso", p521, rsa2048)
	require.ErrorContains(t, err, "only P-256 and P-384")
	_, err = guardian.ImportOwner("a/b", ec, rsa2048)
	require.ErrorContains(t, err, "file names")
}

func TestSignAndVerify(t *testing.T) {
	message := []byte("message")
	for _, kind := range signing.KeyKinds {
		t.Run(string(kind), func(t *testing.T) {
			id, err := signing.NewLabIdentity("a", kind, time.Hour)
			require.NoError(t, err)
			for range 20 { // r and s are short at times
				algorithm, signature, err := guardian.Sign(id.Key, message)
				require.NoError(t, err)
				require.NoError(t, guardian.Verify(id.Certificate, algorithm, message, signature))
				require.ErrorIs(t, guardian.Verify(id.Certificate, algorithm, []byte("Message"), signature), guardian.ErrSignature)
				require.ErrorIs(t, guardian.Verify(id.Certificate, algorithm, message, signature[1:]), guardian.ErrSignature)
				require.ErrorIs(t, guardian.Verify(id.Certificate, algorithm, message, append([]byte{0}, signature...)), guardian.ErrSignature)
				require.ErrorIs(t, guardian.Verify(id.Certificate, algorithm, message, make([]byte, len(signature))), guardian.ErrSignature)
				require.ErrorIs(t, guardian.Verify(id.Certificate, algorithm, message, nil), guardian.ErrSignature)
				require.ErrorContains(t, guardian.Verify(id.Certificate, "http://www.w3.org/2000/09/xmldsig#rsa-sha1", message, signature), "the signature algorithm is")
			}
		})
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, _, err = guardian.Sign(p224, message)
	require.ErrorContains(t, err, "only P-256 and P-384")
}
