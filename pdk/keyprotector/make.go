package keyprotector

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// New makes a protector with a new transport key, which the owner and each of the guardians can unwrap.
func New(owner *guardian.Owner, guardians []*guardian.Guardian) (*Protector, TransportKey, error) {
	key := newTransportKey()
	p, err := create(owner, guardians, &key)
	if err != nil {
		key.Clear()
		return nil, key, fmt.Errorf("making a key protector for owner %q: %w", owner.Name, err)
	}
	return p, key, nil
}

func create(owner *guardian.Owner, guardians []*guardian.Guardian, key *TransportKey) (*Protector, error) {
	var p Protector
	if err := p.addOwner(owner, key); err != nil {
		return nil, err
	}
	for _, g := range guardians {
		if err := p.add(owner, g, key); err != nil {
			return nil, fmt.Errorf("guardian %q: %w", g.Name, err)
		}
	}
	return seal(p.wrappings, key, 0, owner.SigningKey)
}

// Grant gives a protector with the same transport key, and the same wrappings and one for the guardian. It needs both keys
// of the owner. Wrappings that others than the owner added remain: know where the protector comes from, and look at them.
//
// The error is that of Unwrap, or ErrNotOwner.
func (p *Protector) Grant(owner *guardian.Owner, g *guardian.Guardian) (*Protector, error) {
	granted, err := p.grant(owner, g)
	if err != nil {
		return nil, fmt.Errorf("granting access to guardian %q: %w", g.Name, err)
	}
	return granted, nil
}

func (p *Protector) grant(owner *guardian.Owner, g *guardian.Guardian) (*Protector, error) {
	if err := p.checkOwner(owner); err != nil {
		return nil, err
	}
	key, w, err := p.unwrapFor(owner)
	if err != nil {
		return nil, err
	}
	defer key.Clear()
	if w.id != 0 {
		return nil, fmt.Errorf("%w: wrapping 0 is for another encryption key than that of %q", ErrNotOwner, owner.Name)
	}
	granted := Protector{wrappings: slices.Clone(p.wrappings)}
	if err := granted.add(owner, g, &key); err != nil {
		return nil, err
	}
	return seal(granted.wrappings, &key, 0, owner.SigningKey)
}

// Revoke gives a protector with a new transport key, without the wrappings that revoked says true of, and without those
// that lead to the owner through one of them. It needs the owner's signing key alone. The caller encrypts anew what lay
// under the old transport key: who could unwrap the old protector still knows that. All other wrappings remain, as with
// Grant, and get the new transport key; the owner's own is made anew, as only the owner knows which encryption key is right.
//
// The error is ErrNotOwner, one of Verify, or ErrNotGranted when no wrapping was to be left out.
func (p *Protector) Revoke(owner *guardian.Owner, revoked func(WrappingInfo) bool) (*Protector, TransportKey, error) {
	key := newTransportKey()
	rest, err := p.revoke(owner, revoked, &key)
	if err != nil {
		key.Clear()
		return nil, key, fmt.Errorf("revoking access to a key protector: %w", err)
	}
	return rest, key, nil
}

func (p *Protector) revoke(owner *guardian.Owner, revoked func(WrappingInfo) bool, key *TransportKey) (*Protector, error) {
	if err := p.checkOwner(owner); err != nil {
		return nil, err
	}
	if err := p.verify(); err != nil {
		return nil, err
	}
	if revoked(p.Owner()) {
		return nil, errors.New("the owner's own access cannot be revoked")
	}
	var rest []*wrapping
	for i := range p.wrappings {
		w := &p.wrappings[i]
		if w.id != 0 && !slices.ContainsFunc(p.chain(w), func(w *wrapping) bool { return revoked(w.info()) }) {
			rest = append(rest, w)
		}
	}
	if 1+len(rest) == len(p.wrappings) {
		return nil, ErrNotGranted
	}
	var remaining Protector
	if err := remaining.addOwner(owner, key); err != nil {
		return nil, err
	}
	wrapped, err := rewrap(rest, key)
	if err != nil {
		return nil, err
	}
	return seal(append(remaining.wrappings, wrapped...), key, 0, owner.SigningKey)
}

