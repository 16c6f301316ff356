package widgets

import (
	"context"
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Step is one page of a Wizard.
type Step struct {
	Title   string
	Content fyne.CanvasObject
	Ready   func() bool // whether Next may be pressed; nil: always
	Enter   func()      // when the step comes into view, from either side
	First   fyne.Focusable
	Skip    func() bool // whether the step does not apply and is passed over; nil: never

	// Action is the text of Next where that does what the wizard is for, and
	// Work makes what it then does, away from Fyne's goroutine. The step after
	// it is the summary, from which there is no way back.
	Action  string
	Work    func() Job
	Confirm func(then func()) // asks before the work, and calls then for yes; nil: nothing is asked
	Failed  string            // heading of the error, should there be one
}

// A Wizard leads through steps: Back, Next, Cancel and Finish below the step,
// Enter for Next and Escape for Cancel. What was entered stays in the steps
// until the wizard is thrown away.
type Wizard struct {
	widget.BaseWidget

	Finished  func()             // Finish was pressed
	Cancelled func()             // Cancel was pressed, and no work is being done
	Explain   func(error) string // what to say of the error of work; nil: its own text
	Progress  *Progress

	steps   []*Step
	current int
	summary bool

	title, subtitle          *widget.Label
	marks                    []*canvas.Rectangle
	place                    *fyne.Container
	failure                  *Notice
	back, next, cancel, done *Button
}

// NewWizard makes a wizard that stands at its first step.
func NewWizard(title string, steps ...*Step) *Wizard {
	w := &Wizard{
		steps: steps, title: NewHeading(title), subtitle: NewText(""),
		place: container.NewStack(), failure: NewNotice(Bad, "", ""), Progress: NewProgress(title),
	}
	w.subtitle.Importance = widget.LowImportance
	w.back = NewButton(lang.L("Back"), theme.NavigateBackIcon(), w.Back)
	w.next = NewPrimaryButton(lang.L("Next"), theme.NavigateNextIcon(), w.Next)
	w.next.IconPlacement = widget.ButtonIconTrailingText
	w.cancel = NewButton(lang.L("Cancel"), nil, w.Cancel)
	w.done = NewPrimaryButton(lang.L("Finish"), theme.ConfirmIcon(), w.finish)
	for range steps {
		r := canvas.NewRectangle(nil)
		r.CornerRadius = 2
		r.SetMinSize(fyne.NewSize(10, 4))
		w.marks = append(w.marks, r)
	}
	w.ExtendBaseWidget(w)
	w.show(0)
	return w
}

// Current is the step in view, from 0.
func (w *Wizard) Current() int { return w.current }

// Refresh asks the step again whether Next may be pressed. Whoever changes what
// Ready looks at calls it.
func (w *Wizard) Refresh() {
	if ready := w.ready(); ready && w.next.Disabled() {
		w.next.Enable()
	} else if !ready && !w.next.Disabled() {
		w.next.Disable()
	}
	w.count()
	w.BaseWidget.Refresh()
}

// count says at which of the steps that apply the wizard stands.
func (w *Wizard) count() {
	number, count := 0, 0
	for i, s := range w.steps {
		applies := s.Skip == nil || !s.Skip()
		visible(w.marks[i], applies)
		if applies {
			count++
		}
		if i == w.current {
			number = count
		}
	}
	w.subtitle.SetText(lang.L("Step {{.Number}} of {{.Count}}: {{.Title}}",
		map[string]any{"Number": number, "Count": count, "Title": w.steps[w.current].Title}))
}

func (w *Wizard) ready() bool {
	s := w.steps[w.current]
	return !w.Progress.Busy() && (s.Ready == nil || s.Ready())
}

// Next goes to the next step, or starts the work, if the step is right.
func (w *Wizard) Next() {
	switch s := w.steps[w.current]; {
	case w.summary || !w.ready():
	case s.Work != nil && s.Confirm != nil:
		s.Confirm(func() {
			if w.steps[w.current] == s && !w.summary && w.ready() {
				w.work(s)
			}
		})
	case s.Work != nil:
		w.work(s)
	default:
		if next := w.beside(1); next < len(w.steps) {
			w.show(next)
		}
	}
}

// beside gives the next step that applies, in the direction of by.
func (w *Wizard) beside(by int) int {
	i := w.current + by
	for i >= 0 && i < len(w.steps) && w.steps[i].Skip != nil && w.steps[i].Skip() {
		i += by
	}
	return i
}

// Back goes to the step before.
func (w *Wizard) Back() {
	if before := w.beside(-1); before >= 0 && !w.summary && !w.Progress.Busy() {
		w.show(before)
	}
}

// Cancel cancels the work that is being done, or else the wizard.
func (w *Wizard) Cancel() {
	switch {
	case w.Progress.Busy():
		w.Progress.Cancel()
	case w.summary:
		w.finish()
	case w.Cancelled != nil:
		w.Cancelled()
	}
}

// TypedKey is what Enter and Escape do when no field takes them.
func (w *Wizard) TypedKey(key *fyne.KeyEvent) {
	switch key.Name {
	case fyne.KeyReturn, fyne.KeyEnter:
		if w.summary {
			w.finish()
		} else {
			w.Next()
		}
	case fyne.KeyEscape:
		w.Cancel()
	}
}

func (w *Wizard) finish() {
	if w.Finished != nil {
		w.Finished()
	}
}

func (w *Wizard) work(s *Step) {
	w.failure.Set(Bad, "", "")
	job := s.Work()
	w.Progress.Run(job, func(err error) {
		switch {
		case err == nil:
			w.summary = w.current+2 == len(w.steps)
			w.show(w.current + 1)
		case errors.Is(err, context.Canceled):
			w.show(w.current)
			w.failure.Set(Info, lang.L("Cancelled. Nothing was changed."), "")
		default:
			w.show(w.current)
			text := err.Error()
			if w.Explain != nil {
				text = w.Explain(err)
			}
			w.failure.Set(Bad, s.Failed, text)
		}
	})
	w.place.Objects = []fyne.CanvasObject{NewMargin(24, 4, NewColumn(w.Progress))}
	w.back.Hide()
	w.next.Hide()
	w.cancel.Hide() // the panel has its own
	w.BaseWidget.Refresh()
}

func (w *Wizard) show(i int) {
	w.current = i
	s := w.steps[i]
	w.failure.Set(Bad, "", "")
	if s.Enter != nil {
		s.Enter()
	}
	w.next.SetText(lang.L("Next"))
	if s.Action != "" {
		w.next.SetText(s.Action)
	}
	w.place.Objects = []fyne.CanvasObject{container.NewVScroll(NewMargin(24, 4, NewColumn(w.failure, s.Content)))}
	last := i == len(w.steps)-1
	visible(w.back, i > 0 && !w.summary)
	visible(w.next, !last)
	visible(w.cancel, !w.summary)
	visible(w.done, last)
	if s.First != nil {
		if c := fyne.CurrentApp().Driver().CanvasForObject(w); c != nil {
			c.Focus(s.First)
		}
	}
	w.Refresh()
}

func visible(o fyne.CanvasObject, yes bool) {
	if yes {
		o.Show()
	} else {
		o.Hide()
	}
}

// CreateRenderer implements fyne.Widget.
func (w *Wizard) CreateRenderer() fyne.WidgetRenderer {
	marks := container.NewGridWithRows(1)
	for _, m := range w.marks {
		marks.Add(m)
	}
	head := NewMargin(24, 12, container.New(narrow{ColumnWidth}, container.New(tight{align: true}, w.title, w.subtitle, NewMargin(0, 4, marks))))
	foot := container.NewVBox(widget.NewSeparator(),
		NewMargin(24, 8, container.New(narrow{ColumnWidth}, container.NewBorder(nil, nil, w.cancel, container.NewHBox(w.back, w.next, w.done)))))
	all := container.NewBorder(head, foot, nil, nil, w.place)
	r := &wizardRenderer{WidgetRenderer: widget.NewSimpleRenderer(all), wizard: w, all: all}
	r.Refresh()
	return r
}

type wizardRenderer struct {
	fyne.WidgetRenderer
	wizard *Wizard
	all    *fyne.Container
}

func (r *wizardRenderer) Refresh() {
	for i, m := range r.wizard.marks {
		m.FillColor = themeColor(theme.ColorNameSeparator)
		if i <= r.wizard.current {
			m.FillColor = themeColor(theme.ColorNamePrimary)
		}
		m.Refresh()
	}
	r.all.Refresh()
}
