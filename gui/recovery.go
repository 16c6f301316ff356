package gui

import (
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/widgets"
)

func newRecoveryPage(_ *Window) *page {
	return &page{content: widgets.NewPage(lang.L("Recovery"), widgets.NewColumn())}
}
