package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
)

// certificateFacts is a certificate in the output of every command.
type certificateFacts struct {
	Subject   string `json:"subject"`
	Issuer    string `json:"issuer"`
	SHA256    string `json:"sha256"` // of the DER, in hexadecimal
	Key       string `json:"key"`
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
}

func factsOfCertificate(c *x509.Certificate) certificateFacts {
	return certificateFacts{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), SHA256: signing.Thumbprint(c),
		Key: keyName(c), NotBefore: cli.Moment(c.NotBefore), NotAfter: cli.Moment(c.NotAfter),
	}
}

func keyName(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

// catalogFacts is a signed catalog in the output of every command, without the
// hashes.
type catalogFacts struct {
	Name        string           `json:"name"`
	Version     string           `json:"version"`
	Type        string           `json:"type"`
	Created     string           `json:"created"`
	Digest      string           `json:"digest"` // SHA-256 of the content, in hexadecimal
	SegmentSize int64            `json:"segmentSize"`
	Segments    int              `json:"segments"`
	SignedAt    string           `json:"signedAt"`
	Signer      certificateFacts `json:"signer"`
}

func factsOfCatalog(s *signing.Signed) catalogFacts {
	c := s.Catalog
	f := catalogFacts{
		Name: c.Template.Name, Version: c.Template.Version.String(), Type: c.Type, Created: cli.Moment(c.Created),
		Digest: hex.EncodeToString(s.Digest[:]), SegmentSize: c.Hash.Segment,
		SignedAt: cli.Moment(s.SigningTime), Signer: factsOfCertificate(s.Signer),
	}
	for _, v := range c.Volumes {
		f.Segments += len(v.Segments) / sha256.Size
	}
	return f
}

func (f catalogFacts) pairs() []string {
	return []string{
		"template", f.Name + ", version " + f.Version,
		"type", f.Type,
		"catalog", "SHA-256 " + f.Digest,
		"segments", fmt.Sprintf("%d of %s", f.Segments, formatSize(f.SegmentSize)),
		"signed", f.SignedAt,
		"signer", f.Signer.Subject + " (" + f.Signer.Key + ")",
		"thumbprint", "SHA-256 " + f.Signer.SHA256,
	}
}

// unjudged are the pairs for commands that do not ask whether the signer is
// trusted: anybody can make a certificate with any name.
func (f catalogFacts) unjudged() []string {
	return append(f.pairs(), "signer trusted", `not checked here; "scutum template verify" checks it`)
}
