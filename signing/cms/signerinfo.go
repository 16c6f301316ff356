package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// signerInfo is the SignerInfo of RFC 5652 section 5.3, as far as the profile leaves it open.
type signerInfo struct {
	issuer             cryptobyte.String // the Name, a whole element
	serial             big.Int
	attributes         signedAttributes
	signatureAlgorithm algorithm
	signature          []byte
	hasTimestamp       bool
}

func readSignerInfo(s cryptobyte.String) (*signerInfo, error) {
	info := new(signerInfo)
	var version int
	if !s.ReadASN1Integer(&version) {
		return nil, malformed("the signer info has no version")
	}
	if version != 1 || s.PeekASN1Tag(tagged(0)) || s.PeekASN1Tag(asn1.Tag(0).ContextSpecific()) {
		return nil, malformed("signer info version %d, or a signer named by key identifier: "+
			"only version 1 with issuer and serial number is accepted", version)
	}
	var identifier, attributes cryptobyte.String
	if !s.ReadASN1(&identifier, asn1.SEQUENCE) || !identifier.ReadASN1Element(&info.issuer, asn1.SEQUENCE) ||
		!identifier.ReadASN1Integer(&info.serial) || !identifier.Empty() {
		return nil, malformed("the signer's issuer and serial number are not well formed")
	}
	if err := readDigestAlgorithm(&s); err != nil {
		return nil, err
	}
	if !s.ReadASN1(&attributes, tagged(0)) {
		return nil, malformed("no signed attributes: content type, message digest and signing time are required")
	}
	if err := info.attributes.read(attributes); err != nil {
		return nil, err
	}
	var ok bool
	if info.signatureAlgorithm, ok = readAlgorithm(&s); !ok {
		return nil, malformed("the signature algorithm is not well formed")
	}
	if !s.ReadASN1Bytes(&info.signature, asn1.OCTET_STRING) {
		return nil, malformed("the signature is not well formed")
	}
	if s.PeekASN1Tag(tagged(1)) {
		var unsigned cryptobyte.String
		if !s.ReadASN1(&unsigned, tagged(1)) || !isTimeStamp(unsigned) {
			return nil, malformed("unsigned attributes: one RFC 3161 time stamp token is accepted and nothing else, " +
				"because anybody can put them there")
		}
		info.hasTimestamp = true
	}
	if !s.Empty() {
		return nil, malformed("something follows the signature")
	}
	return info, nil
}

// findSigner gives the one certificate that the signer identifier names.
func (info *signerInfo) findSigner(certificates []*x509.Certificate) (*x509.Certificate, error) {
	var signer *x509.Certificate
	for _, c := range certificates {
		if !bytes.Equal(c.RawIssuer, info.issuer) || c.SerialNumber.Cmp(&info.serial) != 0 {
			continue
		}
		if signer != nil {
			return nil, malformed("two certificates have the signer's issuer and serial number")
		}
		signer = c
	}
	if signer == nil {
		return nil, malformed("the signer's certificate is not in the message")
	}
	return signer, nil
}

// verify checks the signature over the signed attributes, in their encoding as a SET OF (RFC 5652 section 5.4).
func (info *signerInfo) verify(key crypto.PublicKey) error {
	if err := checkKey(key); err != nil {
		return malformed("%v", err)
	}
	algorithm := info.signatureAlgorithm
	digest := sha256.Sum256(element(asn1.SET, info.attributes.raw))
	var verified bool
	switch key := key.(type) {
	case *rsa.PublicKey:
		if !algorithm.is(oidRSA) && !algorithm.is(oidRSAWithSHA256) {
			return malformed("signature algorithm %v is not RSA PKCS #1 v1.5 with SHA-256, as the signer's key demands", algorithm.oid)
		}
		verified = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], info.signature) == nil
	case *ecdsa.PublicKey:
		if !algorithm.is(oidECDSAWithSHA256) || len(algorithm.parameters) != 0 {
			return malformed("signature algorithm %v is not ECDSA with SHA-256, as the signer's key demands", algorithm.oid)
		}
		verified = ecdsa.VerifyASN1(key, digest[:], info.signature)
	}
	if !verified {
		return fmt.Errorf("%w: it was not made by the signer's key over these signed attributes", ErrSignature)
	}
	return nil
}

