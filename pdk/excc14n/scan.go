package excc14n

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const whiteSpace = " \t\r\n"

const space = `[ \t\r\n]`

var declaration = regexp.MustCompile(`^<\?xml` + space + `+version=(?:"1\.0"|'1\.0')(?:` + space + `+encoding=(?:"(?i:utf-8)"|'(?i:utf-8)'))?(?:` +
	space + `+standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?` + space + `*\?>`)

// A scanner reads tags. They are plainer than XML allows: ASCII names with at most one colon, values without line breaks and
// tabs.
type scanner struct {
	rest string // what is not read yet
}

type name struct{ prefix, local string }

// isDefault says whether an attribute of that name declares the default namespace.
func (n name) isDefault() bool { return n.prefix == "" && n.local == "xmlns" }

type tag struct {
	name  name
	attrs []attribute // and namespace declarations
	empty bool        // it is also the end of the element
}

type attribute struct {
	name  name
	value string
}

// skip reads a piece of markup, where it is there.
func (s *scanner) skip(markup string) bool {
	rest, found := strings.CutPrefix(s.rest, markup)
	s.rest = rest
	return found
}

// space reads white space and says whether there was some.
func (s *scanner) space() bool {
	before := len(s.rest)
	s.rest = strings.TrimLeft(s.rest, whiteSpace)
	return len(s.rest) < before
}

// name reads a name, with a prefix or without.
func (s *scanner) name() (name, bool) {
	first, ok := s.ncName()
	if !ok || !s.skip(":") {
		return name{local: first}, ok
	}
	local, ok := s.ncName()
	return name{first, local}, ok
}

func (s *scanner) ncName() (string, bool) {
	n := 0
	for n < len(s.rest) && isName(s.rest[n], n > 0) {
		n++
	}
	read := s.rest[:n]
	s.rest = s.rest[n:]
	return read, n > 0
}

func isName(c byte, within bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || within && ('0' <= c && c <= '9' || c == '.' || c == '-')
}

// endTag reads </name>.
func (s *scanner) endTag() (name, error) {
	all := s.rest
	s.skip("</")
	n, ok := s.name()
	s.space()
	if !ok || !s.skip(">") {
		return n, fmt.Errorf("the tag %.64q is not plain", all)
	}
	return n, nil
}

// startTag reads <name attributes> or <name attributes/>.
func (s *scanner) startTag() (t tag, err error) {
	all := s.rest
	s.skip("<")
	var ok bool
	if t.name, ok = s.name(); !ok {
		return t, notPlain(all)
	}
	for {
		apart := s.space()
		if t.empty = s.skip("/>"); t.empty || s.skip(">") {
			return t, nil
		}
		if s.rest == "" {
			return t, fmt.Errorf("the tag %.64q does not end", all)
		}
		var a attribute
		if a.name, ok = s.name(); !apart || !ok {
			return t, notPlain(all)
		}
		s.space()
		ok = s.skip("=")
		s.space()
		raw, quoted := s.quoted()
		if !ok || !quoted || strings.ContainsAny(raw, "<\t\r\n") {
			return t, notPlain(all)
		}
		if a.value, err = unescape(raw); err != nil {
			return t, err
		}
		if t.attrs = append(t.attrs, a); len(t.attrs) > MaxNodes {
			return t, fmt.Errorf("more than %d elements and attributes", MaxNodes)
		}
	}
}

func notPlain(tag string) error {
	return fmt.Errorf("the tag %.64q is not plain: ASCII names, values in quotes without line breaks, tabs and <, white space between attributes", tag)
}

// quoted reads a value in quotes of either kind.
func (s *scanner) quoted() (string, bool) {
	if s.rest == "" || s.rest[0] != '"' && s.rest[0] != '\'' {
		return "", false
	}
	value, after, found := strings.Cut(s.rest[1:], s.rest[:1])
	s.rest = after
	return value, found
}

// lineEnds writes line ends as XML processors give them to others (XML 1.0 section 2.11).
func lineEnds(text string) string {
	if !strings.Contains(text, "\r") {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// unescape puts characters in the place of the references to them.
func unescape(text string) (string, error) {
	before, after, found := strings.Cut(text, "&")
	if !found {
		return text, nil
	}
	var b strings.Builder
	for found {
		b.WriteString(before)
		reference, rest, ended := strings.Cut(after, ";")
		if !ended {
			return "", fmt.Errorf("%.64q has an invalid character entity: no semicolon", "&"+after)
		}
		r, err := referred(reference)
		if err != nil {
			return "", fmt.Errorf("%.64q: %w", "&"+reference+";", err)
		}
		b.WriteRune(r)
		before, after, found = strings.Cut(rest, "&")
	}
	b.WriteString(before)
	return b.String(), nil
}

// referred gives the character of a reference, which is what stands between & and its semicolon.
func referred(reference string) (rune, error) {
	switch reference {
	case "amp":
		return '&', nil
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, base := "", 10
	if hex, ok := strings.CutPrefix(reference, "#x"); ok {
		digits, base = hex, 16
	} else if decimal, ok := strings.CutPrefix(reference, "#"); ok {
		digits = decimal
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune {
		return 0, errors.New("invalid character entity")
	}
	if !utf8.ValidRune(rune(n)) {
		return 0, errors.New("it is no character")
	}
	if notChar(rune(n)) {
		return 0, errors.New("illegal character")
	}
	return rune(n), nil
}

// isURI says whether a namespace name is an absolute URI without % and &.
func isURI(s string) bool {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !isScheme(scheme) {
		return false
	}
	part, fragment, _ := strings.Cut(rest, "#")
	return part != "" && isURIPart(part) && isURIPart(fragment)
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || !('0' <= s[i] && s[i] <= '9' || strings.IndexByte("+.-", s[i]) >= 0)) {
			return false
		}
	}
	return s != ""
}

func isURIPart(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._~:/?@!$()*+,;=-", c) >= 0) {
			return false
		}
	}
	return true
}
