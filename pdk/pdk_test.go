package pdk

import (
	"crypto"
	"crypto/rsa"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

func TestNew(t *testing.T) {
	for name, o := range map[string]Options{
		"template": options(t),
		"nothing but an answer file": {
			Kind: Template, Policy: EncryptionSupported, Volumes: options(t).Volumes[:1],
			Payload: Payload{AnswerFile: &File{"user-data", nil}},
		},
		"existing virtual machine": {Kind: ExistingVM, Policy: Shielded},
	} {
		t.Run(name, func(t *testing.T) {
			data, d := newFile(t, o, fabric(t), branch(t))
			require.NotContains(t, string(data), "secret")
			require.Equal(t, o.Kind, d.Kind)
			require.Equal(t, o.Policy, d.Policy)
			require.WithinDuration(t, time.Now(), d.Created, time.Minute)
			require.WithinDuration(t, time.Now(), d.SignedAt, time.Minute)
			require.True(t, d.Signer.Equal(owner(t).Signing))
			require.Len(t, d.Volumes, len(o.Volumes))
			for i, q := range o.Volumes {
				require.True(t, q.Signer.Equal(d.Volumes[i].Signer))
				q.Signer, d.Volumes[i].Signer = nil, nil
				require.Equal(t, q, d.Volumes[i])
			}
			requireOpens(t, d, o.Payload, owner(t), fabric(t), branch(t))

			_, again := newFile(t, o)
			require.NotEqual(t, d.ID, again.ID)
			requireOpens(t, again, o.Payload, owner(t))
		})
	}
}

// A key that is not the right one gives one answer, whatever is wrong.
func TestCannotOpen(t *testing.T) {
	_, d := newFile(t, options(t), fabric(t))
	key, err := d.KeyProtector.Unwrap(decrypterOf(t, fabric(t)))
	require.NoError(t, err)
	got, err := d.OpenWith(key)
	require.NoError(t, err)
	requirePayload(t, options(t).Payload, *got)

	_, other := newFile(t, options(t), fabric(t))
	for name, change := range map[string]func(d *ShieldingData, key *keyprotector.TransportKey){
		"key":        func(_ *ShieldingData, key *keyprotector.TransportKey) { key[31] ^= 1 },
		"no key":     func(_ *ShieldingData, key *keyprotector.TransportKey) { key.Clear() },
		"identifier": func(d *ShieldingData, _ *keyprotector.TransportKey) { d.ID[0] ^= 1 },
		"nonce":      func(d *ShieldingData, _ *keyprotector.TransportKey) { d.sealed.Nonce = make([]byte, nonceSize) },
		"tag": func(d *ShieldingData, _ *keyprotector.TransportKey) {
			d.sealed.Ciphertext[len(d.sealed.Ciphertext)-1] ^= 1
		},
		"ciphertext":    func(d *ShieldingData, _ *keyprotector.TransportKey) { d.sealed.Ciphertext[0] ^= 1 },
		"cut":           func(d *ShieldingData, _ *keyprotector.TransportKey) { d.sealed.Ciphertext = d.sealed.Ciphertext[:20] },
		"another one's": func(d *ShieldingData, _ *keyprotector.TransportKey) { d.sealed = other.sealed },
	} {
		changed, key := *d, key
		changed.sealed.Ciphertext = append([]byte(nil), d.sealed.Ciphertext...)
		change(&changed, &key)
		got, err := changed.OpenWith(key)
		require.Equal(t, ErrCannotOpen, err, name)
		require.Nil(t, got)
	}
}

// A key whose decryption fails, or gives something else, gets the same answer.
func TestCannotUnwrap(t *testing.T) {
	_, d := newFile(t, options(t), fabric(t))
	good := decrypterOf(t, fabric(t))
	for name, result := range map[string]error{"fails": rsa.ErrDecryption, "gives nothing": nil} {
		_, err := d.Open(otherDecrypter{good, result})
		require.Equal(t, ErrCannotOpen, err, name)
	}
}

// An otherDecrypter has a guardian's public key, and not its private one.
type otherDecrypter struct {
	crypto.Decrypter
	err error
}

func (d otherDecrypter) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, d.err
}

