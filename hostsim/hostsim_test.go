package hostsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hostsim/attest"
	"github.com/scutum-project/scutum/hostsim/measuredboot"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// made is the folder of a host that was not started before: to make a TPM takes seconds.
var made string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hostsim")
	if err != nil {
		panic(err)
	}
	made = filepath.Join(dir, "host")
	if _, err := Init(context.Background(), made, Config{Name: "host1", HGS: "http://127.0.0.1:1", TPM: Software}); err != nil {
		panic(fmt.Errorf("swtpm_setup is in the package swtpm-tools: %w", err))
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// newHost gives a host of those services.
func newHost(t *testing.T, servers ...string) *Host {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "host")
	require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
	h, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, h.Configure(servers[0], strings.Join(servers[1:], "")))
	return h
}

func boot(t *testing.T, h *Host, profile string) *Running {
	t.Helper()
	p, err := measuredboot.Find(profile)
	require.NoError(t, err)
	r, err := h.Boot(t.Context(), p)
	require.NoError(t, err)
	return r
}

// A fabric is a Host Guardian Service in this process.
type fabric struct {
	*httptest.Server
	attestation *attestation.Service
	protection  *keyprotection.Service
	config      attestation.Config
	keys        keyprotection.Config
	attested    int
}

func newFabric(t *testing.T) *fabric {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	f := &fabric{}
	f.attestation = attestation.New([32]byte{1}, func(r attestation.Report) error {
		if r.Healthy {
			f.attested++
		}
		return nil
	}, log)
	f.protection = keyprotection.New(func(keyprotection.Release) error { return nil }, log)
	signer, err := health.NewSigner("hgs.example.com", time.Now().Add(-time.Hour))
	require.NoError(t, err)
	own, err := guardian.NewOwner("fabric", 2048, 24*time.Hour)
	require.NoError(t, err)
	f.config.Mode, f.config.Signers = hgsa.ModeHostKey, []*health.Signer{signer}
	f.keys.Signing = []*signing.Identity{{Certificate: own.Signing, Key: own.SigningKey}}
	f.keys.Encryption = []*signing.Identity{{Certificate: own.Encryption, Key: own.EncryptionKey}}
	f.keys.Signers = append(f.keys.Signers, signer.Certificate)
	f.configure(t)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(strings.ToLower(r.URL.Path), "/attestation/") {
			f.attestation.ServeHTTP(w, r)
		} else {
			f.protection.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fabric) configure(t *testing.T) {
	t.Helper()
	require.NoError(t, f.attestation.Configure(f.config))
	require.NoError(t, f.protection.Configure(f.keys))
}

// know registers a host that runs, in both modes.
func (f *fabric) know(t *testing.T, r *Running) {
	t.Helper()
	id, err := r.Identifier()
	require.NoError(t, err)
	key, err := r.HostKey()
	require.NoError(t, err)
	f.config.Hosts = []attestation.Host{{Name: "host1", Key: id.Key.Bytes(), Certificate: id.Certificate.Raw}}
	f.config.HostKeys = []attestation.HostKey{{Name: "host1", Key: key}}
	baseline, err := policy.NewBaseline("rack1", r.Log)
	require.NoError(t, err)
	file, err := os.ReadFile(r.path(CIPolicyFile))
	require.NoError(t, err)
	ci, err := policy.NewCI("ci1", file)
	require.NoError(t, err)
	f.config.Policies = policy.Set{Administrator: []policy.Administrator{*baseline, *ci}}
	f.configure(t)
}

func (f *fabric) protector(t *testing.T) *keyprotector.Protector {
	t.Helper()
	owner, err := guardian.NewOwner("owner", 2048, 24*time.Hour)
	require.NoError(t, err)
	metadata, err := f.protection.Metadata()
	require.NoError(t, err)
	service, err := guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	p, key, err := keyprotector.New(owner, []*guardian.Guardian{service})
	require.NoError(t, err)
	key.Clear()
	return p
}

// TestIdentity follows the identity keys from boot to boot.
func TestIdentity(t *testing.T) {
	h := newHost(t, "http://127.0.0.1:1")
	start := func(profile string) *identity {
		r := boot(t, h, profile)
		require.NoError(t, r.Close())
		return r.identity
	}
	first := start("healthy")
	sealed, err := os.ReadFile(h.path(identityFile))
	require.NoError(t, err)
	require.True(t, first.encryption.Equal(start("healthy").encryption), "the same boot, the same keys")
	require.True(t, first.signing.Equal(start("healthy").signing))
	require.False(t, first.encryption.Equal(first.signing))

	require.Nil(t, start("no-vsm"))
	require.True(t, first.encryption.Equal(start("healthy").encryption), "a boot without protected memory leaves them alone")
	other := start("dumps")
	require.False(t, first.encryption.Equal(other.encryption), "another boot, other keys")
	require.NoError(t, os.WriteFile(h.path(identityFile), sealed, 0o600))
	require.True(t, first.encryption.Equal(start("healthy").encryption))

	// What is sealed is of no use to another TPM.
	stranger := filepath.Join(t.TempDir(), "host")
	another, err := Init(t.Context(), stranger, Config{Name: "host2", HGS: "http://127.0.0.1:1", TPM: Software})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(another.path(identityFile), sealed, 0o600))
	r := boot(t, another, "healthy")
	require.NoError(t, r.Close())
	require.False(t, first.encryption.Equal(r.identity.encryption))

	var s sealedIdentity
	require.NoError(t, json.Unmarshal(sealed, &s))
	for name, change := range map[string]func(*sealedIdentity){
		"altered keys":  func(s *sealedIdentity) { s.Keys[0] ^= 1 },
		"altered nonce": func(s *sealedIdentity) { s.Nonce = s.Nonce[1:] },
		"no key":        func(s *sealedIdentity) { s.Key = nil },
	} {
		t.Run(name, func(t *testing.T) {
			var changed sealedIdentity
			require.NoError(t, json.Unmarshal(sealed, &changed))
			change(&changed)
			require.NoError(t, h.write(identityFile, &changed, true))
			_, err := h.Boot(t.Context(), measuredboot.Profiles()[0])
			require.ErrorContains(t, err, "remove it, and attest again")
		})
	}
}

