package keyprotection

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// now is when all tests take place.
var now = time.Now().UTC().Truncate(time.Second)

// identity gives keys and a certificate, the same for a name.
func identity(t testing.TB, name string) *signing.Identity {
	t.Helper()
	identitiesLock.Lock()
	defer identitiesLock.Unlock()
	if identities[name] == nil {
		id, err := signing.NewLabIdentity(name, signing.RSA2048, time.Hour)
		require.NoError(t, err)
		identities[name] = id
	}
	return identities[name]
}

var (
	identities     = map[string]*signing.Identity{}
	identitiesLock sync.Mutex
)

// own is a guardian, as an owner or as the service is one.
func own(t testing.TB, name string) *guardian.Owner {
	t.Helper()
	o, err := guardian.ImportOwner(name, identity(t, name+" signing"), identity(t, name+" encryption"))
	require.NoError(t, err)
	return o
}

// An attestation is a signer of health certificates, as a test wants it.
type attestation struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAttestation(t testing.TB, name string, change func(*x509.Certificate)) *attestation {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	return &attestation{issue(t, template, template, key.Public(), key), key}
}

func issue(t testing.TB, template, issuer *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key, signer)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// health gives a health certificate for the key of the host, or another one.
func (a *attestation) health(t testing.TB, change func(*x509.Certificate), key ...crypto.PublicKey) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "host"}, NotBefore: now, NotAfter: now.Add(8 * time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageKeyEncipherment,
	}
	if change != nil {
		change(template)
	}
	return issue(t, template, a.certificate, append(key, identity(t, "host").Key.Public())[0], a.key).Raw
}

// TestAttestationService takes health certificates as the attestation service issues them.
func TestAttestationService(t *testing.T) {
	b := newBench(t)
	signers, _, err := health.Renew(nil, "hgs.example.com", now)
	require.NoError(t, err)
	b.config.Signers = []*x509.Certificate{signers[0].Certificate}
	require.NoError(t, b.Configure(b.config))
	statement := &health.Statement{Host: "host 7", Type: hgsa.EncryptionKeyCertificate, Mode: hgsa.ModeHostKey, Key: identity(t, "host").Key.Public().(*rsa.PublicKey)}
	c, err := signers[0].Issue(statement, now)
	require.NoError(t, err)
	response, err := b.Roll(kps.V2, &kps.Request{Ingress: b.protector.Bytes(), HealthCertificate: c.Raw})
	require.NoError(t, err)
	b.requireRolled(kps.V2, response)
	require.Equal(t, "CN=host 7", b.releases[0].Host)

	b.releases, statement.Type = nil, hgsa.SigningKeyCertificate
	c, err = signers[0].Issue(statement, now)
	require.NoError(t, err)
	b.requireRefused(&kps.Request{Ingress: b.protector.Bytes(), HealthCertificate: c.Raw}, kps.HealthCertificateError, "not one for encryption")
}

// A bench is a service with what it is asked for.
type bench struct {
	testing.TB
	*Service
	config    Config
	trusted   *attestation
	protector *keyprotector.Protector
	key       keyprotector.TransportKey
	releases  []Release
	refusals  []Refusal
	failure   error // of recording
	logged    bytes.Buffer
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{TB: t, trusted: newAttestation(t, "attestation", nil)}
	b.Service = New(func(r Release) error { b.releases = append(b.releases, r); return b.failure }, slog.New(slog.NewTextHandler(&b.logged, nil)))
	b.RecordRefusal = func(r Refusal) error { b.refusals = append(b.refusals, r); return nil }
	b.now = func() time.Time { return now }
	b.config = Config{
		Signing:    []*signing.Identity{identity(t, "hgs signing")},
		Encryption: []*signing.Identity{identity(t, "hgs encryption")},
		Signers:    []*x509.Certificate{newAttestation(t, "attestation", nil).certificate, b.trusted.certificate}, // another one of the same name
	}
	require.NoError(t, b.Configure(b.config))
	b.protector, b.key = b.newProtector()
	return b
}

// newProtector grants access to whom the metadata names.
func (b *bench) newProtector() (*keyprotector.Protector, keyprotector.TransportKey) {
	b.Helper()
	document, err := b.Metadata()
	require.NoError(b, err)
	g, err := guardian.ParseMetadata(document)
	require.NoError(b, err)
	p, key, err := keyprotector.New(own(b, "owner"), []*guardian.Guardian{g})
	require.NoError(b, err)
	return p, key
}

