package gui

import (
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
)

// shieldingPage is the wizard that makes shielding data, and changes those that
// exist.
type shieldingPage struct {
	w      *Window
	model  model.ShieldingData
	wizard *widgets.Wizard

	arrived    *widgets.Notice // what was taken while another step is in view
	path       *widgets.FileField
	guardian   *widgets.FileField
	template   *widgets.FileField
	answerFile *widgets.FileField
	file       *widgets.FileField
	candidates model.Candidates

	showAccess, showTemplates, showFiles func() // what the model holds
	readStore                            func()
	forget                               []func() // passwords
}

func newShieldingPage(w *Window) *page {
	return shieldingWizard(w, model.NewShielding(), lang.L("Create shielding data"))
}

// editShielding opens the wizard for a file that exists, in place of the one
// that is open.
func editShielding(w *Window, e *model.Edited) {
	w.drop(placeShielding)
	w.put(placeShielding, shieldingWizard(w, model.Edit(e), lang.L("Change shielding data")))
	w.show(placeShielding)
}

func shieldingWizard(w *Window, m model.ShieldingData, title string) *page {
	s := &shieldingPage{w: w, model: m, arrived: widgets.NewNotice(widgets.Info, "", "")}
	s.wizard = widgets.NewWizard(title, s.fileStep(), s.ownerStep(), s.templatesStep(), s.filesStep(), s.reviewStep(), s.summaryStep())
	s.wizard.Cancelled = func() { w.leave(placeShielding) }
	s.wizard.Finished = func() { w.leave(placeShielding) }
	return &page{
		content:  s.wizard,
		typedKey: s.wizard.TypedKey,
		open:     s.open,
		shown:    s.readStore,
		progress: s.wizard.Progress,
		closed: func() {
			for _, forget := range s.forget {
				forget()
			}
			s.model = model.ShieldingData{}
		},
	}
}

// refresh has the wizard ask again whether its step is right. There is none yet
// while its steps are made.
func (s *shieldingPage) refresh() {
	if s.wizard != nil {
		s.wizard.Refresh()
	}
}

// The steps, in their order.
const (
	stepFile = iota
	stepOwner
	stepTemplates
	stepFiles
)

// open takes a file that was dropped, or comes from another page.
func (s *shieldingPage) open(f model.File) bool {
	done := s.model.Result != nil
	switch {
	case s.wizard.Progress.Busy():
		return false
	case f.Kind == model.Shielding:
		s.change(f)
		return true
	case done:
		return false
	case f.Kind == model.Guardian:
		s.guardian.SetPath(f.Path)
		s.arrive(stepOwner)
	case !s.model.ForTemplates():
		return false
	case f.Kind == model.VHDX || f.Kind == model.Catalog:
		s.template.SetPath(f.Path)
		s.arrive(stepTemplates)
	case f.Kind == model.AnswerFile:
		s.answerFile.SetPath(f.Path)
		s.arrive(stepFiles)
	default:
		return false
	}
	return true
}

// arrive says at which step a file is found that was just taken.
func (s *shieldingPage) arrive(step int) {
	if s.wizard.Current() == step {
		return
	}
	titles := map[int]string{
		stepOwner: lang.L("Owner and guardians"), stepTemplates: lang.L("Trusted templates"), stepFiles: lang.L("Specialization"),
	}
	s.arrived.Set(widgets.Info, "", lang.L("The file is taken. You find it at the step “{{.Step}}”.", map[string]any{"Step": titles[step]}))
}

// change opens shielding data to be changed. What was entered here is lost, for
// which it asks.
func (s *shieldingPage) change(f model.File) {
	away(s.w, func() (*model.Edited, error) {
		store, err := s.w.store()
		if err != nil {
			return nil, err
		}
		return model.OpenShielding(f.Path, store)
	}, func(e *model.Edited, err error) {
		switch {
		case err != nil:
			s.w.tell(lang.L("The file cannot be opened"), f.Path+"\n\n"+textOf(err))
		case e.Owner == "":
			s.w.openAt(placeInspect, f)
			s.w.tell(lang.L("Only their owner can change these shielding data"),
				lang.L("The keys of the owner are not among your guardians. Import them on the Guardians page if you have them. Until then, you can look at the file here."))
		case s.model.Result == nil && s.model.Begun():
			s.w.ask(lang.L("Open these shielding data?"), lang.L("What you have entered so far is lost."), lang.L("Open"), func() { editShielding(s.w, e) })
		default:
			editShielding(s.w, e)
		}
	})
}

