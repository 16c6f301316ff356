package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// A finding is part of a verdict.
type finding struct {
	ok                 bool
	measured, expected string
}

// together is passed when all findings are.
func together(findings ...finding) verdict {
	v := verdict{passed: true}
	var measured, expected []string
	for _, f := range findings {
		v.passed = v.passed && f.ok
		measured, expected = append(measured, f.measured), append(expected, f.expected)
	}
	v.measured, v.expected = strings.Join(measured, "; "), strings.Join(expected, "; ")
	return v
}

// A flag is a Windows event that says yes or no, and what it must say each time that it is measured.
type flag struct {
	id   tcglog.ID
	name string
	want bool
}

var (
	dumpsOff  = flag{tcglog.DumpsDisabled, "crash dumps disabled", true}
	encrypted = flag{tcglog.DumpEncryption, "crash dump encryption", true}
)

// find demands that the flag was measured, and always as wanted.
func (f flag) find(b *tcglog.Boot) finding {
	values := b.Flags(f.id)
	return finding{len(values) > 0 && !slices.Contains(values, !f.want), describe(f.name, values), f.name + " " + fmt.Sprint(f.want)}
}

// findIfMeasured allows that it was not.
func (f flag) findIfMeasured(b *tcglog.Boot) finding {
	found := f.find(b)
	found.ok = found.ok || len(b.Flags(f.id)) == 0
	return found
}

func always(flags ...flag) func(*Set, *tcglog.Boot) verdict {
	return func(_ *Set, b *tcglog.Boot) verdict {
		var findings []finding
		for _, f := range flags {
			findings = append(findings, f.find(b))
		}
		return together(findings...)
	}
}

// number demands that a Windows event was measured, and always with one of the values.
func number(b *tcglog.Boot, id tcglog.ID, name, expected string, good func(uint64) bool) finding {
	values := b.Numbers(id)
	ok := len(values) > 0
	for _, v := range values {
		ok = ok && good(v)
	}
	return finding{ok, describe(name, values), name + " " + expected}
}

func nonZero(v uint64) bool { return v != 0 }

// maxTold is how many things of a kind are told of: every attestation is recorded with what was measured and expected.
const maxTold = 8

// describe names the different values that were measured.
func describe[T comparable](name string, values []T) string {
	if len(values) == 0 {
		return name + " not measured"
	}
	var different []T
	var texts []string
	for _, v := range values {
		if len(different) < maxTold && !slices.Contains(different, v) {
			different, texts = append(different, v), append(texts, fmt.Sprint(v))
		}
	}
	return name + " " + strings.Join(texts, " and ")
}

func secureBootEnabled(_ *Set, b *tcglog.Boot) verdict {
	return together(finding{
		len(b.SecureBoot) > 0 && !slices.Contains(b.SecureBoot, false), describe("Secure Boot", b.SecureBoot), "Secure Boot true",
	})
}

// secureBootSettings looks for a baseline with the same measurements in the same order, which is to say the same PCR 7.
func secureBootSettings(s *Set, b *tcglog.Boot) verdict {
	v := verdict{measured: fmt.Sprintf("PCR 7 of bank %v is %x", b.Bank, b.PCRs[7]), expected: "the Secure Boot configuration of a baseline"}
	others := 0
	for _, a := range s.Administrator {
		if a.Kind != Baseline || a.Disabled {
			continue
		}
		difference := a.differs(b)
		if difference == "" {
			v.passed, v.matched = true, a.Name
			return v
		}
		if others++; others <= maxTold {
			v.expected += fmt.Sprintf("; %q: %s", a.Name, difference)
		}
	}
	if others > maxTold {
		v.expected += fmt.Sprintf("; and %d others", others-maxTold)
	}
	return v
}

// differs names the first difference between a baseline and a boot, or nothing.
func (a *Administrator) differs(b *tcglog.Boot) string {
	if a.Bank != b.Bank {
		return fmt.Sprintf("it is of bank %v", a.Bank)
	}
	for i, want := range a.Settings {
		if i == len(b.Settings) {
			return fmt.Sprintf("measurement %d, %s, is missing", i+1, want.Name)
		}
		if got := b.Settings[i]; !bytes.Equal(got.Digest, want.Digest) {
			return fmt.Sprintf("measurement %d is %s with digest %x, not %s with %x", i+1, printable(got.Name), got.Digest, want.Name, want.Digest)
		}
	}
	if len(b.Settings) > len(a.Settings) {
		return fmt.Sprintf("measurement %d, %s, is too many", len(a.Settings)+1, printable(b.Settings[len(a.Settings)].Name))
	}
	return ""
}

func debuggersOff(_ *Set, b *tcglog.Boot) verdict {
	hypervisor := flag{tcglog.HypervisorDebug, "hypervisor debugger", false}
	find := hypervisor.findIfMeasured // without a hypervisor it is not
	if slices.ContainsFunc(b.Numbers(tcglog.HypervisorLaunchType), nonZero) {
		find = hypervisor.find
	}
	return together(
		finding{!b.FirmwareDebugger, fmt.Sprint("firmware debugger ", b.FirmwareDebugger), "firmware debugger false"},
		flag{tcglog.BootDebugging, "boot debugger", false}.find(b),
		flag{tcglog.OSKernelDebug, "kernel debugger", false}.find(b),
		find(b),
	)
}

