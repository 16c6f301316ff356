package answerfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/scutum-project/scutum/pdk/fsk"
)

// A Substitution is a substitution string in an answer file: a place where a value is to come.
type Substitution struct {
	Key  string // as written: "@ComputerName@"
	Line int    // from 1
}

// An UnresolvedError names all substitution strings of an answer file for which there is no value.
type UnresolvedError struct {
	Substitutions []Substitution // in the order of the file
}

func (e *UnresolvedError) Error() string {
	var keys []string
	lines := map[string][]int{}
	for _, p := range e.Substitutions {
		seen := lines[p.Key]
		if seen == nil {
			keys = append(keys, p.Key)
		}
		if seen == nil || seen[len(seen)-1] != p.Line {
			lines[p.Key] = append(seen, p.Line)
		}
	}
	places := make([]string, len(keys))
	for i, key := range keys {
		places[i] = key + " on line " + firstLines(lines[key])
	}
	return "the answer file asks for values that are not given: " + strings.Join(places, "; ")
}

// firstLines lists the first lines of many.
func firstLines(lines []int) string {
	const most = 8
	var text []string
	for _, line := range lines[:min(most, len(lines))] {
		text = append(text, strconv.Itoa(line))
	}
	if len(lines) > most {
		text = append(text, fmt.Sprintf("and %d more", len(lines)-most))
	}
	return strings.Join(text, ", ")
}

// A filler puts values into the places of one answer file.
type filler struct {
	values map[string]string // by key in lower case
	left   []Substitution    // without a value
	err    error             // of the first value that does not fit its place
}

func newFiller(values fsk.Values) *filler {
	f := &filler{values: make(map[string]string, len(values))}
	for key, value := range values {
		f.values[strings.ToLower(key)] = value
	}
	return f
}

func (f *filler) value(key string) (string, bool) {
	value, ok := f.values[strings.ToLower(key)]
	return value, ok
}

var keyForm = regexp.MustCompile(fmt.Sprintf(`@[A-Za-z][0-9A-Za-z_-]{0,%d}@`, fsk.MaxKey-3))

// next finds the first substitution string of text at or after from. Where two share an @, as in a@b@ComputerName@, the
// first one counts, unless the second is a known key and the first is not.
func next(text string, from int) (start, end int, ok bool) {
	at := keyForm.FindStringIndex(text[from:])
	if at == nil {
		return 0, 0, false
	}
	start, end = from+at[0], from+at[1]
	if fsk.Known(text[start:end]) {
		return start, end, true
	}
	if shared := keyForm.FindStringIndex(text[end-1:]); shared != nil && shared[0] == 0 {
		if second := end - 1 + shared[1]; fsk.Known(text[end-1 : second]) {
			return end - 1, second, true
		}
	}
	return start, end, true
}

// A place is where substitution strings stand.
type place struct {
	line   int                 // of the text's beginning
	whole  bool                // a substitution string there is all there is: its value may be any line of text
	word   *regexp.Regexp      // the form of other values, harmless or harmlessOnWindows
	escape func(string) string // writes a value so that it is read as it is
}

// fill gives the text with its values. A substitution string without one stays, and is noted.
func (f *filler) fill(text string, p place) string {
	var out strings.Builder
	pos, line := 0, p.line
	for {
		start, end, ok := next(text, pos)
		if !ok || f.err != nil {
			out.WriteString(text[pos:])
			return out.String()
		}
		line += strings.Count(text[pos:start], "\n")
		out.WriteString(text[pos:start])
		out.WriteString(f.resolve(Substitution{text[start:end], line}, p))
		if out.Len() > MaxSize {
			f.err = tooLarge(out.Len())
		}
		pos = end
	}
}

func (f *filler) resolve(p Substitution, at place) string {
	value, ok := f.value(p.Key)
	if !ok {
		f.left = append(f.left, p)
		return p.Key
	}
	if !at.whole && !at.word.MatchString(value) {
		f.err = fmt.Errorf("line %d: the value %.64q of %s stands within a longer text, which may be part of a command: there it may "+
			"hold no more than letters A to Z, digits and _ : + - . /, of which no . or / may come last or twice in a row, and for "+
			"Windows a / only before the length of a prefix; it must begin with a letter or digit", p.Line, value, p.Key)
	}
	return at.escape(value)
}

// A harmless value can do nothing within a command, whatever shell reads it: it is one word, no option and no way up from a
// folder. Values come from whoever runs the fabric, and commands of an answer file run with all rights. ASCII alone is
// harmless, as Windows turns some letters into quotes for programs that do not know them.
var (
	harmless = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_:+-]|[./][0-9A-Za-z])*$`)

	// In the middle of a word, too, cmd.exe takes a slash for the beginning of an option. One before the length of a prefix
	// at the end is none that a command knows.
	harmlessOnWindows = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_:+-]|[.][0-9A-Za-z])*(?:/[0-9]{1,3})?$`)
)