func (b *bench) request() *kps.Request {
	return &kps.Request{Ingress: b.protector.Bytes(), HealthCertificate: b.trusted.health(b, nil)}
}

// requireRolled requires that the host gets the keys, and that the owner opens the egress protector.
func (b *bench) requireRolled(v kps.Version, response *kps.Response) (*kps.Keys, *keyprotector.Protector) {
	b.Helper()
	keys, err := response.Open(v, identity(b, "host").Key.(*rsa.PrivateKey))
	require.NoError(b, err)
	require.True(b, keys.Ingress == b.key)
	require.False(b, keys.Egress == b.key)
	egress, err := keyprotector.Parse(response.Egress)
	require.NoError(b, err)
	key, err := egress.Unwrap(own(b, "owner").EncryptionKey.(*rsa.PrivateKey))
	require.NoError(b, err)
	require.True(b, keys.Egress == key)
	require.Equal(b, b.protector.Owner(), egress.Owner())
	require.Len(b, egress.Wrappings(), 2)
	return keys, egress
}

func (b *bench) requireRefused(r *kps.Request, code kps.Code, say string) {
	b.Helper()
	response, err := b.Roll(kps.V2, r)
	require.Nil(b, response)
	var refusal *kps.Error
	require.ErrorAs(b, err, &refusal)
	require.Equal(b, code, refusal.Code)
	require.Contains(b, refusal.Message, say)
	require.Empty(b, b.releases)
}

func TestRoll(t *testing.T) {
	b := newBench(t)
	server := httptest.NewServer(b)
	defer server.Close()
	for _, v := range []kps.Version{kps.V1, kps.V2} {
		response, err := kps.Roll(t.Context(), server.Client(), server.URL, v, b.request())
		require.NoError(t, err)
		keys, egress := b.requireRolled(v, response)
		require.Zero(t, keys.MaxOfflineUnwraps)
		require.Zero(t, egress.MaxOfflineUnwraps())
		require.True(t, egress.Signer().Signing.Equal(b.config.Signing[0].Certificate))

		// The egress comes back as the next ingress.
		next := b.request()
		next.Ingress = response.Egress
		again, err := kps.Roll(t.Context(), server.Client(), server.URL, v, next)
		require.NoError(t, err)
		more, err := again.Open(v, identity(t, "host").Key.(*rsa.PrivateKey))
		require.NoError(t, err)
		require.True(t, more.Ingress == keys.Egress)
		release := b.releases[len(b.releases)-1]
		require.Equal(t, b.releases[len(b.releases)-2].Egress, release.Ingress, "so that a protector can be followed")
		require.Equal(t, signing.Thumbprint(own(t, "owner").Signing), release.Owner)
		require.Equal(t, signing.Thumbprint(b.trusted.certificate), release.AttestationSigner)
		require.Equal(t, "CN=host", release.Host)
	}
	require.Len(t, b.releases, 4)
}

