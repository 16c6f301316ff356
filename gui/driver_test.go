package gui

import (
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/widgets"
)

// A driver uses the window as a person does, by what stands on it, through
// Fyne's test driver. What it does is done when its methods return.
type driver struct {
	t       *testing.T
	w       *Window
	answers []string           // of the next file dialogs
	asked   []widgets.Question // so far
	queue   chan func()        // what is to be done on Fyne's goroutine, which is the test's
}

// drive opens a window in English, with settings and guardians of its own.
func drive(t *testing.T) *driver {
	t.Helper()
	t.Setenv("SCUTUM_HOME", t.TempDir())
	t.Setenv("LANGUAGE", "en")
	t.Setenv("LC_ALL", "en_US.UTF-8")
	app := test.NewTempApp(t)
	app.Preferences().SetString(prefLanguage, "en")
	app.Preferences().SetString(prefTheme, "light")
	d := &driver{t: t, w: New(app, "test"), queue: make(chan func(), 100)}
	d.w.do = func(f func()) { d.queue <- f }
	d.w.choose = d.w.remembering(func(q widgets.Question, answer func(string)) {
		d.asked = append(d.asked, q)
		require.NotEmpty(t, d.answers, "a file dialog that nobody expects: %+v", q)
		path := d.answers[0]
		d.answers = d.answers[1:]
		answer(path)
	})
	d.w.window.Show()
	d.resize(900, 600)
	return d
}

func (d *driver) resize(width, height float32) { d.w.window.Resize(fyne.NewSize(width, height)) }

// settle waits until nothing is being done.
func (d *driver) settle() {
	d.drain(d.w.pending.Wait)
	for again := true; again; {
		again = false
		for _, p := range d.w.pages {
			if p.progress != nil && p.progress.Busy() {
				d.drain(p.progress.Wait)
				again = true
			}
		}
		d.drain(d.w.pending.Wait)
	}
}

// drain does what is handed over to Fyne's goroutine, one after the other, until
// wait returns and nothing is left.
func (d *driver) drain(wait func()) {
	idle := make(chan struct{})
	go func() {
		wait()
		close(idle)
	}()
	for {
		select {
		case f := <-d.queue:
			f()
		case <-idle:
			for len(d.queue) > 0 {
				(<-d.queue)()
			}
			return
		}
	}
}

// objects are all that can be seen now, those of a dialog only when there is one.
// test.LaidOutObjects would make new renderers for the widgets, after which the
// old ones, which pictures show, no longer follow them.
func (d *driver) objects() []fyne.CanvasObject {
	c := d.w.window.Canvas()
	root := c.Content()
	if top := c.Overlays().Top(); top != nil {
		root = top
	}
	var all []fyne.CanvasObject
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		all = append(all, o)
		children := []fyne.CanvasObject{}
		switch o := o.(type) {
		case *fyne.Container:
			children = o.Objects
		case fyne.Widget:
			children = test.WidgetRenderer(o).Objects()
		}
		for _, child := range children {
			walk(child)
		}
	}
	walk(root)
	return all
}

// find gives the objects of a type for which a condition holds.
func find[T fyne.CanvasObject](d *driver, which func(T) bool) []T {
	var found []T
	for _, o := range d.objects() {
		if x, ok := o.(T); ok && which(x) {
			found = append(found, x)
		}
	}
	return found
}

// button is the button with that text, of the page before that of the
// navigation.
func (d *driver) button(text string) fyne.Tappable {
	d.t.Helper()
	if all := find(d, func(b *widgets.Button) bool { return b.Text == text }); len(all) > 0 {
		return all[len(all)-1]
	}
	all := find(d, func(b *widget.Button) bool { return b.Text == text }) // those of Fyne's dialogs
	require.NotEmpty(d.t, all, "no button %q", text)
	return all[len(all)-1]
}

// tap presses a button.
func (d *driver) tap(text string) {
	d.t.Helper()
	b := d.button(text)
	require.False(d.t, b.(fyne.Disableable).Disabled(), "the button %q is off", text)
	test.Tap(b)
	d.settle()
}

// off says whether a button cannot be pressed.
func (d *driver) off(text string) bool { return d.button(text).(fyne.Disableable).Disabled() }

// choose takes a text of a Choice.
func (d *driver) option(text string) {
	d.t.Helper()
	for _, o := range d.objects() {
		if b, ok := o.(interface {
			fyne.Tappable
			AccessibilityLabel() string
		}); ok && b.AccessibilityLabel() == text {
			test.Tap(b)
			d.settle()
			return
		}
	}
	require.Fail(d.t, "no such option", text)
}

// field is the entry with that label.
func (d *driver) field(label string) *widgets.Entry {
	d.t.Helper()
	all := find(d, func(e *widgets.Entry) bool { return e.Label() == label && e.Visible() })
	for _, f := range find(d, func(f *widgets.FileField) bool { return f.Label() == label }) {
		all = append(all, &f.Entry)
	}
	require.NotEmpty(d.t, all, "no field %q", label)
	return all[len(all)-1]
}

// enter writes a text into a field, in place of what was there, and leaves it.
func (d *driver) enter(label, text string) {
	d.t.Helper()
	e := d.field(label)
	e.Focus()
	e.SetText(text)
	d.w.window.Canvas().Unfocus()
	d.settle()
}

// picture writes what the window shows to a folder, when SCUTUM_PICTURES names
// one.
func (d *driver) picture(name string) {
	d.t.Helper()
	folder := os.Getenv("SCUTUM_PICTURES")
	if folder == "" {
		return
	}
	d.relayout()
	f, err := os.Create(filepath.Join(folder, name+".png"))
	require.NoError(d.t, err)
	defer f.Close()
	require.NoError(d.t, png.Encode(f, d.w.window.Canvas().Capture()))
}

// relayout lays out again what has grown, as a true window does by itself.
func (d *driver) relayout() {
	size := d.w.window.Canvas().Size()
	d.resize(size.Width+40, size.Height)
	d.resize(size.Width, size.Height)
}
