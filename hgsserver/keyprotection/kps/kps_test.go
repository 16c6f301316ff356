package kps

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// hostKey and otherKey are identity keys of hosts.
var (
	hostKey  = sync.OnceValue(newKey)
	otherKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

var (
	testRequest = &Request{Ingress: []byte("a key protector"), HealthCertificate: []byte("a certificate")}
	testKeys    = Keys{Ingress: keyprotector.TransportKey{1, 2, 3}, Egress: keyprotector.TransportKey{4, 5, 6}}
)

func newResponse(t testing.TB, v Version, keys Keys) *Response {
	t.Helper()
	r, err := NewResponse(v, &hostKey().PublicKey, []byte("another key protector"), &keys)
	require.NoError(t, err)
	return r
}

// run runs a program in dir and gives its standard output.
func run(t testing.TB, dir, name string, args ...string) []byte {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %q: %s", name, args, &stderr)
	return out
}

func writeFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}

func requireValid(t testing.TB, schema string, document []byte) {
	t.Helper()
	dir := t.TempDir()
	path, err := filepath.Abs("../../../assets/xsd/" + schema)
	require.NoError(t, err)
	writeFile(t, dir, "document.xml", document)
	run(t, dir, "xmllint", "--nonet", "--noout", "--schema", path, "document.xml")
}

func TestMessages(t *testing.T) {
	requireValid(t, "RollTransportKeyRequest.xsd", testRequest.Bytes())
	request, err := ParseRequest(testRequest.Bytes())
	require.NoError(t, err)
	require.Equal(t, testRequest, request)

	sent := newResponse(t, V2, testKeys)
	requireValid(t, "RollTransportKeyResponse.xsd", sent.Bytes())
	for _, part := range [][]byte{sent.TransferKey, sent.WrappingKey, sent.TransportKeys} {
		requireValid(t, "Crypto.xsd", part)
	}
	response, err := ParseResponse(sent.Bytes())
	require.NoError(t, err)
	require.Equal(t, sent, response)
}

// TestAnotherWriter reads what the schema allows and this package writes otherwise: prefixes, comments, white space, lines.
func TestAnotherWriter(t *testing.T) {
	document := []byte(`<k:RollTransportKeyRequest xmlns:k="` + namespace + `">
  <!-- of another program -->
  <k:IngressProtector>
    YSBrZXkg
    cHJvdGVjdG9y
  </k:IngressProtector>
  <k:HealthCertificate>YSBjZXJ0aWZpY2F0ZQ==</k:HealthCertificate>
  <k:TransferKeyEncryptionAlgorithm> ` + algOAEP + ` </k:TransferKeyEncryptionAlgorithm>
  <k:WrappingKeyEncryptionAlgorithm>` + algGCM + `</k:WrappingKeyEncryptionAlgorithm>
  <k:TransportKeysEncryptionAlgorithm>` + algGCM + `</k:TransportKeysEncryptionAlgorithm>
</k:RollTransportKeyRequest>`)
	requireValid(t, "RollTransportKeyRequest.xsd", document)
	request, err := ParseRequest(document)
	require.NoError(t, err)
	require.Equal(t, testRequest, request)
}

