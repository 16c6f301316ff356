package hgsserver

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

var passphrase = []byte("correct horse")

// newService makes a service in a folder of its own, in host key mode.
func newService(t testing.TB) (dir string) {
	t.Helper()
	o, err := guardian.NewOwner("hgs.example.com", 2048, 365*24*time.Hour)
	require.NoError(t, err)
	dir = filepath.Join(t.TempDir(), "hgs")
	require.NoError(t, Init(dir, Settings{Name: "hgs.example.com", Mode: ModeHostKey}, &signing.Identity{Certificate: o.Signing, Key: o.SigningKey},
		&signing.Identity{Certificate: o.Encryption, Key: o.EncryptionKey}, passphrase))
	return dir
}

func open(t testing.TB, dir string) *Server {
	t.Helper()
	s, err := Open(dir, passphrase, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

// ask sends a request to the API and gives the status and body of the answer.
func ask(t testing.TB, s *Server, role Role, method, path string, message any) (int, []byte) {
	t.Helper()
	body, err := json.Marshal(message)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	s.AdminHandler(role).ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return w.Code, w.Body.Bytes()
}

func mustChange(t testing.TB, s *Server, method, path string, message any) {
	t.Helper()
	status, body := ask(t, s, Administrator, method, path, message)
	require.Equal(t, http.StatusOK, status, string(body))
}

// A host attests by its key.
type host struct {
	key      *ecdsa.PrivateKey
	identity *rsa.PrivateKey
}

func newHost(t testing.TB) *host {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	identity, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return &host{key, identity}
}

func der(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return b
}

// attestation is the request of a host to attest by its key.
func (h *host) attestation(t testing.TB) []byte {
	t.Helper()
	identity, err := json.Marshal(&hgsa.EndorsementKey{Key: der(t, h.identity.Public())})
	require.NoError(t, err)
	public := der(t, h.key.Public())
	digest := sha256.Sum256(append(bytes.Clone(public), identity...))
	signature, err := h.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	body, err := json.Marshal(&hgsa.AttestationRequest{SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate},
		Provided: []hgsa.Provided{{Type: hgsa.VSMIdentityKey, Content: identity}, {Type: hgsa.HostKeyPublicKey, Content: public}, {Type: hgsa.HostKeySignature, Content: signature}}})
	require.NoError(t, err)
	return body
}

func (h *host) attest(t testing.TB, url string) hgsa.Reply {
	t.Helper()
	response, err := http.Post(url+"/ATTESTATION/v2.0/hostkeyattest", "application/json", bytes.NewReader(h.attestation(t)))
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	reply, err := hgsa.ParseReply(answer)
	require.NoError(t, err)
	return reply
}

// roll asks for the key of a protector.
func (h *host) roll(t testing.TB, url string, p *keyprotector.Protector, certificate []byte) (*kps.Keys, *keyprotector.Protector, error) {
	t.Helper()
	response, err := kps.Roll(t.Context(), http.DefaultClient, url, kps.V2, &kps.Request{Ingress: p.Bytes(), HealthCertificate: certificate})
	if err != nil {
		return nil, nil, err
	}
	keys, err := response.Open(kps.V2, h.identity)
	require.NoError(t, err)
	egress, err := keyprotector.Parse(response.Egress)
	require.NoError(t, err)
	return keys, egress, nil
}

func TestHostAttestsAndGetsAKey(t *testing.T) {
	s := open(t, newService(t))
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	h := newHost(t)

	refused, ok := h.attest(t, server.URL).(*hgsa.ErrorReply)
	require.True(t, ok)
	require.Equal(t, hgsa.UnauthorizedError, refused.Name)
	mustChange(t, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(t, h.key.Public())})
	reply, ok := h.attest(t, server.URL).(*hgsa.HealthCertificateReply)
	require.True(t, ok)

	metadata, err := s.protection.Metadata()
	require.NoError(t, err)
	service, err := guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	owner, err := guardian.NewOwner("Contoso", 2048, time.Hour)
	require.NoError(t, err)
	p, key, err := keyprotector.New(owner, []*guardian.Guardian{service})
	require.NoError(t, err)
	keys, egress, err := h.roll(t, server.URL, p, reply.Content[0].Content)
	require.NoError(t, err)
	require.True(t, keys.Ingress == key)
	require.NoError(t, egress.Check(keys.Egress))
	require.Zero(t, keys.MaxOfflineUnwraps)

	// Another encryption certificate is primary: what was wrapped before is still rolled.
	next, err := guardian.NewOwner("next", 2048, time.Hour)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(next.EncryptionKey)
	require.NoError(t, err)
	mustChange(t, s, "POST", "/v1/certs", NewCertificate{Use: UseEncryption, Primary: true, Certificate: next.Encryption.Raw, Key: pkcs8})
	_, _, err = h.roll(t, server.URL, egress, reply.Content[0].Content)
	require.NoError(t, err)
	metadata, err = s.protection.Metadata()
	require.NoError(t, err)
	service, err = guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	require.True(t, service.Encryption.Equal(next.Encryption))

	// The old one does not go unasked, as it was used; and not the primary one.
	old := signing.Thumbprint(p.Wrappings()[1].Encryption)
	status, text := ask(t, s, Administrator, "DELETE", "/v1/certs", CertificateRemoval{Name: old})
	require.Equal(t, http.StatusBadRequest, status)
	require.Regexp(t, `is not removed; with it goes what is wrapped for it alone, .*a release last used it at 20[^ ]*: entry 8 of the audit log`, string(text))
	status, text = ask(t, s, Administrator, "DELETE", "/v1/certs", CertificateRemoval{Name: signing.Thumbprint(next.Encryption), Force: true})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(text), "is the primary one")

	// Certificates from before a time are no longer accepted, nor those of the very second.
	certificate, err := x509.ParseCertificate(reply.Content[0].Content)
	require.NoError(t, err)
	later := certificate.NotBefore.Add(time.Minute)
	s.now = func() time.Time { return certificate.NotBefore.Add(900 * time.Millisecond) }
	for _, c := range []SettingsChange{{DenyBefore: &later}, {DenyAllSoFar: true}} {
		mustChange(t, s, "PATCH", "/v1/config", c)
		_, _, err = h.roll(t, server.URL, egress, reply.Content[0].Content)
		answer := (*kps.Error)(nil)
		require.ErrorAs(t, err, &answer)
		require.Equal(t, kps.HealthCertificateError, answer.Code)
	}
	require.Equal(t, certificate.NotBefore.Add(time.Second), s.current.Load().DenyBefore)

	var entries []store.Entry
	_, body := ask(t, s, Reviewer, "GET", "/v1/report", nil)
	require.NoError(t, json.Unmarshal(body, &entries))
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []string{"signer.renew", "init", "attestation", "hostkey.add", "attestation", "release", "cert.add", "release", "config", "refusal", "config", "refusal"}, kinds)
}

