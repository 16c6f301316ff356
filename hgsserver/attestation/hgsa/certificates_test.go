package hgsa

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newCertificate(t testing.TB, name string) *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func TestCertificates(t *testing.T) {
	want := []*x509.Certificate{newCertificate(t, "one"), newCertificate(t, "two")}
	body, err := EncodeCertificates(want)
	require.NoError(t, err)
	got, err := ParseCertificates(body)
	require.NoError(t, err)
	require.Equal(t, want, got)

	// OpenSSL reads ours, and we read OpenSSL's.
	dir := t.TempDir()
	in, out, list := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "list")
	require.NoError(t, os.WriteFile(in, body, 0o600))
	text, err := exec.Command("openssl", "pkcs7", "-inform", "DER", "-in", in, "-print_certs").CombinedOutput()
	require.NoError(t, err, "%s", text)
	var all []byte
	for _, c := range want {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		require.Contains(t, string(text), string(block))
		all = append(all, block...)
	}
	require.NoError(t, os.WriteFile(list, all, 0o600))
	text, err = exec.Command("openssl", "crl2pkcs7", "-nocrl", "-certfile", list, "-outform", "DER", "-out", out).CombinedOutput()
	require.NoError(t, err, "%s", text)
	theirs, err := os.ReadFile(out)
	require.NoError(t, err)
	got, err = ParseCertificates(theirs)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestCertificatesRefused(t *testing.T) {
	c := newCertificate(t, "one")
	body, err := EncodeCertificates([]*x509.Certificate{c})
	require.NoError(t, err)
	for name, bad := range map[string][]byte{
		"nothing":       nil,
		"cut":           body[:len(body)-1],
		"rest":          append(bytes.Clone(body), 0),
		"a certificate": c.Raw,
		"large":         make([]byte, MaxMessage+1),
		"another type":  bytes.Replace(body, []byte{0x0d, 1, 7, 2}, []byte{0x0d, 1, 7, 3}, 1),
		"version 2":     bytes.Replace(body, []byte{2, 1, 1, 0x31, 0}, []byte{2, 1, 2, 0x31, 0}, 1),
	} {
		_, err := ParseCertificates(bad)
		require.ErrorIs(t, err, ErrMessage, name)
	}
	_, err = EncodeCertificates(nil)
	require.Error(t, err)
	_, err = EncodeCertificates(make([]*x509.Certificate, maxCertificates+1))
	require.Error(t, err)
}

func FuzzCertificates(f *testing.F) {
	body, err := EncodeCertificates([]*x509.Certificate{newCertificate(f, "one")})
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseCertificates(data)
		if err != nil {
			require.ErrorIs(t, err, ErrMessage)
			return
		}
		again, err := EncodeCertificates(got)
		require.NoError(t, err)
		require.Equal(t, data, again)
	})
}