func TestRequestsRefused(t *testing.T) {
	text := string(testRequest.Bytes())
	for name, c := range map[string]struct{ old, new, say string }{
		"not XML":            {text, "{}", "outside of the document"},
		"a document type":    {"<RollTransportKeyRequest", `<!DOCTYPE x><RollTransportKeyRequest`, "document type"},
		"another document":   {"RollTransportKeyRequest", "RollTransportKeyResponse", "not RollTransportKeyRequest"},
		"another namespace":  {namespace, cryptoNamespace, "not RollTransportKeyRequest"},
		"an attribute":       {`<RollTransportKeyRequest `, `<RollTransportKeyRequest a="1" `, "the attribute"},
		"text":               {"<HealthCertificate>", "x<HealthCertificate>", "text between"},
		"part missing":       {"<HealthCertificate>YSBjZXJ0aWZpY2F0ZQ==</HealthCertificate>", "", "4 elements, not 5"},
		"part twice":         {"<HealthCertificate>", "<IngressProtector>AA==</IngressProtector><HealthCertificate>", "6 elements"},
		"another order":      {"IngressProtector", "HealthCertificate", "where IngressProtector belongs"},
		"part of another":    {"<HealthCertificate>", `<HealthCertificate xmlns="urn:x">`, "where HealthCertificate belongs"},
		"part: attribute":    {"<HealthCertificate>", `<HealthCertificate a="1">`, "must be text alone"},
		"part: element":      {"<HealthCertificate>", `<HealthCertificate><a/>`, "must be text alone"},
		"part: empty":        {"YSBjZXJ0aWZpY2F0ZQ==", "", "is empty"},
		"part: not base64":   {"YSBjZXJ0aWZpY2F0ZQ==", "*", "not base64"},
		"part: padding":      {"YSBjZXJ0aWZpY2F0ZQ==", "YSBjZXJ0aWZpY2F0ZQ", "not base64"},
		"part: trailing bit": {"YSBjZXJ0aWZpY2F0ZQ==", "YSBjZXJ0aWZpY2F0ZR==", "not base64"},
		"large":              {"\n", strings.Repeat(" ", MaxMessage), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.ReplaceAll(text, c.old, c.new)
			require.NotEqual(t, text, changed)
			_, err := ParseRequest([]byte(changed))
			require.ErrorIs(t, err, ErrMessage)
			require.NotErrorIs(t, err, ErrAlgorithm)
			require.ErrorContains(t, err, c.say)
		})
	}
	for _, name := range []string{"TransferKey", "WrappingKey", "TransportKeys"} {
		for _, algorithm := range []string{"", "http://www.w3.org/2001/04/xmlenc#rsa-1_5", "http://www.w3.org/2001/04/xmlenc#aes256-cbc"} {
			begin, rest, found := strings.Cut(text, "<"+name+"EncryptionAlgorithm>")
			require.True(t, found)
			_, end, _ := strings.Cut(rest, "<")
			_, err := ParseRequest([]byte(begin + "<" + name + "EncryptionAlgorithm>" + algorithm + "<" + end))
			require.ErrorIs(t, err, ErrMessage)
			require.ErrorIs(t, err, ErrAlgorithm)
		}
	}
}

func TestKeys(t *testing.T) {
	offline := testKeys
	offline.MaxOfflineUnwraps = 7
	for name, c := range map[string]struct {
		version    Version
		sent, want Keys
	}{
		"v1":          {V1, testKeys, testKeys},
		"v1, offline": {V1, offline, testKeys},
		"v2":          {V2, testKeys, testKeys},
		"v2, offline": {V2, offline, offline},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newResponse(t, c.version, c.sent).Open(c.version, hostKey())
			require.NoError(t, err)
			require.True(t, c.want == *got)
			got.Clear()
			require.True(t, Keys{MaxOfflineUnwraps: got.MaxOfflineUnwraps} == *got)
		})
	}
}

