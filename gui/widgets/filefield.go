package widgets

import (
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
)

// A FileField is an Entry for the path of a file, with a button that asks for
// it.
type FileField struct {
	Entry

	// Chosen is called with a path that the user chose, typed or dropped,
	// when it is right and another than before.
	Chosen func(path string)

	browse *Button
	last   string
}

// NewFileField makes a field whose button puts the question.
func NewFileField(label string, choose Choose, q Question, check func(path string) string) *FileField {
	f := &FileField{}
	f.init(label, check, &input{})
	f.ExtendBaseWidget(f)
	if q.Title == "" {
		q.Title = label
	}
	icon := theme.FolderOpenIcon()
	if q.Want == SaveFile {
		icon = theme.DocumentSaveIcon()
	}
	f.browse = NewButton(lang.L("Browse…"), icon, func() {
		q := q
		if path := f.Text(); path != "" {
			if q.Want == SaveFile {
				q.Name = filepath.Base(path)
			}
			if filepath.IsAbs(path) {
				q.Folder = filepath.Dir(path)
			}
		}
		f.browse.Disable()
		choose(q, func(path string) {
			f.browse.Enable()
			if path != "" {
				f.SetPath(path)
			}
		})
	})
	f.trail.Add(f.browse)
	f.Left = f.tell
	return f
}

// SetPath puts a path in the field as if the user had chosen it.
func (f *FileField) SetPath(path string) {
	f.SetText(path)
	f.last = "" // the same file may have changed
	f.Validate()
	f.tell()
}

// Browse presses the button.
func (f *FileField) Browse() { f.browse.Tapped(&fyne.PointEvent{}) }

func (f *FileField) tell() {
	path := f.Text()
	if path == f.last || path != "" && !f.Valid() {
		return
	}
	f.last = path
	if f.Chosen != nil {
		f.Chosen(path)
	}
}
