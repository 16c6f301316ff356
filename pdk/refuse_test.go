package pdk

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing/cms"
)

// sign signs any content as somebody.
func sign(t testing.TB, content []byte, by *guardian.Owner) []byte {
	t.Helper()
	data, err := cms.Sign(content, by.SigningKey, by.Signing, nil, time.Now())
	require.NoError(t, err)
	return data
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// Every field, changed in every way, and signed by the owner.
func TestParseRefusesContent(t *testing.T) {
	_, d := newFile(t, options(t), fabric(t))
	content, err := d.encode()
	require.NoError(t, err)
	good := string(content)
	parse(t, sign(t, content, owner(t)))
	parse(t, sign(t, append([]byte(" \n"), content...), owner(t)))

	otherKind, policy, volumes := `"kind":"existing-vm"`, `"policy":"shielded"`, good[strings.Index(good, `"volumes":`):strings.Index(good, `,"payload":`)]
	kp, created, nonce := base64Of(d.KeyProtector.Bytes()), d.Created.Format(time.RFC3339), base64Of(d.sealed.Nonce)
	ciphertext, digest := base64Of(d.sealed.Ciphertext), base64Of(d.Volumes[1].Digest)
	signer := base64Of(d.Volumes[0].Signer.Raw)
	of := func(n int) string { return base64Of(make([]byte, n)) }
	for name, c := range map[string]struct{ from, to, say string }{
		"format":                     {"scutum-pdk-1", "scutum-pdk-2", `format "scutum-pdk-2" is unknown`},
		"no format":                  {`"format":"scutum-pdk-1",`, ``, `lacks the field "format"`},
		"foreign field":              {policy, policy + `,"more":1`, `unknown field "more"`},
		"field in capitals":          {`"policy"`, `"Policy"`, `unknown field "Policy"`},
		"field twice":                {policy, policy + `,` + policy, "given twice"},
		"field twice but for case":   {policy, policy + `,"POLICY":"shielded"`, `unknown field "POLICY"`},
		"something after it":         {good, good + "{}", "follows"},
		"cut":                        {good, good[:len(good)-1], "EOF"},
		"no object":                  {good, "[" + good + "]", ""},
		"empty":                      {good, "{}", "lacks the field"},
		"identifier":                 {d.ID.String(), "x", "UUID"},
		"identifier in capitals":     {d.ID.String(), strings.ToUpper(d.ID.String()), ".id is not written in its usual form"},
		"identifier in braces":       {d.ID.String(), "{" + d.ID.String() + "}", ".id is not written in its usual form"},
		"identifier is zero":         {d.ID.String(), "00000000-0000-0000-0000-000000000000", "the identifier is zero"},
		"no identifier":              {`"id":"` + d.ID.String() + `",`, ``, `lacks the field "id"`},
		"time of another zone":       {created, strings.Replace(created, "Z", "+01:00", 1), "not a time in UTC"},
		"time in parts of seconds":   {created, strings.Replace(created, "Z", ".5Z", 1), "whole seconds"},
		"time as a number":           {`"` + created + `"`, `1`, ""},
		"time before all others":     {created, "1969-12-31T23:59:59Z", "from 1970 on"},
		"kind":                       {`"template"`, `"other"`, `kind "other" is neither`},
		"kind with qualifiers":       {`"kind":"template"`, otherKind, "there are no qualifiers, but 2 are given"},
		"policy":                     {`"shielded"`, `"Shielded"`, "unknown policy"},
		"policy is a list":           {`"shielded"`, `["shielded"]`, ""},
		"no key protector":           {kp, "", "key protector"},
		"empty key protector":        {kp, base64Of([]byte{0, 0, 0, 4}), "there is no key protector"},
		"key protector, damaged":     {kp, base64Of(damaged(d.KeyProtector.Bytes())), "Exception"},
		"key protector, cut":         {kp, base64Of(d.KeyProtector.Bytes()[:500]), "InvalidProtectorException"},
		"key protector, too large":   {kp, of(keyprotector.MaxSize + 1), "InvalidProtectorException"},
		"key protector with breaks":  {kp, kp[:76] + `\n` + kp[76:], "keyProtector is not written in its usual form"},
		"no qualifiers":              {volumes, `"volumes":[]`, "there is no qualifier"},
		"qualifiers are null":        {volumes, `"volumes":null`, "volumes is null"},
		"qualifiers are missing":     {volumes + ",", ``, `lacks the field "volumes"`},
		"qualifier is empty":         {volumes, `"volumes":[{}]`, ""},
		"qualifier without a name":   {`"name":"Server",`, ``, `lacks the field "name"`},
		"qualifier, empty name":      {`"Server"`, `""`, "qualifier 1: the name"},
		"qualifier, space":           {`"Server"`, `"Server "`, "qualifier 1: the name"},
		"qualifier, NUL":             {`"Server"`, `"a\u0000"`, "qualifier 1: the name"},
		"qualifier, long name":       {`"Server"`, `"` + strings.Repeat("x", 256) + `"`, "qualifier 1: the name"},
		"qualifier, version":         {`"1.0.0.0"`, `"1.0.0"`, ""},
		"qualifier, large version":   {`"1.0.0.0"`, `"1.0.0.65536"`, ""},
		"qualifier, version, zeros":  {`"1.0.0.0"`, `"01.0.0.0"`, ""},
		"qualifier, rule":            {`"greater-or-equal"`, `"less"`, "unknown rule"},
		"qualifier, no signer":       {signer, "", "the signer's certificate"},
		"qualifier, damaged signer":  {signer, base64Of(d.Volumes[0].Signer.Raw[1:]), "the signer's certificate"},
		"qualifier, signer and more": {signer, base64Of(append(bytes.Clone(d.Volumes[0].Signer.Raw), 0)), "the signer's certificate"},
		"qualifier, Ed25519":         {signer, base64Of(edwards(t, 0)), "of a kind that signs no template"},
		"qualifier, large signer":    {signer, base64Of(edwards(t, cms.MaxCertificateSize)), "at most 65536 are allowed"},
		"qualifier, short digest":    {digest, of(31), "the digest has 31 bytes"},
		"qualifier, long digest":     {digest, of(33), "the digest has 33 bytes"},
		"qualifier, empty digest":    {digest, "", "unknown field"},
		"qualifier, null digest":     {`"` + digest + `"`, "null", ""},
		"qualifier, foreign field":   {`"rule":"equals"`, `"rule":"equals","x":1`, "unknown field"},
		"too many qualifiers":        {volumes, `"volumes":[` + strings.Repeat(volumes[len(`"volumes":[`):len(volumes)-1]+",", 32) + volumes[len(`"volumes":[`):], "66 qualifiers, at most 64"},
		"payload, algorithm":         {"A256GCM", "A128GCM", `"A128GCM" of the payload is unknown`},
		"payload, short nonce":       {nonce, of(11), "nonce of the payload has 11 bytes"},
		"payload, long nonce":        {nonce, of(16), "nonce of the payload has 16 bytes"},
		"payload, no ciphertext":     {ciphertext, "", "has 0 bytes"},
		"payload, a tag alone":       {ciphertext, of(tagSize), "has 16 bytes"},
		"payload, too large":         {ciphertext, of(maxPlain + tagSize + 1), "786449 bytes"},
		"payload, address base64":    {ciphertext, "_-" + ciphertext[2:], "base64"},
		"payload, foreign field":     {`"algorithm"`, `"tag":"","algorithm"`, `unknown field "tag"`},
		"payload is a list":          {`"payload":{`, `"payload":[{`, ""},
		"not UTF-8":                  {`"Server"`, "\"\xff\"", "not UTF-8"},
		"half of a pair":             {`"Server"`, `"\ud800"`, "surrogate"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, c.from)
			_, err := Parse(sign(t, []byte(strings.Replace(good, c.from, c.to, 1)), owner(t)))
			require.ErrorIs(t, err, ErrPDK)
			require.ErrorContains(t, err, c.say)
		})
	}

	// What is just within the limits parses: the secrets are looked at by Open.
	largest := parse(t, sign(t, []byte(strings.Replace(good, ciphertext, of(maxPlain+tagSize), 1)), owner(t)))
	_, err = largest.Open(decrypterOf(t, owner(t)))
	require.Equal(t, ErrCannotOpen, err)
}

