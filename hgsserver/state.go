package hgsserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// Entries of the bucket Configuration, and prefixes in buckets with several kinds of entries.
const (
	settingsKey    = "settings"
	backupKey      = "last-backup"
	exchangeKey    = "attestation-key" // under which the remote-TPM exchange keeps its state
	hostPrefix     = "host/"
	rootPrefix     = "tpm-root/"
	policyPrefix   = "policy/"
	stateOfPrefix  = "state/" // of a built-in policy that was enabled or disabled
	ownPrefix      = "own/"
	trustedPrefix  = "trusted/"
	clientPrefix   = "client/"
	exchangeLength = 32
)

// Settings are what administrators set beside hosts, policies and certificates.
type Settings struct {
	Name              string    `json:"name"` // of the service, as hosts know it
	Mode              string    `json:"mode"` // "tpm" or "hostkey"
	MaxOfflineUnwraps uint32    `json:"maxOfflineUnwraps"`
	DenyBefore        time.Time `json:"denyBefore,omitzero"` // no health certificate from before is accepted
	Listening         Listening `json:"listening,omitzero"`  // from the next start on

	// CertificateSeconds says how long a health certificate holds; 0 for eight hours, which is the longest.
	CertificateSeconds int `json:"certificateSeconds,omitempty"`

	// AuditRetentionDays says how long entries of the audit log are kept at least; 0 for ever.
	AuditRetentionDays int `json:"auditRetentionDays,omitempty"`
}

// The modes as administrators write them.
const (
	ModeTPM     = "tpm"
	ModeHostKey = "hostkey"
)

func (s *Settings) mode() (hgsa.OperationMode, error) {
	switch s.Mode {
	case ModeTPM:
		return hgsa.ModeTPM, nil
	case ModeHostKey:
		return hgsa.ModeHostKey, nil
	}
	return 0, fmt.Errorf("the mode %.32q is not supported: use %s or %s", s.Mode, ModeTPM, ModeHostKey)
}

// maxServiceName leaves room in the subject of certificates (RFC 5280, ub-common-name).
const maxServiceName = 64

func serviceName(name string) bool {
	return name != "" && len(name) <= maxServiceName && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (s *Settings) check() error {
	if !serviceName(s.Name) {
		return fmt.Errorf("the name of a service has 1 to %d letters, digits and other characters that print, as host names have", maxServiceName)
	}
	_, err := s.mode()
	return errors.Join(err, checkRetention(s.AuditRetentionDays))
}

// A configuration is all of a store that the two services work by.
type configuration struct {
	Settings
	attestation attestation.Config
	protection  keyprotection.Config
	exchange    [exchangeLength]byte
	certs       []*serviceCertificate
	signers     []*attestationSigner
	roots       []*tpmRoot
	clients     []*registeredClient
}

// load reads a configuration. It fails where something in it is not whole.
func load(tx *store.Tx) (*configuration, error) {
	c := &configuration{}
	exchange, err := tx.Get(store.Configuration, exchangeKey)
	if err != nil {
		return nil, err
	}
	if copy(c.exchange[:], exchange) != exchangeLength || len(exchange) != exchangeLength {
		return nil, errors.New("the key of the attestation exchange has another length")
	}
	if err := getJSON(tx, store.Configuration, settingsKey, &c.Settings); err != nil {
		return nil, err
	}
	if c.attestation.Mode, err = c.mode(); err != nil {
		return nil, err
	}
	for _, read := range []func(*store.Tx) error{c.loadHosts, c.loadPolicies, c.loadCertificates, c.loadSigners, c.loadRoots, c.loadClients} {
		if err := read(tx); err != nil {
			return nil, err
		}
	}
	c.attestation.Lifetime = time.Duration(c.CertificateSeconds) * time.Second
	c.protection.DenyBefore, c.protection.MaxOfflineUnwraps = c.DenyBefore, c.MaxOfflineUnwraps
	return c, nil
}

func (c *configuration) loadHosts(tx *store.Tx) error {
	var err error
	if c.attestation.Hosts, err = all[attestation.Host](tx, store.Hosts, hostPrefix); err != nil {
		return err
	}
	c.attestation.HostKeys, err = all[attestation.HostKey](tx, store.HostKeys, "")
	return err
}

func (c *configuration) loadPolicies(tx *store.Tx) error {
	added, err := all[policy.Administrator](tx, store.Policies, policyPrefix)
	if err != nil {
		return err
	}
	for _, p := range added {
		if err := c.attestation.Policies.Add(p); err != nil {
			return err
		}
	}
	return tx.Each(store.Policies, func(key string, value []byte) error {
		name, ok := strings.CutPrefix(key, stateOfPrefix)
		if !ok {
			return nil
		}
		var on bool
		if err := json.Unmarshal(value, &on); err != nil {
			return fmt.Errorf("the state of policy %.64q: %w", name, err)
		}
		return c.attestation.Policies.SetEnabled(name, on)
	})
}

// validate says whether both services would take the configuration.
func (c *configuration) validate() error {
	if err := c.check(); err != nil {
		return err
	}
	err := attestation.New(c.exchange, nil, nil).Configure(c.attestation)
	if err != nil {
		return err
	}
	return keyprotection.New(nil, nil).Configure(c.protection)
}

// all reads the entries of a bucket whose keys have a prefix.
func all[T any](tx *store.Tx, b store.Bucket, prefix string) ([]T, error) {
	var list []T
	err := tx.Each(b, func(key string, value []byte) error {
		if !strings.HasPrefix(key, prefix) {
			return nil
		}
		var v T
		if err := parseJSON(value, &v); err != nil {
			return fmt.Errorf("reading %s %.64q: %w", b, key, err)
		}
		list = append(list, v)
		return nil
	})
	return list, err
}

func getJSON(tx *store.Tx, b store.Bucket, key string, v any) error {
	value, err := tx.Get(b, key)
	if err != nil {
		return err
	}
	defer clear(value)
	if err := parseJSON(value, v); err != nil {
		return fmt.Errorf("reading %s %.64q: %w", b, key, err)
	}
	return nil
}

// parseJSON reads a value that is kept. That there is none, JSON can say, and a store does not.
func parseJSON(value []byte, v any) error {
	if bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		return errors.New("it is null")
	}
	return json.Unmarshal(value, v)
}

func putJSON(tx *store.Tx, b store.Bucket, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(value)
	return tx.Put(b, key, value)
}

// addJSON makes an entry, and fails with ErrExists where there is one: then it says of what, and what to do.
func addJSON(tx *store.Tx, b store.Bucket, key string, v any, what, remedy string) error {
	if _, err := tx.Get(b, key); err == nil {
		return fmt.Errorf("%w: %s %.64q; %s", ErrExists, what, key[strings.LastIndexByte(key, '/')+1:], remedy)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return putJSON(tx, b, key, v)
}

// modeBuckets are those of one mode alone.
func modeBuckets(mode string) ([]store.Bucket, error) {
	switch mode {
	case "":
		return store.Buckets(), nil
	case ModeTPM:
		return []store.Bucket{store.Hosts, store.Policies}, nil // with the roots of TPM makers
	case ModeHostKey:
		return []store.Bucket{store.HostKeys}, nil
	}
	return nil, fmt.Errorf("there is no mode %.32q: use %s or %s", mode, ModeTPM, ModeHostKey)
}

// byTime puts what was added last to the end.
func byTime[T any](list []T, at func(T) time.Time) {
	slices.SortStableFunc(list, func(a, b T) int { return at(a).Compare(at(b)) })
}