func TestKeysRefused(t *testing.T) {
	r, other := newResponse(t, V2, testKeys), newResponse(t, V2, testKeys)
	_, err := r.Open(V2, otherKey())
	require.ErrorIs(t, err, ErrCannotOpen)
	_, err = r.Open(V1, hostKey())
	require.ErrorIs(t, err, ErrCannotOpen)

	mixed := *r
	mixed.WrappingKey = other.WrappingKey
	_, err = mixed.Open(V2, hostKey())
	require.ErrorIs(t, err, ErrCannotOpen)
	mixed = *r
	mixed.TransportKeys = other.TransportKeys
	_, err = mixed.Open(V2, hostKey())
	require.ErrorIs(t, err, ErrCannotOpen)
	mixed = *r
	mixed.TransportKeys = r.WrappingKey
	_, err = mixed.Open(V2, hostKey())
	require.ErrorIs(t, err, ErrCannotOpen)

	for name, c := range map[string]struct{ old, new string }{
		"another algorithm": {algOAEP, algGCM},
		"SHA-1":             {"xmlenc#sha256", "xmlenc#sha1"},
		"no parameters":     {oaepParameters, ""},
		"more parameters":   {"</Parameters>", "<a/></Parameters>"},
		"another document":  {"EncryptedData", "EncryptedKey"},
	} {
		mixed := *r
		mixed.TransferKey = []byte(strings.ReplaceAll(string(r.TransferKey), c.old, c.new))
		_, err := mixed.Open(V2, hostKey())
		require.ErrorIs(t, err, ErrMessage, name)
	}
}

// TestPayloadsRefused has who knows a host's health certificate write payloads of another form.
func TestPayloadsRefused(t *testing.T) {
	key := &keyprotector.TransportKey{1}
	good := func(offline uint32) []byte { return appendPayload(nil, V2, key, offline) }
	for name, c := range map[string]struct {
		plain []byte
		good  bool
	}{
		"two":                     {append(good(0), good(9)...), true},
		"nothing":                 {nil, false},
		"one":                     {good(0), false},
		"three":                   {append(append(good(0), good(0)...), good(0)...), false},
		"a byte more":             {append(append(good(0), good(0)...), 0), false},
		"a policy of the ingress": {append(good(9), good(9)...), false},
		"a policy that says 0":    {append(good(0), append(good(9)[:64], 0, 0, 0, 0)...), false},
		"another policy":          {append(good(0), append(append(good(9)[:52], 2), good(9)[53:]...)...), false},
		"version 1":               {append(appendPayload(nil, V1, key, 0), appendPayload(nil, V1, key, 0)...), false},
	} {
		sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &hostKey().PublicKey, appendPayload(nil, V1, key, 0), nil)
		require.NoError(t, err)
		r := &Response{
			TransferKey:   fmt.Appendf(nil, encryptedXML, algOAEP, oaepParameters, toBase64(sealed)),
			WrappingKey:   seal(key, appendPayload(nil, V1, key, 0)),
			TransportKeys: seal(key, c.plain),
		}
		_, err = r.Open(V2, hostKey())
		if c.good {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, ErrCannotOpen, name)
	}
}

// TestKeysAgainstOpenSSL opens a response with xmllint, OpenSSL and Python's struct alone.
func TestKeysAgainstOpenSSL(t *testing.T) {
	keys := testKeys
	keys.MaxOfflineUnwraps = 7
	r := newResponse(t, V2, keys)
	dir := t.TempDir()
	value := func(document []byte) []byte {
		writeFile(t, dir, "x.xml", document)
		text := run(t, dir, "xmllint", "--xpath", `string(/*/*[local-name()="CipherValue"])`, "x.xml")
		writeFile(t, dir, "x.b64", text)
		return run(t, dir, "openssl", "base64", "-d", "-A", "-in", "x.b64")
	}
	writeFile(t, dir, "key.der", rsaDER(t, hostKey()))
	writeFile(t, dir, "sealed", value(r.TransferKey))
	plain := run(t, dir, "openssl", "pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", "key.der", "-in", "sealed", "-pkeyopt",
		"rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")
	const script = `import sys, binascii
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
key, data = map(binascii.unhexlify, sys.argv[1:])
print(AESGCM(key).decrypt(data[:12], data[12:], None).hex())`
	for _, part := range [][]byte{r.WrappingKey, r.TransportKeys} {
		require.Equal(t, "30000000010000000100000020000000", hex.EncodeToString(plain[:16]))
		require.Len(t, plain, 48)
		out := run(t, dir, "python3", "-c", script, hex.EncodeToString(plain[16:]), hex.EncodeToString(value(part)))
		var err error
		plain, err = hex.DecodeString(strings.TrimSpace(string(out)))
		require.NoError(t, err)
	}
	require.Equal(t, "34000000"+"02000000"+"01000000"+"20000000"+hex.EncodeToString(keys.Ingress[:])+"00000000"+
		"44000000"+"02000000"+"01000000"+"20000000"+hex.EncodeToString(keys.Egress[:])+"01000000"+
		"01000000"+"06000000"+"04000000"+"07000000", hex.EncodeToString(plain))
}

