package cms

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Parse reads a SignedData of the profile and verifies its signature with the signer's certificate. It makes no trust
// decision. Errors are ErrMalformed or ErrSignature. The result shares memory with der.
func Parse(der []byte) (*Signed, error) {
	if len(der) > MaxSize {
		return nil, malformed("%d bytes are more than the %d that are accepted", len(der), MaxSize)
	}
	message, err := readContentInfo(der)
	if err != nil {
		return nil, err
	}
	info, err := readSignerInfo(message.signerInfo)
	if err != nil {
		return nil, err
	}
	certificates, err := parseCertificates(message.certificates)
	if err != nil {
		return nil, err
	}
	signer, err := info.findSigner(certificates)
	if err != nil {
		return nil, err
	}
	if err := info.verify(signer.PublicKey); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(message.content)
	if !bytes.Equal(digest[:], info.attributes.messageDigest) {
		return nil, fmt.Errorf("%w: the content is not the one that was signed", ErrSignature)
	}
	return &Signed{
		Content:      message.content,
		Certificates: certificates,
		Signer:       signer,
		SigningTime:  info.attributes.signingTime,
		HasTimestamp: info.hasTimestamp,
	}, nil
}

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, a...))
}

// signedData is the SignedData of RFC 5652 section 5.1, as far as the profile leaves it open.
type signedData struct {
	content      []byte
	certificates []cryptobyte.String // each a whole element
	signerInfo   cryptobyte.String   // inside of the only SignerInfo
}

func readContentInfo(der cryptobyte.String) (*signedData, error) {
	var contentInfo, explicitData, data cryptobyte.String
	var contentType encoding_asn1.ObjectIdentifier
	if !der.ReadASN1(&contentInfo, asn1.SEQUENCE) {
		return nil, malformed("it is not DER: cut short, or of indefinite length, or something else altogether")
	}
	if !der.Empty() {
		return nil, malformed("%d bytes follow its end", len(der))
	}
	if !contentInfo.ReadASN1ObjectIdentifier(&contentType) {
		return nil, malformed("it does not begin with a content type")
	}
	if !contentType.Equal(oidSignedData) {
		return nil, malformed("its content type is %v, not SignedData", contentType)
	}
	if !contentInfo.ReadASN1(&explicitData, tagged(0)) || !contentInfo.Empty() ||
		!explicitData.ReadASN1(&data, asn1.SEQUENCE) || !explicitData.Empty() {
		return nil, malformed("the ContentInfo is not well formed")
	}
	return readSignedData(data)
}

func readSignedData(s cryptobyte.String) (*signedData, error) {
	var version int
	if !s.ReadASN1Integer(&version) {
		return nil, malformed("the SignedData has no version")
	}
	if version != 1 {
		return nil, malformed("SignedData version %d: only version 1 is accepted, with data content, "+
			"X.509 certificates, and a signer named by issuer and serial number", version)
	}
	var set cryptobyte.String
	if !s.ReadASN1(&set, asn1.SET) {
		return nil, malformed("the digest algorithms are not well formed")
	}
	if err := readDigestAlgorithm(&set); err != nil {
		return nil, err
	}
	if !set.Empty() {
		return nil, malformed("more than one digest algorithm")
	}

	message := new(signedData)
	var err error
	if message.content, err = readContent(&s); err != nil {
		return nil, err
	}
	if !s.ReadASN1(&set, tagged(0)) {
		return nil, malformed("no certificates")
	}
	if message.certificates, err = elements(set, MaxCertificates, "certificates"); err != nil {
		return nil, err
	}
	if s.PeekASN1Tag(tagged(1)) {
		return nil, malformed("revocation lists are not accepted")
	}
	if !s.ReadASN1(&set, asn1.SET) || !s.Empty() {
		return nil, malformed("the signer infos are not well formed")
	}
	if !set.ReadASN1(&message.signerInfo, asn1.SEQUENCE) {
		return nil, malformed("no signer")
	}
	if !set.Empty() {
		return nil, malformed("more than one signer")
	}
	return message, nil
}

