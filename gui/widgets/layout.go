package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// ColumnWidth is how wide text and fields get, however wide the window is.
const ColumnWidth = 900

// place puts an object into a row. A text has padding of its own, which is taken
// back here, so that texts and the edges of fields are in line.
func place(o fyne.CanvasObject, y, width, height float32) {
	x := float32(0)
	switch o.(type) {
	case *widget.Label, *message, *Facts:
		x = theme.InnerPadding()
	}
	o.Move(fyne.NewPos(-x, y))
	o.Resize(fyne.NewSize(width+2*x, height))
}

// tight stacks objects from top to bottom without gaps between them.
type tight struct{ align bool }

func (t tight) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		h := o.MinSize().Height
		if t.align {
			place(o, y, size.Width, h)
		} else {
			o.Move(fyne.NewPos(0, y))
			o.Resize(fyne.NewSize(size.Width, h))
		}
		y += h
	}
}

func (tight) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var min fyne.Size
	for _, o := range objects {
		if o.Visible() {
			m := o.MinSize()
			min.Width = max(min.Width, m.Width)
			min.Height += m.Height
		}
	}
	return min
}

// narrow keeps what is in it from getting wider than a limit.
type narrow struct{ width float32 }

func (n narrow) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(0, 0))
		o.Resize(fyne.NewSize(min(size.Width, n.width), size.Height))
	}
}

func (narrow) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return container.NewStack(objects...).MinSize()
}

// NewColumn stacks objects with room between them, at most ColumnWidth wide.
func NewColumn(objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(narrow{ColumnWidth}, container.New(rows{gap: 12}, objects...))
}

// NewGroup stacks objects with room between them, within a column.
func NewGroup(objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(rows{gap: 12}, objects...)
}

// NewPair puts two objects side by side, with the same width.
func NewPair(a, b fyne.CanvasObject) *fyne.Container { return container.New(pair{}, a, b) }

// pair lays out objects in columns of equal width with a gap.
type pair struct{}

func (pair) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	n := float32(len(objects))
	w := (size.Width - tileGap*(n-1)) / n
	for i, o := range objects {
		o.Move(fyne.NewPos(float32(i)*(w+tileGap), 0))
		o.Resize(fyne.NewSize(w, size.Height))
	}
}

func (pair) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := container.NewStack(objects...).MinSize()
	return fyne.NewSize(m.Width*float32(len(objects))+tileGap*float32(len(objects)-1), m.Height)
}

// NewWithButton puts a button at the end of a field, beside its input.
func NewWithButton(f fyne.CanvasObject, b *Button) *fyne.Container {
	return container.NewBorder(nil, nil, nil, container.New(tight{}, newFieldLabel(" "), b), f)
}

// rows stacks what is visible with a gap between.
type rows struct{ gap float32 }

func (r rows) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		place(o, y, size.Width, o.MinSize().Height)
		h := o.MinSize().Height // texts know theirs once they are wrapped
		place(o, y, size.Width, h)
		y += h + r.gap
	}
}

func (r rows) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var min fyne.Size
	for _, o := range objects {
		if o.Visible() {
			m := o.MinSize()
			if min.Height > 0 {
				min.Height += r.gap
			}
			min.Width = max(min.Width, m.Width)
			min.Height += m.Height
		}
	}
	return min
}

// margin keeps a distance to all sides.
type margin struct{ x, y float32 }

func (m margin) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(m.x, m.y))
		o.Resize(fyne.NewSize(size.Width-2*m.x, size.Height-2*m.y))
	}
}

func (m margin) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return container.NewStack(objects...).MinSize().AddWidthHeight(2*m.x, 2*m.y)
}

// NewMargin keeps a distance around an object.
func NewMargin(x, y float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(margin{x, y}, o)
}

// NewHeading makes the title of a page.
func NewHeading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.SizeName = theme.SizeNameHeadingText
	l.Wrapping = fyne.TextWrapWord
	return l
}

// NewSubheading makes the title of a part of a page.
func NewSubheading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.SizeName = theme.SizeNameSubHeadingText
	l.Wrapping = fyne.TextWrapWord
	return l
}

// NewText makes a paragraph.
func NewText(text string) *widget.Label {
	l := widget.NewLabel(text)
	l.Wrapping = fyne.TextWrapWord
	return l
}

// NewPage puts a title above the rest of a page, with the margins of all pages.
// The rest scrolls when it is too high.
func NewPage(title string, rest fyne.CanvasObject) fyne.CanvasObject {
	return container.NewBorder(NewMargin(24, 12, container.New(tight{align: true}, NewHeading(title))), nil, nil, nil,
		container.NewVScroll(NewMargin(24, 4, rest)))
}

// NewRow puts objects side by side at their natural widths.
func NewRow(objects ...fyne.CanvasObject) *fyne.Container { return container.NewHBox(objects...) }
