package gui

import (
	"errors"
	"fmt"

	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// newPassphrase makes the two fields of a new passphrase.
func newPassphrase() (first, again *widgets.Entry) {
	first = widgets.NewPasswordEntry(lang.L("New passphrase"), check(model.CheckNewPassword))
	again = widgets.NewPasswordEntry(lang.L("New passphrase, once more"), func(text string) string {
		return textOf(model.CheckRepeated(first.Text(), text))
	})
	return first, again
}

// validateAll lets every field say what is wrong, and goes to the first that is.
func validateAll(fields ...*widgets.Entry) bool {
	var first *widgets.Entry
	for _, f := range fields {
		if !f.Validate() && first == nil {
			first = f
		}
	}
	if first != nil {
		first.Focus()
	}
	return first == nil
}

// newOwner asks for what a new owner needs, and makes it.
func (g *guardiansPage) newOwner() {
	name := widgets.NewEntry(lang.L("Name"), g.checkName)
	days := widgets.NewEntry(lang.L("Valid for days"), check(model.CheckDays))
	days.SetText("3650")
	var sizes []string
	for _, bits := range model.OwnerBits {
		sizes = append(sizes, fmt.Sprintf("RSA %d", bits))
	}
	size := widgets.NewSelect(sizes, nil)
	size.SetSelectedIndex(0)
	passphrase, again := newPassphrase()
	failed := widgets.NewNotice(widgets.Bad, "", "")
	busy := widgets.NewBusy(lang.L("Making the keys…"))

	var create *widgets.Button
	run := func(replace bool) {
		store := g.store()
		if store == nil {
			return
		}
		o := model.Owner{Name: name.Text(), Bits: model.OwnerBits[size.SelectedIndex()], Days: model.Days(days.Text())}
		secret := passphrase.Text()
		failed.Set(widgets.Bad, "", "")
		create.Disable()
		busy.Begin(nil)
		at := g.form
		away(g.w, func() (*guardian.Guardian, error) { return o.Make(store, secret, replace) }, func(made *guardian.Guardian, err error) {
			busy.End()
			create.Enable()
			if err != nil {
				failed.Tell(widgets.Bad, lang.L("The owner was not made"), err.Error())
				return
			}
			g.added(at, guardian.Entry{Name: o.Name, Guardian: made, Owner: true},
				lang.L("The owner is made. Back up the folder of the guardians, and remember the passphrase: without them nobody can change its shielding data."))
		})
	}
	submit := func() {
		if !create.Disabled() && validateAll(name, days, passphrase, again) {
			g.unlessTaken(name.Text(), run)
		}
	}
	create = widgets.NewPrimaryButton(lang.L("Make the owner"), theme.ContentAddIcon(), submit)
	g.put(lang.L("New owner"), &form{enter: submit, forget: func() { passphrase.Clear(); again.Clear() }},
		widgets.NewText(lang.L("An owner makes shielding data. Its two private keys are kept on this machine, under a passphrase.")),
		name, widgets.NewPair(widgets.NewField(lang.L("Keys"), size), days),
		widgets.NewPair(passphrase, again), failed, busy, g.buttons(create))
	name.Focus()
}

// added shows a guardian that came into the store, unless the user has left the
// form meanwhile.
func (g *guardiansPage) added(from *form, e guardian.Entry, said string) {
	if g.form == from {
		g.details(e, said)
	}
	g.read()
}

// importOwner takes in the keys of an owner that exist.
func (g *guardiansPage) importOwner() {
	name := widgets.NewEntry(lang.L("Name"), g.checkName)
	file := func(label string) *widgets.FileField {
		return widgets.NewFileField(label, g.w.choose, widgets.Question{
			Purpose: "certificate",
			Types:   []widgets.FileType{{Name: lang.L("Certificates with keys"), Extensions: []string{".pfx", ".p12"}}},
		}, check(model.CheckOpen))
	}
	signer := file(lang.L("Signing certificate with its key"))
	encryption := file(lang.L("Encryption certificate with its key"))
	password := widgets.NewPasswordEntry(lang.L("Password of both files"), nil)
	passphrase, again := newPassphrase()
	failed := widgets.NewNotice(widgets.Bad, "", "")
	busy := widgets.NewBusy(lang.L("Reading the keys…"))

	var take *widgets.Button
	run := func(replace bool) {
		store := g.store()
		if store == nil {
			return
		}
		files := model.OwnerFiles{Name: name.Text(), Signing: signer.Text(), Encryption: encryption.Text()}
		open, secret := password.Text(), passphrase.Text()
		failed.Set(widgets.Bad, "", "")
		take.Disable()
		busy.Begin(nil)
		at := g.form
		away(g.w, func() (*guardian.Owner, error) {
			owner, err := files.Load(open)
			if err != nil {
				return nil, err
			}
			return owner, store.AddOwner(owner, secret, replace)
		}, func(owner *guardian.Owner, err error) {
			busy.End()
			take.Enable()
			var file *model.KeyFileError
			var wrong *model.Problem
			switch {
			case errors.As(err, &file) && errors.As(err, &wrong):
				f := signer
				if file.Encryption {
					f = encryption
				}
				f.Complain(textOf(err))
			case err != nil:
				failed.Tell(widgets.Bad, lang.L("The owner was not imported"), err.Error())
			default:
				g.added(at, guardian.Entry{Name: files.Name, Guardian: &owner.Guardian, Owner: true},
					lang.L("The owner is imported. Its private keys are under the new passphrase."))
			}
		})
	}
	submit := func() {
		if !take.Disabled() && validateAll(name, &signer.Entry, &encryption.Entry, passphrase, again) {
			g.unlessTaken(name.Text(), run)
		}
	}
	take = widgets.NewPrimaryButton(lang.L("Import"), theme.DownloadIcon(), submit)
	open := func(f model.File) bool {
		switch {
		case f.Kind != model.KeyFile:
			return false
		case signer.Text() == "":
			signer.SetPath(f.Path)
		default:
			encryption.SetPath(f.Path)
		}
		return true
	}
	g.put(lang.L("Import an owner"), &form{enter: submit, open: open, forget: func() { password.Clear(); passphrase.Clear(); again.Clear() }},
		widgets.NewText(lang.L("Take in the two keys of an owner that exist already, from PFX files. In the store they are under a new passphrase.")),
		name, signer, encryption, password, widgets.NewPair(passphrase, again), failed, busy, g.buttons(take))
	name.Focus()
}
