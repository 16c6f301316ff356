package signing_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/scutum-project/scutum/signing"
)

// tool runs openssl in dir, and returns what it printed on both outputs.
func tool(t testing.TB, dir string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "openssl %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}

func get(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

// newKeyFiles has OpenSSL make a chain: root.pem, intermediate.pem, and leaf.pem with its key in leaf.key (PKCS #8).
func newKeyFiles(t testing.TB, newkey ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ca := []string{"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"}
	ec := []string{"-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	tool(t, dir, slices.Concat([]string{"req", "-x509", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem"}, ec, ca)...)
	for _, c := range []struct {
		name, issuer string
		newkey       []string
		extensions   string
	}{
		{"intermediate", "root", ec, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"},
		{"leaf", "intermediate", append([]string{"-nodes", "-newkey"}, newkey...), "keyUsage=critical,digitalSignature\n"},
	} {
		put(t, dir, "extensions", []byte(c.extensions))
		tool(t, dir, append([]string{"req", "-new", "-subj", "/CN=" + c.name, "-keyout", c.name + ".key", "-out", "request"}, c.newkey...)...)
		tool(t, dir, "x509", "-req", "-in", "request", "-CA", c.issuer+".pem", "-CAkey", c.issuer+".key", "-CAcreateserial",
			"-days", "30", "-extfile", "extensions", "-out", c.name+".pem")
	}
	put(t, dir, "issuers.pem", append(get(t, dir, "root.pem"), get(t, dir, "intermediate.pem")...))
	return dir
}

var (
	newRSA = []string{"rsa:2048"}
	newEC  = []string{"ec", "-pkeyopt", "ec_paramgen_curve:P-384"}
)

func commonNames(certificates []*x509.Certificate) (names []string) {
	for _, c := range certificates {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

// requireWhole demands an identity as newKeyFiles made it, whose key makes signatures that its certificate verifies.
func requireWhole(t testing.TB, id *signing.Identity, chain ...string) {
	t.Helper()
	require.Equal(t, "leaf", id.Certificate.Subject.CommonName)
	require.Equal(t, chain, commonNames(id.Chain))
	digest := sha256.Sum256([]byte("message"))
	signature, err := id.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	algorithm := x509.SHA256WithRSA
	if id.Certificate.PublicKeyAlgorithm == x509.ECDSA {
		algorithm = x509.ECDSAWithSHA256
	}
	require.NoError(t, id.Certificate.CheckSignature(algorithm, []byte("message"), signature))
	require.NoError(t, signing.CheckSigner(id.Certificate, time.Now()))
}

func TestLoadPFXReadsOpenSSL(t *testing.T) {
	for name, newkey := range map[string][]string{"RSA": newRSA, "ECDSA": newEC} {
		dir := newKeyFiles(t, newkey...)
		for variant, c := range map[string]struct {
			password string
			args     []string
		}{
			"default":            {"secret", nil},
			"empty password":     {"", nil},
			"legacy":             {"secret", []string{"-legacy"}},
			"legacy, empty":      {"", []string{"-legacy"}},
			"3DES":               {"secret", []string{"-legacy", "-descert"}},
			"unencrypted":        {"secret", []string{"-keypbe", "NONE", "-certpbe", "NONE"}},
			"AES-128, SHA-512":   {"secret", []string{"-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC", "-macalg", "sha512"}},
			"many iterations":    {"secret", []string{"-iter", "600000"}},
			"one MAC iteration":  {"secret", []string{"-nomaciter"}},
			"friendly name":      {"secret", []string{"-name", "Schlüssel"}},
			"other than English": {"Grüße, мир, 世界", nil},
			"spaces":             {" two words ", nil},
		} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				export := []string{"pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "leaf.pfx", "-passout", "pass:" + c.password}
				tool(t, dir, append(export, c.args...)...)
				id, err := signing.LoadPFX(get(t, dir, "leaf.pfx"), c.password)
				require.NoError(t, err)
				requireWhole(t, id)

				tool(t, dir, slices.Concat(export, c.args, []string{"-certfile", "issuers.pem"})...)
				id, err = signing.LoadPFX(get(t, dir, "leaf.pfx"), c.password)
				require.NoError(t, err)
				requireWhole(t, id, "intermediate", "root")

				for _, wrong := range []string{c.password + "x", "Secret", "\x01"} {
					_, err = signing.LoadPFX(get(t, dir, "leaf.pfx"), wrong)
					require.ErrorIs(t, err, signing.ErrPassword)
				}
			})
		}
	}
}

func TestEncodePFXIsReadByOpenSSL(t *testing.T) {
	for name, newkey := range map[string][]string{"RSA": newRSA, "ECDSA": newEC} {
		for _, password := range []string{"secret", "", "Grüße, мир, 世界"} {
			t.Run(name+"/"+password, func(t *testing.T) {
				dir := newKeyFiles(t, newkey...)
				id, err := signing.LoadPEM(append(get(t, dir, "issuers.pem"), get(t, dir, "leaf.pem")...), get(t, dir, "leaf.key"))
				require.NoError(t, err)
				data, err := id.EncodePFX(password)
				require.NoError(t, err)
				put(t, dir, "ours.pfx", data)

				info := tool(t, dir, "pkcs12", "-in", "ours.pfx", "-passin", "pass:"+password, "-info", "-nodes", "-out", "all.pem")
				require.Contains(t, info, "MAC: sha256, Iteration 100000")
				require.Equal(t, 2, strings.Count(info, "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256"), info)
				all := get(t, dir, "all.pem")
				again, err := signing.LoadPEM(all, all)
				require.NoError(t, err)
				requireWhole(t, again, "intermediate", "root")
				require.Equal(t, get(t, dir, "leaf.pem"), certPEM(again.Certificate))
				tool(t, dir, "x509", "-in", "all.pem", "-noout", "-checkend", "0")

				again, err = signing.LoadPFX(data, password)
				require.NoError(t, err)
				requireWhole(t, again, "intermediate", "root")
			})
		}
	}
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func TestEncodePFXRefuses(t *testing.T) {
	id := newLab(t)
	for _, password := range []string{"emoji \U0001f512", "\xff", "a\x00b"} {
		_, err := id.EncodePFX(password)
		require.ErrorContains(t, err, "password")
		_, err = signing.LoadPFX(nil, password)
		require.ErrorContains(t, err, "password")
	}
	id.Key = elsewhere{id.Key}
	_, err := id.EncodePFX("secret")
	require.ErrorContains(t, err, "writing a PFX file")
}

// elsewhere is a key that is not in memory.
type elsewhere struct{ crypto.Signer }

// A PFX file with the certificates in another order than usual.
func TestLoadPFXFindsTheLeaf(t *testing.T) {
	dir := newKeyFiles(t, newEC...)
	id, err := signing.LoadPEM(append(get(t, dir, "issuers.pem"), get(t, dir, "leaf.pem")...), get(t, dir, "leaf.key"))
	require.NoError(t, err)
	stranger := newLab(t).Certificate
	root, intermediate := id.Chain[1], id.Chain[0]
	data, err := pkcs12.Modern2023.Encode(id.Key, root, []*x509.Certificate{stranger, id.Certificate, intermediate, id.Certificate}, "secret")
	require.NoError(t, err)
	id, err = signing.LoadPFX(data, "secret")
	require.NoError(t, err)
	requireWhole(t, id, "intermediate", "root")
}

func TestLoadPFXRefuses(t *testing.T) {
	dir := newKeyFiles(t, newEC...)
	export := func(args ...string) []byte {
		tool(t, dir, append([]string{"pkcs12", "-export", "-out", "out.pfx", "-passout", "pass:secret"}, args...)...)
		return get(t, dir, "out.pfx")
	}
	good := export("-inkey", "leaf.key", "-in", "leaf.pem")
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	ours, err := newLab(t).EncodePFX("secret")
	require.NoError(t, err)

	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"empty":             {nil, "no PFX file"},
		"text":              {[]byte("-----BEGIN CERTIFICATE-----"), "no PFX file"},
		"BER":               {[]byte{0x30, 0x80, 2, 1, 3, 0, 0}, "no PFX file"},
		"only a sequence":   {[]byte{0x30, 0}, "no PFX file"},
		"truncated":         {good[:len(good)-1], "no PFX file"},
		"trailing byte":     {append(slices.Clone(good), 0), "no PFX file"},
		"too large":         {make([]byte, 1<<20+1), "1048577 bytes"},
		"no key":            {export("-nokeys", "-in", "leaf.pem"), "private key missing"},
		"no certificate":    {export("-nocerts", "-inkey", "leaf.key"), "certificate missing"},
		"no MAC":            {export("-nomac", "-inkey", "leaf.key", "-in", "leaf.pem"), "no MAC"},
		"another's key":     {mustEncode(t, newLab(t).Key, newLab(t).Certificate), "belongs to none"},
		"too many issuers":  {mustEncode(t, newLab(t).Key, slices.Repeat([]*x509.Certificate{newLab(t).Certificate}, 65)...), "at most 64"},
		"flipped bit":       {flipped, "damaged"},
		"hours of work":     {asks(t, ours, 3, 0x7fffff), "8388607 iterations"},
		"for the MAC":       {asks(t, ours, 1, 0x7fffff), "8388607 iterations"},
		"no iterations":     {asks(t, ours, 3, 0x000000), "damaged"},
		"negative":          {asks(t, ours, 3, 0xff0000), "damaged"},
		"PBMAC1":            {asks(t, pbmac1(t), 1, 0x7fffff), "8388607 iterations"},
		"unknown algorithm": {bytes.ReplaceAll(ours, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13}, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 99}), "1.2.840.113549.1.5.99"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := signing.LoadPFX(c.data, "secret")
			require.ErrorContains(t, err, c.reason)
			require.ErrorContains(t, err, "reading the PFX file")
			require.Nil(t, id)
		})
	}
}