// Roll does what a key protection service does with a protector, called ingress, that it was sent (MS-KPS section
// 3.1.5.1.1.3): it unwraps it with its keys and makes the egress protector, with a new transport key, signed by itself.
//
// The egress is for the owner, with the certificates and signatures that the ingress has, and for the service. Other
// guardians have no access to it: section 3.1.5.1.1.1 names these two and no other, and it is for the owner to grant more.
// Where the service's wrapping leads to the owner through others, these remain too, as the format has no place for their
// signatures but in wrappings, and none for wrappings without a key.
//
// Where the service has another encryption certificate by now, next has it: the egress is for that one, as the signing
// certificate that the owner trusts vouches for it. next is nil where the egress is for the same one as the ingress, and
// makes no difference where the ingress is for both.
//
// The error is that of Unwrap, or ErrNotGranted when the service's wrapping, or next, names another signing key.
func (p *Protector) Roll(service *guardian.Owner, next *guardian.Guardian) (egress *Protector, ingressKey, egressKey TransportKey, err error) {
	ingressKey, w, err := p.unwrapFor(service)
	egressKey = newTransportKey()
	if err == nil && !sameKey(w.signing.PublicKey, service.SigningKey.Public()) {
		err = fmt.Errorf("%w: its wrapping %d names another signing key", ErrNotGranted, w.id)
	}
	if err == nil && next != nil && p.wrappingFor(next.Encryption.PublicKey) == nil {
		w, err = w.moveTo(next)
	}
	if err == nil {
		chain := p.chain(w)
		slices.Reverse(chain)
		var wrapped []wrapping
		if wrapped, err = rewrap(chain, &egressKey); err == nil {
			egress, err = p.reseal(wrapped, &egressKey, w.id, service.SigningKey)
		}
	}
	if err != nil {
		ingressKey.Clear()
		egressKey.Clear()
		return nil, ingressKey, egressKey, fmt.Errorf("rolling a transport key: %w", err)
	}
	return egress, ingressKey, egressKey, nil
}

// moveTo gives the wrapping with another encryption certificate of the guardian, for which its signing key has to vouch.
func (w *wrapping) moveTo(next *guardian.Guardian) (*wrapping, error) {
	if !sameKey(w.signing.PublicKey, next.Signing.PublicKey) {
		return nil, fmt.Errorf("%w: the next certificates are of another guardian than its wrapping %d", ErrNotGranted, w.id)
	}
	moved := *w
	moved.encryption = next.Encryption
	if err := moved.checkKeys(nil); err != nil {
		return nil, err
	}
	return &moved, moved.vouch(next)
}

func (p *Protector) unwrapFor(g *guardian.Owner) (TransportKey, *wrapping, error) {
	key, ok := g.EncryptionKey.(crypto.Decrypter)
	if !ok {
		return TransportKey{}, nil, fmt.Errorf("the encryption key of guardian %q cannot decrypt", g.Name)
	}
	return p.unwrap(key)
}

func (p *Protector) checkOwner(owner *guardian.Owner) error {
	if !sameKey(p.wrapping(0).signing.PublicKey, owner.SigningKey.Public()) {
		return fmt.Errorf("%w than %q", ErrNotOwner, owner.Name)
	}
	return nil
}

// addOwner adds the transport key, wrapped for the owner.
func (p *Protector) addOwner(owner *guardian.Owner, key *TransportKey) error {
	own := owner.Guardian
	var err error
	if _, own.EncryptionSignature, err = guardian.Sign(owner.SigningKey, own.Encryption.Raw); err != nil {
		return err
	}
	return p.add(owner, &own, key)
}

// add adds the transport key, wrapped for the guardian, under the owner's signature. The first to be added is the owner.
func (p *Protector) add(owner *guardian.Owner, g *guardian.Guardian, key *TransportKey) error {
	w := wrapping{signing: g.Signing, encryption: g.Encryption}
	for p.wrapping(w.id) != nil {
		w.id++
	}
	if err := w.checkKeys(nil); err != nil {
		return err
	}
	if p.wrappingFor(g.Encryption.PublicKey) != nil {
		return errors.New("it has access already")
	}
	if err := w.vouch(g); err != nil {
		return err
	}
	var err error
	if w.signingSignature.algorithm, w.signingSignature.value, err = guardian.Sign(owner.SigningKey, g.Signing.Raw); err != nil {
		return err
	}
	if err := w.wrap(key); err != nil {
		return fmt.Errorf("guardian %q: encrypting to its certificate: %w", g.Name, err)
	}
	p.wrappings = append(p.wrappings, w)
	return nil
}