// TestOneCheck has somebody ask for a check while there is one.
func TestOneCheck(t *testing.T) {
	s := open(t, newService(t))
	s.reading.Lock()
	status, text := ask(t, s, Reviewer, "GET", "/v1/check", nil)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, string(text), "is being checked already")
	s.reading.Unlock()
	status, _ = ask(t, s, Reviewer, "GET", "/v1/check", nil)
	require.Equal(t, http.StatusOK, status)
}

func TestReviewersChangeNothing(t *testing.T) {
	s := open(t, newService(t))
	for _, path := range []string{"hosts", "roots", "hostkeys", "policies", "certs", "signers", "backup", "config"} {
		for _, method := range []string{"POST", "PATCH", "DELETE", "PUT"} {
			status, _ := ask(t, s, Reviewer, method, "/v1/"+path, Named{"x"})
			require.Contains(t, []int{http.StatusForbidden, http.StatusMethodNotAllowed}, status, method+" "+path)
		}
	}
	_, body := ask(t, s, Reviewer, "GET", "/v1/certs", nil)
	require.NotContains(t, string(body), `"key"`)
}

func TestChangeThatServicesRefuseChangesNothing(t *testing.T) {
	dir := newService(t)
	s := open(t, dir)
	h := newHost(t)
	mustChange(t, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(t, h.key.Public())})
	status, body := ask(t, s, Administrator, "POST", "/v1/hostkeys", NewHostKey{Name: "host2", Key: der(t, h.key.Public())})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(body), "have the same host key")
	mode := "domain"
	status, _ = ask(t, s, Administrator, "PATCH", "/v1/config", SettingsChange{Mode: &mode})
	require.Equal(t, http.StatusBadRequest, status)
	require.NoError(t, s.Close())
	c := open(t, dir).current.Load()
	require.Len(t, c.attestation.HostKeys, 1)
	require.Equal(t, ModeHostKey, c.Mode)
}