type signedAttributes struct {
	raw           cryptobyte.String // all of them, without the tag of the set
	messageDigest []byte
	signingTime   time.Time
}

// read demands the three attributes of the profile, each once and with one value. Attributes that it does not know are
// refused, and not skipped: they could restrict what the signature means.
func (a *signedAttributes) read(set cryptobyte.String) error {
	a.raw = set
	attributes, err := elements(set, 3, "signed attributes")
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, attribute := range attributes {
		kind, value, ok := readAttribute(attribute)
		if !ok {
			return malformed("a signed attribute is not well formed, or has not one value")
		}
		if seen[kind.String()] {
			return malformed("signed attribute %v stands twice", kind)
		}
		seen[kind.String()] = true
		switch {
		case kind.Equal(oidContentType):
			var contentType encoding_asn1.ObjectIdentifier
			if !value.ReadASN1ObjectIdentifier(&contentType) || !value.Empty() || !contentType.Equal(oidData) {
				return malformed("the signed content type is not data")
			}
		case kind.Equal(oidMessageDigest):
			if !value.ReadASN1Bytes(&a.messageDigest, asn1.OCTET_STRING) || !value.Empty() || len(a.messageDigest) != sha256.Size {
				return malformed("the message digest is not one of SHA-256")
			}
		case kind.Equal(oidSigningTime):
			if a.signingTime, ok = readTime(value); !ok {
				return malformed("the signing time is not a UTCTime of 1950 to 2049 or a GeneralizedTime of another year, in whole seconds and UTC")
			}
		default:
			return malformed("signed attribute %v is not accepted: only content type, message digest and signing time are", kind)
		}
	}
	if len(seen) != 3 {
		return malformed("a signed attribute is missing: content type, message digest and signing time are required")
	}
	return nil
}

// isTimeStamp says whether the unsigned attributes are one time stamp token (RFC 3161 appendix A), by its outside.
func isTimeStamp(set cryptobyte.String) bool {
	kind, value, ok := readAttribute(set)
	return ok && kind.Equal(oidTimeStampToken) && value.PeekASN1Tag(asn1.SEQUENCE)
}

// readAttribute reads an Attribute that is alone in s and has one value, a whole element.
func readAttribute(s cryptobyte.String) (kind encoding_asn1.ObjectIdentifier, value cryptobyte.String, ok bool) {
	var attribute, values cryptobyte.String
	var tag asn1.Tag
	ok = s.ReadASN1(&attribute, asn1.SEQUENCE) && s.Empty() &&
		attribute.ReadASN1ObjectIdentifier(&kind) &&
		attribute.ReadASN1(&values, asn1.SET) && attribute.Empty() &&
		values.ReadAnyASN1Element(&value, &tag) && values.Empty()
	return kind, value, ok
}

// The two forms of Time that DER allows, in Go's notation.
const (
	utcTime         = "060102150405Z"
	generalizedTime = "20060102150405Z"
)

// readTime reads a Time, a whole element (RFC 5652 section 11.3).
func readTime(element cryptobyte.String) (time.Time, bool) {
	der := element
	var text cryptobyte.String
	var tag asn1.Tag
	if !element.ReadAnyASN1(&text, &tag) {
		return time.Time{}, false
	}
	full := string(text)
	if tag == asn1.UTCTime {
		century := "20"
		if full >= "5" {
			century = "19"
		}
		full = century + full
	}
	t, err := time.Parse(generalizedTime, full)
	// time.Parse is lenient. What counts is the one encoding that DER and the RFC leave to each second.
	return t, err == nil && bytes.Equal(der, signingTime(t))
}
