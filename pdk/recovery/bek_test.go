package recovery_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
)

// windowsBEK are external key files as Windows 10 and 11 lay them out, by their names.
var windowsBEK = map[string]string{
	"4381F759-C4F8-4DE0-BB61-FC33A831BDA5.BEK": `
		9c000000 01000000 30000000 9c000000 59f78143f8c4e04dbb61fc33a831bda5 01000000 00000000 f002bafe318bd601
		6c00060009000100 59f78143f8c4e04dbb61fc33a831bda5 20525f30318bd601
		2000000002000100 450078007400650072006e0061006c004b00650079000000
		2c00000001000100 02200000 e0bb38b9bc55e69e52837281655a762be4e460f95867c65186931d6998021866`,
	"AA80A52B-9B66-47AE-B097-33F536FFBB07.BEK": `
		b4000000 01000000 30000000 b4000000 2ba580aa669bae47b09733f536ffbb07 01000000 00000000 b02ce0e96de4d701
		8400060009000100 2ba580aa669bae47b09733f536ffbb07 c000d9e96de4d701
		2000000002000100 450078007400650072006e0061006c004b00650079000000
		1800190017000100 5697eae8c19ca24cb99dfae884f56150
		2c00000001000100 02200000 6d4ad94b939097763b59681f866fee021cc5123249676c6b3907751dfdd4f2a0`,
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return data
}

func TestParseBEK(t *testing.T) {
	data := unhex(t, windowsBEK["AA80A52B-9B66-47AE-B097-33F536FFBB07.BEK"])
	k, err := recovery.ParseBEK(data)
	require.NoError(t, err)
	require.Equal(t, "aa80a52b-9b66-47ae-b097-33f536ffbb07", k.ID.String())
	require.Equal(t, "e8ea9756-9cc1-4ca2-b99d-fae884f56150", k.Volume.String())
	require.Equal(t, "6d4ad94b939097763b59681f866fee021cc5123249676c6b3907751dfdd4f2a0", hex.EncodeToString(k.Key[:]))
	require.Equal(t, "2021-11-28T15:37:55.66Z", k.Created.Format(time.RFC3339Nano))
	require.Equal(t, "2021-11-28T15:37:55.707Z", k.Saved.Format(time.RFC3339Nano))

	for name, text := range windowsBEK {
		data := unhex(t, text)
		k, err := recovery.ParseBEK(data)
		require.NoError(t, err)
		require.Equal(t, name, k.FileName())
		require.Equal(t, data, k.BEK(), "written again, byte by byte")

		k.Clear()
		require.Zero(t, k.Key)
	}
}

// Every bit but those of the identifiers, the times and the key has one value that is right.
func TestParseBEKRefuses(t *testing.T) {
	for name, text := range windowsBEK {
		good := unhex(t, text)
		free := func(i int) bool {
			return i >= 40 && i < 48 || i >= 72 && i < 80 || i >= len(good)-32 || len(good) > 156 && i >= 120 && i < 136
		}
		for i := range good {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1
			k, err := recovery.ParseBEK(bad)
			if free(i) {
				require.NoError(t, err, "%s, byte %d", name, i)
				require.Equal(t, bad, k.BEK())
			} else {
				require.ErrorIs(t, err, recovery.ErrBEK, "%s, byte %d", name, i)
			}
		}
		for n := range good {
			_, err := recovery.ParseBEK(good[:n])
			require.ErrorIs(t, err, recovery.ErrBEK)
		}
		_, err := recovery.ParseBEK(append(good, 0))
		require.ErrorIs(t, err, recovery.ErrBEK)
	}

	far := unhex(t, windowsBEK["4381F759-C4F8-4DE0-BB61-FC33A831BDA5.BEK"])
	far[47] = 0x80
	_, err := recovery.ParseBEK(far)
	require.ErrorIs(t, err, recovery.ErrBEK, "a time that no FILETIME may have")
}

