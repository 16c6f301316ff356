package gui

import (
	"fmt"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
)

// answerPage has the form of an answer file, with what comes of it beside.
type answerPage struct {
	w       *Window
	area    *fyne.Container // the form, or what is told of a file that was opened
	beside  *widgets.Beside
	form    fyne.CanvasObject
	preview *answerPreview
	later   later
	drawn   int // counts previews, so that an old one does not take the place of a new one

	system                 *widgets.Choice
	common                 commonFields
	windows                windowsFields
	linux                  linuxFields
	windowsPart, linuxPart *fyne.Container
	adapters               *adapterFields

	to, network *widgets.FileField
	done        *widgets.Notice
	shield      *widgets.Button
	saved       string // path of the file that was saved or opened
}

func newAnswerPage(w *Window) *page {
	a := &answerPage{w: w, area: container.NewStack(), later: later{w: w}}
	a.preview = newAnswerPreview()
	a.form = a.makeForm()
	a.area.Objects = []fyne.CanvasObject{a.form}
	a.beside = widgets.NewBeside(lang.L("Settings of the machine"), a.area, lang.L("The file"), a.preview.content)
	return &page{
		content: container.NewBorder(widgets.NewMargin(24, 12, widgets.NewGroup(widgets.NewHeading(lang.L("Answer file")))), nil, nil, nil, a.beside),
		shown: func() {
			if a.preview.made == nil {
				a.later.do(a.refresh)
			}
		},
		open:   a.open,
		closed: a.forget,
		typedKey: func(key *fyne.KeyEvent) {
			if key.Name == fyne.KeyEscape {
				w.leave(placeAnswer)
			}
		},
	}
}

// makeForm makes the form, with the groups of both systems.
func (a *answerPage) makeForm() fyne.CanvasObject {
	open := widgets.NewButton(lang.L("Open an answer file…"), theme.FolderOpenIcon(), func() {
		a.w.choose(widgets.Question{Purpose: "answerfile", Title: lang.L("Answer file"), Types: answerTypes()}, func(path string) {
			if path != "" {
				a.open(model.File{Path: path, Kind: model.AnswerFile})
			}
		})
	})
	a.system = widgets.NewChoice([]string{lang.L("Windows (unattend.xml)"), lang.L("Linux (cloud-init)")}, func(int) { a.arrange() })
	a.adapters = newAdapterFields(a.changed)
	common := a.commonForm()
	a.windowsPart = a.windowsForm()
	a.linuxPart = a.linuxForm()
	commands := a.commands()
	a.to = widgets.NewFileField(lang.L("Save as"), a.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "answerfile", Name: "unattend.xml", Types: answerTypes(),
	}, check(model.CheckSave))
	a.network = widgets.NewFileField(lang.L("Save the set-up of the network as"), a.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "answerfile", Name: "network-config",
	}, check(model.CheckSave))
	a.done = widgets.NewNotice(widgets.Good, "", "")
	a.shield = widgets.NewButton(lang.L("Create shielding data with it"), iconShield, func() {
		a.w.openAt(placeShielding, model.File{Path: a.saved, Kind: model.AnswerFile})
	})
	save := widgets.NewPrimaryButton(lang.L("Save"), theme.DocumentSaveIcon(), a.save)
	a.shield.Hide()
	a.arrange()
	return scrolled(
		widgets.NewText(lang.L("An answer file sets up a new virtual machine at its first start. Substitution strings, as @ComputerName@, get a value for each machine.")),
		widgets.NewRow(open), a.system, common, a.windowsPart, a.linuxPart, a.adapters.content, commands,
		widgets.NewNotice(widgets.Info, "", lang.L("The file holds passwords, which whoever has it can read. The place for it is shielding data.")),
		a.to, a.network, widgets.NewRow(save, a.shield), a.done)
}

func scrolled(objects ...fyne.CanvasObject) fyne.CanvasObject {
	return container.NewVScroll(widgets.NewMargin(24, 8, widgets.NewColumn(objects...)))
}

func answerTypes() []widgets.FileType {
	return []widgets.FileType{{Name: lang.L("Answer files"), Extensions: []string{".xml", ".yaml", ".yml"}}}
}

func (a *answerPage) isLinux() bool { return a.system.Selected() == 1 }

// arrange shows the groups of the system that is chosen.
func (a *answerPage) arrange() {
	linux := a.isLinux()
	visible(a.windowsPart, !linux)
	visible(a.linuxPart, linux)
	visible(a.network, linux && len(a.adapters.all) > 0)
	for _, f := range []*widgets.Entry{a.common.name, a.common.locale, a.common.commands} {
		f.Complain("") // it was for the other system
	}
	a.changed()
}

// changed has the file shown anew, once the user pauses.
func (a *answerPage) changed() {
	if a.shield == nil { // the form is being made
		return
	}
	visible(a.network, a.isLinux() && len(a.adapters.all) > 0)
	a.shield.Hide()
	a.done.Set(widgets.Good, "", "")
	a.later.do(a.refresh)
}

// refresh shows the file as it is now, made away from Fyne's goroutine.
func (a *answerPage) refresh() {
	answer := a.collect()
	a.drawn++
	number := a.drawn
	away(a.w, answer.Preview, func(made *model.MadeAnswer, err error) {
		if number == a.drawn {
			a.preview.show(made, err)
		}
	})
}