func TestSignerRenewsItself(t *testing.T) {
	s := open(t, newService(t))
	now := time.Now()
	require.NoError(t, s.Renew())
	require.Len(t, s.current.Load().attestation.Signers, 1)
	s.now = func() time.Time { return now.Add(health.SignerLifetime - health.RenewBefore + time.Hour) }
	require.NoError(t, s.Renew())
	require.NoError(t, s.Renew())
	require.Len(t, s.attestation.SigningCertificates(), 2)
	s.now = func() time.Time { return now.Add(health.SignerLifetime + time.Hour) }
	require.NoError(t, s.Renew())
	require.Len(t, s.attestation.SigningCertificates(), 1)
	require.Len(t, s.current.Load().protection.Signers, 1)
}

func TestInit(t *testing.T) {
	dir := newService(t)
	o, err := guardian.NewOwner("x", 2048, time.Hour)
	require.NoError(t, err)
	require.ErrorIs(t, Init(dir, Settings{Name: "x", Mode: ModeTPM}, &signing.Identity{Certificate: o.Signing, Key: o.SigningKey},
		&signing.Identity{Certificate: o.Encryption, Key: o.EncryptionKey}, passphrase), fs.ErrExist)
	_, err = Open(dir, []byte("another"), slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, store.ErrPassphrase)
	for name, s := range map[string]Settings{"no name": {Mode: ModeTPM}, "a space": {Name: "a b", Mode: ModeTPM}, "no mode": {Name: "a"}} {
		require.Error(t, Init(t.TempDir(), s, nil, nil, passphrase), name)
	}
}

func TestBackupGoesElsewhere(t *testing.T) {
	s := open(t, newService(t))
	h := newHost(t)
	mustChange(t, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(t, h.key.Public())})
	var whole, part bytes.Buffer
	require.NoError(t, s.Backup(&whole, []byte("password"), "", "me"))
	require.NoError(t, s.Backup(&part, []byte("password"), ModeHostKey, "me"))

	dir := filepath.Join(t.TempDir(), "restored")
	require.NoError(t, Restore(dir, &whole, []byte("password"), passphrase))
	restored := open(t, dir)
	server := httptest.NewServer(restored.Handler())
	defer server.Close()
	require.IsType(t, &hgsa.HealthCertificateReply{}, h.attest(t, server.URL))
	folder := filepath.Join(t.TempDir(), "a")
	for _, dir := range []string{folder, filepath.Join(folder, "b")} {
		err := Restore(dir, bytes.NewReader(part.Bytes()), []byte("password"), passphrase)
		require.ErrorContains(t, err, "restoring a service in "+dir)
		require.NotContains(t, err.Error(), "new-")
		require.ErrorIs(t, Restore(dir, bytes.NewReader(part.Bytes()), []byte("wrong"), passphrase), store.ErrBackup)
		require.NoDirExists(t, folder, "what fails leaves no folder that it made")
	}

	other := newService(t)
	require.ErrorIs(t, Import(other, bytes.NewReader(part.Bytes()), []byte("wrong"), passphrase), store.ErrBackup)
	require.NoError(t, Import(other, bytes.NewReader(part.Bytes()), []byte("password"), passphrase))
	require.Len(t, open(t, other).current.Load().attestation.HostKeys, 1)
	files, err := os.ReadDir(other)
	require.NoError(t, err)
	require.Len(t, files, 1)
}
