package widgets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/storage"
	"github.com/ncruces/zenity"
)

// Want is what a Question asks for.
type Want int

// What can be asked for.
const (
	OpenFile Want = iota
	SaveFile
	Folder
)

// A FileType is a group of files that a dialog offers to show.
type FileType struct {
	Name       string   // in the user's language
	Extensions []string // with their dots, in lower case
}

// A Question asks the user for a file or folder.
type Question struct {
	Want    Want
	Title   string
	Purpose string // what a folder is remembered for: "template", "certificate", ...
	Folder  string // where to begin; empty: wherever
	Name    string // proposed name of a file to save
	Types   []FileType
}

// Choose puts a question to the user and returns at once. The answer comes on
// Fyne's goroutine, once, and is empty when the user gave none.
type Choose func(q Question, answer func(path string))

// NewChoose asks with the dialogs of the system where it has them, and with
// Fyne's in the given window elsewhere.
func NewChoose(parent fyne.Window) Choose {
	fallback := chooseWithFyne(parent)
	return func(q Question, answer func(string)) {
		if !zenity.IsAvailable() {
			fallback(q, answer)
			return
		}
		go func() {
			path, err := chooseWithSystem(q)
			fyne.Do(func() {
				if err != nil && !errors.Is(err, zenity.ErrCanceled) {
					fallback(q, answer)
					return
				}
				answer(path)
			})
		}()
	}
}

func chooseWithSystem(q Question) (string, error) {
	start := q.Name
	if q.Folder != "" {
		start = q.Folder + string(filepath.Separator) + q.Name
	}
	options := []zenity.Option{zenity.Title(q.Title), zenity.Modal()}
	if start != "" {
		options = append(options, zenity.Filename(start))
	}
	for _, t := range q.Types {
		var patterns []string
		for _, e := range t.Extensions {
			patterns = append(patterns, "*"+e)
		}
		options = append(options, zenity.FileFilter{Name: t.Name, Patterns: patterns, CaseFold: true})
	}
	if len(q.Types) > 0 {
		options = append(options, zenity.FileFilter{Name: lang.L("All files"), Patterns: []string{"*"}})
	}
	switch q.Want {
	case SaveFile:
		return zenity.SelectFileSave(append(options, zenity.ConfirmOverwrite())...)
	case Folder:
		return zenity.SelectFile(append(options, zenity.Directory())...)
	default:
		return zenity.SelectFile(options...)
	}
}

// chooseWithFyne asks with Fyne's own dialogs, nearly as large as the window.
// Its dialog for saving empties the file that it names, before anything is
// known to be good enough to put in its place: so that asks for the folder.
func chooseWithFyne(parent fyne.Window) Choose {
	return func(q Question, answer func(string)) {
		var d *dialog.FileDialog
		if q.Want == OpenFile {
			d = dialog.NewFileOpen(func(f fyne.URIReadCloser, err error) {
				if err != nil || f == nil {
					answer("")
					return
				}
				f.Close()
				answer(f.URI().Path())
			}, parent)
			d.SetFilter(filterOf(q.Types))
		} else {
			d = dialog.NewFolderOpen(func(f fyne.ListableURI, err error) {
				switch {
				case err != nil || f == nil:
					answer("")
				case q.Want == SaveFile:
					answer(filepath.Join(f.Path(), q.Name))
				default:
					answer(f.Path())
				}
			}, parent)
		}
		d.SetTitleText(q.Title)
		folder := q.Folder
		if folder == "" {
			folder, _ = os.UserHomeDir()
		}
		if list, err := storage.ListerForURI(storage.NewFileURI(folder)); err == nil {
			d.SetLocation(list)
		}
		d.Show()
		size := parent.Canvas().Size()
		d.Resize(fyne.NewSize(size.Width*0.92, size.Height*0.92))
	}
}

func filterOf(types []FileType) storage.FileFilter {
	var extensions []string
	for _, t := range types {
		for _, e := range t.Extensions {
			extensions = append(extensions, e, strings.ToUpper(e))
		}
	}
	if len(extensions) == 0 {
		return nil
	}
	return storage.NewExtensionFileFilter(extensions)
}
