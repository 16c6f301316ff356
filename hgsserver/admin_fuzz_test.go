package hgsserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

var (
	fuzzMethods = []string{"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"}
	fuzzPaths   = []string{"status", "config", "hosts", "roots", "hostkeys", "policies", "certs", "signers", "admins", "report", "check", "backup"}
)

// realRequests are what clients send, by path.
func realRequests(t testing.TB) map[string][]any {
	t.Helper()
	identity := func(kind signing.KeyKind) *signing.Identity {
		id, err := signing.NewLabIdentity("somebody", kind, time.Hour)
		require.NoError(t, err)
		return id
	}
	id, rsa := identity(signing.P256), identity(signing.RSA2048)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsa.Key)
	require.NoError(t, err)
	name, mode, unwraps, before, role := "hgs.example.org", ModeTPM, uint32(3), time.Unix(1e9, 0), Administrator
	listen, metrics, file, device := ":80", "127.0.0.1:9", "/etc/hostname", "/dev/zero"
	public := der(t, id.Key.Public().(*ecdsa.PublicKey))
	named := Named{"somebody"}
	cert := Named{signing.Thumbprint(rsa.Certificate)}
	trusted := NewCertificate{Certificate: id.Certificate.Raw}
	return map[string][]any{
		"config": {SettingsChange{Name: &name, Mode: &mode}, SettingsChange{MaxOfflineUnwraps: &unwraps, DenyBefore: &before},
			SettingsChange{Listening: &ListeningChange{Listen: &listen, Metrics: &metrics, TLSCert: &file, TLSKey: &device}}},
		"hosts": {named, NewHost{Name: "somebody", Key: public}, NewHost{Name: "somebody", Certificate: id.Certificate.Raw,
			Intermediates: [][]byte{rsa.Certificate.Raw}}},
		"roots":    {cert, trusted},
		"hostkeys": {named, NewHostKey{Name: "somebody", Key: public}},
		"policies": {named, NewPolicy{Name: "somebody", Kind: policy.CI, File: []byte("policy")}, NewPolicy{Name: "x", Kind: policy.DumpKey, File: public},
			NewPolicy{Name: "y", Kind: policy.Baseline, File: make([]byte, 64)}, PolicyState{Name: policy.BuiltIn()[0].Name, Enabled: true}, PolicyState{Name: "somebody"}},
		"certs":   {cert, CertificateRemoval{Name: cert.Name, Force: true}, NewCertificate{Use: UseSigning, Primary: true, Certificate: rsa.Certificate.Raw, Key: pkcs8}},
		"signers": {cert, trusted},
		"admins":  {named, NewAdmin{Name: "somebody", Role: &role, Certificate: id.Certificate.Raw}},
		"backup":  {BackupRequest{Password: "p"}, BackupRequest{Password: "p", Mode: ModeTPM}},
		"report":  {nil},
	}
}

// stateOf is over all that the store has.
func stateOf(t testing.TB, s *Server) [sha256.Size]byte {
	t.Helper()
	h := sha256.New()
	require.NoError(t, s.store.View(func(tx *store.Tx) error {
		for _, b := range store.Buckets() {
			h.Write([]byte(b))
			err := tx.Each(b, func(key string, value []byte) error {
				h.Write([]byte(key))
				h.Write(value)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return [sha256.Size]byte(h.Sum(nil))
}

// FuzzAdmin sends requests of administrators and of reviewers. None makes the service panic or keep what it cannot load again,
// and a reviewer's changes nothing.
func FuzzAdmin(f *testing.F) {
	requests := realRequests(f)
	for p, path := range fuzzPaths {
		for m := range fuzzMethods {
			for _, message := range append(requests[path], struct{}{}) {
				body, err := json.Marshal(message)
				require.NoError(f, err)
				f.Add(m%2 == 0, uint8(m), uint8(p), "limit=3&since=2026-01-01T00:00:00Z&kind=config", body)
				f.Add(m%2 == 1, uint8(m), uint8(p), "limit=99999&host=x&id=1&format=json", body)
			}
		}
	}
	// The state is encrypted under a key that is derived slowly: there is one service for each role.
	services := map[Role]*Server{Administrator: open(f, newService(f)), Reviewer: open(f, newService(f))}
	unchanged := stateOf(f, services[Reviewer])
	f.Fuzz(func(t *testing.T, administrator bool, method, path uint8, query string, body []byte) {
		role := Reviewer
		if administrator {
			role = Administrator
		}
		s := services[role]
		r := httptest.NewRequest(fuzzMethods[int(method)%len(fuzzMethods)], "/v1/"+fuzzPaths[int(path)%len(fuzzPaths)], bytes.NewReader(body))
		r.URL.RawQuery = query
		w := deadlines{httptest.NewRecorder()}
		s.AdminHandler(role).ServeHTTP(w, r)
		require.Contains(t, []int{200, 400, 403, 404, 405, 409}, w.Code, w.Body.String())
		if w.Header().Get("Content-Type") == "application/json" && r.Method != http.MethodHead {
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
		}
		if role == Reviewer {
			require.Equal(t, unchanged, stateOf(t, s))
			return
		}
		require.NoError(t, s.store.View(func(tx *store.Tx) error {
			c, err := load(tx)
			if err != nil {
				return err
			}
			return c.validate()
		}))
	})
}

// deadlines lets a backup take as long as it does.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetWriteDeadline(time.Time) error { return nil }
