package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var content = []byte("line\nline\r\n\x00\xffend without newline")

// openssl runs the tool in dir, and returns what it printed on both outputs.
func openssl(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustOpenssl(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := openssl(t, dir, args...)
	require.NoError(t, err, out)
	return out
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

// certify makes a certificate for the key, by the issuer or by itself.
func certify(t testing.TB, name string, key crypto.Signer, issuer *x509.Certificate, issuerKey crypto.Signer, isCA bool) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  isCA,
	}
	if isCA {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

// signed is a message by a fresh P-256 key with an intermediate certificate.
type signed struct {
	der          []byte
	key          crypto.Signer
	signer       *x509.Certificate
	intermediate *x509.Certificate
	root         *x509.Certificate
}

func newSigned(t testing.TB, key crypto.Signer) signed {
	t.Helper()
	caKey := ecKey(t, elliptic.P256())
	s := signed{key: key}
	s.root = certify(t, "root", caKey, nil, nil, true)
	s.intermediate = certify(t, "intermediate", caKey, s.root, caKey, true)
	s.signer = certify(t, "signer", key, s.intermediate, caKey, false)
	var err error
	s.der, err = Sign(content, key, s.signer, []*x509.Certificate{s.intermediate}, time.Now())
	require.NoError(t, err)
	return s
}

// node is an element of DER taken apart, so that tests can change any place of a message and keep the lengths right.
type node struct {
	tag      asn1.Tag
	value    []byte // of a primitive element
	children []*node
}

const constructed = 0x20

func parseTree(t testing.TB, der []byte) *node {
	t.Helper()
	s := cryptobyte.String(der)
	var value cryptobyte.String
	n := new(node)
	require.True(t, s.ReadAnyASN1(&value, &n.tag) && s.Empty())
	if n.tag&constructed == 0 {
		n.value = value
		return n
	}
	for !value.Empty() {
		var child cryptobyte.String
		var tag asn1.Tag
		require.True(t, value.ReadAnyASN1Element(&child, &tag))
		n.children = append(n.children, parseTree(t, child))
	}
	return n
}

func (n *node) der() []byte {
	if n.tag&constructed == 0 {
		return element(n.tag, n.value)
	}
	var parts [][]byte
	for _, child := range n.children {
		parts = append(parts, child.der())
	}
	return element(n.tag, parts...)
}

func (n *node) at(path ...int) *node {
	for _, i := range path {
		n = n.children[i]
	}
	return n
}

// walk visits n and all below it.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, child := range n.children {
		child.walk(visit)
	}
}

// Where things are in a message.
var (
	pathData         = []int{1, 0}
	pathContent      = []int{1, 0, 2}
	pathCertificates = []int{1, 0, 3}
	pathSignerInfos  = []int{1, 0, 4}
	pathSignerInfo   = []int{1, 0, 4, 0}
)

// Where things are in a SignerInfo.
const (
	atIdentifier = 1
	atAttributes = 3
	atAlgorithm  = 4
	atSignature  = 5
)

// resign gives a message these signed attributes, in this order, under a valid signature.
func (s signed) resign(t testing.TB, attributes ...[]byte) []byte {
	t.Helper()
	root := parseTree(t, s.der)
	digest := sha256.Sum256(element(asn1.SET, attributes...))
	signature, err := s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	info := root.at(pathSignerInfo...)
	info.children[atAttributes] = parseTree(t, element(tagged(0), attributes...))
	info.children[atSignature] = parseTree(t, octetString(signature))
	return root.der()
}

func goodAttributes() (contentType, digest, at []byte) {
	sum := sha256.Sum256(content)
	return attribute(oidContentType, oid(oidData)), attribute(oidMessageDigest, octetString(sum[:])),
		attribute(oidSigningTime, signingTime(time.Now()))
}

func clone(n *node) *node {
	c := &node{tag: n.tag, value: bytes.Clone(n.value), children: slices.Clone(n.children)}
	for i := range c.children {
		c.children[i] = clone(c.children[i])
	}
	return c
}

func integerNode(n int64) *node {
	return &node{tag: asn1.INTEGER, value: big.NewInt(n).Bytes()}
}
