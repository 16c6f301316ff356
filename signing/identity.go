package signing

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Identity is a private key with its certificate. LoadPFX, LoadPEM and NewLabIdentity make one.
//
// That an identity could be loaded does not mean that it may sign: CheckSigner says that of its certificate.
type Identity struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // issuers that came with it, nearest first; may be empty
	Key         crypto.Signer       // the key that belongs to Certificate
}

// MaxKeyFile bounds a file with keys or certificates, in bytes.
const MaxKeyFile = 1 << 20

const maxCertificates = 64 // in such a file

// newIdentity finds the key's certificate among those that came with it, and its issuers. The order in the file counts for
// nothing: tools differ in it. Certificates that are neither are left out.
func newIdentity(key any, certificates []*x509.Certificate) (*Identity, error) {
	if len(certificates) > maxCertificates {
		return nil, fmt.Errorf("%d certificates: keep the key's own and its issuers, at most %d", len(certificates), maxCertificates)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign: use an RSA or an ECDSA key", key)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, fmt.Errorf("a key of type %T is not supported: use an RSA or an ECDSA key", key)
	}
	var own *x509.Certificate
	for _, c := range certificates {
		if !public.Equal(c.PublicKey) || own != nil && own.Equal(c) {
			continue
		}
		if own != nil {
			return nil, errors.New("two different certificates belong to the private key: keep the one to sign with")
		}
		own = c
	}
	if own == nil {
		return nil, errors.New("the private key belongs to none of the certificates: use the certificate that was issued for this key")
	}
	return &Identity{Certificate: own, Chain: issuers(own, certificates), Key: signer}, nil
}

// issuers gives all of the certificates that lead upwards from leaf, nearest first. They are only a help to whoever
// verifies, who must check the signatures between them anyway, so names and key identifiers are enough here.
func issuers(leaf *x509.Certificate, certificates []*x509.Certificate) []*x509.Certificate {
	path := []*x509.Certificate{leaf}
	for i := 0; i < len(path); i++ {
		for _, c := range certificates {
			if namesIssuer(path[i], c) && !slices.ContainsFunc(path, c.Equal) {
				path = append(path, c)
			}
		}
	}
	return path[1:]
}

// namesIssuer says whether child names issuer as its own (RFC 5280 sections 4.1.2.4 and 4.2.1.1).
func namesIssuer(child, issuer *x509.Certificate) bool {
	if string(child.RawIssuer) != string(issuer.RawSubject) {
		return false
	}
	return len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 ||
		string(child.AuthorityKeyId) == string(issuer.SubjectKeyId)
}