// No flipped bit makes the file load as something else, or costs time.
func TestLoadPFXFlippedBits(t *testing.T) {
	dir := newKeyFiles(t, newEC...)
	tool(t, dir, "pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "leaf.pfx", "-passout", "pass:secret", "-iter", "1")
	data := get(t, dir, "leaf.pfx")
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			id, err := signing.LoadPFX(data, "secret")
			data[i] ^= 1 << bit
			requireSound(t, id, err)
			if err == nil {
				requireWhole(t, id)
			}
		}
	}
}

func mustEncode(t testing.TB, key crypto.PrivateKey, certificates ...*x509.Certificate) []byte {
	t.Helper()
	data, err := pkcs12.Modern2023.Encode(key, certificates[0], certificates[1:], "secret")
	require.NoError(t, err)
	return data
}

// pbmac1 is a file with the newer MAC, which Java 26 and OpenSSL 3.4 write.
func pbmac1(t testing.TB) []byte {
	t.Helper()
	id := newLab(t)
	data, err := pkcs12.Modern2026.WithIterations(100_000).Encode(id.Key, id.Certificate, nil, "secret")
	require.NoError(t, err)
	_, err = signing.LoadPFX(data, "secret")
	require.NoError(t, err)
	return data
}

// asks changes the last places in which the file asks for 100,000 iterations: the MAC comes last.
func asks(t testing.TB, data []byte, places int, iterations int) []byte {
	t.Helper()
	usual := []byte{2, 3, 0x01, 0x86, 0xa0}
	changed := slices.Clone(data)
	for range places {
		i := bytes.LastIndex(changed, usual)
		require.Positive(t, i)
		copy(changed[i+2:], []byte{byte(iterations >> 16), byte(iterations >> 8), byte(iterations)})
	}
	return changed
}

