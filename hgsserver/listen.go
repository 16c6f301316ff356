package hgsserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scutum-project/scutum/signing"
)

// DefaultListen is where hosts are served if nothing else is said.
const DefaultListen = ":80"

// Listening says where a service listens, and with which certificates, in PEM files of its machine. What is empty is not served;
// hosts are, at DefaultListen.
type Listening struct {
	Listen    string `json:"listen,omitempty"`
	TLSCert   string `json:"tlsCert,omitempty"`
	TLSKey    string `json:"tlsKey,omitempty"`
	Metrics   string `json:"metrics,omitempty"`
	Admin     string `json:"adminListen,omitempty"`
	AdminCert string `json:"adminCert,omitempty"` // else that of hosts
	AdminKey  string `json:"adminKey,omitempty"`
}

// A ListeningChange has what is to change of where a service listens; the rest is nil, and what is empty is taken away.
type ListeningChange struct {
	Listen    *string `json:"listen,omitempty"`
	TLSCert   *string `json:"tlsCert,omitempty"`
	TLSKey    *string `json:"tlsKey,omitempty"`
	Metrics   *string `json:"metrics,omitempty"`
	Admin     *string `json:"adminListen,omitempty"`
	AdminCert *string `json:"adminCert,omitempty"`
	AdminKey  *string `json:"adminKey,omitempty"`
}

// Over gives what is set with the change in its place.
func (c *ListeningChange) Over(set Listening) Listening {
	for _, value := range []struct{ of, to *string }{{&set.Listen, c.Listen}, {&set.TLSCert, c.TLSCert}, {&set.TLSKey, c.TLSKey}, {&set.Metrics, c.Metrics},
		{&set.Admin, c.Admin}, {&set.AdminCert, c.AdminCert}, {&set.AdminKey, c.AdminKey}} {
		if value.to != nil {
			*value.of = *value.to
		}
	}
	return set
}

// Options reads the certificates. It fails where an address is none, or administration would have no certificate.
func (l Listening) Options() (Options, error) {
	if l.Listen == "" {
		l.Listen = DefaultListen
	}
	o := Options{Listen: l.Listen, Metrics: l.Metrics, Admin: l.Admin, Group: -1}
	for what, address := range map[string]string{"hosts": l.Listen, "Prometheus": l.Metrics, "administrators": l.Admin} {
		if err := checkAddress(address); err != nil {
			return o, fmt.Errorf("the address for %s: %w", what, err)
		}
	}
	var err error
	if o.TLS, err = keyPair(l.TLSCert, l.TLSKey); err != nil {
		return o, fmt.Errorf("the certificate for hosts: %w", err)
	}
	if l.Admin == "" {
		return o, nil
	}
	if o.AdminTLS, err = keyPair(l.AdminCert, l.AdminKey); err != nil {
		return o, fmt.Errorf("the certificate for administrators: %w; --admin-listen off does without", err)
	}
	if o.AdminTLS == nil {
		o.AdminTLS = o.TLS
	}
	if o.AdminTLS == nil {
		return o, errors.New("administration at an address needs a certificate of the service: give --admin-cert and --admin-key, or --tls-cert and --tls-key")
	}
	return o, nil
}

// check is for what is to be kept: a service that starts by it later has another working folder.
func (l Listening) check() error {
	for _, path := range []string{l.TLSCert, l.TLSKey, l.AdminCert, l.AdminKey} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("%.256q is not the whole path of a file on the machine of the service", path)
		}
	}
	o, err := l.Options()
	if err != nil {
		return err
	}
	if _, err := keyPair(l.AdminCert, l.AdminKey); err != nil { // of an address that may be set later
		return fmt.Errorf("the certificate for administrators: %w", err)
	}
	for _, pair := range [][2]string{{o.Listen, o.Metrics}, {o.Listen, o.Admin}, {o.Metrics, o.Admin}} {
		if overlap(pair[0], pair[1]) {
			return fmt.Errorf("%s and %s are the same address", pair[0], pair[1])
		}
	}
	return nil
}

// overlap says whether nobody can listen at both addresses. An empty one is none.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	any := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return errA == nil && errB == nil && portA == portB && portA != "0" && (strings.EqualFold(hostA, hostB) || any(hostA) || any(hostB))
}

// checkAddress says whether one could listen at an address, on some machine.
func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%.256q is not HOST:PORT, such as 192.0.2.1:443 or :80", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%.256q: a port is a number up to 65535", address)
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil
	}
	strange := func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}
	digits := strings.Trim(host, "0123456789.") == ""
	if len(host) > 253 || digits || strings.ContainsFunc(host, strange) {
		return fmt.Errorf("%.256q: %.256q is neither the address nor the name of a machine", address, host)
	}
	return nil
}

func keyPair(certificate, key string) (*tls.Config, error) {
	switch {
	case certificate == "" && key == "":
		return nil, nil
	case certificate == "" || key == "":
		return nil, errors.New("certificate and key come together")
	}
	chain, err := readPEM(certificate)
	if err != nil {
		return nil, err
	}
	private, err := readPEM(key)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, fmt.Errorf("reading %s and %s: %w", certificate, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
}

// readPEM reads a file, and nothing else, since the path may come from elsewhere.
func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > signing.MaxKeyFile {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, signing.MaxKeyFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, signing.MaxKeyFile))
}

// Listening is what administrators have set.
func (s *Server) Listening() Listening { return s.current.Load().Listening }
