package gui

import (
	"errors"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/signing"
)

func (s *signPage) signerStep() *widgets.Step {
	card := widgets.NewCertificate(nil)
	problem := widgets.NewNotice(widgets.Bad, "", "")
	use := func(id *signing.Identity, err error) {
		s.model.Identity = nil
		problem.Set(widgets.Bad, "", "")
		if id != nil {
			card.Set(id.Certificate)
		} else {
			card.Set(nil)
		}
		var unfit *signing.UnfitSigner
		switch {
		case err == nil:
			s.model.Identity = id
		case errors.As(err, &unfit):
			problem.Set(widgets.Bad, lang.L("This certificate may not sign a template"), err.Error())
		}
		s.wizard.Refresh()
		switch {
		case unfit != nil:
			widgets.Reveal(problem)
		case id != nil:
			widgets.Reveal(card)
		}
	}

	password := widgets.NewPasswordEntry(lang.L("Password"), nil)
	s.signer = widgets.NewFileField(lang.L("Certificate file"), s.w.choose, widgets.Question{
		Purpose: "certificate",
		Types:   []widgets.FileType{{Name: lang.L("Certificates with keys"), Extensions: []string{".pfx", ".p12", ".pem"}}},
	}, check(model.CheckOpen))
	s.key = widgets.NewFileField(lang.L("Private key of the certificate"), s.w.choose, widgets.Question{
		Purpose: "certificate", Types: []widgets.FileType{{Name: lang.L("Private keys"), Extensions: []string{".key", ".pem"}}},
	}, check(model.CheckOpen))
	var open *widgets.Button
	place := model.InPFX
	load := func() {
		path, key, secret := s.signer.Text(), "", password.Text()
		asked := map[model.KeyPlace]*widgets.Entry{model.InPFX: password, model.InPEM: &s.signer.Entry, model.Elsewhere: &s.key.Entry}[place]
		if place == model.Elsewhere {
			key = s.key.Text()
		}
		if open.Disabled() || !s.signer.Validate() || !asked.Validate() {
			return
		}
		open.Disable()
		away(s.w, func() (*signing.Identity, error) { return model.OpenSigner(path, key, secret) },
			func(id *signing.Identity, err error) {
				open.Enable()
				if path != s.signer.Text() {
					return
				}
				var unfit *signing.UnfitSigner
				if err != nil && !errors.As(err, &unfit) {
					asked.Complain(textOf(err))
				} else {
					password.Clear()
				}
				use(id, err)
			})
	}
	open = widgets.NewButton(lang.L("Open"), theme.LoginIcon(), load)
	protected := widgets.NewWithButton(password, open)
	s.key.Hide()
	s.key.Chosen = func(path string) {
		use(nil, nil)
		if path != "" {
			load()
		}
	}
	s.signer.Chosen = func(path string) {
		use(nil, nil)
		password.Clear()
		s.key.Clear()
		if path == "" {
			return
		}
		away(s.w, func() (model.KeyPlace, error) { return model.FindKey(path) }, func(found model.KeyPlace, err error) {
			if path != s.signer.Text() {
				return
			}
			if err != nil {
				s.signer.Complain(textOf(err))
				return
			}
			place = found
			visible(protected, place == model.InPFX)
			visible(s.key, place == model.Elsewhere)
			s.wizard.Refresh()
			switch place {
			case model.InPFX:
				password.Focus()
			case model.InPEM:
				load()
			case model.Elsewhere:
				s.key.Focus()
			}
		})
	}
	password.Left = func() {
		if password.Text() != "" && s.signer.Text() != "" {
			load()
		}
	}
	existing := widgets.NewGroup(s.signer, s.key, protected)

	lab, forget := s.labForm(use)
	s.forget = func() { password.Clear(); forget() }
	lab.Hide()
	source := widgets.NewChoice([]string{lang.L("Use a certificate that I have (PFX or PEM)"), lang.L("Make a lab certificate, to try things out")},
		func(i int) {
			if i == 0 {
				lab.Hide()
				existing.Show()
			} else {
				existing.Hide()
				lab.Show()
			}
			s.wizard.Refresh()
		})
	return &widgets.Step{
		Title:   lang.L("Certificate"),
		Content: widgets.NewColumn(widgets.NewText(lang.L("The template is signed with your certificate. Whoever uses the template later trusts it by this certificate.")), source, existing, lab, problem, card),
		Ready:   s.model.SignerReady,
	}
}

// labForm asks for what a lab certificate needs, and makes it.
func (s *signPage) labForm(use func(*signing.Identity, error)) (form fyne.CanvasObject, forget func()) {
	subject := widgets.NewEntry(lang.L("Name of the signer"), check(model.CheckSubject))
	days := widgets.NewEntry(lang.L("Valid for days"), check(model.CheckDays))
	days.SetText("365")
	var kinds []string
	for _, k := range signing.KeyKinds {
		kinds = append(kinds, keyKindName(k))
	}
	kind := widgets.NewSelect(kinds, nil)
	kind.SetSelectedIndex(0)
	path := widgets.NewFileField(lang.L("Save as"), s.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "certificate", Name: "signer.pfx",
		Types: []widgets.FileType{{Name: "PFX", Extensions: []string{".pfx"}}},
	}, check(model.CheckSave))
	password := widgets.NewPasswordEntry(lang.L("Password"), check(model.CheckNewPassword))
	again := widgets.NewPasswordEntry(lang.L("Password, once more"), func(text string) string {
		return textOf(model.CheckRepeated(password.Text(), text))
	})
	problem := widgets.NewNotice(widgets.Bad, "", "")
	var create *widgets.Button
	run := func(overwrite bool) {
		l := model.Lab{Subject: strings.TrimSpace(subject.Text()), Path: path.Text(), Kind: signing.KeyKinds[kind.SelectedIndex()]}
		l.Days, _ = strconv.Atoi(days.Text())
		secret := password.Text()
		create.Disable()
		away(s.w, func() (*signing.Identity, error) { return model.MakeLab(l, secret, overwrite) },
			func(id *signing.Identity, err error) {
				create.Enable()
				if err != nil {
					problem.Tell(widgets.Bad, lang.L("The certificate could not be made"), err.Error())
					id = nil
				} else {
					problem.Set(widgets.Bad, "", "")
					password.Clear()
					again.Clear()
				}
				use(id, err)
			})
	}
	create = widgets.NewButton(lang.L("Make the certificate"), theme.ContentAddIcon(), func() {
		right := true
		for _, e := range []*widgets.Entry{subject, days, &path.Entry, password, again} {
			right = e.Validate() && right
		}
		switch {
		case !right:
		case model.Exists(path.Text()):
			s.w.askReplace(path.Text(), func() { run(true) })
		default:
			run(false)
		}
	})
	forget = func() { password.Clear(); again.Clear() }
	return widgets.NewGroup(subject, widgets.NewPair(widgets.NewField(lang.L("Key"), kind), days),
		path, widgets.NewPair(password, again), widgets.NewRow(create), problem), forget
}

func keyKindName(k signing.KeyKind) string {
	switch k {
	case signing.RSA2048, signing.RSA3072, signing.RSA4096:
		return "RSA " + strings.TrimPrefix(string(k), "rsa")
	}
	return "ECDSA P-" + strings.TrimPrefix(string(k), "p")
}