func damaged(data []byte) []byte {
	data = bytes.Clone(data)
	at := bytes.Index(data, []byte("CipherValue>")) + 20
	data[at] ^= 1
	return data
}

// edwards is a certificate with a key that nothing here signs with, as long as wanted.
func edwards(t *testing.T, size int) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	template.DNSNames = []string{"x" + strings.Repeat("x", size)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	return der
}

// Who signs the file must be the owner of its key protector, and have made it.
func TestParseRefusesOwners(t *testing.T) {
	data, d := newFile(t, options(t), fabric(t))
	content, err := d.encode()
	require.NoError(t, err)
	with := func(p *keyprotector.Protector) []byte {
		changed := *d
		changed.KeyProtector = p
		content, err := changed.encode()
		require.NoError(t, err)
		return content
	}
	others, _, err := keyprotector.New(mallory(t), publics(t, fabric(t), owner(t)))
	require.NoError(t, err)
	rolled, _, _, err := d.KeyProtector.Roll(fabric(t), nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		content []byte
		by      *guardian.Owner
		say     string
	}{
		"signed by a guardian":                 {content, fabric(t), "the owner of the key protector is"},
		"signed by a stranger":                 {content, mallory(t), "the owner of the key protector is"},
		"key protector of another owner":       {with(others), owner(t), "the owner of the key protector is"},
		"another owner's, with its signature":  {with(others), fabric(t), "the owner of the key protector is"},
		"key protector that a guardian signed": {with(rolled), owner(t), "signed by another guardian than its owner"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(sign(t, c.content, c.by))
			require.ErrorIs(t, err, ErrPDK)
			require.ErrorContains(t, err, c.say)
		})
	}

	// A certificate with the owner's key and another name may stand beside the signature. It names nobody.
	named := *owner(t)
	named.Signing = renewed(t, owner(t))
	require.True(t, parse(t, sign(t, content, &named)).Signer.Equal(owner(t).Signing))

	// The owner's own key protector of another file: signed by the owner, it says nothing about the secrets.
	other, _, err := keyprotector.New(owner(t), publics(t, fabric(t)))
	require.NoError(t, err)
	_, err = parse(t, sign(t, with(other), owner(t))).Open(decrypterOf(t, fabric(t)))
	require.Equal(t, ErrCannotOpen, err)

	// A change without a signature.
	_, err = Parse(bytes.Replace(data, []byte(`"shielded"`), []byte(`"shieldee"`), 1))
	require.ErrorIs(t, err, cms.ErrSignature)
	_, err = Parse(bytes.Replace(data, []byte(base64Of(d.KeyProtector.Bytes())), []byte(base64Of(other.Bytes())), 1))
	require.Error(t, err)
	for _, bad := range [][]byte{nil, {}, data[:len(data)-1], append(bytes.Clone(data), 0), content} {
		_, err = Parse(bad)
		require.ErrorIs(t, err, cms.ErrMalformed)
	}
	_, err = Parse(make([]byte, MaxSize+1))
	require.ErrorIs(t, err, ErrPDK)
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *Options)
		say    string
	}{
		"kind":                  {func(o *Options) { o.Kind = "other" }, `kind "other"`},
		"policy":                {func(o *Options) { o.Policy = "" }, "unknown policy"},
		"no qualifier":          {func(o *Options) { o.Volumes = nil }, "there is no qualifier"},
		"no answer file":        {func(o *Options) { o.Payload.AnswerFile = nil }, "there is no answer file"},
		"existing, with files":  {func(o *Options) { o.Kind = ExistingVM }, "there is no answer file, and there are no files"},
		"existing, qualifiers":  {func(o *Options) { o.Kind, o.Payload = ExistingVM, Payload{} }, "there are no qualifiers"},
		"qualifier's rule":      {func(o *Options) { o.Volumes[0].Rule = "" }, "qualifier 1: unknown rule"},
		"qualifier's signer":    {func(o *Options) { o.Volumes[1].Signer = nil }, "qualifier 2: there is no signer"},
		"qualifier's digest":    {func(o *Options) { o.Volumes[1].Digest = []byte{1} }, "qualifier 2: the digest"},
		"name of a file":        {func(o *Options) { o.Payload.Files[0].Name = "../x" }, "cannot have everywhere"},
		"name of a file, twice": {func(o *Options) { o.Payload.Files[0].Name = "UNATTEND.XML"; o.Payload.AnswerFile.Name = "unattend.xml" }, "two files have the name"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.change(&o)
			data, err := New(owner(t), publics(t, fabric(t)), o)
			require.ErrorIs(t, err, ErrPDK)
			require.ErrorContains(t, err, c.say)
			require.Nil(t, data)
		})
	}

	_, err := New(owner(t), publics(t, fabric(t), fabric(t)), options(t))
	require.Error(t, err)
	mixed := *owner(t)
	mixed.SigningKey = mallory(t).SigningKey
	_, err = New(&mixed, nil, options(t))
	require.Error(t, err)
}