// vouch takes a guardian's signature over its encryption certificate.
func (w *wrapping) vouch(g *guardian.Guardian) error {
	if len(g.EncryptionSignature) == 0 {
		return errors.New("nothing shows that its encryption certificate is its own: import its metadata")
	}
	w.encryptionSignature = signature{guardian.RSASHA256, g.EncryptionSignature}
	if _, ok := g.Signing.PublicKey.(*ecdsa.PublicKey); ok {
		w.encryptionSignature.algorithm = guardian.ECDSASHA256
	}
	if err := guardian.Verify(g.Signing, w.encryptionSignature.algorithm, g.Encryption.Raw, g.EncryptionSignature); err != nil {
		return fmt.Errorf("guardian %q: its encryption certificate: %w", g.Name, err)
	}
	return nil
}

// rewrap wraps a new transport key for whom wrappings of another protector are for.
func rewrap(wrappings []*wrapping, key *TransportKey) (wrapped []wrapping, err error) {
	for _, w := range wrappings {
		w := *w
		if err := w.wrap(key); err != nil {
			return nil, fmt.Errorf("encrypting to the certificate of wrapping %d: %w", w.id, err)
		}
		wrapped = append(wrapped, w)
	}
	return wrapped, nil
}

// seal makes a protector of wrappings that hold the transport key, and signs it with the signing key of one of them.
func seal(wrappings []wrapping, key *TransportKey, signer uint32, signingKey crypto.Signer) (*Protector, error) {
	if len(wrappings) > MaxWrappings {
		return nil, fmt.Errorf("at most %d guardians can have access beside the owner", MaxWrappings-1)
	}
	signed, err := sign(wrappings, key, signer, signingKey)
	if err != nil {
		return nil, err
	}
	p, err := parse(signed.data, nil)
	if err != nil {
		return nil, err
	}
	if err := p.verify(); err != nil { // a key that does not belong to its certificate comes to light here
		return nil, err
	}
	return p, nil
}

// reseal is seal for wrappings of p, which was verified, that were wrapped anew: what was checked of them still holds, and is not
// read and checked again.
func (p *Protector) reseal(wrappings []wrapping, key *TransportKey, signer uint32, signingKey crypto.Signer) (*Protector, error) {
	sealed, err := sign(wrappings, key, signer, signingKey)
	if err != nil {
		return nil, err
	}
	if len(sealed.data) > MaxSize { // another may have written the same in fewer bytes
		return nil, fmt.Errorf("%w: it would have %d bytes, at most %d are accepted", ErrInvalidProtector, len(sealed.data), MaxSize)
	}
	sealed.cache = p.cache
	if _, own := signingKey.(*rsa.PrivateKey); own && sameKey(sealed.wrapping(signer).signing.PublicKey, signingKey.Public()) {
		return sealed, nil // crypto/rsa has checked the signature with its public key, which is that of the certificate
	}
	if err := sealed.verifyGuardianSignature(); err != nil { // a key that does not belong to its certificate comes to light here
		return nil, err
	}
	return sealed, nil
}

// sign makes a protector of its wrappings.
func sign(wrappings []wrapping, key *TransportKey, signer uint32, signingKey crypto.Signer) (*Protector, error) {
	p := &Protector{wrappings: wrappings, signed: wrappingsXML(wrappings), salt: make([]byte, saltSize), signer: signer}
	rand.Read(p.salt) // never fails
	var err error
	if p.mac, err = transportKeyMAC(key, p.salt, p.signed); err != nil {
		return nil, err
	}
	if p.guardianSignature.algorithm, p.guardianSignature.value, err = guardian.Sign(signingKey, p.signed); err != nil {
		return nil, err
	}
	p.data = fmt.Appendf(make([]byte, 4, len(p.signed)+(4<<10)), protectorXML, p.signed, toBase64(p.salt), signature{algHMAC, p.mac}.xml(),
		signer, p.guardianSignature.xml())
	binary.BigEndian.PutUint32(p.data, uint32(len(p.data)))
	return p, nil
}
