package ntfs

import (
	"fmt"
	"slices"
	"strings"
)

// devices are names that Windows keeps for devices, with any extension.
var devices = []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}

// checkName requires a name that Windows accepts, and gives it in UTF-16.
func checkName(name string) ([]uint16, error) {
	fail := func(why string) ([]uint16, error) { return nil, fmt.Errorf("%q: %w: %s", name, ErrName, why) }
	units, ok := encodeName(name)
	switch {
	case !ok:
		return fail("it is not UTF-8")
	case len(units) == 0 || len(units) > maxName:
		return fail(fmt.Sprintf("it is %d UTF-16 units long, not 1 to %d", len(units), maxName))
	case strings.ContainsAny(name, "\"*/:<>?\\|") || strings.IndexFunc(name, func(r rune) bool { return r < ' ' }) >= 0:
		return fail(`it holds one of "*/:<>?\| or a control character`)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fail("it ends in a dot or a space")
	}
	for i, u := range units {
		high, low := u >= 0xd800 && u < 0xdc00, u >= 0xdc00 && u < 0xe000
		if high && (i+1 == len(units) || units[i+1] < 0xdc00 || units[i+1] >= 0xe000) || low && (i == 0 || units[i-1] < 0xd800 || units[i-1] >= 0xdc00) {
			return fail("it holds half of a surrogate pair")
		}
	}
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	port, _ := strings.CutPrefix(stem, "COM")
	if port == stem {
		port, _ = strings.CutPrefix(stem, "LPT")
	}
	if slices.Contains(devices, stem) || port != stem && len([]rune(port)) == 1 && strings.Contains("0123456789¹²³", port) {
		return fail("it is the name of a device")
	}
	return units, nil
}

// nameSpace tells the name space of a new name. One that DOS could use as it is
// (8.3, of any case) serves both; any other gets no short name beside it, as on
// volumes where 8.3 names are switched off, and is recorded like those that
// other systems than Windows make: Windows wants no short name with it.
func nameSpace(name string) byte {
	stem, extension, dotted := strings.Cut(name, ".")
	plain := func(s string, least, most int) bool {
		if len(s) < least || len(s) > most {
			return false
		}
		return strings.IndexFunc(s, func(r rune) bool {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
			return !letter && !strings.ContainsRune("!#$%&'()-@^_`{}~", r)
		}) < 0
	}
	if plain(stem, 1, 8) && (!dotted || plain(extension, 1, 3)) {
		return nameWin32AndDOS
	}
	return namePOSIX
}
