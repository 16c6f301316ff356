package cms

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// opensslSigner makes key.pem and cert.pem in dir with the tool.
func opensslSigner(t testing.TB, dir string, newkey ...string) {
	t.Helper()
	args := []string{"req", "-x509", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=openssl", "-days", "30", "-newkey"}
	mustOpenssl(t, dir, append(args, newkey...)...)
}

// opensslSign signs content with what opensslSigner made.
func opensslSign(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	write(t, dir, "content", content)
	all := []string{"cms", "-sign", "-binary", "-outform", "DER", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "message"}
	mustOpenssl(t, dir, append(all, args...)...)
	der, err := os.ReadFile(filepath.Join(dir, "message"))
	require.NoError(t, err)
	return der
}

var profile = []string{"-nodetach", "-md", "sha256", "-nosmimecap"}

func TestParseReadsOpenSSL(t *testing.T) {
	for name, newkey := range map[string][]string{
		"rsa2048": {"rsa:2048"},
		"rsa4096": {"rsa:4096"},
		"p256":    {"ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"p384":    {"ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opensslSigner(t, dir, newkey...)
			parsed, err := Parse(opensslSign(t, dir, profile...))
			require.NoError(t, err)
			require.Equal(t, content, parsed.Content)
			require.Equal(t, "CN=openssl", parsed.Signer.Subject.String())
			require.WithinDuration(t, time.Now(), parsed.SigningTime, time.Minute)

			// With the issuer beside it.
			write(t, dir, "other.pem", certificatePEM(certify(t, "other", ecKey(t, elliptic.P256()), nil, nil, true)))
			parsed, err = Parse(opensslSign(t, dir, append([]string{"-certfile", "other.pem"}, profile...)...))
			require.NoError(t, err)
			require.Len(t, parsed.Certificates, 2)
			require.Equal(t, "CN=openssl", parsed.Signer.Subject.String())
		})
	}
}

func TestParseRefusesOutsideTheProfile(t *testing.T) {
	rsa2048 := []string{"rsa:2048"}
	for name, c := range map[string]struct {
		newkey []string
		args   []string
		reason string
	}{
		"SHA-1":                 {rsa2048, []string{"-nodetach", "-md", "sha1", "-nosmimecap"}, "1.3.14.3.2.26: only SHA-256"},
		"SHA-512":               {rsa2048, []string{"-nodetach", "-md", "sha512", "-nosmimecap"}, "only SHA-256"},
		"detached":              {rsa2048, []string{"-md", "sha256", "-nosmimecap"}, "detached"},
		"BER indefinite length": {rsa2048, append([]string{"-stream"}, profile...), "indefinite length"},
		"no signed attributes":  {rsa2048, append([]string{"-noattr"}, profile...), "no signed attributes"},
		"key identifier":        {rsa2048, append([]string{"-keyid"}, profile...), "issuer and serial number"},
		"S/MIME capabilities":   {rsa2048, []string{"-nodetach", "-md", "sha256"}, "more than 3 signed attributes"},
		"CAdES":                 {rsa2048, append([]string{"-cades"}, profile...), "more than 3 signed attributes"},
		"no certificate":        {rsa2048, append([]string{"-nocerts"}, profile...), "no certificates"},
		"other content type":    {rsa2048, append([]string{"-econtent_type", "1.2.3.4"}, profile...), "version 3"},
		"RSA-PSS":               {rsa2048, append([]string{"-keyopt", "rsa_padding_mode:pss"}, profile...), "1.2.840.113549.1.1.10"},
		"RSA 1024":              {[]string{"rsa:1024"}, profile, "1024 bits"},
		"P-521":                 {[]string{"ec", "-pkeyopt", "ec_paramgen_curve:P-521"}, profile, "P-521"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opensslSigner(t, dir, c.newkey...)
			parsed, err := Parse(opensslSign(t, dir, c.args...))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, parsed)
		})
	}
	t.Run("two signers", func(t *testing.T) {
		dir := t.TempDir()
		opensslSigner(t, dir, rsa2048...)
		require.NoError(t, os.Rename(filepath.Join(dir, "key.pem"), filepath.Join(dir, "key2.pem")))
		require.NoError(t, os.Rename(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert2.pem")))
		opensslSigner(t, dir, rsa2048...)
		_, err := Parse(opensslSign(t, dir, append([]string{"-signer", "cert2.pem", "-inkey", "key2.pem"}, profile...)...))
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "more than one signer")
	})
	t.Run("PEM", func(t *testing.T) {
		_, err := Parse([]byte("-----BEGIN CMS-----\n"))
		require.ErrorIs(t, err, ErrMalformed)
	})
	t.Run("too large", func(t *testing.T) {
		_, err := Parse(make([]byte, MaxSize+1))
		require.ErrorIs(t, err, ErrMalformed)
	})
	t.Run("other CMS", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "content", content)
		mustOpenssl(t, dir, "cms", "-data_create", "-in", "content", "-outform", "DER", "-out", "message")
		der, err := os.ReadFile(filepath.Join(dir, "message"))
		require.NoError(t, err)
		_, err = Parse(der)
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "not SignedData")
	})
}

