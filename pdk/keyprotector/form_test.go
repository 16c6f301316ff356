package keyprotector

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseFrame(t *testing.T) {
	p, _ := newProtector(t)
	good := p.Bytes()
	longer := append(bytes.Clone(good), '\n')
	for name, test := range map[string]struct {
		data []byte
		is   error
	}{
		"nothing":              {nil, ErrInvalidProtector},
		"three bytes":          {[]byte{0, 0, 0}, ErrInvalidProtector},
		"no protector":         {[]byte{0, 0, 0, 4}, ErrNoProtector},
		"a length of 0":        {[]byte{0, 0, 0, 0}, ErrInvalidProtector},
		"little-endian":        {[]byte{4, 0, 0, 0}, ErrInvalidProtector},
		"no length":            {good[4:], ErrInvalidProtector},
		"one byte less":        {good[:len(good)-1], ErrInvalidProtector},
		"one byte more":        {longer, ErrInvalidProtector},
		"length without count": {append([]byte{0, 0, 0, 1}, "<a/>x"...), ErrInvalidProtector},
		"too long":             {framed(string(good[4:]) + strings.Repeat(" ", MaxSize)), ErrInvalidProtector},
		"no XML":               {framed("protector"), ErrInvalidProtector},
		"a document type":      {framed(`<!DOCTYPE Protector SYSTEM "http://example.com/">` + string(good[42:])), ErrInvalidProtector},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(test.data)
			require.ErrorIs(t, err, test.is)
			require.Nil(t, p)
		})
	}
}

// An edit of a document replaces the first match of a regular expression.
type edit struct {
	name      string
	old, with string
	says      string
}

func (e edit) of(t testing.TB, document string) string {
	t.Helper()
	match := regexp.MustCompile(e.old).FindStringSubmatchIndex(document)
	require.NotNil(t, match, e.old)
	with := regexp.MustCompile(e.old).ExpandString(nil, e.with, document, match)
	return document[:match[0]] + string(with) + document[match[1]:]
}

const b64 = `[A-Za-z0-9+/]+=*`