func TestErrors(t *testing.T) {
	for _, e := range []*Error{
		{HealthCertificateError, "it has <expired> & is \"old\""},
		{InvalidProtector, ""},
		{InvalidWrapping, "Grüße"},
	} {
		got, err := ParseError(e.Bytes())
		require.NoError(t, err)
		require.Equal(t, e, got)
		require.Contains(t, got.Error(), string(e.Code))
	}
	long, err := ParseError((&Error{InvalidRequest, strings.Repeat("ä", 5000) + "\x1b[2J"}).Bytes())
	require.NoError(t, err)
	require.LessOrEqual(t, len(long.Message), maxText)
	nasty, err := ParseError((&Error{InvalidRequest, "a\x00\x1b[2Jb\u202ec\xff"}).Bytes())
	require.NoError(t, err)
	require.Equal(t, "a??[2Jb?c?", nasty.Message)
	_, err = ParseError([]byte("<html/>"))
	require.ErrorIs(t, err, ErrMessage)
}

func TestHTTP(t *testing.T) {
	answer := func(w http.ResponseWriter) { WriteDocument(w, newResponse(t, V2, testKeys).Bytes()) }
	var read error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request *Request
		if request, read = ReadRequest(w, r); read == nil && r.URL.Path == V2.Path() && r.Method == http.MethodPost {
			require.Equal(t, testRequest, request)
			answer(w)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	response, err := Roll(t.Context(), server.Client(), server.URL+"/", V2, testRequest)
	require.NoError(t, err)
	_, err = response.Open(V2, hostKey())
	require.NoError(t, err)

	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		check  func(error)
	}{
		"refused": {func(w http.ResponseWriter) { WriteError(w, &Error{HealthCertificateError, "expired"}) }, func(err error) {
			var refusal *Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, HealthCertificateError, refusal.Code)
			require.Equal(t, http.StatusForbidden, refusal.Status())
		}},
		"no content": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, func(err error) { require.ErrorContains(t, err, "status 204") }},
		"a web page": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html/>") }, func(err error) { require.ErrorIs(t, err, ErrMessage) }},
		"too large":  {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, MaxMessage+10)) }, func(err error) { require.ErrorIs(t, err, ErrMessage) }},
	} {
		t.Run(name, func(t *testing.T) {
			answer = c.answer
			_, err := Roll(t.Context(), server.Client(), server.URL, V2, testRequest)
			c.check(err)
		})
	}

	for name, c := range map[string]struct {
		kind, body string
		good       bool
	}{
		"no type":         {"", string(testRequest.Bytes()), true},
		"text/xml":        {"text/xml;charset=UTF-8", string(testRequest.Bytes()), true},
		"a form":          {"application/x-www-form-urlencoded", string(testRequest.Bytes()), false},
		"another charset": {"application/xml; charset=utf-16", string(testRequest.Bytes()), false},
		"not a type":      {";;", string(testRequest.Bytes()), false},
		"too large":       {"application/xml", strings.Repeat(" ", MaxMessage+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, V1.Path(), strings.NewReader(c.body))
			request.Header.Set("Content-Type", c.kind)
			_, err := ReadRequest(httptest.NewRecorder(), request)
			require.Equal(t, c.good, err == nil, "%v", err)
			require.Equal(t, c.good, !errors.Is(err, ErrMessage))
		})
	}
}