func TestHealthCertificates(t *testing.T) {
	b := newBench(t)
	other, late := newAttestation(t, "other", nil), newAttestation(t, "late", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })
	ordinary := newAttestation(t, "ordinary", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	namesake := newAttestation(t, "attestation", nil)
	b.config.Signers = append(b.config.Signers, late.certificate, ordinary.certificate)
	b.config.DenyBefore = now.Add(-time.Hour)
	require.NoError(t, b.Configure(b.config))

	lasting := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(from), now.Add(to) }
	}
	usage := func(u x509.KeyUsage) func(*x509.Certificate) { return func(c *x509.Certificate) { c.KeyUsage = u } }
	for name, c := range map[string]struct {
		der []byte
		say string // "" is accepted
	}{
		"new":              {b.trusted.health(t, nil), ""},
		"at its end":       {b.trusted.health(t, lasting(-time.Hour, 0)), ""},
		"clock ahead":      {b.trusted.health(t, lasting(5*time.Minute, time.Hour)), ""},
		"just not denied":  {b.trusted.health(t, lasting(-time.Hour, time.Hour)), ""},
		"not one":          {[]byte("x"), "cannot be read"},
		"with more":        {append(b.trusted.health(t, nil), 0), "cannot be read"},
		"another signer":   {other.health(t, nil), "no attestation signer that is trusted"},
		"of the same name": {namesake.health(t, nil), "no attestation signer that is trusted"},
		"signs itself":     {identity(t, "host").Certificate.Raw, "no attestation signer that is trusted"},
		"no authority":     {ordinary.health(t, nil), "no attestation signer that is trusted"},
		"expired signer":   {late.health(t, nil), "has expired"},
		"expired":          {b.trusted.health(t, lasting(-30*time.Minute, -time.Second)), "attest again"},
		"not yet":          {b.trusted.health(t, lasting(6*time.Minute, time.Hour)), "are the clocks right"},
		"too long":         {b.trusted.health(t, lasting(0, 8*time.Hour+time.Second)), "more than 8h"},
		"denied":           {b.trusted.health(t, lasting(-time.Hour-time.Second, time.Hour)), "no longer accepted"},
		"for signing":      {b.trusted.health(t, usage(x509.KeyUsageDigitalSignature)), "not one for encryption"},
		"for both":         {b.trusted.health(t, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment)), "not one for encryption"},
		"for anything":     {b.trusted.health(t, usage(0)), "not one for encryption"},
		"an authority":     {b.trusted.health(t, func(c *x509.Certificate) { c.IsCA = true }), "not one for encryption"},
		"not RSA":          {b.trusted.health(t, nil, other.key.Public()), "not RSA"},
		"critical": {b.trusted.health(t, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), "critical extension"},
	} {
		t.Run(name, func(t *testing.T) {
			b.releases = nil
			request := &kps.Request{Ingress: b.protector.Bytes(), HealthCertificate: c.der}
			if c.say != "" {
				b.requireRefused(request, kps.HealthCertificateError, c.say)
				return
			}
			response, err := b.Roll(kps.V2, request)
			require.NoError(t, err)
			b.requireRolled(kps.V2, response)
		})
	}

	// Its owner trusts a signer no longer.
	b.releases, b.config.Signers = nil, nil
	require.NoError(t, b.Configure(b.config))
	b.requireRefused(b.request(), kps.HealthCertificateError, "no attestation signer")
}

func TestProtectorsRefused(t *testing.T) {
	b := newBench(t)
	text := string(b.protector.Bytes()[4:])
	changed := func(old, with string) []byte {
		x := strings.Replace(text, old, with, 1)
		require.NotEqual(t, text, x)
		n := len(x) + 4
		return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, x...)
	}
	signature := func(after string) []byte { // the first signature value after that
		_, rest, _ := strings.Cut(text, after)
		_, value, _ := strings.Cut(rest, "<SignatureValue>")
		value, _, _ = strings.Cut(value, "<")
		other := "A" + value[1:]
		if value[0] == 'A' {
			other = "B" + value[1:]
		}
		return changed(value, other)
	}
	stranger, _, err := keyprotector.New(own(t, "owner"), nil)
	require.NoError(t, err)
	_, value, _ := strings.Cut(string(stranger.Bytes()), "<SigningCertificateSignature")
	_, value, _ = strings.Cut(value, "<SignatureValue>")
	damaged := bytes.Replace(stranger.Bytes(), []byte(value[:8]), []byte("AAAAAAAA"), 1)
	mixed := own(t, "mixed")
	mixed.Encryption, mixed.EncryptionKey = b.config.Encryption[0].Certificate, b.config.Encryption[0].Key
	document, err := mixed.Metadata()
	require.NoError(t, err)
	g, err := guardian.ParseMetadata(document)
	require.NoError(t, err)
	another, _, err := keyprotector.New(own(t, "owner"), []*guardian.Guardian{g})
	require.NoError(t, err)

	for name, c := range map[string]struct {
		protector []byte
		code      kps.Code
		say       string
	}{
		"nothing":                          {[]byte{0, 0, 0, 4}, kps.InvalidProtector, "no key protector"},
		"not XML":                          {[]byte("\x00\x00\x00\x05x"), kps.InvalidProtector, ""},
		"cut off":                          {b.protector.Bytes()[:100], kps.InvalidProtector, ""},
		"guardian signature of nobody":     {changed(`<GuardianSignature WrappingId="0"`, `<GuardianSignature WrappingId="7"`), kps.InvalidProtector, "7"},
		"guardian signature of another":    {changed(`<GuardianSignature WrappingId="0"`, `<GuardianSignature WrappingId="1"`), kps.InvalidProtector, ""},
		"guardian signature":               {signature("<GuardianSignature"), kps.InvalidProtector, ""},
		"transport key signature":          {signature("<TransportKeySignature>"), kps.InvalidProtector, "cannot be opened"},
		"parent that there is not":         {changed(`<Id>1</Id>`, `<Id>2</Id>`), kps.InvalidProtector, ""},
		"wrapping: no certificate":         {changed("<SigningCertificate>MII", "<SigningCertificate>MIA"), kps.InvalidWrapping, ""},
		"wrapping: signing certificate":    {signature("<SigningCertificateSignature"), kps.InvalidWrapping, ""},
		"wrapping: encryption certificate": {signature("<EncryptionCertificateSignature"), kps.InvalidWrapping, ""},
		"not for the service":              {stranger.Bytes(), kps.InvalidProtector, "grants no access"},
		"damaged, not for the service":     {damaged, kps.InvalidWrapping, ""},
		"under another signing key":        {another.Bytes(), kps.InvalidProtector, "grants no access"},
	} {
		t.Run(name, func(t *testing.T) {
			b.TB = t
			b.requireRefused(&kps.Request{Ingress: c.protector, HealthCertificate: b.trusted.health(t, nil)}, c.code, c.say)
		})
	}
	b.TB = t
	b.requireRefused(&kps.Request{Ingress: []byte("x"), HealthCertificate: []byte("x")}, kps.HealthCertificateError, "") // the first check
}

