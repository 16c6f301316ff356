package gui

import (
	"strings"
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
		var paths []string
		for _, uri := range uris {
			if uri.Scheme() == "file" {
				paths = append(paths, uri.Path())
			}
		}
		w.Open(paths...)
	})
	w.window.SetCloseIntercept(w.close)
	w.window.Canvas().SetOnTypedKey(w.typedKey)
	w.build()
	return w
}

// Run shows the window, opens the files at the paths, and returns when the
// window was closed.
func (w *Window) Run(paths []string) {
	w.Open(paths...)
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
				p = w.put(id, place.make(w))
			}
		}
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

// put makes a page that of a place.
func (w *Window) put(id string, p *page) *page {
	if p.progress != nil {
		p.progress.Changed, p.progress.Do = w.showWork, w.do
	}
	w.pages[id] = p
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
// for it, else on the one for its kind. Of several, the page that got the first
// gets those of the others that it has a use for, such as a wizard its
// certificate and its disk; the window stays there.
func (w *Window) Open(paths ...string) {
	type found struct {
		file model.File
		err  error
	}
	away(w, func() ([]found, error) {
		var all []found
		for _, path := range paths {
			f, err := model.Recognize(path)
			f.Path = path
			all = append(all, found{f, err})
		}
		return all, nil
	}, func(all []found, _ error) {
		opened := false
		var left []string
		for _, one := range all {
			f, p := one.file, w.pages[w.current]
			switch {
			case one.err != nil:
				w.tell(lang.L("The file cannot be opened"), f.Path+"\n\n"+textOf(one.err))
			case f.Kind == model.Unknown:
				w.tell(lang.L("Scutum does not know this kind of file"), f.Path)
			case opened && p.single, opened && (p.open == nil || !p.open(f)):
				w.remember(f)
				left = append(left, f.Path)
			case !opened && (p == nil || p.open == nil || !p.open(f)):
				w.openAt(placeOf(f.Kind), f)
				opened = true
			default:
				w.remember(f)
				opened = true
			}
		}
		if len(left) > 0 {
			w.tell(lang.L("Not all files are shown on this page"),
				strings.Join(left, "\n")+"\n\n"+lang.L("Open the others one by one. They are among the recent files, at home."))
		}
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
				w.do(w.end)
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

// setLanguage speaks another language from now on. Pages that do work, such as
// wizards, keep theirs and what was entered until they are closed.
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
