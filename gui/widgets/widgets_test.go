package widgets

import (
	"context"
	"errors"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
)

func TestSegmentMap(t *testing.T) {
	test.NewTempApp(t)
	states := [][]signing.State{make([]signing.State, 300), make([]signing.State, 16000), {}, make([]signing.State, 84)}
	states[1][15999] = signing.Altered
	m := NewSegmentMap()
	var volume, segment int
	m.Shown = func(v, s int) { volume, segment = v, s }
	w := test.NewTempWindow(t, m)
	for _, size := range []fyne.Size{fyne.NewSize(640, 220), fyne.NewSize(900, 220), fyne.NewSize(1600, 400)} {
		w.Resize(size)
		m.Resize(size)
		m.Set(states)
		require.Equal(t, [2]int{1, 15999}, [2]int{volume, segment}, "what is altered comes first")
		g := m.grid()
		for v := range states {
			for s := range states[v] {
				p := g.position(cell{v, s})
				require.LessOrEqual(t, p.X+g.pitch, size.Width)
				require.LessOrEqual(t, p.Y+g.pitch, size.Height, "all cells are in view")
				c, ok := m.at(p.AddXY(g.pitch/2, g.pitch/2))
				require.True(t, ok)
				require.Equal(t, cell{v, s}, c)
			}
		}
	}
	m.Select(0, 0)
	for _, tt := range []struct {
		key             fyne.KeyName
		volume, segment int
	}{
		{fyne.KeyLeft, 0, 0}, {fyne.KeyRight, 0, 1}, {fyne.KeyEnd, 0, 299}, {fyne.KeyRight, 0, 299},
		{fyne.KeyPageDown, 1, 0}, {fyne.KeyDown, 1, m.grid().columns}, {fyne.KeyUp, 1, 0}, {fyne.KeyHome, 1, 0},
	} {
		m.TypedKey(&fyne.KeyEvent{Name: tt.key})
		require.Equal(t, [2]int{tt.volume, tt.segment}, [2]int{volume, segment}, "%s", tt.key)
	}
	test.MoveMouse(w.Canvas(), m.grid().position(cell{3, 0}).AddXY(1, 1))
	require.NotNil(t, m.draw(900, 220))
}

func TestEntrySaysWhatIsWrongWhenLeft(t *testing.T) {
	test.NewTempApp(t)
	e := NewEntry("Name", func(text string) string {
		if len(text) < 3 {
			return "too short"
		}
		return ""
	})
	w := test.NewTempWindow(t, e)
	e.Focus()
	test.Type(e.input, "ab")
	require.Empty(t, e.Message(), "not while it is being written")
	w.Canvas().Unfocus()
	require.Equal(t, "too short", e.Message())
	e.Focus()
	test.Type(e.input, "c")
	require.Empty(t, e.Message(), "at once when it is right")
	e.Clear()
	require.Empty(t, e.Message())
	w.Canvas().Unfocus()
	require.Empty(t, e.Message(), "nobody wrote into it")
}

func TestWizard(t *testing.T) {
	test.NewTempApp(t)
	right, fails := false, true
	var finished, cancelled bool
	w := NewWizard("Title",
		&Step{Title: "one", Content: NewText("1"), Ready: func() bool { return right }},
		&Step{Title: "two", Content: NewText("2"), Action: "Do it", Failed: "It failed", Work: func() Job {
			return func(context.Context, func(done, total int64)) error {
				if fails {
					return errors.New("because")
				}
				return nil
			}
		}},
		&Step{Title: "three", Content: NewText("3")})
	w.Finished, w.Cancelled = func() { finished = true }, func() { cancelled = true }
	test.NewTempWindow(t, w)
	enter, escape := &fyne.KeyEvent{Name: fyne.KeyReturn}, &fyne.KeyEvent{Name: fyne.KeyEscape}

	require.True(t, w.next.Disabled())
	w.TypedKey(enter)
	require.Zero(t, w.Current())
	right = true
	w.Refresh()
	require.False(t, w.next.Disabled())
	w.TypedKey(enter)
	require.Equal(t, 1, w.Current())
	require.Equal(t, "Do it", w.next.Text)
	w.Back()
	require.Zero(t, w.Current())
	w.Next()
	work := watch(w.Progress)
	w.Next()
	work()
	require.Equal(t, 1, w.Current(), "work that fails leads nowhere")
	require.Equal(t, "It failed\nbecause", w.failure.Text())
	w.TypedKey(escape)
	require.True(t, cancelled)
	fails = false
	w.Next()
	work()
	require.Equal(t, 2, w.Current())
	w.Back()
	require.Equal(t, 2, w.Current(), "what is done is done")
	w.TypedKey(enter)
	require.True(t, finished)
}

// watch has what a job hands over done by the function that it gives, which waits
// for the end of the job.
func watch(p *Progress) (finish func()) {
	queue := make(chan func(), 1000)
	p.Do = func(f func()) { queue <- f }
	return func() {
		p.Wait()
		for len(queue) > 0 {
			(<-queue)()
		}
	}
}

func TestProgressCancel(t *testing.T) {
	test.NewTempApp(t)
	p := NewProgress("Work")
	test.NewTempWindow(t, p)
	work := watch(p)
	var got error
	p.Run(func(ctx context.Context, update func(done, total int64)) error {
		update(1, 2)
		<-ctx.Done()
		return ctx.Err()
	}, func(err error) { got = err })
	require.True(t, p.Busy())
	p.Cancel()
	work()
	require.ErrorIs(t, got, context.Canceled)
	require.False(t, p.Busy())
}

func TestFileField(t *testing.T) {
	test.NewTempApp(t)
	var asked Question
	f := NewFileField("File", func(q Question, answer func(string)) { asked = q; answer("/tmp/x.vhdx") },
		Question{Types: []FileType{{Name: "Disks", Extensions: []string{".vhdx"}}}}, nil)
	var chosen []string
	f.Chosen = func(path string) { chosen = append(chosen, path) }
	w := test.NewTempWindow(t, f)
	f.Browse()
	require.Equal(t, "File", asked.Title)
	require.Equal(t, "/tmp/x.vhdx", f.Text())
	f.Focus()
	w.Canvas().Unfocus()
	require.Equal(t, []string{"/tmp/x.vhdx"}, chosen, "once for each choice")
	f.Browse()
	require.Equal(t, "/tmp", asked.Folder, "it begins where the file is")
}
