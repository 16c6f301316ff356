package gui

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// tick ticks a box, or takes the tick away.
func (d *driver) tick(text string) {
	d.t.Helper()
	all := find(d, func(c *widgets.Check) bool { return c.Text == text })
	require.NotEmpty(d.t, all, "no box %q", text)
	require.False(d.t, all[0].Disabled(), "the box %q is off", text)
	test.Tap(all[0])
	d.settle()
}

// pick takes an option of a list that opens, the first one that has it.
func (d *driver) pick(option string) {
	d.t.Helper()
	for _, s := range find(d, func(*widgets.Select) bool { return true }) {
		for _, o := range s.Options {
			if o == option {
				s.SetSelected(option)
				d.settle()
				return
			}
		}
	}
	require.Fail(d.t, "no such option", option)
}

// stands says whether a text can be seen.
func (d *driver) stands(text string) bool {
	return len(find(d, func(l *widget.Label) bool { return strings.Contains(l.Text, text) })) > 0
}

// scutum runs the command line on the guardians of the window, and reads what it
// gives as JSON into to.
func (d *driver) scutum(to any, args ...string) {
	d.t.Helper()
	judged = true
	path, err := buildCommand()
	require.NoError(d.t, err, path)
	d.t.Setenv("PASSPHRASE", "open sesame")
	out, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(d.t, err, "scutum %v: %s", args, out)
	if to != nil {
		require.NoError(d.t, json.Unmarshal(out, to), string(out))
	}
}

// shown is what "scutum pdk show --open --json" says.
type shown struct {
	ID, Kind, Policy, Owner string
	Qualifiers              []struct{ Name, Version, Rule, Digest string }
	Access                  []struct{ Guardian string }
	Secrets                 struct {
		AnswerFile *struct {
			Name string
			Size int
		}
		Files []struct {
			Name string
			Size int
		}
	}
}

func (d *driver) show(path string) (s shown) {
	d.scutum(&s, "pdk", "show", path, "--open", "--password-env", "PASSPHRASE", "--json")
	return s
}

func (s shown) guardians() (all []string) {
	for _, a := range s.Access {
		all = append(all, a.Guardian)
	}
	return all
}

// fabric makes the metadata of a guardian that the window does not know.
func fabric(t *testing.T, name string, valid time.Duration) (path string) {
	t.Helper()
	o, err := guardian.NewOwner(name, 2048, valid)
	require.NoError(t, err)
	data, err := o.Metadata()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), name+".xml")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func (d *driver) add(name, metadata string) {
	d.t.Helper()
	data, err := os.ReadFile(metadata)
	require.NoError(d.t, err)
	store, err := d.w.store()
	require.NoError(d.t, err)
	_, err = store.Add(name, data, false)
	require.NoError(d.t, err)
}

func unattend(t *testing.T, folder string) string {
	path := filepath.Join(folder, "unattend.xml")
	require.NoError(t, os.WriteFile(path, []byte(`<unattend xmlns="urn:schemas-microsoft-com:unattend"><a>@ComputerName@</a><b>@Site@</b></unattend>`), 0o600))
	return path
}

// judge has OpenSSL verify the signature of a shielding data file.
func judge(t *testing.T, path string) {
	t.Helper()
	volumetest.Run(t, "openssl", "cms", "-verify", "-inform", "DER", "-binary", "-noverify", "-in", path, "-out", filepath.Join(t.TempDir(), "content"))
}