func TestNewExternalKey(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 30, 0, 123456789, time.FixedZone("", 3600))
	k := recovery.NewExternalKey(vhdx.GUID{}, at)
	require.Len(t, k.BEK(), 156)
	require.Equal(t, "2026-11-22T09:30:00.1234567Z", k.Created.Format(time.RFC3339Nano))
	require.NotZero(t, k.Key)

	again, err := recovery.ParseBEK(k.BEK())
	require.NoError(t, err)
	require.Equal(t, k, again)

	named := recovery.NewExternalKey(vhdx.NewGUID(), at)
	require.NotEqual(t, k.Key, named.Key)
	require.NotEqual(t, k.ID, named.ID)
	again, err = recovery.ParseBEK(named.BEK())
	require.NoError(t, err)
	require.Equal(t, named, again)
}

// TestOpensWindowsVolumes reads the external keys of volumes that Windows made and has other programs open the volumes with
// what is written again.
func TestOpensWindowsVolumes(t *testing.T) {
	const archive = "/work/shared/testdata/bitlocker/bitlk-images.tar.xz"
	if _, err := os.Stat(archive); err != nil {
		t.Skip("no volumes made by Windows here: ", err)
	}
	for volume, c := range map[string]struct{ key, sum string }{
		"bitlk-aes-xts-128-startup-key": {
			key: "4381F759-C4F8-4DE0-BB61-FC33A831BDA5.BEK",
			sum: "bbb68369d8f7badb2c2330349d9d0cf12e68f54eece25e718d2bb13feba23f7a",
		},
		"bitlk-aes-xts-128-startup-key-win11": {
			key: "AA80A52B-9B66-47AE-B097-33F536FFBB07.BEK",
			sum: "76539fdf098cb3b9d15e318d34eace9da8645b8087282adac800094c59df6347",
		},
	} {
		t.Run(volume, func(t *testing.T) {
			dir := t.TempDir()
			run(t, "tar", "-C", dir, "--strip-components=1", "-xJf", archive,
				"bitlk-images/"+volume+".img", "bitlk-images/"+c.key)
			image := filepath.Join(dir, volume+".img")
			original, err := os.ReadFile(filepath.Join(dir, c.key))
			require.NoError(t, err)
			require.Equal(t, unhex(t, windowsBEK[c.key]), original)

			k, err := recovery.ParseBEK(original)
			require.NoError(t, err)
			key := filepath.Join(dir, "again.bek")
			require.NoError(t, os.WriteFile(key, k.BEK(), 0o600))

			require.Contains(t, run(t, "cryptsetup", "bitlkDump", "-q", "--dump-volume-key", "--key-file", key, image), "MK dump:")
			require.Contains(t, run(t, "bdeinfo", "-s", key, image), k.ID.String())

			// dislocker 0.7 does not get past the volume's identifier, neither in our file nor in that of Windows.
			k.Volume = vhdx.GUID{}
			require.NoError(t, os.WriteFile(key, k.BEK(), 0o600))
			plain := filepath.Join(dir, "plain")
			run(t, "dislocker-file", "-f", key, "-V", image, "--", plain)
			data, err := os.ReadFile(plain)
			require.NoError(t, err)
			sum := sha256.Sum256(data)
			require.Equal(t, c.sum, hex.EncodeToString(sum[:]), "the volume in clear")

			k.Key[0] ^= 1
			require.NoError(t, os.WriteFile(key, k.BEK(), 0o600))
			require.Error(t, exec.Command("cryptsetup", "bitlkDump", "-q", "--dump-volume-key", "--key-file", key, image).Run())
		})
	}
}

// run runs a tool, which has to be installed and to succeed, and gives what it prints.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v (packages cryptsetup-bin, dislocker, libbde-utils, openssl): %s", name, args, out)
	return string(out)
}

func FuzzParseBEK(f *testing.F) {
	for _, text := range windowsBEK {
		f.Add(unhex(f, text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := recovery.ParseBEK(data)
		if err != nil {
			require.ErrorIs(t, err, recovery.ErrBEK)
			return
		}
		require.Equal(t, data, k.BEK())
	})
}
