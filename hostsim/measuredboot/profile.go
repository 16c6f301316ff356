package measuredboot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknown says that there is no profile of a name.
var ErrUnknown = errors.New("there is no such boot profile")

// A Profile is a way to boot.
type Profile struct {
	Name, Says string
	change     func(*settings)
}

// settings are what of a host is measured.
type settings struct {
	firmware      string // its maker, whose keys Secure Boot has
	firmwareDebug bool
	secureBoot    bool

	number              uint64 // of the boot
	transfer            uint32
	unlock, unlockAgain uint32 // of the BitLocker volume: by the TPM, and with the key that the one before handed on
	bootDebug           bool
	testSigning         bool
	codeIntegrity       bool
	ciPolicy            []byte // its file; nil where there is none

	hypervisor      uint64
	hypervisorDebug bool
	hypervisorIOMMU uint64
	vsm             uint64
	iommuRequired   bool
	hvci            uint64

	kernelDebug        bool
	safeMode, winPE    bool
	pagefileEncryption bool
	hibernation        bool
	dumps              bool
	dumpEncryption     bool
	dumpKey            []byte
}

func healthy(number uint64, ciPolicy []byte) settings {
	return settings{
		firmware: "Scutum", secureBoot: true, number: number, transfer: toOSLoader, unlock: 4, unlockAgain: 1, codeIntegrity: true,
		ciPolicy: ciPolicy, hypervisor: 1, vsm: 1, iommuRequired: true, hvci: 1, pagefileEncryption: true, dumpEncryption: true,
	}
}

var profiles = []Profile{
	{"healthy", "meets every built-in policy", func(*settings) {}},
	{"no-secure-boot", "Secure Boot is off", func(s *settings) { s.secureBoot = false }},
	{"other-firmware", "firmware of another maker, with other Secure Boot keys", func(s *settings) { s.firmware = "Another maker" }},
	{"firmware-debugger", "the firmware was started in its debug mode", func(s *settings) { s.firmwareDebug = true }},
	{"debugger", "the kernel debugger is on", func(s *settings) { s.kernelDebug = true }},
	{"boot-debugger", "the debugger of the boot loader is on", func(s *settings) { s.bootDebug = true }},
	{"hypervisor-debugger", "the debugger of the hypervisor is on", func(s *settings) { s.hypervisorDebug = true }},
	{"other-ci-policy", "another code integrity policy", func(s *settings) { s.ciPolicy = append([]byte("another than "), s.ciPolicy...) }},
	{"no-ci-policy", "no code integrity policy", func(s *settings) { s.ciPolicy = nil }},
	{"test-signing", "drivers with test signatures are allowed", func(s *settings) { s.testSigning = true }},
	{"no-hvci", "code integrity is not enforced by the hypervisor", func(s *settings) { s.hvci = 0 }},
	{"no-vsm", "no hypervisor, and no protected memory", func(s *settings) { s.hypervisor, s.vsm = 0, 0 }},
	{"no-iommu", "the protected memory does without an IOMMU", func(s *settings) { s.iommuRequired = false }},
	{"safe-mode", "the system is in safe mode", func(s *settings) { s.safeMode = true }},
	{"resumed", "the system was resumed, not started", func(s *settings) { s.transfer = toResume }},
	{"hibernation", "the system may hibernate", func(s *settings) { s.hibernation = true }},
	{"plain-page-file", "page files are not encrypted", func(s *settings) { s.pagefileEncryption = false }},
	{"dumps", "crash dumps are written, unencrypted", func(s *settings) { s.dumps, s.dumpEncryption = true, false }},
	{"encrypted-dumps", "crash dumps are encrypted, to a key that no administrator knows", func(s *settings) { s.dumps, s.dumpKey = true, []byte("somebody's key") }},
	{"no-bitlocker", "the OS volume is not encrypted", func(s *settings) { s.unlock, s.unlockAgain = 0, 0 }},
}

// Profiles gives all profiles, the healthy one first.
func Profiles() []Profile { return slices.Clone(profiles) }

// Find gives the profile of a name. It fails with ErrUnknown.
func Find(name string) (Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("%.64q: %w; there are %s", name, ErrUnknown, strings.Join(names, ", "))
}
