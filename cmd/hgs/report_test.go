package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// A served service has a folder, a log, and an address for hosts.
type served struct {
	testing.TB
	dir, url string
	log      bytes.Buffer
	stop     func() // and wait until nothing is served or logged any more
}

func serve(t testing.TB, mode string) *served {
	t.Helper()
	o, err := guardian.NewOwner("hgs.example.com", 2048, 365*24*time.Hour)
	require.NoError(t, err)
	v := &served{TB: t, dir: t.TempDir()}
	require.NoError(t, hgsserver.Init(v.dir, hgsserver.Settings{Name: "hgs.example.com", Mode: mode}, &signing.Identity{Certificate: o.Signing, Key: o.SigningKey},
		&signing.Identity{Certificate: o.Encryption, Key: o.EncryptionKey}, []byte("secret")))
	s, err := hgsserver.Open(v.dir, []byte("secret"), slog.New(slog.NewJSONHandler(&v.log, nil)))
	require.NoError(t, err)
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- s.Serve(ctx, hgsserver.Options{Listen: "127.0.0.1:0", Group: -1, Ready: func(address string) { ready <- address }})
	}()
	v.stop = func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	}
	v.url = "http://" + <-ready
	return v
}

// hgs runs a command and gives what it printed.
func (v *served) hgs(status int, args ...string) string {
	v.Helper()
	var out, errOut bytes.Buffer
	require.Equal(v, status, cli.Run(v.Context(), rootCommand(), append(args, "--dir", v.dir), strings.NewReader(""), &out, &errOut), errOut.String())
	return out.String() + errOut.String()
}

// A keyHost attests by a key.
type keyHost struct {
	key      *ecdsa.PrivateKey
	identity *rsa.PrivateKey
}

func newKeyHost(t testing.TB) *keyHost {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	identity, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return &keyHost{key, identity}
}

func spki(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return der
}

func (h *keyHost) attest(v *served) hgsa.Reply {
	v.Helper()
	identity, err := json.Marshal(&hgsa.EndorsementKey{Key: spki(v, h.identity.Public())})
	require.NoError(v, err)
	public := spki(v, h.key.Public())
	digest := sha256.Sum256(append(bytes.Clone(public), identity...))
	signature, err := h.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(v, err)
	body, err := json.Marshal(&hgsa.AttestationRequest{SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate},
		Provided: []hgsa.Provided{{Type: hgsa.VSMIdentityKey, Content: identity}, {Type: hgsa.HostKeyPublicKey, Content: public}, {Type: hgsa.HostKeySignature, Content: signature}}})
	require.NoError(v, err)
	response, err := http.Post(v.url+"/Attestation/v2.0/hostkeyattest", "application/json", bytes.NewReader(body))
	require.NoError(v, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(v, err)
	reply, err := hgsa.ParseReply(answer)
	require.NoError(v, err)
	return reply
}

// roll gets the key of a protector that is made for the service.
func (h *keyHost) roll(v *served, certificate []byte) (ingress, egress []byte, err error) {
	v.Helper()
	response, err := http.Get(v.url + guardian.MetadataPath)
	require.NoError(v, err)
	defer response.Body.Close()
	metadata, err := io.ReadAll(response.Body)
	require.NoError(v, err)
	service, err := guardian.ParseMetadata(metadata)
	require.NoError(v, err)
	owner, err := guardian.NewOwner("Contoso", 2048, time.Hour)
	require.NoError(v, err)
	p, _, err := keyprotector.New(owner, []*guardian.Guardian{service})
	require.NoError(v, err)
	rolled, err := kps.Roll(v.Context(), http.DefaultClient, v.url, kps.V2, &kps.Request{Ingress: p.Bytes(), HealthCertificate: certificate})
	if err != nil {
		return nil, nil, err
	}
	return p.Bytes(), rolled.Egress, nil
}

