package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Choice is one of a few texts below each other, all in view. Fyne's
// RadioGroup cuts long texts off, and keeps keys to itself.
type Choice struct {
	widget.BaseWidget
	selected int
	changed  func(i int)
	options  []*option
	box      *fyne.Container
}

// NewChoice makes a choice that stands at the first text.
func NewChoice(texts []string, changed func(i int)) *Choice {
	c := &Choice{changed: changed, box: container.NewVBox()}
	for i, text := range texts {
		o := &option{Button: Button{widget.Button{Text: text, Alignment: widget.ButtonAlignLeading, Importance: widget.LowImportance}}}
		o.OnTapped = func() { c.Select(i) }
		o.ExtendBaseWidget(o)
		c.options = append(c.options, o)
		c.box.Add(o)
	}
	c.mark()
	c.ExtendBaseWidget(c)
	return c
}

// Selected is which text is chosen, from 0.
func (c *Choice) Selected() int { return c.selected }

// Select chooses a text, and tells when that is another than before.
func (c *Choice) Select(i int) {
	if i == c.selected || i < 0 || i >= len(c.options) {
		return
	}
	c.selected = i
	c.mark()
	if c.changed != nil {
		c.changed(i)
	}
}

func (c *Choice) mark() {
	for i, o := range c.options {
		icon := theme.RadioButtonIcon()
		if i == c.selected {
			icon = theme.NewPrimaryThemedResource(theme.RadioButtonCheckedIcon())
		}
		o.SetIcon(icon)
	}
}

// CreateRenderer implements fyne.Widget.
func (c *Choice) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.box) }

// option is one text of a Choice. Enter means Next here, as in other fields.
type option struct{ Button }

// FocusGained implements fyne.Focusable.
func (o *option) FocusGained() {
	o.Button.Button.FocusGained()
	follow(o)
}

// TypedKey implements fyne.Focusable.
func (o *option) TypedKey(key *fyne.KeyEvent) {
	if key.Name == fyne.KeySpace {
		o.Tapped(nil)
		return
	}
	passOn(o, key)
}
