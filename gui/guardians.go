package gui

import (
	"errors"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// guardiansPage lists the guardians of the store; in its place stands one of
// them, or a form, until the user goes back.
type guardiansPage struct {
	w    *Window
	area *fyne.Container

	list    *fyne.Container
	entries []guardian.Entry // as they were when the list was last read
	form    *form            // in place of the list, or nil
}

// A form stands in place of the list.
type form struct {
	enter  func()                  // what the Enter key does
	forget func()                  // passwords, and work that is under way
	open   func(f model.File) bool // a file for it
}

func newGuardiansPage(w *Window) *page {
	g := &guardiansPage{w: w, area: container.NewStack(), list: widgets.NewGroup()}
	g.showList()
	return &page{
		content: g.area,
		shown:   g.read,
		open:    g.open,
		closed:  g.forget,
		typedKey: func(key *fyne.KeyEvent) {
			switch key.Name {
			case fyne.KeyEscape:
				g.back()
			case fyne.KeyReturn, fyne.KeyEnter:
				if g.form != nil && g.form.enter != nil {
					g.form.enter()
				}
			}
		},
	}
}

// open takes the metadata of a fabric, or keys while an owner is imported.
func (g *guardiansPage) open(f model.File) bool {
	if g.form != nil && g.form.open != nil && g.form.open(f) {
		return true
	}
	if f.Kind != model.Guardian {
		return false
	}
	g.importFabric()
	return g.form.open(f)
}

// store opens the guardians, and says so when that fails.
func (g *guardiansPage) store() *guardian.Store {
	store, err := g.w.store()
	if err != nil {
		g.w.tell(lang.L("The guardians cannot be read"), err.Error())
		return nil
	}
	return store
}

// read reads the list anew.
func (g *guardiansPage) read() {
	store, err := g.w.store()
	if err != nil {
		g.fill(nil, err)
		return
	}
	away(g.w, store.List, g.fill)
}

func (g *guardiansPage) fill(entries []guardian.Entry, err error) {
	g.entries = entries
	g.list.RemoveAll()
	switch {
	case err != nil:
		g.list.Add(widgets.NewNotice(widgets.Bad, lang.L("The guardians cannot be read"), err.Error()))
	case len(entries) == 0:
		g.list.Add(widgets.NewNotice(widgets.Info, lang.L("There is no guardian yet."),
			lang.L("Make an owner for yourself, and import the fabrics that may run your machines.")))
	}
	now := time.Now()
	for _, e := range entries {
		g.list.Add(g.item(e, now))
	}
	g.area.Refresh()
}

func (g *guardiansPage) item(e guardian.Entry, now time.Time) *widgets.Item {
	tapped := func() { g.details(e, "") }
	standing := model.StandingOf(e, now)
	if standing == model.Damaged {
		return widgets.NewItem(theme.BrokenImageIcon(), e.Name, e.Err.Error(), widgets.Bad, lang.L("damaged"), tapped)
	}
	mood, state := widgets.Good, lang.L("valid")
	until := map[string]any{"Date": e.Guardian.Expires().Local().Format("2006-01-02")}
	switch {
	case standing == model.Expired:
		mood, state = widgets.Bad, lang.L("expired")
	case len(model.Against(e.Guardian, now)) > 0:
		mood, state = widgets.Bad, lang.L("not usable")
	case standing == model.ExpiresSoon:
		mood, state = widgets.Warning, lang.L("expires soon")
	}
	icon, text := theme.ComputerIcon(), lang.L("Fabric, valid until {{.Date}}", until)
	if e.Owner {
		icon, text = theme.AccountIcon(), lang.L("Owner with private keys, valid until {{.Date}}", until)
	}
	return widgets.NewItem(icon, e.Name, text+"\n"+signing.Thumbprint(e.Guardian.Signing), mood, state, tapped)
}

func (g *guardiansPage) forget() {
	if g.form != nil && g.form.forget != nil {
		g.form.forget()
	}
	g.form = nil
}

// put shows a page in place of what was there.
func (g *guardiansPage) put(title string, f *form, objects ...fyne.CanvasObject) {
	g.forget()
	g.form = f
	g.w.window.Canvas().Unfocus()
	g.area.Objects = []fyne.CanvasObject{widgets.NewPage(title, widgets.NewColumn(objects...))}
	g.area.Refresh()
}

func (g *guardiansPage) showList() {
	g.put(lang.L("Guardians"), nil,
		widgets.NewText(lang.L("Guardians are those who may open shielding data: you as their owner, and the fabrics that you trust.")),
		container.New(widgets.Tiles{Least: 200},
			widgets.NewPrimaryButton(lang.L("New owner"), theme.ContentAddIcon(), g.newOwner),
			widgets.NewButton(lang.L("Import a fabric"), theme.DownloadIcon(), g.importFabric),
			widgets.NewButton(lang.L("Import an owner"), theme.LoginIcon(), g.importOwner)),
		g.list)
}

// back goes back to the list, which may have changed.
func (g *guardiansPage) back() {
	if g.form != nil {
		g.showList()
		g.read()
	}
}

// buttons are at the end of a form: the one that the form is about, and Back.
func (g *guardiansPage) buttons(action *widgets.Button) *fyne.Container {
	return widgets.NewRow(widgets.NewButton(lang.L("Back"), theme.NavigateBackIcon(), g.back), action)
}

// details shows a guardian; done says what was just done to it.
func (g *guardiansPage) details(e guardian.Entry, done string) {
	remove := widgets.NewButton(lang.L("Remove"), theme.DeleteIcon(), func() { g.askRemove(e) })
	back := widgets.NewButton(lang.L("Back"), theme.NavigateBackIcon(), g.back)
	if e.Err != nil {
		g.put(e.Name, &form{}, widgets.NewNotice(widgets.Bad, lang.L("This guardian is damaged. Put its files back from a backup, or remove it."), e.Err.Error()),
			widgets.NewRow(back, remove))
		return
	}
	said := widgets.NewNotice(widgets.Good, done, "")
	objects := []fyne.CanvasObject{said}
	now := time.Now()
	if against := model.Against(e.Guardian, now); len(against) > 0 {
		objects = append(objects, widgets.NewNotice(widgets.Bad, lang.L("This guardian cannot be used now"), strings.Join(against, "\n")))
	} else if model.StandingOf(e, now) == model.ExpiresSoon {
		objects = append(objects, widgets.NewNotice(widgets.Warning, lang.L("This guardian expires soon"),
			lang.L("Shielding data cannot be made with it any more after {{.Date}}.", map[string]any{"Date": e.Guardian.Expires().Local().Format("2006-01-02")})))
	}
	kind := lang.L("Fabric: the public metadata of a host guardian service")
	if e.Owner {
		kind = lang.L("Owner, with private keys under a passphrase")
	}
	objects = append(objects, widgets.NewFacts(lang.L("Kind"), kind,
		lang.L("Valid until"), e.Guardian.Expires().Local().Format("2006-01-02 15:04")))
	objects = append(objects, certificates(e.Guardian)...)

	path := widgets.NewFileField(lang.L("Save its public metadata as"), g.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "guardian", Name: e.Name + ".xml",
		Types: []widgets.FileType{{Name: lang.L("Metadata of guardians"), Extensions: []string{".xml"}}},
	}, check(model.CheckSave))
	saved := widgets.NewNotice(widgets.Good, "", "")
	write := func(overwrite bool) {
		store, to := g.store(), path.Text()
		if store == nil {
			return
		}
		away(g.w, func() (any, error) { return nil, model.ExportGuardian(store, e.Name, to, overwrite) }, func(_ any, err error) {
			if err != nil {
				saved.Tell(widgets.Bad, lang.L("The metadata was not saved"), err.Error())
				return
			}
			saved.Tell(widgets.Good, lang.L("The metadata is saved."), lang.L("Tell those who import it the thumbprints on another way: they prove that it is this file."))
		})
	}
	export := widgets.NewButton(lang.L("Export"), theme.UploadIcon(), func() {
		switch {
		case !path.Validate():
		case model.Exists(path.Text()):
			g.w.askReplace(path.Text(), func() { write(true) })
		default:
			write(false)
		}
	})
	objects = append(objects, widgets.NewWithButton(path, export), saved, widgets.NewRow(back, remove))
	g.put(e.Name, &form{}, objects...)
}

