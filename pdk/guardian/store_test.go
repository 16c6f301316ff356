package guardian_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

func newStore(t testing.TB) *guardian.Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "guardians"))
}

func openStore(t testing.TB, dir string) *guardian.Store {
	t.Helper()
	s, err := guardian.OpenStore(dir)
	require.NoError(t, err)
	return s.Quick()
}

// files are the names of all files in a folder, but the lock's.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// requireOnly demands that of guardians and owners of these names the folder has all files, and no other.
func requireOnly(t testing.TB, dir string, guardians, owners []string) {
	t.Helper()
	var want []string
	for _, name := range append(slices.Clone(guardians), owners...) {
		want = append(want, name+".xml")
	}
	got := files(t, dir)
	for _, name := range owners {
		for _, suffix := range []string{".signing.pfx", ".encryption.pfx"} {
			of := func(file string) bool { return strings.HasPrefix(file, name+"._") && strings.HasSuffix(file, suffix) }
			i := slices.IndexFunc(got, of)
			require.GreaterOrEqual(t, i, 0, "no %s of %s: %v", suffix, name, got)
			want = append(want, got[i])
		}
	}
	require.ElementsMatch(t, want, got)
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "guardians [*]")
	s := openStore(t, dir)
	list, err := s.List()
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = s.Get("Contoso")
	require.ErrorIs(t, err, guardian.ErrNotFound)
	require.NoDirExists(t, dir, "reading made the folder")

	owner := contoso(t)
	require.NoError(t, s.AddOwner(owner, passphrase, false))
	fabric := metadata(t, imported(t, "fabric", signing.P256))
	g, err := s.Add("Fabric", fabric, false)
	require.NoError(t, err)
	require.Equal(t, "Fabric", g.Name)

	list, err = openStore(t, dir).List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "Contoso", list[0].Name)
	require.Equal(t, owner.Expires(), list[0].Guardian.Expires())
	require.True(t, list[0].Owner)
	require.Equal(t, "Fabric", list[1].Name)
	require.False(t, list[1].Owner)

	data, err := s.Metadata("fabric")
	require.NoError(t, err)
	require.Equal(t, fabric, data)
	g, err = s.Get("CONTOSO")
	require.NoError(t, err)
	require.Equal(t, "Contoso", g.Name)
	require.True(t, g.Signing.Equal(owner.Signing))

	got, err := s.Owner("contoso", passphrase)
	require.NoError(t, err)
	require.Equal(t, "Contoso", got.Name)
	require.Equal(t, owner.SigningKey, got.SigningKey)
	require.Equal(t, owner.EncryptionKey, got.EncryptionKey)
	for _, wrong := range []string{"", "Correct horse", passphrase + " "} {
		_, err = s.Owner("Contoso", wrong)
		require.ErrorIs(t, err, signing.ErrPassword)
	}
	_, err = s.Owner("Fabric", passphrase)
	require.ErrorIs(t, err, guardian.ErrNotOwner)
	_, err = s.Owner("Nobody", passphrase)
	require.ErrorIs(t, err, guardian.ErrNotFound)

	requireOnly(t, dir, []string{"Fabric"}, []string{"Contoso"})
	require.ErrorIs(t, s.Remove("Nobody"), guardian.ErrNotFound)
	require.NoError(t, s.Remove("contoso"))
	require.NoError(t, s.Remove("FABRIC"))
	require.Empty(t, files(t, dir))
}

