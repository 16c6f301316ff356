package gui

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
)

// answerPreview shows an answer file with the numbers of its lines, and its
// substitution strings below.
type answerPreview struct {
	content fyne.CanvasObject
	text    *widget.TextGrid
	which   *widgets.Select // of the files, where there are two
	notice  *widgets.Notice
	places  *fyne.Container
	made    *model.MadeAnswer
}

func newAnswerPreview() *answerPreview {
	p := &answerPreview{text: widget.NewTextGrid(), notice: widgets.NewNotice(widgets.Info, "", ""), places: widgets.NewGroup()}
	p.text.ShowLineNumbers = true
	p.text.TabWidth = 2
	p.text.Scroll = fyne.ScrollNone // by itself it mixes up its lines when it grows
	p.which = widgets.NewSelect([]string{"user-data", "network-config"}, func(string) { p.draw() })
	p.which.Hide()
	below := container.NewVScroll(p.places)
	below.SetMinSize(fyne.NewSize(0, 110))
	p.content = widgets.NewMargin(24, 8, container.NewBorder(widgets.NewGroup(p.which, p.notice), below, nil, nil,
		widgets.NewPanel(container.NewScroll(p.text))))
	return p
}

// show shows another file, or why there is none: then that before stays.
func (p *answerPreview) show(made *model.MadeAnswer, err error) {
	if err != nil {
		p.notice.Set(widgets.Info, lang.L("The file is shown as soon as this is right"), textOf(err))
		return
	}
	p.notice.Set(widgets.Info, "", "")
	p.made = made
	visible(p.which, made.NetworkConfig != nil)
	if made.NetworkConfig == nil || p.which.SelectedIndex() < 0 {
		p.which.SetSelectedIndex(0) // draws
	}
	p.draw()
	p.places.RemoveAll()
	for _, o := range placesFacts(made) {
		p.places.Add(o)
	}
	p.places.Refresh()
}

func (p *answerPreview) draw() {
	if p.made == nil {
		return
	}
	file := p.made.File
	if p.which.SelectedIndex() == 1 {
		file = p.made.NetworkConfig
	}
	p.text.SetText(strings.TrimRight(string(file), "\n"))
	if p.which.SelectedIndex() == 1 {
		return
	}
	// The substitution strings stand out.
	style := &widget.CustomTextGridStyle{FGColor: primary(), TextStyle: fyne.TextStyle{Bold: true}}
	for _, place := range p.made.Places {
		row := place.Line - 1
		if row >= len(p.text.Rows) {
			continue
		}
		line := p.text.RowText(row)
		for from := 0; ; {
			i := strings.Index(line[from:], place.Key)
			if i < 0 {
				break
			}
			at := len([]rune(line[:from+i]))
			p.text.SetStyleRange(row, at, row, at+len([]rune(place.Key))-1, style)
			from += i + len(place.Key)
		}
	}
}

func primary() color.Color {
	s := fyne.CurrentApp().Settings()
	return s.Theme().Color(theme.ColorNamePrimary, s.ThemeVariant())
}
