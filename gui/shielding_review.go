package gui

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
)

func (s *shieldingPage) reviewStep() *widgets.Step {
	facts := widgets.NewFacts()
	notice, revoked := widgets.NewNotice(widgets.Info, "", ""), widgets.NewNotice(widgets.Warning, "", "")
	step := &widgets.Step{
		Title:   lang.L("Review"),
		Content: widgets.NewColumn(notice, revoked, facts),
		Enter: func() {
			facts.Set(s.facts()...)
			revokedNotice(revoked, s.model.Revoked())
			notice.Set(widgets.Info, "", "")
			switch err := s.model.CheckPath(); {
			case err != nil:
				notice.Set(widgets.Bad, s.model.Path, textOf(err))
			case !s.model.Changed():
				notice.Set(widgets.Info, "", lang.L("Nothing is different yet. Go back to change something, or cancel."))
			}
		},
		Action:  lang.L("Create"),
		Failed:  lang.L("The shielding data were not made."),
		Ready:   func() bool { return s.model.Ready() },
		Confirm: s.confirm,
		Work: func() widgets.Job {
			return widgets.Job(s.model.Job(model.Exists(s.model.Path), func(d *pdk.ShieldingData) { s.model.Result = d }))
		},
	}
	if s.model.Edited != nil {
		step.Action, step.Failed = lang.L("Save"), lang.L("The shielding data were not changed.")
	}
	return step
}

// confirm asks before a file is replaced.
func (s *shieldingPage) confirm(then func()) {
	switch {
	case s.model.InPlace():
		s.w.ask(lang.L("Change the file itself?"), lang.L("{{.Path}} is replaced by the changed shielding data.", map[string]any{"Path": s.model.Path}),
			lang.L("Change it"), then)
	case model.Exists(s.model.Path):
		s.w.askReplace(s.model.Path, then)
	default:
		then()
	}
}

// facts are what will be in the file.
func (s *shieldingPage) facts() []string {
	m := &s.model
	owner := ""
	if m.Owner != nil {
		owner = m.Owner.Name
	}
	all := []string{
		lang.L("File"), m.Path,
		lang.L("For"), kindName(m.Kind),
		lang.L("Policy"), policyTitle(m.Policy),
		lang.L("Owner"), owner,
		lang.L("Guardians"), names(m.Remaining()),
	}
	if !m.ForTemplates() {
		return all
	}
	var templates, files []string
	for _, t := range m.Templates {
		text := fmt.Sprintf("%s %s, %s", t.Name, t.Version, ruleName(t.Rule))
		if t.Pin && t.CanPin() {
			text += ", " + lang.L("pinned")
		}
		templates = append(templates, text)
	}
	for _, f := range m.Files {
		files = append(files, secretText(f))
	}
	answer := ""
	if m.AnswerFile != nil {
		answer = secretText(*m.AnswerFile)
	}
	return append(all,
		lang.L("Trusted templates"), strings.Join(templates, "\n"),
		lang.L("Answer file"), answer,
		lang.L("Other files"), strings.Join(files, "\n"),
		lang.L("Size"), lang.L("{{.Total}} of {{.Most}}", map[string]any{"Total": widgets.Size(int64(m.Total())), "Most": widgets.Size(pdk.MaxFiles)}))
}

func (s *shieldingPage) summaryStep() *widgets.Step {
	facts := widgets.NewFacts()
	card := widgets.NewCertificate(nil)
	values := widgets.NewButton(lang.L("Make specialization values"), theme.DocumentCreateIcon(), func() {
		if a := s.model.AnswerFile; a != nil {
			s.w.openAt(placeSpecialization, model.File{Path: a.Path, Kind: model.AnswerFile})
		}
	})
	done := lang.L("The shielding data are made.")
	if s.model.Edited != nil {
		done = lang.L("The shielding data are changed.")
	}
	return &widgets.Step{
		Title: lang.L("Summary"),
		Content: widgets.NewColumn(
			widgets.NewNotice(widgets.Good, done, ""), facts,
			widgets.NewRow(widgets.NewButton(lang.L("Open the folder"), theme.FolderOpenIcon(), s.openFolder), values),
			card),
		Enter: func() {
			d := s.model.Result
			facts.Set(
				lang.L("File"), s.model.Path,
				lang.L("Identifier"), d.ID.String(),
				lang.L("For"), kindName(d.Kind),
				lang.L("Policy"), policyTitle(d.Policy),
				lang.L("Signed at"), moment(d.SignedAt),
				lang.L("Who can open it"), strings.Join(model.WhoOpens(d, s.model.Access, s.model.Owner.Name), "\n"),
			)
			card.Set(d.Signer)
			if a := s.model.AnswerFile; a == nil || a.Path == "" {
				values.Hide()
			}
			s.model.Owner = nil // its keys have served
			s.w.remember(model.File{Path: s.model.Path, Kind: model.Shielding})
		},
	}
}

// openFolder shows the folder of the file with the programs of the system.
func (s *shieldingPage) openFolder() {
	folder, err := filepath.Abs(filepath.Dir(s.model.Path))
	if err == nil {
		var address *url.URL
		if address, err = url.Parse(storage.NewFileURI(folder).String()); err == nil {
			err = s.w.app.OpenURL(address)
		}
	}
	if err != nil {
		s.w.tell(lang.L("The folder cannot be opened"), folder+"\n\n"+err.Error())
	}
}