// TestRollOver puts new certificates in the place of old ones, one after the other, and takes the old ones away in the end.
func TestRollOver(t *testing.T) {
	b := newBench(t)
	old := b.request()
	b.config.Signing = []*signing.Identity{identity(t, "new signing"), b.config.Signing[0]}
	b.config.Encryption = []*signing.Identity{identity(t, "new encryption"), b.config.Encryption[0]}
	require.NoError(t, b.Configure(b.config))
	document, err := b.Metadata()
	require.NoError(t, err)
	g, err := guardian.ParseMetadata(document)
	require.NoError(t, err)
	require.True(t, g.Signing.Equal(b.config.Signing[0].Certificate))
	require.True(t, g.Encryption.Equal(b.config.Encryption[0].Certificate))
	require.Equal(t, []*x509.Certificate{b.config.Signing[1].Certificate}, g.OtherSigning)

	response, err := b.Roll(kps.V2, old)
	require.NoError(t, err)
	keys, egress := b.requireRolled(kps.V2, response)
	require.True(t, egress.Signer().Signing.Equal(b.config.Signing[1].Certificate))
	require.True(t, egress.Signer().Encryption.Equal(b.config.Encryption[0].Certificate), "it is for the primary one from now on")
	oldProtector, moved, movedKey := b.protector, egress, keys.Egress
	b.protector, b.key = b.newProtector()
	response, err = b.Roll(kps.V2, b.request())
	require.NoError(t, err)
	_, egress = b.requireRolled(kps.V2, response)
	require.True(t, egress.Signer().Signing.Equal(b.config.Signing[0].Certificate))

	b.releases, b.config.Encryption = nil, b.config.Encryption[:1]
	require.NoError(t, b.Configure(b.config))
	b.protector = oldProtector
	b.requireRefused(b.request(), kps.InvalidProtector, "grants no access")

	// What was rolled since is for the new one, without its owner.
	b.protector, b.key = moved, movedKey
	response, err = b.Roll(kps.V2, b.request())
	require.NoError(t, err)
	b.requireRolled(kps.V2, response)
}

