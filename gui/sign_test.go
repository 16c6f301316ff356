package gui

import (
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

func TestSignWizard(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	folder := t.TempDir()
	pfx := filepath.Join(folder, "signer.pfx")
	d := drive(t)
	d.picture("home")
	d.tap("Sign a template")
	require.True(t, d.off("Next"))

	d.option("Make a lab certificate, to try things out")
	d.enter("Name of the signer", "Contoso templates")
	d.enter("Save as", pfx)
	d.enter("Password", "correct horse")
	d.enter("Password, once more", "other")
	require.Contains(t, d.field("Password, once more").Message(), "differ")
	d.enter("Password, once more", "correct horse")
	d.picture("sign-1-lab")
	d.tap("Make the certificate")
	require.FileExists(t, pfx)
	require.Empty(t, d.field("Password").Text(), "the password stays in the field")
	d.picture("sign-1")
	d.tap("Next")

	d.enter("Virtual disk", filepath.Join(folder, "missing.vhdx"))
	require.Contains(t, d.field("Virtual disk").Message(), "no such file")
	require.True(t, d.off("Next"))
	d.answers = []string{disk}
	d.tap("Browse…")
	require.Equal(t, disk, d.field("Virtual disk").Text())
	d.picture("sign-2")
	d.tap("Next")

	require.True(t, d.off("Next"))
	d.enter("Version", "1.0")
	require.Contains(t, d.field("Version").Message(), "four numbers")
	d.enter("Version", "1.0.0.0")
	d.enter("Name of the template", "Windows Server 2025")
	d.picture("sign-3")
	d.tap("Back")
	d.tap("Next")
	require.Equal(t, "Windows Server 2025", d.field("Name of the template").Text(), "Back lost it")
	d.tap("Next")
	d.picture("sign-4")
	d.tap("Sign")
	d.picture("sign-5")

	vsc := filepath.Join(folder, "template.vsc")
	d.enter("Save the catalog as", vsc)
	d.tap("Save")
	signed, err := model.ReadCatalog(vsc)
	require.NoError(t, err)
	require.Equal(t, "Windows Server 2025", signed.Catalog.Template.Name)
	embedded, err := model.ReadCatalog(disk)
	require.NoError(t, err)
	require.Equal(t, signed.DER, embedded.DER)
	d.tap("Finish")
	require.Equal(t, placeHome, d.w.current)
	require.Contains(t, d.w.recent(), disk)
	d.picture("home-recent")
}

// A certificate and its key come in one file or in two.
func TestSignWizardTakesPEM(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	volumetest.Run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Contoso",
		"-addext", "keyUsage=critical,digitalSignature", "-keyout", file("signer.key"), "-out", file("signer.pem"))
	certificate, err := os.ReadFile(file("signer.pem"))
	require.NoError(t, err)
	key, err := os.ReadFile(file("signer.key"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file("both.pem"), append(key, certificate...), 0o600))
	volumetest.Run(t, "openssl", "genpkey", "-algorithm", "RSA", "-out", file("other.key"))

	d := drive(t)
	d.w.show(placeSign)
	d.enter("Certificate file", file("signer.pem"))
	require.True(t, d.off("Next"))
	require.Empty(t, find(d, func(e *widgets.Entry) bool { return e.Label() == "Password" && e.Visible() }))
	d.enter("Private key of the certificate", file("other.key"))
	require.Contains(t, d.field("Private key of the certificate").Message(), "belongs to none")
	require.True(t, d.off("Next"))
	d.enter("Private key of the certificate", file("signer.key"))
	require.Empty(t, d.field("Private key of the certificate").Message())
	require.False(t, d.off("Next"))
	d.picture("sign-1-pem")

	d.enter("Certificate file", file("both.pem"))
	require.False(t, d.off("Next"))
	require.Empty(t, find(d, func(f *widgets.FileField) bool { return f.Label() == "Private key of the certificate" }))
	d.enter("Certificate file", file("signer.key"))
	require.True(t, d.off("Next"))
	require.NotEmpty(t, d.field("Certificate file").Message())
}

func TestSignWizardKeys(t *testing.T) {
	d := drive(t)
	d.w.show(placeSign)
	d.w.window.Canvas().OnTypedKey()(&fyne.KeyEvent{Name: fyne.KeyReturn})
	require.Equal(t, placeSign, d.w.current)
	d.w.window.Canvas().OnTypedKey()(&fyne.KeyEvent{Name: fyne.KeyEscape})
	require.Equal(t, placeHome, d.w.current)
	require.NotContains(t, d.w.pages, placeSign)
}

func TestSignWizardUnfitDisk(t *testing.T) {
	raw := filepath.Join(t.TempDir(), "empty.raw")
	disk := filepath.Join(t.TempDir(), "empty.vhdx")
	require.NoError(t, os.WriteFile(raw, make([]byte, 4<<20), 0o600))
	volumetest.Run(t, "qemu-img", "convert", "-O", "vhdx", raw, disk)
	d := drive(t)
	d.w.show(placeSign)
	d.w.Open(disk)
	d.settle()
	require.Equal(t, placeSign, d.w.current, "a disk dropped on the wizard is for the wizard")
}
