package guardian

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The algorithms of a guardian's signatures (RFC 9231 sections 2.3.2 and 2.3.6): RSA with PKCS #1 v1.5 padding, and ECDSA
// on P-256 or P-384, both over SHA-256. An ECDSA signature is r and s, each as long as the curve's order.
const (
	RSASHA256   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	ECDSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
)

// ErrSignature says that a signature is not by the key over the message. For errors.Is.
var ErrSignature = errors.New("the signature is wrong")

// maxRSABits bounds the time that verifying and encrypting take.
const maxRSABits = 8192

// Sign signs the message with a guardian's signing key, RSA or ECDSA, and names the algorithm that it used.
func Sign(key crypto.Signer, message []byte) (algorithm string, signature []byte, err error) {
	algorithm, err = signatureAlgorithm(key.Public())
	if err != nil {
		return "", nil, err
	}
	digest := sha256.Sum256(message)
	signature, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", nil, fmt.Errorf("signing: %w", err)
	}
	if public, ok := key.Public().(*ecdsa.PublicKey); ok {
		signature, err = fixedLength(signature, orderSize(public))
	}
	return algorithm, signature, err
}

// Verify says whether the certificate's key signed the message with that algorithm, which must be the one that Sign uses
// for such a key. A signature by another key, over another message, or damaged, is ErrSignature. Verify does not ask
// whether the certificate may sign.
func Verify(certificate *x509.Certificate, algorithm string, message, signature []byte) error {
	want, err := signatureAlgorithm(certificate.PublicKey)
	if err != nil {
		return err
	}
	if algorithm != want {
		return fmt.Errorf("the signature algorithm is %.80q, but for the key of %s it must be %q", algorithm, certificate.Subject, want)
	}
	digest := sha256.Sum256(message)
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
			return ErrSignature
		}
	case *ecdsa.PublicKey:
		if n := orderSize(key); len(signature) != 2*n || !ecdsa.Verify(key, digest[:],
			new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])) {
			return ErrSignature
		}
	}
	return nil
}

// signatureAlgorithm is the algorithm for signatures with a key. It accepts no key with which verifying is too costly.
func signatureAlgorithm(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits > maxRSABits {
			return "", fmt.Errorf("the RSA key has %d bits, at most %d are accepted", bits, maxRSABits)
		}
		return RSASHA256, nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return "", fmt.Errorf("the ECDSA key is on the curve %s, only P-256 and P-384 are accepted", key.Params().Name)
		}
		return ECDSASHA256, nil
	default:
		return "", fmt.Errorf("the key is of type %T, but guardians sign with RSA or ECDSA", key)
	}
}

func orderSize(key *ecdsa.PublicKey) int { return (key.Params().N.BitLen() + 7) / 8 }

// fixedLength turns an ECDSA signature in DER, as crypto.Signer makes it, into r and s of size bytes each.
func fixedLength(der cryptobyte.String, size int) ([]byte, error) {
	var sequence cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !der.ReadASN1(&sequence, asn1.SEQUENCE) || !der.Empty() || !sequence.ReadASN1Integer(r) ||
		!sequence.ReadASN1Integer(s) || !sequence.Empty() || r.Sign() < 0 || s.Sign() < 0 || max(r.BitLen(), s.BitLen()) > 8*size {
		return nil, errors.New("signing: the key returned an ECDSA signature that is not in DER")
	}
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out, nil
}