func TestLoadPEMReadsOpenSSL(t *testing.T) {
	for name, newkey := range map[string][]string{"RSA": newRSA, "ECDSA": newEC} {
		t.Run(name, func(t *testing.T) {
			dir := newKeyFiles(t, newkey...)
			tool(t, dir, "pkey", "-in", "leaf.key", "-traditional", "-out", "traditional.key")
			if name == "ECDSA" {
				require.Contains(t, string(get(t, dir, "traditional.key")), "EC PRIVATE KEY")
				parameters := tool(t, dir, "ecparam", "-name", "secp384r1")
				put(t, dir, "traditional.key", append([]byte(parameters), get(t, dir, "traditional.key")...))
			} else {
				require.Contains(t, string(get(t, dir, "traditional.key")), "RSA PRIVATE KEY")
			}
			text := tool(t, dir, "x509", "-in", "leaf.pem", "-text")
			leaf, issuers, key := get(t, dir, "leaf.pem"), get(t, dir, "issuers.pem"), get(t, dir, "leaf.key")
			join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
			full := []string{"intermediate", "root"}

			for variant, c := range map[string]struct {
				cert, key []byte
				chain     []string
			}{
				"alone":           {leaf, key, nil},
				"traditional key": {leaf, get(t, dir, "traditional.key"), nil},
				"leaf first":      {join(leaf, issuers), key, full},
				"leaf last":       {join(issuers, leaf), key, full},
				"leaf twice":      {join(leaf, leaf), key, nil},
				"root missing":    {join(leaf, get(t, dir, "intermediate.pem")), key, full[:1]},
				"with a stranger": {join(certPEM(newLab(t).Certificate), leaf, issuers), key, full},
				"one file":        {join(key, leaf, issuers), join(key, leaf, issuers), full},
				"text before":     {[]byte(text), key, nil},
				"Windows lines":   {bytes.ReplaceAll(leaf, []byte("\n"), []byte("\r\n")), bytes.ReplaceAll(key, []byte("\n"), []byte("\r\n")), nil},
				"byte order mark": {join([]byte("\xef\xbb\xbf"), leaf), join([]byte("\xef\xbb\xbf"), key), nil},
			} {
				t.Run(variant, func(t *testing.T) {
					id, err := signing.LoadPEM(c.cert, c.key)
					require.NoError(t, err)
					requireWhole(t, id, c.chain...)
				})
			}
		})
	}
}