var protectorEdits = []edit{
	{"another document", `<Protector`, `<Metadata`, "ended as"},
	{"another namespace", `kps/2014/07`, `kps/2014/08`, "not Protector"},
	{"no namespace", `<Protector xmlns="[^"]*"`, `<Protector`, "not Protector"},
	{"an unknown attribute", `<Protector`, `<Protector ID="a"`, "unknown attribute"},
	{"an attribute of another namespace", `<Protector`, `<Protector xmlns:a="urn:a" a:MaxOfflineUnwraps="1"`, "unknown attribute"},
	{"an attribute in the namespace xml", `<Protector`, `<Protector xml:id="a"`, "unknown attribute"},
	{"the attribute beside another", `<Protector`, `<Protector A="1" MaxOfflineUnwraps="1"`, "unknown attribute"},
	{"no number of unwraps", `<Protector`, `<Protector MaxOfflineUnwraps=""`, "unsigned"},
	{"a negative number", `<Protector`, `<Protector MaxOfflineUnwraps="-1"`, "unsigned"},
	{"a signed number", `<Protector`, `<Protector MaxOfflineUnwraps="+1"`, "unsigned"},
	{"a leading zero", `<Protector`, `<Protector MaxOfflineUnwraps="01"`, "unsigned"},
	{"a number with a space", `<Protector`, `<Protector MaxOfflineUnwraps=" 1"`, "unsigned"},
	{"a large number", `<Protector`, `<Protector MaxOfflineUnwraps="4294967296"`, "unsigned"},

	{"an element more", `</Protector>`, `<More/></Protector>`, "4 elements"},
	{"a foreign element more", `</Protector>`, `<a xmlns="urn:a"/></Protector>`, "4 elements"},
	{"other wrappings after", `</Protector>`, `<Wrappings/></Protector>`, "4 elements"},
	{"other wrappings before", `<Wrappings xmlns`, `<Wrappings/><Wrappings xmlns`, "4 elements"},
	{"wrappings within parameters", `(?s)(<Wrappings.*</Wrappings>)(.*<Parameters>)(<more)`, `<Wrappings><Wrapping/></Wrappings>$2$1$3`, "KeyDerivationMethod"},
	{"no wrappings", `(?s)<Wrappings.*</Wrappings>`, ``, "2 elements"},
	{"wrappings of another namespace", `<Wrappings xmlns="[^"]*"`, `<Wrappings xmlns="urn:a"`, "where Wrappings belongs"},
	{"no wrapping", `(?s)<Wrappings.*</Wrappings>`, `<Wrappings/>`, "0 wrappings"},
	{"text between wrappings", `</Wrapping>`, `</Wrapping>,`, "has text"},
	{"an attribute of the wrappings", `<Wrappings`, `<Wrappings Id="a"`, "unknown attribute"},
	{"signatures in another order", `(?s)(<TransportKeySignature>.*)(<GuardianSignature.*</GuardianSignature>)`, `$2$1`, "where TransportKeySignature belongs"},
	{"no guardian signature", `(?s)<GuardianSignature.*</GuardianSignature>`, ``, "2 elements"},
	{"no transport key signature", `(?s)<TransportKeySignature.*</TransportKeySignature>`, ``, "2 elements"},
	{"text between the parts", `</Wrappings>`, `</Wrappings>a`, "has text"},

	{"no signing wrapping", ` WrappingId="0"`, ``, "unsigned"},
	{"a signing wrapping in another form", ` WrappingId="0"`, ` WrappingId="00"`, "unsigned"},
	{"a signing wrapping that there is not", ` WrappingId="0"`, ` WrappingId="7"`, "which there is not"},
	{"two guardian signatures", `(<GuardianSignature[^>]*>)(<Signature.*</Signature>)(</GuardianSignature>)`, `$1$2$2$3`, "2 elements"},
	{"a signature with parameters", `(<GuardianSignature[^>]*><Signature[^>]*>)`, `$1<Parameters/>`, "2 elements"},
	{"a signature with an unknown attribute", `(<GuardianSignature[^>]*><Signature)`, `$1 Id="a"`, "unknown attribute"},
	{"a signature without a value", `(<GuardianSignature.*<SignatureValue>)` + b64, `$1`, "empty"},
	{"a value with a line break", `(<GuardianSignature.*<SignatureValue>....)`, "$1\n", "base64"},
	{"a value with a space before", `(<GuardianSignature.*<SignatureValue>)`, "$1 ", "base64"},
	{"a value without padding", `(<GuardianSignature.*<SignatureValue>[^=]*)=+`, `$1`, "base64"},
	{"a value with more padding", `(<GuardianSignature.*<SignatureValue>[^<]*)`, `$1=`, "base64"},
	{"a value with an attribute", `(<GuardianSignature.*<SignatureValue)`, `$1 Id="a"`, "unknown attribute"},
	{"a value with an element", `(<GuardianSignature.*<SignatureValue>)`, `$1<a/>`, "has elements"},

	{"HMAC-SHA-1", `(</KeyDerivationMethod><Signature Algorithm=")[^"]*`, `${1}http://www.w3.org/2000/09/xmldsig#hmac-sha1`, "TransportKeySignature is not"},
	{"HMAC-SHA-512", `(</KeyDerivationMethod><Signature Algorithm=")[^"]*`, `${1}http://www.w3.org/2001/04/xmldsig-more#hmac-sha512`, "TransportKeySignature is not"},
	{"no algorithm", `(</KeyDerivationMethod><Signature) Algorithm="[^"]*"`, `$1`, "TransportKeySignature is not"},
	{"a MAC cut short", `(</KeyDerivationMethod>.*?<SignatureValue>)` + b64, `${1}AAAAAAAAAAAAAAAAAAAAAA==`, "TransportKeySignature is not"},
	{"a MAC in another form", `(</KeyDerivationMethod>.*?<SignatureValue>)` + b64, `${1}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=`, "base64"},
	{"another key derivation", `2021/04/xmldsig-more#hkdf`, `2009/xmlenc11#ConcatKDF`, "KeyDerivationMethod is not"},
	{"another pseudorandom function", `(PRF Algorithm="[^"]*)hmac-sha256`, `${1}hmac-sha512`, "KeyDerivationMethod is not"},
	{"another info", `<more:Info>c2`, `<more:Info>c3`, "KeyDerivationMethod is not"},
	{"no info", `<more:Info>.*</more:Info>`, ``, "KeyDerivationMethod is not"},
	{"no salt", `<more:Salt>.*</more:Salt>`, ``, "KeyDerivationMethod is not"},
	{"an empty salt", `(<more:Salt>)` + b64, `$1`, "KeyDerivationMethod is not"},
	{"a salt of 15 bytes", `(<more:Salt>)` + b64, `${1}AAAAAAAAAAAAAAAAAAAA`, "KeyDerivationMethod is not"},
	{"a salt of 17 bytes", `(<more:Salt>)` + b64, `${1}AAAAAAAAAAAAAAAAAAAAAAA=`, "KeyDerivationMethod is not"},
	{"a salt in another form", `(<more:Salt>)` + b64, `${1}AAAAAAAAAAAAAAAAAAAAAB==`, "KeyDerivationMethod is not"},
	{"a salt with white space", `<more:Salt>`, `<more:Salt> `, "KeyDerivationMethod is not"},
	{"two salts", `(<more:Salt>.*</more:Salt>)`, `$1$1`, "KeyDerivationMethod is not"},
	{"a key length", `</more:HKDFParams>`, `<more:KeyLength>1</more:KeyLength></more:HKDFParams>`, "KeyDerivationMethod is not"},
	{"other parameters before", `<more:HKDFParams`, `<a/><more:HKDFParams`, "KeyDerivationMethod is not"},
	{"other parameters after", `</more:HKDFParams>`, `</more:HKDFParams><a/>`, "KeyDerivationMethod is not"},
	{"text in parameters", `</more:HKDFParams>`, `</more:HKDFParams> `, "KeyDerivationMethod is not"},
	{"an attribute of parameters", `<Parameters>(<more)`, `<Parameters Id="a">$1`, "Parameters is not"},
	{"no parameters", `<Parameters><more.*?</Parameters>`, ``, "0 elements"},
}

