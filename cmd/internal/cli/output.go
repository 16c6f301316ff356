package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// JSONFlag adds --json to a command that prints facts through Report.
func JSONFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("json", false, "print the facts as JSON")
}

// Warn tells on standard error what does not keep the command from its work.
func Warn(cmd *cobra.Command, text string) {
	fmt.Fprintln(cmd.ErrOrStderr(), cmd.Root().Name()+": warning: "+Printable(text))
}

// Report prints facts as JSON when --json is set, and else what text writes.
// The output is written in one piece.
func Report(cmd *cobra.Command, facts any, text func(s *Sheet)) error {
	var out bytes.Buffer
	asJSON, _ := cmd.Flags().GetBool("json")
	if asJSON {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(facts); err != nil {
			return err
		}
	} else {
		text(&Sheet{out: &out})
	}
	written := out.Bytes()
	if asJSON {
		written = printableJSON(written)
	}
	_, err := cmd.OutOrStdout().Write(written)
	return err
}

// A Sheet is a command's output for people: facts and tables, with aligned
// columns. What it prints comes from files that an adversary may have written,
// so control characters appear escaped.
type Sheet struct {
	out io.Writer
}

// Line prints one line as it is.
func (s *Sheet) Line(text string) {
	_, _ = io.WriteString(s.out, Printable(text)+"\n")
}

// Facts prints names and values, one pair a line: Facts("size", "60 GiB", ...).
func (s *Sheet) Facts(pairs ...string) {
	var rows [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, pairs[i:i+2])
		}
	}
	s.Table(rows...)
}

// Table prints rows with aligned columns.
func (s *Sheet) Table(rows ...[]string) {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Printable(cell)
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	_ = w.Flush()
	for line := range strings.Lines(aligned.String()) {
		_, _ = io.WriteString(s.out, strings.TrimRight(line, " \n")+"\n")
	}
}

// visible says whether a character is one, or a space. Control characters and
// those that turn the direction of writing are not.
func visible(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != unicode.ReplacementChar
}

// Printable escapes what is not visible, so that no file can send commands to
// the terminal, or make it show something else than what it says.
func Printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !visible(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case visible(r):
			b.WriteRune(r)
		case r == unicode.ReplacementChar:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// printableJSON does the same to JSON, where such characters are part of
// strings, but for the line feeds in between. It stays the same JSON.
func printableJSON(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		if r == '\n' || visible(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			b = fmt.Appendf(b, `\u%04x`, unit)
		}
	}
	return b
}

// Moment writes a time as RFC 3339 in UTC, the same in text and JSON.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// YesNo is for facts.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// OrEmpty makes an empty list of none: in JSON [] and not null.
func OrEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
