package gui

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// unlocked is an owner whose keys were opened, and what is in the secrets of the
// file that is changed.
type unlocked struct {
	owner      *guardian.Owner
	answerFile *model.Secret
	files      []model.Secret
}

// ownerStep asks for the owner and its passphrase, and who else gets access.
func (s *shieldingPage) ownerStep() *widgets.Step {
	card := widgets.NewCertificate(nil)
	state := widgets.NewNotice(widgets.Bad, "", "")
	var secret fyne.CanvasObject // asks for the passphrase of the owner
	use := func(u unlocked, err error) {
		s.model.Owner = nil
		state.Set(widgets.Bad, "", "")
		card.Set(nil)
		secret.Show()
		switch {
		case err != nil:
			state.Tell(widgets.Bad, lang.L("The owner cannot be used"), textOf(err))
		case u.owner != nil:
			s.model.Unlock(u.owner, u.answerFile, u.files)
			card.Set(u.owner.Signing)
			secret.Hide()
			state.Set(widgets.Good, "", lang.L("The keys of {{.Name}} are open.", map[string]any{"Name": u.owner.Name}))
			if time.Now().After(u.owner.Expires()) { // to be changed, else it would be refused
				state.Tell(widgets.Warning, lang.L("The certificates of this owner have expired"),
					lang.L("You can change this file, but a fabric may refuse it. Make a new file with an owner whose certificates are valid."))
			}
		}
		s.model.Offer(s.candidates)
		s.showAccess()
		s.refresh()
	}
	owners, asked := s.openOwner(use)
	secret = asked
	existing := widgets.NewGroup(widgets.NewField(lang.L("Owner"), owners), secret)
	source := []fyne.CanvasObject{}
	if s.model.Edited == nil {
		var choice *widgets.Choice
		fresh := s.newOwner(func(u unlocked, err error) {
			use(u, err)
			if err == nil {
				choice.Select(0)
			}
		}, owners)
		fresh.Hide()
		choice = widgets.NewChoice([]string{lang.L("Take an owner that I have"), lang.L("Make a new owner")}, func(i int) {
			existing.Hide()
			fresh.Hide()
			if i == 0 {
				existing.Show()
			} else {
				fresh.Show()
			}
			s.refresh()
		})
		s.readStore = s.reader(owners, func() {
			if len(owners.Options) == 0 && s.model.Owner == nil {
				choice.Select(1)
			}
		})
		source = append(source, choice, existing, fresh)
	} else {
		s.readStore = s.reader(owners, func() {})
		source = append(source, existing)
	}
	content := widgets.NewColumn(append(append([]fyne.CanvasObject{
		widgets.NewText(lang.L("The owner signs the shielding data, and can always open and change them.")),
	}, source...), state, card, widget.NewSeparator(), s.guardians())...)
	return &widgets.Step{Title: lang.L("Owner and guardians"), Content: content, Ready: func() bool { return s.model.OwnerReady() }}
}

// reader makes what reads the store again, which may have changed on another
// page.
func (s *shieldingPage) reader(owners *widgets.Select, then func()) func() {
	return func() {
		if s.model.Result != nil {
			return
		}
		e := s.model.Edited
		away(s.w, func() (model.Candidates, error) {
			store, err := s.w.store()
			if err != nil {
				return model.Candidates{}, err
			}
			return model.ReadCandidates(store, e)
		}, func(c model.Candidates, err error) {
			if err != nil {
				s.w.tell(lang.L("The guardians cannot be read"), textOf(err))
				return
			}
			s.candidates = c
			if e == nil {
				owners.SetOptions(c.Owners)
				if owners.Selected == "" && len(c.Owners) == 1 {
					owners.SetSelectedIndex(0)
				}
			}
			s.model.Offer(c)
			s.showAccess()
			then()
			s.refresh()
		})
	}
}

// openOwner asks which owner it is, and opens its keys.
func (s *shieldingPage) openOwner(use func(unlocked, error)) (*widgets.Select, fyne.CanvasObject) {
	passphrase := widgets.NewPasswordEntry(lang.L("Passphrase"), nil)
	s.forget = append(s.forget, passphrase.Clear)
	var owners *widgets.Select
	var open *widgets.Button
	load := func() {
		name, secret, e := owners.Selected, passphrase.Text(), s.model.Edited
		if name == "" {
			return
		}
		open.Disable()
		away(s.w, func() (u unlocked, err error) {
			store, err := s.w.store()
			if err != nil {
				return u, err
			}
			if u.owner, err = model.OpenOwner(store, name, secret, e != nil); err != nil || e == nil {
				return u, err
			}
			u.answerFile, u.files, err = e.Secrets(u.owner)
			return u, err
		}, func(u unlocked, err error) {
			open.Enable()
			if model.WrongPassphrase(err) {
				use(unlocked{}, nil)
				passphrase.Complain(textOf(err))
				return
			}
			passphrase.Clear()
			use(u, err)
		})
	}
	open = widgets.NewButton(lang.L("Open"), theme.LoginIcon(), load)
	owners = widgets.NewSelect(nil, func(string) {
		passphrase.Clear()
		use(unlocked{}, nil)
	})
	owners.PlaceHolder = lang.L("(choose one)")
	if e := s.model.Edited; e != nil {
		owners.Options, owners.Selected = []string{e.Owner}, e.Owner
		owners.Disable()
	}
	passphrase.Left = func() {
		if passphrase.Text() != "" && !open.Disabled() {
			load()
		}
	}
	return owners, widgets.NewWithButton(passphrase, open)
}

// newOwner makes an owner in the store.
func (s *shieldingPage) newOwner(use func(unlocked, error), owners *widgets.Select) fyne.CanvasObject {
	name := widgets.NewEntry(lang.L("Name of the owner"), check(model.CheckGuardianName))
	passphrase := widgets.NewPasswordEntry(lang.L("New passphrase"), check(model.CheckNewPassword))
	again := widgets.NewPasswordEntry(lang.L("New passphrase, once more"), func(text string) string {
		return textOf(model.CheckRepeated(passphrase.Text(), text))
	})
	s.forget = append(s.forget, passphrase.Clear, again.Clear)
	var create *widgets.Button
	create = widgets.NewButton(lang.L("Make the owner"), theme.ContentAddIcon(), func() {
		right := name.Validate()
		right = passphrase.Validate() && right
		if !again.Validate() || !right {
			return
		}
		called, secret := name.Text(), passphrase.Text()
		create.Disable()
		away(s.w, func() (*guardian.Owner, error) {
			store, err := s.w.store()
			if err != nil {
				return nil, err
			}
			return model.MakeOwner(store, called, secret)
		}, func(o *guardian.Owner, err error) {
			create.Enable()
			if err != nil {
				use(unlocked{}, err)
				return
			}
			passphrase.Clear()
			again.Clear()
			if owners.Selected != called { // which forgets the owner of before
				owners.Options = append(owners.Options, called)
				owners.SetSelected(called)
			}
			use(unlocked{owner: o}, nil)
			s.readStore()
		})
	})
	return widgets.NewGroup(
		widgets.NewText(lang.L("Two keys are made, RSA 2048 and valid for ten years, and kept on this computer under the passphrase. Without them nobody can change the shielding data: keep a copy of the folder of the guardians.")),
		name, widgets.NewPair(passphrase, again), widgets.NewRow(create))
}
