package hgsserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
)

// warnBefore is how long before the end of a primary certificate it is a problem.
const warnBefore = 30 * 24 * time.Hour

// A Problem is something that an administrator should look at.
type Problem struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
	Fatal  bool   `json:"fatal"` // hosts cannot attest or get keys
}

// problems judges a configuration by itself.
func (c *configuration) problems(at time.Time) []Problem {
	var list []Problem
	if health.Current(c.attestation.Signers, at) == nil {
		list = append(list, Problem{"there is no attestation signer that holds", "see the log for why it was not renewed", true})
	}
	for _, use := range []string{UseSigning, UseEncryption} {
		cert := c.primary(use)
		switch {
		case cert == nil:
			list = append(list, Problem{"there is no primary " + use + " certificate", "hgs cert add", true})
		case at.After(cert.identity.Certificate.NotAfter.Add(-warnBefore)):
			list = append(list, Problem{fmt.Sprintf("the primary %s certificate ends at %s", use, stamp(cert.identity.Certificate.NotAfter)),
				"add another one and make it primary: hgs cert add, hgs cert primary", false})
		}
	}
	switch c.Mode {
	case ModeHostKey:
		if len(c.attestation.HostKeys) == 0 {
			list = append(list, Problem{"no host key is registered: no host can attest", "hgs hostkey add", false})
		}
	case ModeTPM:
		list = append(list, c.tpmProblems()...)
	}
	return list
}

func (c *configuration) tpmProblems() []Problem {
	var list []Problem
	if len(c.attestation.Hosts) == 0 {
		list = append(list, Problem{"no TPM host is registered: no host can attest", "hgs host add", false})
	}
	enabled := map[string]bool{}
	for _, p := range c.attestation.Policies.Administrator {
		enabled[string(p.Kind)] = enabled[string(p.Kind)] || !p.Disabled
	}
	for kind, flag := range map[string]string{"baseline": "--baseline", "ci": "--ci"} {
		if !enabled[kind] {
			list = append(list, Problem{"no policy of kind " + kind + " is enabled: no host can meet the policies", "hgs policy add " + flag, false})
		}
	}
	return list
}

func (c *configuration) primary(use string) *serviceCertificate {
	for _, cert := range c.certs {
		if cert.Use == use && cert.Primary {
			return cert
		}
	}
	return nil
}

// firstEnd is when the first of the certificates that are in use ends.
func (c *configuration) firstEnd(at time.Time) time.Time {
	var first time.Time
	end := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	for _, cert := range c.certs {
		if cert.Primary {
			end(cert.identity.Certificate.NotAfter)
		}
	}
	if s := health.Current(c.attestation.Signers, at); s != nil {
		end(s.Certificate.NotAfter)
	}
	return first
}

// Diagnose looks at the folder of a service from outside, whether or not it is served from.
func Diagnose(dir string) []Problem {
	info, err := os.Stat(filepath.Join(dir, StateFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Problem{{"there is no service in " + dir, "make one with hgs init, or name its folder with --dir", true}}
	case err != nil:
		return []Problem{{err.Error(), "be who runs the service, or root", false}}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return []Problem{{"others may read or write " + filepath.Join(dir, StateFile), "chmod 600 " + filepath.Join(dir, StateFile), false}}
	}
	return nil
}
