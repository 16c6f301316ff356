package gui

import (
	"fmt"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/signing"
)

var rules = []pdk.Rule{pdk.Equals, pdk.Greater, pdk.GreaterOrEqual}

func ruleName(r pdk.Rule) string {
	switch r {
	case pdk.Greater:
		return lang.L("later versions only")
	case pdk.GreaterOrEqual:
		return lang.L("this version and later ones")
	}
	return lang.L("this version only")
}

// templatesStep asks which signed templates may be used.
func (s *shieldingPage) templatesStep() *widgets.Step {
	list := widgets.NewGroup()
	s.template = widgets.NewFileField(lang.L("Add a template (catalog or signed disk)"), s.w.choose, widgets.Question{
		Purpose: "disk",
		Types:   []widgets.FileType{{Name: lang.L("Signed disks and catalogs"), Extensions: []string{".vhdx", ".vsc"}}},
	}, optional(model.CheckOpen))
	s.template.Chosen = func(path string) {
		if path == "" {
			return
		}
		away(s.w, func() (model.Trusted, error) { return model.OpenTemplate(path) }, func(t model.Trusted, err error) {
			if err == nil {
				err = s.model.AddTemplate(t)
			}
			if err != nil {
				s.complain(stepTemplates, s.template, path, err)
				return
			}
			s.template.SetPath("")
			s.showTemplates()
		})
	}
	s.showTemplates = func() {
		list.RemoveAll()
		for i, t := range s.model.Templates {
			list.Add(s.templatePanel(i, t))
		}
		list.Refresh()
		s.refresh()
	}
	return &widgets.Step{
		Title: lang.L("Trusted templates"),
		Content: widgets.NewColumn(
			widgets.NewText(lang.L("A template is accepted by its name, who signed it, and its version. Compare the thumbprint of the signer with what you expect: it is what you trust.")),
			s.template, list),
		Enter: func() { s.showTemplates() },
		Ready: func() bool { return s.model.TemplatesReady() },
		Skip:  func() bool { return !s.model.ForTemplates() },
	}
}

// templatePanel shows a template, with the rule for its versions.
func (s *shieldingPage) templatePanel(i int, t model.Trusted) fyne.CanvasObject {
	var texts []string
	for _, r := range rules {
		texts = append(texts, ruleName(r))
	}
	rule := widgets.NewSelect(texts, nil)
	rule.SetSelectedIndex(slices.Index(rules, t.Rule))
	pin := widgets.NewCheck(lang.L("Only this very catalog"), nil)
	show := func() {
		t := s.model.Templates[i]
		pin.SetChecked(t.Pin && t.CanPin())
		if t.CanPin() {
			pin.Enable()
		} else {
			pin.Disable()
		}
	}
	show()
	rule.OnChanged = func(string) {
		s.model.Templates[i].Rule = rules[rule.SelectedIndex()]
		show()
		s.refresh()
	}
	pin.OnChanged = func(on bool) {
		s.model.Templates[i].Pin = on
		s.refresh()
	}
	remove := widgets.NewButton(lang.L("Remove"), theme.DeleteIcon(), func() {
		s.model.RemoveTemplate(i)
		s.template.SetPath("") // what was said of it may be true no longer
		s.showTemplates()
	})
	return widgets.NewPanel(widgets.NewGroup(
		container.NewBorder(nil, nil, nil, remove, widgets.NewSubheading(fmt.Sprintf("%s %s", t.Name, t.Version))),
		widgets.NewFacts(
			lang.L("Signed by"), t.Signer.Subject.String(),
			lang.L("SHA-256 thumbprint"), signing.Thumbprint(t.Signer),
			lang.L("File"), t.Path),
		widgets.NewPair(widgets.NewField(lang.L("Accepted"), rule), widgets.NewField(" ", pin))))
}

// complain says what is wrong with a file: beside its field, or before the whole
// window when that is not in view.
func (s *shieldingPage) complain(step int, f *widgets.FileField, path string, err error) {
	if s.wizard.Current() == step {
		f.Complain(textOf(err))
		return
	}
	f.SetPath("")
	s.arrived.Set(widgets.Info, "", "")
	s.w.tell(lang.L("This file cannot be used here"), path+"\n\n"+textOf(err))
}

// optional makes a validation accept an empty field.
func optional(f func(string) error) func(string) string {
	return func(text string) string {
		if text == "" {
			return ""
		}
		return textOf(f(text))
	}
}
