package gui

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/translation"
	"github.com/scutum-project/scutum/gui/widgets"
)

func (d *driver) key(name fyne.KeyName) {
	c := d.w.window.Canvas()
	if f := c.Focused(); f != nil {
		f.TypedKey(&fyne.KeyEvent{Name: name})
	} else {
		c.OnTypedKey()(&fyne.KeyEvent{Name: name})
	}
	d.settle()
}

// dialogs is how many dialogs are open.
func (d *driver) dialogs() int { return len(d.w.window.Canvas().Overlays().List()) }

func TestOpenWhatNobodyKnows(t *testing.T) {
	d := drive(t)
	path := filepath.Join(t.TempDir(), "notes.vhdx")
	require.NoError(t, os.WriteFile(path, []byte("only the name says that it is a disk"), 0o600))
	d.w.Open(path)
	d.settle()
	require.Equal(t, 1, d.dialogs())
	require.Equal(t, placeHome, d.w.current)
	d.key(fyne.KeyEscape)
	require.Zero(t, d.dialogs())

	d.w.Open(filepath.Join(t.TempDir(), "missing"))
	d.settle()
	require.Equal(t, 1, d.dialogs())
	d.key(fyne.KeyReturn)
	require.Zero(t, d.dialogs())
}

// Of several files, a wizard takes those that it has a use for.
func TestOpenSeveral(t *testing.T) {
	disk, certificate, _ := signedDisk(t)
	d := drive(t)
	d.w.show(placeSign)
	d.w.Open(certificate, disk)
	d.settle()
	require.Zero(t, d.dialogs())
	require.Equal(t, placeSign, d.w.current)
	require.Equal(t, certificate, d.field("Certificate file").Text())

	d.w.leave(placeSign)
	d.w.Open(disk, certificate)
	d.settle()
	require.Equal(t, placeInspect, d.w.current, "a page for one file keeps the first")
	require.Equal(t, 1, d.dialogs())
	d.key(fyne.KeyEscape)
	require.Equal(t, disk, d.field("File").Text())
	require.Contains(t, d.w.recent(), certificate)
}

// An answer below the fold, and what gets the focus there, is scrolled to.
func TestWhatMattersIsInView(t *testing.T) {
	d := drive(t)
	d.signWizard("", t.TempDir(), 0)
	d.tap("Make the certificate")
	const foot = 50 // of a wizard
	d.inView(find(d, func(c *widgets.Certificate) bool { return c.Visible() })[0], foot)
	d.field("Name of the signer").Focus()
	d.inView(d.field("Name of the signer"), foot)
}

// Keys reach everything: Page Down scrolls, and Tab leaves a field of several
// lines.
func TestKeysReachEverything(t *testing.T) {
	d := drive(t)
	d.w.show(placeAnswer)
	d.settle()
	name := d.field("Name of the computer")
	before := fyne.CurrentApp().Driver().AbsolutePositionForObject(name).Y
	d.key(fyne.KeyPageDown)
	require.Less(t, fyne.CurrentApp().Driver().AbsolutePositionForObject(name).Y, before-100)
	d.key(fyne.KeyPageUp)
	require.Equal(t, before, fyne.CurrentApp().Driver().AbsolutePositionForObject(name).Y)

	c := d.w.window.Canvas()
	d.field("Commands, one a line (optional)").Focus()
	focused := c.Focused()
	require.False(t, focused.(fyne.Tabbable).AcceptsTab())
	c.FocusNext()
	require.NotEqual(t, focused, c.Focused())
	d.inView(c.Focused().(fyne.CanvasObject), 0)
}

func (d *driver) inView(o fyne.CanvasObject, foot float32) {
	d.t.Helper()
	y := fyne.CurrentApp().Driver().AbsolutePositionForObject(o).Y
	require.GreaterOrEqual(d.t, y, float32(0))
	require.LessOrEqual(d.t, y+o.Size().Height, d.w.window.Canvas().Size().Height-foot)
}

func TestEscapeClosesTheDialogAndNotTheWizard(t *testing.T) {
	d := drive(t)
	d.w.show(placeSign)
	d.w.ask("Question", "Really?", "Yes", func() { require.Fail(t, "nobody said yes") })
	d.key(fyne.KeyEscape)
	require.Zero(t, d.dialogs())
	require.Equal(t, placeSign, d.w.current)
	d.w.ask("Question", "Really?", "Yes", func() { require.Fail(t, "Enter is no yes") })
	d.key(fyne.KeyReturn)
	require.Zero(t, d.dialogs())
	said := false
	d.w.ask("Question", "Really?", "Yes", func() { said = true })
	d.tap("Yes")
	require.True(t, said)
}

func TestClosingDuringWorkAsks(t *testing.T) {
	d := drive(t)
	p := d.w.show(placeSign)
	var ended error
	p.progress.Run(func(ctx context.Context, _ func(done, total int64)) error {
		<-ctx.Done()
		return ctx.Err()
	}, func(err error) { ended = err })
	require.True(t, p.progress.Busy())
	require.NotEmpty(t, d.w.side.status.Objects, "the navigation says who is at work")

	d.w.close()
	require.Equal(t, 1, d.dialogs())
	for _, b := range find(d, func(b *widgets.Button) bool { return b.Text == "Cancel" }) {
		b.OnTapped()
	}
	require.True(t, p.progress.Busy(), "the work goes on")
	d.w.close()
	for _, b := range find(d, func(b *widgets.Button) bool { return b.Text == "Cancel the work and close" }) {
		b.OnTapped()
	}
	d.drain(p.progress.Wait)
	require.ErrorIs(t, ended, context.Canceled)
}

func TestNothingSecretIsRemembered(t *testing.T) {
	d := drive(t)
	d.signWizard("", t.TempDir(), 0)
	d.tap("Make the certificate")
	d.w.leave(placeSign)
	for _, key := range []string{prefTheme, prefLanguage, prefStore} {
		require.NotContains(t, d.w.app.Preferences().String(key), "correct horse")
	}
	d.w.show(placeSign)
	d.option("Make a lab certificate, to try things out")
	require.Empty(t, d.field("Password").Text())
}

func TestLanguages(t *testing.T) {
	d := drive(t)
	for _, l := range translation.Languages {
		d.w.setLanguage(l.Code)
		require.Equal(t, l.Code, d.w.app.Preferences().String(prefLanguage))
	}
	require.Equal(t, "Domů", d.w.places[0].title)
	d.w.setLanguage("en")
	require.Equal(t, "Home", d.w.places[0].title)
}

func TestSettingsSayWhatIsWrong(t *testing.T) {
	d := drive(t)
	d.w.show(placeSettings)
	d.enter("Folder of the guardians", filepath.Join(t.TempDir(), "missing"))
	require.NotEmpty(t, d.field("Folder of the guardians").Message())
	require.Empty(t, d.w.app.Preferences().String(prefStore))
	folder := t.TempDir()
	d.enter("Folder of the guardians", folder)
	require.Equal(t, folder, d.w.app.Preferences().String(prefStore))
}

// BenchmarkWindow makes the window with its first page.
func BenchmarkWindow(b *testing.B) {
	b.Setenv("SCUTUM_HOME", b.TempDir())
	app := test.NewTempApp(b)
	for b.Loop() {
		New(app, "test")
	}
}
