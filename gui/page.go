package gui

import (
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
)

// A page fills the window beside the navigation. It is made when it is first
// gone to, and stays as it is until it is closed.
type page struct {
	content fyne.CanvasObject

	// All of these may be nil.
	typedKey func(*fyne.KeyEvent)    // a key that no field has a use for
	open     func(f model.File) bool // a file for this page; false: it has no use for it
	single   bool                    // it shows one file at a time
	shown    func()                  // the page comes into view
	progress *widgets.Progress       // its work
	closed   func()                  // the page goes away for good: forget secrets
}

// A place is where the navigation leads.
type place struct {
	id    string
	title string
	icon  fyne.Resource
	make  func(w *Window) *page
}

// textOf gives an error in the user's language, as far as it was meant for the
// user: errors of packages are in English.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	var p *model.Problem
	if errors.As(err, &p) {
		return lang.L(p.Text, p.Data)
	}
	return err.Error()
}

// check makes a model's validation fit for an Entry.
func check(f func(string) error) func(string) string {
	return func(text string) string { return textOf(f(text)) }
}

// away does work off Fyne's goroutine and hands what it gave to then, on it.
// What work looks at must not be changed meanwhile.
func away[T any](w *Window, work func() (T, error), then func(T, error)) {
	w.pending.Add(1)
	go func() {
		value, err := work()
		w.do(func() {
			defer w.pending.Done()
			then(value, err)
		})
	}()
}
