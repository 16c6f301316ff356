package kps

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// A Code names an error (section 2.2.2.5).
type Code string

// The errors of section 3.1.5.1.1.3, and two for what the specification gives no name to.
const (
	HealthCertificateError Code = "HealthCertificateException" // the health certificate is not accepted
	InvalidProtector       Code = "InvalidProtectorException"  // the form of a key protector, its signatures, or no access to it
	InvalidWrapping        Code = "InvalidWrappingException"   // a wrapping in it
	InvalidRequest         Code = "InvalidRequestException"    // the message around it
	ServiceUnavailable     Code = "ServiceException"           // the service cannot answer
)

// The messages of section 3.1.5.1.2.3, with the code ServiceUnavailable.
const (
	NoEncryptionCertificate = "Primary Encryption Certificate not found"
	NoSigningCertificate    = "Primary Signing Certificate not found"
)

// An Error is what a service answers when it does not do what it was asked for. The message is for people.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("the key protection service answers %s: %s", e.Code, e.Message)
}

// maxText bounds the parts of an error, in bytes.
const maxText = 1024

// Status is the HTTP status that an error comes with. The specification leaves it open.
func (e *Error) Status() int {
	switch e.Code {
	case HealthCertificateError:
		return http.StatusForbidden
	case ServiceUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// Bytes is the error on the wire. Its parts are cut off where they are long, and have nothing in them that does not print.
func (e *Error) Bytes() []byte {
	return fmt.Appendf(nil, xmlDeclaration+`<Error xmlns="`+namespace+`"><Code>%s</Code><Message>%s</Message></Error>`+"\n",
		toText(string(e.Code)), toText(e.Message))
}

// ParseError reads the body of an error. It fails with ErrMessage.
func ParseError(body []byte) (*Error, error) {
	parts, err := parse(body, namespace, "Error", "Code", "Message")
	if err != nil {
		return nil, err
	}
	code, err := readText(parts[0])
	if err != nil {
		return nil, err
	}
	message, err := readText(parts[1])
	if err != nil {
		return nil, err
	}
	return &Error{Code(clean(code)), clean(message)}, nil
}

func toText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(clean(s))) // a Builder takes everything
	return b.String()
}

// clean cuts a text of the other side, or for it, down to what may stand on a terminal and in a log.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
		for !utf8.ValidString(s) && len(s) > maxText-utf8.UTFMax {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r < ' ' || 0x7f <= r && r < 0xa0 || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, s)
}
