package keyprotection

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/internal/refusals"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// TestRefusalsRecorded records what became of requests of hosts, and nothing of strangers.
func TestRefusalsRecorded(t *testing.T) {
	b := newBench(t)
	ask := func(ingress, certificate []byte) {
		w := httptest.NewRecorder()
		body := string((&kps.Request{Ingress: ingress, HealthCertificate: certificate}).Bytes())
		b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, kps.V2.Path(), strings.NewReader(body)))
		require.NotEqual(t, http.StatusOK, w.Code)
	}
	good := b.protector.Bytes()
	for range 3 {
		ask(good, []byte("x"))
		ask(good, newAttestation(t, "attestation", nil).health(t, nil))
	}
	require.Empty(t, b.refusals, "what strangers say is anybody's word")

	ended := b.trusted.health(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-10*time.Hour), now.Add(-2*time.Hour) })
	ask(good, ended)
	ask([]byte("no protector"), b.trusted.health(t, nil))
	require.Len(t, b.refusals, 2)
	require.Equal(t, kps.HealthCertificateError, b.refusals[0].Code)
	require.Contains(t, b.refusals[0].Reason, "the health certificate ended at")
	require.Equal(t, digest(good), b.refusals[0].Ingress)
	require.Equal(t, kps.InvalidProtector, b.refusals[1].Code)
	for _, r := range b.refusals {
		require.Equal(t, []string{"host", "192.0.2.1"}, []string{r.Host, r.Remote})
	}

	for range refusals.Host.AtOnce + 5 {
		ask(good, ended)
	}
	require.Len(t, b.refusals, refusals.Host.AtOnce)
	ask(good, b.trusted.health(t, func(c *x509.Certificate) { c.Subject.CommonName, c.NotAfter = "host2", now.Add(9*time.Hour) }))
	require.Equal(t, "host2", b.refusals[refusals.Host.AtOnce].Host, "one host hides nothing of another")
	b.now = func() time.Time { return now.Add(refusals.Host.Every) }
	ask(good, ended)
	require.Equal(t, 7, b.refusals[len(b.refusals)-1].Omitted)
	require.Empty(t, b.releases)
}

// TestNotGranted says to the administrator, and not to the host, whom a protector is for.
func TestNotGranted(t *testing.T) {
	b := newBench(t)
	stranger, _, err := keyprotector.New(own(t, "owner"), nil)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	r := &kps.Request{Ingress: stranger.Bytes(), HealthCertificate: b.trusted.health(t, nil)}
	b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, kps.V2.Path(), strings.NewReader(string(r.Bytes()))))
	thumbprint := signing.Thumbprint(own(t, "owner").Encryption)
	require.Equal(t, []string{thumbprint}, b.refusals[0].Encryption)
	require.Equal(t, kps.InvalidProtector, b.refusals[0].Code)
	require.Contains(t, b.logged.String(), "encryption=["+thumbprint+"]")
	require.Contains(t, w.Body.String(), "grants no access")
	require.NotContains(t, w.Body.String(), thumbprint)
}
