// Package policy decides whether a measured boot is one that an attestation service accepts in TPM mode: by the built-in
// policies, and by what administrators expect of their hosts. Every decision says what was measured and what was expected.
//
// The package takes it as given that the boot was proved. It never reads a file and keeps no state of its own.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Errors of changes to a set.
var (
	ErrUnknown = errors.New("there is no such policy")
	ErrLocked  = errors.New("the policy cannot be disabled")
	ErrExists  = errors.New("a policy of that name exists")
)

// A Policy is one that is built in. The names are those of Windows Server's HGS; the GUIDs, by which a host is told, are in
// MS-HGSA section 2.2.2.13 for all of them.
type Policy struct {
	Name   string
	GUID   uuid.UUID
	Says   string // what it demands
	Locked bool   // it is always enabled
	AtOnce bool   // it is enabled until an administrator disables it
}

// A rule is a policy and how it is checked.
type rule struct {
	Policy
	check func(*Set, *tcglog.Boot) verdict
}

// A verdict is what a check found.
type verdict struct {
	passed             bool
	measured, expected string
	matched            string // the administrator's policy that the boot matches
}

// The states in which policies begin.
const (
	locked = iota
	on
	off
)

func builtIn(name, guid, says string, first int) Policy {
	return Policy{name, uuid.MustParse(guid), says, first == locked, first != off}
}

// encryptedDumps decides whether the key of dumps matters.
var encryptedDumps = builtIn("Hgs_DumpEncryption", "6f390a71-753c-43aa-a326-74e30aedcd9d", "crash dumps, where enabled, are encrypted", on)

// rules has the built-in policies in the order in which they are reported.
var rules = []rule{
	{builtIn("Hgs_SecureBootEnabled", "6a460ee1-62ea-416f-ae6c-04e29634506d", "Secure Boot is on", locked), secureBootEnabled},
	{builtIn("Hgs_SecureBootSettings", "756dc455-9528-479a-a86a-c646417316c9", "the Secure Boot configuration is that of a TPM baseline", locked), secureBootSettings},
	{builtIn("Hgs_UefiDebugDisabled", "20188fda-d40b-460d-b078-2e7898a42ae9", "no debugger of firmware, boot loader, hypervisor or kernel is on", on), debuggersOff},
	{builtIn("Hgs_CiPolicy", "81f110ba-53c5-4064-9d64-51029fa24f49", "code integrity is enforced with a policy that an administrator added", locked), ciPolicy},
	{builtIn("Hgs_HypervisorEnforcedCiPolicy", "5408bd30-3250-4ac1-a150-c410af756699", "the hypervisor enforces code integrity", on), hypervisorEnforcedCI},
	{builtIn("Hgs_FullBoot", "75ad09c9-7254-4d00-96f3-3b09d0aaac54", "the host was started, not resumed, into the full system", locked), fullBoot},
	{builtIn("Hgs_VsmIdkPresent", "75d595de-12f5-41e9-a61e-469d3205ecca", "the protected memory has an identity key", locked), identityKeyPresent},
	{builtIn("Hgs_VsmRunning", "6c0a6d29-5bcb-4f28-bafb-f71eb60fdae0", "the virtual secure mode runs", on), vsmRunning},
	{builtIn("Hgs_IommuEnabled", "da0776e5-6570-44b3-9a17-7e95b4fc7779", "the virtual secure mode requires an IOMMU", on), iommuEnabled},
	{builtIn("Hgs_PageFileEncryptionEnabled", "12df0ee9-b38e-4086-90f8-703d9e7cb878", "page files are encrypted", on), always(flag{tcglog.PagefileEncryption, "page file encryption", true})},
	{builtIn("Hgs_NoHibernation", "a32022c6-dccd-4bf5-be76-3b5ca1542559", "hibernation is disabled", on), always(flag{tcglog.HibernationDisabled, "hibernation disabled", true})},
	{builtIn("Hgs_NoDumps", "2a796e36-e918-454f-b610-60f086e8d334", "crash dumps are disabled", on), always(dumpsOff)},
	{encryptedDumps, dumpEncryption},
	{builtIn("Hgs_DumpEncryptionKey", "85dac0a4-8ba9-4a7f-a342-211862ce0be8", "crash dumps, where enabled, are encrypted to a key that an administrator added", on), dumpEncryptionKey},
	{builtIn("Hgs_BitLockerEnabled", "347da547-d266-4939-bf3d-9ec73a90bdbc", "the OS volume is a BitLocker volume", off), bitLocker},
}

// BuiltIn gives the built-in policies.
func BuiltIn() []Policy {
	var all []Policy
	for _, r := range rules {
		all = append(all, r.Policy)
	}
	return all
}

// A Set is what a service has been configured to: a state for each built-in policy, and the administrators' policies. The zero
// Set has the built-in ones in their first state, and accepts no host, since an administrator has not said which to expect.
type Set struct {
	States        map[string]bool `json:"states"` // of those that were changed, by their name
	Administrator []Administrator `json:"administrator"`
}

// Enabled says whether a policy counts, whoever made it.
func (s *Set) Enabled(name string) bool {
	if i := s.find(name); i >= 0 {
		return !s.Administrator[i].Disabled
	}
	for _, r := range rules {
		if strings.EqualFold(r.Name, name) {
			return r.enabled(s)
		}
	}
	return false
}

func (p Policy) enabled(s *Set) bool {
	if on, changed := s.States[p.Name]; changed && !p.Locked {
		return on
	}
	return p.AtOnce
}

// SetEnabled enables or disables a policy, by its name without regard to case. It fails with ErrUnknown or ErrLocked.
func (s *Set) SetEnabled(name string, on bool) error {
	if i := s.find(name); i >= 0 {
		s.Administrator[i].Disabled = !on
		return nil
	}
	for _, r := range rules {
		if !strings.EqualFold(r.Name, name) {
			continue
		}
		if r.Locked && !on {
			return fmt.Errorf("disable %s: %w: no host is healthy without it", r.Name, ErrLocked)
		}
		if s.States == nil {
			s.States = map[string]bool{}
		}
		s.States[r.Name] = on
		return nil
	}
	return fmt.Errorf("%.64q: %w", name, ErrUnknown)
}

// Add takes a policy of an administrator. It fails with ErrExists, or when the policy is not whole.
func (s *Set) Add(a Administrator) error {
	if err := a.check(); err != nil {
		return err
	}
	taken := slices.ContainsFunc(rules, func(r rule) bool { return strings.EqualFold(r.Name, a.Name) })
	if taken || s.find(a.Name) >= 0 {
		return fmt.Errorf("%.64q: %w: choose another name, or remove that one", a.Name, ErrExists)
	}
	s.Administrator = append(s.Administrator, a)
	return nil
}

func (s *Set) find(name string) int {
	return slices.IndexFunc(s.Administrator, func(a Administrator) bool { return strings.EqualFold(a.Name, name) })
}
