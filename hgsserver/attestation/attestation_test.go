package attestation

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
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/internal/refusals"
)

var now = time.Now().UTC().Truncate(time.Second)

var identityKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func der(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return b
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// A bench is a service with two hosts that are registered by their keys, one of each kind.
type bench struct {
	testing.TB
	*Service
	config  Config
	keys    map[string]crypto.Signer
	reports []Report
	failure error // of recording
	logged  bytes.Buffer
}

func newBench(t testing.TB) *bench {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	b := &bench{TB: t, keys: map[string]crypto.Signer{"ec": ec, "rsa": rsaKey}}
	b.Service = New([32]byte{1}, func(r Report) error { b.reports = append(b.reports, r); return b.failure }, slog.New(slog.NewTextHandler(&b.logged, nil)))
	b.now = func() time.Time { return now }
	signers, _, err := health.Renew(nil, "hgs", now)
	require.NoError(t, err)
	b.config = Config{Mode: hgsa.ModeHostKey, Signers: signers}
	for _, name := range []string{"ec", "rsa"} {
		key, err := NewHostKey(name, der(t, b.keys[name].Public()))
		require.NoError(t, err)
		b.config.HostKeys = append(b.config.HostKeys, *key)
	}
	require.NoError(t, b.Configure(b.config))
	return b
}

func (b *bench) ask(method, path string, body []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return w
}

func (b *bench) reply(path string, body []byte) hgsa.Reply {
	b.Helper()
	w := b.ask(http.MethodPost, path, body)
	require.Equal(b, http.StatusOK, w.Code)
	reply, err := hgsa.ParseReply(w.Body.Bytes())
	require.NoError(b, err)
	return reply
}

// requireError gives the reply, which must be an error of that name.
func (b *bench) requireError(name hgsa.ErrorName, reply hgsa.Reply) *hgsa.ErrorReply {
	b.Helper()
	require.IsType(b, &hgsa.ErrorReply{}, reply)
	require.Equal(b, name, reply.(*hgsa.ErrorReply).Name)
	return reply.(*hgsa.ErrorReply)
}

// requireHealthy gives what the one certificate in the reply says.
func (b *bench) requireHealthy(reply hgsa.Reply) *health.Statement {
	b.Helper()
	require.IsType(b, &hgsa.HealthCertificateReply{}, reply, "%v %+v", reply, b.reports)
	content := reply.(*hgsa.HealthCertificateReply).Content
	require.Len(b, content, 1)
	c, err := x509.ParseCertificate(content[0].Content)
	require.NoError(b, err)
	require.NoError(b, c.CheckSignatureFrom(b.config.Signers[0].Certificate))
	require.Equal(b, now, c.NotBefore)
	st, err := health.Read(c)
	require.NoError(b, err)
	require.Equal(b, content[0].Type, st.Type)
	return st
}

func hostKeyRequest(t testing.TB, key crypto.Signer, identity []byte, types ...hgsa.ResultType) *hgsa.AttestationRequest {
	t.Helper()
	public, content := der(t, key.Public()), marshal(t, &hgsa.EndorsementKey{Key: identity})
	digest := sha256.Sum256(append(bytes.Clone(public), content...))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	return &hgsa.AttestationRequest{SessionID: uuid.New(), Requested: types, Provided: []hgsa.Provided{
		{Type: hgsa.VSMIdentityKey, Content: content}, {Type: hgsa.HostKeyPublicKey, Content: public}, {Type: hgsa.HostKeySignature, Content: signature},
	}}
}

const hostKeyPath = "/Attestation/v2.0/hostkeyattest"

func TestHostKey(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"ec", "rsa"} {
		for _, kind := range []hgsa.ResultType{hgsa.EncryptionKeyCertificate, hgsa.SigningKeyCertificate} {
			request := hostKeyRequest(t, b.keys[name], der(t, identityKey().Public()), kind)
			st := b.requireHealthy(b.reply(strings.ToUpper(hostKeyPath), marshal(t, request)))
			require.Equal(t, &health.Statement{Host: name, Type: kind, Mode: hgsa.ModeHostKey, Key: &identityKey().PublicKey}, st)
			report := b.reports[len(b.reports)-1]
			require.True(t, report.Healthy)
			require.Equal(t, name, report.Host)
			require.Equal(t, now.Add(health.Lifetime), report.Expires)
			require.Len(t, report.Certificates, 1)
		}
	}
}

