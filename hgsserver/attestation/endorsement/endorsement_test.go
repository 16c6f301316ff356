package endorsement

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Now().UTC().Truncate(time.Second)

var ekKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// A maker issues endorsement certificates.
type maker struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newMaker(t testing.TB, name string, by *maker) *maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	m := &maker{key: key}
	if by == nil {
		by = &maker{template, key}
	}
	m.certificate = sign(t, template, by, key.Public())
	return m
}

func sign(t testing.TB, template *x509.Certificate, by *maker, key any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key, by.key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// tpmName is a subject alternative name as makers write it.
func tpmName(t testing.TB, manufacturer string) pkix.Extension {
	t.Helper()
	rdns := pkix.RDNSequence{{{Type: oidManufacturer, Value: manufacturer}}, {{Type: oidModel, Value: "model"}}, {{Type: oidVersion, Value: "id:1\x1b"}}}
	name, err := asn1.Marshal(rdns)
	require.NoError(t, err)
	names, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}})
	require.NoError(t, err)
	return pkix.Extension{Id: oidSubjectAltName, Critical: true, Value: names}
}

func ekTemplate(t testing.TB) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageKeyEncipherment, UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidEKCertificate},
		ExtraExtensions: []pkix.Extension{tpmName(t, "id:12345678")},
	}
}

func TestCheck(t *testing.T) {
	root := newMaker(t, "root", nil)
	middle, other := newMaker(t, "middle", root), newMaker(t, "root", nil)
	c, err := Parse(sign(t, ekTemplate(t), middle, ekKey().Public()).Raw)
	require.NoError(t, err)
	require.Equal(t, []string{"id:12345678", "model", "id:1?"}, []string{c.Manufacturer, c.Model, c.Version})
	require.True(t, c.Key.Public().Equal(ekKey().Public()))

	roots, middles := []*x509.Certificate{root.certificate}, []*x509.Certificate{middle.certificate}
	require.NoError(t, c.Check(roots, middles, now))
	require.NoError(t, c.Check(append(roots, other.certificate), append(middles, root.certificate), now))
	require.NoError(t, c.Check(middles, nil, now), "an intermediate may be trusted itself")
	for name, err := range map[string]error{
		"nobody trusted":    c.Check(nil, middles, now),
		"no intermediate":   c.Check(roots, nil, now),
		"another root":      c.Check([]*x509.Certificate{other.certificate}, middles, now),
		"expired":           c.Check(roots, middles, now.Add(2*time.Hour)),
		"not yet":           c.Check(roots, middles, now.Add(-2*time.Hour)),
		"many certificates": c.Check(roots, make([]*x509.Certificate, maxIntermediates+1), now),
	} {
		require.ErrorIs(t, err, ErrUntrusted, name)
	}
	require.NotEmpty(t, c.X509.UnhandledCriticalExtensions, "it was not changed")
}

func TestParseRefused(t *testing.T) {
	root := newMaker(t, "root", nil)
	small, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		key    any
		say    string
	}{
		"an authority":    {func(c *x509.Certificate) { c.IsCA = true }, ekKey().Public(), "authority"},
		"no usage":        {func(c *x509.Certificate) { c.KeyUsage = 0 }, ekKey().Public(), "not for key encipherment"},
		"signs":           {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, ekKey().Public(), "more than"},
		"another purpose": {func(c *x509.Certificate) { c.UnknownExtKeyUsage[0] = asn1.ObjectIdentifier{1, 2, 3} }, ekKey().Public(), "extended key usages"},
		"critical": {func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}, ekKey().Public(), "1.2.3"},
		"not RSA":          {func(*x509.Certificate) {}, root.key.Public(), "default template"},
		"RSA of 3072 bits": {func(*x509.Certificate) {}, small.Public(), "default template"},
	} {
		template := ekTemplate(t)
		c.change(template)
		_, err := Parse(sign(t, template, root, c.key).Raw)
		require.ErrorIs(t, err, ErrCertificate, name)
		require.ErrorContains(t, err, c.say, name)
	}
	_, err = Parse(make([]byte, maxCertificate+1))
	require.ErrorIs(t, err, ErrCertificate)
	_, err = Parse(nil)
	require.ErrorIs(t, err, ErrCertificate)
}

// TestSoftwareTPM checks a certificate that swtpm's own authority issued.
func TestSoftwareTPM(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "tpm"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ca"), 0o700))
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	ca := write("ca.conf", "statedir = "+dir+"/ca\nsigningkey = "+dir+"/ca/signkey.pem\nissuercert = "+dir+"/ca/issuercert.pem\ncertserial = "+dir+"/ca/certserial\n")
	options := write("ca.options", "--platform-manufacturer maker\n--platform-version 2.1\n--platform-model model\n")
	setup := write("setup.conf", "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = "+ca+"\ncreate_certs_tool_options = "+options+"\n")
	out, err := exec.Command("swtpm_setup", "--tpm2", "--config", setup, "--tpmstate", dir+"/tpm", "--createek", "--create-ek-cert", "--overwrite",
		"--write-ek-cert-files", dir).CombinedOutput()
	require.NoError(t, err, "swtpm_setup is in the package swtpm-tools: %s", out)

	read := func(pattern string) (all []*x509.Certificate) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			if block, _ := pem.Decode(data); block != nil {
				data = block.Bytes
			}
			c, err := x509.ParseCertificate(data)
			require.NoError(t, err)
			all = append(all, c)
		}
		require.NotEmpty(t, all, "%s: %s", pattern, out)
		return all
	}
	c, err := Parse(read("*rsa*.crt")[0].Raw)
	require.NoError(t, err)
	require.NotEmpty(t, c.Manufacturer)
	at := time.Now()
	require.NoError(t, c.Check(read("ca/*rootca-cert.pem"), read("ca/issuercert.pem"), at))
	require.ErrorIs(t, c.Check(nil, read("ca/issuercert.pem"), at), ErrUntrusted)
}

// FuzzParse reads certificates with names that an adversary wrote.
func FuzzParse(f *testing.F) {
	root := newMaker(f, "root", nil)
	f.Add(sign(f, ekTemplate(f), root, ekKey().Public()).Raw, tpmName(f, "id").Value)
	f.Add([]byte{0x30, 0}, []byte{0x30, 2, 0xa4, 0})
	f.Fuzz(func(t *testing.T, der, names []byte) {
		if c, err := Parse(der); err == nil {
			_ = c.Check(nil, nil, now)
		} else {
			require.ErrorIs(t, err, ErrCertificate)
		}
		var c Certificate
		_ = c.readNames(names)
	})
}
