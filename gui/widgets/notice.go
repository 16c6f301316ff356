package widgets

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// Mood is what a Notice is about.
type Mood int

// The moods.
const (
	Info Mood = iota
	Good
	Warning
	Bad
)

// A Notice tells the user one thing, with a heading and, below it, a text such
// as a remedy or the error of a package.
type Notice struct {
	widget.BaseWidget
	mood    Mood
	heading *widget.Label
	text    *widget.Label
}

// NewNotice makes a notice; heading or text may be empty.
func NewNotice(mood Mood, heading, text string) *Notice {
	n := &Notice{heading: widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Bold: true}), text: widget.NewLabel("")}
	n.heading.Wrapping = fyne.TextWrapWord
	n.text.Wrapping = fyne.TextWrapWord
	n.text.Selectable = true
	n.ExtendBaseWidget(n)
	n.Set(mood, heading, text)
	return n
}

// Set changes what the notice says. Without heading and text it is not there.
func (n *Notice) Set(mood Mood, heading, text string) {
	n.mood = mood
	for l, s := range map[*widget.Label]string{n.heading: heading, n.text: text} {
		l.SetText(s)
		if s == "" {
			l.Hide()
		} else {
			l.Show()
		}
	}
	if heading == "" && text == "" {
		n.Hide()
	} else {
		n.Show()
	}
	n.Refresh()
}

// Tell is Set, and scrolls to the notice: for the answer to what the user did.
func (n *Notice) Tell(mood Mood, heading, text string) {
	n.Set(mood, heading, text)
	Reveal(n)
}

// Text is what the notice says, for tests.
func (n *Notice) Text() string { return n.heading.Text + "\n" + n.text.Text }

// CreateRenderer implements fyne.Widget.
func (n *Notice) CreateRenderer() fyne.WidgetRenderer {
	r := &noticeRenderer{notice: n, back: canvas.NewRectangle(color.Transparent), icon: widget.NewIcon(nil)}
	r.back.CornerRadius = 6
	icon := NewMargin(10, 10, container.New(topLeft{fyne.NewSquareSize(20)}, r.icon))
	r.all = container.NewStack(r.back, container.NewBorder(nil, nil, icon, nil, container.New(tight{}, n.heading, n.text)))
	r.WidgetRenderer = widget.NewSimpleRenderer(r.all)
	r.Refresh()
	return r
}

type noticeRenderer struct {
	fyne.WidgetRenderer
	notice *Notice
	back   *canvas.Rectangle
	icon   *widget.Icon
	all    *fyne.Container
}

func (r *noticeRenderer) Refresh() {
	name, icon := theme.ColorNamePrimary, theme.InfoIcon()
	switch r.notice.mood {
	case Good:
		name, icon = theme.ColorNameSuccess, theme.ConfirmIcon()
	case Warning:
		name, icon = theme.ColorNameWarning, theme.WarningIcon()
	case Bad:
		name, icon = theme.ColorNameError, theme.ErrorIcon()
	}
	r.back.FillColor = faint(name)
	r.back.Refresh()
	r.icon.SetResource(theme.NewColoredResource(icon, name))
	r.all.Refresh()
}

// faint is a colour of the theme, with the background shining through.
func faint(name fyne.ThemeColorName) color.Color { return translucent(name, 0x22) }

func translucent(name fyne.ThemeColorName, alpha uint8) color.Color {
	r, g, b, _ := themeColor(name).RGBA()
	return color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), alpha}
}

func themeColor(name fyne.ThemeColorName) color.Color {
	s := fyne.CurrentApp().Settings()
	return s.Theme().Color(name, s.ThemeVariant())
}

// topLeft keeps an object at its size in the upper left corner.
type topLeft struct{ size fyne.Size }

func (t topLeft) Layout(objects []fyne.CanvasObject, _ fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(0, 0))
		o.Resize(t.size)
	}
}

func (t topLeft) MinSize([]fyne.CanvasObject) fyne.Size { return t.size }
