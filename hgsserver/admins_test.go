package hgsserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// newIdentity makes a certificate with its key, and gives the PEM file that has both.
func newIdentity(t testing.TB, name string, validFor time.Duration) (*signing.Identity, string) {
	t.Helper()
	id, err := signing.NewLabIdentity(name, signing.P256, validFor)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(id.Key.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), name+".pem")
	require.NoError(t, os.WriteFile(file, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), 0o600))
	return id, file
}

// A remote is a service with an address for administrators.
type remote struct {
	*Server
	url, file string // where it is, and its certificate
	id        *signing.Identity
	stop      func() error
	late      atomic.Int64 // nanoseconds that the service's clock is ahead
}

func serveRemote(t *testing.T) *remote {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	r := &remote{Server: open(t, newService(t)), url: "https://" + address}
	r.id, r.file = newIdentity(t, "service", time.Hour)
	r.now = func() time.Time { return time.Now().Add(time.Duration(r.late.Load())) }
	o, err := Listening{Admin: address, AdminCert: r.file, AdminKey: r.file}.Options()
	require.NoError(t, err)
	_, r.stop = serve(t, r.Server, o)
	return r
}

func (r *remote) register(t *testing.T, name string, role Role) (*signing.Identity, string) {
	t.Helper()
	id, file := newIdentity(t, name, time.Hour)
	mustChange(t, r.Server, "POST", "/v1/admins", NewAdmin{Name: name, Role: &role, Certificate: id.Certificate.Raw})
	return id, file
}

// client is what somebody with that certificate uses.
func (r *remote) client(t *testing.T, id *signing.Identity) *Client {
	t.Helper()
	c, err := NewRemoteClient(Remote{URL: r.url, Client: id, Server: []*x509.Certificate{r.id.Certificate}})
	require.NoError(t, err)
	return c
}

func TestRolesOverTLS(t *testing.T) {
	r := serveRemote(t)
	_, alice := r.register(t, "alice", Administrator)
	_, bob := r.register(t, "bob", Reviewer)
	_, mallory := newIdentity(t, "mallory", time.Hour)
	carolID, carol := newIdentity(t, "carol", time.Hour)
	role := Administrator
	mustChange(t, r.Server, "POST", "/v1/admins", NewAdmin{Name: "carol", Role: &role, Certificate: carolID.Certificate.Raw})
	plain := strings.Replace(r.url, "https:", "http:", 1)
	refused := `403 {"error":"` + errNotAdmitted.Error() + `"}`

	for name, c := range map[string]struct {
		args   []string
		answer string // status and body, or what curl says
	}{
		"administrator reads":           {[]string{"--cert", alice, r.url + "/v1/status"}, `200 {"name":"hgs.example.com"`},
		"administrator changes":         {[]string{"--cert", alice, "-X", "PATCH", "-d", `{"maxOfflineUnwraps":1}`, r.url + "/v1/config"}, "200 "},
		"reviewer reads":                {[]string{"--cert", bob, r.url + "/v1/report"}, `200 [{"sequence":1`},
		"reviewer reads metrics":        {[]string{"--cert", bob, r.url + "/metrics"}, "200 "},
		"reviewer changes":              {[]string{"--cert", bob, "-X", "PATCH", "-d", `{"maxOfflineUnwraps":9}`, r.url + "/v1/config"}, `403 {"error":"reviewers read and change nothing`},
		"reviewer makes himself one":    {[]string{"--cert", bob, "-d", `{}`, r.url + "/v1/admins"}, `403 {"error":"reviewers read and change nothing`},
		"reviewer backs up":             {[]string{"--cert", bob, "-d", `{"password":"x"}`, r.url + "/v1/backup"}, `403 {"error":"reviewers read and change nothing`},
		"unknown":                       {[]string{"--cert", mallory, r.url + "/v1/status"}, refused},
		"unknown, where nothing is":     {[]string{"--cert", mallory, r.url + "/nothing"}, refused},
		"unknown, metrics":              {[]string{"--cert", mallory, r.url + "/metrics"}, refused},
		"unknown, a large body":         {[]string{"--cert", mallory, "-H", "Expect: 100-continue", "-T", "/dev/zero", "-X", "POST", r.url + "/v1/hosts"}, refused},
		"known certificate of no key":   {[]string{"--cert", bob, "--key", mallory, r.url + "/v1/status"}, "curl: (58)"},
		"no certificate":                {[]string{r.url + "/v1/status"}, "curl: (56)"},
		"TLS 1.2":                       {[]string{"--cert", alice, "--tls-max", "1.2", r.url + "/v1/status"}, "alert protocol version"},
		"without TLS":                   {[]string{plain + "/v1/status"}, "400 Client sent an HTTP request to an HTTPS server."},
		"a header too large":            {[]string{"--cert", alice, "-H", "X: " + strings.Repeat("x", 2*maxHeader), r.url + "/v1/status"}, "431 "},
		"a body too large":              {[]string{"--cert", alice, "-X", "POST", "-d", `{"name":"` + strings.Repeat("x", 100<<10) + `"}`, r.url + "/v1/hosts"}, "400 "},
		"what is for hosts":             {[]string{"--cert", alice, r.url + "/attestation/getinfo"}, "404 "},
		"registered, but has ended now": {[]string{"--cert", carol, r.url + "/v1/status"}, refused},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "registered, but has ended now" {
				r.late.Store(int64(2 * time.Hour))
				defer r.late.Store(0)
			}
			out, _ := exec.Command("curl", append([]string{"-sSk", "--max-time", "20", "-w", "\n%{http_code}"}, c.args...)...).CombinedOutput()
			text := string(out)
			if at := strings.LastIndexByte(text, '\n'); at >= 0 {
				text = text[at+1:] + " " + text[:at]
			}
			require.Contains(t, text, c.answer)
		})
	}
	require.EqualValues(t, 1, r.current.Load().MaxOfflineUnwraps)
	require.NoError(t, r.stop())
}

