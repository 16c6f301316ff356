// Package health makes and reads the certificates of an attestation service: health certificates, which say for some hours that
// a host is healthy, and those of the attestation signers that issue them.
//
// A health certificate is for the public key of a host's protected memory. It names how the host attested and which policies it
// met in the extension certificatePolicies (RFC 5280, section 4.2.1.4), each by its GUID below 2.25, the arc where a GUID is a
// name (ITU-T X.667). The GUIDs of policies are those of MS-HGSA section 2.2.2.13.
//
// The package decides nothing: not who is healthy, not which signer is trusted.
package health

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// Lifetime is how long a health certificate holds where nobody says less, and MinLifetime the least that may be said.
const (
	Lifetime    = 8 * time.Hour
	MinLifetime = 5 * time.Second
)

// ErrCertificate says that a certificate is not a health certificate. For errors.Is.
var ErrCertificate = errors.New("not a health certificate")

// modes are the GUIDs of the modes of attestation.
var modes = map[hgsa.OperationMode]uuid.UUID{
	hgsa.ModeTPM:     uuid.MustParse("0d6f2f2e-63a5-4a0e-8d4e-0b8f3a3c9a51"),
	hgsa.ModeAD:      uuid.MustParse("b3f0a2c4-52c7-4a3f-9f51-6f5f0f6f7d12"),
	hgsa.ModeHostKey: uuid.MustParse("7a1d8d0a-3d5b-47c6-8a8e-55d0c1b8e9f3"),
}

// usages says what the key of a certificate is for.
var usages = map[hgsa.ResultType]x509.KeyUsage{
	hgsa.EncryptionKeyCertificate: x509.KeyUsageKeyEncipherment,
	hgsa.SigningKeyCertificate:    x509.KeyUsageDigitalSignature,
}

const minRSABits, maxRSABits = 2048, 4096

// A Statement is what a health certificate says.
type Statement struct {
	Host     string // its name; at most MaxHost bytes
	Type     hgsa.ResultType
	Mode     hgsa.OperationMode
	Policies []uuid.UUID // that were met; none in other modes than TPM
	Key      *rsa.PublicKey
}

// MaxHost is how long the name of a host may be, as RFC 5280 has it for a common name.
const MaxHost = 64

// Issue makes a health certificate that holds for Lifetime; see IssueFor.
func (s *Signer) Issue(st *Statement, at time.Time) (*x509.Certificate, error) {
	return s.IssueFor(st, at, Lifetime)
}

// IssueFor makes a health certificate that holds from a time on, for a lifetime or until the signer's own ends. It fails where the
// key is not one of 2048 to 4096 bits.
func (s *Signer) IssueFor(st *Statement, at time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	usage, known := usages[st.Type]
	mode, knownMode := modes[st.Mode]
	if !known || !knownMode || st.Host == "" || len(st.Host) > MaxHost {
		return nil, fmt.Errorf("issuing a health certificate: there is none of type %v in mode %v for %.64q", st.Type, st.Mode, st.Host)
	}
	if bits := st.Key.N.BitLen(); bits < minRSABits || bits > maxRSABits || st.Key.E < 3 || st.Key.N.Bit(0) == 0 {
		return nil, fmt.Errorf("issuing a health certificate: the identity key of %s has %d bits, not %d to %d, or is no RSA key", st.Host, bits, minRSABits, maxRSABits)
	}
	if lifetime < MinLifetime || lifetime > Lifetime {
		return nil, fmt.Errorf("issuing a health certificate: it holds for %v to %v, not %v", MinLifetime, Lifetime, lifetime)
	}
	from := at.UTC().Truncate(time.Second)
	to := from.Add(lifetime)
	if to.After(s.Certificate.NotAfter) {
		to = s.Certificate.NotAfter
	}
	if !from.Before(to) || from.Before(s.Certificate.NotBefore) {
		return nil, fmt.Errorf("issuing a health certificate: the attestation signer does not hold at %s", from.Format(time.RFC3339))
	}
	template := &x509.Certificate{ // CreateCertificate adds a random serial number
		Subject:               pkix.Name{CommonName: st.Host},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              usage,
		BasicConstraintsValid: true,
	}
	for _, id := range append([]uuid.UUID{mode}, st.Policies...) {
		oid, err := oidOf(id)
		if err != nil {
			return nil, fmt.Errorf("issuing a health certificate: %w", err)
		}
		template.Policies = append(template.Policies, oid)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.Certificate, st.Key, s.Key)
	if err != nil {
		return nil, fmt.Errorf("issuing a health certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Read gives what a health certificate says, whoever issued it. It fails with ErrCertificate.
func Read(c *x509.Certificate) (*Statement, error) {
	st := &Statement{Host: c.Subject.CommonName}
	var ok bool
	if st.Key, ok = c.PublicKey.(*rsa.PublicKey); !ok || c.IsCA {
		return nil, fmt.Errorf("%w: it is not for an RSA key, or is an authority", ErrCertificate)
	}
	for t, usage := range usages {
		if c.KeyUsage == usage {
			st.Type = t
		}
	}
	if st.Type == 0 {
		return nil, fmt.Errorf("%w: it does not say whether its key encrypts or signs", ErrCertificate)
	}
	for _, oid := range c.Policies {
		id, ok := guidOf(oid)
		if !ok {
			continue
		}
		if mode := modeOf(id); mode == hgsa.ModeUnknown {
			st.Policies = append(st.Policies, id)
		} else if st.Mode != hgsa.ModeUnknown {
			return nil, fmt.Errorf("%w: it names two modes", ErrCertificate)
		} else {
			st.Mode = mode
		}
	}
	if st.Mode == hgsa.ModeUnknown {
		return nil, fmt.Errorf("%w: it names no mode of attestation", ErrCertificate)
	}
	return st, nil
}

func modeOf(id uuid.UUID) hgsa.OperationMode {
	for mode, known := range modes {
		if known == id {
			return mode
		}
	}
	return hgsa.ModeUnknown
}

const guidArc = "2.25."

func oidOf(id uuid.UUID) (x509.OID, error) {
	return x509.ParseOID(guidArc + new(big.Int).SetBytes(id[:]).String())
}

func guidOf(oid x509.OID) (id uuid.UUID, ok bool) {
	text, ok := strings.CutPrefix(oid.String(), guidArc)
	if !ok {
		return id, false
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() <= 0 || n.BitLen() > 8*len(id) {
		return id, false
	}
	n.FillBytes(id[:])
	return id, true
}
