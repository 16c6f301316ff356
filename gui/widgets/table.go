package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Table shows a few texts in rows and columns, all of them in view and
// wrapped. Fyne's own is for long lists of short texts.
type Table struct {
	widget.BaseWidget
	cells *fyne.Container
	lines []*canvas.Line // above all rows but the first
}

// NewTable makes a table with the texts above its columns, which have the same
// width.
func NewTable(head []string, rows ...[]string) *Table {
	t := &Table{cells: container.New(&cells{columns: len(head)})}
	t.row(head, true)
	for _, r := range rows {
		line := canvas.NewLine(nil)
		t.lines = append(t.lines, line)
		t.row(r, false)
	}
	for _, l := range t.lines { // after the texts, which the layout counts
		t.cells.Add(l)
	}
	t.ExtendBaseWidget(t)
	return t
}

func (t *Table) row(texts []string, head bool) {
	for i, text := range texts {
		l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: head})
		l.Wrapping = fyne.TextWrapWord
		if i == 0 && !head {
			l.Importance = widget.LowImportance
		}
		t.cells.Add(l)
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Table) CreateRenderer() fyne.WidgetRenderer {
	r := &tableRenderer{WidgetRenderer: widget.NewSimpleRenderer(t.cells), table: t}
	r.Refresh()
	return r
}

type tableRenderer struct {
	fyne.WidgetRenderer
	table *Table
}

func (r *tableRenderer) Refresh() {
	for _, l := range r.table.lines {
		l.StrokeColor = themeColor(theme.ColorNameSeparator)
		l.StrokeWidth = 1
		l.Refresh()
	}
	r.table.cells.Refresh()
}

// cells lays out the texts of a table, and the lines between its rows.
type cells struct{ columns int }

func (c *cells) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	w := size.Width / float32(c.columns)
	texts, lines := c.split(objects)
	y := float32(0)
	for i := 0; i < len(texts); i += c.columns {
		row := texts[i : i+c.columns]
		for _, o := range row { // wrapped texts know their height only at their width
			o.Resize(fyne.NewSize(w, o.MinSize().Height))
		}
		h := height(row)
		for n, o := range row {
			o.Move(fyne.NewPos(float32(n)*w, y))
			o.Resize(fyne.NewSize(w, h))
		}
		if i > 0 {
			lines[i/c.columns-1].Move(fyne.NewPos(0, y+rowOverlap/2))
			lines[i/c.columns-1].Resize(fyne.NewSize(size.Width, 0))
		}
		y += h - rowOverlap/2
	}
}

func (c *cells) MinSize(objects []fyne.CanvasObject) fyne.Size {
	texts, _ := c.split(objects)
	h := float32(rowOverlap / 2)
	for i := 0; i < len(texts); i += c.columns {
		h += height(texts[i:i+c.columns]) - rowOverlap/2
	}
	return fyne.NewSize(240, h)
}

func (c *cells) split(objects []fyne.CanvasObject) (texts, lines []fyne.CanvasObject) {
	rows := (len(objects) + 1) / (c.columns + 1)
	return objects[:rows*c.columns], objects[rows*c.columns:]
}

func height(row []fyne.CanvasObject) float32 {
	h := float32(0)
	for _, o := range row {
		h = max(h, o.MinSize().Height)
	}
	return h
}