// certificates are the cards of a guardian's certificates.
func certificates(g *guardian.Guardian) []fyne.CanvasObject {
	all := []fyne.CanvasObject{
		widgets.NewSubheading(lang.L("Signing certificate")), widgets.NewCertificate(g.Signing),
		widgets.NewSubheading(lang.L("Encryption certificate")), widgets.NewCertificate(g.Encryption),
	}
	if len(g.OtherSigning) > 0 {
		all = append(all, widgets.NewSubheading(lang.L("Further signing certificates")))
	}
	for _, c := range g.OtherSigning {
		all = append(all, widgets.NewCertificate(c))
	}
	return all
}

func (g *guardiansPage) askRemove(e guardian.Entry) {
	text := lang.L("It can be imported again, from its metadata.")
	switch {
	case e.Err != nil:
		text = lang.L("It is damaged, and may be an owner. Without a backup of an owner's private keys, nobody can change its shielding data any more, open them as the owner, or recover disks.")
	case e.Owner:
		text = lang.L("Its private keys go with it. Without a backup of them, nobody can change its shielding data any more, open them as the owner, or recover disks.")
	}
	g.w.ask(lang.L("Remove {{.Name}}?", map[string]any{"Name": e.Name}), text, lang.L("Remove"), func() {
		store := g.store()
		if store == nil {
			return
		}
		away(g.w, func() (any, error) { return nil, store.Remove(e.Name) }, func(_ any, err error) {
			if err != nil {
				g.w.tell(lang.L("The guardian was not removed"), err.Error())
				return
			}
			g.back()
		})
	})
}

// unlessTaken calls then with whether another guardian is to be replaced, after
// asking when one has that name.
func (g *guardiansPage) unlessTaken(name string, then func(replace bool)) {
	taken := model.FindTaken(g.entries, name)
	if taken == nil {
		then(false)
		return
	}
	g.w.ask(lang.L("Replace {{.Name}}?", map[string]any{"Name": taken.Name}),
		lang.L("There is a fabric of that name already. The new guardian takes its place."), lang.L("Replace"), func() { then(true) })
}

// checkName is the check of the name of a new guardian.
func (g *guardiansPage) checkName(name string) string {
	return textOf(errors.Join(model.CheckGuardianName(name), model.CheckNotTaken(g.entries, name)))
}