// TestCertificates follows the health certificates that a host keeps.
func TestCertificates(t *testing.T) {
	f := newFabric(t)
	h := newHost(t, f.URL)
	r := boot(t, h, "healthy")
	defer func() { require.NoError(t, r.Close()) }()
	f.know(t, r)
	p := f.protector(t)
	release := func(asIs bool) error {
		released, _, err := r.Release(t.Context(), p, asIs)
		if err == nil {
			released.Keys.Clear()
		}
		return err
	}
	require.ErrorIs(t, release(true), ErrNotAttested)
	require.NoError(t, release(false))
	require.Equal(t, 1, f.attested)
	require.NoError(t, release(false))
	require.NoError(t, release(true))
	require.Equal(t, 1, f.attested, "the certificate is used again")

	f.config.Lifetime = 5 * time.Minute // less than what is left when hosts attest anew
	f.configure(t)
	_, err := r.Attest(t.Context())
	require.NoError(t, err)
	require.NoError(t, release(false))
	require.Equal(t, 3, f.attested, "it is renewed before it ends")
	f.config.Mode = hgsa.ModeTPM
	f.configure(t)
	hosts := f.config.Hosts
	f.config.Hosts = nil
	f.configure(t)
	refusal := &attest.Refusal{}
	require.ErrorAs(t, release(false), &refusal)
	require.Equal(t, hgsa.UnauthorizedError, refusal.Reply.Name)
	require.Equal(t, hgsa.ModeTPM, refusal.Mode)

	// The service accepts no certificates from before.
	f.config.Hosts, f.config.Lifetime = hosts, 0
	f.configure(t)
	_, err = r.Attest(t.Context())
	require.NoError(t, err)
	own := f.keys.Signers
	f.keys.Signers = nil
	f.configure(t)
	before := f.attested
	err = release(true)
	key := &kps.Error{}
	require.ErrorAs(t, err, &key)
	require.Equal(t, kps.HealthCertificateError, key.Code)
	require.Equal(t, before, f.attested)
	require.ErrorAs(t, release(false), &key)
	require.Equal(t, before+1, f.attested, "it was tried once with a new one")
	f.keys.Signers = own
	f.configure(t)

	// In another boot the certificate is of no use.
	require.NoError(t, release(true))
	require.NoError(t, r.Close())
	r = boot(t, h, "hibernation")
	require.ErrorIs(t, release(true), ErrNotAttested)
	require.ErrorAs(t, release(false), &refusal)
	require.Equal(t, []string{"Hgs_NoHibernation"}, refusal.Failed())
	require.NoError(t, r.Close())
	r = boot(t, h, "no-vsm")
	require.ErrorIs(t, release(false), ErrNoIdentity)
}

