package gui

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/widgets"
)

// tell shows a message that the user has to acknowledge.
func (w *Window) tell(heading, text string) {
	w.popUp(heading, text, lang.L("Close"), nil, "")
}

// ask asks a question to which yes has the given name.
func (w *Window) ask(heading, text, yes string, then func()) {
	w.popUp(heading, text, yes, then, lang.L("Cancel"))
}

// askReplace asks before a file is replaced.
func (w *Window) askReplace(path string, then func()) {
	w.ask(lang.L("Replace the file?"), lang.L("{{.Path}} exists already.", map[string]any{"Path": path}), lang.L("Replace"), then)
}

// popUp shows a text with one button or two. Escape is the second, or the only
// one; Enter is the one that has the focus, from the beginning the second: what
// was not meant should not happen.
func (w *Window) popUp(heading, text, yes string, then func(), no string) {
	var d *dialog.CustomDialog
	last := widgets.NewPrimaryButton(yes, nil, func() {
		d.Hide()
		if then != nil {
			then()
		}
	})
	buttons := []fyne.CanvasObject{last}
	if no != "" {
		last = widgets.NewButton(no, nil, func() { d.Hide() })
		buttons = []fyne.CanvasObject{last, buttons[0]}
	}
	d = dialog.NewCustomWithoutButtons(heading, container.NewVBox(widgets.NewText(text)), w.window)
	d.SetButtons(buttons)
	d.Resize(fyne.NewSize(min(520, w.window.Canvas().Size().Width-40), 0))
	d.Show()
	w.dialogs = append(w.dialogs, d)
	d.SetOnClosed(func() {
		w.dialogs = slices.DeleteFunc(w.dialogs, func(other dialog.Dialog) bool { return other == d })
	})
	w.window.Canvas().Focus(last)
}

// typedKey is told the keys that no field has a use for.
func (w *Window) typedKey(key *fyne.KeyEvent) {
	if len(w.dialogs) > 0 {
		if key.Name == fyne.KeyEscape {
			w.dialogs[len(w.dialogs)-1].Hide()
		}
		return
	}
	if w.window.Canvas().Overlays().Top() != nil {
		return // of Fyne, such as its file dialog
	}
	switch p := w.pages[w.current]; {
	case p == nil:
	case key.Name == fyne.KeyPageDown || key.Name == fyne.KeyPageUp:
		widgets.ScrollPage(p.content, key.Name == fyne.KeyPageDown)
	case p.typedKey != nil:
		p.typedKey(key)
	}
}
