package keyprotector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// Parse reads a protector, as Bytes gives it, and checks all of its form: the schema of MS-KPS section 6.1, algorithms and
// their parameters, certificates and keys, Ids, and the way from each wrapping to the owner. Verify checks the signatures.
//
// The form is narrower than the schema. Numbers and base64 are in their one usual form, without white space; there is
// nothing that the schema leaves open, and no algorithm or parameter that this package does not write.
//
// The error is ErrNoProtector, ErrInvalidProtector or, for a fault in a wrapping, ErrInvalidWrapping.
func Parse(data []byte) (*Protector, error) { return parseAs(data, nil) }

func parseAs(data []byte, c *Cache) (*Protector, error) {
	p, err := parse(data, c)
	if err != nil {
		return nil, fmt.Errorf("reading a key protector: %w", err)
	}
	return p, nil
}

func parse(data []byte, c *Cache) (*Protector, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrInvalidProtector, len(data), MaxSize)
	}
	if len(data) < 4 {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrInvalidProtector, len(data))
	}
	if says := binary.BigEndian.Uint32(data); says != uint32(len(data)) {
		return nil, fmt.Errorf("%w: it says that it has %d bytes, and has %d", ErrInvalidProtector, says, len(data))
	}
	if len(data) == 4 {
		return nil, ErrNoProtector
	}
	root, err := excc14n.Parse(data[4:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidProtector, err)
	}
	p := &Protector{cache: c, data: slices.Clone(data)}
	wrappings, err := p.readProtector(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidProtector, err)
	}
	p.signed = excc14n.Canonicalize(wrappings)
	for i, n := range wrappings.Elements() {
		w, err := readWrapping(n, c)
		if err != nil {
			return nil, fmt.Errorf("%w: wrapping number %d: %w", ErrInvalidWrapping, i+1, err)
		}
		p.wrappings = append(p.wrappings, w)
	}
	if err := p.checkChains(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidWrapping, err)
	}
	if p.wrapping(p.signer) == nil {
		return nil, fmt.Errorf("%w: it is signed by wrapping %d, which there is not", ErrInvalidProtector, p.signer)
	}
	return p, nil
}

// readProtector reads all but the wrappings, and gives the element that holds these.
func (p *Protector) readProtector(root *excc14n.Node) (wrappings *excc14n.Node, err error) {
	if !root.Is(namespace, "Protector") {
		return nil, fmt.Errorf("the document is %.64q of the namespace %.64q, not Protector of %q", root.Local, root.Space, namespace)
	}
	var r reader
	offline, parts := r.element(root, "MaxOfflineUnwraps", "Wrappings", "TransportKeySignature", "GuardianSignature")
	if len(root.Attrs) > 0 {
		p.maxOfflineUnwraps = r.number(offline)
	}
	wrappings = parts[0]
	r.attr(wrappings, "")
	count := len(wrappings.Elements())
	if strings.Trim(wrappings.Text, " \t\r\n") != "" || count == 0 || count > MaxWrappings {
		r.fail("Wrappings has text, or %d wrappings; 1 to %d are accepted", count, MaxWrappings)
	}

	signer, guardianParts := r.element(parts[2], "WrappingId", "Signature")
	p.signer = r.number(signer)
	p.guardianSignature = r.signature(guardianParts[0])

	_, parts = r.element(parts[1], "", "KeyDerivationMethod", "Signature")
	mac := r.signature(parts[1])
	p.mac = mac.value
	kdf, parts := r.element(parts[0], "Algorithm", "Parameters")
	salt, hasSalt := strings.CutPrefix(r.parameters(parts[0]), hkdfBeforeSalt)
	salt, hasInfo := strings.CutSuffix(salt, hkdfAfterSalt)
	p.salt = r.base64(salt)
	if kdf != algHKDF || !hasSalt || !hasInfo || len(p.salt) != saltSize {
		r.fail("KeyDerivationMethod is not %q with HMAC-SHA-256, a salt of %d bytes and the info %q", algHKDF, saltSize, hkdfInfo)
	}
	if mac.algorithm != algHMAC || len(mac.value) != sha256.Size {
		r.fail("TransportKeySignature is not %d bytes of %q", sha256.Size, algHMAC)
	}
	return wrappings, r.err
}

