// Package attest is the host's side of attestation (MS-HGSA section 3.2): it asks a service how it decides, proves what it
// wants proved, and gets health certificates for the host's identity keys.
//
// The service is not trusted with the host: its commands for the TPM are looked at before they are run, and what it answers
// has to be what was asked for. Who the service is, nobody proves but TLS, where it is used: a certificate of a false service
// is of no use at a key protection service. The package keeps no key.
package attest

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
)

// ErrAnswer says that a service answered something else than it was asked.
var ErrAnswer = errors.New("the service did not answer what it was asked")

// ErrMode says that a service decides in a way that this host cannot.
var ErrMode = errors.New("the host cannot attest in the mode of the service")

// An Identity is what a host wants certified: the public keys of its protected memory, for encryption (IDK) and for
// signing (IDKS).
type Identity struct{ Encryption, Signing *rsa.PublicKey }

// Certificates are a host's health certificates, and how it got them.
type Certificates struct {
	Mode                hgsa.OperationMode
	Encryption, Signing *x509.Certificate
}

// A Client speaks to the service at an address, such as http://hgs.example.com.
type Client struct {
	HTTP   *http.Client
	Server string
}

// Info asks what the service is (section 3.1.5.4).
func (c *Client) Info(ctx context.Context) (*hgsa.ServiceInfoReply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address("getinfo"), nil)
	if err != nil {
		return nil, err
	}
	reply, err := c.do(request)
	if err != nil {
		return nil, err
	}
	info, ok := reply.(*hgsa.ServiceInfoReply)
	if !ok {
		return nil, c.unexpected(reply)
	}
	return info, nil
}

func (c *Client) address(path string) string {
	return strings.TrimRight(c.Server, "/") + "/Attestation/" + path
}

// post sends a request of the protocol. A refusal is a *Refusal.
func (c *Client) post(ctx context.Context, path string, message json.Marshaler) (hgsa.Reply, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address(path), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	return c.do(request)
}

func (c *Client) do(request *http.Request) (hgsa.Reply, error) {
	reply, err := c.ask(request)
	if err != nil {
		return nil, fmt.Errorf("asking the attestation service at %s: %w", c.Server, err)
	}
	if refusal, ok := reply.(*hgsa.ErrorReply); ok {
		return nil, &Refusal{Server: c.Server, Reply: refusal}
	}
	return reply, nil
}

func (c *Client) ask(request *http.Request) (hgsa.Reply, error) {
	answer, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, hgsa.MaxMessage+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > hgsa.MaxMessage:
		return nil, fmt.Errorf("its answer has more than %d bytes", hgsa.MaxMessage)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answers with status %d: is the address right?", answer.StatusCode)
	}
	return hgsa.ParseReply(body)
}

func (c *Client) unexpected(reply hgsa.Reply) error {
	return fmt.Errorf("asking the attestation service at %s: %w: it sent a %T", c.Server, ErrAnswer, reply)
}

// A Refusal says that a service gave no certificate.
type Refusal struct {
	Server string
	Mode   hgsa.OperationMode // in which the host attested
	Reply  *hgsa.ErrorReply
}

// Failed names the policies that the host did not meet, where it was refused for that.
func (r *Refusal) Failed() []string {
	names := map[uuid.UUID]string{}
	for _, p := range policy.BuiltIn() {
		names[p.GUID] = p.Name
	}
	var failed []string
	for _, reason := range r.Reply.Reasons {
		switch name := names[reason.Reason]; {
		case reason.Result:
		case name != "":
			failed = append(failed, name)
		default:
			failed = append(failed, reason.Reason.String())
		}
	}
	return failed
}

// says are the errors in words (sections 2.2.2.14 to 2.2.2.24).
var says = map[hgsa.ErrorName]string{
	hgsa.OperationModeError:     "it attests in another mode",
	hgsa.PayloadError:           "the request has not the form that it expects",
	hgsa.PolicyEvaluationError:  "the boot does not meet its policies",
	hgsa.RtpmError:              "the TPM did not prove what it should",
	hgsa.TcgLogValidationError:  "the boot log is not that of the TPM",
	hgsa.UnauthorizedError:      "the host is not registered",
	hgsa.UnavailableError:       "it cannot answer at present",
	hgsa.VirtualSecureModeError: "the identity keys are not acceptable",
}

// Reason says in words why.
func (r *Refusal) Reason() string {
	text := says[r.Reply.Name]
	if text == "" {
		text = "it does not say why"
	}
	if failed := r.Failed(); len(failed) > 0 {
		text += ": " + strings.Join(failed, ", ")
	}
	return text
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the attestation service at %s refused with %sErrorReply: %s", r.Server, r.Reply.Name, r.Reason())
}

// Unavailable says whether an error is one after which another service may be asked: this one was not reached, or cannot
// answer at present. A refusal is an answer.
func Unavailable(err error) bool {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Reply.Name == hgsa.UnavailableError
	}
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrMode) && !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrCommand)
}
