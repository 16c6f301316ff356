package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// besideWidth is from which width on two things stand beside each other.
const besideWidth = 1100

// Beside shows two things beside each other where there is room for both, and
// elsewhere one of them, with a choice of which above.
type Beside struct {
	widget.BaseWidget
	parts    [2]fyne.CanvasObject
	tabs     [2]*Button
	bar      *fyne.Container
	selected int
	together bool
}

// NewBeside makes it of two things, with their names for where only one has room.
func NewBeside(firstName string, first fyne.CanvasObject, secondName string, second fyne.CanvasObject) *Beside {
	b := &Beside{parts: [2]fyne.CanvasObject{first, second}}
	for i, name := range []string{firstName, secondName} {
		b.tabs[i] = NewButton(name, nil, func() { b.Select(i) })
	}
	b.bar = NewMargin(24, 0, container.NewHBox(b.tabs[0], b.tabs[1]))
	b.ExtendBaseWidget(b)
	b.arrange()
	return b
}

// Select shows the first, 0, or the second, 1, where only one has room.
func (b *Beside) Select(i int) {
	b.selected = i
	b.arrange()
	b.Refresh()
}

func (b *Beside) arrange() {
	visible(b.bar, !b.together)
	for i, part := range b.parts {
		visible(part, b.together || i == b.selected)
		b.tabs[i].Importance = widget.LowImportance
		if i == b.selected {
			b.tabs[i].Importance = widget.MediumImportance
		}
	}
}

// CreateRenderer implements fyne.Widget.
func (b *Beside) CreateRenderer() fyne.WidgetRenderer {
	return &besideRenderer{b: b}
}

type besideRenderer struct{ b *Beside }

func (r *besideRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.b.bar, r.b.parts[0], r.b.parts[1]}
}

func (r *besideRenderer) Layout(size fyne.Size) {
	b := r.b
	if together := size.Width >= besideWidth; together != b.together {
		b.together = together
		b.arrange()
	}
	top := float32(0)
	width, x := size.Width, float32(0)
	if b.together {
		width = min(size.Width/2, ColumnWidth)
		x = width
	} else {
		top = b.bar.MinSize().Height + tileGap/2
		b.bar.Move(fyne.NewPos(0, 0))
		b.bar.Resize(fyne.NewSize(size.Width, b.bar.MinSize().Height))
	}
	b.parts[0].Move(fyne.NewPos(0, top))
	b.parts[0].Resize(fyne.NewSize(width, size.Height-top))
	b.parts[1].Move(fyne.NewPos(x, top))
	b.parts[1].Resize(fyne.NewSize(size.Width-x, size.Height-top))
}

func (r *besideRenderer) MinSize() fyne.Size {
	m := r.b.parts[0].MinSize().Max(r.b.parts[1].MinSize())
	return fyne.NewSize(m.Width, m.Height+r.b.bar.MinSize().Height+tileGap)
}

func (r *besideRenderer) Refresh() {
	for _, t := range r.b.tabs {
		t.Refresh()
	}
	r.Layout(r.b.Size())
}

func (r *besideRenderer) Destroy() {}
