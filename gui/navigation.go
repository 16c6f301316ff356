package gui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/widgets"
)

// navigation is the list of places at the left of the window.
type navigation struct {
	widget.BaseWidget
	buttons map[string]*widgets.Button
	content fyne.CanvasObject
	back    *canvas.Rectangle
	status  *fyne.Container
}

func newNavigation(places []place, goTo func(id string)) *navigation {
	n := &navigation{buttons: map[string]*widgets.Button{}, back: canvas.NewRectangle(color.Transparent), status: container.NewVBox()}
	icon := canvas.NewImageFromResource(Icon)
	icon.FillMode = canvas.ImageFillContain
	icon.SetMinSize(fyne.NewSize(30, 30))
	name := canvas.NewText("Scutum", theme.Color(theme.ColorNameForeground))
	head := container.NewHBox(icon, widgets.NewSubheading(name.Text))
	head.Objects[1].(*widget.Label).Wrapping = fyne.TextWrapOff

	top, bottom := container.NewVBox(), container.NewVBox(n.status)
	for _, p := range places {
		b := widgets.NewButton(p.title, p.icon, func() { goTo(p.id) })
		b.Alignment = widget.ButtonAlignLeading
		b.Importance = widget.LowImportance
		n.buttons[p.id] = b
		if p.id == placeSettings {
			bottom.Add(b)
		} else {
			top.Add(b)
		}
	}
	list := container.NewBorder(widgets.NewMargin(8, 10, head), bottom, nil, nil, container.NewVScroll(top))
	n.content = container.NewStack(n.back, container.NewBorder(nil, nil, nil, widget.NewSeparator(), widgets.NewMargin(8, 8, list)))
	n.ExtendBaseWidget(n)
	return n
}

// mark shows which place the window is at.
func (n *navigation) mark(id string) {
	for other, b := range n.buttons {
		b.Importance = widget.LowImportance
		if other == id {
			b.Importance = widget.MediumImportance
		}
		b.Refresh()
	}
}

// work shows the titles of the pages that are at work.
func (n *navigation) work(titles []string) {
	n.status.RemoveAll()
	for _, title := range titles {
		l := widget.NewLabel(title)
		l.Truncation = fyne.TextTruncateEllipsis
		activity := widget.NewActivity()
		activity.Start()
		n.status.Add(container.NewBorder(nil, nil, widgets.NewMargin(4, 8, activity), nil, l))
	}
	n.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (n *navigation) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(n.content) }
