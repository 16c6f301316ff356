package gui

import (
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/signing"
)

// commonFields are those for either system.
type commonFields struct {
	name, timeZone, locale, commands *widgets.Entry
	shutDown                         *widgets.Check
}

// noted has a field tell of its changes.
func (a *answerPage) noted(f *widgets.Entry) *widgets.Entry {
	f.Changed = func(string) { a.changed() }
	return f
}

func (a *answerPage) commonForm() fyne.CanvasObject {
	c := &a.common
	c.name = a.noted(widgets.NewEntry(lang.L("Name of the computer"), func(text string) string {
		return textOf(model.CheckComputerName(text, a.isLinux()))
	}))
	c.name.SetText("@ComputerName@")
	c.timeZone = a.noted(widgets.NewEntry(lang.L("Time zone (optional)"), nil))
	c.timeZone.SetHint("W. Europe Standard Time, Europe/Berlin")
	c.locale = a.noted(widgets.NewEntry(lang.L("Locale (optional)"), func(text string) string {
		return textOf(model.CheckLocale(text, a.isLinux()))
	}))
	c.locale.SetHint("de-DE, de_DE.UTF-8")
	return widgets.NewGroup(widgets.NewSubheading(lang.L("Computer")), c.name, widgets.NewPair(c.timeZone, c.locale))
}

// commands are the last fields for either system.
func (a *answerPage) commands() fyne.CanvasObject {
	c := &a.common
	c.commands = a.noted(widgets.NewTextArea(lang.L("Commands, one a line (optional)"), 3, func(text string) string {
		return textOf(model.CheckCommands(text, a.isLinux()))
	}))
	c.shutDown = widgets.NewCheck(lang.L("Shut the machine down when all is done, by which the fabric sees that it is"), func(bool) { a.changed() })
	return widgets.NewGroup(widgets.NewSubheading(lang.L("At the end")), c.commands,
		widgets.NewText(lang.L("Windows runs the commands when an administrator first logs on, Linux at the end of the first start.")), c.shutDown)
}

// windowsFields are those for Windows alone.
type windowsFields struct {
	arm                          *widgets.Select
	productKey, password, again  *widgets.Entry
	domain, domainUser, domainOU *widgets.Entry
	domainPassword               *widgets.Entry
	rdp, winRM                   *widgets.Check
	rdpFile                      *widgets.FileField
	rdpPassword                  *widgets.Entry
	rdpCertificate               *widgets.Certificate
	scripts                      *widgets.Entry
	opened                       *signing.Identity // of the certificate alone
}

func (a *answerPage) windowsForm() *fyne.Container {
	f := &a.windows
	f.arm = widgets.NewSelect([]string{"amd64", "arm64"}, nil)
	f.arm.SetSelectedIndex(0)
	f.arm.OnChanged = func(string) { a.changed() }
	f.productKey = a.noted(widgets.NewEntry(lang.L("Product key (optional)"), check(model.CheckProductKey)))
	f.productKey.SetHint("@ProductKey@")
	f.password = widgets.NewPasswordEntry(lang.L("Password of the account Administrator"), check(model.CheckAdministrator))
	f.again = widgets.NewPasswordEntry(lang.L("Password, once more"), func(text string) string {
		return textOf(model.CheckRepeated(f.password.Text(), text))
	})

	f.domain = a.noted(widgets.NewEntry(lang.L("Active Directory domain (optional)"), nil))
	f.domain.SetHint("example.com")
	f.domainUser = a.noted(widgets.NewEntry(lang.L("User who may join computers"), func(text string) string {
		return textOf(model.CheckDomain(f.domain.Text(), text))
	}))
	f.domainUser.SetHint(`EXAMPLE\joiner`)
	f.domainPassword = widgets.NewPasswordEntry(lang.L("Password of that user"), func(text string) string {
		if f.domain.Text() == "" {
			return ""
		}
		return textOf(model.CheckAdministrator(text))
	})
	f.domainOU = a.noted(widgets.NewEntry(lang.L("Organizational unit (optional)"), nil))
	f.domainOU.SetHint("OU=Shielded,DC=example,DC=com")
	join := widgets.NewGroup(widgets.NewPair(f.domainUser, f.domainPassword), f.domainOU)
	join.Hide()
	f.domain.Changed = func(text string) {
		visible(join, text != "")
		a.changed()
	}

	certificate := a.rdpForm()
	f.rdp = widgets.NewCheck(lang.L("Let in Remote Desktop"), func(yes bool) {
		visible(certificate, yes)
		a.changed()
	})
	f.winRM = widgets.NewCheck(lang.L("Let in remote management (WinRM)"), func(bool) { a.changed() })
	f.scripts = a.noted(widgets.NewTextArea(lang.L("Scripts among the shielding data that run at the end, one name a line (optional)"), 2, check(model.CheckScripts)))
	f.scripts.SetHint("install.ps1")
	return widgets.NewGroup(
		widgets.NewPair(f.productKey, widgets.NewField(lang.L("Processor"), f.arm)),
		widgets.NewPair(f.password, f.again),
		widgets.NewSubheading(lang.L("Domain")), f.domain, join,
		widgets.NewSubheading(lang.L("Remote access")), f.rdp, certificate, f.winRM,
		widgets.NewSubheading(lang.L("Scripts")), f.scripts)
}

