package guardian

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// verifyEnveloped verifies an XML signature (XML Signature 1.1) that is a child of root and covers all else of it. Nothing
// in the signature says what is covered or how: that is fixed, and the signature must say the same.
func verifyEnveloped(root, signature *excc14n.Node, signer *x509.Certificate) error {
	parts, err := sequence(signature, "SignedInfo", "SignatureValue", "KeyInfo?")
	if err != nil {
		return err
	}
	info, err := sequence(parts[0], "CanonicalizationMethod", "SignatureMethod", "Reference")
	if err != nil {
		return err
	}
	if err := fixed(info[0], algExclusive); err != nil {
		return err
	}
	if _, err := sequence(info[1]); err != nil {
		return err
	}
	id, _ := root.Attr("ID")
	digest, err := readReference(info[2], id)
	if err != nil {
		return err
	}
	value, err := binary(parts[1])
	if err != nil {
		return err
	}
	if parts[2] != nil {
		if err := checkKeyInfo(parts[2], signer); err != nil {
			return err
		}
	}

	algorithm, _ := info[1].Attr("Algorithm")
	if err := Verify(signer, algorithm, excc14n.Canonicalize(parts[0]), value); err != nil {
		return err
	}
	covered := sha256.Sum256(excc14n.Canonicalize(root.Without(signature)))
	if !bytes.Equal(digest, covered[:]) {
		return fmt.Errorf("%w: the document is not the one that was signed", ErrSignature)
	}
	return nil
}

// readReference gives the digest of a reference to the whole document without the signature. It may name the document by
// the ID of its document element: whatever else has that ID, the digest is held against the document.
func readReference(n *excc14n.Node, id string) (digest []byte, err error) {
	parts, err := sequence(n, "Transforms", "DigestMethod", "DigestValue")
	if err != nil {
		return nil, err
	}
	if uri, _ := n.Attr("URI"); uri != "" && (id == "" || uri != "#"+id) {
		return nil, fmt.Errorf("the reference is to %.64q, not to the document", uri)
	}
	transforms, err := sequence(parts[0], "Transform", "Transform")
	if err != nil {
		return nil, err
	}
	if err := fixed(transforms[0], algEnveloped); err != nil {
		return nil, err
	}
	if err := fixed(transforms[1], algExclusive); err != nil {
		return nil, err
	}
	if err := fixed(parts[1], algSHA256); err != nil {
		return nil, err
	}
	return binary(parts[2])
}

// checkKeyInfo accepts the signing certificate alone: KeyInfo is not covered by the signature.
func checkKeyInfo(n *excc14n.Node, signer *x509.Certificate) error {
	parts, err := sequence(n, "X509Data")
	if err != nil {
		return err
	}
	if parts, err = sequence(parts[0], "X509Certificate"); err != nil {
		return err
	}
	der, err := binary(parts[0])
	if err != nil {
		return err
	}
	if !bytes.Equal(der, signer.Raw) {
		return errors.New("its KeyInfo has another certificate than SigningCertificate")
	}
	return nil
}