func TestShieldingWizard(t *testing.T) {
	disk, _, signed := signedDisk(t)
	folder := t.TempDir()
	vsc, pdk := filepath.Join(folder, "server.vsc"), filepath.Join(folder, "vm.pdk")
	require.NoError(t, model.SaveCatalog(signed, vsc, false))
	answer := unattend(t, folder)
	large, script := filepath.Join(folder, "large.bin"), filepath.Join(folder, "setup.ps1")
	require.NoError(t, os.WriteFile(large, make([]byte, 384<<10), 0o600))
	require.NoError(t, os.WriteFile(script, []byte("Get-Date"), 0o600))
	d := drive(t)
	d.add("Fabric", fabric(t, "Fabric North", time.Hour))
	second := fabric(t, "Second", time.Hour)

	d.tap("Create shielding data")
	require.True(t, d.off("Next"))
	d.enter("Save as", filepath.Join(folder, "missing", "vm.pdk"))
	require.Contains(t, d.field("Save as").Message(), "does not exist")
	d.enter("Save as", pdk)
	d.option("Encryption supported")
	d.picture("shielding-1")
	d.tap("Next")

	require.True(t, d.off("Next"))
	d.enter("Name of the owner", "Contoso")
	d.enter("New passphrase", "open sesame")
	d.enter("New passphrase, once more", "other")
	require.Contains(t, d.field("New passphrase, once more").Message(), "differ")
	d.enter("New passphrase, once more", "open sesame")
	d.picture("shielding-2-new")
	d.tap("Make the owner")
	require.Contains(t, d.says(), "The keys of Contoso are open.")
	d.option("Make a new owner")
	require.Empty(t, d.field("New passphrase").Text(), "the passphrase stays in the field")
	require.Empty(t, d.field("New passphrase, once more").Text())
	d.option("Take an owner that I have")
	require.True(t, d.off("Next"), "nobody was granted access")
	require.True(t, d.stands("Tick at least one guardian"))
	d.tap("Import a guardian")
	d.answers = []string{second}
	d.tap("Browse…")
	require.Contains(t, d.says(), "No trusted root vouches")
	d.picture("shielding-2-import")
	d.enter("Name for the guardian", "Fabric")
	d.tap("Trust this guardian")
	require.Contains(t, d.field("Name for the guardian").Message(), "already")
	d.enter("Name for the guardian", "Second site")
	d.tap("Trust this guardian")
	require.False(t, d.off("Next"), "the one that was imported has access")
	d.tick("Fabric")
	d.picture("shielding-2")
	d.tap("Next")

	require.True(t, d.off("Next"))
	d.enter("Add a template (catalog or signed disk)", answer)
	require.NotEmpty(t, d.field("Add a template (catalog or signed disk)").Message())
	d.enter("Add a template (catalog or signed disk)", vsc)
	require.Empty(t, d.field("Add a template (catalog or signed disk)").Text())
	d.enter("Add a template (catalog or signed disk)", disk)
	require.Contains(t, d.field("Add a template (catalog or signed disk)").Message(), "already")
	d.tick("Only this very catalog")
	d.picture("shielding-3-pin")
	d.pick("later versions only")
	require.True(t, find(d, func(*widgets.Check) bool { return true })[0].Disabled(), "later versions are other catalogs")
	d.pick("this version and later ones")
	d.tick("Only this very catalog")
	d.tick("Only this very catalog")
	d.tap("Remove")
	require.True(t, d.off("Next"))
	d.enter("Add a template (catalog or signed disk)", disk)
	d.pick("this version and later ones")
	d.tick("Only this very catalog")
	d.picture("shielding-3")
	d.tap("Next")

	require.True(t, d.off("Next"))
	d.enter("Answer file", vsc)
	require.NotEmpty(t, d.field("Answer file").Message())
	require.True(t, d.off("Next"))
	d.enter("Answer file", answer)
	require.False(t, d.off("Next"))
	d.enter("Add a file", large)
	require.True(t, d.off("Next"), "too much")
	require.Contains(t, d.says(), "over the limit of 384 KiB")
	d.picture("shielding-4-over")
	d.tap("Remove")
	d.enter("Add a file", script)
	d.picture("shielding-4")
	d.tap("Back")
	d.tap("Next")
	require.Equal(t, answer, d.field("Answer file").Text(), "Back lost it")
	d.tap("Next")

	require.NoFileExists(t, pdk)
	d.picture("shielding-5")
	d.tap("Create")
	require.True(t, d.stands("Contoso\nFabric\nSecond site") || d.stands("Contoso\nSecond site\nFabric"))
	d.picture("shielding-6")

	judge(t, pdk)
	d.scutum(nil, "pdk", "check", pdk, vsc)
	s := d.show(pdk)
	require.Equal(t, "template", s.Kind)
	require.Equal(t, "encryption-supported", s.Policy)
	require.Equal(t, "Contoso", s.Owner)
	require.ElementsMatch(t, []string{"Contoso", "Fabric", "Second site"}, s.guardians())
	require.Len(t, s.Qualifiers, 1)
	require.Equal(t, "greater-or-equal", s.Qualifiers[0].Rule)
	require.NotEmpty(t, s.Qualifiers[0].Digest)
	require.Equal(t, "unattend.xml", s.Secrets.AnswerFile.Name)
	require.Equal(t, "setup.ps1", s.Secrets.Files[0].Name)

	d.tap("Make specialization values")
	require.Equal(t, placeSpecialization, d.w.current)
	d.enter("@ComputerName@", "not a name!")
	require.NotEmpty(t, d.field("@ComputerName@").Message())
	d.enter("@ComputerName@", "VM01")
	fsk := filepath.Join(folder, "vm01.fsk")
	d.enter("Save as", fsk)
	d.picture("specialization")
	d.tap("Save")
	require.Contains(t, d.says(), "The values are saved.")
	var values struct{ Values map[string]string }
	d.scutum(&values, "fsk", "show", fsk, "--json")
	require.Equal(t, map[string]string{"@ComputerName@": "VM01"}, values.Values)

	d.w.show(placeShielding)
	d.tap("Finish")
	require.Equal(t, placeHome, d.w.current)
	require.Contains(t, d.w.recent(), pdk)
}

