package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Limits of what administrators add.
const (
	MaxFile     = 16 << 20 // bytes of a file
	maxName     = 128      // bytes of a name
	maxSettings = 1024
)

// A Kind says what an administrator's policy expects.
type Kind string

// The kinds of administrators' policies. Of the first two, a host must match at least one each.
const (
	Baseline Kind = "baseline" // a Secure Boot configuration
	CI       Kind = "ci"       // a code integrity policy
	DumpKey  Kind = "dump-key" // a key to which crash dumps are encrypted
)

// An Administrator is a policy that an administrator added.
type Administrator struct {
	Name     string           `json:"name"`
	Kind     Kind             `json:"kind"`
	Disabled bool             `json:"disabled"`
	Digest   []byte           `json:"digest,omitempty"`   // SHA-256 of the code integrity policy or of the key
	Bank     tcglog.Algorithm `json:"bank,omitempty"`     // of a baseline
	Settings []Setting        `json:"settings,omitempty"` // of a baseline: the whole of PCR 7, in order
}

// A Setting is one measurement of the Secure Boot configuration.
type Setting struct {
	Name   string `json:"name"`
	Digest []byte `json:"digest"`
}

// NewBaseline makes a policy of the boot log (.tcglog) of a reference host, which must have been started with Secure Boot and
// have measured into SHA-256 PCRs: it fails with tcglog.ErrMalformed or tcglog.ErrNoBank where there is no such log. It
// pins the variables SecureBoot, PK, KEK, db and dbx and which of their certificates signed what was started.
func NewBaseline(name string, log []byte) (*Administrator, error) {
	l, err := tcglog.Parse(log)
	if err != nil {
		return nil, fmt.Errorf("the baseline %.64q: %w; is it a .tcglog, the boot log of a host?", name, err)
	}
	boot, err := l.Claim(tcglog.SHA256)
	if errors.Is(err, tcglog.ErrNoBank) {
		return nil, fmt.Errorf("the baseline %.64q: %w; hosts prove their boot by the SHA-256 PCRs of their TPM: enable that bank in the firmware of the reference host, "+
			"and take the log again", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the baseline %.64q: %w", name, err)
	}
	if v := secureBootEnabled(nil, boot); !v.passed {
		return nil, fmt.Errorf("the baseline %.64q: %s in this log: start the reference host with Secure Boot, and take the log again", name, v.measured)
	}
	a := &Administrator{Name: name, Kind: Baseline, Bank: tcglog.SHA256}
	for _, s := range boot.Settings {
		a.Settings = append(a.Settings, Setting{printable(s.Name), s.Digest})
	}
	return a, a.check()
}

// NewCI makes a policy of a compiled code integrity policy (.p7b, .bin or .cip).
func NewCI(name string, file []byte) (*Administrator, error) {
	trimmed := bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))
	if len(file) == 0 || len(file) > MaxFile || bytes.HasPrefix(trimmed, []byte("<")) {
		return nil, fmt.Errorf("the code integrity policy %.64q is empty, or larger than %d bytes, or XML: compile it with ConvertFrom-CIPolicy", name, MaxFile)
	}
	return newDigest(name, CI, file)
}

// NewDumpKey makes a policy of the public key to which hosts encrypt their crash dumps, as its file is.
func NewDumpKey(name string, file []byte) (*Administrator, error) {
	if len(file) == 0 || len(file) > MaxFile {
		return nil, fmt.Errorf("the dump encryption key %.64q is empty, or larger than %d bytes", name, MaxFile)
	}
	return newDigest(name, DumpKey, file)
}

func newDigest(name string, kind Kind, file []byte) (*Administrator, error) {
	digest := sha256.Sum256(file)
	a := &Administrator{Name: name, Kind: kind, Digest: digest[:]}
	return a, a.check()
}

// check fails when the policy is not whole.
func (a *Administrator) check() error {
	if a.Name == "" || len(a.Name) > maxName || !utf8.ValidString(a.Name) || printable(a.Name) != a.Name {
		return fmt.Errorf("the name of a policy has 1 to %d printable bytes, not %.64q", maxName, a.Name)
	}
	whole := false
	switch a.Kind {
	case Baseline:
		whole = len(a.Settings) > 0 && len(a.Settings) <= maxSettings && a.Digest == nil && (a.Bank == tcglog.SHA256 || a.Bank == tcglog.SHA1)
	case CI, DumpKey:
		whole = len(a.Digest) == sha256.Size && a.Settings == nil && a.Bank == 0
	}
	if !whole {
		return fmt.Errorf("the policy %.64q of kind %.16q lacks what that kind has, or has more", a.Name, a.Kind)
	}
	return nil
}

// printable shortens a text of a log to what may be shown.
func printable(text string) string {
	var b []rune
	for _, r := range text {
		if len(b) == maxName {
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b = append(b, r)
	}
	return string(b)
}
