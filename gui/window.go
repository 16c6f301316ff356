package gui

import (
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/translation"
	"github.com/scutum-project/scutum/gui/widgets"
)

// A Window is the desktop of Scutum.
type Window struct {
	app     fyne.App
	window  fyne.Window
	choose  widgets.Choose
	places  []place
	pages   map[string]*page // those that are open
	current string
	dialogs []dialog.Dialog // that are open, the topmost last

	side    *navigation
	area    *fyne.Container
	pending sync.WaitGroup // work of away
	do      func(func())   // on Fyne's goroutine
	version string
}

// New makes the window, with the settings that the app remembers. Nothing shows
// before Run, or Show in a test.
func New(app fyne.App, version string) *Window {
	w := &Window{app: app, version: version, pages: map[string]*page{}, area: container.NewStack(), do: fyne.Do}
	w.applyLanguage()
	w.applyTheme()
	app.SetIcon(Icon)
	w.window = app.NewWindow("Scutum")
	w.window.SetMaster()
	w.window.SetPadded(false)
	w.window.Resize(fyne.NewSize(1080, 720))
	w.choose = w.remembering(widgets.NewChoose(w.window))
	w.window.SetOnDropped(func(_ fyne.Position, uris []fyne.URI) {
		for _, uri := range uris {
			if uri.Scheme() == "file" {
				w.Open(uri.Path())
			}
		}
	})
	w.window.SetCloseIntercept(w.close)
	w.window.Canvas().SetOnTypedKey(w.typedKey)
	w.build()
	return w
}

// Run shows the window, opens the files at the paths, and returns when the
// window was closed.
func (w *Window) Run(paths []string) {
	for _, path := range paths {
		w.Open(path)
	}
	w.window.ShowAndRun()
}

// build makes everything around the pages, in the language of now.
func (w *Window) build() {
	w.places = places()
	w.side = newNavigation(w.places, func(id string) { w.show(id) })
	w.window.SetContent(container.NewBorder(nil, nil, w.side, nil, w.area))
	if w.current == "" {
		w.current = placeHome
	}
	w.show(w.current)
	w.showWork()
}

// show goes to a place. Its page is made, unless it is open.
func (w *Window) show(id string) *page {
	p := w.pages[id]
	if p == nil {
		for _, place := range w.places {
			if place.id == id {
				p = place.make(w)
				if p.progress != nil {
					p.progress.Changed = w.showWork
				}
			}
		}
		w.pages[id] = p
	}
	w.current = id
	w.side.mark(id)
	w.window.Canvas().Unfocus()
	w.area.Objects = []fyne.CanvasObject{p.content}
	w.area.Refresh()
	if p.shown != nil {
		p.shown()
	}
	return p
}

// showWork says beside the navigation which pages are at work.
func (w *Window) showWork() {
	var busy []string
	for _, place := range w.places {
		if p := w.pages[place.id]; p != nil && p.progress != nil && p.progress.Busy() {
			busy = append(busy, place.title)
		}
	}
	w.side.work(busy)
}

// leave closes a page for good and goes home. What was entered is forgotten.
func (w *Window) leave(id string) {
	w.drop(id)
	w.show(placeHome)
}

func (w *Window) drop(id string) {
	if p := w.pages[id]; p != nil && p.closed != nil {
		p.closed()
	}
	delete(w.pages, id)
}

// Open opens a file where it belongs: on the page in view when that has a use
// for it, else on the one for its kind.
func (w *Window) Open(path string) {
	away(w, func() (model.File, error) { return model.Recognize(path) }, func(f model.File, err error) {
		switch {
		case err != nil:
			w.tell(lang.L("The file cannot be opened"), path+"\n\n"+textOf(err))
			return
		case f.Kind == model.Unknown:
			w.tell(lang.L("Scutum does not know this kind of file"), path)
			return
		}
		if p := w.pages[w.current]; p != nil && p.open != nil && w.current != placeInspect && p.open(f) {
			w.remember(f)
			return
		}
		w.openAt(placeOf(f.Kind), f)
	})
}

// openAt goes to a place and gives it a file.
func (w *Window) openAt(id string, f model.File) {
	w.remember(f)
	if p := w.show(id); p.open != nil && !p.open(f) {
		w.tell(lang.L("This file cannot be used here"), f.Path)
	}
}

// close closes the window, after asking when work is being done.
func (w *Window) close() {
	var busy []*widgets.Progress
	for _, p := range w.pages {
		if p.progress != nil && p.progress.Busy() {
			busy = append(busy, p.progress)
		}
	}
	if len(busy) == 0 {
		w.end()
		return
	}
	w.ask(lang.L("Cancel the work and close?"),
		lang.L("Work is being done. Closing cancels it and leaves the file as it was."),
		lang.L("Cancel the work and close"), func() {
			for _, p := range busy {
				p.Cancel()
			}
			go func() {
				for _, p := range busy {
					p.Wait()
				}
				fyne.Do(w.end)
			}()
		})
}

func (w *Window) end() {
	for id := range w.pages {
		w.drop(id)
	}
	w.window.Close()
}

func (w *Window) applyLanguage() {
	if err := translation.Use(w.app.Preferences().String(prefLanguage)); err != nil {
		fyne.LogError("use the language of the settings", err)
	}
}

// setLanguage speaks another language from now on. Pages that are open and at
// work stay as they are until they are closed.
func (w *Window) setLanguage(code string) {
	w.app.Preferences().SetString(prefLanguage, code)
	w.applyLanguage()
	for id, p := range w.pages {
		if p.progress == nil {
			w.drop(id)
		}
	}
	w.build()
}
