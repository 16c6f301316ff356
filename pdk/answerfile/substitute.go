package answerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/pdk/fsk"
)

// MaxSize bounds an answer file, in bytes, before and after substitution: shielding data hold no more.
const MaxSize = 384 << 10

func tooLarge(size int) error {
	return fmt.Errorf("the answer file has %d bytes, at most %d are allowed", size, MaxSize)
}

// Substitute puts values into the substitution strings of an answer file, @Key@, whose case does not matter. The file is
// XML, YAML (cloud-init's #cloud-config or a network configuration) or a script that begins with #!; UTF-8 in any case.
//
// A value changes text and never structure. One that is all there is in an XML element, an XML attribute or a YAML scalar
// may be any line of text, and is always text. One within a longer text, in a YAML block scalar or in a script must be a
// harmless word, because what is around it may be a command. Comments of XML and YAML stay as they are.
//
// The error is an UnresolvedError, which names all substitution strings left over, when a known one (fsk.Known) is among
// them. Others may be no substitution strings at all: they stay, and are returned.
func Substitute(file []byte, values fsk.Values) (result []byte, left []Substitution, err error) {
	if err := values.Check(); err != nil {
		return nil, nil, err
	}
	f := newFiller(values)
	result, err = f.file(file)
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(f.left, func(p Substitution) bool { return fsk.Known(p.Key) }) {
		return nil, nil, &UnresolvedError{f.left}
	}
	return result, f.left, nil
}

// Substitutions gives the substitution strings of an answer file in their order, those that may be none included.
func Substitutions(file []byte) ([]Substitution, error) {
	f := newFiller(nil)
	_, err := f.file(file)
	return f.left, err
}

const byteOrderMark = "\ufeff"

// file fills a file of any kind.
func (f *filler) file(file []byte) ([]byte, error) {
	if len(file) > MaxSize {
		return nil, tooLarge(len(file))
	}
	if bytes.HasPrefix(file, []byte{0xff, 0xfe}) || bytes.HasPrefix(file, []byte{0xfe, 0xff}) {
		return nil, errors.New("the answer file is UTF-16: save it as UTF-8")
	}
	if !utf8.Valid(file) {
		return nil, errors.New("the answer file is not UTF-8")
	}
	text, marked := strings.CutPrefix(string(file), byteOrderMark)
	fill, err := f.reader(text)
	if err != nil {
		return nil, err
	}
	if text, err = fill(text); err != nil {
		return nil, fmt.Errorf("the answer file: %w", err)
	}
	if f.err != nil {
		return nil, fmt.Errorf("the answer file: %w", f.err)
	}
	if marked {
		text = byteOrderMark + text
	}
	if len(text) > MaxSize {
		return nil, tooLarge(len(text))
	}
	return []byte(text), nil
}

// cloud-init tells kinds of user data apart by how they begin, after white space of any kind and whatever the case.
var (
	script  = regexp.MustCompile(`(?i)^(#!|#cloud-boothook)`)
	foreign = regexp.MustCompile(`(?i)^(#include|#part-handler|#upstart-job|## *template:|content-type:|mime-version:|from )`)
)

func (f *filler) reader(text string) (func(string) (string, error), error) {
	begin := strings.TrimLeftFunc(text, unicode.IsSpace)
	switch {
	case strings.HasPrefix(begin, "<"):
		return f.xml, nil
	case script.MatchString(begin):
		return f.script, nil
	case foreign.MatchString(begin):
		line, _, _ := strings.Cut(begin, "\n")
		return nil, fmt.Errorf("the answer file begins with %.32q: it is neither XML nor cloud-init YAML nor a script", line)
	}
	return f.yaml, nil
}

// script fills a script. Where in it a substitution string stands is not asked: every value must be harmless.
func (f *filler) script(text string) (string, error) {
	return f.fill(text, place{line: 1, word: harmless, escape: verbatim}), nil
}

func verbatim(value string) string { return value }