// rdpForm asks for the certificate of Remote Desktop.
func (a *answerPage) rdpForm() *fyne.Container {
	f := &a.windows
	f.rdpFile = widgets.NewFileField(lang.L("Certificate for Remote Desktop, from the shielding data (optional)"), a.w.choose, widgets.Question{
		Purpose: "certificate", Types: []widgets.FileType{{Name: "PFX", Extensions: []string{".pfx"}}},
	}, func(path string) string {
		if path == "" {
			return ""
		}
		return textOf(model.CheckOpen(path))
	})
	f.rdpPassword = widgets.NewPasswordEntry(lang.L("Password of the certificate"), func(string) string {
		if f.rdp.Checked && f.rdpFile.Text() != "" && f.opened == nil {
			return lang.L("Enter the password of the file.")
		}
		return ""
	})
	f.rdpCertificate = widgets.NewCertificate(nil)
	load := func() {
		path, secret := f.rdpFile.Text(), f.rdpPassword.Text()
		if path == "" || secret == "" {
			return
		}
		away(a.w, func() (*signing.Identity, error) {
			id, err := model.OpenSigner(path, "", secret)
			var unfit *signing.UnfitSigner
			if errors.As(err, &unfit) { // for signing templates, which it is not for
				err = nil
			}
			return id, err
		}, func(id *signing.Identity, err error) {
			if path != f.rdpFile.Text() {
				return
			}
			if err != nil {
				f.opened = nil
				f.rdpCertificate.Set(nil)
				f.rdpPassword.Complain(textOf(err))
				return
			}
			f.opened = &signing.Identity{Certificate: id.Certificate}
			f.rdpCertificate.Set(id.Certificate)
			f.rdpPassword.Complain("")
			a.changed()
		})
	}
	f.rdpFile.Chosen = func(string) {
		f.opened = nil
		f.rdpCertificate.Set(nil)
		load()
		a.changed()
	}
	f.rdpPassword.Left = load
	form := widgets.NewGroup(f.rdpFile, f.rdpPassword, f.rdpCertificate)
	form.Hide()
	return form
}

func (f *windowsFields) collect(a *model.Answer) {
	a.ARM = f.arm.SelectedIndex() == 1
	a.ProductKey = f.productKey.Text()
	a.Domain, a.DomainUser, a.DomainOU = f.domain.Text(), f.domainUser.Text(), f.domainOU.Text()
	a.RemoteDesktop, a.WinRM = f.rdp.Checked, f.winRM.Checked
	if f.rdp.Checked && f.opened != nil {
		a.RDPFile, a.RDPCertificate = f.rdpFile.Text(), f.opened.Certificate
	}
	a.Scripts = model.Lines(f.scripts.Text())
}

func (f *windowsFields) fields() []*widgets.Entry {
	all := []*widgets.Entry{f.productKey, f.password, f.again, f.domain, f.domainUser, f.domainPassword}
	if f.rdp.Checked {
		all = append(all, &f.rdpFile.Entry, f.rdpPassword)
	}
	return append(all, f.scripts)
}

func (f *windowsFields) forget() {
	for _, p := range []*widgets.Entry{f.password, f.again, f.domainPassword, f.rdpPassword} {
		p.Clear()
	}
	f.opened = nil
	f.rdpCertificate.Set(nil)
}