func TestParseSeesAlteration(t *testing.T) {
	s := newSigned(t, ecKey(t, elliptic.P256()))
	other := newSigned(t, ecKey(t, elliptic.P256()))
	for name, edit := range map[string]func(root *node){
		"content": func(root *node) {
			root.at(append(pathContent, 1, 0)...).value[0] ^= 1
		},
		"content cut": func(root *node) {
			n := root.at(append(pathContent, 1, 0)...)
			n.value = n.value[:len(n.value)-1]
		},
		"signing time": func(root *node) {
			for _, attribute := range root.at(append(pathSignerInfo, atAttributes)...).children {
				if value := attribute.at(1, 0); value.tag == asn1.UTCTime {
					value.value = []byte("200101000000Z")
				}
			}
		},
		"signature of another": func(root *node) {
			theirs := parseTree(t, other.der)
			root.at(pathSignerInfo...).children[atSignature] = theirs.at(append(pathSignerInfo, atSignature)...)
		},
		"empty signature": func(root *node) {
			root.at(append(pathSignerInfo, atSignature)...).value = nil
		},
		"bytes after the ECDSA signature": func(root *node) {
			n := root.at(append(pathSignerInfo, atSignature)...)
			n.value = append(n.value, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := parseTree(t, s.der)
			edit(root)
			_, err := Parse(root.der())
			require.ErrorIs(t, err, ErrSignature)
			require.NotErrorIs(t, err, ErrMalformed)
		})
	}
}

