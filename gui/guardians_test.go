package gui

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// item presses an item of a list.
func (d *driver) item(title string) *widgets.Item {
	d.t.Helper()
	for _, i := range find(d, func(*widgets.Item) bool { return true }) {
		if i.Title() == title {
			return i
		}
	}
	require.Fail(d.t, "no such item", title)
	return nil
}

func (d *driver) press(o fyne.Tappable) {
	test.Tap(o)
	d.settle()
}

// notices are all that can be read in notices.
func (d *driver) notices() string {
	all := ""
	for _, n := range find(d, func(*widgets.Notice) bool { return true }) {
		all += n.Text() + "\n"
	}
	return all
}

// fabricFile writes the metadata of a fabric, valid for so long.
func fabricFile(t *testing.T, validFor time.Duration) (path string, g *guardian.Guardian) {
	t.Helper()
	owner, err := guardian.NewOwner("Somebody's fabric", 2048, validFor)
	require.NoError(t, err)
	metadata, err := owner.Metadata()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "fabric.xml")
	require.NoError(t, os.WriteFile(path, metadata, 0o600))
	return path, &owner.Guardian
}

func TestNewOwner(t *testing.T) {
	d := drive(t)
	d.w.show(placeGuardians)
	d.settle()
	require.Contains(t, d.notices(), "no guardian yet")
	d.picture("guardians-empty")
	d.tap("New owner")
	d.enter("Name", "a/b")
	require.Contains(t, d.field("Name").Message(), "none of <")
	d.enter("Name", "Contoso")
	d.enter("Valid for days", "0")
	require.Contains(t, d.field("Valid for days").Message(), "whole number")
	d.enter("Valid for days", "730")
	d.enter("New passphrase", "open sesame")
	d.enter("New passphrase, once more", "open")
	d.tap("Make the owner")
	require.Contains(t, d.field("New passphrase, once more").Message(), "differ")
	d.enter("New passphrase, once more", "open sesame")
	passphrase := d.field("New passphrase")
	d.picture("guardians-new")
	d.tap("Make the owner")
	require.Empty(t, passphrase.Text(), "the passphrase stays in the field")
	require.Contains(t, d.notices(), "The owner is made.")
	d.picture("guardians-made")
	require.Contains(t, scutum(t, "guardian", "show", "Contoso"), "owner, with its private keys")
	keys, err := filepath.Glob(filepath.Join(os.Getenv("SCUTUM_HOME"), "guardians", "Contoso.*.pfx"))
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, key := range keys {
		require.Contains(t, tool(t, "openssl", "pkcs12", "-in", key, "-passin", "pass:open sesame", "-nodes"), "BEGIN PRIVATE KEY")
	}

	out := filepath.Join(t.TempDir(), "contoso.xml")
	d.enter("Save its public metadata as", out)
	d.tap("Export")
	require.Contains(t, d.notices(), "The metadata is saved.")
	tool(t, "xmllint", "--noout", out)
	tool(t, "xmlsec1", "--verify", "--enabled-key-data", "x509,rsa", "--insecure", "--id-attr:ID", "Metadata", out)
	d.tap("Export")
	d.tap("Replace")
	require.Contains(t, d.notices(), "The metadata is saved.")

	d.tap("Back")
	require.Equal(t, "valid", d.item("Contoso").State())
	d.tap("New owner")
	d.enter("Name", "CONTOSO")
	require.Contains(t, d.field("Name").Message(), "Contoso is in the store already")
	d.w.window.Canvas().OnTypedKey()(&fyne.KeyEvent{Name: fyne.KeyEscape})
	d.settle()

	d.press(d.item("Contoso"))
	d.tap("Remove")
	d.picture("guardians-remove")
	d.tap("Cancel")
	d.tap("Remove")
	d.tap("Remove")
	require.Contains(t, d.notices(), "no guardian yet")
	require.Contains(t, scutum(t, "guardian", "list"), "no guardian yet")
}

func TestImportFabric(t *testing.T) {
	path, g := fabricFile(t, 10*24*time.Hour)
	d := drive(t)
	d.w.Open(path)
	d.settle()
	require.Equal(t, placeGuardians, d.w.current)
	require.Contains(t, d.notices(), "No trusted root")
	require.Equal(t, "fabric", d.field("Name").Text())
	const thumbprint = "Thumbprint of the signing certificate, as the fabric's people told you (recommended)"
	d.enter(thumbprint, "12")
	require.Contains(t, d.field(thumbprint).Message(), "64 digits")
	d.enter(thumbprint, signing.Thumbprint(g.Encryption))
	require.Contains(t, d.field(thumbprint).Message(), "do not import it")
	d.tap("Import")
	require.Empty(t, scutumNames(t))
	d.enter(thumbprint, signing.Thumbprint(g.Signing))
	require.Contains(t, d.notices(), "The thumbprint agrees.")
	d.picture("guardians-import")
	d.tap("Import")
	d.picture("guardians-trust")
	d.tap("Trust it")
	require.Contains(t, d.notices(), "The fabric is imported.")
	require.Equal(t, []string{"fabric"}, scutumNames(t))
	d.tap("Back")
	require.Equal(t, "expires soon", d.item("fabric").State())
	require.Contains(t, scutum(t, "guardian", "show", "fabric"), signing.Thumbprint(g.Signing))
}