func TestHostKeyRefused(t *testing.T) {
	b := newBench(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	identity := der(t, identityKey().Public())
	good := func() *hgsa.AttestationRequest {
		return hostKeyRequest(t, b.keys["rsa"], identity, hgsa.EncryptionKeyCertificate)
	}
	swap := func(r *hgsa.AttestationRequest, with *hgsa.AttestationRequest, i int) *hgsa.AttestationRequest {
		r.Provided[i] = with.Provided[i]
		return r
	}
	without := func(i int) *hgsa.AttestationRequest {
		r := good()
		r.Provided = append(r.Provided[:i], r.Provided[i+1:]...)
		return r
	}
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		request *hgsa.AttestationRequest
		error   hgsa.ErrorName
	}{
		"not registered":       {hostKeyRequest(t, stranger, identity, hgsa.EncryptionKeyCertificate), hgsa.UnauthorizedError},
		"another identity key": {swap(good(), hostKeyRequest(t, b.keys["rsa"], der(t, another.Public())), 0), hgsa.UnauthorizedError},
		"another host's key":   {swap(good(), hostKeyRequest(t, b.keys["ec"], identity), 1), hgsa.UnauthorizedError},
		"another's signature":  {swap(good(), hostKeyRequest(t, stranger, identity), 2), hgsa.UnauthorizedError},
		"no identity key":      {without(0), hgsa.PayloadError},
		"no host key":          {without(1), hgsa.PayloadError},
		"no signature":         {without(2), hgsa.PayloadError},
		"an authority":         {hostKeyRequest(t, b.keys["rsa"], identity, hgsa.CAIntermediateCertificate), hgsa.PayloadError},
		"identity not RSA":     {hostKeyRequest(t, b.keys["rsa"], der(t, stranger.Public()), hgsa.EncryptionKeyCertificate), hgsa.VirtualSecureModeError},
		"identity not a key":   {hostKeyRequest(t, b.keys["rsa"], []byte("x"), hgsa.EncryptionKeyCertificate), hgsa.VirtualSecureModeError},
	} {
		t.Run(name, func(t *testing.T) {
			b.TB = t
			b.requireError(c.error, b.reply(hostKeyPath, marshal(t, c.request)))
			for _, r := range b.reports {
				require.False(t, r.Healthy)
				require.NotEmpty(t, r.Reason)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	b := newBench(t)
	good := marshal(t, hostKeyRequest(t, b.keys["rsa"], der(t, identityKey().Public()), hgsa.EncryptionKeyCertificate))
	for _, path := range []string{"/Attestation/v1.0/attest", "/Attestation/v2.0/attest", "/attestation/V1.0/DomainAttest"} {
		e := b.requireError(hgsa.OperationModeError, b.reply(path, good))
		require.Equal(t, hgsa.ModeHostKey, e.Expected)
		require.True(t, e.Retryable)
	}
	b.requireError(hgsa.PayloadError, b.reply(hostKeyPath, []byte("{}")))
	b.requireError(hgsa.PayloadError, b.reply(hostKeyPath, make([]byte, hgsa.MaxMessage+1)))
	require.Equal(t, http.StatusMethodNotAllowed, b.ask(http.MethodGet, hostKeyPath, nil).Code)
	require.Equal(t, http.StatusMethodNotAllowed, b.ask(http.MethodPost, "/Attestation/getinfo", nil).Code)
	require.Equal(t, http.StatusNotFound, b.ask(http.MethodGet, "/Attestation/", nil).Code)

	reply, err := hgsa.ParseReply(b.ask(http.MethodGet, "/ATTESTATION/GetInfo", nil).Body.Bytes())
	require.NoError(t, err)
	require.Equal(t, &hgsa.ServiceInfoReply{FunctionalLevel: 2, OperationMode: hgsa.ModeHostKey, SupportedLevels: []uint32{1, 2}}, reply)
	certificates, err := hgsa.ParseCertificates(b.ask(http.MethodGet, "/Attestation/v2.0/signingCertificates", nil).Body.Bytes())
	require.NoError(t, err)
	require.Equal(t, []*x509.Certificate{b.config.Signers[0].Certificate}, certificates)

	b.config.Mode = hgsa.ModeTPM
	require.NoError(t, b.Configure(b.config))
	require.Equal(t, hgsa.ModeTPM, b.requireError(hgsa.OperationModeError, b.reply(hostKeyPath, good)).Expected)
	b.requireError(hgsa.PayloadError, b.reply("/Attestation/v2.0/attest", good))
}

// TestConfiguredMeanwhile takes hosts away while one of them attests.
func TestConfiguredMeanwhile(t *testing.T) {
	b := newBench(t)
	good := marshal(t, hostKeyRequest(t, b.keys["rsa"], der(t, identityKey().Public()), hgsa.EncryptionKeyCertificate))
	b.config.HostKeys = nil
	b.now = func() time.Time {
		require.NoError(t, b.Configure(b.config))
		return now
	}
	require.True(t, b.requireError(hgsa.UnavailableError, b.reply(hostKeyPath, good)).Retryable)
	require.Empty(t, b.reports)
	b.requireError(hgsa.UnauthorizedError, b.reply(hostKeyPath, good))
}

func TestUnavailable(t *testing.T) {
	b := newBench(t)
	good := marshal(t, hostKeyRequest(t, b.keys["rsa"], der(t, identityKey().Public()), hgsa.EncryptionKeyCertificate))
	b.failure = errors.New("the disk is full")
	require.True(t, b.requireError(hgsa.UnavailableError, b.reply(hostKeyPath, good)).Retryable)
	require.Contains(t, b.logged.String(), "the disk is full")
	b.failure = nil

	b.config.Signers = nil
	require.NoError(t, b.Configure(b.config))
	b.requireError(hgsa.UnavailableError, b.reply(hostKeyPath, good))
	require.Equal(t, http.StatusServiceUnavailable, b.ask(http.MethodGet, "/Attestation/v2.0/signingCertificates", nil).Code)

	b.Service = New([32]byte{}, func(Report) error { return nil }, slog.Default())
	b.requireError(hgsa.UnavailableError, b.reply(hostKeyPath, good))
}

// TestFlood has somebody be refused more often than is recorded, and a host attest in between.
func TestFlood(t *testing.T) {
	b := newBench(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	identity := der(t, identityKey().Public())
	bad := marshal(t, hostKeyRequest(t, stranger, identity, hgsa.EncryptionKeyCertificate))
	for range refusals.Strangers.AtOnce + 5 {
		b.requireError(hgsa.UnauthorizedError, b.reply(hostKeyPath, bad))
	}
	require.Len(t, b.reports, refusals.Strangers.AtOnce)
	b.requireHealthy(b.reply(hostKeyPath, marshal(t, hostKeyRequest(t, b.keys["ec"], identity, hgsa.EncryptionKeyCertificate))))
	require.Len(t, b.reports, refusals.Strangers.AtOnce+1)
	unsigned := hostKeyRequest(t, b.keys["ec"], identity, hgsa.EncryptionKeyCertificate)
	unsigned.Provided[2].Content = []byte("x")
	b.requireError(hgsa.UnauthorizedError, b.reply(hostKeyPath, marshal(t, unsigned)))
	require.Equal(t, "the signature is not by the host key", b.reports[len(b.reports)-1].Reason, "what becomes of a registered host is recorded")
	b.now = func() time.Time { return now.Add(refusals.Strangers.Every) }
	b.requireError(hgsa.UnauthorizedError, b.reply(hostKeyPath, bad))
	require.Equal(t, 5, b.reports[len(b.reports)-1].Omitted)
}

func TestConfigureRefused(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]Config{
		"no mode":        {},
		"AD":             {Mode: hgsa.ModeAD},
		"a key twice":    {Mode: hgsa.ModeTPM, HostKeys: append(b.config.HostKeys, b.config.HostKeys[0])},
		"no key":         {Mode: hgsa.ModeTPM, HostKeys: []HostKey{{"x", nil}}},
		"no endorsement": {Mode: hgsa.ModeTPM, Hosts: []Host{{"x", nil, nil}}},
	} {
		require.Error(t, b.Configure(c), name)
		require.Equal(t, hgsa.ModeHostKey, b.Info().OperationMode)
	}
	for _, name := range []string{"", strings.Repeat("x", health.MaxHost+1), "a\x1b", "\xff"} {
		_, err := NewHostKey(name, b.config.HostKeys[0].Key)
		require.Error(t, err)
	}
	_, err := NewHostKey("x", append(bytes.Clone(b.config.HostKeys[0].Key), 0))
	require.Error(t, err)
}

// FuzzServe sends bodies to all addresses in either mode.
func FuzzServe(f *testing.F) {
	b := newBench(f)
	b.Service.log = slog.New(slog.DiscardHandler)
	b.Service.record = func(Report) error { return nil }
	f.Add(0, marshal(f, hostKeyRequest(f, b.keys["rsa"], der(f, identityKey().Public()), hgsa.EncryptionKeyCertificate)))
	f.Add(1, marshal(f, &hgsa.TPMRequest{Requested: []hgsa.ResultType{1}, EndorsementKey: []byte("x")}))
	f.Add(2, marshal(f, &hgsa.AttestationRequest{Requested: []hgsa.ResultType{1}, Provided: []hgsa.Provided{{Type: hgsa.EndorsementKeyCertificate, Content: []byte("x")}}}))
	paths := []string{hostKeyPath, "/Attestation/v1.0/attest", "/Attestation/v2.0/attest"}
	states := map[string]*state{}
	for _, path := range paths {
		c := b.config
		if path != hostKeyPath {
			c.Mode = hgsa.ModeTPM
		}
		st, err := newState(c)
		require.NoError(f, err)
		states[path] = st
	}
	f.Fuzz(func(t *testing.T, number int, body []byte) {
		path := paths[uint(number)%uint(len(paths))]
		b.Service.state.Store(states[path])
		w := b.ask(http.MethodPost, path, body)
		require.Equal(t, http.StatusOK, w.Code)
		_, err := hgsa.ParseReply(w.Body.Bytes())
		require.NoError(t, err)
	})
}
