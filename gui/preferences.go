package gui

import (
	"path/filepath"
	"slices"

	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// What the app remembers. Nothing of it is secret.
const (
	prefTheme    = "theme"    // "", "light" or "dark"
	prefLanguage = "language" // "" or a code of translation.Languages
	prefStore    = "store"    // folder of guardians; "": the usual one
	prefRecent   = "recent"   // paths, latest first
	prefFolder   = "folder."  // before the purpose of a file
)

const maxRecent = 8

// remember puts a file at the head of the recent ones.
func (w *Window) remember(f model.File) {
	path, err := filepath.Abs(f.Path)
	if err != nil {
		path = f.Path
	}
	list := slices.DeleteFunc(w.recent(), func(other string) bool { return other == path })
	list = append([]string{path}, list...)
	w.app.Preferences().SetStringList(prefRecent, list[:min(len(list), maxRecent)])
}

func (w *Window) recent() []string { return w.app.Preferences().StringList(prefRecent) }

// remembering makes the choice of files begin in the folder where the last one
// for the same purpose was.
func (w *Window) remembering(choose widgets.Choose) widgets.Choose {
	return func(q widgets.Question, answer func(string)) {
		key := prefFolder + q.Purpose
		if q.Folder == "" {
			q.Folder = w.app.Preferences().String(key)
		}
		choose(q, func(path string) {
			if path != "" {
				folder := path
				if q.Want != widgets.Folder {
					folder = filepath.Dir(path)
				}
				w.app.Preferences().SetString(key, folder)
			}
			answer(path)
		})
	}
}

// applyTheme gives the app Fyne's own theme, in the variant of the settings.
func (w *Window) applyTheme() {
	w.app.Settings().SetTheme(look{theme.DefaultTheme(), w.app.Preferences().String(prefTheme)})
}

// store opens the guardians.
func (w *Window) store() (*guardian.Store, error) {
	return model.OpenStore(w.app.Preferences().String(prefStore))
}