// TestFallback asks the second service while the first does not answer, and the first as soon as it does.
func TestFallback(t *testing.T) {
	primary, branch := newFabric(t), newFabric(t)
	h := newHost(t, primary.URL, branch.URL)
	r := boot(t, h, "healthy")
	defer func() { require.NoError(t, r.Close()) }()
	branch.know(t, r)
	p := branch.protector(t)

	refusal := &attest.Refusal{}
	_, err := r.Attest(t.Context())
	require.ErrorAs(t, err, &refusal, "a refusal is an answer")
	require.Equal(t, primary.URL, refusal.Server)

	primary.CloseClientConnections()
	primary.Server.Close()
	got, err := r.Attest(t.Context())
	require.NoError(t, err)
	require.Equal(t, branch.URL, got.Server)
	require.Equal(t, "host1", got.Subject())
	_, got, err = r.Release(t.Context(), p, false)
	require.NoError(t, err)
	require.Equal(t, branch.URL, got.Server)
	require.Equal(t, 1, branch.attested)

	branch.Server.Close()
	_, err = r.Attest(t.Context())
	require.ErrorContains(t, err, primary.URL)
	require.ErrorContains(t, err, branch.URL)
	_, _, err = r.Release(t.Context(), p, false)
	require.ErrorContains(t, err, "connection refused")
}

func TestConfig(t *testing.T) {
	good := Config{Name: "host1", HGS: "http://hgs.example.com", TPM: "/dev/missing"}
	for name, change := range map[string]func(*Config){
		"no name":             func(c *Config) { c.Name = "" },
		"a name of two lines": func(c *Config) { c.Name = "a\nb" },
		"a long name":         func(c *Config) { c.Name = strings.Repeat("x", 65) },
		"no TPM":              func(c *Config) { c.TPM = "" },
		"no address":          func(c *Config) { c.HGS = "" },
		"another scheme":      func(c *Config) { c.HGS = "ftp://hgs.example.com" },
		"a query":             func(c *Config) { c.Fallback = "http://hgs.example.com?x" },
		"a user":              func(c *Config) { c.Fallback = "http://a:b@hgs.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := good, filepath.Join(t.TempDir(), "host")
			change(&c)
			_, err := Init(t.Context(), dir, c)
			require.Error(t, err)
			require.NoFileExists(t, filepath.Join(dir, configFile))
		})
	}
	dir := t.TempDir()
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrNoHost)
	h, err := Init(t.Context(), dir, good)
	require.NoError(t, err)
	require.Empty(t, h.TPMRoot())
	_, err = Init(t.Context(), dir, good)
	require.ErrorIs(t, err, fs.ErrExist)
	require.Error(t, h.Configure("x", ""))
	require.Equal(t, good, h.Config())
	require.NoError(t, h.Configure("https://hgs.example.com", good.HGS))
	h, err = Open(dir)
	require.NoError(t, err)
	require.Equal(t, "https://hgs.example.com", h.Config().HGS)
	_, err = h.Boot(t.Context(), measuredboot.Profiles()[0])
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestImports holds the host to the messages of a service, without the service.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./...", "../cmd/hostsim").Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Fatal(string(failed.Stderr))
	}
	require.NoError(t, err)
	for _, path := range strings.Fields(string(out)) {
		switch strings.TrimPrefix(path, "github.com/scutum-project/scutum/") {
		case "hgsserver", "hgsserver/attestation", "hgsserver/keyprotection", "hgsserver/store", "gui":
			t.Errorf("%s is imported", path)
		}
	}
}

// TestVersions attests by the TPM in both versions of the protocol, with the endorsement certificate and with the key alone.
func TestVersions(t *testing.T) {
	f := newFabric(t)
	r := boot(t, newHost(t, f.URL), "healthy")
	defer func() { require.NoError(t, r.Close()) }()
	f.config.Mode = hgsa.ModeTPM
	f.know(t, r)
	m, err := r.measured()
	require.NoError(t, err)
	require.NotNil(t, m.Certificate)
	id := &attest.Identity{Encryption: &r.identity.encryption.PublicKey, Signing: &r.identity.signing.PublicKey}
	c := &attest.Client{HTTP: r.client, Server: f.URL}
	for _, level := range []uint32{1, 2} {
		for _, certificate := range [][]byte{m.Certificate, nil} {
			m.Certificate = certificate
			got, err := c.TPM(t.Context(), &hgsa.ServiceInfoReply{FunctionalLevel: level, OperationMode: hgsa.ModeTPM}, m, id)
			require.NoError(t, err)
			require.Equal(t, hgsa.ModeTPM, got.Mode)
			require.Equal(t, id.Encryption, got.Encryption.PublicKey)
			require.Equal(t, id.Signing, got.Signing.PublicKey)
		}
	}
	m.Log = []byte(strings.Replace(string(m.Log), "S\x00i\x00P\x00o\x00l\x00", "s\x00i\x00P\x00o\x00l\x00", 1))
	_, err = c.TPM(t.Context(), &hgsa.ServiceInfoReply{FunctionalLevel: 2, OperationMode: hgsa.ModeTPM}, m, id)
	refusal := &attest.Refusal{}
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, hgsa.TcgLogValidationError, refusal.Reply.Name)
}
