package ccm

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	require.NoError(t, err)
	return data
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/nist.rsp")
	require.NoError(t, err)
	passes, failures := 0, 0
	for text := range strings.SplitSeq(string(data), "\n\n") {
		v := map[string]string{}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
				v[name] = value
			}
		}
		if v["Key"] == "" {
			continue
		}
		field := func(name, length string) []byte {
			n, err := strconv.Atoi(v[length])
			require.NoError(t, err)
			return unhex(t, v[name])[:n]
		}
		block, err := aes.NewCipher(unhex(t, v["Key"]))
		require.NoError(t, err)
		tagSize, err := strconv.Atoi(v["Tlen"])
		require.NoError(t, err)
		nonce, additional, sealed := unhex(t, v["Nonce"]), field("Adata", "Alen"), unhex(t, v["CT"])
		c, err := New(block, len(nonce), tagSize)
		require.NoError(t, err)

		opened, err := c.Open([]byte("before"), nonce, sealed, additional)
		if v["Result"] == "Fail" {
			require.ErrorIs(t, err, ErrAuthentication)
			failures++
			continue
		}
		require.NoError(t, err, text)
		payload := field("Payload", "Plen")
		require.Equal(t, append([]byte("before"), payload...), opened)
		require.Equal(t, append([]byte("before"), sealed...), c.Seal([]byte("before"), nonce, payload, additional))
		passes++
	}
	require.Greater(t, passes, 200)
	require.Greater(t, failures, 50)
}

// Example 4 of NIST SP 800-38C: additional data of 64 KiB, whose length takes six bytes.
func TestLongAdditionalData(t *testing.T) {
	additional := make([]byte, 1<<16)
	for i := range additional {
		additional[i] = byte(i)
	}
	block, err := aes.NewCipher(unhex(t, "404142434445464748494a4b4c4d4e4f"))
	require.NoError(t, err)
	c, err := New(block, 13, 14)
	require.NoError(t, err)
	sealed := c.Seal(nil, unhex(t, "101112131415161718191a1b1c"),
		unhex(t, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"), additional)
	require.Equal(t, "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72"+"b4ac6bec93e8598e7f0dadbcea5b",
		hex.EncodeToString(sealed))
}

func TestRefuses(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	require.NoError(t, err)
	for _, c := range []struct {
		nonce, tag int
		err        string
	}{{6, 16, "nonce of 6"}, {14, 16, "nonce of 14"}, {12, 2, "tag of 2"}, {12, 15, "tag of 15"}, {12, 18, "tag of 18"}} {
		_, err := New(block, c.nonce, c.tag)
		require.ErrorContains(t, err, c.err)
	}

	c, err := New(block, 13, 16)
	require.NoError(t, err)
	require.Equal(t, 13, c.NonceSize())
	require.Equal(t, 16, c.Overhead())
	require.Panics(t, func() { c.Seal(nil, make([]byte, 12), nil, nil) })
	require.Panics(t, func() { c.Seal(nil, make([]byte, 13), make([]byte, 1<<16), nil) }, "a length of two bytes")
	_, err = c.Open(nil, make([]byte, 13), make([]byte, 15), nil)
	require.ErrorIs(t, err, ErrAuthentication)
}

func FuzzOpen(f *testing.F) {
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	require.NoError(f, err)
	c, err := New(block, 12, 16)
	require.NoError(f, err)
	f.Add(make([]byte, 12), []byte("a key"), []byte{}, uint16(3))
	f.Add(make([]byte, 12), make([]byte, 33), make([]byte, 17), uint16(400))
	f.Fuzz(func(t *testing.T, nonce, plaintext, additional []byte, flip uint16) {
		if len(nonce) != 12 {
			return
		}
		sealed := c.Seal(nil, nonce, plaintext, additional)
		opened, err := c.Open(nil, nonce, sealed, additional)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plaintext, opened))

		sealed[int(flip/8)%len(sealed)] ^= 1 << (flip % 8)
		_, err = c.Open(nil, nonce, sealed, additional)
		require.ErrorIs(t, err, ErrAuthentication)
		_, err = c.Open(nil, nonce, plaintext, additional)
		require.ErrorIs(t, err, ErrAuthentication)
	})
}