func TestMaxOfflineUnwraps(t *testing.T) {
	b := newBench(t)
	b.config.MaxOfflineUnwraps = 12
	require.NoError(t, b.Configure(b.config))
	for v, want := range map[kps.Version]uint32{kps.V1: 0, kps.V2: 12} {
		response, err := b.Roll(v, b.request())
		require.NoError(t, err)
		keys, egress := b.requireRolled(v, response)
		require.Equal(t, want, keys.MaxOfflineUnwraps)
		require.Equal(t, want, egress.MaxOfflineUnwraps())
		requireValid(t, "Protector.xsd", egress.Bytes()[4:])

		// What the egress says counts for nothing when it comes back.
		b.config.MaxOfflineUnwraps = 0
		require.NoError(t, b.Configure(b.config))
		response, err = b.Roll(v, &kps.Request{Ingress: response.Egress, HealthCertificate: b.trusted.health(t, nil)})
		require.NoError(t, err)
		again, err := response.Open(v, identity(t, "host").Key.(*rsa.PrivateKey))
		require.NoError(t, err)
		require.Zero(t, again.MaxOfflineUnwraps)
		b.config.MaxOfflineUnwraps = 12
		require.NoError(t, b.Configure(b.config))
	}
}

func TestNotRecorded(t *testing.T) {
	b := newBench(t)
	b.failure = errors.New("the disk is full")
	response, err := b.Roll(kps.V2, b.request())
	require.ErrorIs(t, err, b.failure)
	require.Nil(t, response)
}

func TestConfigureRefused(t *testing.T) {
	b := newBench(t)
	swapped := *identity(t, "hgs encryption")
	swapped.Key = identity(t, "new encryption").Key
	ec, err := signing.NewLabIdentity("ec", signing.P256, time.Hour)
	require.NoError(t, err)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	signer := func(key crypto.Signer) Config {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
		return Config{Signers: []*x509.Certificate{issue(t, template, template, key.Public(), key)}}
	}
	for name, c := range map[string]Config{
		"attestation signer, P-224":    signer(small),
		"attestation signer, RSA 1024": signer(short),
		"encryption, another key":      {Encryption: []*signing.Identity{&swapped}},
		"signing, another key":         {Signing: []*signing.Identity{&swapped}},
		"encryption not RSA":           {Encryption: []*signing.Identity{ec}},
		"one key for both":             {Signing: b.config.Signing, Encryption: b.config.Signing},
	} {
		require.Error(t, b.Configure(c), name)
		_, err := b.Roll(kps.V2, b.request())
		require.NoError(t, err, "the one before stays")
	}
}

func requireValid(t testing.TB, schema string, document []byte) {
	t.Helper()
	path, err := filepath.Abs("../../assets/xsd/" + schema)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "document.xml")
	require.NoError(t, os.WriteFile(file, document, 0o600))
	out, err := exec.Command("xmllint", "--nonet", "--noout", "--schema", path, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestHTTP(t *testing.T) {
	b := newBench(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w
	}
	good := string(b.request().Bytes())
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		schema             string
		code               kps.Code
	}{
		"metadata":            {http.MethodGet, guardian.MetadataPath, "", http.StatusOK, "GuardianMetadata.xsd", ""},
		"metadata, case":      {http.MethodGet, "/keyprotection/SERVICE/metadata/2014-07/metadata.xml", "", http.StatusOK, "GuardianMetadata.xsd", ""},
		"metadata, POST":      {http.MethodPost, guardian.MetadataPath, "", http.StatusMethodNotAllowed, "", ""},
		"v1":                  {http.MethodPost, "/keyprotection/service/v1.0/rolltransportkey", good, http.StatusOK, "RollTransportKeyResponse.xsd", ""},
		"v2, case":            {http.MethodPost, "/KEYPROTECTION/service/V2.0/RollTransportKey", good, http.StatusOK, "RollTransportKeyResponse.xsd", ""},
		"v3":                  {http.MethodPost, "/keyprotection/service/v3.0/rolltransportkey", good, http.StatusNotFound, "", ""},
		"GET":                 {http.MethodGet, kps.V2.Path(), "", http.StatusMethodNotAllowed, "", ""},
		"elsewhere":           {http.MethodGet, "/", "", http.StatusNotFound, "", ""},
		"not a request":       {http.MethodPost, kps.V2.Path(), "<a/>", http.StatusBadRequest, "", kps.InvalidRequest},
		"another algorithm":   {http.MethodPost, kps.V2.Path(), strings.Replace(good, "aes256-gcm", "aes128-gcm", 1), http.StatusBadRequest, "", kps.InvalidRequest},
		"health certificate":  {http.MethodPost, kps.V2.Path(), string((&kps.Request{Ingress: []byte("x"), HealthCertificate: []byte("x")}).Bytes()), http.StatusForbidden, "", kps.HealthCertificateError},
		"too large a request": {http.MethodPost, kps.V2.Path(), strings.Repeat(" ", kps.MaxMessage+1), http.StatusBadRequest, "", kps.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(c.method, c.path, c.body)
			require.Equal(t, c.status, w.Code)
			if c.schema != "" {
				requireValid(t, c.schema, w.Body.Bytes())
			}
			if c.code != "" {
				refusal, err := kps.ParseError(w.Body.Bytes())
				require.NoError(t, err)
				require.Equal(t, c.code, refusal.Code)
			}
		})
	}

	b.failure = errors.New("secret of the service")
	w := ask(http.MethodPost, kps.V2.Path(), good)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
	require.Contains(t, b.logged.String(), "secret of the service")
	require.Contains(t, b.logged.String(), `msg="key protection refused" remote=192.0.2.1:1234 host="" protector=`+digest([]byte("x")), "who is not known is not named")
	require.Contains(t, b.logged.String(), `host=host protector=`+digest(b.protector.Bytes()))
	b.failure = nil

	for message, c := range map[string]Config{
		kps.NoEncryptionCertificate: {Signing: b.config.Signing},
		kps.NoSigningCertificate:    {Encryption: b.config.Encryption},
	} {
		require.NoError(t, b.Configure(c))
		refusal, err := kps.ParseError(ask(http.MethodGet, guardian.MetadataPath, "").Body.Bytes())
		require.NoError(t, err)
		require.Equal(t, message, refusal.Message)
	}
}

