package widgets

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"
)

// A LegendItem says what a colour stands for.
type LegendItem struct {
	Color color.Color
	Text  string
}

// NewLegend puts the items in a row, or in as many as they need.
func NewLegend(items ...LegendItem) *fyne.Container {
	all := container.New(layout.NewRowWrapLayoutWithCustomPadding(12, 0))
	for _, item := range items {
		dot := canvas.NewRectangle(item.Color)
		dot.CornerRadius = 3
		all.Add(container.NewHBox(NewMargin(4, 10, container.New(topLeft{fyne.NewSquareSize(16)}, dot)), widget.NewLabel(item.Text)))
	}
	return all
}