func TestParseRefusesStructure(t *testing.T) {
	s := newSigned(t, rsaKey(t, 2048))
	enormous, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{}, &x509.Certificate{},
		&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 9000, 1), E: 65537}, ecKey(t, elliptic.P256()))
	require.NoError(t, err)
	impostor := certify(t, "impostor", ecKey(t, elliptic.P256()), nil, nil, false)
	for name, c := range map[string]struct {
		edit   func(root *node)
		reason string
	}{
		"version 3": {func(root *node) { root.at(pathData...).children[0] = integerNode(3) }, "SignedData version 3"},
		"signer info version 3": {func(root *node) {
			root.at(pathSignerInfo...).children[0] = integerNode(3)
		}, "signer info version 3"},
		"key identifier under version 1": {func(root *node) {
			root.at(pathSignerInfo...).children[atIdentifier] = &node{tag: asn1.Tag(0).ContextSpecific(), value: []byte{1}}
		}, "issuer and serial number"},
		"two digest algorithms": {func(root *node) {
			set := root.at(1, 0, 1)
			set.children = append(set.children, set.children[0])
		}, "more than one digest algorithm"},
		"no signer": {func(root *node) { root.at(pathSignerInfos...).children = nil }, "no signer"},
		"same signer twice": {func(root *node) {
			set := root.at(pathSignerInfos...)
			set.children = append(set.children, set.children[0])
		}, "more than one signer"},
		"signer's certificate missing": {func(root *node) {
			root.at(pathCertificates...).children = []*node{parseTree(t, s.intermediate.Raw)}
		}, "signer's certificate is not in the message"},
		"certificates in wrong order": {func(root *node) {
			slices.Reverse(root.at(pathCertificates...).children)
		}, "order"},
		"certificate twice": {func(root *node) {
			set := root.at(pathCertificates...)
			set.children = []*node{set.children[0], set.children[0]}
		}, "stands twice"},
		"attribute certificate": {func(root *node) {
			set := root.at(pathCertificates...)
			set.children = append(set.children, &node{tag: tagged(2), children: set.children[0].children})
		}, "not an X.509 certificate"},
		"broken certificate": {func(root *node) {
			set := root.at(pathCertificates...)
			set.children = []*node{{tag: asn1.SEQUENCE}}
		}, "cannot be read"},
		"large certificate": {func(root *node) {
			set := root.at(pathCertificates...)
			set.children = []*node{{tag: asn1.SEQUENCE, children: []*node{{tag: asn1.OCTET_STRING, value: make([]byte, MaxCertificateSize)}}}}
		}, "at most 65536"},
		"issuer with an enormous key": {func(root *node) {
			set := root.at(pathCertificates...)
			set.children = append(set.children, parseTree(t, enormous))
			slices.SortFunc(set.children, func(a, b *node) int { return bytes.Compare(a.der(), b.der()) })
		}, "RSA key of 9001 bits"},
		"many certificates": {func(root *node) {
			set := root.at(pathCertificates...)
			for i := range MaxCertificates {
				set.children = append(set.children, &node{tag: tagged(3), children: []*node{integerNode(int64(i + 1))}})
			}
		}, "more than 16 certificates"},
		"two certificates of one name and number": {func(root *node) {
			tree := parseTree(t, impostor.Raw)
			mine := parseTree(t, s.signer.Raw)
			tree.at(0).children[1] = mine.at(0, 1) // serial number
			tree.at(0).children[3] = mine.at(0, 3) // issuer
			set := root.at(pathCertificates...)
			set.children = append(set.children, tree)
			slices.SortFunc(set.children, func(a, b *node) int { return bytes.Compare(a.der(), b.der()) })
		}, "two certificates have the signer's"},
		"revocation lists": {func(root *node) {
			data := root.at(pathData...)
			data.children = slices.Insert(data.children, 4, &node{tag: tagged(1)})
		}, "revocation lists"},
		"content in pieces": {func(root *node) {
			wrapper := root.at(append(pathContent, 1)...)
			wrapper.children = []*node{{tag: asn1.OCTET_STRING | constructed, children: wrapper.children}}
		}, "one octet string"},
		"digest of the signer info": {func(root *node) {
			root.at(append(pathSignerInfo, 2, 0)...).value = parseTree(t, oid(oidRSA)).value
		}, "only SHA-256"},
		"ECDSA by an RSA key": {func(root *node) {
			root.at(pathSignerInfo...).children[atAlgorithm] = parseTree(t, sequence(oid(oidECDSAWithSHA256)))
		}, "is not RSA PKCS #1"},
		"SHA-1 with RSA": {func(root *node) {
			root.at(append(pathSignerInfo, atAlgorithm, 0)...).value[8] = 5
		}, "1.2.840.113549.1.1.5 is not RSA"},
		"parameters of the signature": {func(root *node) {
			root.at(append(pathSignerInfo, atAlgorithm)...).children[1] = parseTree(t, octetString(nil))
		}, "is not RSA PKCS #1"},
	} {
		t.Run(name, func(t *testing.T) {
			root := parseTree(t, s.der)
			c.edit(root)
			_, err := Parse(root.der())
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.reason)
		})
	}
}