var wrappingEdits = []edit{
	{"wrappings within wrappings", `(?s)(<Wrappings.*</Wrappings>)`, `<Wrappings>$1</Wrappings>`, "namespace"},
	{"another element", `<Wrapping>(.*?)</Wrapping>`, `<Wrap>$1</Wrap>`, `it is "Wrap"`},
	{"an element of another namespace", `<Wrapping>`, `<Wrapping xmlns="urn:a">`, "urn:a"},
	{"an attribute", `<Wrapping>`, `<Wrapping Id="0">`, "unknown attribute"},
	{"an element more", `</Wrapping>`, `<More/></Wrapping>`, "7 elements"},
	{"text", `</Wrapping>`, `a</Wrapping>`, "text between"},
	{"another order", `(<Id>0</Id>)(<SigningCertificate>.*?</SigningCertificate>)`, `$2$1`, "where Id belongs"},
	{"no Id", `<Id>0</Id>`, ``, "5 elements"},
	{"two Ids", `<Id>0</Id>`, `<Id>0</Id><Id>0</Id>`, "7 elements"},
	{"an empty Id", `<Id>0</Id>`, `<Id/>`, "unsigned"},
	{"a negative Id", `<Id>0</Id>`, `<Id>-1</Id>`, "unsigned"},
	{"an Id in another form", `<Id>0</Id>`, `<Id>00</Id>`, "unsigned"},
	{"an Id with white space", `<Id>0</Id>`, "<Id>0\n</Id>", "unsigned"},
	{"a large Id", `<Id>0</Id>`, `<Id>4294967296</Id>`, "unsigned"},
	{"an Id with an element", `<Id>0</Id>`, `<Id>0<a/></Id>`, "has elements"},
	{"an Id with an attribute", `<Id>0</Id>`, `<Id a="">0</Id>`, "unknown attribute"},
	{"no parent", ` ParentWrappingId="0"`, ``, "unsigned"},
	{"a parent and more", `ParentWrappingId="0"`, `ParentWrappingId="0" Id="0"`, "unknown attribute"},
	{"no owner", `<Id>0</Id>`, `<Id>9</Id>`, "there is no owner"},
	{"an owner with another parent", `ParentWrappingId="0"`, `ParentWrappingId="1"`, "there is no owner"},
	{"a parent that there is not", `(<Id>1</Id>.*?ParentWrappingId=)"0"`, `$1"9"`, "the parent of wrapping 1 is 9, which there is not"},
	{"two alike", `<Id>2</Id>`, `<Id>1</Id>`, "two wrappings have the Id 1"},

	{"no certificate", `(<SigningCertificate>)` + b64, `$1`, "empty"},
	{"a certificate with a byte less", `(<SigningCertificate>)(` + b64 + `)`, `${1}MIIC`, "SigningCertificate: x509"},
	{"a certificate with a byte more", `(<SigningCertificate>)(` + b64 + `)`, `${1}` + toBase64([]byte("MIIC")), "SigningCertificate: x509"},
	{"a certificate in lines", `(<EncryptionCertificate>.{64})`, "$1\n", "base64"},
	{"a certificate in the URL alphabet", `(<EncryptionCertificate>)` + b64, "${1}MII-", "base64"},
	{"two signatures", `(<EncryptionCertificateSignature>)(<Signature .*?</Signature>)`, `$1$2$2`, "2 elements"},
	{"an attribute of the second signature", `<EncryptionCertificateSignature>`, `<EncryptionCertificateSignature ParentWrappingId="0">`, "unknown attribute"},

	{"RSA-OAEP of XML Encryption 1.0", `2009/xmlenc11#rsa-oaep`, `2001/04/xmlenc#rsa-oaep-mgf1p`, "EncryptedData is not"},
	{"PKCS #1 v1.5", `2009/xmlenc11#rsa-oaep`, `2001/04/xmlenc#rsa-1_5`, "EncryptedData is not"},
	{"no algorithm", `(<EncryptedData) Algorithm="[^"]*"`, `$1`, "EncryptedData is not"},
	{"SHA-1", `2001/04/xmlenc#sha256`, `2000/09/xmldsig#sha1`, "EncryptedData is not"},
	{"MGF1 with SHA-1", `2009/xmlenc11#mgf1sha256`, `2009/xmlenc11#mgf1sha1`, "EncryptedData is not"},
	{"no MGF", `<xenc11:MGF.*?</xenc11:MGF>`, ``, "EncryptedData is not"},
	{"no digest", `<ds:DigestMethod.*?</ds:DigestMethod>`, ``, "EncryptedData is not"},
	{"a label", `(<ds:DigestMethod)`, `<OAEPparams xmlns="http://www.w3.org/2001/04/xmlenc#">AA==</OAEPparams>$1`, "EncryptedData is not"},
	{"parameters in another order", `(<ds:DigestMethod.*?</ds:DigestMethod>)(<xenc11:MGF.*?</xenc11:MGF>)`, `$2$1`, "EncryptedData is not"},
	{"no parameters", `<Parameters><ds.*?</Parameters>`, ``, "1 elements"},
	{"empty parameters", `<Parameters><ds.*?</Parameters>`, `<Parameters/>`, "EncryptedData is not"},
	{"a byte too few", `(<CipherValue>)` + b64, `${1}` + toBase64(make([]byte, 255)), "255 bytes, not 256"},
	{"a byte too many", `(<CipherValue>)` + b64, `${1}` + toBase64(make([]byte, 257)), "257 bytes, not 256"},
	{"two ciphertexts", `(<EncryptedData.*?</EncryptedData>)`, `$1$1`, "2 elements"},
}

