package gui

import (
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/widgets"
)

func newAnswerPage(_ *Window) *page {
	return &page{content: widgets.NewPage(lang.L("Answer file"), widgets.NewColumn())}
}
