package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// Busy says that something is being done of which nobody knows how far it is.
// It is there only meanwhile.
type Busy struct {
	widget.BaseWidget
	text   *widget.Label
	bar    *widget.ProgressBarInfinite
	cancel *Button
}

// NewBusy makes a sign that is not there yet.
func NewBusy(text string) *Busy {
	b := &Busy{text: NewText(text), bar: widget.NewProgressBarInfinite()}
	b.bar.Stop()
	b.cancel = NewButton(lang.L("Cancel"), theme.CancelIcon(), nil)
	b.ExtendBaseWidget(b)
	b.Hide()
	return b
}

// Begin shows the sign. cancel may be nil: what is done cannot be cancelled.
func (b *Busy) Begin(cancel func()) {
	b.cancel.OnTapped = func() {
		b.cancel.Disable()
		cancel()
	}
	b.cancel.Enable()
	visible(b.cancel, cancel != nil)
	b.bar.Start()
	b.Show()
}

// End takes the sign away.
func (b *Busy) End() {
	b.bar.Stop()
	b.Hide()
}

// CreateRenderer implements fyne.Widget.
func (b *Busy) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(NewPanel(container.New(rows{gap: 4}, container.NewBorder(nil, nil, nil, b.cancel, b.text), b.bar)))
}
