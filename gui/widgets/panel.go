package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Panel sets something off from the page: a card without a title.
type Panel struct {
	widget.BaseWidget
	content fyne.CanvasObject
}

// NewPanel makes a panel.
func NewPanel(content fyne.CanvasObject) *Panel {
	p := &Panel{content: content}
	p.ExtendBaseWidget(p)
	return p
}

// CreateRenderer implements fyne.Widget.
func (p *Panel) CreateRenderer() fyne.WidgetRenderer {
	back := canvas.NewRectangle(themeColor(theme.ColorNameInputBackground))
	back.CornerRadius = 8
	back.StrokeWidth = 1
	all := container.NewStack(back, NewMargin(8, 8, p.content))
	r := &panelRenderer{WidgetRenderer: widget.NewSimpleRenderer(all), back: back, all: all}
	r.Refresh()
	return r
}

type panelRenderer struct {
	fyne.WidgetRenderer
	back *canvas.Rectangle
	all  *fyne.Container
}

func (r *panelRenderer) Refresh() {
	r.back.FillColor = translucent(theme.ColorNameDisabled, 0x10)
	r.back.StrokeColor = themeColor(theme.ColorNameSeparator)
	r.back.Refresh()
	r.all.Refresh()
}
