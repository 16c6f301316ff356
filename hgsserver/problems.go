package hgsserver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// warnBefore is how long before the end of a primary certificate it is a problem.
const warnBefore = 30 * 24 * time.Hour

// A Problem is something that an administrator should look at.
type Problem struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
	Fatal  bool   `json:"fatal"` // hosts cannot attest or get keys
}

// unwritten is an entry that did not come to the disk, and why.
type unwritten struct {
	at  time.Time
	err error
}

// unwrittenFor is how long that is a problem, if nothing is written meanwhile: then who balances loads tries the service again.
const unwrittenFor = 5 * time.Minute

// wrote keeps whether entries come to the disk. That a host sends too much for one says nothing about it.
func (s *Server) wrote(err error) {
	switch {
	case err == nil:
		s.unwritten.Store(nil)
	case !errors.Is(err, store.ErrTooLarge):
		s.unwritten.Store(&unwritten{s.now(), err})
	}
}

// healthProblems judges the configuration, and whether there is room for what hosts do.
func (s *Server) healthProblems(c *configuration) []Problem {
	list := c.problems(s.now())
	if u := s.unwritten.Load(); u != nil && s.now().Before(u.at.Add(unwrittenFor)) {
		list = append(list, Problem{fmt.Sprintf("at %s the state could not be written: no host attests or gets a key (%v)", stamp(u.at), u.err),
			"make room on the disk of " + s.dir + ": df -h " + s.dir, true})
	}
	return list
}

// problems judges a configuration by itself.
func (c *configuration) problems(at time.Time) []Problem {
	list := c.signerProblems(at)
	for _, use := range []string{UseSigning, UseEncryption} {
		cert, add := c.primary(use), "hgs cert new --use "+use+" --primary, or hgs cert add with one of your own"
		switch {
		case cert == nil:
			list = append(list, Problem{"there is no primary " + use + " certificate", add, true})
		case at.After(cert.identity.Certificate.NotAfter):
			list = append(list, Problem{fmt.Sprintf("the primary %s certificate ended at %s", use, stamp(cert.identity.Certificate.NotAfter)),
				add + "; the one that ended stays, and still opens what was wrapped for it", false})
		case at.After(cert.identity.Certificate.NotAfter.Add(-warnBefore)):
			list = append(list, Problem{fmt.Sprintf("the primary %s certificate ends at %s", use, stamp(cert.identity.Certificate.NotAfter)),
				add + "; then tell tenants the new metadata", false})
		}
	}
	for _, client := range c.clients {
		if at.After(client.x509.NotAfter.Add(-warnBefore)) {
			list = append(list, Problem{fmt.Sprintf("the client certificate of %s ends at %s", client.Name, stamp(client.x509.NotAfter)),
				"register the next one, and take this one away: hgs admin add, hgs admin remove", false})
		}
	}
	switch c.Mode {
	case ModeHostKey:
		if len(c.attestation.HostKeys) == 0 {
			list = append(list, Problem{"no host key is registered: no host can attest", "hgs hostkey add NAME KEY.pem", false})
		}
	case ModeTPM:
		list = append(list, c.tpmProblems()...)
	}
	return list
}

func (c *configuration) signerProblems(at time.Time) (list []Problem) {
	if health.Current(c.attestation.Signers, at) == nil {
		p := Problem{"there is no attestation signer that holds: no host gets a health certificate", "see the log for why it was not renewed", true}
		for _, s := range c.attestation.Signers {
			if begins := s.Certificate.NotBefore; at.Before(begins) {
				p = Problem{fmt.Sprintf("it is %s here, and the attestation signer holds from %s on: no host gets a health certificate", stamp(at), stamp(begins)),
					"set the clock (timedatectl), then start the service again", true}
			}
		}
		list = append(list, p)
	}
	for _, s := range c.signers {
		if !s.own && at.After(s.x509.NotAfter) {
			list = append(list, Problem{fmt.Sprintf("the attestation signer %.64q that is trusted ended at %s", s.x509.Subject, stamp(s.x509.NotAfter)),
				"hgs signer trust the new one of that service, and hgs signer distrust " + signing.Thumbprint(s.x509), false})
		}
	}
	return list
}

func (c *configuration) tpmProblems() (list []Problem) {
	if len(c.attestation.Hosts) == 0 {
		list = append(list, Problem{"no TPM host is registered: no host can attest", "hgs host add HOST.xml, the platform identifier of a host", false})
	}
	alone := func(h attestation.Host) bool { return len(h.Certificate) == 0 }
	if len(c.roots) == 0 && (len(c.attestation.Hosts) == 0 || !slices.ContainsFunc(c.attestation.Hosts, alone)) {
		list = append(list, Problem{"no maker of TPMs is trusted: no host can be registered by its endorsement certificate", "hgs host root add MAKER.pem", false})
	}
	for _, needed := range []struct {
		kind policy.Kind
		add  string
	}{{policy.Baseline, "hgs policy add NAME --baseline HOST.tcglog"}, {policy.CI, "hgs policy add NAME --ci POLICY.p7b"}} {
		var disabled string
		enabled := slices.ContainsFunc(c.attestation.Policies.Administrator, func(a policy.Administrator) bool {
			if a.Kind == needed.kind && a.Disabled {
				disabled = a.Name
			}
			return a.Kind == needed.kind && !a.Disabled
		})
		if enabled {
			continue
		}
		if disabled != "" {
			needed.add = fmt.Sprintf("hgs policy enable %q, or %s", disabled, needed.add)
		}
		list = append(list, Problem{fmt.Sprintf("no policy of kind %s is enabled: no host can meet the policies", needed.kind), needed.add, false})
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