// prepare makes an owner, a fabric and shielding data with the command line.
func (d *driver) prepare(folder string, args ...string) (path string) {
	d.t.Helper()
	d.scutum(nil, "guardian", "new", "Contoso", "--password-env", "PASSPHRASE")
	d.add("Fabric", fabric(d.t, "Fabric North", time.Hour))
	path = filepath.Join(folder, "vm.pdk")
	d.scutum(nil, append([]string{"pdk", "new", path, "--owner", "Contoso", "--guardian", "Fabric", "--policy", "shielded", "--password-env", "PASSPHRASE"}, args...)...)
	return path
}

func TestShieldingExistingVM(t *testing.T) {
	folder := t.TempDir()
	d := drive(t)
	other := d.prepare(folder, "--existing-vm")
	pdk := filepath.Join(folder, "existing.pdk")
	require.NoError(t, os.WriteFile(pdk, []byte("what was there"), 0o600))

	d.w.show(placeShielding)
	d.settle()
	d.enter("Save as", pdk)
	d.option("A virtual machine that exists")
	require.True(t, d.stands("Step 1 of 4"))
	d.picture("existing-1")
	d.tap("Next")
	d.enter("Passphrase", "wrong")
	require.Contains(t, d.field("Passphrase").Message(), "passphrase is wrong")
	require.True(t, d.off("Next"))
	d.enter("Passphrase", "open sesame")
	require.Contains(t, d.says(), "The keys of Contoso are open.")
	require.Empty(t, find(d, func(c *widgets.Check) bool { return c.Text == "Contoso" }), "the owner has access anyway")
	d.tick("Fabric")
	d.picture("existing-2")
	d.tap("Next")
	require.True(t, d.stands("Step 3 of 4"))
	d.tap("Back")
	require.True(t, d.stands("Step 2 of 4"))
	d.tap("Next")
	d.tap("Create")
	d.picture("existing-ask")
	d.tap("Cancel")
	data, err := os.ReadFile(pdk)
	require.NoError(t, err)
	require.Equal(t, "what was there", string(data))
	d.tap("Create")
	d.tap("Replace")
	d.picture("existing-4")
	require.True(t, d.stands("The shielding data are made."))
	judge(t, pdk)
	s := d.show(pdk)
	require.Equal(t, "existing-vm", s.Kind)
	require.Equal(t, "shielded", s.Policy)
	require.ElementsMatch(t, []string{"Contoso", "Fabric"}, s.guardians())
	require.Nil(t, s.Secrets.AnswerFile)
	require.NotEqual(t, d.show(other).ID, s.ID)
}

func TestShieldingEdit(t *testing.T) {
	_, _, signed := signedDisk(t)
	folder := t.TempDir()
	vsc, extra := filepath.Join(folder, "server.vsc"), filepath.Join(folder, "extra.cmd")
	require.NoError(t, model.SaveCatalog(signed, vsc, false))
	require.NoError(t, os.WriteFile(extra, []byte("ver"), 0o600))
	script := filepath.Join(folder, "setup.ps1")
	require.NoError(t, os.WriteFile(script, []byte("Get-Date"), 0o600))
	d := drive(t)
	pdk := d.prepare(folder, "--vsc", vsc, "--answer-file", unattend(t, folder), "--file", script)
	d.add("Second site", fabric(t, "Second", time.Hour))
	require.NoError(t, os.Remove(script))
	before := d.show(pdk)

	d.w.show(placeShielding)
	d.answers = []string{pdk}
	d.tap("Change shielding data that exist…")
	require.True(t, d.stands("Change shielding data"))
	d.picture("edit-1")
	d.tap("Next")
	require.True(t, d.off("Next"))
	d.enter("Passphrase", "open sesame")
	d.tick("Fabric")
	require.Contains(t, d.says(), "Revoking looks forward only")
	d.tick("Second site")
	d.resize(900, 1300)
	d.picture("edit-2")
	d.resize(900, 600)
	d.tap("Next")
	d.pick("this version and later ones")
	d.tap("Next")
	require.True(t, d.stands("unattend.xml"))
	require.True(t, d.stands("stays as it is"))
	d.enter("Add a file", extra)
	d.picture("edit-4")
	d.tap("Next")
	d.picture("edit-5")
	d.tap("Back")
	d.tap("Back")
	d.tap("Back")
	d.tap("Back")
	d.option("Encryption supported")
	copied := filepath.Join(folder, "copy.pdk")
	d.enter("Save as", copied)
	for range 4 {
		d.tap("Next")
	}
	d.tap("Save")
	d.picture("edit-6")
	require.True(t, d.stands("The shielding data are changed."))
	judge(t, copied)
	require.Equal(t, before, d.show(pdk), "the file itself stays")
	after := d.show(copied)
	require.Equal(t, before.ID, after.ID)
	require.Equal(t, "encryption-supported", after.Policy)
	require.ElementsMatch(t, []string{"Contoso", "Second site"}, after.guardians())
	require.Equal(t, "greater-or-equal", after.Qualifiers[0].Rule)
	require.Equal(t, before.Secrets.AnswerFile, after.Secrets.AnswerFile)
	require.Len(t, after.Secrets.Files, 2)
	require.Equal(t, "setup.ps1", after.Secrets.Files[0].Name, "it is kept, although the file is gone")
	d.scutum(nil, "pdk", "check", copied, vsc)
	d.tap("Finish")

	// Once more, in place.
	d.w.openAt(placeShielding, model.File{Path: copied, Kind: model.Shielding})
	d.settle()
	d.tap("Next")
	d.enter("Passphrase", "open sesame")
	d.tap("Next")
	d.tap("Next")
	d.tap("Next")
	require.True(t, d.off("Save"), "nothing is different")
	require.Contains(t, d.says(), "Nothing is different yet")
	d.tap("Back")
	d.tap("Remove")
	d.tap("Next")
	d.tap("Save")
	d.tap("Change it")
	require.True(t, d.stands("The shielding data are changed."))
	judge(t, copied)
	require.Len(t, d.show(copied).Secrets.Files, 1)
}

