// Package pdk makes, reads, opens, changes and checks shielding data files (.pdk): what a tenant gives to whoever hosts its
// virtual machines. The file names the signed templates that may be used and the policy, and holds the tenant's secrets, which
// only those open whom the tenant granted access.
//
// Everything but the secrets is readable by anybody, and signed by the owner: the fabric sees the file's identifier and times,
// kind, policy, key protector, qualifiers, and how long the encrypted secrets are. The secrets are encrypted under a key that is
// derived from the transport key of the key protector.
//
// Whom the owner revokes learns nothing from the files that come after, as these have another transport key. A copy of an
// older file still opens for everybody who could open it then, and nothing in a file says that there is a later one.
//
// The package never decides whether an owner is the right one: compare Signer with who is expected. It never asks whether
// certificates are within their dates, as package guardian does when a guardian is chosen. It writes no file, and secrets to
// none.
package pdk

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing/cms"
)

// Format is the format of the files that this package reads and writes.
const Format = "scutum-pdk-1"

// Limits of a file. Nothing is written that Parse or Open would refuse.
const (
	MaxSize     = cms.MaxSize // bytes of a file
	MaxVolumes  = 64          // qualifiers
	MaxFiles    = 384 << 10   // bytes of answer file and files together
	MaxNumber   = 256         // files, the answer file not included
	MaxFileName = 255         // bytes of a file's name
)

var (
	// ErrPDK says that a file, or what is to become one, is malformed or contradicts itself.
	ErrPDK = errors.New("invalid shielding data")

	// ErrCannotOpen says that the secrets do not decrypt. Why remains unsaid, as it could help to guess at the key.
	ErrCannotOpen = errors.New("the shielding data cannot be opened: the key is another one's, or they were damaged or forged")

	// ErrNotOwner says that only its owner may change the file.
	ErrNotOwner = errors.New("the shielding data have another owner")
)

// A Kind is what shielding data are for, as text.
type Kind string

// The kinds.
const (
	Template   Kind = "template"    // a new virtual machine is made from a signed template
	ExistingVM Kind = "existing-vm" // one that exists is shielded; there are no secrets but the transport key
)

// A Policy is how closed the virtual machine will be to those who run it, as text.
type Policy string

// The policies.
const (
	Shielded            Policy = "shielded"             // nobody on the host gets in
	EncryptionSupported Policy = "encryption-supported" // disk and migration are encrypted; the host's operator keeps the console
)

// ParsePolicy reads the text of a policy.
func ParsePolicy(s string) (Policy, error) {
	policies := []Policy{Shielded, EncryptionSupported}
	if !slices.Contains(policies, Policy(s)) {
		return "", fmt.Errorf("unknown policy %.32q: use %s or %s", s, Shielded, EncryptionSupported)
	}
	return Policy(s), nil
}

// ShieldingData is a file that was read: its form is right, its signature is good, and it is by the owner of its key protector.
type ShieldingData struct {
	ID           uuid.UUID // stays the same when the file is changed
	Created      time.Time // UTC, as the owner claims
	Kind         Kind
	Policy       Policy
	KeyProtector *keyprotector.Protector // verified
	Volumes      []Qualifier             // which templates may be used
	SignedAt     time.Time               // UTC, as the owner claims: when it was made or last changed
	Signer       *x509.Certificate       // the owner's, as its key protector has it

	sealed sealed
}

// sameKey says whether two public keys, of any kind that certificates are accepted with here, are equal.
func sameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
