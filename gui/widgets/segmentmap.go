package widgets

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/signing"
)

// A SegmentMap draws every segment of every volume of a disk as a cell, in the
// colour of what became of it. The volumes lie below each other. Cells are as
// large as the room allows, and 16,384 of them fit.
type SegmentMap struct {
	widget.BaseWidget

	// Shown hears which segment the pointer is on, or else is selected. It is
	// not called when there is none.
	Shown func(volume, segment int)

	states             [][]signing.State
	selected           cell
	hovered            *cell
	focused            bool
	raster             *canvas.Raster
	frame, hover, ring *canvas.Rectangle
}

// A cell is a segment of a volume, both from 0.
type cell struct{ volume, segment int }

const (
	mapHeight = 220
	mapGap    = 6  // between volumes
	largest   = 18 // side of a cell with the gap to the next
)

// NewSegmentMap makes a map of nothing.
func NewSegmentMap() *SegmentMap {
	m := &SegmentMap{hover: canvas.NewRectangle(color.Transparent), frame: canvas.NewRectangle(color.Transparent), ring: canvas.NewRectangle(color.Transparent)}
	m.hover.StrokeWidth, m.frame.StrokeWidth, m.ring.StrokeWidth = 2, 2, 2
	m.raster = canvas.NewRaster(m.draw)
	m.ExtendBaseWidget(m)
	return m
}

// Set shows the states of the segments of each volume.
func (m *SegmentMap) Set(states [][]signing.State) {
	m.states, m.hovered, m.selected = states, nil, cell{}
	for v, volume := range states {
		if len(volume) > 0 {
			m.selected = cell{v, 0}
			break
		}
	}
	// What is altered is what people look for.
	for v, volume := range states {
		for s, state := range volume {
			if state == signing.Altered {
				m.selected = cell{v, s}
				m.tell()
				m.Refresh()
				return
			}
		}
	}
	m.tell()
	m.Refresh()
}

// Select selects a segment.
func (m *SegmentMap) Select(volume, segment int) {
	m.selected, m.hovered = cell{volume, segment}, nil
	m.tell()
	m.Refresh()
}

func (m *SegmentMap) tell() {
	c := m.selected
	if m.hovered != nil {
		c = *m.hovered
	}
	if m.Shown != nil && c.volume < len(m.states) && c.segment < len(m.states[c.volume]) {
		m.Shown(c.volume, c.segment)
	}
}

// grid is how the cells lie in the widget.
type grid struct {
	pitch   float32 // from one cell to the next
	columns int
	top     []float32 // of each volume
}

func (m *SegmentMap) grid() grid {
	size := m.Size()
	for pitch := float32(largest); ; pitch-- {
		g := grid{pitch: pitch, columns: max(1, int(size.Width/pitch))}
		y := float32(0)
		for _, volume := range m.states {
			g.top = append(g.top, y)
			lines := (len(volume) + g.columns - 1) / g.columns
			y += float32(lines)*pitch + mapGap
		}
		if y-mapGap <= size.Height || pitch <= 2 {
			return g
		}
	}
}

func (g grid) position(c cell) fyne.Position {
	return fyne.NewPos(float32(c.segment%g.columns)*g.pitch, g.top[c.volume]+float32(c.segment/g.columns)*g.pitch)
}

func (m *SegmentMap) at(p fyne.Position) (cell, bool) {
	g := m.grid()
	column := int(p.X / g.pitch)
	if p.X < 0 || column >= g.columns {
		return cell{}, false
	}
	for v := len(m.states) - 1; v >= 0; v-- {
		if p.Y < g.top[v] {
			continue
		}
		s := int((p.Y-g.top[v])/g.pitch)*g.columns + column
		return cell{v, s}, s < len(m.states[v])
	}
	return cell{}, false
}

// draw paints the cells into w by h pixels.
func (m *SegmentMap) draw(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	size := m.Size()
	if size.Width <= 0 || len(m.states) == 0 {
		return img
	}
	scale := float32(w) / size.Width
	g := m.grid()
	side := max(g.pitch*scale-max(scale, g.pitch*scale/8), 1)
	colors := [...]color.NRGBA{
		signing.Match: StateColor(signing.Match), signing.NeverWritten: StateColor(signing.NeverWritten), signing.Altered: StateColor(signing.Altered),
	}
	for v, volume := range m.states {
		for s, state := range volume {
			p := g.position(cell{v, s})
			x, y := int(p.X*scale), int(p.Y*scale)
			fill(img, image.Rect(x, y, x+int(side), y+int(side)), colors[state])
		}
	}
	return img
}

