package hgsserver

import (
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// The messages of the administration API, in JSON. Bytes are in base64, and certificates DER.

// A Status says how a service is.
type Status struct {
	Name         string     `json:"name"`
	Mode         string     `json:"mode"`
	Hosts        int        `json:"hosts"`
	HostKeys     int        `json:"hostKeys"`
	Policies     int        `json:"policies"` // of administrators
	Certificates int        `json:"certificates"`
	Signers      int        `json:"signers"`
	Address      string     `json:"address,omitempty"` // for hosts
	TLS          bool       `json:"tls"`
	Metrics      string     `json:"metricsAddress,omitempty"`
	Admin        string     `json:"adminAddress,omitempty"`
	DenyBefore   time.Time  `json:"denyBefore,omitzero"`
	LastBackup   time.Time  `json:"lastBackup,omitzero"` // of everything
	Audit        store.Head `json:"audit"`
	Problems     []Problem  `json:"problems"`
}

// A SettingsChange has what is to change; the rest is nil.
type SettingsChange struct {
	Name              *string          `json:"name,omitempty"`
	Mode              *string          `json:"mode,omitempty"`
	MaxOfflineUnwraps *uint32          `json:"maxOfflineUnwraps,omitempty"`
	DenyBefore        *time.Time       `json:"denyBefore,omitempty"`   // zero to deny none
	DenyAllSoFar      bool             `json:"denyAllSoFar,omitempty"` // sets DenyBefore by the service's own clock
	Listening         *ListeningChange `json:"listening,omitempty"`

	CertificateSeconds *int `json:"certificateSeconds,omitempty"` // 0 for eight hours
	AuditRetentionDays *int `json:"auditRetentionDays,omitempty"` // 0 for ever
}

// A HostInfo is a registered host, by its TPM or by its key.
type HostInfo struct {
	Name        string `json:"name"`
	Identifier  string `json:"identifier"` // SHA-256 of the key
	Certificate bool   `json:"certificate"`
	TPM         string `json:"tpm,omitempty"` // what the endorsement certificate says
}

// The versions of what a host is registered by. In v2 a trusted maker of TPMs vouches for its endorsement key; in v1 nobody does.
const (
	PolicyV1 = "v1"
	PolicyV2 = "v2"
)

// A NewHost is a host to be registered by its TPM: an endorsement certificate with issuers, or a key alone (TPM2B_PUBLIC), where
// PolicyVersion has to say so.
type NewHost struct {
	Name          string   `json:"name"`
	PolicyVersion string   `json:"policyVersion,omitempty"` // PolicyV2 where it is empty
	Certificate   []byte   `json:"certificate,omitempty"`
	Intermediates [][]byte `json:"intermediates,omitempty"`
	Key           []byte   `json:"key,omitempty"`
}

// A NewHostKey is a host to be registered by a key (SubjectPublicKeyInfo).
type NewHostKey struct {
	Name string `json:"name"`
	Key  []byte `json:"key"`
}

// A PolicyInfo is a policy, built in or an administrator's.
type PolicyInfo struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Enabled bool   `json:"enabled"`
	Locked  bool   `json:"locked"`
	GUID    string `json:"guid,omitempty"`
	Says    string `json:"says,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// A NewPolicy is a policy to be added of a file.
type NewPolicy struct {
	Name string      `json:"name"`
	Kind policy.Kind `json:"kind"`
	File []byte      `json:"file"`
}

// A PolicyState enables or disables a policy.
type PolicyState struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
}

// A CertificateInfo is a certificate of the service, of an attestation signer, or of a TPM's maker.
type CertificateInfo struct {
	Thumbprint  string    `json:"thumbprint"`
	Subject     string    `json:"subject"`
	Use         string    `json:"use"` // "signing", "encryption", "own", "trusted" or "tpm-root"
	Primary     bool      `json:"primary"`
	Expires     time.Time `json:"expires"`
	Certificate []byte    `json:"certificate"`
}

// A NewCertificate is a certificate to be added, with its key (PKCS #8) where it is one of the key protection service.
type NewCertificate struct {
	Use         string   `json:"use,omitempty"`
	Primary     bool     `json:"primary,omitempty"`
	Certificate []byte   `json:"certificate"`
	Chain       [][]byte `json:"chain,omitempty"`
	Key         []byte   `json:"key,omitempty"`
}

// A Named names something to be removed or made primary: by its name, or its thumbprint.
type Named struct {
	Name string `json:"name"`
}

// A CertificateRemoval names a certificate of the key protection service to be removed. One that keys are wrapped for has to be
// forced.
type CertificateRemoval struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"`
}

// An AdminInfo is somebody who has a role over TLS, by a client certificate.
type AdminInfo struct {
	Name       string    `json:"name"`
	Role       Role      `json:"role"`
	Thumbprint string    `json:"thumbprint"` // SHA-256 of the certificate
	Subject    string    `json:"subject"`
	Expires    time.Time `json:"expires"`
}

// A NewAdmin is somebody to be given a role.
type NewAdmin struct {
	Name        string `json:"name"`
	Role        *Role  `json:"role"`
	Certificate []byte `json:"certificate"`
}

// A BackupRequest asks for a backup of all, or of one mode's state alone.
type BackupRequest struct {
	Password string `json:"password"`
	Mode     string `json:"mode,omitempty"`
}

// A Check says whether the audit log is whole, after and up to which entry, and what problems there are.
type Check struct {
	Anchor   store.Head `json:"anchor"` // the last entry that was removed as it was old
	Audit    store.Head `json:"audit"`
	Altered  string     `json:"altered,omitempty"` // why the audit log is not whole
	Problems []Problem  `json:"problems"`
}

// apiError is the body of an answer that is not 2xx.
type apiError struct {
	Error string `json:"error"`
}