// ciPolicy looks for one policy of an administrator among those that were loaded. Others that are loaded with it take rights
// away, unless the administrator's allows that they give some.
func ciPolicy(s *Set, b *tcglog.Boot) verdict {
	v := always(
		flag{tcglog.CodeIntegrity, "code integrity", true},
		flag{tcglog.TestSigning, "test signing", false},
	)(s, b)
	found := false
	var loaded []string
	for i, p := range b.Policies {
		if i < maxTold {
			loaded = append(loaded, fmt.Sprintf("%s with %v digest %x", printable(p.String()), p.Algorithm, p.Digest))
		}
		for _, a := range s.Administrator {
			if a.Kind == CI && !a.Disabled && p.Algorithm == tcglog.SHA256 && bytes.Equal(p.Digest, a.Digest) {
				found, v.matched = true, a.Name
			}
		}
	}
	if len(loaded) == 0 {
		loaded = []string{"no code integrity policy"}
	}
	if v.passed = v.passed && found; !v.passed {
		v.matched = ""
	}
	v.measured += "; " + strings.Join(loaded, ", ")
	v.expected += "; " + s.expects(CI, "a code integrity policy with SHA-256 digest")
	return v
}

// expects names the digests of the administrators' policies of a kind.
func (s *Set) expects(kind Kind, what string) string {
	var digests []string
	others := 0
	for _, a := range s.Administrator {
		switch {
		case a.Kind != kind || a.Disabled:
		case len(digests) == maxTold:
			others++
		default:
			digests = append(digests, fmt.Sprintf("%x (%s)", a.Digest, a.Name))
		}
	}
	if len(digests) == 0 {
		return what + " that an administrator adds; there is none"
	}
	if others > 0 {
		digests = append(digests, fmt.Sprintf("one of %d others", others))
	}
	return what + " " + strings.Join(digests, " or ")
}

func hypervisorEnforcedCI(_ *Set, b *tcglog.Boot) verdict {
	return together(
		number(b, tcglog.HypervisorLaunchType, "hypervisor launch type", "not 0", nonZero),
		number(b, tcglog.VBSHVCIPolicy, "hypervisor-enforced code integrity", "1 (on) or 2 (strict)", func(v uint64) bool { return v == 1 || v == 2 }),
	)
}

// Where control was transferred to: the OS loader, or the hypervisor loader on the way. Any other value resumes a system.
const (
	toOSLoader         = 1
	toHypervisorLoader = 5
)

func fullBoot(_ *Set, b *tcglog.Boot) verdict {
	control := number(b, tcglog.TransferControl, "transfer of control to", "1 (OS loader), and 5 (hypervisor loader) besides",
		func(v uint64) bool { return v == toOSLoader || v == toHypervisorLoader })
	control.ok = control.ok && slices.Contains(b.Numbers(tcglog.TransferControl), toOSLoader)
	return together(
		control,
		flag{tcglog.SafeMode, "safe mode", false}.find(b),
		flag{tcglog.WinPE, "Windows PE", false}.find(b),
	)
}

// identityKeyPresent wants the key for encryption. That for signing is certified where a host asks for it and has one.
func identityKeyPresent(_ *Set, b *tcglog.Boot) verdict {
	v := verdict{passed: b.EncryptionKey != nil, measured: "no identity key", expected: "an RSA identity key"}
	if v.passed {
		v.measured = fmt.Sprintf("an RSA identity key of %d bits", b.EncryptionKey.N.BitLen())
	}
	return v
}

func vsmRunning(_ *Set, b *tcglog.Boot) verdict {
	return together(number(b, tcglog.VSMLaunchType, "VSM launch type", "not 0", nonZero))
}

// iommuEnabled wants that VSM does not start without an IOMMU, and that the hypervisor is not told to leave it alone.
func iommuEnabled(_ *Set, b *tcglog.Boot) verdict {
	hypervisor := number(b, tcglog.HypervisorIOMMUPolicy, "hypervisor IOMMU policy", "0 (default) or 1 (enable)", func(v uint64) bool { return v < 2 })
	hypervisor.ok = hypervisor.ok || len(b.Numbers(tcglog.HypervisorIOMMUPolicy)) == 0
	return together(flag{tcglog.VBSIOMMURequired, "IOMMU required", true}.find(b), hypervisor)
}

func dumpEncryption(_ *Set, b *tcglog.Boot) verdict {
	disabled, enciphered := dumpsOff.find(b), encrypted.find(b)
	v := together(disabled, enciphered)
	v.passed, v.expected = disabled.ok || enciphered.ok, disabled.expected+" or "+enciphered.expected
	return v
}

// dumpEncryptionKey does not apply where there are no dumps, nor where it does not matter whether they are encrypted.
func dumpEncryptionKey(s *Set, b *tcglog.Boot) verdict {
	disabled := dumpsOff.find(b)
	v := verdict{measured: disabled.measured, expected: disabled.expected + " or " + s.expects(DumpKey, "only keys with digest")}
	known := len(b.DumpKeys) > 0
	for i, key := range b.DumpKeys {
		if i < maxTold {
			v.measured += fmt.Sprintf("; key with digest %x", key)
		}
		match := slices.IndexFunc(s.Administrator, func(a Administrator) bool {
			return a.Kind == DumpKey && !a.Disabled && bytes.Equal(a.Digest, key)
		})
		if match < 0 {
			known = false
		} else {
			v.matched = s.Administrator[match].Name
		}
	}
	if len(b.DumpKeys) == 0 {
		v.measured += "; no key"
	}
	if !known {
		v.matched = ""
	}
	v.passed = disabled.ok || known
	if !v.passed && !encryptedDumps.enabled(s) {
		v.passed, v.expected = true, "nothing, since "+encryptedDumps.Name+" is disabled"
	}
	return v
}

func bitLocker(_ *Set, b *tcglog.Boot) verdict {
	return together(number(b, tcglog.BitLockerUnlock, "BitLocker unlock flags", "not 0", nonZero))
}
