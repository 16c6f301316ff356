package answerfile

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// In YAML no plain text begins with an @. So the file is parsed with its substitution strings written between two marks
// instead, which are letters to YAML and stand in no answer file and no value.
const mark = "\ue000"

var markedForm = regexp.MustCompile(mark + "([^" + mark + "]*)" + mark)

// unmark gives the text as it was.
func unmark(text string) string { return strings.ReplaceAll(text, mark, "@") }

// yaml fills the scalars of a YAML document. The text between them stays as it is. What comes out is parsed again and has
// to be the same tree, scalar by scalar.
func (f *filler) yaml(text string) (string, error) {
	if strings.Contains(text, mark) {
		return "", errors.New("it holds the private-use character U+E000")
	}
	if strings.Contains(text, byteOrderMark) {
		// Some readers skip one at the beginning of a line. For others it begins a plain text, in which quotes are none.
		return "", errors.New("it holds a byte order mark that is not at its beginning")
	}
	marked := addMarks(text)
	before, err := parseYAML(marked)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	pos, lines := 0, newLines(marked)
	for _, n := range scalars(before, nil) {
		start, end := span(n, marked, max(pos, lines.offset(n.Line, n.Column)))
		if end < 0 {
			return "", misplaced(n)
		}
		out.WriteString(unmark(marked[pos:start]))
		out.WriteString(f.scalar(n, marked[start:end], lines.at(start)))
		if f.err != nil || out.Len() > MaxSize {
			return out.String(), nil // for the caller to refuse
		}
		pos = end
	}
	out.WriteString(unmark(marked[pos:]))

	after, err := parseYAML(out.String())
	if err != nil {
		return "", fmt.Errorf("with its values: %w", err)
	}
	if n := f.difference(before, after); n != nil {
		return "", misplaced(n)
	}
	return out.String(), nil
}

// addMarks puts the marks.
func addMarks(text string) string {
	var out strings.Builder
	pos := 0
	for {
		start, end, ok := next(text, pos)
		if !ok {
			out.WriteString(text[pos:])
			return out.String()
		}
		out.WriteString(text[pos:start] + mark + text[start+1:end-1] + mark)
		pos = end
	}
}

// parseYAML gives the one document of a file, nil when there is nothing but comments.
func parseYAML(text string) (*yaml.Node, error) {
	d := yaml.NewDecoder(strings.NewReader(text))
	var n, more yaml.Node
	switch err := d.Decode(&n); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, errors.New(unmark(err.Error()))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("yaml: more than one document, or something that follows it")
	}
	return &n, nil
}

// scalars appends the scalars that hold marks, in the order of the text.
func scalars(n *yaml.Node, to []*yaml.Node) []*yaml.Node {
	if n == nil {
		return to
	}
	if n.Kind == yaml.ScalarNode && markedForm.MatchString(n.Value) {
		to = append(to, n)
	}
	for _, child := range n.Content {
		to = scalars(child, to)
	}
	return to
}

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// span gives the part of the text, from some place on, that scalar has to replace: all of a plain scalar, and of another
// from its first mark to its last. end is -1 when there is none.
func span(n *yaml.Node, text string, from int) (start, end int) {
	if n.Style&quoted == 0 {
		start := strings.Index(text[from:], n.Value)
		if start < 0 {
			return 0, -1 // on several lines
		}
		return from + start, from + start + len(n.Value)
	}
	places := markedForm.FindAllStringIndex(text[from:], len(markedForm.FindAllString(n.Value, -1)))
	if places == nil {
		return 0, -1
	}
	return from + places[0][0], from + places[len(places)-1][1]
}

// scalar fills that part of a scalar.
func (f *filler) scalar(n *yaml.Node, text string, line int) string {
	at := place{line: line, whole: markedForm.FindString(n.Value) == n.Value, word: harmless, escape: verbatim}
	switch {
	case n.Style&quoted == 0:
		filled := f.fill(unmark(text), at)
		if filled == unmark(text) && !strings.HasPrefix(filled, "@") {
			return filled // nothing to substitute after all
		}
		// A plain text could turn into a number, a comment or another key: it is put in quotes.
		return `"` + doubleQuoted.Replace(filled) + `"`
	case n.Style&yaml.DoubleQuotedStyle != 0:
		at.escape = doubleQuoted.Replace
	case n.Style&yaml.SingleQuotedStyle != 0:
		at.escape = singleQuoted.Replace
	default:
		at.whole = false // a block scalar: a file or a script
	}
	return f.fill(unmark(text), at)
}

var (
	doubleQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	singleQuoted = strings.NewReplacer(`'`, `''`)
)

// difference gives the first node of before that is not, with its values, the one of after.
func (f *filler) difference(before, after *yaml.Node) *yaml.Node {
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil || after == nil:
		return &yaml.Node{Line: 1}
	}
	if before.Kind != after.Kind || before.Tag != after.Tag || unmark(before.Anchor) != after.Anchor ||
		f.filled(before.Value) != after.Value || len(before.Content) != len(after.Content) {
		return before
	}
	for i := range before.Content {
		if n := f.difference(before.Content[i], after.Content[i]); n != nil {
			return n
		}
	}
	return nil
}

// filled is what a scalar is to be.
func (f *filler) filled(value string) string {
	return markedForm.ReplaceAllStringFunc(value, func(key string) string {
		key = unmark(key)
		if value, ok := f.value(key); ok {
			return value
		}
		return key
	})
}

// misplaced says no more of a scalar than its substitution strings: the rest may be a secret.
func misplaced(n *yaml.Node) error {
	keys := unmark(strings.Join(markedForm.FindAllString(n.Value, -1), ", "))
	if keys == "" {
		keys = "a substitution string"
	}
	return fmt.Errorf("line %d: %s cannot safely be given a value there: put the whole text in double quotes, on one line", n.Line, keys)
}

// lines are the offsets at which the lines of a text begin.
type lines struct {
	text   string
	starts []int

	// The place that was asked for last: the next one is searched for from there, as a line can be as long as the file.
	line, column, last int
}

func newLines(text string) *lines {
	l := &lines{text: text, starts: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// offset gives the place of a line and a column in characters, both from 1, and the end for one that is not in the text.
func (l *lines) offset(line, column int) int {
	if line < 1 || line > len(l.starts) {
		return len(l.text)
	}
	if line != l.line || column < l.column {
		l.line, l.column, l.last = line, 1, l.starts[line-1]
	}
	for i := range l.text[l.last:] {
		if l.column == column {
			l.last += i
			return l.last
		}
		l.column++
	}
	l.line = 0
	return len(l.text)
}

// at gives the line of an offset, from 1.
func (l *lines) at(offset int) int {
	return sort.Search(len(l.starts), func(i int) bool { return l.starts[i] > offset })
}
