package guardian

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// Namespaces and algorithms of guardian metadata (MS-KPS section 6.4, XML Signature 1.1).
const (
	nsKPS  = "http://schemas.microsoft.com/kps/2014/07"
	nsDSig = "http://www.w3.org/2000/09/xmldsig#"

	algExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algEnveloped = nsDSig + "enveloped-signature"
	algSHA256    = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// Metadata writes the public part of the owner as metadata XML (MS-KPS section 6.4), signed with the owner's keys. Every
// document gets an ID of its own.
func (o *Owner) Metadata() ([]byte, error) {
	return o.metadata(newID())
}

// newID makes an identifier that xs:ID allows and that fits into a file name.
func newID() string {
	id := make([]byte, 8)
	rand.Read(id)
	return "_" + hex.EncodeToString(id)
}

func (o *Owner) metadata(id string) ([]byte, error) {
	data, err := o.writeMetadata(id)
	if err == nil {
		_, _, err = readMetadata(data) // keys that do not belong to the certificates come to light here
	}
	if err != nil {
		return nil, fmt.Errorf("writing the metadata of guardian %q: %w", o.Name, err)
	}
	return data, nil
}

func (o *Owner) writeMetadata(id string) ([]byte, error) {
	if _, ok := o.Encryption.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("the encryption key is not RSA")
	}
	algorithm, encryptionSignature, err := Sign(o.SigningKey, o.Encryption.Raw)
	if err != nil {
		return nil, err
	}
	_, selfSignature, err := Sign(o.SigningKey, o.Signing.Raw)
	if err != nil {
		return nil, err
	}

	// The signature is computed over the document that is written, step by step: a document without a signature has the
	// digest, one with the digest has the SignedInfo that is signed.
	document := func(signature string) []byte {
		return fmt.Appendf(nil, metadataXML, nsKPS, id, base64Lines(o.Encryption.Raw, "      "), base64Lines(o.Signing.Raw, "      "),
			algorithm, base64Lines(encryptionSignature, "        "),
			algorithm, base64Lines(selfSignature, "        "), otherSigningXML(o.OtherSigning), signature)
	}
	unsigned, err := excc14n.Parse(document(""))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(excc14n.Canonicalize(unsigned))
	signature := func(value []byte) string {
		return fmt.Sprintf(signatureXML, nsDSig, algExclusive, algorithm, algEnveloped, algExclusive, algSHA256,
			base64.StdEncoding.EncodeToString(digest[:]), base64Lines(value, "      "), base64Lines(o.Signing.Raw, "          "))
	}
	half, err := excc14n.Parse(document(signature(nil)))
	if err != nil {
		return nil, err
	}
	signedInfo := half.Child(nsDSig, "Signature").Child(nsDSig, "SignedInfo")
	_, value, err := Sign(o.SigningKey, excc14n.Canonicalize(signedInfo))
	if err != nil {
		return nil, err
	}
	return document(signature(value)), nil
}

const metadataXML = `<?xml version="1.0" encoding="UTF-8"?>
<Metadata xmlns="%s" ID="%s" Version="1">
  <GuardianInformation>
    <Version>1</Version>
    <EncryptionCertificate>%s</EncryptionCertificate>
    <SigningCertificate>%s</SigningCertificate>
    <EncryptionCertificateSignature Algorithm="%s">
      <SignatureValue>%s</SignatureValue>
    </EncryptionCertificateSignature>
    <SigningCertificateSelfSignature Algorithm="%s">
      <SignatureValue>%s</SignatureValue>
    </SigningCertificateSelfSignature>%s
  </GuardianInformation>
  %s
</Metadata>
`

const signatureXML = `<Signature xmlns="%s">
    <SignedInfo>
      <CanonicalizationMethod Algorithm="%s"/>
      <SignatureMethod Algorithm="%s"/>
      <Reference URI="">
        <Transforms>
          <Transform Algorithm="%s"/>
          <Transform Algorithm="%s"/>
        </Transforms>
        <DigestMethod Algorithm="%s"/>
        <DigestValue>%s</DigestValue>
      </Reference>
    </SignedInfo>
    <SignatureValue>%s</SignatureValue>
    <KeyInfo>
      <X509Data>
        <X509Certificate>%s</X509Certificate>
      </X509Data>
    </KeyInfo>
  </Signature>`

func otherSigningXML(certificates []*x509.Certificate) string {
	if len(certificates) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n    <OtherSigningCertificates>")
	for _, c := range certificates {
		fmt.Fprintf(&b, "\n      <Certificate>%s</Certificate>", base64Lines(c.Raw, "        "))
	}
	b.WriteString("\n    </OtherSigningCertificates>")
	return b.String()
}

// base64Lines writes data in lines of 76 characters, each under the indent, and ends on a line of the indent less one step.
func base64Lines(data []byte, indent string) string {
	const width = 76
	var b strings.Builder
	for text := base64.StdEncoding.EncodeToString(data); text != ""; text = text[min(width, len(text)):] {
		b.WriteString("\n" + indent + text[:min(width, len(text))])
	}
	b.WriteString("\n" + indent[2:])
	return b.String()
}
