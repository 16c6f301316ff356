package gui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/fsk"
)

// newSpecializationPage makes the page for the values that tell one virtual
// machine from another.
func newSpecializationPage(w *Window) *page {
	fields := map[string]*widgets.Entry{} // by their keys
	list := widgets.NewGroup()
	state := widgets.NewNotice(widgets.Info, "", "")
	var earlier *widgets.FileField
	var save *widgets.Button
	var body *fyne.Container

	answerFile := widgets.NewFileField(lang.L("Answer file"), w.choose, widgets.Question{
		Purpose: "answerfile",
		Types:   []widgets.FileType{{Name: lang.L("Answer files"), Extensions: []string{".xml", ".yaml", ".yml", ".cfg", ""}}},
	}, check(model.CheckOpen))
	show := func(places []model.Place) {
		old := fields
		fields = map[string]*widgets.Entry{}
		list.RemoveAll()
		for _, p := range places {
			label := p.Key
			if !p.Known {
				label = lang.L("{{.Key}} (agreed with the fabric)", map[string]any{"Key": p.Key})
			}
			e := widgets.NewEntry(label, func(text string) string { return textOf(model.CheckPlace(p.Key, text)) })
			if before := old[p.Key]; before != nil {
				e.SetText(before.Text())
			}
			fields[p.Key] = e
			list.Add(e)
		}
		body.Refresh() // there is more, or less, of it
	}
	answerFile.Changed = func(string) { save.Disable() }
	answerFile.Chosen = func(path string) {
		away(w, func() ([]model.Place, error) { return model.ReadPlaces(path) }, func(places []model.Place, err error) {
			if path != answerFile.Text() {
				return
			}
			state.Set(widgets.Info, "", "")
			show(places)
			switch {
			case err != nil:
				answerFile.Complain(textOf(err))
			case len(places) == 0:
				state.Set(widgets.Info, "", lang.L("There are no substitution strings in this answer file: it needs no values."))
			default:
				save.Enable()
			}
		})
	}
	earlier = widgets.NewFileField(lang.L("Begin with the values of another file (optional)"), w.choose, widgets.Question{
		Purpose: "values", Types: []widgets.FileType{{Name: lang.L("Specialization values"), Extensions: []string{".fsk"}}},
	}, optional(model.CheckOpen))
	earlier.Chosen = func(path string) {
		if path == "" {
			return
		}
		away(w, func() (fsk.Values, error) { return model.ReadValues(path) }, func(v fsk.Values, err error) {
			if err != nil {
				earlier.Complain(textOf(err))
				return
			}
			for key, e := range fields {
				if value, ok := v.Get(key); ok {
					e.SetText(value)
				}
			}
		})
	}

	path := widgets.NewFileField(lang.L("Save as"), w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "values", Name: "vm.fsk",
		Types: []widgets.FileType{{Name: lang.L("Specialization values"), Extensions: []string{".fsk"}}},
	}, check(model.CheckSave))
	write := func(overwrite bool) {
		from, to, values := answerFile.Text(), path.Text(), map[string]string{}
		for key, e := range fields {
			values[key] = e.Text()
		}
		save.Disable()
		away(w, func() ([]string, error) { return model.SaveValues(from, to, values, overwrite) }, func(missing []string, err error) {
			save.Enable()
			switch {
			case err != nil:
				state.Tell(widgets.Bad, lang.L("The values were not saved"), textOf(err))
				return
			case len(missing) > 0:
				state.Tell(widgets.Warning, lang.L("The values are saved. Some are missing."),
					lang.L("The fabric has to supply these: {{.Keys}}", map[string]any{"Keys": strings.Join(missing, " ")}))
			default:
				state.Tell(widgets.Good, lang.L("The values are saved."), to)
			}
			w.remember(model.File{Path: to, Kind: model.Values})
		})
	}
	save = widgets.NewPrimaryButton(lang.L("Save"), theme.DocumentSaveIcon(), func() {
		right := path.Validate()
		for _, e := range fields {
			right = e.Validate() && right
		}
		switch {
		case !right:
		case model.SameFile(answerFile.Text(), path.Text()):
			path.Complain(lang.L("This is the answer file itself. Choose another name."))
		case model.Exists(path.Text()):
			w.askReplace(path.Text(), func() { write(true) })
		default:
			write(false)
		}
	})
	save.Disable()
	body = widgets.NewColumn(
		widgets.NewText(lang.L("Values take the place of the substitution strings of an answer file, such as @ComputerName@, for one virtual machine. The file is not encrypted: no password may stand in it.")),
		answerFile, earlier, widget.NewSeparator(), list, path, widgets.NewRow(save), state)
	return &page{
		content: widgets.NewPage(lang.L("Specialization values"), body),
		open: func(f model.File) bool {
			switch f.Kind {
			case model.AnswerFile:
				answerFile.SetPath(f.Path)
			case model.Values:
				earlier.SetPath(f.Path)
			default:
				return false
			}
			return true
		},
	}
}