func readWrapping(n *excc14n.Node, c *Cache) (w wrapping, err error) {
	r := reader{cache: c}
	if !n.Is(namespace, "Wrapping") {
		r.fail("it is %.64q of the namespace %.64q", n.Local, n.Space)
	}
	_, parts := r.element(n, "", "Id", "SigningCertificate", "SigningCertificateSignature",
		"EncryptionCertificate", "EncryptionCertificateSignature", "TransportKey")
	w.id = r.number(r.text(parts[0]))
	w.signing = r.certificate(parts[1])
	parent, signingParts := r.element(parts[2], "ParentWrappingId", "Signature")
	w.parent = r.number(parent)
	w.signingSignature = r.signature(signingParts[0])
	w.encryption = r.certificate(parts[3])
	_, encryptionParts := r.element(parts[4], "", "Signature")
	w.encryptionSignature = r.signature(encryptionParts[0])

	_, parts = r.element(parts[5], "", "EncryptedData")
	algorithm, parts := r.element(parts[0], "Algorithm", "Parameters", "CipherValue")
	if algorithm != algOAEP || r.parameters(parts[0]) != oaepParameters {
		r.fail("EncryptedData is not %q with SHA-256 and MGF1-SHA-256", algOAEP)
	}
	w.transportKey = r.bytes(parts[1])
	if r.err != nil {
		return w, r.err
	}
	if err := w.checkKeys(c); err != nil {
		return w, err
	}
	if size := w.encryption.PublicKey.(*rsa.PublicKey).Size(); len(w.transportKey) != size {
		return w, fmt.Errorf("the encrypted transport key has %d bytes, not %d as the encryption key", len(w.transportKey), size)
	}
	return w, nil
}

func (w *wrapping) checkKeys(c *Cache) error {
	switch key := w.signing.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 4096 {
			return fmt.Errorf("the signing key has %d bits, 2048 to 4096 are accepted", bits)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return fmt.Errorf("the signing key is on the curve %s, P-256 and P-384 are accepted", key.Params().Name)
		}
	default:
		return errors.New("the signing key is neither RSA nor ECDSA")
	}
	key, ok := w.encryption.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the encryption key is not RSA")
	}
	if bits := key.N.BitLen(); bits < 2048 || bits > 4096 {
		return fmt.Errorf("the encryption key has %d bits, 2048 to 4096 are accepted", bits)
	}
	// A key that nothing can be encrypted to, such as an even one, would keep the owner from making a new transport key.
	err := c.holds(func() error {
		_, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, nil, nil)
		return err
	}, knownUsable, w.encryption.Raw)
	if err != nil {
		return fmt.Errorf("the encryption key is of no use: %w", err)
	}
	return nil
}

// checkChains requires that wrapping 0 is its own parent, that every other wrapping leads to it, and that no key has both
// roles: a signature over a certificate does not tell for which of them it is.
func (p *Protector) checkChains() error {
	for i, w := range p.wrappings {
		for _, other := range p.wrappings[:i] {
			if other.id == w.id {
				return fmt.Errorf("two wrappings have the Id %d", w.id)
			}
			if sameKey(other.encryption.PublicKey, w.encryption.PublicKey) {
				return fmt.Errorf("wrappings %d and %d are for the same encryption key", other.id, w.id)
			}
		}
		for _, signer := range p.wrappings {
			if sameKey(signer.signing.PublicKey, w.encryption.PublicKey) {
				return fmt.Errorf("wrapping %d is for an encryption key that is the signing key of wrapping %d", w.id, signer.id)
			}
		}
	}
	owner := p.wrapping(0)
	if owner == nil || owner.parent != 0 {
		return errors.New("there is no owner: a wrapping with the Id 0 that is its own parent")
	}
	for i := range p.wrappings {
		w := &p.wrappings[i]
		for steps := 0; w.id != 0; steps++ {
			parent := p.wrapping(w.parent)
			if parent == nil {
				return fmt.Errorf("the parent of wrapping %d is %d, which there is not", w.id, w.parent)
			}
			if steps == len(p.wrappings) || parent == w {
				return fmt.Errorf("wrapping %d does not lead to the owner", p.wrappings[i].id)
			}
			w = parent
		}
	}
	return nil
}