// What the owner encrypted is checked as well: whoever signs a file may do so with other tools than these.
func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind    Kind
		payload Payload
		say     string
	}{
		"a name that leads elsewhere": {Template, Payload{AnswerFile: &File{"..", nil}}, "ends with a dot"},
		"no answer file":              {Template, Payload{}, "there is no answer file"},
		"an answer file":              {ExistingVM, Payload{AnswerFile: &File{"a", nil}}, "there is no answer file, and there are no files"},
		"too much":                    {Template, Payload{AnswerFile: &File{"a", make([]byte, MaxFiles+1)}}, "at most 393216 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			if c.kind == ExistingVM {
				o = Options{Kind: ExistingVM, Policy: Shielded}
			}
			_, d := newFile(t, o, fabric(t))
			key, err := d.KeyProtector.Unwrap(decrypterOf(t, fabric(t)))
			require.NoError(t, err)
			d.sealed, err = c.payload.seal(&key, d.ID)
			require.NoError(t, err)
			p, err := d.Open(decrypterOf(t, fabric(t)))
			require.ErrorIs(t, err, ErrPDK)
			require.ErrorContains(t, err, c.say)
			require.Nil(t, p)
		})
	}
}

// The memory that a file takes goes by its size, and not by how many values are squeezed into that.
func TestMemory(t *testing.T) {
	fill := func(head, each, tail string) []byte {
		n := (MaxSize - 4096 - len(head) - len(tail)) / len(each)
		return sign(t, []byte(head+strings.TrimSuffix(strings.Repeat(each, n), ",")+tail), owner(t))
	}
	_, d := newFile(t, options(t), fabric(t))
	content, err := d.encode()
	require.NoError(t, err)
	good := string(content)
	inner, err := json.Marshal(d.KeyProtector.Bytes())
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"one string":            fill(`{"format":"`, "x", `"}`),
		"one field":             fill(`{"keyProtector":"`, "AAAA", `"}`),
		"qualifiers":            fill(`{"volumes":[`, "{},", `]}`),
		"fields":                fill(`{"x":[`, "0,", `]}`),
		"depth":                 fill("", "[", ""),
		"a good file in spaces": fill("", " ", good),
		"a large ciphertext":    fill(strings.TrimSuffix(good, base64Of(d.sealed.Ciphertext)+`"}}`), "AAAA", `"}}`),
		"a key protector":       sign(t, []byte(strings.Replace(good, string(inner), `"`+base64Of(append([]byte{0, 16, 0, 4}, bytes.Repeat([]byte("<a>"), 1<<20/3)...))+`"`, 1)), owner(t)),
	} {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(data), MaxSize)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, _ = Parse(data)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(96<<20))
			t.Log((after.TotalAlloc-before.TotalAlloc)>>20, "MiB")
		})
	}
}
