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
	if c, ok := legible[v][name]; ok {
		return c
	}
	return l.Theme.Color(name, v)
}

// legible replaces colours of Fyne's theme that are too faint on its background:
// of texts, and of the frames of boxes to tick.
var legible = map[fyne.ThemeVariant]map[fyne.ThemeColorName]color.Color{
	theme.VariantLight: {
		theme.ColorNameDisabled:    color.NRGBA{0x6f, 0x75, 0x80, 0xff},
		theme.ColorNamePlaceHolder: color.NRGBA{0x80, 0x86, 0x90, 0xff},
		theme.ColorNameInputBorder: color.NRGBA{0xa8, 0xad, 0xb6, 0xff},
		theme.ColorNameSuccess:     color.NRGBA{0x1a, 0x85, 0x3c, 0xff},
		theme.ColorNameWarning:     color.NRGBA{0xb3, 0x66, 0x00, 0xff},
		theme.ColorNameError:       color.NRGBA{0xc6, 0x28, 0x28, 0xff},
	},
	theme.VariantDark: {
		theme.ColorNameDisabled:    color.NRGBA{0x9a, 0xa0, 0xaa, 0xff},
		theme.ColorNamePlaceHolder: color.NRGBA{0x80, 0x86, 0x90, 0xff},
		theme.ColorNameInputBorder: color.NRGBA{0x5c, 0x60, 0x69, 0xff},
		theme.ColorNameSuccess:     color.NRGBA{0x4f, 0xc2, 0x72, 0xff},
		theme.ColorNameWarning:     color.NRGBA{0xf0, 0xa0, 0x3c, 0xff},
		theme.ColorNameError:       color.NRGBA{0xf2, 0x6d, 0x6d, 0xff},
		theme.ColorNameSeparator:   color.NRGBA{0x38, 0x3a, 0x40, 0xff},
	},
}
