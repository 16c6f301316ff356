package hgsserver

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/endorsement"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// entryName makes a key of a name: those that differ in case alone are one.
func entryName(prefix, name string) string { return prefix + strings.ToLower(name) }

// notRegistered says what is not there, in place of the store.
func notRegistered(err error, what, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %s %.64q", ErrNotFound, what, name)
	}
	return err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (s *Server) listHosts(*call) (any, error) {
	list := []HostInfo{}
	for _, h := range s.current.Load().attestation.Hosts {
		list = append(list, hostInfo(&h))
	}
	return list, nil
}

func hostInfo(h *attestation.Host) HostInfo {
	info := HostInfo{Name: h.Name, Identifier: digestOf(h.Key), Certificate: len(h.Certificate) > 0}
	if c, err := endorsement.Parse(h.Certificate); err == nil {
		info.TPM = strings.TrimSpace(c.Manufacturer + " " + c.Model + " " + c.Version)
	}
	return info
}

func (s *Server) addHost(c *call) (any, error) {
	var n NewHost
	if err := c.read(&n); err != nil {
		return nil, err
	}
	var host *attestation.Host
	var err error
	switch {
	case (len(n.Certificate) == 0) == (len(n.Key) == 0):
		return nil, errors.New("a host is registered by an endorsement certificate, or by an endorsement key alone")
	case n.PolicyVersion != "" && n.PolicyVersion != PolicyV1 && n.PolicyVersion != PolicyV2:
		return nil, fmt.Errorf("there is no policy version %.32q: use %s or %s", n.PolicyVersion, PolicyV1, PolicyV2)
	case len(n.Key) > 0 && n.PolicyVersion != PolicyV1:
		return nil, fmt.Errorf("host %.64q comes without an endorsement certificate: nobody vouches that its key is in a TPM; with policy version v1 it is registered all the same", n.Name)
	case len(n.Certificate) > 0 && n.PolicyVersion == PolicyV1:
		return nil, errors.New("policy version v1 registers a key alone: leave it out, so that the endorsement certificate counts")
	case len(n.Key) > 0:
		host, err = attestation.NewHostWithoutCertificate(n.Name, n.Key)
	default:
		var roots, intermediates []*x509.Certificate
		for _, r := range s.current.Load().roots {
			roots = append(roots, r.x509)
		}
		for _, der := range n.Intermediates {
			i, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("reading an intermediate certificate: %w", err)
			}
			intermediates = append(intermediates, i)
		}
		host, err = attestation.NewHost(n.Name, n.Certificate, roots, intermediates, s.now())
	}
	if err != nil {
		return nil, err
	}
	info := hostInfo(host)
	return info, s.change(c.by, "host.add", info, func(tx *store.Tx, _ *configuration) error {
		return addJSON(tx, store.Hosts, entryName(hostPrefix, host.Name), host, "TPM host", "hgs host remove takes it away first, or give another name")
	})
}

func (s *Server) removeHost(c *call) (any, error) {
	return s.remove(c, "host", store.Hosts, hostPrefix)
}

// remove takes away what a request names.
func (s *Server) remove(c *call, what string, b store.Bucket, prefix string) (any, error) {
	var n Named
	if err := c.read(&n); err != nil {
		return nil, err
	}
	return s.removeNamed(c, n, what, b, prefix)
}

func (s *Server) removeNamed(c *call, n Named, what string, b store.Bucket, prefix string) (any, error) {
	return done{true}, s.change(c.by, what+".remove", n, func(tx *store.Tx, _ *configuration) error {
		return notRegistered(tx.Delete(b, entryName(prefix, n.Name)), what, n.Name)
	})
}

func (s *Server) listHostKeys(*call) (any, error) {
	list := []HostInfo{}
	for _, h := range s.current.Load().attestation.HostKeys {
		list = append(list, HostInfo{Name: h.Name, Identifier: digestOf(h.Key)})
	}
	return list, nil
}

func (s *Server) addHostKey(c *call) (any, error) {
	var n NewHostKey
	if err := c.read(&n); err != nil {
		return nil, err
	}
	key, err := attestation.NewHostKey(n.Name, n.Key)
	if err != nil {
		return nil, err
	}
	info := HostInfo{Name: key.Name, Identifier: digestOf(key.Key)}
	return info, s.change(c.by, "hostkey.add", info, func(tx *store.Tx, _ *configuration) error {
		return addJSON(tx, store.HostKeys, entryName("", key.Name), key, "host key", "hgs hostkey remove takes it away first, or give another name")
	})
}

