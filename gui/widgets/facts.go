package widgets

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// Facts is a table of names and values. The values can be selected and copied.
type Facts struct {
	widget.BaseWidget
	rows *fyne.Container
}

// NewFacts makes a table of pairs: a name, its value, the next name and so on.
func NewFacts(pairs ...string) *Facts {
	f := &Facts{rows: container.New(&columns{})}
	f.ExtendBaseWidget(f)
	f.Set(pairs...)
	return f
}

// Set replaces the pairs. Those with an empty value are left out.
func (f *Facts) Set(pairs ...string) {
	f.rows.RemoveAll()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		name := widget.NewLabel(pairs[i])
		name.Importance = widget.LowImportance
		name.Wrapping = fyne.TextWrapWord
		value := widget.NewLabel(pairs[i+1])
		value.Selectable = true
		value.Wrapping = fyne.TextWrapBreak
		f.rows.Add(name)
		f.rows.Add(value)
	}
	f.rows.Refresh()
	f.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (f *Facts) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(f.rows) }

// columns lays out pairs; the names get 30 % of the width.
type columns struct{}

func (*columns) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	left := min(max(size.Width*0.3, 120), 240)
	y := float32(0)
	for i := 0; i+1 < len(objects); i += 2 {
		// Wrapped texts know their height only at their width.
		objects[i].Resize(fyne.NewSize(left, objects[i].MinSize().Height))
		objects[i+1].Resize(fyne.NewSize(size.Width-left, objects[i+1].MinSize().Height))
		h := max(objects[i].MinSize().Height, objects[i+1].MinSize().Height)
		objects[i].Move(fyne.NewPos(0, y))
		objects[i+1].Move(fyne.NewPos(left, y))
		objects[i].Resize(fyne.NewSize(left, h))
		objects[i+1].Resize(fyne.NewSize(size.Width-left, h))
		y += h - rowOverlap
	}
}

// rowOverlap takes back some of the padding that labels have above and below.
const rowOverlap = 8

func (*columns) MinSize(objects []fyne.CanvasObject) fyne.Size {
	h := float32(0)
	for i := 0; i+1 < len(objects); i += 2 {
		h += max(objects[i].MinSize().Height, objects[i+1].MinSize().Height) - rowOverlap
	}
	return fyne.NewSize(240, h+rowOverlap)
}

// Text is all that the table says, for tests.
func (f *Facts) Text() string {
	var all []string
	for _, o := range f.rows.Objects {
		all = append(all, o.(*widget.Label).Text)
	}
	return strings.Join(all, "\n")
}
