package hgsserver

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// A Role is what somebody may do.
type Role int

// The roles. A reviewer reads; an administrator also changes.
const (
	Reviewer Role = iota
	Administrator
)

var roleNames = [...]string{"reviewer", "administrator"}

func (r Role) String() string { return roleNames[r] }

// MarshalText writes a role as "reviewer" or "administrator".
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (r *Role) UnmarshalText(text []byte) error {
	for role, name := range roleNames {
		if name == string(text) {
			*r = Role(role)
			return nil
		}
	}
	return fmt.Errorf("there is no role %.32q: use %s or %s", text, Administrator, Reviewer)
}

// minRSA is the smallest RSA key of a client certificate, in bits.
const minRSA = 2048

// A registeredClient has a role when it shows its certificate, and proves its key, over TLS. Nothing but the very certificate
// counts: it needs no issuer.
type registeredClient struct {
	Name        string    `json:"name"`
	Role        Role      `json:"role"`
	Certificate []byte    `json:"certificate"`
	Added       time.Time `json:"added"`

	x509       *x509.Certificate
	thumbprint string
}

func newRegisteredClient(n NewAdmin, at time.Time) (*registeredClient, error) {
	if !serviceName(n.Name) {
		return nil, fmt.Errorf("the name of an administrator or reviewer has 1 to %d letters, digits and other characters that print", maxServiceName)
	}
	c := &registeredClient{Name: n.Name, Role: *n.Role, Certificate: n.Certificate, Added: at.UTC()}
	if err := c.read(); err != nil {
		return nil, err
	}
	if at.After(c.x509.NotAfter) {
		return nil, fmt.Errorf("the certificate ended at %s: make another one", stamp(c.x509.NotAfter))
	}
	if key, ok := c.x509.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return nil, fmt.Errorf("the certificate has an RSA key of %d bits: at least %d are needed", key.N.BitLen(), minRSA)
	}
	return c, nil
}

func (c *registeredClient) read() (err error) {
	if c.x509, err = x509.ParseCertificate(c.Certificate); err != nil {
		return fmt.Errorf("reading the certificate of %.64q: %w", c.Name, err)
	}
	c.thumbprint = signing.Thumbprint(c.x509)
	return nil
}

func (c *registeredClient) info() AdminInfo {
	return AdminInfo{Name: c.Name, Role: c.Role, Thumbprint: c.thumbprint, Subject: c.x509.Subject.String(), Expires: c.x509.NotAfter.UTC()}
}

func (c *configuration) loadClients(tx *store.Tx) error {
	err := tx.Each(store.Configuration, func(key string, value []byte) error {
		if !strings.HasPrefix(key, clientPrefix) {
			return nil
		}
		var client registeredClient
		if err := json.Unmarshal(value, &client); err != nil {
			return fmt.Errorf("reading an administrator: %w", err)
		}
		c.clients = append(c.clients, &client)
		return client.read()
	})
	return err
}

// clientOf gives whose certificate a connection showed, if it holds at that time.
func (c *configuration) clientOf(state *tls.ConnectionState, at time.Time) (*registeredClient, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil, errors.New("no client certificate")
	}
	shown := state.PeerCertificates[0]
	for _, client := range c.clients {
		switch {
		case !client.x509.Equal(shown):
		case at.Before(shown.NotBefore) || at.After(shown.NotAfter):
			return nil, fmt.Errorf("the certificate of %s holds from %s to %s", client.Name, stamp(shown.NotBefore), stamp(shown.NotAfter))
		default:
			return client, nil
		}
	}
	return nil, fmt.Errorf("the certificate %s is not registered", signing.Thumbprint(shown))
}

// errNotAdmitted is all that somebody without a role gets to know.
var errNotAdmitted = errors.New("the client certificate gives no access: it is not registered here, or does not hold now")

// remoteHandler answers those whose client certificate is registered. It looks at what is registered when a request comes, and
// not when the connection was opened.
func (s *Server) remoteHandler() http.Handler {
	roles := map[Role]http.Handler{Reviewer: s.AdminHandler(Reviewer), Administrator: s.AdminHandler(Administrator)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, err := s.current.Load().clientOf(r.TLS, s.now())
		if err != nil {
			s.log.Warn("administration was refused", "from", r.RemoteAddr, "reason", err)
			w.Header().Set("Connection", "close")
			writeJSON(w, http.StatusForbidden, apiError{errNotAdmitted.Error()})
			return
		}
		by := fmt.Sprintf("%s (certificate %s)", client.Name, client.thumbprint)
		roles[client.Role].ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, by)))
	})
}

// remoteTLS is TLS 1.3 with a certificate of the client, whose issuer does not matter: remoteHandler says who it is.
func remoteTLS(own *tls.Config) *tls.Config {
	config := own.Clone()
	config.MinVersion = tls.VersionTLS13
	config.ClientAuth = tls.RequireAnyClientCert
	config.SessionTicketsDisabled = true // every connection proves its key
	config.NextProtos = []string{"http/1.1"}
	return config
}

func (s *Server) listAdmins(*call) (any, error) {
	list := []AdminInfo{}
	for _, client := range s.current.Load().clients {
		list = append(list, client.info())
	}
	return list, nil
}

func (s *Server) addAdmin(c *call) (any, error) {
	var n NewAdmin
	if err := c.read(&n); err != nil {
		return nil, err
	}
	if n.Role == nil {
		return nil, fmt.Errorf("a role is missing: %s or %s", Administrator, Reviewer)
	}
	client, err := newRegisteredClient(n, s.now())
	if err != nil {
		return nil, err
	}
	info := client.info()
	return info, s.change(c.by, "admin.add", info, func(tx *store.Tx, config *configuration) error {
		for _, other := range config.clients {
			if other.thumbprint == client.thumbprint {
				return fmt.Errorf("%w: it is the certificate of %s; hgs admin remove takes that access away first", ErrExists, other.Name)
			}
		}
		return addJSON(tx, store.Configuration, entryName(clientPrefix, client.Name), client,
			"administrator or reviewer", "hgs admin remove takes the access away first, or give another name")
	})
}

func (s *Server) removeAdmin(c *call) (any, error) {
	return s.remove(c, "admin", store.Configuration, clientPrefix)
}
