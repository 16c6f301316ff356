package keyprotector

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

const namespace = "http://schemas.microsoft.com/kps/2014/07"

// The algorithms beside those of guardians' signatures. There are no others.
const (
	algOAEP = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	algHKDF = "http://www.w3.org/2021/04/xmldsig-more#hkdf"
	algHMAC = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
)

// What stands in Parameters, in canonical form and in no other. Those of RSA-OAEP are of XML Encryption 1.1 section 5.5.2:
// SHA-256 twice, no label. Those of HKDF are of the draft that revises RFC 9231: pseudorandom function, salt, info.
const (
	openParameters  = `<Parameters xmlns="` + namespace + `">`
	closeParameters = `</Parameters>`

	oaepParameters = `<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>` +
		`<xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"></xenc11:MGF>`

	hkdfBeforeSalt = `<more:HKDFParams xmlns:more="http://www.w3.org/2021/04/xmldsig-more#"><more:PRF Algorithm="` + algHMAC + `"></more:PRF><more:Salt>`
	hkdfAfterSalt  = `</more:Salt><more:Info>c2N1dHVtIGtwIHRyYW5zcG9ydC1rZXkgc2lnbmF0dXJl</more:Info></more:HKDFParams>` // hkdfInfo

	hkdfInfo = "scutum kp transport-key signature"
	saltSize = 16
)

const wrappingXML = `<Wrapping><Id>%d</Id><SigningCertificate>%s</SigningCertificate>` +
	`<SigningCertificateSignature ParentWrappingId="%d">%s</SigningCertificateSignature>` +
	`<EncryptionCertificate>%s</EncryptionCertificate><EncryptionCertificateSignature>%s</EncryptionCertificateSignature>` +
	`<TransportKey><EncryptedData Algorithm="` + algOAEP + `"><Parameters>` + oaepParameters + `</Parameters>` +
	`<CipherValue>%s</CipherValue></EncryptedData></TransportKey></Wrapping>`

const protectorXML = `<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<Protector xmlns="` + namespace + `">%s<TransportKeySignature>` +
	`<KeyDerivationMethod Algorithm="` + algHKDF + `"><Parameters>` + hkdfBeforeSalt + `%s` + hkdfAfterSalt + `</Parameters></KeyDerivationMethod>` +
	`%s</TransportKeySignature><GuardianSignature WrappingId="%d">%s</GuardianSignature></Protector>` + "\n"

// usualWrapping is the size of a wrapping with keys of 2048 bits in XML, about.
const usualWrapping = 6 << 10

// wrappingsXML writes the element Wrappings as a document of its own, in canonical form.
func wrappingsXML(wrappings []wrapping) []byte {
	var b bytes.Buffer
	b.Grow(len(wrappings) * usualWrapping)
	b.WriteString(`<Wrappings xmlns="` + namespace + `">`)
	for _, w := range wrappings {
		fmt.Fprintf(&b, wrappingXML, w.id, toBase64(w.signing.Raw), w.parent, w.signingSignature.xml(),
			toBase64(w.encryption.Raw), w.encryptionSignature.xml(), toBase64(w.transportKey))
	}
	b.WriteString(`</Wrappings>`)
	return b.Bytes()
}

func (s signature) xml() string {
	return fmt.Sprintf(`<Signature Algorithm="%s"><SignatureValue>%s</SignatureValue></Signature>`, s.algorithm, toBase64(s.value))
}

func toBase64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
