package gui

import (
	"fmt"

	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
)

// filesStep asks for the answer file and the other files.
func (s *shieldingPage) filesStep() *widgets.Step {
	answer := widgets.NewFacts()
	list := container.NewVBox()
	total := widget.NewProgressBar()
	total.Max = pdk.MaxFiles
	total.TextFormatter = func() string { return "" } // it could not be read on every colour
	sum := widgets.NewText("")
	over := widgets.NewNotice(widgets.Bad, "", "")

	s.answerFile = widgets.NewFileField(lang.L("Answer file"), s.w.choose, widgets.Question{
		Purpose: "answerfile",
		Types:   []widgets.FileType{{Name: lang.L("Answer files"), Extensions: []string{".xml", ".yaml", ".yml", ".cfg", ""}}},
	}, optional(model.CheckOpen))
	s.answerFile.Changed = func(string) {
		s.model.DropAnswerFile()
		s.showFiles()
	}
	s.answerFile.Chosen = func(path string) {
		if path == "" {
			return
		}
		away(s.w, func() (model.Secret, error) { return model.OpenAnswerFile(path) }, func(f model.Secret, err error) {
			if path != s.answerFile.Text() {
				return
			}
			if err == nil {
				err = s.model.SetAnswerFile(f)
			}
			if err != nil {
				s.complain(stepFiles, s.answerFile, path, err)
				return
			}
			s.showFiles()
		})
	}
	build := widgets.NewButton(lang.L("Make an answer file"), theme.DocumentCreateIcon(), func() { s.w.show(placeAnswer) })

	s.file = widgets.NewFileField(lang.L("Add a file"), s.w.choose, widgets.Question{Purpose: "files"}, optional(model.CheckOpen))
	s.file.Chosen = func(path string) {
		if path == "" {
			return
		}
		away(s.w, func() (model.Secret, error) { return model.OpenSecret(path) }, func(f model.Secret, err error) {
			if err == nil {
				err = s.model.AddFile(f)
			}
			if err != nil {
				s.complain(stepFiles, s.file, path, err)
				return
			}
			s.file.SetPath("")
			s.showFiles()
		})
	}
	s.showFiles = func() {
		answer.Set()
		if f := s.model.AnswerFile; f != nil && f.Path == "" {
			answer.Set(lang.L("Answer file"), secretText(*f))
		}
		list.RemoveAll()
		for i, f := range s.model.Files {
			remove := widgets.NewButton(lang.L("Remove"), theme.DeleteIcon(), func() {
				s.model.RemoveFile(i)
				s.file.SetPath("") // what was said of it may be true no longer
				s.showFiles()
			})
			list.Add(container.NewBorder(nil, nil, nil, remove, widgets.NewText(secretText(f))))
		}
		total.SetValue(min(float64(s.model.Total()), pdk.MaxFiles))
		sum.SetText(lang.L("{{.Total}} of {{.Most}}", map[string]any{"Total": widgets.Size(int64(s.model.Total())), "Most": widgets.Size(pdk.MaxFiles)}))
		over.Set(widgets.Bad, "", "")
		if n := s.model.Total(); n > pdk.MaxFiles {
			over.Tell(widgets.Bad, lang.L("The files are too much for shielding data"),
				lang.L("Together they are {{.Over}} over the limit of {{.Most}}. Remove some, or make them smaller.",
					map[string]any{"Over": widgets.Size(int64(n - pdk.MaxFiles)), "Most": widgets.Size(pdk.MaxFiles)}))
		}
		s.refresh()
	}
	return &widgets.Step{
		Title: lang.L("Specialization"),
		Content: widgets.NewColumn(
			widgets.NewText(lang.L("The answer file sets up the new virtual machine: its name, passwords, domain. Nobody reads it but you and the guardians whom you chose.")),
			answer, s.answerFile, widgets.NewRow(build),
			widget.NewSeparator(),
			widgets.NewSubheading(lang.L("Other files")),
			widgets.NewText(lang.L("They are put into the virtual machine too, such as a certificate for Remote Desktop.")),
			list, s.file,
			widgets.NewField(lang.L("Answer file and other files together"), sum), total, over),
		Enter: func() { s.showFiles() },
		Ready: func() bool { return s.model.FilesReady() },
		Skip:  func() bool { return !s.model.ForTemplates() },
	}
}

// secretText says what a file is and where it comes from.
func secretText(f model.Secret) string {
	from := f.Path
	if from == "" {
		from = lang.L("stays as it is")
	}
	return fmt.Sprintf("%s · %s · %s", f.Name, widgets.Size(int64(f.Size)), from)
}