func fill(img *image.NRGBA, r image.Rectangle, c color.NRGBA) {
	r = r.Intersect(img.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for i := img.PixOffset(r.Min.X, y); i < img.PixOffset(r.Max.X, y); i += 4 {
			img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = c.R, c.G, c.B, c.A
		}
	}
}

// StateColor is the colour of a state of a segment.
func StateColor(s signing.State) color.NRGBA {
	name, alpha := theme.ColorNameSuccess, uint8(0xd0)
	switch s {
	case signing.Altered:
		name, alpha = theme.ColorNameError, 0xff
	case signing.NeverWritten:
		name, alpha = theme.ColorNameDisabled, 0x48
	}
	return translucent(name, alpha).(color.NRGBA)
}

// Tapped implements fyne.Tappable.
func (m *SegmentMap) Tapped(e *fyne.PointEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(m); c != nil {
		c.Focus(m)
	}
	if c, ok := m.at(e.Position); ok {
		m.Select(c.volume, c.segment)
	}
}

// MouseIn, MouseMoved and MouseOut implement desktop.Hoverable.
func (m *SegmentMap) MouseIn(e *desktop.MouseEvent) { m.MouseMoved(e) }
func (m *SegmentMap) MouseMoved(e *desktop.MouseEvent) {
	c, ok := m.at(e.Position)
	if !ok {
		m.MouseOut()
		return
	}
	if m.hovered == nil || *m.hovered != c {
		m.hovered = &c
		m.tell()
		m.frames()
	}
}
func (m *SegmentMap) MouseOut() {
	if m.hovered != nil {
		m.hovered = nil
		m.tell()
		m.frames()
	}
}

// FocusGained, FocusLost, TypedRune and TypedKey implement fyne.Focusable: the
// arrows select the segments around, Home and End the first and last of the
// volume, Page Up and Page Down those of the other volumes.
func (m *SegmentMap) FocusGained()   { m.focused = true; m.frames(); follow(m) }
func (m *SegmentMap) FocusLost()     { m.focused = false; m.frames() }
func (m *SegmentMap) TypedRune(rune) {}
func (m *SegmentMap) TypedKey(key *fyne.KeyEvent) {
	if len(m.states) == 0 {
		passOn(m, key)
		return
	}
	c := m.selected
	switch key.Name {
	case fyne.KeyLeft:
		c.segment--
	case fyne.KeyRight:
		c.segment++
	case fyne.KeyUp:
		c.segment -= m.grid().columns
	case fyne.KeyDown:
		c.segment += m.grid().columns
	case fyne.KeyHome:
		c.segment = 0
	case fyne.KeyEnd:
		c.segment = len(m.states[c.volume]) - 1
	case fyne.KeyPageUp:
		c = cell{c.volume - 1, 0}
	case fyne.KeyPageDown:
		c = cell{c.volume + 1, 0}
	default:
		passOn(m, key)
		return
	}
	if c.volume >= 0 && c.volume < len(m.states) && c.segment >= 0 && c.segment < len(m.states[c.volume]) {
		m.Select(c.volume, c.segment)
	}
}

// frames marks the cells that are selected and pointed at.
func (m *SegmentMap) frames() {
	g := m.grid()
	mark := func(r *canvas.Rectangle, c *cell, name fyne.ThemeColorName) {
		if c == nil || c.volume >= len(m.states) || c.segment >= len(m.states[c.volume]) {
			r.Hide()
			return
		}
		r.StrokeColor = themeColor(name)
		r.Move(g.position(*c).SubtractXY(2, 2))
		r.Resize(fyne.NewSquareSize(g.pitch + 3))
		r.Show()
		r.Refresh()
	}
	mark(m.frame, &m.selected, theme.ColorNameForeground)
	mark(m.hover, m.hovered, theme.ColorNamePrimary)
	m.ring.Hide()
	if m.focused {
		m.ring.StrokeColor = themeColor(theme.ColorNameFocus)
		m.ring.Move(fyne.NewPos(-4, -4))
		m.ring.Resize(m.Size().AddWidthHeight(8, 8))
		m.ring.Show()
	}
}

// CreateRenderer implements fyne.Widget.
func (m *SegmentMap) CreateRenderer() fyne.WidgetRenderer { return &mapRenderer{m} }

type mapRenderer struct{ m *SegmentMap }

func (r *mapRenderer) Layout(size fyne.Size) {
	r.m.raster.Resize(size)
	r.m.frames()
}

func (r *mapRenderer) MinSize() fyne.Size { return fyne.NewSize(200, mapHeight) }

func (r *mapRenderer) Refresh() {
	r.m.raster.Refresh()
	r.m.frames()
}

func (r *mapRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.m.raster, r.m.ring, r.m.frame, r.m.hover}
}

func (r *mapRenderer) Destroy() {}
