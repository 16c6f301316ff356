package bitlocker

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const imageArchive = "/work/shared/testdata/bitlocker/bitlk-images.tar.xz"

var unpackImages = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bitlocker-images-")
	if err != nil {
		return "", err
	}
	return dir, exec.Command("tar", "-C", dir, "--strip-components=1", "-xJf", imageArchive).Run()
})

// images unpacks the volumes that Windows made, and gives their folder. They are sparse.
func images(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat(imageArchive); err != nil {
		t.Skip("no volumes made by Windows here: ", err)
	}
	dir, err := unpackImages()
	require.NoError(t, err)
	return dir
}

func TestMain(m *testing.M) {
	// Programs of the system lie where a plain user's PATH does not look.
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	code := m.Run()
	if _, err := os.Stat(imageArchive); err == nil {
		if dir, err := unpackImages(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// imagesConf reads images.conf: by the name of the volume, what is known of it.
func imagesConf(t testing.TB) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(images(t), "images.conf"))
	require.NoError(t, err)
	defer f.Close()
	conf := map[string]map[string]string{}
	var now map[string]string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			now = map[string]string{}
			conf[strings.TrimSuffix(name, "]")] = now
		} else if name, value, ok := strings.Cut(line, "="); ok {
			now[name] = value
		}
	}
	require.Len(t, conf, 21)
	return conf
}

func openImage(t testing.TB, name string) *Volume {
	t.Helper()
	f, err := os.Open(filepath.Join(images(t), name+".img"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	v, err := Open(f, info.Size())
	require.NoError(t, err, name)
	return v
}

// externalKeyOf takes the key out of a .bek file: it ends with it.
func externalKeyOf(t testing.TB, id string) ExternalKey {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(images(t), strings.ToUpper(id)+".BEK"))
	require.NoError(t, err)
	return ExternalKey{ID: GUID(data[16:32]), Key: [32]byte(data[len(data)-32:])}
}

// credentialsOf are all the keys and passwords of a volume in images.conf.
func credentialsOf(t testing.TB, c map[string]string) map[string]Credential {
	t.Helper()
	all := map[string]Credential{}
	for _, name := range []string{"RP", "RP2"} {
		if c[name] != "" {
			password, err := ParseRecoveryPassword(c[name])
			require.NoError(t, err)
			require.Equal(t, c[name], password.Text())
			all[c[name+"_VMK_GUID"]] = password
		}
	}
	if c["PW"] != "" {
		all[c["PW_VMK_GUID"]] = Passphrase(c["PW"])
	}
	if id := c["SK_VMK_GUID"]; id != "" {
		all[id] = externalKeyOf(t, id)
	}
	if id := c["CLEARKEY_VMK_GUID"]; id != "" {
		all[id] = ClearKey{}
	}
	return all
}

func plainSum(t testing.TB, v *Volume) string {
	t.Helper()
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(v, 0, v.Size()))
	require.NoError(t, err)
	require.Equal(t, v.Size(), n)
	return hex.EncodeToString(sum.Sum(nil))
}

var ciphersOfConf = map[string][]Method{
	"aes-cbc-eboiv":    {AESCBC128, AESCBC256},
	"aes-cbc-elephant": {AESCBC128Diffuser, AESCBC256Diffuser},
	"aes-xts-plain64":  {AESXTS128, AESXTS256},
}

// TestWindowsVolumes opens every volume with every key and password that is known of it.
func TestWindowsVolumes(t *testing.T) {
	for name, c := range imagesConf(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := openImage(t, name)
			info := v.Info()
			require.Equal(t, c["GUID"], info.ID.String())
			require.Contains(t, ciphersOfConf[c["CIPHER"]], info.Method)
			require.Equal(t, strings.Contains(name, "togo"), info.ToGo)
			require.Equal(t, strings.Contains(name, "4k"), info.SectorSize == 4096)
			require.Equal(t, c["SHA256SUM"] != "", info.Encrypted)
			require.Equal(t, c["SHA256SUM"] == "", info.EncryptOnWrite)
			require.NotEmpty(t, info.Description)
			_, err := v.ReadAt(make([]byte, 1), 0)
			require.ErrorIs(t, err, ErrLocked)

			summed := false
			for id, credential := range credentialsOf(t, c) {
				require.True(t, hasProtector(info, id), "%s of %v", id, info.Protectors)
				require.NoError(t, v.Unlock(credential))
				if c["SHA256SUM"] == "" {
					_, err := v.ReadAt(make([]byte, 512), 0)
					require.ErrorIs(t, err, ErrMetadata, "the bitmaps were left out of this volume")
					continue
				}
				if !summed || !testing.Short() {
					require.Equal(t, c["SHA256SUM"], plainSum(t, v))
					summed = true
				}

				key, err := v.MasterKey()
				require.NoError(t, err)
				v.Lock()
				_, err = v.ReadAt(make([]byte, 1), 0)
				require.ErrorIs(t, err, ErrLocked)
				require.NoError(t, v.Unlock(key))
				first := make([]byte, 512)
				_, err = v.ReadAt(first, 0)
				require.NoError(t, err)
				require.Equal(t, []byte{0x55, 0xaa}, first[510:])
			}
		})
	}
}

func hasProtector(info Info, id string) bool {
	for _, p := range info.Protectors {
		if p.ID.String() == id {
			return true
		}
	}
	return false
}

// What is read and written again is the same, byte by byte.
func TestMetadataAgain(t *testing.T) {
	for name := range imagesConf(t) {
		v := openImage(t, name)
		for i, good := range v.good {
			if !good {
				require.Equal(t, "bitlk-aes-xts-128-crc", name)
				continue
			}
			original := make([]byte, blockAreaSize)
			_, err := v.disk.ReadAt(original, int64(v.header.offsets[i]))
			require.NoError(t, err)
			m, err := parseMetadata(original)
			require.NoError(t, err)
			again, err := m.area()
			require.NoError(t, err)
			require.True(t, bytes.Equal(original, again), "%s, block %d", name, i+1)
		}
	}
}
