package widgets

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Tile is a large button with an icon, a title and a text.
type Tile struct {
	widget.BaseWidget
	tapped           func()
	icon             *widget.Icon
	title, text      *widget.Label
	hovered, focused bool
}

// NewTile makes a tile.
func NewTile(icon fyne.Resource, title, text string, tapped func()) *Tile {
	t := &Tile{tapped: tapped, icon: widget.NewIcon(coloured(icon)), title: newFieldLabel(title), text: NewText(text)}
	t.text.SizeName = theme.SizeNameCaptionText
	t.ExtendBaseWidget(t)
	return t
}

func coloured(icon fyne.Resource) fyne.Resource {
	return theme.NewPrimaryThemedResource(icon)
}

// Title is that of the tile, for tests.
func (t *Tile) Title() string { return t.title.Text }

// Tapped implements fyne.Tappable.
func (t *Tile) Tapped(*fyne.PointEvent) { t.tapped() }

// Cursor implements desktop.Cursorable.
func (t *Tile) Cursor() desktop.Cursor { return desktop.PointerCursor }

// MouseIn, MouseMoved and MouseOut implement desktop.Hoverable.
func (t *Tile) MouseIn(*desktop.MouseEvent)    { t.hovered = true; t.Refresh() }
func (t *Tile) MouseMoved(*desktop.MouseEvent) {}
func (t *Tile) MouseOut()                      { t.hovered = false; t.Refresh() }

// FocusGained, FocusLost, TypedRune and TypedKey implement fyne.Focusable.
func (t *Tile) FocusGained()   { t.focused = true; t.Refresh(); follow(t) }
func (t *Tile) FocusLost()     { t.focused = false; t.Refresh() }
func (t *Tile) TypedRune(rune) {}
func (t *Tile) TypedKey(key *fyne.KeyEvent) {
	switch key.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		t.tapped()
	default:
		passOn(t, key)
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Tile) CreateRenderer() fyne.WidgetRenderer {
	back := canvas.NewRectangle(color.Transparent)
	back.CornerRadius = 8
	icon := NewMargin(10, 8, container.New(topLeft{fyne.NewSquareSize(28)}, t.icon))
	all := container.NewStack(back, NewMargin(8, 8, container.NewBorder(nil, nil, icon, nil, container.New(tight{}, t.title, t.text))))
	r := &tileRenderer{WidgetRenderer: widget.NewSimpleRenderer(all), tile: t, back: back, all: all}
	r.Refresh()
	return r
}

type tileRenderer struct {
	fyne.WidgetRenderer
	tile *Tile
	back *canvas.Rectangle
	all  *fyne.Container
}

func (r *tileRenderer) Refresh() {
	r.back.FillColor = translucent(theme.ColorNameDisabled, 0x10)
	r.back.StrokeWidth, r.back.StrokeColor = 1, themeColor(theme.ColorNameSeparator)
	if r.tile.hovered {
		r.back.FillColor = faint(theme.ColorNamePrimary)
	}
	if r.tile.focused {
		r.back.StrokeWidth, r.back.StrokeColor = 2, themeColor(theme.ColorNamePrimary)
	}
	r.back.Refresh()
	r.all.Refresh()
}

// Tiles lays out objects in columns of equal width, as many as fit, in rows of
// equal height.
type Tiles struct{ Least float32 }

const tileGap = 12

func (t Tiles) columns(width float32) int {
	return max(1, int((width+tileGap)/(t.Least+tileGap)))
}

// Layout implements fyne.Layout.
func (t Tiles) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	n := t.columns(size.Width)
	w := (size.Width - tileGap*float32(n-1)) / float32(n)
	for _, o := range objects {
		o.Resize(fyne.NewSize(w, o.MinSize().Height)) // texts wrap
	}
	h := t.height(objects)
	for i, o := range objects {
		o.Move(fyne.NewPos(float32(i%n)*(w+tileGap), float32(i/n)*(h+tileGap)))
		o.Resize(fyne.NewSize(w, h))
	}
}

func (t Tiles) height(objects []fyne.CanvasObject) float32 {
	h := float32(0)
	for _, o := range objects {
		h = max(h, o.MinSize().Height)
	}
	return h
}

// MinSize implements fyne.Layout. It is that of the columns that the objects
// have now.
func (t Tiles) MinSize(objects []fyne.CanvasObject) fyne.Size {
	if len(objects) == 0 {
		return fyne.Size{}
	}
	width := objects[len(objects)-1].Position().X + objects[len(objects)-1].Size().Width
	for _, o := range objects {
		width = max(width, o.Position().X+o.Size().Width)
	}
	n := t.columns(max(width, t.Least))
	lines := (len(objects) + n - 1) / n
	return fyne.NewSize(t.Least, float32(lines)*(t.height(objects)+tileGap)-tileGap)
}
