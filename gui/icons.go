package gui

import (
	_ "embed"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/assets"
)

// Icon is that of the program.
var Icon = fyne.NewStaticResource("scutum.svg", assets.Icon)

//go:embed icon/shield.svg
var shield []byte

var iconShield = theme.NewThemedResource(fyne.NewStaticResource("shield.svg", shield))
