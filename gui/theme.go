package gui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// look is Fyne's own theme, but for what is hard to read in it, and for the
// variant when that is not the system's.
type look struct {
	fyne.Theme
	variant string // "", "light" or "dark"
}

// Color implements fyne.Theme.
func (l look) Color(name fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	switch l.variant {
	case "light":
		v = theme.VariantLight
	case "dark":
		v = theme.VariantDark
	}
	// Fyne's is so faint that text of low importance cannot be read.
	if name == theme.ColorNameDisabled || name == theme.ColorNamePlaceHolder {
		if v == theme.VariantLight {
			return color.NRGBA{0x6f, 0x75, 0x80, 0xff}
		}
		return color.NRGBA{0x9a, 0xa0, 0xaa, 0xff}
	}
	return l.Theme.Color(name, v)
}