func scutumNames(t *testing.T) []string {
	t.Helper()
	dir, err := guardian.DefaultDir()
	require.NoError(t, err)
	store, err := guardian.OpenStore(dir)
	require.NoError(t, err)
	entries, err := store.List()
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func TestImportFabricFromAddress(t *testing.T) {
	path, _ := fabricFile(t, time.Hour)
	metadata, err := os.ReadFile(path)
	require.NoError(t, err)
	asked, release := make(chan struct{}), make(chan struct{})
	hgs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			select {
			case <-r.Context().Done():
			case <-release:
			}
			return
		}
		require.Equal(t, guardian.MetadataPath, r.URL.Path)
		_, _ = w.Write(metadata)
	}))
	defer hgs.Close()
	defer close(release)
	const source = "File or address of the fabric's host guardian service"

	d := drive(t)
	d.w.show(placeGuardians)
	d.settle()
	d.tap("Import a fabric")
	d.enter(source, "hgs://fabric")
	require.Contains(t, d.field(source).Message(), "http://")
	d.enter(source, hgs.URL+"/slow")
	test.Tap(d.button("Read"))
	<-asked
	d.picture("guardians-fetching")
	d.tap("Cancel")
	require.Contains(t, d.notices(), "Cancelled")
	require.True(t, d.off("Import"))
	d.enter(source, hgs.URL)
	d.tap("Read")
	d.enter("Name", "Fabric")
	d.tap("Import")
	d.tap("Trust it")
	require.Equal(t, []string{"Fabric"}, scutumNames(t))
}

func TestImportOwner(t *testing.T) {
	folder := t.TempDir()
	owner, err := guardian.NewOwner("Old", 2048, time.Hour*24*365)
	require.NoError(t, err)
	var files []string
	for name, id := range map[string]*signing.Identity{
		"signing.pfx":    {Certificate: owner.Signing, Key: owner.SigningKey},
		"encryption.pfx": {Certificate: owner.Encryption, Key: owner.EncryptionKey},
	} {
		data, err := id.EncodePFX("old")
		require.NoError(t, err)
		files = append(files, filepath.Join(folder, name))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	require.Len(t, files, 2)
	d := drive(t)
	d.w.show(placeGuardians)
	d.settle()
	d.tap("Import an owner")
	d.enter("Name", "Contoso")
	d.enter("Signing certificate with its key", filepath.Join(folder, "signing.pfx"))
	d.enter("Encryption certificate with its key", filepath.Join(folder, "encryption.pfx"))
	d.enter("New passphrase", "open sesame")
	d.enter("New passphrase, once more", "open sesame")
	d.tap("Import")
	require.Contains(t, d.field("Signing certificate with its key").Message(), "Enter its password")
	d.enter("Password of both files", "old")
	d.picture("guardians-import-owner")
	d.tap("Import")
	require.Contains(t, d.notices(), "The owner is imported.")
	store, err := d.w.store()
	require.NoError(t, err)
	_, err = store.Owner("Contoso", "open sesame")
	require.NoError(t, err)
	require.Contains(t, scutum(t, "guardian", "show", "Contoso"), signing.Thumbprint(owner.Signing))
}

func TestGuardiansExpired(t *testing.T) {
	d := drive(t)
	store, err := d.w.store()
	require.NoError(t, err)
	for name, valid := range map[string]time.Duration{"Contoso": 3650 * 24 * time.Hour, "Lab": 20 * 24 * time.Hour} {
		owner, err := guardian.NewOwner(name, 2048, valid)
		require.NoError(t, err)
		require.NoError(t, store.AddOwner(owner, "x", false))
	}
	path, former := fabricFile(t, time.Second)
	metadata, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = store.Add("Former fabric", metadata, false)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("SCUTUM_HOME"), "guardians", "Torn.xml"), []byte("<"), 0o600))
	require.Eventually(t, func() bool { return time.Now().After(former.Expires()) }, 10*time.Second, 10*time.Millisecond)
	d.w.show(placeGuardians)
	d.settle()
	require.Equal(t, "valid", d.item("Contoso").State())
	require.Equal(t, "expires soon", d.item("Lab").State())
	require.Equal(t, "expired", d.item("Former fabric").State())
	require.Equal(t, "damaged", d.item("Torn").State())
	d.picture("guardians-list")
	d.w.app.Preferences().SetString(prefTheme, "dark")
	d.w.applyTheme()
	d.resize(1600, 1000)
	d.picture("guardians-list-wide-dark")
	d.resize(900, 600)
	d.press(d.item("Former fabric"))
	require.Contains(t, d.notices(), "cannot be used now")
	d.picture("guardians-expired")
}
