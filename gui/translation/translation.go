// Package translation holds the texts of the desktop in the languages that it
// speaks, and puts one of them to use through Fyne's own package lang. The key
// of a text is the English text.
package translation

import (
	"embed"
	"os"
	"runtime"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
)

//go:embed *.json
var files embed.FS

// A Language is one that the desktop speaks.
type Language struct {
	Code string // ISO 639-1
	Name string // in the language itself
}

// Languages are all of them.
var Languages = []Language{
	{"en", "English"}, {"de", "Deutsch"}, {"it", "Italiano"}, {"ja", "日本語"}, {"cs", "Čeština"},
}

// system is what the environment said before a language was chosen.
var system = sync.OnceValue(func() [2]string {
	return [2]string{os.Getenv("LANGUAGE"), os.Getenv("LC_ALL")}
})

// Use makes the desktop speak a language from now on; with an empty code, that
// of the system, or English.
//
// Fyne has no way to say which language: it takes the system's. That is what the
// environment says, except on Windows and macOS, where the texts of the chosen
// language are put in the place of those of the system's.
func Use(code string) error {
	before := system()
	language, all := before[0], before[1]
	if code != "" {
		language, all = code, code+".UTF-8"
	}
	for name, value := range map[string]string{"LANGUAGE": language, "LC_ALL": all} {
		var err error
		if value == "" {
			err = os.Unsetenv(name)
		} else {
			err = os.Setenv(name, value)
		}
		if err != nil {
			return err
		}
	}
	for _, l := range Languages {
		if err := lang.AddTranslations(fyne.NewStaticResource(l.Code+".json", Text(l.Code))); err != nil {
			return err
		}
	}
	if code == "" || runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return nil
	}
	return lang.AddTranslationsForLocale(Text(code), lang.SystemLocale())
}

// Text is the file of a language, JSON from English texts to that language's.
func Text(code string) []byte {
	data, err := files.ReadFile(code + ".json")
	if err != nil {
		return []byte("{}")
	}
	return data
}
