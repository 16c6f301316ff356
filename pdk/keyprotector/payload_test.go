package keyprotector

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	keyHex    = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	policyHex = "01000000" + "06000000" + "04000000" + "05000000"
)

var goodPayloads = map[string]string{
	"version 1":                  "30000000 01000000 01000000 20000000" + keyHex,
	"version 2 without policies": "34000000 02000000 01000000 20000000" + keyHex + "00000000",
	"version 2 with a policy":    "44000000 02000000 01000000 20000000" + keyHex + "01000000" + policyHex,
	"version 2 with policies":    "54000000 02000000 01000000 20000000" + keyHex + "02000000" + policyHex + policyHex,
	"a policy without data":      "40000000 02000000 01000000 20000000" + keyHex + "01000000" + "01000000 06000000 00000000",
}

var badPayloads = map[string]string{
	"nothing":                      "",
	"a size alone":                 "04000000",
	"no key":                       "10000000 01000000 01000000 20000000",
	"a key cut short":              "2f000000 01000000 01000000 20000000" + keyHex[2:],
	"the size of another":          "31000000 01000000 01000000 20000000" + keyHex,
	"the size without itself":      "2c000000 01000000 01000000 20000000" + keyHex,
	"big-endian":                   "00000030 00000001 00000001 00000020" + keyHex,
	"version 0":                    "30000000 00000000 01000000 20000000" + keyHex,
	"version 3":                    "30000000 03000000 01000000 20000000" + keyHex,
	"two keys":                     "50000000 01000000 02000000 20000000" + keyHex + keyHex,
	"no keys":                      "30000000 01000000 00000000 20000000" + keyHex,
	"a short key":                  "20000000 01000000 01000000 10000000" + keyHex[:32],
	"a long key":                   "50000000 01000000 01000000 40000000" + keyHex + keyHex,
	"version 1 and more":           "34000000 01000000 01000000 20000000" + keyHex + "00000000",
	"version 2 as version 1":       "30000000 02000000 01000000 20000000" + keyHex,
	"a policy too few":             "34000000 02000000 01000000 20000000" + keyHex + "01000000",
	"a policy too many":            "44000000 02000000 01000000 20000000" + keyHex + "00000000" + policyHex,
	"4294967295 policies":          "44000000 02000000 01000000 20000000" + keyHex + "ffffffff" + policyHex,
	"a policy of another Id":       "40000000 02000000 01000000 20000000" + keyHex + "01000000" + "02000000 06000000 00000000",
	"a policy of another type":     "40000000 02000000 01000000 20000000" + keyHex + "01000000" + "01000000 05000000 00000000",
	"a policy longer than the end": "40000000 02000000 01000000 20000000" + keyHex + "01000000" + "01000000 06000000 01000000",
	"a policy of 4 GiB":            "40000000 02000000 01000000 20000000" + keyHex + "01000000" + "01000000 06000000 ffffffff",
	"a policy without a size":      "3c000000 02000000 01000000 20000000" + keyHex + "01000000" + "01000000 06000000",
}

func payload(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return data
}

func TestPayload(t *testing.T) {
	want := TransportKey(payload(t, keyHex))
	require.Equal(t, payload(t, goodPayloads["version 1"]), encodePayload(&want))
	for name, text := range goodPayloads {
		t.Run(name, func(t *testing.T) {
			var key TransportKey
			require.True(t, decodePayload(payload(t, text), &key))
			require.True(t, key == want)
		})
	}
	for name, text := range badPayloads {
		t.Run(name, func(t *testing.T) {
			require.False(t, decodePayload(payload(t, text), &TransportKey{}))
		})
	}
}

func FuzzPayload(f *testing.F) {
	for _, payloads := range []map[string]string{goodPayloads, badPayloads} {
		for _, text := range payloads {
			f.Add(payload(f, text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var key TransportKey
		if decodePayload(data, &key) {
			require.Equal(t, encodePayload(&key)[8:], data[8:payloadV1Size])
		}
	})
}

// withPayload makes a protector for the owner alone, with a key for its signature and a payload that may hold another.
func withPayload(t testing.TB, key TransportKey, payload []byte) *Protector {
	t.Helper()
	wrappings := wrapAll(t, &key, owner(t))
	var err error
	wrappings[0].transportKey, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, owner(t).Encryption.PublicKey.(*rsa.PublicKey), payload, nil)
	require.NoError(t, err)
	p, err := seal(wrappings, &key, 0, owner(t).SigningKey)
	require.NoError(t, err)
	return p
}

func TestUnwrapPayloads(t *testing.T) {
	want := TransportKey(payload(t, keyHex))
	for name, text := range goodPayloads {
		t.Run(name, func(t *testing.T) {
			requireOpens(t, withPayload(t, want, payload(t, text)), want, owner(t))
		})
	}
}

// All that can be wrong with what is encrypted looks the same from outside.
func TestUnwrapSaysOneThing(t *testing.T) {
	key := TransportKey(payload(t, keyHex))
	protectors := map[string]*Protector{
		"another transport key": withPayload(t, newTransportKey(), encodePayload(&key)),
	}
	for name, text := range badPayloads {
		protectors[name] = withPayload(t, key, payload(t, text))
	}
	for name, c := range wrongCiphers(t, &key) {
		wrappings := wrapAll(t, &key, owner(t))
		wrappings[0].transportKey = c
		p, err := seal(wrappings, &key, 0, owner(t).SigningKey)
		require.NoError(t, err)
		protectors[name] = p
	}
	for name, p := range protectors {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, p.Verify())
			got, err := p.Unwrap(decrypter(owner(t)))
			require.ErrorIs(t, err, ErrCannotUnwrap)
			require.EqualError(t, err, "opening a key protector: the key protector cannot be opened: it was damaged or forged")
			require.True(t, got == TransportKey{})
		})
	}
}

// wrongCiphers are of the right length.
func wrongCiphers(t testing.TB, key *TransportKey) map[string][]byte {
	t.Helper()
	own, other := owner(t).Encryption.PublicKey.(*rsa.PublicKey), fabric(t).Encryption.PublicKey.(*rsa.PublicKey)
	ciphers := map[string][]byte{
		"zeros":                 make([]byte, own.Size()),
		"more than the modulus": bytes.Repeat([]byte{0xff}, own.Size()),
	}
	for name, as := range map[string]struct {
		key     *rsa.PublicKey
		options rsa.OAEPOptions
	}{
		"for another key":    {other, rsa.OAEPOptions{Hash: crypto.SHA256}},
		"with a label":       {own, rsa.OAEPOptions{Hash: crypto.SHA256, Label: []byte("label")}},
		"with SHA-1":         {own, rsa.OAEPOptions{Hash: crypto.SHA1}},
		"with MGF1 of SHA-1": {own, rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}},
		"with SHA-384":       {own, rsa.OAEPOptions{Hash: crypto.SHA384}},
	} {
		cipher, err := rsa.EncryptOAEPWithOptions(rand.Reader, as.key, encodePayload(key), &as.options)
		require.NoError(t, err)
		ciphers[name] = cipher
	}
	return ciphers
}
