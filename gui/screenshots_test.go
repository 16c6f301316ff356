package gui

import (
	"encoding/pem"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/translation"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// -screenshots FOLDER renders the pages, as `make screenshots` does for docs/images.
var screenshots = flag.String("screenshots", "", "render every page into this folder")

// A screen is a page, or a step of one, with something in it.
type screen struct {
	name string
	// prepare brings the window there. It begins at home, in English.
	prepare func(d *driver)
	// languages says to render it in all languages, by going to its page anew.
	languages bool
}

// screens are all that are rendered. Their files lie in folder.
func screens(t *testing.T, folder string) []screen {
	disk, certificate, _ := signedDisk(t)
	named := func(from, name string) string {
		path := filepath.Join(folder, name)
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	signed := named(disk, "windows-server-2025.vhdx")
	altered := named(disk, "altered.vhdx")
	volumetest.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 0xa5 150m 3m", altered)
	certificate = named(certificate, "contoso.pem")
	fresh := named(volumetest.Windows(t, volumetest.Options{OSSize: 256 << 20}), "template.vhdx")
	verify := func(d *driver, path, trusted string) {
		d.w.Open(path)
		d.settle()
		d.enter("Certificate of the signer whom you trust (optional)", trusted)
		d.tap("Verify every byte")
	}
	prepared, other := named(fresh, "prepared.vhdx"), filepath.Join(folder, "signer.pem")
	id, err := signing.NewLabIdentity("Contoso templates", signing.P256, 24*time.Hour)
	require.NoError(t, err)
	_, err = signing.EncryptTemplate(t.Context(), prepared, 0, signing.SignOptions{
		Identity: id, Name: "Windows Server 2025", Version: signing.Version{1, 0, 0, 0}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Raw}), 0o600))
	alterMFT(t, prepared)
	answer := unattend(t, folder)
	shielding := named(answer, "vm01.pdk") // until a screen makes it
	north := named(fabric(t, "Fabric North", 2*365*24*time.Hour), "fabric-north.xml")
	old := named(fabric(t, "Former fabric", 10*24*time.Hour), "former-fabric.xml")
	wizard := func(step int) func(d *driver) {
		return func(d *driver) {
			_ = os.Remove(shielding)
			d.add("Fabric North", north)
			d.shieldingWizard(shielding, signed, answer, step)
		}
	}
	return []screen{
		{"home", func(d *driver) {
			d.w.Open(signed)
			d.settle()
			d.w.show(placeHome)
		}, true},
		{"sign-certificate", func(d *driver) { d.signWizard(fresh, folder, 0) }, false},
		{"sign-disk", func(d *driver) { d.signWizard(fresh, folder, 1) }, false},
		{"sign-catalog", func(d *driver) { d.signWizard(fresh, folder, 2) }, false},
		{"sign-review", func(d *driver) { d.signWizard(fresh, folder, 3) }, false},
		{"sign-summary", func(d *driver) { d.signWizard(named(fresh, "copy.vhdx"), folder, 4) }, false},
		{"shielding-policy", wizard(0), false},
		{"shielding-guardians", wizard(1), false},
		{"shielding-templates", wizard(2), false},
		{"shielding-specialization", wizard(3), false},
		{"shielding-review", wizard(4), false},
		{"shielding-summary", wizard(5), false},
		{"inspect", func(d *driver) { d.w.Open(signed); d.settle() }, false},
		{"verify-intact", func(d *driver) { verify(d, signed, certificate) }, false},
		{"verify-altered", func(d *driver) { verify(d, altered, certificate) }, false},
		{"verify-bitlocker", func(d *driver) { verify(d, prepared, other) }, false},
		{"guardians", func(d *driver) {
			d.add("Fabric North", north)
			d.add("Former fabric", old)
			d.w.show(placeGuardians)
			d.settle()
			d.newOwner("Contoso")
			d.tap("Back")
		}, false},
		{"guardians-owner", func(d *driver) {
			d.w.show(placeGuardians)
			d.settle()
			d.newOwner("Contoso")
		}, false},
		{"answerfile", func(d *driver) {
			d.w.show(placeAnswer)
			d.settle()
			d.enter("Name of the computer", "WEB01")
			d.enter("Time zone (optional)", "W. Europe Standard Time")
		}, false},
		{"specialization", func(d *driver) {
			d.w.show(placeSpecialization)
			d.enter("Answer file", answer)
			d.enter("@ComputerName@", "VM01")
		}, false},
		{"recovery", func(d *driver) {
			_, ebek := recoverable(t, d, shielding)
			path := filepath.Join(folder, "vm01.ebek")
			require.NoError(t, os.WriteFile(path, ebek, 0o600))
			d.w.show(placeRecovery)
			d.enter("Disk, or encrypted recovery key", path)
			d.enter("Shielding data", shielding)
		}, false},
		{"settings", func(d *driver) { d.w.show(placeSettings) }, true},
	}
}