var (
	kinds    = []pdk.Kind{pdk.Template, pdk.ExistingVM}
	policies = []pdk.Policy{pdk.Shielded, pdk.EncryptionSupported}
)

func kindName(k pdk.Kind) string {
	if k == pdk.ExistingVM {
		return lang.L("A virtual machine that exists")
	}
	return lang.L("New virtual machines, made from signed templates")
}

func policyTitle(p pdk.Policy) string {
	if p == pdk.EncryptionSupported {
		return lang.L("Encryption supported")
	}
	return lang.L("Shielded")
}

// policyTable says what each policy means.
func policyTable() *widgets.Table {
	return widgets.NewTable(
		[]string{"", policyTitle(pdk.Shielded), policyTitle(pdk.EncryptionSupported)},
		[]string{lang.L("Secure Boot, virtual TPM"), lang.L("required and enforced"), lang.L("required, can be configured")},
		[]string{lang.L("State and migration traffic are encrypted"), lang.L("required and enforced"), lang.L("required, can be configured")},
		[]string{lang.L("Console, keyboard and mouse for the operator"), lang.L("refused"), lang.L("allowed")},
		[]string{lang.L("Serial ports and debugger"), lang.L("refused"), lang.L("allowed")},
		[]string{lang.L("Exchange of data between host and guest"), lang.L("refused"), lang.L("allowed")},
		[]string{lang.L("Fits when"), lang.L("those who run the hosts must not get in"), lang.L("those who run the hosts are trusted, and disks must not be readable elsewhere")},
	)
}

func (s *shieldingPage) fileStep() *widgets.Step {
	s.path = widgets.NewFileField(lang.L("Save as"), s.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "shielding", Name: "vm.pdk",
		Types: []widgets.FileType{{Name: lang.L("Shielding data"), Extensions: []string{".pdk"}}},
	}, func(path string) string {
		if err := model.CheckSave(path); err != nil {
			return textOf(err)
		}
		return textOf(s.model.CheckPath())
	})
	s.path.Changed = func(text string) { s.model.Path = text; s.refresh() }

	var kind, policy []string
	for _, k := range kinds {
		kind = append(kind, kindName(k))
	}
	for _, p := range policies {
		policy = append(policy, policyTitle(p))
	}
	chosen := widgets.NewChoice(policy, func(i int) { s.model.Policy = policies[i]; s.refresh() })
	for i, p := range policies {
		if p == s.model.Policy {
			chosen.Select(i)
		}
	}
	step := &widgets.Step{Title: lang.L("File and policy"), Ready: func() bool { return s.model.FileReady() }}
	protection := widgets.NewPanel(widgets.NewGroup(widgets.NewField(lang.L("Policy"), chosen), policyTable()))
	if e := s.model.Edited; e != nil {
		s.path.SetText(e.Path)
		step.Content = widgets.NewColumn(s.arrived,
			widgets.NewText(lang.L("Leave the name as it is to change the file itself, or choose another and keep the old one.")), s.path,
			widgets.NewFacts(lang.L("Identifier"), e.Data.ID.String(), lang.L("For"), kindName(e.Data.Kind), lang.L("Owner"), e.Owner,
				lang.L("Signed at"), moment(e.Data.SignedAt)),
			protection)
		return step
	}
	purpose := widgets.NewChoice(kind, func(i int) { s.model.Kind = kinds[i]; s.refresh() })
	existing := widgets.NewButton(lang.L("Change shielding data that exist…"), theme.FolderOpenIcon(), func() {
		s.w.choose(widgets.Question{
			Title: lang.L("Shielding data"), Purpose: "shielding",
			Types: []widgets.FileType{{Name: lang.L("Shielding data"), Extensions: []string{".pdk"}}},
		}, func(path string) {
			if path != "" {
				s.change(model.File{Path: path, Kind: model.Shielding})
			}
		})
	})
	step.Content = widgets.NewColumn(s.arrived,
		widgets.NewText(lang.L("Shielding data tell a fabric which templates may become your virtual machine, and give it your secrets, which open only where you allow it.")),
		s.path, widgets.NewField(lang.L("For"), purpose), protection, widgets.NewRow(existing))
	return step
}