func TestReportOfAHost(t *testing.T) {
	v := serve(t, hgsserver.ModeHostKey)
	h := newKeyHost(t)
	require.IsType(t, &hgsa.ErrorReply{}, h.attest(v))
	digest := sha256.Sum256(spki(t, h.key.Public()))
	identifier := hexOf(digest[:])

	said := v.hgs(0, "report", "--kind", "attestation")
	require.Contains(t, said, "an unregistered host with identifier "+identifier+" from 127.0.0.1 was refused in mode HostKey: the host key is not registered\n")

	admin := hgsserver.NewClient(filepath.Join(v.dir, hgsserver.SocketFile))
	require.NoError(t, admin.Do(t.Context(), "POST", "/v1/hostkeys", hgsserver.NewHostKey{Name: "host3", Key: spki(t, h.key.Public())}, nil))
	reply, ok := h.attest(v).(*hgsa.HealthCertificateReply)
	require.True(t, ok)
	ingress, egress, err := h.roll(v, reply.Content[0].Content)
	require.NoError(t, err)

	said = v.hgs(0, "report", "--host", "HOST3")
	lines := strings.Split(strings.TrimSpace(said), "\n")
	require.Len(t, lines, 6, said)
	require.Contains(t, lines[0], "  hostkey.add  by ")
	require.Contains(t, lines[0], "name host3, identifier "+identifier)
	require.Contains(t, lines[1], "  attestation  host3 from 127.0.0.1 attested in mode HostKey: health certificate until ")
	came, went := sha256.Sum256(ingress), sha256.Sum256(egress)
	require.Contains(t, lines[2], "  release  host3 got the key of key protector "+hexOf(came[:]))
	require.Equal(t, "    which the host keeps as "+hexOf(went[:]), lines[3])
	require.NoError(t, admin.Do(t.Context(), "PATCH", "/v1/config", hgsserver.SettingsChange{DenyAllSoFar: true}, nil))
	_, _, err = h.roll(v, reply.Content[0].Content)
	require.Error(t, err)
	said = v.hgs(0, "report", "--host", "host3", "--kind", "refusal")
	require.Regexp(t, `^\d+  \S+  refusal  host3 from 127.0.0.1 did not get the key of key protector [0-9a-f]{64}: the health certificate was issued at .*attest again\n`+
		`    which was answered with HealthCertificateException, by health certificate [0-9a-f]{40,64}\n$`, said)
	require.Len(t, strings.Split(strings.TrimSpace(v.hgs(0, "report", "--host", identifier[:8])), "\n"), 3, "also from before it had a name")
	require.Contains(t, v.hgs(0, "report", "--kind", "hostkey"), "hostkey.add")
	require.Equal(t, "The log has no such entry.\n", v.hgs(0, "report", "--host", "host4"))
	require.Equal(t, "The log has no such entry.\n", v.hgs(0, "report", "--since", time.Now().Add(time.Hour).Format(time.RFC3339)))
	require.NotEmpty(t, v.hgs(0, "report", "--since", "7d"))
	require.Contains(t, v.hgs(2, "report", "--since", "yesterday"), `"yesterday" is no time`)

	v.stop()
	require.Contains(t, v.log.String(), `"msg":"attestation refused","host":"","identifier":"`+identifier+`","remote":"127.0.0.1","reason":"the host key is not registered"`)
}

// TestReportOfPolicies shows what a boot did not meet, and does not let a host write lines of its own.
func TestReportOfPolicies(t *testing.T) {
	r := attestation.Report{Mode: "TPM", Host: "host3", Remote: "10.0.0.7", Reason: "the boot does not meet Hgs_SecureBootEnabled", Omitted: 3, Policies: []attestation.PolicyReport{
		{Name: "Hgs_SecureBootEnabled", Enforced: true, Measured: "Secure Boot false", Expected: "Secure Boot true"},
		{Name: "Hgs_CiPolicy", Enforced: true, Passed: true, Measured: "code integrity true", Expected: "code integrity true", Matched: "production"},
		{Name: "Hgs_BitLockerEnabled", Measured: "BitLocker unlock flags 0", Expected: "BitLocker unlock flags not 0"},
	}}
	said, besides := describe(&store.Entry{Kind: "attestation", Data: marshalled(t, r)}, false)
	require.Equal(t, "host3 from 10.0.0.7 was refused in mode TPM: the boot does not meet Hgs_SecureBootEnabled", said)
	require.Equal(t, []string{
		"Hgs_SecureBootEnabled demands that Secure Boot is on. It is not met: measured was Secure Boot false; expected was Secure Boot true",
		"Before it, 3 more attestations were refused that the log does not have, as there were too many.",
	}, besides)
	_, besides = describe(&store.Entry{Kind: "attestation", Data: marshalled(t, r)}, true)
	require.Contains(t, besides, "Hgs_CiPolicy demands that code integrity is enforced with a policy that an administrator added. It is met by production: measured was code integrity true")
	require.Contains(t, besides, "Hgs_BitLockerEnabled demands that the OS volume is a BitLocker volume. It is not met, but disabled: measured was BitLocker unlock flags 0; expected was BitLocker unlock flags not 0")

	for data, want := range map[string]string{
		`{"by":"root","what":{"maxOfflineUnwraps":7}}`:                                  "by root: maxOfflineUnwraps 7",
		`{"by":"root","what":{"name":"a","primary":false,"expires":"2027"}}`:            "by root: name a, expires 2027",
		`{"by":"","what":{"certificate":"` + strings.Repeat("A", 400) + `","use":"x"}}`: "use x",
		`{"by":"root"}`:        "by root",
		`{"thumbprint":"ab"}`:  "thumbprint ab",
		`null`:                 "null",
		`"text"`:               "text",
		`{"a":{"b":1},"c":[]}`: "a map[b:1], c []",
	} {
		said, _ := describe(&store.Entry{Kind: "config", Data: []byte(data)}, false)
		require.Equal(t, want, said, data)
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func marshalled(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}
