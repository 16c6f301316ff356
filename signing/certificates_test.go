package signing_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
)

func TestParseCertificates(t *testing.T) {
	dir := newKeyFiles(t, newEC...)
	leaf, issuers, key := get(t, dir, "leaf.pem"), get(t, dir, "issuers.pem"), get(t, dir, "leaf.key")
	tool(t, dir, "x509", "-in", "leaf.pem", "-outform", "DER", "-out", "leaf.der")
	tool(t, dir, "x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der")
	der, root := get(t, dir, "leaf.der"), get(t, dir, "root.der")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

	for name, c := range map[string]struct {
		data  []byte
		count int
	}{
		"PEM":             {leaf, 1},
		"PEM, several":    {join(issuers, leaf), 3},
		"PEM with a key":  {join(key, leaf), 1},
		"byte order mark": {join([]byte("\xef\xbb\xbf"), leaf), 1},
		"DER":             {der, 1},
		"DER, several":    {join(der, root), 2},
	} {
		t.Run(name, func(t *testing.T) {
			certificates, err := signing.ParseCertificates(c.data)
			require.NoError(t, err)
			require.Len(t, certificates, c.count)
		})
	}
	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"empty":         {nil, "there is no certificate in it"},
		"no PEM no DER": {[]byte("certificate"), "neither a PEM nor a DER certificate"},
		"cut short":     {der[:len(der)-1], "neither a PEM nor a DER certificate"},
		"only a key":    {key, "it has no certificate, only PRIVATE KEY"},
		"damaged block": {leaf[:len(leaf)-10], "1 of its 1 PEM blocks cannot be read: have the file sent again"},
		"too large":     {make([]byte, 1<<20+1), "1048577 bytes"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			certificates, err := signing.ParseCertificates(c.data)
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, certificates)
		})
	}
}
