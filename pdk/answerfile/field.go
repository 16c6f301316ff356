package answerfile

import (
	"errors"
	"fmt"
	"regexp"
	"unicode"
	"unicode/utf8"
)

// open reports whether a field waits for a value: what it will be cannot be checked now.
func open(text string) bool { return keyForm.MatchString(text) }

// checkLine wants a field to be one line of text, of at most so many characters.
func checkLine(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("%s: there is none", what)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s: it is not UTF-8", what)
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("%s: %d characters, at most %d are allowed", what, utf8.RuneCountInString(text), most)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s: it holds %U, which is not printable", what, r)
		}
	}
	return nil
}

// checkForm wants a field, unless it waits for a value, to have a form, which want describes.
func checkForm(what, text string, form *regexp.Regexp, want string) error {
	if open(text) || form.MatchString(text) {
		return nil
	}
	return fmt.Errorf("%s: %.64q is not %s", what, text, want)
}

// checkEach checks each text of a list.
func checkEach(texts []string, check func(string) error) error {
	var errs []error
	for _, text := range texts {
		errs = append(errs, check(text))
	}
	return errors.Join(errs...)
}