// Writers differ in what they put beside the name of an algorithm (RFC 5754 sections 2 and 3.2).
func TestParseAcceptsFormsOfAlgorithm(t *testing.T) {
	null := parseTree(t, element(asn1.NULL))
	for name, edit := range map[string]func(root *node){
		"NULL beside SHA-256": func(root *node) {
			root.at(1, 0, 1, 0).children = append(root.at(1, 0, 1, 0).children, null)
			digest := root.at(append(pathSignerInfo, 2)...)
			digest.children = append(digest.children, null)
		},
		"sha256WithRSAEncryption": func(root *node) {
			root.at(append(pathSignerInfo, atAlgorithm, 0)...).value[8] = 11
		},
		"no NULL beside RSA": func(root *node) {
			n := root.at(append(pathSignerInfo, atAlgorithm)...)
			n.children = n.children[:1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := parseTree(t, newSigned(t, rsaKey(t, 2048)).der)
			edit(root)
			der := root.der()
			_, err := Parse(der)
			require.NoError(t, err)
			mustOpenssl(t, t.TempDir(), "cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-in", write(t, t.TempDir(), "m", der))
		})
	}
}

func TestParseSignedAttributes(t *testing.T) {
	s := newSigned(t, ecKey(t, elliptic.P256()))
	contentType, digest, at := goodAttributes()
	timeIs := func(tag asn1.Tag, text string) []byte { return attribute(oidSigningTime, element(tag, []byte(text))) }

	_, err := Parse(s.resign(t, setOf(contentType, digest, at)...))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		attributes [][]byte
		reason     string
	}{
		"none":                      {nil, "missing"},
		"no content type":           {setOf(digest, at), "missing"},
		"no digest":                 {setOf(contentType, at), "missing"},
		"no signing time":           {setOf(contentType, digest), "missing"},
		"wrong order":               {[][]byte{digest, at, contentType}, "order"},
		"the same twice":            {[][]byte{contentType, contentType, at}, "stands twice"},
		"two signing times":         {setOf(contentType, at, timeIs(asn1.UTCTime, "200101000000Z")), "stands twice"},
		"unknown in place of one":   {setOf(contentType, digest, attribute(oidRSA, octetString(nil))), "is not accepted"},
		"unknown beside all":        {setOf(contentType, digest, at, attribute(oidRSA, octetString(nil))), "more than 3"},
		"other content type":        {setOf(attribute(oidContentType, oid(oidSignedData)), digest, at), "content type is not data"},
		"two values":                {setOf(contentType, digest, sequence(oid(oidSigningTime), element(asn1.SET, signingTime(time.Now()), signingTime(time.Now())))), "one value"},
		"no value":                  {setOf(contentType, digest, sequence(oid(oidSigningTime), element(asn1.SET))), "one value"},
		"short digest":              {setOf(contentType, attribute(oidMessageDigest, octetString(make([]byte, 20))), at), "SHA-256"},
		"GeneralizedTime of 2026":   {setOf(contentType, digest, timeIs(asn1.GeneralizedTime, "20261122000000Z")), "signing time"},
		"time without seconds":      {setOf(contentType, digest, timeIs(asn1.UTCTime, "2611220000Z")), "signing time"},
		"time with fractions":       {setOf(contentType, digest, timeIs(asn1.GeneralizedTime, "20551122000000.5Z")), "signing time"},
		"time with an offset":       {setOf(contentType, digest, timeIs(asn1.UTCTime, "261122000000+0100")), "signing time"},
		"time in no month":          {setOf(contentType, digest, timeIs(asn1.UTCTime, "261322000000Z")), "signing time"},
		"empty time":                {setOf(contentType, digest, timeIs(asn1.UTCTime, "")), "signing time"},
		"time that is a string":     {setOf(contentType, digest, timeIs(asn1.UTF8String, "261122000000Z")), "signing time"},
		"digest that is no string":  {setOf(contentType, attribute(oidMessageDigest, sequence()), at), "SHA-256"},
		"attribute that is nothing": {setOf(contentType, digest, octetString(nil)), "not well formed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(s.resign(t, c.attributes...))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.reason)
		})
	}

	t.Run("digest of something else", func(t *testing.T) {
		wrong := attribute(oidMessageDigest, octetString(make([]byte, 32)))
		_, err := Parse(s.resign(t, setOf(contentType, wrong, at)...))
		require.ErrorIs(t, err, ErrSignature)
		require.ErrorContains(t, err, "content")
	})
}

