package signing

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// LoadPEM reads a certificate with its issuers from one PEM file, in any order, and the private key from another: PKCS #8,
// PKCS #1 or SEC 1, not encrypted. Both may be the same file.
func LoadPEM(cert, key []byte) (*Identity, error) {
	certificates, err := certificatesFromPEM(cert)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate file: %w", err)
	}
	private, err := keyFromPEM(key)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	id, err := newIdentity(private, certificates)
	if err != nil {
		return nil, fmt.Errorf("joining key and certificate: %w", err)
	}
	return id, nil
}

// ParseCertificates reads the certificates of a file: PEM, in which other blocks are passed over, or DER, one after the other.
// There is at least one. It says nothing of whether they can be trusted.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if IsPEM(data) {
		return certificatesFromPEM(data)
	}
	if len(data) > MaxKeyFile {
		return nil, fmt.Errorf("%d bytes are more than the %d that are accepted", len(data), MaxKeyFile)
	}
	certificates, err := x509.ParseCertificates(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is neither a PEM nor a DER certificate: %w", err)
	case len(certificates) == 0:
		return nil, errors.New("there is no certificate in it")
	}
	return certificates, nil
}

// IsPEM says whether data is a PEM file (RFC 7468), by the line with which a block begins.
func IsPEM(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN ")) }

func certificatesFromPEM(data []byte) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue // the key, when both are in one file
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, c)
	}
	if len(certificates) == 0 {
		return nil, fmt.Errorf("it has no certificate, only %s", blocks[0].Type)
	}
	return certificates, nil
}

func keyFromPEM(data []byte) (any, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	var key any
	for _, block := range blocks {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue // certificates, when both are in one file, and EC PARAMETERS
		}
		if key != nil {
			return nil, errors.New("it has more than one private key: keep the one to sign with")
		}
		if key, err = parseKey(block); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, fmt.Errorf("it has no private key, only %s", blocks[0].Type)
	}
	return key, nil
}

func parseKey(block *pem.Block) (any, error) {
	// The old encryption of OpenSSL is a header of the block (RFC 1421 section 4.6.1.1).
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, errors.New("the private key is encrypted: put it into a PFX file, which keeps its password, with " +
			"`openssl pkcs12 -export -inkey KEY.pem -in CERT.pem -out SIGNER.pfx`")
	}
	switch block.Type {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a key of type %s is not supported: use an RSA or an ECDSA key", block.Type)
	}
}

// pemBlocks gives the blocks of a PEM file, at least one. pem.Decode silently skips what it cannot read; a file with a
// damaged block is refused here.
func pemBlocks(data []byte) ([]*pem.Block, error) {
	if len(data) > MaxKeyFile {
		return nil, fmt.Errorf("%d bytes are more than the %d that are accepted", len(data), MaxKeyFile)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // Windows editors put a byte order mark there
	begun := bytes.Count(append([]byte("\n"), data...), []byte("\n-----BEGIN "))
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		blocks, data = append(blocks, block), rest
	}
	if begun == 0 {
		return nil, errors.New("it is not PEM (-----BEGIN ...): convert it with openssl, or use a PFX file")
	}
	if len(blocks) != begun {
		return nil, fmt.Errorf("%d of its %d PEM blocks cannot be read: have the file sent again", begun-len(blocks), begun)
	}
	return blocks, nil
}
