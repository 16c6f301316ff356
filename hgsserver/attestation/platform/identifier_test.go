package platform

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
)

// identifiers gives one with everything, and one with a key alone.
var identifiers = sync.OnceValues(func() (full, bare *Identifier) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	maker, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ek, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	issue := func(template *x509.Certificate, public any) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		template.BasicConstraintsValid = true
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "maker"}}, public, maker)
		must(err)
		c, err := x509.ParseCertificate(der)
		must(err)
		return c
	}
	authority := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "maker"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, maker.Public())
	c := issue(&x509.Certificate{KeyUsage: x509.KeyUsageKeyEncipherment, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}}}, ek.Public())
	key, err := rtpm.NewEndorsementKey(&ek.PublicKey)
	must(err)
	return &Identifier{"host & <1>", key, c, []*x509.Certificate{authority}}, &Identifier{Host: "höst 2", Key: key}
})

func write(t testing.TB, id *Identifier) []byte {
	t.Helper()
	file, err := id.XML()
	require.NoError(t, err)
	return file
}

func TestIdentifier(t *testing.T) {
	full, bare := identifiers()
	for _, id := range []*Identifier{full, bare} {
		file := write(t, id)
		path := filepath.Join(t.TempDir(), "host.xml")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		out, err := exec.Command("xmllint", "--nonet", "--noout", "--schema", "../../../assets/xsd/PlatformIdentifier.xsd", path).CombinedOutput()
		require.NoError(t, err, "xmllint is in the package libxml2-utils: %s", out)
		out, err = exec.Command("xmllint", "--xpath", "string(/*/*[1])", path).Output()
		require.NoError(t, err)
		require.Equal(t, id.Host+"\n", string(out))

		got, err := Parse(file)
		require.NoError(t, err)
		require.Equal(t, id.Host, got.Host)
		require.True(t, id.Key.Equal(got.Key))
		require.Equal(t, id.Certificate == nil, got.Certificate == nil)
		if id.Certificate != nil {
			require.Equal(t, id.Certificate.Raw, got.Certificate.Raw)
		}
		require.Len(t, got.Issuers, len(id.Issuers))

		broken := bytes.ReplaceAll(file, []byte("</EndorsementKey>"), []byte("\r\n\t</EndorsementKey>"))
		_, err = Parse(broken)
		require.NoError(t, err, "base64 may have line breaks")
	}
}

func TestWriteRefused(t *testing.T) {
	full, bare := identifiers()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	otherKey, err := rtpm.NewEndorsementKey(&other.PublicKey)
	require.NoError(t, err)
	for name, id := range map[string]*Identifier{
		"no name":             {Key: bare.Key},
		"long name":           {Host: strings.Repeat("x", 65), Key: bare.Key},
		"name with an escape": {Host: "\x1b[2J", Key: bare.Key},
		"name with a break":   {Host: "a\nb", Key: bare.Key},
		"no key":              {Host: "host"},
		"another key":         {Host: "host", Key: otherKey, Certificate: full.Certificate},
		"issuers alone":       {Host: "host", Key: full.Key, Issuers: full.Issuers},
		"an authority":        {Host: "host", Key: full.Key, Certificate: full.Issuers[0]},
		"many issuers":        {Host: "host", Key: full.Key, Certificate: full.Certificate, Issuers: slices.Repeat(full.Issuers, maxIssuers+1)},
	} {
		_, err := id.XML()
		require.ErrorIs(t, err, ErrIdentifier, name)
	}
}

func TestParseRefused(t *testing.T) {
	full, bare := identifiers()
	whole := string(write(t, full))
	key := base64.StdEncoding.EncodeToString(full.Key.Bytes())
	issuer := "<IssuerCertificate>" + base64.StdEncoding.EncodeToString(full.Issuers[0].Raw) + "</IssuerCertificate>"
	for name, c := range map[string]struct{ old, new, say string }{
		"another namespace":    {namespace, "urn:scutum:platform-identifier:2", "document element"},
		"an attribute":         {"<HostName>", `<HostName a="b">`, "must be text"},
		"a root attribute":     {"<PlatformIdentifier ", `<PlatformIdentifier Version="2" `, "attributes"},
		"text":                 {"<HostName>", "text<HostName>", "elements alone"},
		"nested":               {"<HostName>", "<HostName><b/>", "must be text"},
		"an unknown element":   {"</PlatformIdentifier>", "<More/></PlatformIdentifier>", "More"},
		"no name":              {"<HostName>host &amp; &lt;1&gt;</HostName>", "", "does not begin"},
		"two names":            {"<EndorsementKey>", "<HostName>x</HostName><EndorsementKey>", "does not begin"},
		"an empty name":        {"host &amp; &lt;1&gt;", "", "name of the host"},
		"a short key":          {key, "AAAA", "endorsement key"},
		"a template of ours":   {key[:8], "AToAAQAK", "endorsement key"},
		"bits after base64":    {key[len(key)-4:], key[len(key)-4:len(key)-2] + "/=", "base64"},
		"no padding":           {key, strings.TrimRight(key, "="), "base64"},
		"URL base64":           {key, "-_" + key[2:], "base64"},
		"no certificate":       {"EndorsementCertificate>", "EndorsementCertificates>", "EndorsementCertificates"},
		"not a certificate":    {"<EndorsementCertificate>MII", "<EndorsementCertificate>MIIA", "EndorsementCertificate"},
		"many issuers":         {issuer, strings.Repeat(issuer, maxIssuers+1), "more than 16"},
		"a document type":      {"<PlatformIdentifier ", "<!DOCTYPE x><PlatformIdentifier ", "document type"},
		"something at its end": {"</PlatformIdentifier>\n", "</PlatformIdentifier>x", "outside"},
	} {
		file := strings.Replace(whole, c.old, c.new, -1)
		require.NotEqual(t, whole, file, name)
		_, err := Parse([]byte(file))
		require.ErrorIs(t, err, ErrIdentifier, name)
		require.ErrorContains(t, err, c.say, name)
	}
	for _, file := range [][]byte{nil, make([]byte, MaxIdentifier+1), []byte("<a/>"), []byte(strings.ReplaceAll(string(write(t, bare)),
		"</EndorsementKey>", "</EndorsementKey>"+issuer))} {
		_, err := Parse(file)
		require.ErrorIs(t, err, ErrIdentifier)
	}
}

// FuzzParse reads what anybody may have written. What is read can be written, and is read again as the same.
func FuzzParse(f *testing.F) {
	full, bare := identifiers()
	f.Add(write(f, full))
	f.Add(write(f, bare))
	f.Add([]byte(`<PlatformIdentifier xmlns="` + namespace + `"><HostName>a</HostName><EndorsementKey>AAAA</EndorsementKey></PlatformIdentifier>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		id, err := Parse(file)
		if err != nil {
			require.ErrorIs(t, err, ErrIdentifier)
			return
		}
		again, err := Parse(write(t, id))
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}
