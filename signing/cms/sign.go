package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Sign returns the DER of a SignedData of content. The key must be that of signer's certificate; chain are its issuers, in
// any order, and may be empty. The signing time is at, cut to the second.
//
// Sign asks nothing of the certificate but the kind of its key: whether it may sign, and may do so at that time, is for
// the caller to check before.
func Sign(content []byte, key crypto.Signer, signer *x509.Certificate, chain []*x509.Certificate, at time.Time) ([]byte, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("signing %d bytes: at most %d fit into a CMS signature", len(content), MaxSize)
	}
	if err := checkKey(signer.PublicKey); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(signer.PublicKey) {
		return nil, errors.New("signing: the private key does not belong to the signer's certificate")
	}
	if year := at.UTC().Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf("signing: the signing time is in the year %d, which ASN.1 cannot write", year)
	}

	digest := sha256.Sum256(content)
	attributes := setOf(
		attribute(oidContentType, oid(oidData)),
		attribute(oidMessageDigest, octetString(digest[:])),
		attribute(oidSigningTime, signingTime(at)),
	)
	// The signature is over the attributes as a SET OF, though they stand in the message under [0] (RFC 5652 section 5.4).
	toSign := sha256.Sum256(element(asn1.SET, attributes...))
	signature, err := key.Sign(rand.Reader, toSign[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}

	certificates := [][]byte{signer.Raw}
	for _, c := range chain {
		certificates = append(certificates, c.Raw)
	}
	sha256Identifier := sequence(oid(oidSHA256))
	der := sequence(oid(oidSignedData), element(tagged(0), sequence(
		integer(big.NewInt(1)),
		element(asn1.SET, sha256Identifier),
		sequence(oid(oidData), element(tagged(0), octetString(content))),
		element(tagged(0), setOf(certificates...)...),
		element(asn1.SET, sequence(
			integer(big.NewInt(1)),
			sequence(signer.RawIssuer, integer(signer.SerialNumber)),
			sha256Identifier,
			element(tagged(0), attributes...),
			signatureAlgorithm(signer.PublicKey),
			octetString(signature),
		)),
	)))

	// A key in hardware, or a chain beyond the limits, shows here and not at the reader.
	if _, err := Parse(der); err != nil {
		return nil, fmt.Errorf("signing: the result would be refused: %w", err)
	}
	return der, nil
}

// signatureAlgorithm is the AlgorithmIdentifier for a signature by the key. For RSA it names the key alone, as OpenSSL
// does: the digest stands beside it.
func signatureAlgorithm(key crypto.PublicKey) []byte {
	if _, ok := key.(*rsa.PublicKey); ok {
		return sequence(oid(oidRSA), element(asn1.NULL))
	}
	return sequence(oid(oidECDSAWithSHA256))
}

// signingTime is a Time: UTCTime from 1950 to 2049, GeneralizedTime in other years (RFC 5652 section 11.3).
func signingTime(at time.Time) []byte {
	at = at.UTC()
	if year := at.Year(); year < 1950 || year > 2049 {
		return element(asn1.GeneralizedTime, []byte(at.Format(generalizedTime)))
	}
	return element(asn1.UTCTime, []byte(at.Format(utcTime)))
}

func attribute(kind encoding_asn1.ObjectIdentifier, value []byte) []byte {
	return sequence(oid(kind), element(asn1.SET, value))
}

// setOf puts the elements of a SET OF into DER's order (X.690 section 11.6), each once.
func setOf(elements ...[]byte) [][]byte {
	slices.SortFunc(elements, bytes.Compare)
	return slices.CompactFunc(elements, bytes.Equal)
}

func sequence(parts ...[]byte) []byte { return element(asn1.SEQUENCE, parts...) }

func octetString(b []byte) []byte { return element(asn1.OCTET_STRING, b) }

// tagged is the constructed context-specific tag [n]: that of an EXPLICIT element, and of an IMPLICIT SET OF.
func tagged(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

func element(tag asn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, part := range parts {
			b.AddBytes(part)
		}
	})
	return b.BytesOrPanic() // fails on lengths over 32 bits alone, and MaxSize is far below
}

func oid(o encoding_asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(o)
	return b.BytesOrPanic()
}

func integer(n *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1BigInt(n)
	return b.BytesOrPanic()
}
