package gui

import (
	"context"
	"errors"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// guardians lists who can be given access.
func (s *shieldingPage) guardians() fyne.CanvasObject {
	list := container.NewVBox()
	hint := widgets.NewText("")
	hint.Importance = widget.LowImportance
	revoked := widgets.NewNotice(widgets.Warning, "", "")
	note := func() {
		hint.SetText("")
		switch {
		case len(s.model.Access) == 0:
			hint.SetText(lang.L("There are no guardians yet. Import the one of your fabric."))
		case s.model.Edited == nil && len(s.model.Remaining()) == 0:
			hint.SetText(lang.L("Tick at least one guardian: that of the fabric where the virtual machine will run."))
		}
		if hint.Text == "" {
			hint.Hide()
		} else {
			hint.Show()
		}
		revokedNotice(revoked, s.model.Revoked())
		s.refresh()
	}
	s.showAccess = func() {
		list.RemoveAll()
		for i, a := range s.model.Access {
			list.Add(s.accessRow(a, func(on bool) {
				s.model.Access[i].Granted = on
				note()
			}))
		}
		note()
	}
	quick, toggle := s.importGuardian()
	return widgets.NewGroup(
		widgets.NewSubheading(lang.L("Guardians")),
		widgets.NewText(lang.L("Who is ticked can open the secrets. A fabric can start the virtual machine only if its guardian is among them.")),
		list, hint, revoked,
		widgets.NewRow(
			widgets.NewButton(lang.L("Import a guardian"), theme.DownloadIcon(), toggle),
			widgets.NewButton(lang.L("Manage the guardians"), theme.AccountIcon(), func() { s.w.show(placeGuardians) })),
		quick)
}

// revokedNotice says what it means that access ends.
func revokedNotice(n *widgets.Notice, gone []model.Access) {
	if len(gone) == 0 {
		n.Set(widgets.Warning, "", "")
		return
	}
	n.Set(widgets.Warning, lang.L("Access ends for {{.Names}}", map[string]any{"Names": names(gone)}),
		lang.L("Revoking looks forward only: the secrets are encrypted anew, but a copy of the file from before still opens for everybody who could open it then. Change the secrets themselves where that matters."))
}

func names(all []model.Access) string {
	var list []string
	for _, a := range all {
		list = append(list, a.Name)
	}
	return strings.Join(list, ", ")
}

// accessRow is a guardian with a box to tick.
func (s *shieldingPage) accessRow(a model.Access, changed func(bool)) fyne.CanvasObject {
	tick := widgets.NewCheck(a.Name, changed)
	tick.Checked = a.Granted
	detail := widgets.NewText(lang.L("{{.Subject}}, valid until {{.Date}}",
		map[string]any{"Subject": a.Signing.Subject.String(), "Date": a.Expires().Local().Format("2006-01-02")}))
	detail.Importance = widget.LowImportance
	detail.SizeName = theme.SizeNameCaptionText
	switch {
	case a.Unfit != nil && a.Wrapping == nil:
		tick.Disable()
		detail.Importance = widget.DangerImportance
		detail.SetText(textOf(a.Unfit))
	case a.Unfit != nil || time.Now().After(a.Expires()):
		detail.Importance = widget.WarningImportance
		detail.SetText(lang.L("{{.Subject}}, expired on {{.Date}}",
			map[string]any{"Subject": a.Signing.Subject.String(), "Date": a.Expires().Local().Format("2006-01-02")}))
	}
	return container.NewVBox(tick, widgets.NewMargin(22, 0, detail))
}

// importGuardian takes in a guardian from a file or an address, once the user
// has compared its thumbprints.
func (s *shieldingPage) importGuardian() (form fyne.CanvasObject, toggle func()) {
	s.guardian = widgets.NewFileField(lang.L("File or address of the metadata"), s.w.choose, widgets.Question{
		Purpose: "guardian", Types: []widgets.FileType{{Name: lang.L("Metadata of guardians"), Extensions: []string{".xml"}}},
	}, optional(model.CheckFabricSource))
	s.guardian.SetHint("http://hgs.fabric.example")
	name := widgets.NewEntry(lang.L("Name for the guardian"), check(model.CheckGuardianName))
	signer, encryption := widgets.NewCertificate(nil), widgets.NewCertificate(nil)
	state := widgets.NewNotice(widgets.Warning, "", "")
	var arrival *model.Fabric
	var look, trust *widgets.Button
	group := widgets.NewGroup()
	reset := func() {
		arrival = nil
		signer.Set(nil)
		encryption.Set(nil)
		state.Set(widgets.Warning, "", "")
		name.Hide()
		trust.Hide()
	}
	load := func() {
		source := s.guardian.Text()
		if !s.guardian.Validate() {
			return
		}
		reset()
		look.Disable()
		away(s.w, func() (*model.Fabric, error) {
			ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
			defer stop()
			return model.LoadUsable(ctx, source)
		}, func(a *model.Fabric, err error) {
			look.Enable()
			switch {
			case source != s.guardian.Text():
				return
			case err != nil:
				state.Tell(widgets.Bad, lang.L("The guardian cannot be imported"), textOf(err))
				return
			}
			arrival = a
			signer.Set(a.Guardian.Signing)
			encryption.Set(a.Guardian.Encryption)
			text := lang.L("Compare the thumbprints with those that the people of the fabric tell you on another way. Anybody can make such a file.")
			if a.Untrusted {
				state.Tell(widgets.Warning, lang.L("No trusted root vouches for these certificates"), text)
			} else {
				state.Set(widgets.Info, "", text)
			}
			name.SetText(model.ProposeName(a, source))
			name.Show()
			trust.Show()
			group.Refresh()
		})
	}
	look = widgets.NewButton(lang.L("Look at it"), theme.SearchIcon(), load)
	trust = widgets.NewButton(lang.L("Trust this guardian"), theme.ConfirmIcon(), func() {
		if arrival == nil || !name.Validate() {
			return
		}
		a, called := arrival, name.Text()
		trust.Disable()
		away(s.w, func() (*guardian.Guardian, error) {
			store, err := s.w.store()
			if err != nil {
				return nil, err
			}
			return store.Add(called, a.Metadata, false)
		}, func(g *guardian.Guardian, err error) {
			trust.Enable()
			switch {
			case errors.Is(err, guardian.ErrExists):
				name.Complain(lang.L("A guardian of this name is among yours already. Choose another name."))
				return
			case err != nil:
				state.Tell(widgets.Bad, lang.L("The guardian cannot be imported"), textOf(err))
				return
			}
			s.model.Grant(g)
			reset()
			s.guardian.SetPath("")
			group.Hide()
			s.readStore()
		})
	})
	s.guardian.Chosen = func(path string) {
		reset()
		if path != "" {
			group.Show()
			load()
		}
	}
	for _, o := range []fyne.CanvasObject{widgets.NewWithButton(s.guardian, look), state, signer, encryption, name, widgets.NewRow(trust)} {
		group.Add(o)
	}
	reset()
	group.Hide()
	return group, func() {
		if group.Visible() {
			group.Hide()
		} else {
			group.Show()
			s.guardian.Focus()
		}
	}
}