func TestShieldingOfAnotherOwner(t *testing.T) {
	folder := t.TempDir()
	d := drive(t)
	pdk := d.prepare(folder, "--existing-vm")
	store, err := d.w.store()
	require.NoError(t, err)
	require.NoError(t, store.Remove("Contoso"))
	d.w.openAt(placeShielding, model.File{Path: pdk, Kind: model.Shielding})
	d.settle()
	require.Equal(t, placeInspect, d.w.current)
	d.picture("another-owner")
	d.tap("Close")
	require.Len(t, find(d, func(f *widgets.FileField) bool { return f.Text() == pdk }), 1)
}

func TestShieldingTakesFiles(t *testing.T) {
	disk, _, _ := signedDisk(t)
	folder := t.TempDir()
	d := drive(t)
	d.w.openAt(placeShielding, model.File{Path: disk, Kind: model.VHDX})
	d.settle()
	require.Contains(t, d.says(), "Trusted templates")
	d.picture("arrived")
	d.w.Open(unattend(t, folder))
	d.settle()
	d.w.Open(fabric(t, "Fabric North", time.Hour))
	d.settle()
	require.Equal(t, placeShielding, d.w.current)
	d.enter("Save as", disk)
	require.Contains(t, d.field("Save as").Message(), "one of the files that go into")
	require.True(t, d.off("Next"))
	d.enter("Save as", filepath.Join(folder, "vm.pdk"))
	d.tap("Next")
	require.Equal(t, "Fabric North", d.field("Name for the guardian").Text())
	d.tap("Trust this guardian")
	d.enter("Name of the owner", "Contoso")
	d.enter("New passphrase", "open sesame")
	d.enter("New passphrase, once more", "open sesame")
	d.tap("Make the owner")
	for range 3 {
		d.tap("Next")
	}
	d.tap("Create")
	require.True(t, d.stands("The shielding data are made."))
}

// expired makes an owner whose certificates ended yesterday.
func expired(t *testing.T, name string) *guardian.Owner {
	t.Helper()
	identity := func(usage x509.KeyUsage) *signing.Identity {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, KeyUsage: usage,
			NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return &signing.Identity{Certificate: c, Key: key}
	}
	o, err := guardian.ImportOwner(name, identity(x509.KeyUsageDigitalSignature), identity(x509.KeyUsageKeyEncipherment))
	require.NoError(t, err)
	return o
}

func TestShieldingExpired(t *testing.T) {
	d := drive(t)
	store, err := d.w.store()
	require.NoError(t, err)
	require.NoError(t, store.AddOwner(expired(t, "Old"), "open sesame", false))
	late, err := expired(t, "Late").Metadata()
	require.NoError(t, err)
	_, err = store.Add("Late", late, false)
	require.NoError(t, err)
	d.w.show(placeShielding)
	d.enter("Save as", filepath.Join(t.TempDir(), "vm.pdk"))
	d.tap("Next")
	d.enter("Passphrase", "open sesame")
	require.Contains(t, d.says(), "The certificates of this owner have expired.")
	require.Empty(t, d.field("Passphrase").Text())
	require.True(t, d.stands("Its certificates have expired. Have the fabric send"))
	require.True(t, find(d, func(c *widgets.Check) bool { return c.Text == "Late" })[0].Disabled())
	require.True(t, d.off("Next"))
	d.picture("expired")
}
