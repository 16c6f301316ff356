// Package cms signs bytes, and reads back what was signed, as CMS SignedData (RFC 5652) in one narrow profile.
//
// The profile: DER; content of type id-data, attached; version 1; one signer, named by issuer and serial number, whose
// certificate is in the message; SHA-256 and no other digest; exactly the three signed attributes content type, message
// digest and signing time; RSA PKCS #1 v1.5 with 2048 to 8192 bits, or ECDSA on P-256 or P-384. One RFC 3161 time
// stamp token may stand in the unsigned attributes. Any other byte in the message is an error, so that two readers cannot
// disagree about what was signed. `openssl cms -verify -binary -inform DER` reads what Sign writes.
//
// The package never decides whom to trust. CMS signs the content and not the certificates beside it: after Parse it is
// certain that the holder of Signer's key signed Content, and nothing else that Signer says of itself is certain (name,
// dates, usage) until its chain was verified or the whole certificate compared with a known one. SigningTime is the
// signer's word. A time stamp is noticed, not verified.
package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// Limits of a message. Sign writes nothing that Parse would refuse.
const (
	MaxSize            = 4 << 20  // bytes of DER
	MaxCertificates    = 16       // the signer's and its chain
	MaxCertificateSize = 64 << 10 // bytes of DER of each
)

// Signed is the content of a message whose signature was verified, and who signed it.
type Signed struct {
	Content      []byte
	Certificates []*x509.Certificate // all of the message, Signer included; their order means nothing
	Signer       *x509.Certificate   // holds the key that verifies the signature
	SigningTime  time.Time           // UTC, whole seconds, as the signer claims
	HasTimestamp bool                // there is an RFC 3161 token; it was not verified
}

// Every error of Parse is one of these two.
var (
	// ErrMalformed says that the input is no SignedData, or not one of this package's profile.
	ErrMalformed = errors.New("not an acceptable CMS signature")

	// ErrSignature says that the input has the right form, and its content, signed attributes or signature was altered.
	ErrSignature = errors.New("CMS signature does not verify")
)

var (
	oidData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1} // RFC 5652 section 4
	oidSignedData     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} // section 5.1
	oidContentType    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3} // section 11.1
	oidMessageDigest  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4} // section 11.2
	oidSigningTime    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5} // section 11.3
	oidTimeStampToken = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}

	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1} // RFC 5754
	oidRSA             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSAWithSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// maxRSABits keeps a hostile certificate from costing more than a moment, here and where its chain is verified.
const maxRSABits = 8192

// checkKey refuses the kinds and sizes of signers' keys that are outside the profile.
func checkKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > maxRSABits {
			return fmt.Errorf("the signer's RSA key has %d bits, 2048 to %d are accepted", bits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return fmt.Errorf("the signer's key is on the curve %s, P-256 and P-384 are accepted", key.Curve.Params().Name)
		}
		return nil
	default:
		return errors.New("the signer's key is neither RSA nor ECDSA")
	}
}