func TestParseRefusesOtherForms(t *testing.T) {
	p, _ := newProtector(t, fabric(t), branch(t))
	document := string(p.Bytes()[4:])
	for _, edits := range []struct {
		edits []edit
		is    error
	}{{protectorEdits, ErrInvalidProtector}, {wrappingEdits, ErrInvalidWrapping}} {
		for _, e := range edits.edits {
			t.Run(edits.is.Error()+"/"+e.name, func(t *testing.T) {
				p, err := Parse(framed(e.of(t, document)))
				require.ErrorIs(t, err, edits.is)
				require.ErrorContains(t, err, e.says)
				require.Less(t, len(err.Error()), 600, "an error quotes too much of its input")
				require.Nil(t, p)
			})
		}
	}
}

// What canonical form does not tell apart is the same protector.
func TestParseAcceptsOtherSpellings(t *testing.T) {
	p, key := newProtector(t, fabric(t))
	for _, e := range []edit{
		{"no XML declaration", `(?s)^<.xml.*?>\n`, ``, ""},
		{"a byte order mark", `^`, "\uFEFF", ""},
		{"white space between the parts", `</Wrappings>`, "</Wrappings>\n\t", ""},
		{"comments", `<Id>0`, `<!-- the owner --><Id>0<!-- 1 -->`, ""},
		{"CDATA", `<Id>0</Id>`, `<Id><![CDATA[0]]></Id>`, ""},
		{"other quotes", `ParentWrappingId="0"`, `ParentWrappingId = '0'`, ""},
		{"MaxOfflineUnwraps", `<Protector`, `<Protector MaxOfflineUnwraps="7"`, ""},
	} {
		t.Run(e.name, func(t *testing.T) {
			p, err := Parse(framed(e.of(t, string(p.Bytes()[4:]))))
			require.NoError(t, err)
			requireOpens(t, p, key, owner(t), fabric(t))
		})
	}
}