func TestLoadPEMRefuses(t *testing.T) {
	dir := newKeyFiles(t, newRSA...)
	leaf, key := get(t, dir, "leaf.pem"), get(t, dir, "leaf.key")
	tool(t, dir, "pkcs8", "-topk8", "-in", "leaf.key", "-passout", "pass:secret", "-out", "encrypted.key")
	tool(t, dir, "rsa", "-in", "leaf.key", "-aes128", "-passout", "pass:secret", "-traditional", "-out", "old.key")
	tool(t, dir, "x509", "-in", "leaf.pem", "-outform", "DER", "-out", "leaf.der")
	tool(t, dir, "req", "-x509", "-key", "leaf.key", "-subj", "/CN=again", "-out", "again.pem")
	tool(t, dir, "genpkey", "-algorithm", "X25519", "-out", "x25519.key")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }

	for name, c := range map[string]struct {
		cert, key []byte
		reason    string
	}{
		"no certificate":        {nil, key, "reading the certificate file: it is not PEM"},
		"no key":                {leaf, nil, "reading the key file: it is not PEM"},
		"DER":                   {get(t, dir, "leaf.der"), key, "it is not PEM"},
		"swapped":               {key, leaf, "it has no certificate, only PRIVATE KEY"},
		"certificate as key":    {leaf, leaf, "it has no private key, only CERTIFICATE"},
		"encrypted key":         {leaf, get(t, dir, "encrypted.key"), "openssl pkcs12 -export"},
		"old encrypted key":     {leaf, get(t, dir, "old.key"), "openssl pkcs12 -export"},
		"another's key":         {leaf, get(t, dir, "root.key"), "belongs to none"},
		"two keys":              {leaf, join(key, get(t, dir, "root.key")), "more than one private key"},
		"two certificates":      {join(leaf, get(t, dir, "again.pem")), key, "two different certificates"},
		"key that cannot sign":  {leaf, get(t, dir, "x25519.key"), "cannot sign"},
		"OpenSSH key":           {leaf, block("OPENSSH PRIVATE KEY", []byte{1}), "type OPENSSH PRIVATE KEY"},
		"certificate cut short": {leaf[:len(leaf)-10], key, "1 of its 1 PEM blocks cannot be read: have the file sent again"},
		"issuer damaged":        {join(leaf, bytes.Replace(get(t, dir, "root.pem"), []byte("MII"), []byte("M!I"), 1)), key, "1 of its 2 PEM blocks cannot be read: have the file sent again"},
		"nonsense certificate":  {block("CERTIFICATE", []byte{1, 2, 3}), key, "certificate 1: "},
		"nonsense key":          {leaf, block("PRIVATE KEY", []byte{1, 2, 3}), "reading the key file"},
		"nonsense PKCS #1":      {leaf, block("RSA PRIVATE KEY", []byte{1, 2, 3}), "reading the key file"},
		"nonsense SEC 1":        {leaf, block("EC PRIVATE KEY", []byte{1, 2, 3}), "reading the key file"},
		"many certificates":     {bytes.Repeat(leaf, 65), key, "at most 64"},
		"too large":             {make([]byte, 1<<20+1), key, "1048577 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := signing.LoadPEM(c.cert, c.key)
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, id)
		})
	}
}

