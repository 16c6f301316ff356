// Package kps has the messages of the Key Protection Service protocol (MS-KPS) and how they travel over HTTP: what a host and
// the service write to each other to roll a transport key, and the keys in it, which only the host can open. The metadata
// document is that of package guardian.
//
// Reading is strict, since both sides read what an adversary may have written: a message of another form than the
// specification gives, or with another algorithm than the one that is written here, is an error as a whole. The package
// decides nothing: not whether a health certificate is to be trusted, not whether a key protector holds. And a response proves
// nothing by itself: whoever knows a host's health certificate can write one, with keys of its own choosing.
package kps

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// MaxMessage is the size in bytes up to which a message is read. A key protector of 64 wrappings with RSA keys of 4096 bits
// fits in.
const MaxMessage = excc14n.MaxSize

// ErrMessage says that a message does not have the form that the specification gives. A service answers it with
// InvalidRequest.
var ErrMessage = errors.New("invalid key protection message")

// ErrAlgorithm says that a request names an algorithm that is not supported. It comes with ErrMessage.
var ErrAlgorithm = errors.New("unsupported algorithm")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMessage, fmt.Errorf(format, args...))
}

// A Version is one of the interface (section 2.2.3.10).
type Version int

// The versions. In the second one, the payload of a transport key may have policies.
const (
	V1 Version = 1
	V2 Version = 2
)

// String gives the version as it stands in an address.
func (v Version) String() string { return fmt.Sprintf("v%d.0", int(v)) }

// Path is where a service takes requests of that version (section 3.1.5.1.1). A service reads it without regard to case.
func (v Version) Path() string { return "/KeyProtection/service/" + v.String() + "/rolltransportkey" }

// The algorithms that a request asks for (RFC 9231, XML Encryption 1.1). There are no others.
const (
	algOAEP = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	algGCM  = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
)

// The namespace of messages, and the one of key protectors and encrypted data.
const (
	namespace       = "http://schemas.microsoft.com/kps/2014/07/service"
	cryptoNamespace = "http://schemas.microsoft.com/kps/2014/07"
)

const xmlDeclaration = `<?xml version="1.0" encoding="utf-8"?>` + "\n"

// A Request asks to roll a transport key (section 2.2.2.1).
type Request struct {
	Ingress           []byte // a key protector
	HealthCertificate []byte // DER
}

// Bytes is the request on the wire.
func (r *Request) Bytes() []byte {
	return fmt.Appendf(nil, xmlDeclaration+`<RollTransportKeyRequest xmlns="`+namespace+`">`+
		`<IngressProtector>%s</IngressProtector><HealthCertificate>%s</HealthCertificate>`+
		`<TransferKeyEncryptionAlgorithm>`+algOAEP+`</TransferKeyEncryptionAlgorithm>`+
		`<WrappingKeyEncryptionAlgorithm>`+algGCM+`</WrappingKeyEncryptionAlgorithm>`+
		`<TransportKeysEncryptionAlgorithm>`+algGCM+`</TransportKeysEncryptionAlgorithm>`+
		`</RollTransportKeyRequest>`+"\n", toBase64(r.Ingress), toBase64(r.HealthCertificate))
}

// ParseRequest reads the body of a request. What stands in the two parts is not looked at. It fails with ErrMessage, and where
// another algorithm is asked for with ErrAlgorithm, too.
func ParseRequest(body []byte) (*Request, error) {
	parts, err := parse(body, namespace, "RollTransportKeyRequest", "IngressProtector", "HealthCertificate",
		"TransferKeyEncryptionAlgorithm", "WrappingKeyEncryptionAlgorithm", "TransportKeysEncryptionAlgorithm")
	if err != nil {
		return nil, err
	}
	r := &Request{}
	if r.Ingress, err = readBytes(parts[0]); err != nil {
		return nil, err
	}
	if r.HealthCertificate, err = readBytes(parts[1]); err != nil {
		return nil, err
	}
	for i, want := range []string{algOAEP, algGCM, algGCM} {
		got, err := readText(parts[2+i])
		if err != nil {
			return nil, err
		}
		if strings.Trim(got, whiteSpace) != want {
			return nil, invalid("%w: %s is %.80q, and only %q is supported", ErrAlgorithm, parts[2+i].Local, got, want)
		}
	}
	return r, nil
}

// A Response answers a request (section 2.2.2.2). See NewResponse and Open for the keys in it.
type Response struct {
	Egress []byte // a key protector

	// TransferKey, WrappingKey and TransportKeys are documents of the form EncryptedData (section 2.2.2.11): a key for the
	// host, under it a key, and under that one the payloads of the two transport keys.
	TransferKey, WrappingKey, TransportKeys []byte
}

// Bytes is the response on the wire.
func (r *Response) Bytes() []byte {
	size := base64.StdEncoding.EncodedLen(len(r.Egress)+len(r.TransferKey)+len(r.WrappingKey)+len(r.TransportKeys)) + 1<<10
	return fmt.Appendf(make([]byte, 0, size), xmlDeclaration+`<RollTransportKeyResponse xmlns="`+namespace+`">`+
		`<EgressProtector>%s</EgressProtector><EncryptedTransferKey>%s</EncryptedTransferKey>`+
		`<EncryptedWrappingKey>%s</EncryptedWrappingKey><EncryptedTransportKeys>%s</EncryptedTransportKeys>`+
		`</RollTransportKeyResponse>`+"\n", toBase64(r.Egress), toBase64(r.TransferKey), toBase64(r.WrappingKey), toBase64(r.TransportKeys))
}

// ParseResponse reads the body of a response. What stands in its parts is not looked at. It fails with ErrMessage.
func ParseResponse(body []byte) (*Response, error) {
	parts, err := parse(body, namespace, "RollTransportKeyResponse",
		"EgressProtector", "EncryptedTransferKey", "EncryptedWrappingKey", "EncryptedTransportKeys")
	if err != nil {
		return nil, err
	}
	r := &Response{}
	for i, to := range []*[]byte{&r.Egress, &r.TransferKey, &r.WrappingKey, &r.TransportKeys} {
		if *to, err = readBytes(parts[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func toBase64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
