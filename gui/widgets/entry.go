package widgets

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// An Entry is a line, or with NewTextArea some lines, of text with a label above
// and what is wrong with it below. It says so as soon as it was left, and takes
// it back while the text is being put right.
type Entry struct {
	widget.BaseWidget

	// Check says what is wrong with the text, in the user's language, or "".
	Check func(text string) string
	// Changed hears of every change by the user and of SetText.
	Changed func(text string)
	// Left is called when the field loses the focus.
	Left func()

	label   *widget.Label
	input   *input
	message *message
	trail   *fyne.Container
	left    bool
}

// NewEntry makes a field for one line of text.
func NewEntry(label string, check func(text string) string) *Entry {
	return newEntry(label, check, &input{})
}

// NewPasswordEntry makes a field that hides what is typed.
func NewPasswordEntry(label string, check func(text string) string) *Entry {
	i := &input{}
	i.Password = true
	return newEntry(label, check, i)
}

// NewTextArea makes a field for several lines, in which Enter begins a new one.
func NewTextArea(label string, rows int, check func(text string) string) *Entry {
	i := &input{}
	i.MultiLine = true
	i.Wrapping = fyne.TextWrapWord
	e := newEntry(label, check, i)
	i.SetMinRowsVisible(rows)
	return e
}

func newEntry(label string, check func(string) string, i *input) *Entry {
	e := &Entry{}
	e.init(label, check, i)
	e.ExtendBaseWidget(e)
	return e
}

func (e *Entry) init(label string, check func(string) string, i *input) {
	e.Check, e.label, e.input, e.message, e.trail = check, newFieldLabel(label), i, newMessage(), container.NewHBox()
	i.ExtendBaseWidget(i)
	i.owner = e
	i.OnChanged = func(text string) {
		if e.left {
			e.Validate()
		}
		if e.Changed != nil {
			e.Changed(text)
		}
	}
}

// Text is what stands in the field.
func (e *Entry) Text() string { return e.input.Text }

// SetText puts a text in the field. It does not judge it.
func (e *Entry) SetText(text string) { e.input.SetText(text) }

// SetHint shows a text in the empty field.
func (e *Entry) SetHint(text string) { e.input.SetPlaceHolder(text) }

// Clear empties the field as if nobody had been there: for passwords that were
// used.
func (e *Entry) Clear() {
	e.left = false
	e.input.SetText("")
	e.message.set("")
}

// Valid says whether the text is right, and shows nothing.
func (e *Entry) Valid() bool { return e.Check == nil || e.Check(e.input.Text) == "" }

// Validate says whether the text is right, and shows why not.
func (e *Entry) Validate() bool {
	e.left = true
	text := ""
	if e.Check != nil {
		text = e.Check(e.input.Text)
	}
	e.message.set(text)
	return text == ""
}

// Complain shows what else is wrong with the text, until it changes.
func (e *Entry) Complain(text string) { e.message.set(text) }

// Message is what the field says of its text, for tests.
func (e *Entry) Message() string { return e.message.text() }

// Focus puts the cursor into the field.
func (e *Entry) Focus() {
	if c := fyne.CurrentApp().Driver().CanvasForObject(e.input); c != nil {
		c.Focus(e.input)
	}
}

// Enable and Disable let the field be changed or not.
func (e *Entry) Enable()  { e.input.Enable() }
func (e *Entry) Disable() { e.input.Disable() }

// CreateRenderer implements fyne.Widget.
func (e *Entry) CreateRenderer() fyne.WidgetRenderer {
	var line fyne.CanvasObject = e.input
	if len(e.trail.Objects) > 0 {
		line = container.NewBorder(nil, nil, nil, e.trail, e.input)
	}
	return widget.NewSimpleRenderer(field(e.label, line, e.message))
}

func (e *Entry) leave() {
	// A field that nobody wrote into yet is only passed through.
	if e.input.Text != "" || e.left {
		e.Validate()
	}
	if e.Left != nil {
		e.Left()
	}
}

// input is the text of an Entry.
type input struct {
	widget.Entry
	owner *Entry
}

// FocusGained implements fyne.Focusable.
func (i *input) FocusGained() {
	i.Entry.FocusGained()
	follow(i)
}

// FocusLost implements fyne.Focusable.
func (i *input) FocusLost() {
	i.Entry.FocusLost()
	i.owner.leave()
}

// AcceptsTab implements fyne.Tabbable: Tab goes on, from several lines too.
func (i *input) AcceptsTab() bool { return false }

// TypedKey implements fyne.Focusable.
func (i *input) TypedKey(key *fyne.KeyEvent) {
	switch key.Name {
	case fyne.KeyEscape:
		passOn(i, key)
	case fyne.KeyReturn, fyne.KeyEnter:
		if i.MultiLine {
			i.Entry.TypedKey(key)
			return
		}
		i.owner.leave()
		passOn(i, key)
	default:
		i.Entry.TypedKey(key)
	}
}

// A message is what stands below a field: nothing, or what is wrong.
type message struct {
	widget.BaseWidget
	label *widget.Label
	box   *fyne.Container
}

func newMessage() *message {
	m := &message{label: widget.NewLabel("")}
	m.label.Importance = widget.DangerImportance
	m.label.Wrapping = fyne.TextWrapWord
	m.label.SizeName = theme.SizeNameCaptionText
	m.box = container.NewStack(m.label)
	m.ExtendBaseWidget(m)
	m.Hide()
	return m
}

func (m *message) set(text string) {
	m.label.SetText(text)
	if text == "" {
		m.Hide()
	} else {
		m.Show()
	}
}

func (m *message) text() string { return m.label.Text }

func (m *message) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(m.box) }

func newFieldLabel(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.Wrapping = fyne.TextWrapWord
	return l
}

// field puts the label above and the message below what is asked for.
func field(label *widget.Label, line fyne.CanvasObject, below fyne.CanvasObject) *fyne.Container {
	rows := []fyne.CanvasObject{}
	if label.Text != "" {
		rows = append(rows, label)
	}
	return container.New(tight{align: true}, append(rows, line, below)...)
}

// NewField puts a label above something that is no Entry, such as a Select.
func NewField(label string, o fyne.CanvasObject) fyne.CanvasObject {
	return field(newFieldLabel(label), o, newMessage())
}

// Label is what stands above the field.
func (e *Entry) Label() string { return e.label.Text }