// Certificates that name one another in a circle end the search for issuers.
func TestIssuersInACircle(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	make := func(subject, issuer string, public crypto.PublicKey) []byte {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: subject}, NotAfter: time.Now().Add(time.Hour)}
		parent := &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return certPEM(c)
	}
	other := newLab(t).Key.Public()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	id, err := signing.LoadPEM(bytes.Join([][]byte{make("a", "b", key.Public()), make("b", "c", other), make("c", "a", other), make("c", "b", other)}, nil),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	require.NoError(t, err)
	require.Equal(t, "a", id.Certificate.Subject.CommonName)
	require.Equal(t, []string{"b", "c", "c"}, commonNames(id.Chain))
}

func FuzzLoadPFX(f *testing.F) {
	dir := newKeyFiles(f, newEC...)
	for _, args := range [][]string{nil, {"-legacy"}, {"-keypbe", "NONE", "-certpbe", "NONE"}, {"-certfile", "issuers.pem"}, {"-nomac"}} {
		tool(f, dir, append([]string{"pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "leaf.pfx", "-passout", "pass:", "-iter", "1"}, args...)...)
		f.Add(get(f, dir, "leaf.pfx"))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := signing.KDFIterations(data); err == nil && n > 1000 {
			return // costs time and finds nothing
		}
		id, err := signing.LoadPFX(data, "")
		requireSound(t, id, err)
	})
}

func FuzzLoadPEM(f *testing.F) {
	dir := newKeyFiles(f, newEC...)
	leaf, issuers, key := get(f, dir, "leaf.pem"), get(f, dir, "issuers.pem"), get(f, dir, "leaf.key")
	tool(f, dir, "pkey", "-in", "leaf.key", "-traditional", "-out", "traditional.key")
	f.Add(leaf, key)
	f.Add(append(issuers, leaf...), get(f, dir, "traditional.key"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		id, err := signing.LoadPEM(cert, key)
		requireSound(t, id, err)
	})
}

// requireSound demands either an error or an identity whose parts belong together.
func requireSound(t testing.TB, id *signing.Identity, err error) {
	t.Helper()
	if err != nil {
		require.Nil(t, id)
		return
	}
	require.True(t, id.Key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(id.Certificate.PublicKey))
	require.False(t, slices.ContainsFunc(id.Chain, id.Certificate.Equal))
	_ = signing.CheckSigner(id.Certificate, time.Now())
}