// TestMany configures and rolls at the same time, for the race detector.
func TestMany(t *testing.T) {
	b := newBench(t)
	b.Service.record = func(Release) error { return nil }
	request := b.request()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if _, err := b.Roll(kps.V2, request); err != nil {
					panic(err)
				}
			}
		})
	}
	for range 5 {
		require.NoError(t, b.Configure(b.config))
	}
	all.Wait()
}

// FuzzHealthCertificate puts bytes in the place of others in a good one: the result is refused, or the same.
func FuzzHealthCertificate(f *testing.F) {
	b := newBench(f)
	good := b.trusted.health(f, nil)
	f.Add(uint16(0), []byte{0x30})
	f.Add(uint16(100), []byte("x"))
	f.Add(uint16(4), good[4:])
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		changed := bytes.Clone(good)
		copy(changed[min(int(at), len(changed)):], with)
		host, _, err := b.state.Load().checkHealth(changed, now)
		if err == nil {
			require.Equal(t, identity(t, "host").Key.Public(), host.PublicKey)
			require.False(t, host.IsCA)
		}
		_, _, err = b.state.Load().checkHealth(with, now)
		if err == nil {
			require.Equal(t, good, with)
		}
	})
}

// FuzzServe sends bodies.
func FuzzServe(f *testing.F) {
	b := newBench(f)
	b.Service.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	good := b.request()
	f.Add(good.Bytes())
	good.Ingress = []byte{0, 0, 0, 4}
	f.Add(good.Bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, kps.V2.Path(), bytes.NewReader(body)))
		if w.Code != http.StatusOK {
			_, err := kps.ParseError(w.Body.Bytes())
			require.NoError(t, err)
		}
	})
}

func BenchmarkRoll(b *testing.B) {
	bench := newBench(b)
	bench.Service.record = func(Release) error { return nil }
	request := bench.request()
	for b.Loop() {
		_, err := bench.Roll(kps.V2, request)
		require.NoError(b, err)
	}
}

func TestIssuedCacheIsBounded(t *testing.T) {
	b := newBench(t)
	var c issuedCache
	signers := b.config.Signers
	good, err := c.read(b.trusted.health(t, nil), signers)
	require.NoError(t, err)
	again, err := c.read(good.Raw, signers)
	require.NoError(t, err)
	require.Same(t, good, again)
	for i := range 3 * maxIssued {
		c.put(sha256.Sum256([]byte{byte(i), byte(i >> 8)}), good)
		require.LessOrEqual(t, len(c.young), maxIssued)
		require.LessOrEqual(t, len(c.old), maxIssued)
	}
	_, err = c.read(identity(t, "host").Certificate.Raw, signers)
	require.Error(t, err)
	require.Nil(t, c.get(sha256.Sum256(identity(t, "host").Certificate.Raw)), "what nobody issued is not kept")
}
