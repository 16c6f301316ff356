package gui

import (
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/translation"
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
	pem := named(certificate, "contoso.pem")
	fresh := named(volumetest.Windows(t, volumetest.Options{OSSize: 256 << 20}), "template.vhdx")
	verify := func(d *driver, path string) {
		d.w.Open(path)
		d.settle()
		d.enter("Certificate of the signer whom you trust (optional)", pem)
		d.tap("Verify every byte")
	}
	return append([]screen{
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
		{"inspect", func(d *driver) { d.w.Open(signed); d.settle() }, false},
		{"verify-intact", func(d *driver) { verify(d, signed) }, false},
		{"verify-altered", func(d *driver) { verify(d, altered) }, false},
		{"settings", func(d *driver) { d.w.show(placeSettings) }, true},
	}, moreScreens(t, folder)...)
}

// moreScreens are those of the other pages.
func moreScreens(*testing.T, string) []screen {
	return []screen{
		{"shielding", func(d *driver) { d.w.show(placeShielding) }, false},
		{"guardians", func(d *driver) { d.w.show(placeGuardians) }, false},
		{"answerfile", func(d *driver) { d.w.show(placeAnswer) }, false},
		{"recovery", func(d *driver) { d.w.show(placeRecovery) }, false},
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
