package guardian

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/pdk/filename"
)

// Limits of a guardian's name. It is the common name of certificates, and with some 30 bytes more the name of a file.
const (
	maxName      = 64  // characters
	maxNameBytes = 192 // UTF-8
)

// CheckName says what is wrong with the name of a guardian. It accepts what is a name of a file on every system, hidden on
// none, and no flag on a command line.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty: give the guardian a name, such as \"Contoso\"")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name has a character that cannot be printed: leave it out")
	case utf8.RuneCountInString(name) > maxName || len(name) > maxNameBytes:
		return fmt.Errorf("the name has more than %d characters, or %d bytes: shorten it", maxName, maxNameBytes)
	case strings.ContainsAny(name, filename.Forbidden):
		return fmt.Errorf("the name has one of the characters %s, which file names cannot have everywhere: leave them out", filename.Forbidden)
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.HasSuffix(name, "."):
		return errors.New("the name begins with a space, or ends with a space or a dot: leave that out")
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return errors.New("the name begins with a dot or a dash: leave that out")
	case filename.IsDevice(name):
		return errors.New("the name is that of a device on Windows: use another one")
	}
	return nil
}
