package model

import (
	"os"
	"path/filepath"
	"strings"
)

// A Problem says what is wrong with something that the user entered, with a
// remedy: a text that is translated, in which {{.Name}} stands for values of
// Data.
type Problem struct {
	Text string
	Data map[string]any
}

// Error gives the text in English, with its placeholders filled.
func (p *Problem) Error() string {
	text := p.Text
	for name, value := range p.Data {
		if s, ok := value.(string); ok {
			text = strings.ReplaceAll(text, "{{."+name+"}}", s)
		}
	}
	return text
}

// problem makes a Problem; pairs are the names and values of Data. The text is a
// literal wherever this is called: a test looks for its translations.
func problem(text string, pairs ...any) error {
	p := &Problem{Text: text, Data: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		p.Data[pairs[i].(string)] = pairs[i+1]
	}
	return p
}

// CheckOpen says whether a path names a file that can be read.
func CheckOpen(path string) error {
	if path == "" {
		return problem("Choose a file.")
	}
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return problem("There is no such file. Check the path, or choose the file with the button.")
	case err != nil:
		return err
	case info.IsDir():
		return problem("This is a folder. Choose a file in it.")
	case !info.Mode().IsRegular():
		return problem("This is not a plain file. Choose another.")
	case info.Size() == 0:
		return problem("The file is empty. Have it sent again, or choose another.")
	}
	return nil
}

// CheckSave says whether a file could be written at a path. That there is one
// already is for the page to ask about.
func CheckSave(path string) error {
	if path == "" {
		return problem("Say where the file is to be saved.")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return problem("This is a folder. Add a file name.")
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return problem("The folder {{.Folder}} does not exist. Make it first, or choose another.", "Folder", filepath.Dir(path))
	}
	return nil
}

// Exists says whether there is something at a path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// SameFile says whether two paths lead to the same file.
func SameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	return os.SameFile(x, y)
}