func TestRemovalHoldsForOpenConnections(t *testing.T) {
	r := serveRemote(t)
	id, _ := r.register(t, "alice", Administrator)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}}})
	require.NoError(t, err)
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}} // the one
	get := func() int {
		response, err := client.Get(r.url + "/v1/hosts")
		require.NoError(t, err)
		var any any
		require.NoError(t, json.NewDecoder(response.Body).Decode(&any))
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, get())
	require.Equal(t, http.StatusOK, get())
	mustChange(t, r.Server, "DELETE", "/v1/admins", Named{"Alice"})
	require.Equal(t, http.StatusForbidden, get())
	require.NoError(t, r.stop())
}

func TestAdministratorsAreNamedInTheAuditLog(t *testing.T) {
	r := serveRemote(t)
	id, _ := r.register(t, "alice", Administrator)
	alice := r.client(t, id)
	unwraps := uint32(3)
	require.NoError(t, alice.Do(t.Context(), "PATCH", "/v1/config", SettingsChange{MaxOfflineUnwraps: &unwraps}, nil))
	backup, err := alice.Stream(t.Context(), "POST", "/v1/backup", BackupRequest{Password: "x"})
	require.NoError(t, err)
	require.NoError(t, backup.Close())
	var entries []store.Entry
	require.NoError(t, alice.Do(t.Context(), "GET", "/v1/report?limit=2", nil, &entries))
	for i, kind := range []string{"config", "backup"} {
		require.Equal(t, kind, entries[i].Kind)
		require.Contains(t, string(entries[i].Data), `"by":"alice (certificate `+signing.Thumbprint(id.Certificate)+`)"`)
	}
	require.NoError(t, r.stop())
}

func TestRegisteringAdministrators(t *testing.T) {
	s := open(t, newService(t))
	role := Reviewer
	id, _ := newIdentity(t, "bob", time.Hour)
	other, _ := newIdentity(t, "other", time.Hour)
	mustChange(t, s, "POST", "/v1/admins", NewAdmin{Name: "bob", Role: &role, Certificate: id.Certificate.Raw})
	for name, c := range map[string]struct {
		message any
		says    string
	}{
		"the same name":        {NewAdmin{Name: "BOB", Role: &role, Certificate: other.Certificate.Raw}, "there is one already"},
		"the same certificate": {NewAdmin{Name: "other", Role: &role, Certificate: id.Certificate.Raw}, "it is the certificate of bob"},
		"no role":              {NewAdmin{Name: "x", Certificate: id.Certificate.Raw}, "a role is missing"},
		"another role":         {map[string]any{"name": "x", "role": "root", "certificate": id.Certificate.Raw}, "there is no role"},
		"no name":              {NewAdmin{Role: &role, Certificate: id.Certificate.Raw}, "the name of an administrator"},
		"no certificate":       {NewAdmin{Name: "x", Role: &role}, "reading the certificate"},
	} {
		status, body := ask(t, s, Administrator, "POST", "/v1/admins", c.message)
		require.NotEqual(t, http.StatusOK, status, name)
		require.Contains(t, string(body), c.says, name)
	}
	s.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	status, body := ask(t, s, Administrator, "POST", "/v1/admins", NewAdmin{Name: "other", Role: &role, Certificate: other.Certificate.Raw})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(body), "the certificate ended at")
	require.Len(t, s.current.Load().clients, 1)
	status, _ = ask(t, s, Administrator, "DELETE", "/v1/admins", Named{"alice"})
	require.Equal(t, http.StatusNotFound, status)
}