// collect reads the form, but for the passwords.
func (a *answerPage) collect() model.Answer {
	answer := model.Answer{
		Linux: a.isLinux(), Name: a.common.name.Text(), TimeZone: a.common.timeZone.Text(), Locale: a.common.locale.Text(),
		Adapters: a.adapters.collect(), Commands: model.Lines(a.common.commands.Text()), ShutDown: a.common.shutDown.Checked,
	}
	if answer.Linux {
		a.linux.collect(&answer)
	} else {
		a.windows.collect(&answer)
	}
	return answer
}

// fields are those that have to be right.
func (a *answerPage) fields() []*widgets.Entry {
	all := []*widgets.Entry{a.common.name, a.common.locale}
	if a.isLinux() {
		all = append(all, a.linux.fields()...)
	} else {
		all = append(all, a.windows.fields()...)
	}
	all = append(all, a.adapters.fields()...)
	all = append(all, a.common.commands, &a.to.Entry)
	if a.network.Visible() {
		all = append(all, &a.network.Entry)
	}
	return all
}

func (a *answerPage) save() {
	switch path, network := a.to.Text(), a.network.Text(); {
	case !validateAll(a.fields()...):
		a.done.Tell(widgets.Bad, lang.L("Not everything is right yet. Look at the fields above."), "")
	case a.network.Visible() && model.SameFile(path, network):
		a.network.Complain(lang.L("Both files have this name. Choose another one."))
	case a.network.Visible():
		a.unlessThere(path, false, func(one bool) {
			a.unlessThere(network, one, a.write)
		})
	default:
		a.unlessThere(path, false, a.write)
	}
}

// unlessThere calls then with whether a file is to be replaced, after asking for
// this one.
func (a *answerPage) unlessThere(path string, other bool, then func(replace bool)) {
	if model.Exists(path) {
		a.w.askReplace(path, func() { then(true) })
		return
	}
	then(other)
}

func (a *answerPage) write(overwrite bool) {
	answer, path, network := a.collect(), a.to.Text(), a.network.Text()
	passwords := model.Passwords{Administrator: a.windows.password.Text(), Domain: a.windows.domainPassword.Text(), RDP: a.windows.rdpPassword.Text()}
	passwords.Users = a.linux.passwords()
	away(a.w, func() (*model.MadeAnswer, error) {
		made, err := answer.Make(passwords)
		if err != nil {
			return nil, err
		}
		defer clear(made.File)
		return made, made.Save(path, network, overwrite)
	}, func(made *model.MadeAnswer, err error) {
		if err != nil {
			a.done.Tell(widgets.Bad, lang.L("The answer file was not saved"), err.Error())
			return
		}
		a.later.drop()
		a.forgetPasswords()
		a.later.drop()
		text := ""
		if len(made.Files) > 0 {
			text = lang.L("Add the files that it wants to the shielding data as well: {{.Files}}.", map[string]any{"Files": strings.Join(made.Files, ", ")})
		}
		a.done.Tell(widgets.Good, lang.L("The answer file is saved. Its passwords are forgotten here."), text)
		a.saved = path
		a.shield.Show()
		a.w.remember(model.File{Path: path, Kind: model.AnswerFile})
	})
}

func (a *answerPage) forgetPasswords() {
	a.windows.forget()
	a.linux.forget()
}

func (a *answerPage) forget() {
	a.forgetPasswords()
	a.later.drop()
}

// open shows an answer file that exists, or takes a certificate or key for the
// form.
func (a *answerPage) open(f model.File) bool {
	switch {
	case f.Kind == model.KeyFile && !a.isLinux():
		a.windows.rdp.SetChecked(true)
		a.windows.rdpFile.SetPath(f.Path)
		return true
	case f.Kind != model.AnswerFile:
		return false
	}
	away(a.w, func() (*model.MadeAnswer, error) { return model.ReadAnswer(f.Path) }, func(made *model.MadeAnswer, err error) {
		a.later.drop()
		a.drawn++
		a.saved = f.Path
		a.preview.show(made, err)
		objects := []fyne.CanvasObject{widgets.NewSubheading(filepath.Base(f.Path)), widgets.NewFacts(lang.L("Folder"), filepath.Dir(f.Path))}
		if err != nil {
			objects = append(objects, widgets.NewNotice(widgets.Bad, lang.L("The answer file cannot be read"), textOf(err)))
		} else {
			objects = append(objects, placesFacts(made)...)
		}
		back := widgets.NewButton(lang.L("Make a new answer file"), theme.ContentAddIcon(), func() {
			a.area.Objects = []fyne.CanvasObject{a.form}
			a.area.Refresh()
			a.refresh()
		})
		shield := widgets.NewButton(lang.L("Create shielding data with it"), iconShield, func() { a.w.openAt(placeShielding, f) })
		objects = append(objects, widgets.NewRow(back, shield))
		a.area.Objects = []fyne.CanvasObject{scrolled(objects...)}
		a.area.Refresh()
		a.beside.Select(0)
	})
	return true
}

// placesFacts tell of the substitution strings of an answer file.
func placesFacts(made *model.MadeAnswer) []fyne.CanvasObject {
	if len(made.Places) == 0 {
		return []fyne.CanvasObject{widgets.NewText(lang.L("There are no substitution strings in the file."))}
	}
	var pairs []string
	for _, p := range made.Places {
		who := lang.L("the fabric supplies it")
		if !model.Supplied(p.Key) {
			who = lang.L("as agreed with the fabric, else it stays as it is")
		}
		pairs = append(pairs, lang.L("Line {{.Number}}", map[string]any{"Number": p.Line}), fmt.Sprintf("%s: %s", p.Key, who))
	}
	return []fyne.CanvasObject{widgets.NewSubheading(lang.L("Substitution strings")), widgets.NewFacts(pairs...)}
}
