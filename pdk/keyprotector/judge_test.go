package keyprotector

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// openssl and xmllint go the way of MS-KPS by hand, with nothing of this package but the bytes of protectors.
func TestAgainstOpenSSL(t *testing.T) {
	made, key := newProtector(t, fabric(t), branch(t), mallory(t))
	t.Run("made", func(t *testing.T) {
		j := newJudge(t, made)
		j.requireSchema()
		j.requireSignatures(0, owner(t), fabric(t), branch(t), mallory(t))
		j.requireTransportKey(key, owner(t), fabric(t), branch(t), mallory(t))
	})
	t.Run("revoked and granted", func(t *testing.T) {
		p, key, err := made.Revoke(owner(t), func(w WrappingInfo) bool { return w.IsFor(public(t, fabric(t))) })
		require.NoError(t, err)
		p, err = p.Grant(owner(t), public(t, fabric(t)))
		require.NoError(t, err)
		j := newJudge(t, p)
		j.requireSchema()
		j.requireSignatures(0, owner(t), branch(t), mallory(t), fabric(t))
		j.requireTransportKey(key, owner(t), branch(t), mallory(t), fabric(t))
	})
	t.Run("rolled", func(t *testing.T) {
		p, _, key, err := made.Roll(branch(t), nil)
		require.NoError(t, err)
		j := newJudge(t, p)
		j.requireSchema()
		j.requireSignatures(2, owner(t), branch(t))
		j.requireTransportKey(key, owner(t), branch(t))
	})
}

type judge struct {
	testing.TB
	dir string // kp.xml is the document, wrappings what the signatures are over
}

func newJudge(t testing.TB, p *Protector) *judge {
	j := &judge{t, t.TempDir()}
	writeFile(t, j.dir, "kp.xml", p.Bytes()[4:])
	writeFile(t, j.dir, "wrappings.xml", []byte(tool(t, j.dir, "xmllint", "--nonet", "--xpath", `/*/*[local-name()="Wrappings"]`, "kp.xml")))
	writeFile(t, j.dir, "wrappings", []byte(tool(t, j.dir, "xmllint", "--nonet", "--exc-c14n", "wrappings.xml")))
	return j
}

func (j *judge) requireSchema() {
	schema, err := filepath.Abs("../../assets/xsd/Protector.xsd")
	require.NoError(j, err)
	tool(j, j.dir, "xmllint", "--nonet", "--noout", "--schema", schema, "kp.xml")
}

// text gives the text at a path of element names.
func (j *judge) text(path string) string {
	var xpath strings.Builder
	for _, step := range strings.Split(path, "/") {
		name, predicate, _ := strings.Cut(step, "[")
		if attr, ok := strings.CutPrefix(name, "@"); ok {
			xpath.WriteString("/@" + attr)
			continue
		}
		xpath.WriteString(`/*[local-name()="` + name + `"]`)
		if predicate != "" {
			xpath.WriteString("[" + predicate)
		}
	}
	return strings.TrimSpace(tool(j, j.dir, "xmllint", "--nonet", "--xpath", "string(/*"+xpath.String()+")", "kp.xml"))
}

// file writes the bytes that stand at a path to a file.
func (j *judge) file(name, path string) []byte {
	data, err := base64.StdEncoding.DecodeString(j.text(path))
	require.NoError(j, err)
	writeFile(j, j.dir, name, data)
	return data
}

func (j *judge) requireSignatures(signer int, people ...*guardian.Owner) {
	owner := people[0]
	var signedBy *guardian.Owner
	for i, o := range people {
		w := "Wrappings/Wrapping[" + strconv.Itoa(i+1) + "]/"
		require.Equal(j, o.Signing.Raw, j.file("signing", w+"SigningCertificate"))
		require.Equal(j, o.Encryption.Raw, j.file("encryption", w+"EncryptionCertificate"))
		require.Equal(j, "0", j.text(w+"SigningCertificateSignature/@ParentWrappingId"))
		j.requireSignature(owner, "signing", w+"SigningCertificateSignature/Signature")
		j.requireSignature(o, "encryption", w+"EncryptionCertificateSignature/Signature")
		if j.text(w+"Id") == strconv.Itoa(signer) {
			signedBy = o
		}
	}
	require.Equal(j, strconv.Itoa(signer), j.text("GuardianSignature/@WrappingId"))
	j.requireSignature(signedBy, "wrappings", "GuardianSignature/Signature")
}

func (j *judge) requireSignature(by *guardian.Owner, message, path string) {
	value := j.file("signature", path+"/SignatureValue")
	algorithm := "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	if _, ok := by.Signing.PublicKey.(*ecdsa.PublicKey); ok {
		algorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
		half := len(value) / 2
		der, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(value[:half]), new(big.Int).SetBytes(value[half:])})
		require.NoError(j, err)
		writeFile(j, j.dir, "signature", der)
	}
	require.Equal(j, algorithm, j.text(path+"/@Algorithm"))
	public, err := x509.MarshalPKIXPublicKey(by.Signing.PublicKey)
	require.NoError(j, err)
	writeFile(j, j.dir, "public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	tool(j, j.dir, "openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", message)
}

func (j *judge) requireTransportKey(want TransportKey, people ...*guardian.Owner) {
	for i, o := range people {
		w := "Wrappings/Wrapping[" + strconv.Itoa(i+1) + "]/TransportKey/EncryptedData"
		require.Equal(j, "http://www.w3.org/2009/xmlenc11#rsa-oaep", j.text(w+"/@Algorithm"))
		require.Equal(j, "http://www.w3.org/2001/04/xmlenc#sha256", j.text(w+"/Parameters/DigestMethod/@Algorithm"))
		require.Equal(j, "http://www.w3.org/2009/xmlenc11#mgf1sha256", j.text(w+"/Parameters/MGF/@Algorithm"))
		j.file("cipher", w+"/CipherValue")
		writeFile(j, j.dir, "private.pem", privatePEM(j, o.EncryptionKey))
		payload := tool(j, j.dir, "openssl", "pkeyutl", "-decrypt", "-inkey", "private.pem", "-in", "cipher", "-pkeyopt", "rsa_padding_mode:oaep",
			"-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")
		require.Equal(j, "30000000"+"01000000"+"01000000"+"20000000"+hex.EncodeToString(want[:]), hex.EncodeToString([]byte(payload)))
	}

	const params = "TransportKeySignature/KeyDerivationMethod/Parameters/HKDFParams/"
	require.Equal(j, "http://www.w3.org/2021/04/xmldsig-more#hkdf", j.text("TransportKeySignature/KeyDerivationMethod/@Algorithm"))
	require.Equal(j, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", j.text(params+"PRF/@Algorithm"))
	salt, info := j.file("salt", params+"Salt"), j.file("info", params+"Info")
	require.Len(j, salt, 16)
	require.Equal(j, "scutum kp transport-key signature", string(info))
	derived := tool(j, j.dir, "openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:"+hex.EncodeToString(want[:]),
		"-kdfopt", "hexsalt:"+hex.EncodeToString(salt), "-kdfopt", "info:scutum kp transport-key signature", "HKDF")
	derived = strings.ReplaceAll(strings.TrimSpace(derived), ":", "")
	mac := tool(j, j.dir, "openssl", "mac", "-digest", "SHA256", "-macopt", "hexkey:"+derived, "-in", "wrappings", "HMAC")
	require.Equal(j, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", j.text("TransportKeySignature/Signature/@Algorithm"))
	require.Equal(j, strings.ToLower(strings.TrimSpace(mac)), hex.EncodeToString(j.file("mac", "TransportKeySignature/Signature/SignatureValue")))
}

func privatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
