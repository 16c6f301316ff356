package gui

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// fabricForm takes in the metadata of a fabric.
type fabricForm struct {
	page *guardiansPage

	source     *widgets.FileField
	read       *widgets.Button
	busy       *widgets.Busy
	reading    context.Context // of the last reading
	stop       context.CancelFunc
	name       *widgets.Entry
	thumbprint *widgets.Entry
	found      *model.Fabric // nil until it was read
	show       func(*model.Fabric, error)
	take       *widgets.Button
}

func (g *guardiansPage) importFabric() {
	f := &fabricForm{page: g, stop: func() {}}
	f.source = widgets.NewFileField(lang.L("File or address of the fabric's host guardian service"), g.w.choose, widgets.Question{
		Purpose: "guardian", Title: lang.L("Metadata of the fabric"),
		Types: []widgets.FileType{{Name: lang.L("Metadata of guardians"), Extensions: []string{".xml"}}},
	}, check(model.CheckFabricSource))
	f.source.SetHint("http://hgs.example.com")
	f.busy = widgets.NewBusy(lang.L("Getting the metadata…"))
	f.name = widgets.NewEntry(lang.L("Name"), g.checkName)
	f.thumbprint = widgets.NewEntry(lang.L("Thumbprint of the signing certificate, as the fabric's people told you (recommended)"), func(text string) string {
		return textOf(f.found.CheckThumbprint(text))
	})
	failed := widgets.NewNotice(widgets.Bad, "", "")
	against := widgets.NewGroup()
	cards := widgets.NewGroup()
	agrees := widgets.NewNotice(widgets.Good, "", "")
	f.thumbprint.Changed = func(text string) {
		agrees.Set(widgets.Good, "", "")
		if f.found != nil && text != "" && f.found.CheckThumbprint(text) == nil {
			agrees.Set(widgets.Good, lang.L("The thumbprint agrees. This is the fabric that you expect."), "")
		}
	}
	found := widgets.NewGroup(against, cards,
		widgets.NewText(lang.L("Anybody can make metadata like these. Ask the fabric's people for the thumbprint on another way, such as by telephone, and compare.")),
		f.thumbprint, agrees, f.name)
	f.take = widgets.NewPrimaryButton(lang.L("Import"), theme.DownloadIcon(), f.submit)
	f.show = func(fabric *model.Fabric, err error) {
		f.found = fabric
		failed.Set(widgets.Bad, "", "")
		against.RemoveAll()
		cards.RemoveAll()
		found.Hide()
		f.take.Disable()
		switch {
		case errors.Is(err, context.Canceled):
			failed.Tell(widgets.Info, lang.L("Cancelled. Nothing was changed."), "")
		case err != nil:
			failed.Tell(widgets.Bad, lang.L("The metadata cannot be used"), textOf(err))
		case fabric != nil:
			for _, o := range objections(fabric) {
				against.Add(o)
			}
			for _, o := range certificates(fabric.Guardian) {
				cards.Add(o)
			}
			found.Show()
			if len(fabric.Broken) == 0 {
				f.take.Enable()
			}
		}
		g.area.Refresh()
	}
	f.show(nil, nil)
	f.read = widgets.NewButton(lang.L("Read"), theme.SearchIcon(), f.load)
	f.source.Chosen = func(source string) {
		f.stop()
		f.show(nil, nil)
		if source != "" && !model.IsAddress(source) {
			f.load()
		}
	}
	g.put(lang.L("Import a fabric"), &form{enter: f.enter, open: f.open, forget: func() { f.stop() }},
		widgets.NewText(lang.L("A fabric that you import, and choose for shielding data, can run the machines that are made with them.")),
		widgets.NewWithButton(f.source, f.read), f.busy, failed, found, g.buttons(f.take))
	f.source.Focus()
}

func (f *fabricForm) open(file model.File) bool {
	if file.Kind == model.Guardian {
		f.source.SetPath(file.Path)
	}
	return file.Kind == model.Guardian
}

// enter does what is to be done next.
func (f *fabricForm) enter() {
	if f.found == nil {
		f.load()
	} else {
		f.submit()
	}
}

func (f *fabricForm) load() {
	if !f.source.Validate() {
		return
	}
	f.stop()
	source := f.source.Text()
	ctx, stop := context.WithCancel(context.Background())
	f.reading, f.stop = ctx, stop
	f.show(nil, nil)
	f.busy.Begin(stop)
	away(f.page.w, func() (*model.Fabric, error) { return model.LoadFabric(ctx, source) }, func(fabric *model.Fabric, err error) {
		stop()
		if f.reading != ctx { // something else is being read by now
			return
		}
		f.busy.End()
		f.show(fabric, err)
		if fabric != nil && f.name.Text() == "" && !model.IsAddress(source) {
			f.name.SetText(strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)))
		}
	})
}

// objections say what speaks against trusting a fabric.
func objections(fabric *model.Fabric) []fyne.CanvasObject {
	var all []fyne.CanvasObject
	if len(fabric.Broken) > 0 {
		all = append(all, widgets.NewNotice(widgets.Bad, lang.L("This fabric cannot be imported"), strings.Join(fabric.Broken, "\n")))
	}
	if fabric.Expired {
		all = append(all, widgets.NewNotice(widgets.Warning, lang.L("A certificate has expired"),
			lang.L("Shielding data cannot be made for this fabric. Ask its people for metadata with new certificates.")))
	}
	if fabric.Untrusted {
		all = append(all, widgets.NewNotice(widgets.Warning, lang.L("No trusted root vouches for these certificates"),
			lang.L("That is usual for a host guardian service. Only the thumbprint says whose they are.")))
	}
	return all
}

// submit asks whether to trust the fabric, and takes it in.
func (f *fabricForm) submit() {
	if f.take.Disabled() || !validateAll(f.thumbprint, f.name) {
		return
	}
	g, fabric, name := f.page, f.found, f.name.Text()
	g.unlessTaken(name, func(replace bool) {
		text := lang.L("You did not compare the thumbprint. Whoever has the keys of these certificates can run the machines that you give to {{.Name}}.", map[string]any{"Name": name})
		if f.thumbprint.Text() != "" {
			text = lang.L("The thumbprint agrees with what you were told. This fabric can run the machines that you give to {{.Name}}.", map[string]any{"Name": name})
		}
		g.w.ask(lang.L("Trust this fabric?"), text, lang.L("Trust it"), func() {
			store := g.store()
			if store == nil {
				return
			}
			f.take.Disable()
			at := g.form
			away(g.w, func() (*guardian.Guardian, error) { return store.Add(name, fabric.Metadata, replace) }, func(added *guardian.Guardian, err error) {
				f.take.Enable()
				if err != nil {
					g.w.tell(lang.L("The fabric was not imported"), err.Error())
					return
				}
				g.added(at, guardian.Entry{Name: name, Guardian: added}, lang.L("The fabric is imported."))
			})
		})
	})
}
