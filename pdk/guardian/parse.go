package guardian

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// MaxMetadata is the size in bytes up to which metadata is read.
const MaxMetadata = excc14n.MaxSize

// maxOtherSigning bounds how many certificates a guardian may name beside its own two.
const maxOtherSigning = 64

// ParseMetadata reads metadata XML (MS-KPS section 6.4) and verifies its three signatures: of the encryption certificate and
// of the signing certificate itself, both by the signing key, and the XML signature over the whole document. The guardian
// has no name yet. ParseMetadata makes no trust decision: anybody can write metadata that it accepts. See Check.
//
// It reads what the schema allows, but for this. The XML signature is of one form: exclusive canonicalization, a single
// reference to the document, or to the ID of Metadata, with an enveloped-signature and an exclusive canonicalization
// transform, SHA-256, RSA or ECDSA, and as KeyInfo nothing but the signing certificate, if anything. Both versions are 1.
// Elements after the signature and additional attributes of Metadata must be in other namespaces than its own and the
// signature's; they are covered by the signature and otherwise ignored. Signatures have no parameters.
func ParseMetadata(xml []byte) (*Guardian, error) {
	g, _, err := readMetadata(xml)
	if err != nil {
		return nil, fmt.Errorf("reading guardian metadata: %w", err)
	}
	return g, nil
}

// readMetadata also gives the ID of the document, "" for none.
func readMetadata(xml []byte) (g *Guardian, id string, err error) {
	root, err := excc14n.Parse(xml)
	if err != nil {
		return nil, "", err
	}
	info, signature, err := readRoot(root)
	if err != nil {
		return nil, "", err
	}
	if g, err = readInformation(info); err != nil {
		return nil, "", err
	}
	if err := verifyEnveloped(root, signature, g.Signing); err != nil {
		return nil, "", fmt.Errorf("the XML signature: %w", err)
	}
	id, _ = root.Attr("ID")
	return g, id, nil
}

// readRoot finds the only two elements of the document that are read.
func readRoot(root *excc14n.Node) (info, signature *excc14n.Node, err error) {
	if !root.Is(nsKPS, "Metadata") {
		return nil, nil, fmt.Errorf("the document element is %.64q of %.64q, not Metadata of %q: is this guardian metadata?",
			root.Local, root.Space, nsKPS)
	}
	for _, a := range root.Attrs {
		if a.Space == "" && a.Local != "ID" && a.Local != "Version" || isOurs(a.Space) {
			return nil, nil, fmt.Errorf("Metadata has the unknown attribute %.64q", a.Local)
		}
	}
	if version, _ := root.Attr("Version"); version != "1" {
		return nil, nil, fmt.Errorf("the version of Metadata is %.32q, only 1 is known", version)
	}
	if id, given := root.Attr("ID"); given && !xmlID.MatchString(id) {
		return nil, nil, fmt.Errorf("the ID of Metadata, %.64q, is not of the form of an ID", id)
	}
	if strings.Trim(root.Text, whiteSpace) != "" {
		return nil, nil, errors.New("Metadata has text between its elements")
	}
	elements := root.Elements()
	if len(elements) < 2 || !elements[0].Is(nsKPS, "GuardianInformation") || !elements[1].Is(nsDSig, "Signature") {
		return nil, nil, errors.New("Metadata does not begin with GuardianInformation and Signature")
	}
	for _, e := range elements[2:] {
		if e.Space == "" || hasOurs(e) {
			return nil, nil, fmt.Errorf("the element %.64q must not stand after the signature, or has one that must not", e.Local)
		}
	}
	return elements[0], elements[1], nil
}

// hasOurs says whether n is, or has, an element that a reader could take for a part of the metadata or for its signature.
func hasOurs(n *excc14n.Node) bool {
	return isOurs(n.Space) || slices.ContainsFunc(n.Elements(), hasOurs)
}

func isOurs(space string) bool { return space == nsKPS || space == nsDSig }

func readInformation(n *excc14n.Node) (*Guardian, error) {
	parts, err := sequence(n, "Version", "EncryptionCertificate", "SigningCertificate", "EncryptionCertificateSignature",
		"SigningCertificateSelfSignature", "OtherSigningCertificates?")
	if err != nil {
		return nil, err
	}
	if version, err := text(parts[0]); err != nil || version != "1" {
		return nil, fmt.Errorf("the version of GuardianInformation is %.32q, only 1 is known", version)
	}
	g := &Guardian{}
	if g.Encryption, err = readCertificate(parts[1]); err != nil {
		return nil, err
	}
	if g.Signing, err = readCertificate(parts[2]); err != nil {
		return nil, err
	}
	if key, ok := g.Encryption.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("the key of the encryption certificate is not RSA")
	} else if bits := key.N.BitLen(); bits > maxRSABits {
		return nil, fmt.Errorf("the key of the encryption certificate has %d bits, at most %d are accepted", bits, maxRSABits)
	}
	if g.EncryptionSignature, err = verifyCertificate(parts[3], g.Encryption, g.Signing); err != nil {
		return nil, err
	}
	if _, err := verifyCertificate(parts[4], g.Signing, g.Signing); err != nil {
		return nil, err
	}
	if parts[5] != nil {
		g.OtherSigning, err = readCertificates(parts[5])
	}
	return g, err
}

func readCertificates(n *excc14n.Node) ([]*x509.Certificate, error) {
	elements := n.Elements()
	if len(elements) > maxOtherSigning {
		return nil, fmt.Errorf("%s has %d certificates, at most %d are accepted", n.Local, len(elements), maxOtherSigning)
	}
	if _, err := sequence(n, slices.Repeat([]string{"Certificate"}, len(elements))...); err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, e := range elements {
		c, err := readCertificate(e)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, c)
	}
	return certificates, nil
}

func readCertificate(n *excc14n.Node) (*x509.Certificate, error) {
	der, err := binary(n)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Local, err)
	}
	return certificate, nil
}

// verifyCertificate verifies a Signature_T (MS-KPS section 2.2.2.10) over a certificate, and gives its value.
func verifyCertificate(n *excc14n.Node, certificate, signer *x509.Certificate) (value []byte, err error) {
	parts, err := sequence(n, "Parameters?", "SignatureValue")
	if err != nil {
		return nil, err
	}
	if parts[0] != nil {
		if _, err := sequence(parts[0]); err != nil {
			return nil, err
		}
	}
	value, err = binary(parts[1])
	if err != nil {
		return nil, err
	}
	algorithm, _ := n.Attr("Algorithm")
	if err := Verify(signer, algorithm, certificate.Raw, value); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Local, err)
	}
	return value, nil
}