func TestPolicyAndRule(t *testing.T) {
	for _, p := range []Policy{Shielded, EncryptionSupported} {
		got, err := ParsePolicy(string(p))
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	for _, r := range []Rule{Equals, Greater, GreaterOrEqual} {
		got, err := ParseRule(string(r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	for _, bad := range []string{"", "Shielded", "shielded ", "Equals", "less"} {
		_, err := ParsePolicy(bad)
		require.ErrorContains(t, err, "unknown policy")
		_, err = ParseRule(bad)
		require.ErrorContains(t, err, "unknown rule")
	}
}

func TestAccepts(t *testing.T) {
	at := func(version string) *signing.Signed { return catalog(t, branch(t), "Server", version) }
	for name, c := range map[string]struct {
		rule    Rule
		pin     bool
		catalog *signing.Signed
		against string // empty: accepted
	}{
		"equals, the same":              {Equals, false, at("1.2.0.0"), ""},
		"equals, later":                 {Equals, false, at("1.2.0.1"), "its version 1.2.0.1 is not 1.2.0.0"},
		"equals, earlier":               {Equals, false, at("1.1.9.9"), "its version 1.1.9.9 is not 1.2.0.0"},
		"greater, the same":             {Greater, false, at("1.2.0.0"), "its version 1.2.0.0 is not greater than 1.2.0.0"},
		"greater, later":                {Greater, false, at("1.10.0.0"), ""},
		"greater, earlier":              {Greater, false, at("0.9.0.0"), "is not greater than"},
		"greater or equal, the same":    {GreaterOrEqual, false, at("1.2.0.0"), ""},
		"greater or equal, later":       {GreaterOrEqual, false, at("2.0.0.0"), ""},
		"greater or equal, earlier":     {GreaterOrEqual, false, at("1.1.0.0"), "its version 1.1.0.0 is not 1.2.0.0 or greater"},
		"pinned, the same":              {Equals, true, at("1.2.0.0"), ""},
		"pinned, another":               {GreaterOrEqual, true, at("1.3.0.0"), "not the one that is pinned"},
		"pinned under a rule for later": {Greater, true, at("1.2.0.0"), "not greater than"},
		"name":                          {Equals, false, catalog(t, branch(t), "server", "1.2.0.0"), `the template is named "server", not "Server"`},
		"signer":                        {Equals, false, catalog(t, mallory(t), "Server", "1.2.0.0"), `it is signed by "CN=mallory signing,O=Scutum lab certificate" (SHA-256 thumbprint `},
		"all":                           {Equals, true, catalog(t, owner(t), "Other", "9.0.0.0"), `the template is named "Other", not "Server"; it is signed by`},
	} {
		t.Run(name, func(t *testing.T) {
			err := QualifierOf(at("1.2.0.0"), c.rule, c.pin).Accepts(c.catalog)
			if c.against == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.against)
		})
	}
}

// A renewed certificate with the same key is the same signer.
func TestAcceptsRenewedSigner(t *testing.T) {
	s := catalog(t, branch(t), "Server", "1.0.0.0")
	q := QualifierOf(s, Equals, false)
	s.Signer = renewed(t, branch(t))
	require.False(t, s.Signer.Equal(q.Signer))
	require.NoError(t, q.Accepts(s))
}

func TestCheck(t *testing.T) {
	_, d := newFile(t, options(t))
	reasons := d.Check(catalog(t, branch(t), "Server", "1.5.0.0"))
	require.Len(t, reasons, 2)
	require.NoError(t, reasons[0])
	require.ErrorContains(t, reasons[1], `"Server", not "Ubuntu"`)

	_, d = newFile(t, Options{Kind: ExistingVM, Policy: Shielded})
	reasons = d.Check(catalog(t, branch(t), "Server", "1.5.0.0"))
	require.Len(t, reasons, 1)
	require.ErrorContains(t, reasons[0], "for a virtual machine that exists")
}