// Nothing can be added to a message, at any place outside of a certificate, and what was added never counts.
func TestParseRefusesAnyExtraElement(t *testing.T) {
	for name, s := range map[string]signed{"rsa": newSigned(t, rsaKey(t, 2048)), "ec": newSigned(t, ecKey(t, elliptic.P256()))} {
		t.Run(name, func(t *testing.T) {
			root := parseTree(t, s.der)
			certificates := make(map[*node]bool)
			root.at(pathCertificates...).walk(func(n *node) { certificates[n] = true })
			root.walk(func(n *node) {
				if n.tag&constructed == 0 || certificates[n] {
					return
				}
				for _, extra := range []*node{{tag: asn1.NULL}, {tag: tagged(1)}, {tag: asn1.SEQUENCE}} {
					for i := range len(n.children) + 1 {
						before := n.children
						n.children = slices.Insert(slices.Clone(before), i, extra)
						der := root.der()
						n.children = before
						_, err := Parse(der)
						// NULL is a legal parameter of SHA-256 and of RSA.
						if err == nil {
							require.Equal(t, asn1.NULL, extra.tag)
							require.Equal(t, asn1.OBJECT_IDENTIFIER, n.children[0].tag)
						}
					}
				}
			})
			for _, tail := range [][]byte{{0}, {5, 0}, s.der} {
				_, err := Parse(append(slices.Clone(s.der), tail...))
				require.ErrorIs(t, err, ErrMalformed)
				require.ErrorContains(t, err, "follow its end")
			}
		})
	}
}

func TestParseRefusesTruncation(t *testing.T) {
	s := newSigned(t, ecKey(t, elliptic.P256()))
	for n := range s.der {
		_, err := Parse(s.der[:n])
		require.ErrorIs(t, err, ErrMalformed)
	}
}

// seeds are messages of OpenSSL and of Sign, by keys that nobody has any more.
func seeds(t testing.TB) [][]byte {
	paths, err := filepath.Glob("testdata/*.cms")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all [][]byte
	for _, path := range paths {
		der, err := os.ReadFile(path)
		require.NoError(t, err)
		all = append(all, der)
	}
	return all
}

// checkUnaltered demands of whatever Parse accepts that it is a seed's content under a seed's key and signing time.
func checkUnaltered(t testing.TB, seeds []*Signed, der []byte) {
	t.Helper()
	parsed, err := Parse(der)
	if err != nil {
		require.Nil(t, parsed)
		if !strings.HasPrefix(err.Error(), ErrMalformed.Error()) {
			require.ErrorIs(t, err, ErrSignature)
		}
		return
	}
	require.True(t, slices.ContainsFunc(seeds, func(s *Signed) bool {
		return bytes.Equal(s.Content, parsed.Content) && s.SigningTime.Equal(parsed.SigningTime) &&
			s.Signer.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(parsed.Signer.PublicKey)
	}), "accepted what nobody signed")
}

func TestFlippedBits(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 32
	}
	for _, der := range seeds(t) {
		seed, err := Parse(der)
		require.NoError(t, err)
		for i := 0; i < len(der); i += step {
			for bit := range 8 {
				flipped := slices.Clone(der)
				flipped[i] ^= 1 << bit
				checkUnaltered(t, []*Signed{seed}, flipped)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	var parsed []*Signed
	for _, der := range seeds(f) {
		s, err := Parse(der)
		require.NoError(f, err)
		parsed = append(parsed, s)
		f.Add(der)
	}
	f.Add([]byte{})
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) { checkUnaltered(t, parsed, der) })
}