func (s *Server) removeHostKey(c *call) (any, error) {
	return s.remove(c, "hostkey", store.HostKeys, "")
}

func (s *Server) listRoots(*call) (any, error) {
	list := []CertificateInfo{}
	for _, r := range s.current.Load().roots {
		list = append(list, certificateInfo(r.x509, "tpm-root", false))
	}
	return list, nil
}

func (s *Server) addRoot(c *call) (any, error) {
	var n NewCertificate
	if err := c.read(&n); err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(n.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the root of a TPM's maker: %w", err)
	}
	if !root.IsCA || root.KeyUsage != 0 && root.KeyUsage&x509.KeyUsageCertSign == 0 || s.now().After(root.NotAfter) {
		return nil, fmt.Errorf("%s is not the certificate of an authority, or has ended: give that of the TPM's maker, which signs certificates", root.Subject)
	}
	info := certificateInfo(root, "tpm-root", false)
	return info, s.change(c.by, "root.add", info, func(tx *store.Tx, _ *configuration) error {
		return addJSON(tx, store.Hosts, rootPrefix+info.Thumbprint, tpmRoot{Certificate: root.Raw, Added: s.now().UTC()},
			"maker of TPMs", "there is nothing to do: see hgs host root list")
	})
}

func (s *Server) removeRoot(c *call) (any, error) {
	return s.remove(c, "root", store.Hosts, rootPrefix)
}

func certificateInfo(c *x509.Certificate, use string, primary bool) CertificateInfo {
	return CertificateInfo{Thumbprint: signing.Thumbprint(c), Subject: c.Subject.String(), Use: use, Primary: primary,
		Expires: c.NotAfter.UTC(), Certificate: c.Raw}
}

func (s *Server) listPolicies(*call) (any, error) {
	set := s.current.Load().attestation.Policies
	list := []PolicyInfo{}
	for _, p := range policy.BuiltIn() {
		list = append(list, PolicyInfo{Name: p.Name, Kind: "built-in", Enabled: set.Enabled(p.Name), Locked: p.Locked, GUID: p.GUID.String(), Says: p.Says})
	}
	for _, p := range set.Administrator {
		list = append(list, PolicyInfo{Name: p.Name, Kind: string(p.Kind), Enabled: !p.Disabled, Digest: hex.EncodeToString(p.Digest)})
	}
	return list, nil
}

func (s *Server) addPolicy(c *call) (any, error) {
	var n NewPolicy
	if err := c.read(&n); err != nil {
		return nil, err
	}
	makers := map[policy.Kind]func(string, []byte) (*policy.Administrator, error){
		policy.Baseline: policy.NewBaseline, policy.CI: policy.NewCI, policy.DumpKey: policy.NewDumpKey}
	maker := makers[n.Kind]
	if maker == nil {
		return nil, fmt.Errorf("there is no kind of policy %.32q", n.Kind)
	}
	p, err := maker(n.Name, n.File)
	if err != nil {
		return nil, err
	}
	info := PolicyInfo{Name: p.Name, Kind: string(p.Kind), Enabled: true, Digest: hex.EncodeToString(p.Digest)}
	return info, s.change(c.by, "policy.add", info, func(tx *store.Tx, _ *configuration) error {
		return addJSON(tx, store.Policies, entryName(policyPrefix, p.Name), p, "policy", "hgs policy remove takes it away first, or give another name")
	})
}

func (s *Server) enablePolicy(c *call) (any, error) {
	var n PolicyState
	if err := c.read(&n); err != nil {
		return nil, err
	}
	return n, s.change(c.by, "policy.enable", n, func(tx *store.Tx, _ *configuration) error {
		for _, p := range policy.BuiltIn() {
			if strings.EqualFold(p.Name, n.Name) {
				return putJSON(tx, store.Policies, stateOfPrefix+p.Name, n.Enabled)
			}
		}
		key := entryName(policyPrefix, n.Name)
		var p policy.Administrator
		if err := getJSON(tx, store.Policies, key, &p); err != nil {
			return notRegistered(err, "policy", n.Name)
		}
		p.Disabled = !n.Enabled
		return putJSON(tx, store.Policies, key, p)
	})
}

func (s *Server) removePolicy(c *call) (any, error) {
	var n Named
	if err := c.read(&n); err != nil {
		return nil, err
	}
	for _, p := range policy.BuiltIn() {
		if strings.EqualFold(p.Name, n.Name) {
			return nil, fmt.Errorf("%s is built in and cannot be removed; where it is not locked, disable it", p.Name)
		}
	}
	return s.removeNamed(c, n, "policy", store.Policies, policyPrefix)
}
