package gui

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
)

// linuxFields are those for Linux alone.
type linuxFields struct {
	page          *answerPage
	users         []*userFields
	list          *fyne.Container
	passwordLogin *widgets.Check
}

// userFields are those of one account.
type userFields struct {
	name, keys, password, again *widgets.Entry
	admin                       *widgets.Check
	panel                       fyne.CanvasObject
}

func (a *answerPage) linuxForm() *fyne.Container {
	f := &a.linux
	f.page, f.list = a, widgets.NewGroup()
	f.passwordLogin = widgets.NewCheck(lang.L("Let users log on over SSH with their passwords, not with keys alone"), func(bool) { a.changed() })
	add := widgets.NewButton(lang.L("Add a user"), theme.ContentAddIcon(), f.add)
	f.add()
	return widgets.NewGroup(widgets.NewSubheading(lang.L("Users")), f.list, widgets.NewRow(add), f.passwordLogin)
}

// add adds fields for one more user.
func (f *linuxFields) add() {
	a := f.page
	u := &userFields{}
	u.name = a.noted(widgets.NewEntry(lang.L("Name of the user"), check(model.CheckUser)))
	u.keys = a.noted(widgets.NewTextArea(lang.L("Public SSH keys, one a line"), 2, check(model.CheckSSHKeys)))
	u.keys.SetHint("ssh-ed25519 AAAA…")
	u.password = a.noted(widgets.NewPasswordEntry(lang.L("Password of the user"), func(text string) string {
		return textOf(model.CheckUserPassword(text, len(model.Lines(u.keys.Text())) > 0))
	}))
	u.again = widgets.NewPasswordEntry(lang.L("Password of the user, once more"), func(text string) string {
		return textOf(model.CheckRepeated(u.password.Text(), text))
	})
	u.admin = widgets.NewCheck(lang.L("May do everything with sudo"), func(bool) { a.changed() })
	file := widgets.NewButton(lang.L("Keys from a file…"), theme.FolderOpenIcon(), func() {
		a.w.choose(widgets.Question{Purpose: "ssh", Title: lang.L("Public SSH keys"),
			Types: []widgets.FileType{{Name: lang.L("Public SSH keys"), Extensions: []string{".pub"}}}}, func(path string) {
			if path != "" {
				u.load(a.w, path)
			}
		})
	})
	remove := widgets.NewButton(lang.L("Remove the user"), theme.DeleteIcon(), func() { f.remove(u) })
	u.panel = widgets.NewPanel(widgets.NewMargin(8, 8, widgets.NewGroup(
		u.name, u.keys, widgets.NewRow(file), widgets.NewPair(u.password, u.again), u.admin, widgets.NewRow(remove))))
	f.users = append(f.users, u)
	f.list.Add(u.panel)
	a.changed()
}

func (f *linuxFields) remove(u *userFields) {
	u.forget()
	f.users = slices.DeleteFunc(f.users, func(other *userFields) bool { return other == u })
	f.list.Remove(u.panel)
	if len(f.users) == 0 {
		f.add()
	}
	f.page.changed()
}

// load adds the keys in a file to those of the user.
func (u *userFields) load(w *Window, path string) {
	away(w, func() ([]string, error) { return model.ReadSSHKeys(path) }, func(keys []string, err error) {
		if err != nil {
			u.keys.Complain(textOf(err))
			return
		}
		u.keys.SetText(strings.Join(append(model.Lines(u.keys.Text()), keys...), "\n"))
		u.keys.Validate()
	})
}

func (u *userFields) forget() {
	u.password.Clear()
	u.again.Clear()
}

func (f *linuxFields) collect(a *model.Answer) {
	for _, u := range f.users {
		a.Users = append(a.Users, model.Account{
			Name: u.name.Text(), Keys: model.Lines(u.keys.Text()), Password: u.password.Text() != "", Admin: u.admin.Checked,
		})
	}
	a.PasswordLogin = f.passwordLogin.Checked
}

func (f *linuxFields) passwords() []string {
	var all []string
	for _, u := range f.users {
		all = append(all, u.password.Text())
	}
	return all
}

func (f *linuxFields) fields() []*widgets.Entry {
	var all []*widgets.Entry
	for _, u := range f.users {
		all = append(all, u.name, u.keys, u.password, u.again)
	}
	return all
}

func (f *linuxFields) forget() {
	for _, u := range f.users {
		u.forget()
	}
}
