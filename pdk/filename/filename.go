// Package filename knows what Windows does not take for the name of a file. It never looks at a file system.
//
// Source: Microsoft, "Naming Files, Paths, and Namespaces".
package filename

import (
	"strings"
	"unicode/utf8"
)

// Forbidden are the characters, beside those that do not print, that no name has on Windows.
const Forbidden = `<>:"/\|?*`

// IsDevice says whether Windows takes a file of that name, whatever its extension, for a device.
func IsDevice(name string) bool {
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
