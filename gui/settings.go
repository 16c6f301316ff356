package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/translation"
	"github.com/scutum-project/scutum/gui/widgets"
)

// newSettingsPage makes the page of theme, language and folders.
func newSettingsPage(w *Window) *page {
	prefs := w.app.Preferences()
	variants := []string{"", "light", "dark"}
	themes := widgets.NewSelect([]string{lang.L("As the system"), lang.L("Light"), lang.L("Dark")}, nil)
	for i, v := range variants {
		if v == prefs.String(prefTheme) {
			themes.SetSelectedIndex(i)
		}
	}
	themes.OnChanged = func(string) {
		prefs.SetString(prefTheme, variants[themes.SelectedIndex()])
		w.applyTheme()
	}

	names := []string{lang.L("As the system")}
	codes := []string{""}
	for _, l := range translation.Languages {
		names, codes = append(names, l.Name), append(codes, l.Code)
	}
	languages := widgets.NewSelect(names, nil)
	for i, c := range codes {
		if c == prefs.String(prefLanguage) {
			languages.SetSelectedIndex(i)
		}
	}
	languages.OnChanged = func(string) { w.setLanguage(codes[languages.SelectedIndex()]) }

	store := widgets.NewFileField(lang.L("Folder of the guardians"), w.choose, widgets.Question{Want: widgets.Folder, Purpose: "store"}, func(path string) string {
		if path == "" {
			return ""
		}
		return textOf(model.CheckFolder(path))
	})
	store.SetText(prefs.String(prefStore))
	store.SetHint(lang.L("The usual one, which the command line uses too"))
	store.Chosen = func(path string) {
		prefs.SetString(prefStore, path)
		w.drop(placeGuardians)
	}
	clear := widgets.NewButton(lang.L("Forget the recent files"), nil, func() { prefs.RemoveValue(prefRecent) })
	version := widget.NewLabel("Scutum " + w.version)
	version.Importance = widget.LowImportance
	return &page{content: widgets.NewPage(lang.L("Settings"), widgets.NewColumn(
		widgets.NewField(lang.L("Theme"), themes),
		widgets.NewField(lang.L("Language"), languages),
		store,
		widgets.NewRow(clear),
		version,
	)), typedKey: func(*fyne.KeyEvent) {}}
}
