// Package hgsa has the messages of the Host Guardian Service's attestation protocol (MS-HGSA): what a host and the service
// write to each other, in JSON, and the binary context of the remote-TPM exchange that some of them carry.
//
// Reading is strict, since both sides read what an adversary may have written: a message of another form than the
// specification gives is an error as a whole. Objects may have further properties unless the specification forbids them, as
// JSON Schema has it. The package decides nothing: not who is let in, not what a TPM's answer proves.
package hgsa

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Limits of what is read. A service need not read more of a body than MaxMessage bytes.
const (
	MaxMessage = 512 << 10 // bytes of a message
	MaxLog     = 256 << 10 // bytes of a boot log in a context; those of real hosts have 40 to 70 KB
	maxItems   = 16        // entries of an array
)

// ErrMessage says that a message does not have the form that the specification gives. A service answers it with PayloadError.
var ErrMessage = errors.New("invalid attestation message")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMessage, fmt.Errorf(format, args...))
}

// An OperationMode is how a service decides who is healthy (section 2.2.1.1).
type OperationMode uint32

// The modes. A service is in one at a time.
const (
	ModeUnknown OperationMode = iota
	ModeTPM
	ModeAD
	ModeHostKey
)

// String gives the name in the specification.
func (m OperationMode) String() string {
	return name(uint32(m), "unknown", "TPM", "AD", "HostKey")
}

// A ContentType says what a host provides (section 2.2.1.2).
type ContentType uint32

// What a host provides.
const (
	VSMIdentityKey            ContentType = 1 // the JSON of an EndorsementKey
	RtpmContext               ContentType = 2 // a context, see Answer
	HealthCertificate         ContentType = 3 // one that was issued before, DER
	EndorsementKeyCertificate ContentType = 4 // DER
	CATrustletUserData        ContentType = 5
	CATrustletVSMReport       ContentType = 6
	CATrustletReportSignature ContentType = 7
	HostKeyPublicKey          ContentType = 8 // DER of a SubjectPublicKeyInfo
	HostKeySignature          ContentType = 9 // over the contents HostKeyPublicKey and VSMIdentityKey, one after the other
)

// String gives the name in the specification.
func (c ContentType) String() string {
	return name(uint32(c), "content type 0", "VirtualSecureModeIdentityKey", "RtpmContext", "HealthCertificate", "EndorsementKeyCertificate",
		"CaTrustletUserData", "CaTrustletVsmReport", "CaTrustletReportSignature", "HostKeyPublicKey", "HostKeySignature")
}

// A ResultType says what a host asks for and gets (section 2.2.1.3).
type ResultType uint32

// What a host asks for: health certificates for its identity keys, or for a certificate authority of its own.
const (
	EncryptionKeyCertificate  ResultType = 1
	SigningKeyCertificate     ResultType = 2
	CAIntermediateCertificate ResultType = 3
)

// String gives the name in the specification.
func (r ResultType) String() string {
	return name(uint32(r), "result type 0", "VSMIdentityEncryptionKeyCertificate", "VSMIdentitySigningKeyCertificate", "VSMCAIntermediateCertificate")
}

func name(n uint32, names ...string) string {
	if n < uint32(len(names)) {
		return names[n]
	}
	return fmt.Sprintf("number %d", n)
}

// swapGUID turns a GUID into the byte order that Windows has in memory, and back.
func swapGUID(g uuid.UUID) []byte {
	return []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}

func encodeGUID(g uuid.UUID) string { return base64.StdEncoding.EncodeToString(swapGUID(g)) }

func decodeGUID(text string) (uuid.UUID, error) {
	b, err := decodeBase64(text)
	if err != nil {
		return uuid.Nil, err
	}
	if len(b) != 16 {
		return uuid.Nil, fmt.Errorf("a GUID of %d bytes", len(b))
	}
	return uuid.UUID(swapGUID(uuid.UUID(b))), nil
}

// decodeBase64 accepts the one usual form of a text, where encoding/base64 skips line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("base64 with line breaks")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
