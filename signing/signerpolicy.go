package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Why CheckSigner refuses a certificate, for errors.Is.
var (
	ErrKeyType     = errors.New("unsupported type of key")
	ErrWeak        = errors.New("weak key or signature")
	ErrKeyUsage    = errors.New("not for digital signatures")
	ErrNotYetValid = errors.New("not yet valid")
	ErrExpired     = errors.New("expired")
)

// UnfitSigner is the error of CheckSigner.
type UnfitSigner struct {
	Certificate *x509.Certificate
	Reason      string // why it may not sign
	Remedy      string // what to do about it
	Err         error  // ErrKeyType, ErrWeak, ErrKeyUsage, ErrNotYetValid or ErrExpired
}

func (u *UnfitSigner) Error() string {
	return fmt.Sprintf("certificate %q may not sign: %s; %s", u.Certificate.Subject, u.Reason, u.Remedy)
}

func (u *UnfitSigner) Unwrap() error { return u.Err }

// strongSignatures are the algorithms that an issuer may have signed the certificate with.
var strongSignatures = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.PureEd25519,
}

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15} // RFC 5280 section 4.2.1.3

// CheckSigner says whether the certificate may sign at that time: an RSA key of 2048 to 4096 bits, or an ECDSA key on
// P-256 or P-384; issued with SHA-256 or better, also when self-signed; with the key usage digitalSignature; within its
// dates. A CA's certificate may, under the same conditions. The error is an *UnfitSigner.
//
// CheckSigner does not ask who issued the certificate, or whether it was revoked.
func CheckSigner(cert *x509.Certificate, at time.Time) error {
	unfit := func(err error, reason, remedy string) error {
		return &UnfitSigner{Certificate: cert, Reason: reason, Remedy: remedy, Err: err}
	}
	const otherKey = "use a certificate with an RSA key of 2048 to 4096 bits, or an ECDSA key on P-256 or P-384"
	if fault := weakKey(cert.PublicKey); fault != "" {
		return unfit(ErrWeak, fault, otherKey)
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits > 4096 {
			return unfit(ErrKeyType, fmt.Sprintf("its RSA key has %d bits", bits), otherKey)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return unfit(ErrKeyType, "its ECDSA key is on the curve "+key.Curve.Params().Name, otherKey)
		}
	default:
		return unfit(ErrKeyType, "its key is neither RSA nor ECDSA", otherKey)
	}

	if !slices.Contains(strongSignatures, cert.SignatureAlgorithm) {
		algorithm := "an algorithm that is not known to be strong"
		if cert.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
			algorithm = cert.SignatureAlgorithm.String()
		}
		return unfit(ErrWeak, "it was itself signed with "+algorithm, "have it issued again with SHA-256")
	}
	if cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		reason := "its key usage does not include digitalSignature"
		if !slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidKeyUsage) }) {
			reason = "it has no key usage, and must have one that allows digital signatures"
		}
		return unfit(ErrKeyUsage, reason, "have it issued again with the key usage digitalSignature")
	}
	const otherDates = "use a certificate that is valid at that time"
	if at.Before(cert.NotBefore) {
		return unfit(ErrNotYetValid, fmt.Sprintf("it is not valid before %s, and this is about %s", date(cert.NotBefore), date(at)), otherDates)
	}
	if at.After(cert.NotAfter) {
		return unfit(ErrExpired, fmt.Sprintf("it expired on %s, and this is about %s", date(cert.NotAfter), date(at)), otherDates)
	}
	return nil
}

// weakKey says why a key is too weak for anybody who signs, and nothing when it is not.
func weakKey(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return fmt.Sprintf("its RSA key has only %d bits", bits)
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return "its ECDSA key is on the curve P-224"
		}
	}
	return ""
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
