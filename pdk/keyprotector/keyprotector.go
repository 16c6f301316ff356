// Package keyprotector makes, reads and opens key protectors: a transport key, wrapped for an owner and for guardians
// (MS-KPS section 2.2.2.3). It creates them, grants and revokes access, and rolls them as a key protection service does.
//
// What stands in a protector, and what it proves:
//
//   - Each wrapping holds a guardian's two certificates and the transport key, encrypted to the second one. The wrapping with
//     Id 0 is the owner's, which signs itself; every other one names a parent that signed its signing certificate, and
//     through its parents leads to the owner. No two wrappings are for one encryption key, and no key
//     both signs and encrypts.
//   - The guardian signature, over all wrappings, is by the signing key of one of them: the owner's in what New, Grant and
//     Revoke write, the key protection service's own in what Roll writes.
//   - The transport key signature, over all wrappings, is made with the transport key. Only who unwraps can check it.
//
// So a protector that verifies was made by its owner, or by somebody whom the owner's signatures lead to, at any time:
// a service must make protectors without the owner's help, and the owner's signature over a guardian's certificate names no
// protector and never ends. Verify does not say whether the owner is the right one; compare Owner with who is expected.
// And whoever was granted access once, and revoked since, can still make a protector in the owner's name, with a transport
// key of its own choosing. There the owner's wrapping may even be for an encryption key of its own: in the format, a
// signature over a signing certificate also is one over an encryption certificate. Take protectors from where their place
// is vouched for, such as shielding data that its owner signed. Certificates are not checked for dates, usages and issuers
// here: that is for when a guardian is chosen.
//
// A guardian learns the transport key from a protector, and nothing else. Revoke makes a new transport key, so that a
// revoked guardian learns nothing from the new protector; what it could open before, it still can.
//
// MaxOfflineUnwraps of a protector is covered by neither signature: anybody on the way may set it. It is read so that it
// can be shown, no right follows from it, and it is never written or carried over.
//
// The package never trusts anybody, keeps nothing but what a Cache is for, and writes no private key.
package keyprotector

import (
	"crypto"
	"crypto/x509"
	"errors"
	"slices"

	"github.com/scutum-project/scutum/pdk/excc14n"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// Limits of a protector. Nothing is written that Parse would refuse.
const (
	MaxSize      = 4 + excc14n.MaxSize // bytes
	MaxWrappings = 64                  // the owner's included
)

// The errors of a protector that is not acceptable, by the names of MS-KPS section 3.1.5.1.1.3. For errors.Is.
var (
	ErrInvalidProtector = errors.New("InvalidProtectorException") // its form, or a signature over the whole of it
	ErrInvalidWrapping  = errors.New("InvalidWrappingException")  // a wrapping's form, chain or signatures
)

// Other reasons why there is no transport key. For errors.Is.
var (
	// ErrNoProtector says that the bytes stand for no protector at all.
	ErrNoProtector = errors.New("there is no key protector")

	// ErrNotGranted says that no wrapping is for this key or guardian.
	ErrNotGranted = errors.New("the key protector grants no access to this guardian")

	// ErrNotOwner says that only its owner may change the protector so.
	ErrNotOwner = errors.New("the key protector has another owner")

	// ErrCannotUnwrap says that a wrapping is for this key, and something in it or in the transport key signature is wrong.
	// What it is remains unsaid, as it could help to guess at the key. A service answers with InvalidProtectorException.
	ErrCannotUnwrap = errors.New("the key protector cannot be opened: it was damaged or forged")
)

// Protector is a key protector of acceptable form: its wrappings have different Ids and lead to wrapping 0. Whether its
// signatures hold, Verify says; every method that opens or changes a protector asks it first.
type Protector struct {
	data              []byte // as of Bytes
	signed            []byte // Wrappings in canonical form, what both signatures are over
	wrappings         []wrapping
	salt              []byte // of the derivation of mac's key
	mac               []byte // the transport key signature
	guardianSignature signature
	signer            uint32 // the wrapping whose signing certificate guardianSignature is by
	maxOfflineUnwraps uint32
	cache             *Cache // may be nil
}

type wrapping struct {
	id, parent          uint32
	signing, encryption *x509.Certificate
	signingSignature    signature // by the parent over signing
	encryptionSignature signature // by signing over encryption
	transportKey        []byte    // a payload, encrypted to encryption
}

type signature struct {
	algorithm string
	value     []byte
}

// Bytes gives the protector as it is stored and sent: a length of 4 bytes, big-endian, that counts itself, and XML.
func (p *Protector) Bytes() []byte { return slices.Clone(p.data) }

// WrappingInfo says whom a wrapping is for.
type WrappingInfo struct {
	ID                  uint32 // unique in the protector; 0 is the owner
	Parent              uint32 // the wrapping that vouches for this one's signing certificate
	Signing, Encryption *x509.Certificate
}

// IsFor says whether one of the guardian's keys is the wrapping's. Their certificates may have been renewed since.
func (w WrappingInfo) IsFor(g *guardian.Guardian) bool {
	return sameKey(w.Signing.PublicKey, g.Signing.PublicKey) || sameKey(w.Encryption.PublicKey, g.Encryption.PublicKey)
}

// Wrappings gives all wrappings, in the order of the protector.
func (p *Protector) Wrappings() []WrappingInfo {
	infos := make([]WrappingInfo, len(p.wrappings))
	for i, w := range p.wrappings {
		infos[i] = w.info()
	}
	return infos
}

// Owner gives the owner's wrapping.
func (p *Protector) Owner() WrappingInfo { return p.wrapping(0).info() }

// Signer gives the wrapping whose guardian signed the protector.
func (p *Protector) Signer() WrappingInfo { return p.wrapping(p.signer).info() }

// MaxOfflineUnwraps is what the attribute of that name says. No signature covers it.
func (p *Protector) MaxOfflineUnwraps() uint32 { return p.maxOfflineUnwraps }

func (w *wrapping) info() WrappingInfo {
	return WrappingInfo{ID: w.id, Parent: w.parent, Signing: w.signing, Encryption: w.encryption}
}

// wrapping gives the one with that Id, nil when there is none.
func (p *Protector) wrapping(id uint32) *wrapping {
	for i := range p.wrappings {
		if p.wrappings[i].id == id {
			return &p.wrappings[i]
		}
	}
	return nil
}

// wrappingFor gives the one for that encryption key, nil when there is none.
func (p *Protector) wrappingFor(key crypto.PublicKey) *wrapping {
	for i := range p.wrappings {
		if sameKey(p.wrappings[i].encryption.PublicKey, key) {
			return &p.wrappings[i]
		}
	}
	return nil
}

// chain gives the wrapping, its parent and so on, up to the owner.
func (p *Protector) chain(w *wrapping) []*wrapping {
	chain := []*wrapping{w}
	for w.id != 0 {
		w = p.wrapping(w.parent)
		chain = append(chain, w)
	}
	return chain
}

func sameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