// readContent reads the EncapsulatedContentInfo (RFC 5652 section 5.2).
func readContent(s *cryptobyte.String) ([]byte, error) {
	var encapsulated, explicitContent, content cryptobyte.String
	var contentType encoding_asn1.ObjectIdentifier
	if !s.ReadASN1(&encapsulated, asn1.SEQUENCE) || !encapsulated.ReadASN1ObjectIdentifier(&contentType) {
		return nil, malformed("the encapsulated content is not well formed")
	}
	if !contentType.Equal(oidData) {
		return nil, malformed("the content is of type %v, not data", contentType)
	}
	if encapsulated.Empty() {
		return nil, malformed("the content is detached, it must be in the message")
	}
	if !encapsulated.ReadASN1(&explicitContent, tagged(0)) || !encapsulated.Empty() ||
		!explicitContent.ReadASN1(&content, asn1.OCTET_STRING) || !explicitContent.Empty() {
		return nil, malformed("the content is not one octet string")
	}
	return content, nil
}

func parseCertificates(elements []cryptobyte.String) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for _, der := range elements {
		if len(der) > MaxCertificateSize {
			return nil, malformed("a certificate of %d bytes, at most %d are accepted", len(der), MaxCertificateSize)
		}
		if !der.PeekASN1Tag(asn1.SEQUENCE) {
			return nil, malformed("a certificate that is not an X.509 certificate")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, malformed("a certificate cannot be read: %v", err)
		}
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
			return nil, malformed("a certificate with an RSA key of %d bits, at most %d are accepted", key.N.BitLen(), maxRSABits)
		}
		certificates = append(certificates, c)
	}
	return certificates, nil
}

// algorithm is an AlgorithmIdentifier (RFC 5280 section 4.1.1.2).
type algorithm struct {
	oid        encoding_asn1.ObjectIdentifier
	parameters cryptobyte.String // a whole element, or empty
}

// is compares with an algorithm that has no parameters. They may be absent or NULL: writers do both (RFC 5754 section 2).
func (a algorithm) is(oid encoding_asn1.ObjectIdentifier) bool {
	return a.oid.Equal(oid) && (len(a.parameters) == 0 || bytes.Equal(a.parameters, []byte{byte(asn1.NULL), 0}))
}

func readAlgorithm(s *cryptobyte.String) (a algorithm, ok bool) {
	var sequence cryptobyte.String
	if !s.ReadASN1(&sequence, asn1.SEQUENCE) || !sequence.ReadASN1ObjectIdentifier(&a.oid) {
		return a, false
	}
	var tag asn1.Tag
	if !sequence.Empty() && !sequence.ReadAnyASN1Element(&a.parameters, &tag) {
		return a, false
	}
	return a, sequence.Empty()
}

func readDigestAlgorithm(s *cryptobyte.String) error {
	a, ok := readAlgorithm(s)
	if !ok {
		return malformed("a digest algorithm is not well formed")
	}
	if !a.is(oidSHA256) {
		return malformed("digest algorithm %v: only SHA-256 is accepted", a.oid)
	}
	return nil
}

// elements cuts a SET OF into its elements. They must stand in DER's order (X.690 section 11.6), and no two may be alike.
func elements(set cryptobyte.String, limit int, what string) ([]cryptobyte.String, error) {
	var all []cryptobyte.String
	for !set.Empty() {
		var one cryptobyte.String
		var tag asn1.Tag
		if !set.ReadAnyASN1Element(&one, &tag) {
			return nil, malformed("the %s are not well formed", what)
		}
		if len(all) == limit {
			return nil, malformed("more than %d %s", limit, what)
		}
		if len(all) > 0 && bytes.Compare(all[len(all)-1], one) >= 0 {
			return nil, malformed("the %s are not in DER's order, or one stands twice", what)
		}
		all = append(all, one)
	}
	return all, nil
}
