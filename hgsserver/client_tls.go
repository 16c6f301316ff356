package hgsserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scutum-project/scutum/signing"
)

// Remote says where a service is administered over TLS, and by whom.
type Remote struct {
	URL    string // such as https://hgs.example.com:8443
	Client *signing.Identity
	Server []*x509.Certificate // the service's own, or those of its issuers; none for the system's roots
}

// connectTime bounds how long a connection to a service may take.
const connectTime = 15 * time.Second

// NewRemoteClient makes a client of a service over TLS. Nothing is asked yet.
func NewRemoteClient(r Remote) (*Client, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a service, such as https://hgs.example.com:8443", r.URL)
	}
	own := tls.Certificate{Certificate: [][]byte{r.Client.Certificate.Raw}, PrivateKey: r.Client.Key}
	for _, issuer := range r.Client.Chain {
		own.Certificate = append(own.Certificate, issuer.Raw)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Whatever issuers the service may ask for, this is the certificate.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },
		InsecureSkipVerify:   true, // VerifyConnection decides
		VerifyConnection: func(state tls.ConnectionState) error {
			return checkServer(state.PeerCertificates, u.Hostname(), r.Server, time.Now()) // state.ServerName is empty for an IP address
		},
	}
	transport := &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: connectTime, Proxy: http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: connectTime}).DialContext}
	refuse := func(*http.Request, []*http.Request) error {
		return errors.New("it sends elsewhere, as no such service does")
	}
	site := "https://" + u.Host
	explain := func(err error) error { return explainTLS(site, r.Client.Certificate, err) }
	return &Client{site, &http.Client{Transport: transport, CheckRedirect: refuse}, explain}, nil
}

// errServer says that a service shows a certificate that is not trusted.
type errServer struct {
	shown *x509.Certificate
	why   error
}

func (e *errServer) Error() string {
	return fmt.Sprintf("it shows the certificate %s of %s: %v", signing.Thumbprint(e.shown), e.shown.Subject, e.why)
}

// checkServer trusts one of the given certificates itself, whatever its names, and those that one of them issued for the name;
// without any, those that the system trusts for the name.
func checkServer(chain []*x509.Certificate, name string, given []*x509.Certificate, at time.Time) error {
	own := chain[0]
	if slices.ContainsFunc(given, own.Equal) {
		if at.Before(own.NotBefore) || at.After(own.NotAfter) {
			return &errServer{own, fmt.Errorf("it holds from %s to %s: the service needs another one", stamp(own.NotBefore), stamp(own.NotAfter))}
		}
		return nil
	}
	o := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: at}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if len(given) > 0 {
		o.Roots = x509.NewCertPool()
		for _, c := range given {
			o.Roots.AddCert(c)
		}
	}
	_, err := own.Verify(o)
	if err == nil {
		err = own.VerifyHostname(name) // after its issuer, of which it says more
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &x509.UnknownAuthorityError{}) && len(given) > 0:
		err = errors.New("that is neither the given one nor issued by it; " +
			"is the address right? If the service has another certificate now, get it from its administrator")
	case errors.As(err, &x509.UnknownAuthorityError{}):
		err = errors.New("this system does not trust its issuer; give the certificate of the service with --server-cert")
	}
	return &errServer{own, err}
}

// explainTLS says why a service did not answer, and what to do.
func explainTLS(site string, own *x509.Certificate, err error) error {
	var resolve *net.DNSError
	var server *errServer
	var header tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &server):
		return fmt.Errorf("%s is not trusted: %w", site, server)
	case errors.As(err, &resolve):
		return fmt.Errorf("%s is not found: check the name (%w)", site, resolve)
	case errors.As(err, &header), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s does not speak TLS: is it the address of --admin-listen?", site)
	case errors.As(err, &remote) && remote.Op == "remote error":
		return fmt.Errorf("%s refused the connection (%w): is it the address of --admin-listen, and the client certificate %s one that it can use?",
			site, remote.Err, signing.Thumbprint(own))
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return fmt.Errorf("no service answers at %s: is \"hgs serve --admin-listen\" running there, and does every firewall let you through? (%w)",
			site, errors.Unwrap(err))
	}
	return fmt.Errorf("asking %s: %w", site, errors.Unwrap(err))
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
