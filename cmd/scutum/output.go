package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// jsonFlag adds --json to a command that prints facts through report.
func jsonFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("json", false, "print the facts as JSON")
}

// report prints facts as JSON when --json is set, and else what text writes.
// The output is written in one piece.
func report(cmd *cobra.Command, facts any, text func(s *sheet)) error {
	var out bytes.Buffer
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(facts); err != nil {
			return err
		}
	} else {
		text(&sheet{out: &out})
	}
	_, err := cmd.OutOrStdout().Write(out.Bytes())
	return err
}

// A sheet is a command's output for people: facts and tables, with aligned
// columns. What it prints comes from files that an adversary may have written,
// so control characters appear escaped.
type sheet struct {
	out io.Writer
}

// line prints one line as it is.
func (s *sheet) line(text string) {
	_, _ = io.WriteString(s.out, printable(text)+"\n")
}

// facts prints names and values, one pair a line: facts("size", "60 GiB", ...).
func (s *sheet) facts(pairs ...string) {
	var rows [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, pairs[i:i+2])
		}
	}
	s.table(rows...)
}

// table prints rows with aligned columns.
func (s *sheet) table(rows ...[]string) {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	_ = w.Flush()
	for line := range strings.Lines(aligned.String()) {
		_, _ = io.WriteString(s.out, strings.TrimRight(line, " \n")+"\n")
	}
}

// printable escapes what is not a visible character or a space, so that no
// file can send commands to the terminal.
func printable(s string) string {
	clean := func(r rune) bool {
		return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != unicode.ReplacementChar
	}
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case clean(r):
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

// moment writes a time as RFC 3339 in UTC, the same in text and JSON.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// yesNo is for facts.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// orEmpty makes an empty list of none: in JSON [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