// TestClientSaysWhatToDo has a client meet what may be there in place of the service.
func TestClientSaysWhatToDo(t *testing.T) {
	r := serveRemote(t)
	alice, _ := r.register(t, "alice", Administrator)
	mallory, _ := newIdentity(t, "mallory", time.Hour)
	hosts := open(t, newService(t))
	hostsAddress, stopHosts := serve(t, hosts, Options{})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	pinned := []*x509.Certificate{r.id.Certificate}
	for name, c := range map[string]struct {
		remote Remote
		says   string
	}{
		"right":               {Remote{r.url, alice, pinned}, ""},
		"nobody there":        {Remote{"https://" + closed.Addr().String(), alice, pinned}, `is "hgs serve --admin-listen" running there`},
		"no such name":        {Remote{"https://nowhere.invalid:1", alice, pinned}, "check the name"},
		"another certificate": {Remote{r.url, alice, []*x509.Certificate{mallory.Certificate}}, "neither the given one nor issued by it"},
		"not the system's":    {Remote{r.url, alice, nil}, "this system does not trust its issuer"},
		"not registered":      {Remote{r.url, mallory, pinned}, "the client certificate gives no access"},
		"without TLS":         {Remote{"https://" + hostsAddress, alice, pinned}, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := NewRemoteClient(c.remote)
			require.NoError(t, err)
			err = client.Do(t.Context(), "GET", "/v1/status", nil, &Status{})
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
	for _, url := range []string{"http://x", "hgs.example.com:1", "https://", "https://a/b", "https://u@a", "https://a?b"} {
		_, err := NewRemoteClient(Remote{URL: url, Client: alice})
		require.ErrorContains(t, err, "is not the address of a service", url)
	}
	require.NoError(t, r.stop())
	require.NoError(t, stopHosts())
}

func TestCheckServer(t *testing.T) {
	authority, service := newAuthority(t, net.IPv4(192, 0, 2, 1), "hgs.example.com")
	alone, _ := newIdentity(t, "service", time.Hour)
	other, _ := newIdentity(t, "other", time.Hour)
	now := time.Now()
	for name, c := range map[string]struct {
		shown *x509.Certificate
		host  string
		given *x509.Certificate
		at    time.Time
		says  string
	}{
		"itself, whatever its name": {alone.Certificate, "elsewhere", alone.Certificate, now, ""},
		"itself, but ended":         {alone.Certificate, "elsewhere", alone.Certificate, now.Add(2 * time.Hour), "the service needs another one"},
		"itself, of an authority":   {service, "elsewhere", service, now, ""},
		"issued, by name":           {service, "hgs.example.com", authority, now, ""},
		"issued, by address":        {service, "192.0.2.1", authority, now, ""},
		"issued, but ended":         {service, "hgs.example.com", authority, now.Add(2 * time.Hour), "expired"},
		"issued for another name":   {service, "other.example.com", authority, now, "not other.example.com"},
		"issued for another IP":     {service, "192.0.2.2", authority, now, "not 192.0.2.2"},
		"issued by another one":     {service, "hgs.example.com", other.Certificate, now, "neither the given one nor issued by it"},
		"another one":               {alone.Certificate, "hgs.example.com", other.Certificate, now, "neither the given one nor issued by it"},
	} {
		err := checkServer([]*x509.Certificate{c.shown}, c.host, []*x509.Certificate{c.given}, c.at)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
	}
	require.ErrorContains(t, checkServer([]*x509.Certificate{service}, "", []*x509.Certificate{authority}, now), "x509: certificate")
}

// newAuthority makes an authority, and a certificate that it issued.
func newAuthority(t *testing.T, ip net.IP, name string) (authority, issued *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	sign := func(c, parent *x509.Certificate) *x509.Certificate {
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
		require.NoError(t, err)
		made, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return made
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority = sign(template, template)
	return authority, sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{ip}, DNSNames: []string{name}}, authority)
}