// newOwner makes an owner, on the page of the guardians.
func (d *driver) newOwner(name string) {
	d.tap("New owner")
	d.enter("Name", name)
	d.enter("New passphrase", "open sesame")
	d.enter("New passphrase, once more", "open sesame")
	d.tap("Make the owner")
}

// shieldingWizard goes through the wizard up to a step.
func (d *driver) shieldingWizard(path, template, answer string, step int) {
	d.w.show(placeShielding)
	for at := range step + 1 {
		switch at {
		case 0:
			d.enter("Save as", path)
		case 1:
			d.enter("Name of the owner", "Contoso")
			d.enter("New passphrase", "open sesame")
			d.enter("New passphrase, once more", "open sesame")
			d.tap("Make the owner")
			d.tick("Fabric North")
		case 2:
			d.enter("Add a template (catalog or signed disk)", template)
		case 3:
			d.enter("Answer file", answer)
		case 5:
			d.tap("Create")
		}
		if at < step && at < 4 {
			d.tap("Next")
		}
	}
}

// signWizard goes through the wizard up to a step.
func (d *driver) signWizard(disk, folder string, step int) {
	pfx := filepath.Join(folder, "signer.pfx")
	_ = os.Remove(pfx)
	d.w.show(placeSign)
	d.option("Make a lab certificate, to try things out")
	d.enter("Name of the signer", "Contoso templates")
	d.enter("Save as", pfx)
	d.enter("Password", "correct horse")
	d.enter("Password, once more", "correct horse")
	if step == 0 {
		return
	}
	d.tap("Make the certificate")
	for at := 1; at <= step; at++ {
		switch at {
		case 2:
			d.enter("Virtual disk", disk)
		case 3:
			d.enter("Name of the template", "Windows Server 2025")
		case 4:
			d.tap("Sign")
			return
		}
		d.tap("Next")
	}
	if step == 1 {
		d.enter("Virtual disk", disk)
	}
}

// Every page is drawn without panic, in both variants and at both sizes, and is
// not empty.
func TestScreens(t *testing.T) {
	folder := filepath.Join(os.TempDir(), "scutum-screenshots")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, s := range screens(t, folder) {
		if testing.Short() && s.name != "home" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			d := drive(t)
			s.prepare(d)
			for _, variant := range []string{"light", "dark"} {
				d.w.app.Preferences().SetString(prefTheme, variant)
				d.w.applyTheme()
				if s.languages { // and shows the settings
					d.w.drop(d.w.current)
					d.w.show(d.w.current)
				}
				for _, size := range [][2]float32{{900, 600}, {1600, 1000}} {
					d.resize(size[0], size[1])
					d.render(fmt.Sprintf("%s-%s-%.0fx%.0f", s.name, variant, size[0], size[1]))
				}
			}
			if !s.languages {
				return
			}
			d.w.app.Preferences().SetString(prefTheme, "light")
			d.w.applyTheme()
			for _, l := range translation.Languages {
				d.w.setLanguage(l.Code)
				d.resize(900, 600)
				d.render(fmt.Sprintf("%s-%s", s.name, l.Code))
			}
		})
	}
}

// render draws the window, and writes it where the flag says.
func (d *driver) render(name string) {
	d.t.Helper()
	d.relayout()
	img := d.w.window.Canvas().Capture()
	seen := map[color.Color]bool{}
	for x := 0; x < img.Bounds().Dx(); x += 3 {
		for y := 0; y < img.Bounds().Dy(); y += 3 {
			seen[img.At(x, y)] = true
		}
	}
	require.Greater(d.t, len(seen), 10, "%s is empty", name)
	if *screenshots == "" {
		return
	}
	f, err := os.Create(filepath.Join(*screenshots, name+".png"))
	require.NoError(d.t, err)
	defer f.Close()
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	require.NoError(d.t, encoder.Encode(f, img))
}
