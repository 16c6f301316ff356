package recovery_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
)

var (
	transportKey = [32]byte{1, 2, 3}
	pdkID        = uuid.MustParse("0b6e2c1c-6c1c-4b8e-9f57-2d1f6f0f7a11")
	at           = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

func seal(t testing.TB, k *recovery.ExternalKey, volume vhdx.GUID) []byte {
	t.Helper()
	e, err := recovery.Seal(k, transportKey, pdkID, volume, []byte{0, 0, 0, 4})
	require.NoError(t, err)
	data, err := e.Encode()
	require.NoError(t, err)
	return data
}

func TestSeal(t *testing.T) {
	volume := vhdx.NewGUID()
	for _, named := range []vhdx.GUID{{}, volume} {
		k := recovery.NewExternalKey(named, at)
		data := seal(t, k, volume)
		require.NotContains(t, string(data), base64.StdEncoding.EncodeToString(k.Key[:])[:20])

		e, err := recovery.ParseEBEK(data)
		require.NoError(t, err)
		require.Equal(t, pdkID, e.PDK)
		require.Equal(t, volume, e.Volume)
		require.Equal(t, []byte{0, 0, 0, 4}, e.KeyProtector)
		opened, err := e.Open(transportKey)
		require.NoError(t, err)
		require.Equal(t, k, opened)

		_, err = e.Open([32]byte{9})
		require.Equal(t, recovery.ErrCannotOpen, err)
	}

	k := recovery.NewExternalKey(volume, at)
	_, err := recovery.Seal(k, transportKey, pdkID, vhdx.NewGUID(), []byte{1})
	require.ErrorContains(t, err, "it is for the volume "+volume.String())
	_, err = recovery.Seal(k, transportKey, pdkID, volume, nil)
	require.ErrorContains(t, err, "no key protector")
	_, err = recovery.Seal(k, transportKey, pdkID, volume, make([]byte, recovery.MaxKeyProtector+1))
	require.ErrorContains(t, err, "at most")

	require.GreaterOrEqual(t, recovery.MaxKeyProtector, keyprotector.MaxSize)
	largest, err := recovery.Seal(k, transportKey, pdkID, volume, make([]byte, recovery.MaxKeyProtector))
	require.NoError(t, err)
	data, err := largest.Encode()
	require.NoError(t, err)
	_, err = recovery.ParseEBEK(data)
	require.NoError(t, err)
}

// TestOpenSSLDecrypts derives the key and decrypts with openssl, which knows no GCM on the command line: that is CTR from
// block 2 on, and a tag.
func TestOpenSSLDecrypts(t *testing.T) {
	k := recovery.NewExternalKey(vhdx.GUID{}, at)
	var d struct{ Format, PDK, Volume, Nonce, Ciphertext string }
	require.NoError(t, json.Unmarshal(seal(t, k, vhdx.NewGUID()), &d))
	require.Equal(t, "scutum-ebek-1", d.Format)
	nonce, err := base64.StdEncoding.DecodeString(d.Nonce)
	require.NoError(t, err)
	ciphertext, err := base64.StdEncoding.DecodeString(d.Ciphertext)
	require.NoError(t, err)

	key := run(t, "openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "info:scutum recovery key",
		"-kdfopt", "hexkey:"+hex.EncodeToString(transportKey[:]), "HKDF")
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(in, ciphertext[:len(ciphertext)-16], 0o600))
	run(t, "openssl", "enc", "-d", "-aes-256-ctr", "-K", strings.ReplaceAll(strings.TrimSpace(key), ":", ""),
		"-iv", hex.EncodeToString(nonce)+"00000002", "-in", in, "-out", out)
	plain, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, k.BEK(), plain)
}

func TestOpenRefuses(t *testing.T) {
	volume := vhdx.NewGUID()
	data := string(seal(t, recovery.NewExternalKey(volume, at), volume))
	var d map[string]string
	require.NoError(t, json.Unmarshal([]byte(data), &d))

	flip := func(text string) string {
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		raw[len(raw)-1] ^= 1
		return base64.StdEncoding.EncodeToString(raw)
	}
	for name, change := range map[string][2]string{
		"ciphertext":     {d["ciphertext"], flip(d["ciphertext"])},
		"nonce":          {d["nonce"], flip(d["nonce"])},
		"another volume": {d["volume"], vhdx.NewGUID().String()},
	} {
		e, err := recovery.ParseEBEK([]byte(strings.Replace(data, change[0], change[1], 1)))
		require.NoError(t, err, name)
		_, err = e.Open(transportKey)
		require.Equal(t, recovery.ErrCannotOpen, err, name)
	}
}

func TestParseEBEKRefuses(t *testing.T) {
	good := string(seal(t, recovery.NewExternalKey(vhdx.GUID{}, at), vhdx.NewGUID()))
	var d map[string]string
	require.NoError(t, json.Unmarshal([]byte(good), &d))
	for name, c := range map[string]struct{ from, to, say string }{
		"format":             {"scutum-ebek-1", "scutum-ebek-2", "format"},
		"unknown field":      {`"pdk"`, `"more": 1, "pdk"`, "more"},
		"missing field":      {`"pdk": "` + d["pdk"] + `",`, ``, "pdk"},
		"PDK":                {d["pdk"], "pdk", "not a UUID"},
		"PDK in braces":      {d["pdk"], "{" + d["pdk"] + "}", "not a UUID"},
		"PDK in capitals":    {d["pdk"], strings.ToUpper(d["pdk"]), "not a UUID"},
		"volume":             {d["volume"], "volume", "not a GUID"},
		"volume in braces":   {d["volume"], "{" + d["volume"] + "}", "not a GUID"},
		"no key protector":   {d["keyProtector"], "", "no key protector"},
		"key protector":      {d["keyProtector"], "AAA", "base64"},
		"short nonce":        {d["nonce"], "AAAA", "the nonce has 3 bytes"},
		"short ciphertext":   {d["ciphertext"], "AAAA", "the ciphertext has 3 bytes"},
		"too large":          {"{", strings.Repeat(" ", recovery.MaxSize) + "{", "at most"},
		"large protector":    {d["keyProtector"], base64.StdEncoding.EncodeToString(make([]byte, recovery.MaxKeyProtector+1)), "at most"},
		"something after it": {"}", "}{}", "follows"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, c.from)
			_, err := recovery.ParseEBEK([]byte(strings.Replace(good, c.from, c.to, 1)))
			require.ErrorIs(t, err, recovery.ErrEBEK)
			require.ErrorContains(t, err, c.say)
		})
	}
}

func FuzzParseEBEK(f *testing.F) {
	f.Add(seal(f, recovery.NewExternalKey(vhdx.GUID{}, at), vhdx.NewGUID()))
	volume := vhdx.NewGUID()
	f.Add(seal(f, recovery.NewExternalKey(volume, at), volume))
	f.Add([]byte(`{"format":"scutum-ebek-1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := recovery.ParseEBEK(data)
		if err != nil {
			require.ErrorIs(t, err, recovery.ErrEBEK)
			return
		}
		text, err := e.Encode()
		require.NoError(t, err)
		again, err := recovery.ParseEBEK(text)
		require.NoError(t, err)
		require.Equal(t, e, again)
		if _, err := e.Open(transportKey); err != nil {
			require.Equal(t, recovery.ErrCannotOpen, err)
		}
	})
}
