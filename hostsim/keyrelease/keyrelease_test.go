package keyrelease

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// A bench is a host with a protector, and a service that answers what a test says.
type bench struct {
	owner   *guardian.Owner
	ingress *keyprotector.Protector
	keys    kps.Keys // of the protector, and of itself as the new one
	host    *rsa.PrivateKey
	health  *x509.Certificate
	answer  func() (*kps.Response, *kps.Error)
	server  *httptest.Server
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{}
	var err error
	b.owner, err = guardian.NewOwner("owner", 2048, 24*time.Hour)
	require.NoError(t, err)
	b.ingress, b.keys.Ingress, err = keyprotector.New(b.owner, nil)
	require.NoError(t, err)
	b.keys.Egress = b.keys.Ingress
	b.host, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "host"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, b.host.Public(), b.host)
	require.NoError(t, err)
	b.health, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := kps.ReadRequest(w, r); err != nil {
			kps.WriteError(w, &kps.Error{Code: kps.InvalidRequest, Message: err.Error()})
			return
		}
		response, refusal := b.answer()
		if refusal != nil {
			kps.WriteError(w, refusal)
			return
		}
		kps.WriteDocument(w, response.Bytes())
	}))
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) release(t *testing.T) (*Released, error) {
	return Release(t.Context(), b.server.Client(), b.server.URL, b.ingress, b.health, b.host)
}

// answerWith has the service answer with those keys, for that host.
func (b *bench) answerWith(t *testing.T, host *rsa.PublicKey, egress []byte, keys kps.Keys) {
	b.answer = func() (*kps.Response, *kps.Error) {
		r, err := kps.NewResponse(kps.V2, host, egress, &keys)
		require.NoError(t, err)
		return r, nil
	}
}

func TestRelease(t *testing.T) {
	b := newBench(t)
	b.keys.MaxOfflineUnwraps = 3
	b.answerWith(t, &b.host.PublicKey, b.ingress.Bytes(), b.keys)
	released, err := b.release(t)
	require.NoError(t, err)
	require.Equal(t, b.keys, released.Keys)
	require.Equal(t, b.ingress.Bytes(), released.Protector)
}

// TestFalseServices answers as somebody can who does not have the keys of the protector.
func TestFalseServices(t *testing.T) {
	b := newBench(t)
	stranger, err := guardian.NewOwner("stranger", 2048, 24*time.Hour)
	require.NoError(t, err)
	foreign, foreignKey, err := keyprotector.New(stranger, nil)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	random := keyprotector.TransportKey{1}
	for name, c := range map[string]struct {
		host   *rsa.PublicKey
		egress []byte
		keys   kps.Keys
		says   string
	}{
		"another key for the old protector": {&b.host.PublicKey, b.ingress.Bytes(), kps.Keys{Ingress: random, Egress: b.keys.Egress}, "the protector that was sent"},
		"another key for the new one":       {&b.host.PublicKey, b.ingress.Bytes(), kps.Keys{Ingress: b.keys.Ingress, Egress: random}, "the key for the new protector"},
		"a stranger's protector and key":    {&b.host.PublicKey, foreign.Bytes(), kps.Keys{Ingress: b.keys.Ingress, Egress: foreignKey}, "another owner"},
		"a stranger's keys alone":           {&b.host.PublicKey, foreign.Bytes(), kps.Keys{Ingress: foreignKey, Egress: foreignKey}, "the protector that was sent"},
		"no protector":                      {&b.host.PublicKey, []byte{0, 0, 0, 4}, b.keys, "the new protector: "},
		"for another host":                  {&other.PublicKey, b.ingress.Bytes(), b.keys, "cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			b.answerWith(t, c.host, c.egress, c.keys)
			_, err := b.release(t)
			require.ErrorIs(t, err, ErrAnswer)
			require.ErrorContains(t, err, c.says)
			require.False(t, Unavailable(err))
		})
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	for code, unavailable := range map[kps.Code]bool{
		kps.HealthCertificateError: false, kps.InvalidProtector: false, kps.InvalidWrapping: false, kps.InvalidRequest: false, kps.ServiceUnavailable: true,
	} {
		b.answer = func() (*kps.Response, *kps.Error) { return nil, &kps.Error{Code: code, Message: "no"} }
		_, err := b.release(t)
		require.True(t, Refused(err, code), "%v", err)
		require.False(t, Refused(err, "Other"))
		require.Equal(t, unavailable, Unavailable(err), code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Release(ctx, b.server.Client(), b.server.URL, b.ingress, b.health, b.host)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, Unavailable(err))
	b.server.Close()
	_, err = b.release(t)
	require.Error(t, err)
	require.True(t, Unavailable(err))
	require.False(t, Unavailable(nil))
}
