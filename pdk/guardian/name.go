package guardian

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a guardian's name. It is the common name of certificates, and with some 30 bytes more the name of a file.
const (
	maxName      = 64  // characters
	maxNameBytes = 192 // UTF-8
)

// CheckName says what is wrong with the name of a guardian. It accepts what is a name of a file on every system, hidden on none, and no flag on a command line.
func CheckName(name string) error {
	const forbidden = `<>:"/\|?*`
	switch {
	case name == "":
		return errors.New("the name is empty: give the guardian a name, such as \"Contoso\"")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name has a character that cannot be printed: leave it out")
	case utf8.RuneCountInString(name) > maxName || len(name) > maxNameBytes:
		return fmt.Errorf("the name has more than %d characters, or %d bytes: shorten it", maxName, maxNameBytes)
	case strings.ContainsAny(name, forbidden):
		return fmt.Errorf("the name has one of the characters %s, which file names cannot have everywhere: leave them out", forbidden)
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.HasSuffix(name, "."):
		return errors.New("the name begins with a space, or ends with a space or a dot: leave that out")
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return errors.New("the name begins with a dot or a dash: leave that out")
	case isDevice(name):
		return errors.New("the name is that of a device on Windows: use another one")
	}
	return nil
}

// isDevice says whether Windows takes a file of that name, whatever its extension, for a device.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	port, isPort := strings.CutPrefix(base, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(base, "LPT")
	}
	return isPort && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}
