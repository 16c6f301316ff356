package hgsa

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
)

// maxCertificates is how many signing certificates a service may have.
const maxCertificates = 64

var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// signedData is a SignedData that nobody signed, as it carries certificates (RFC 2315, section 9.1).
type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      struct{ Type asn1.ObjectIdentifier }
	Certificates asn1.RawValue
	Signers      asn1.RawValue
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

// EncodeCertificates gives the body of the reply to signingCertificates (section 3.1.5.5.1.2): the DER of a PKCS #7 object with
// the certificates, in their order.
func EncodeCertificates(certificates []*x509.Certificate) ([]byte, error) {
	if len(certificates) == 0 || len(certificates) > maxCertificates {
		return nil, invalid("%d signing certificates, not 1 to %d", len(certificates), maxCertificates)
	}
	var all []byte
	for _, c := range certificates {
		all = append(all, c.Raw...)
	}
	none := asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true}
	info := contentInfo{oidSignedData, signedData{
		Version: 1, Digests: none, Signers: none,
		Certificates: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: all},
	}}
	info.Content.Content.Type = oidData
	return asn1.Marshal(info)
}

// ParseCertificates reads the body of the reply to signingCertificates: such an object and nothing besides. It fails with
// ErrMessage.
func ParseCertificates(body []byte) ([]*x509.Certificate, error) {
	var info contentInfo
	if len(body) > MaxMessage {
		return nil, invalid("it has more than %d bytes", MaxMessage)
	}
	if _, err := asn1.Unmarshal(body, &info); err != nil {
		return nil, invalid("it is not a PKCS #7 object with certificates: %w", err)
	}
	certificates, err := x509.ParseCertificates(info.Content.Certificates.Bytes)
	if err != nil {
		return nil, invalid("its certificates cannot be read: %w", err)
	}
	again, err := EncodeCertificates(certificates)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(body, again) {
		return nil, invalid("it is not a PKCS #7 object with certificates and nothing besides")
	}
	return certificates, nil
}
