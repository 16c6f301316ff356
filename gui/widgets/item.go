package widgets

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// An Item is one of a list: a Tile as wide as the page, which says at its right
// how things stand.
type Item struct {
	Tile
	state *widget.Label
}

// NewItem makes an item. The state is coloured as a Notice of that mood is; an
// empty one is not there.
func NewItem(icon fyne.Resource, title, text string, mood Mood, state string, tapped func()) *Item {
	i := &Item{
		Tile:  Tile{tapped: tapped, icon: widget.NewIcon(coloured(icon)), title: newFieldLabel(title), text: NewText(text)},
		state: widget.NewLabel(state),
	}
	i.title.Wrapping = fyne.TextWrapBreak
	i.text.Wrapping = fyne.TextWrapBreak
	i.text.SizeName = theme.SizeNameCaptionText
	i.state.Importance = map[Mood]widget.Importance{
		Good: widget.SuccessImportance, Warning: widget.WarningImportance, Bad: widget.DangerImportance,
	}[mood]
	i.ExtendBaseWidget(i)
	return i
}

// FocusGained implements fyne.Focusable.
func (i *Item) FocusGained() {
	i.Tile.FocusGained()
	follow(i)
}

// State is what the item says at its right, for tests.
func (i *Item) State() string { return i.state.Text }

// CreateRenderer implements fyne.Widget.
func (i *Item) CreateRenderer() fyne.WidgetRenderer {
	back := canvas.NewRectangle(color.Transparent)
	back.CornerRadius = 8
	icon := NewMargin(10, 8, container.New(topLeft{fyne.NewSquareSize(24)}, i.icon))
	head := container.NewBorder(nil, nil, nil, i.state, i.title)
	all := container.NewStack(back, NewMargin(8, 4, container.NewBorder(nil, nil, icon, nil, container.New(tight{}, head, i.text))))
	r := &tileRenderer{WidgetRenderer: widget.NewSimpleRenderer(all), tile: &i.Tile, back: back, all: all}
	r.Refresh()
	return r
}