func TestStoreOverwrites(t *testing.T) {
	s := newStore(t)
	first, second := imported(t, "Contoso", signing.P256), imported(t, "CONTOSO", signing.P384)
	_, err := s.Add("Contoso", metadata(t, first), false)
	require.NoError(t, err)

	_, err = s.Add("contoso", metadata(t, second), false)
	require.ErrorIs(t, err, guardian.ErrExists)
	require.ErrorIs(t, s.AddOwner(second, passphrase, false), guardian.ErrExists)
	g, err := s.Get("Contoso")
	require.NoError(t, err)
	require.True(t, g.Signing.Equal(first.Signing))

	g, err = s.Add("contoso", metadata(t, second), true)
	require.NoError(t, err)
	require.Equal(t, "Contoso", g.Name, "the spelling is the first one's")
	require.NoError(t, s.AddOwner(second, "first", true))
	_, err = s.Add("Contoso", metadata(t, first), true)
	require.ErrorContains(t, err, "remove it first")
	_, err = s.Owner("Contoso", "first")
	require.NoError(t, err)

	// The same owner again changes the passphrase.
	require.NoError(t, s.AddOwner(second, "second", true))
	_, err = s.Owner("Contoso", "first")
	require.ErrorIs(t, err, signing.ErrPassword)
	_, err = s.Owner("Contoso", "second")
	require.NoError(t, err)

	require.ErrorContains(t, s.AddOwner(second, "", true), "the passphrase is empty")
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// OpenSSL reads the keys, with the passphrase alone, and nobody but the user reads the files.
func TestStoreFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guardians")
	o := contoso(t)
	s, err := guardian.OpenStore(dir)
	require.NoError(t, err)
	require.NoError(t, s.AddOwner(o, passphrase, false))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	}
	for _, name := range append(files(t, dir), ".lock") {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.False(t, bytes.Contains(data, []byte("PRIVATE KEY")), name)
		if runtime.GOOS != "windows" {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
		}
		if !strings.HasSuffix(name, ".pfx") {
			continue
		}
		certificate, key := o.Signing, o.SigningKey
		if strings.HasSuffix(name, ".encryption.pfx") {
			certificate, key = o.Encryption, o.EncryptionKey
		}
		args := []string{"pkcs12", "-in", name, "-passin", "pass:" + passphrase}
		require.Contains(t, tool(t, dir, "openssl", append(args, "-nokeys")...), string(certPEM(certificate)))
		require.Contains(t, tool(t, dir, "openssl", append(args, "-nocerts", "-nodes")...), string(keyPEM(t, key)))
		require.Contains(t, tool(t, dir, "openssl", append(args, "-info", "-noout")...), "PBKDF2, AES-256-CBC, Iteration 100000")
		out, err := try(t, dir, "openssl", "pkcs12", "-in", name, "-passin", "pass:wrong", "-nokeys")
		require.Error(t, err)
		require.Contains(t, out, "invalid password")
	}
}

func TestStoreRefusesFolders(t *testing.T) {
	dir := t.TempDir()
	_, err := guardian.OpenStore(put(t, dir, "file", nil))
	require.ErrorContains(t, err, "is not a folder")
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Chmod(dir, 0o775))
		_, err = guardian.OpenStore(dir)
		require.ErrorContains(t, err, "chmod go-w")
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("SCUTUM_HOME", "/elsewhere")
	dir, err := guardian.DefaultDir()
	require.NoError(t, err)
	require.Equal(t, filepath.Join("/elsewhere", "guardians"), dir)

	t.Setenv("SCUTUM_HOME", "")
	config, err := os.UserConfigDir()
	require.NoError(t, err)
	dir, err = guardian.DefaultDir()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(config, "scutum", "guardians"), dir)
}

// What others put into the folder is listed with what is wrong about it, and not lost without being asked.
func TestStoreWithDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guardians")
	s := openStore(t, dir)
	require.NoError(t, s.AddOwner(contoso(t), passphrase, false))
	other := imported(t, "Other", signing.P256)
	require.NoError(t, s.AddOwner(other, passphrase, false))
	key := func(name, suffix string) string {
		found, err := filepath.Glob(filepath.Join(dir, name+"._*"+suffix))
		require.NoError(t, err)
		return found[0]
	}
	copyTo := func(from, to string) {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, data, 0o600))
	}

	copyTo(key("Other", ".signing.pfx"), key("Contoso", ".signing.pfx"))
	_, err := s.Owner("Contoso", passphrase)
	require.ErrorContains(t, err, "not those of its certificates")

	require.NoError(t, os.Remove(key("Contoso", ".encryption.pfx")))
	_, err = s.Owner("Contoso", passphrase)
	require.ErrorIs(t, err, guardian.ErrNotOwner)

	put(t, dir, "Other.xml", []byte("<Metadata/>"))
	put(t, dir, ".hidden.xml", []byte("<Metadata/>"))
	put(t, dir, "readme.txt", nil)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.xml"), 0o700))
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.False(t, list[0].Owner)
	require.NoError(t, list[0].Err)
	require.ErrorContains(t, list[1].Err, "Other.xml is damaged")
	require.Nil(t, list[1].Guardian)

	_, err = s.Get("Other")
	require.ErrorContains(t, err, "is damaged")
	require.ErrorContains(t, s.AddOwner(other, passphrase, true), "remove it first")
	require.FileExists(t, key("Other", ".signing.pfx"))
	require.NoError(t, s.Remove("Other"))
	require.NoError(t, s.AddOwner(other, passphrase, false))
}

// Metadata may come with an ID like ours. It does not get at key files with it.
func TestStoreDoesNotMixKeysAndForeignMetadata(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guardians")
	s := openStore(t, dir)
	require.NoError(t, s.AddOwner(contoso(t), passphrase, false))
	var id string
	for _, name := range files(t, dir) {
		if i := strings.Index(name, "._"); i > 0 {
			id = name[i+1 : i+18]
		}
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "Contoso.xml")))
	evil, err := imported(t, "Contoso", signing.P256).MetadataWithID(id)
	require.NoError(t, err)
	_, err = s.Add("Contoso", evil, false)
	require.NoError(t, err)
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.False(t, list[0].Owner)
	requireOnly(t, dir, []string{"Contoso"}, nil)
}
