package guardian_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/assets"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

func TestMetadataIsWhatOtherToolsExpect(t *testing.T) {
	schemas := t.TempDir()
	require.NoError(t, os.CopyFS(schemas, assets.Schemas))

	others := contoso(t)
	others.OtherSigning = []*x509.Certificate{imported(t, "old", signing.P256).Signing, imported(t, "older", signing.P384).Signing}
	for name, o := range map[string]*guardian.Owner{
		"RSA":                        contoso(t),
		"P-256":                      imported(t, "Contoso", signing.P256),
		"P-384":                      imported(t, "Contoso", signing.P384),
		"RSA of 3072 bits":           imported(t, "Contoso", signing.RSA3072),
		"other signing certificates": others,
	} {
		t.Run(name, func(t *testing.T) {
			data, err := o.Metadata()
			require.NoError(t, err)
			dir := t.TempDir()
			file := put(t, dir, "metadata.xml", data)
			put(t, dir, "signing.pem", certPEM(o.Signing))

			tool(t, dir, "xmllint", "--nonet", "--noout", "--schema", filepath.Join(schemas, "xsd", "GuardianMetadata.xsd"), file)
			tool(t, dir, "xmlsec1", "--verify", "--pubkey-cert-pem", "signing.pem", file)
			tool(t, dir, "xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "signing.pem", file)

			g, err := guardian.ParseMetadata(data)
			require.NoError(t, err)
			require.Empty(t, g.Name)
			require.True(t, g.Signing.Equal(o.Signing))
			require.True(t, g.Encryption.Equal(o.Encryption))
			require.Len(t, g.OtherSigning, len(o.OtherSigning))
			for i := range o.OtherSigning {
				require.True(t, g.OtherSigning[i].Equal(o.OtherSigning[i]))
			}

			again, err := o.Metadata()
			require.NoError(t, err)
			require.NotEqual(t, data, again, "two documents have the same ID")
		})
	}
}

// OpenSSL verifies the two signatures over certificates.
func TestCertificateSignaturesByOpenSSL(t *testing.T) {
	o, dir := contoso(t), t.TempDir()
	doc := string(metadata(t, o))
	put(t, dir, "signing.pem", certPEM(o.Signing))
	tool(t, dir, "openssl", "x509", "-in", "signing.pem", "-pubkey", "-noout", "-out", "public.pem")
	for element, certificate := range map[string]*x509.Certificate{
		"EncryptionCertificateSignature":  o.Encryption,
		"SigningCertificateSelfSignature": o.Signing,
	} {
		value := regexp.MustCompile(`(?s)<` + element + `.*?<SignatureValue>(.*?)</SignatureValue>`).FindStringSubmatch(doc)[1]
		signature, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
		require.NoError(t, err)
		put(t, dir, "signature", signature)
		put(t, dir, "certificate.der", certificate.Raw)
		tool(t, dir, "openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "certificate.der")
	}
}

// No byte of metadata can be changed, but in the XML declaration, and there only the case of the encoding's name.
func TestEveryChangedByteIsRefused(t *testing.T) {
	doc := metadata(t, imported(t, "Contoso", signing.P256))
	_, err := guardian.ParseMetadata(doc)
	require.NoError(t, err)
	declaration := bytes.Index(doc, []byte("?>"))
	for i := range doc {
		for _, bit := range []byte{0x01, 0x20} { // another character, and the other case
			doc[i] ^= bit
			if _, err := guardian.ParseMetadata(doc); err == nil {
				require.Less(t, i, declaration, "%q", doc[max(0, i-20):i+20])
			}
			doc[i] ^= bit
		}
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	doc := bytes.TrimRight(metadata(t, imported(t, "Contoso", signing.P256)), "\n")
	for i := range doc {
		_, err := guardian.ParseMetadata(doc[:i])
		require.Error(t, err, "%d bytes", i)
	}
	for _, more := range []string{"x", "<a/>", "</Metadata>", string(doc), "<?pi?>"} {
		_, err := guardian.ParseMetadata(append(bytes.Clone(doc), more...))
		require.Error(t, err, more)
	}
}

func TestMetadataNeedsKeysThatBelongToTheCertificates(t *testing.T) {
	other := imported(t, "other", signing.P256)
	o := contoso(t)
	o.SigningKey = other.SigningKey
	_, err := o.Metadata()
	require.Error(t, err)

	o = contoso(t)
	huge := new(big.Int).Lsh(big.NewInt(1), 9000)
	o.Encryption = changed(t, o.Encryption, o.Signing, o.SigningKey, func(c *x509.Certificate) {
		c.PublicKey = &rsa.PublicKey{N: huge.Add(huge, big.NewInt(1)), E: 65537}
		c.SubjectKeyId = []byte{1}
	})
	_, err = o.Metadata()
	require.ErrorContains(t, err, "9001 bits")

	o = contoso(t)
	o.Encryption = other.Signing
	_, err = o.Metadata()
	require.ErrorContains(t, err, "the encryption key is not RSA")
}

// The documents in testdata were written when the format was made. They must be read for ever.
func TestMetadataOfThePast(t *testing.T) {
	for file, subject := range map[string]string{"rsa.xml": "Contoso", "ecdsa.xml": "Fabrikam"} {
		path := filepath.Join("testdata", file)
		data, err := guardian.Load(t.Context(), path)
		require.NoError(t, err)
		g, err := guardian.ParseMetadata(data)
		require.NoError(t, err)
		require.Equal(t, subject, g.Signing.Subject.CommonName)
		dir := t.TempDir()
		put(t, dir, "signing.pem", certPEM(g.Signing))
		put(t, dir, file, data)
		tool(t, dir, "xmlsec1", "--verify", "--pubkey-cert-pem", "signing.pem", file)
	}
}

func FuzzParseMetadata(f *testing.F) {
	signed := map[string]bool{}
	for _, file := range []string{"rsa.xml", "ecdsa.xml"} { // not made here: fuzzing runs in several processes
		doc, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(f, err)
		f.Add(doc)
		f.Add(bytes.Replace(doc, []byte(` Version="1"`), []byte(` xmlns:x="urn:x" x:a="b" Version="1"`), 1))
		f.Add(bytes.Replace(doc, []byte("</Signature>"), []byte(`</Signature><x:a xmlns:x="urn:x" x:b="c">text</x:a>`), 1))
		f.Add(bytes.ReplaceAll(doc, []byte("\n"), nil))
		signed[covered(f, doc)] = true
	}
	f.Add([]byte(`<Metadata xmlns="http://schemas.microsoft.com/kps/2014/07" Version="1"><GuardianInformation/></Metadata>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := guardian.ParseMetadata(data)
		if err != nil {
			require.Nil(t, g)
			return
		}
		require.True(t, signed[covered(t, data)], "nobody signed this")
		_ = g.Check(time.Now(), guardian.CheckOptions{})
	})
}
