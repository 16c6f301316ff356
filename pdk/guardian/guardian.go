// Package guardian holds guardians: who may open shielding data. A guardian is a signing certificate and an encryption
// certificate under a name. A fabric guardian is the public metadata of a host guardian service; an owner guardian comes
// with the private keys. The package makes owners, writes and reads the metadata XML of MS-KPS section 6.4, says what
// speaks against trusting a guardian, and keeps guardians in a folder.
//
// It never writes a private key outside of a PFX file under a passphrase, and never decides on trust by itself: reading a
// guardian and trusting it (Check) are two steps.
package guardian

import (
	"crypto"
	"crypto/x509"
)

// Guardian is the public part of a guardian.
type Guardian struct {
	Name       string            // the name in the store; the metadata does not hold it
	Signing    *x509.Certificate // signs certificates, key protectors and, for an owner, shielding data files
	Encryption *x509.Certificate // transport keys are encrypted to it; always RSA

	// EncryptionSignature is Sign over the DER of Encryption, by the key of Signing. A key protector for this guardian holds it
	// (EncryptionCertificateSignature, MS-KPS sections 2.2.2.13 and 6.4).
	EncryptionSignature []byte

	// OtherSigning are further signing certificates that the guardian names as its own, such as those that are being
	// phased in or out. Nothing but the metadata's signature vouches for them.
	OtherSigning []*x509.Certificate
}

// Owner is a guardian with its private keys.
type Owner struct {
	Guardian
	SigningKey    crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey, for Signing
	EncryptionKey crypto.Signer // *rsa.PrivateKey, for Encryption
}
