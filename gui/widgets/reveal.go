package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// Reveal scrolls the page until o is in view: for an answer that appears further
// down than the user looks.
func Reveal(o fyne.CanvasObject) {
	s := scrollAround(o)
	if s == nil {
		return
	}
	for range 2 { // wrapped texts know their height only at their width
		s.Content.Refresh()
		s.Refresh()
	}
	scrollTo(s, o)
}

// follow scrolls to what has got the focus, which Fyne does not do.
func follow(o fyne.CanvasObject) {
	if s := scrollAround(o); s != nil {
		scrollTo(s, o)
	}
}

// A holder is a widget in which there may be a Scroll, or something that may get
// the focus.
type holder interface{ holds() []fyne.CanvasObject }

func (w *Wizard) holds() []fyne.CanvasObject   { return w.place.Objects }
func (b *Beside) holds() []fyne.CanvasObject   { return b.parts[:] }
func (e *Entry) holds() []fyne.CanvasObject    { return []fyne.CanvasObject{e.input, e.trail} }
func (c *Choice) holds() []fyne.CanvasObject   { return c.box.Objects }
func (p *Panel) holds() []fyne.CanvasObject    { return []fyne.CanvasObject{p.content} }
func (p *Progress) holds() []fyne.CanvasObject { return []fyne.CanvasObject{p.cancel} }
func (b *Busy) holds() []fyne.CanvasObject     { return []fyne.CanvasObject{b.cancel} }

// inside are the objects in another, as far as they matter here.
func inside(o fyne.CanvasObject) []fyne.CanvasObject {
	switch o := o.(type) {
	case *fyne.Container:
		return o.Objects
	case *container.Scroll:
		return []fyne.CanvasObject{o.Content}
	case holder:
		return o.holds()
	}
	return nil
}

// scrollAround finds the innermost Scroll of the page that o is in, or nil.
func scrollAround(o fyne.CanvasObject) *container.Scroll {
	c := fyne.CurrentApp().Driver().CanvasForObject(o)
	if c == nil || c.Content() == nil {
		return nil
	}
	s, _ := scrollBetween(c.Content(), o, nil)
	return s
}

func scrollBetween(from, o fyne.CanvasObject, last *container.Scroll) (s *container.Scroll, found bool) {
	if from == o {
		return last, true
	}
	if around, ok := from.(*container.Scroll); ok {
		last = around
	}
	for _, object := range inside(from) {
		if s, found := scrollBetween(object, o, last); found {
			return s, true
		}
	}
	return nil, false
}

// ScrollPage scrolls what of a page scrolls by its height, down or up.
func ScrollPage(page fyne.CanvasObject, down bool) {
	if s := scrollIn(page); s != nil {
		by := s.Size().Height - roomAbove
		if !down {
			by = -by
		}
		s.ScrollToOffset(s.Offset.AddXY(0, by))
	}
}

// scrollIn finds the first Scroll in view.
func scrollIn(o fyne.CanvasObject) *container.Scroll {
	if !o.Visible() {
		return nil
	}
	if s, ok := o.(*container.Scroll); ok {
		return s
	}
	for _, object := range inside(o) {
		if s := scrollIn(object); s != nil {
			return s
		}
	}
	return nil
}

// Room that scrollTo leaves: above for the label of a field.
const (
	roomAbove = 40
	roomBelow = 16
)

// scrollTo moves as little as needed, and not at all when all of o is in view.
// Of what is higher than the view it shows the beginning.
func scrollTo(s *container.Scroll, o fyne.CanvasObject) {
	driver := fyne.CurrentApp().Driver()
	top := driver.AbsolutePositionForObject(o).Y - driver.AbsolutePositionForObject(s).Y
	bottom := top + o.Size().Height
	move := float32(0)
	switch view := s.Size().Height; {
	case top < 0:
		move = top - roomAbove
	case bottom > view:
		move = min(bottom-view+roomBelow, top-roomAbove)
	}
	if move != 0 {
		s.ScrollToOffset(s.Offset.AddXY(0, move))
	}
}