// No signature covers it, so that nothing may follow from it.
func TestMaxOfflineUnwrapsIsShownAndNotKept(t *testing.T) {
	p, _ := newProtector(t, fabric(t))
	p, err := Parse(framed(edit{"", `<Protector`, `<Protector MaxOfflineUnwraps="4294967295"`, ""}.of(t, string(p.Bytes()[4:]))))
	require.NoError(t, err)
	require.NoError(t, p.Verify())
	require.Equal(t, uint32(4294967295), p.MaxOfflineUnwraps())

	granted, err := p.Grant(owner(t), public(t, branch(t)))
	require.NoError(t, err)
	revoked, _, err := p.Revoke(owner(t), func(w WrappingInfo) bool { return w.ID == 1 })
	require.NoError(t, err)
	rolled, _, _, err := p.Roll(fabric(t), nil)
	require.NoError(t, err)
	for _, p := range []*Protector{granted, revoked, rolled} {
		require.Zero(t, p.MaxOfflineUnwraps())
		require.NotContains(t, string(p.Bytes()), "MaxOfflineUnwraps")
	}
}

func TestKeysOfWrappings(t *testing.T) {
	ec := func(c elliptic.Curve) crypto.PublicKey {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		return key.Public()
	}
	modulus := func(bits uint) crypto.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
	}
	other := func(bits uint) crypto.PublicKey { // than modulus gives
		n := modulus(bits).(*rsa.PublicKey).N
		return &rsa.PublicKey{N: n.Add(n, big.NewInt(2)), E: 65537}
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, test := range []struct {
		name                string
		signing, encryption crypto.PublicKey
		says                string // "" for nothing
	}{
		{"the shortest RSA", other(2048), modulus(2048), ""},
		{"the longest RSA", other(4096), modulus(4096), ""},
		{"P-256", ec(elliptic.P256()), modulus(3072), ""},
		{"P-384", ec(elliptic.P384()), modulus(3072), ""},
		{"short RSA for signing", modulus(2047), modulus(2048), "signing key has 2047 bits"},
		{"long RSA for signing", modulus(4097), modulus(2048), "signing key has 4097 bits"},
		{"P-224", ec(elliptic.P224()), modulus(2048), "on the curve P-224"},
		{"P-521", ec(elliptic.P521()), modulus(2048), "on the curve P-521"},
		{"Ed25519", ed, modulus(2048), "neither RSA nor ECDSA"},
		{"short RSA for encryption", modulus(2048), modulus(2047), "encryption key has 2047 bits"},
		{"long RSA for encryption", modulus(2048), modulus(4097), "encryption key has 4097 bits"},
		{"ECDSA for encryption", modulus(2048), ec(elliptic.P256()), "encryption key is not RSA"},
		{"even RSA for encryption", modulus(2048), &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 2046), E: 65537}, "of no use"},
		{"RSA for encryption that does not", modulus(2048), &rsa.PublicKey{N: modulus(2048).(*rsa.PublicKey).N, E: 1}, "of no use"},
		{"RSA for encryption with a huge exponent", modulus(2048), &rsa.PublicKey{N: modulus(2048).(*rsa.PublicKey).N, E: math.MaxInt}, "of no use"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := wrapping{signing: certificateFor(t, test.signing), encryption: certificateFor(t, test.encryption)}
			for _, s := range []*signature{&w.signingSignature, &w.encryptionSignature} {
				*s = signature{"urn:any", []byte{1}}
			}
			w.transportKey = []byte{1}
			if key, ok := test.encryption.(*rsa.PublicKey); ok {
				w.transportKey = make([]byte, key.Size())
			}
			_, err := Parse(mustSign(t, []wrapping{w}, &TransportKey{}, 0, owner(t).SigningKey))
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrInvalidWrapping)
			require.ErrorContains(t, err, test.says)
		})
	}
}

// certificateFor makes a certificate for any key, issued by another one.
func certificateFor(t testing.TB, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "any"}, SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, owner(t).Signing, key, owner(t).SigningKey)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func TestCertificateMustBeDER(t *testing.T) {
	der := owner(t).Signing.Raw
	for name, data := range map[string][]byte{
		"PEM":            pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"trailing bytes": append(bytes.Clone(der), 0),
		"two":            append(bytes.Clone(der), der...),
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newProtector(t)
			document := strings.Replace(string(p.Bytes()[4:]), toBase64(der), toBase64(data), 1)
			_, err := Parse(framed(document))
			require.ErrorIs(t, err, ErrInvalidWrapping)
			require.ErrorContains(t, err, "SigningCertificate: x509")
		})
	}
}
