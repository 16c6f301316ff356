package cli

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintableLeavesTextAndEscapesTheRest(t *testing.T) {
	for in, want := range map[string]string{
		"Basic data partition": "Basic data partition",
		"Größe 大小":             "Größe 大小",
		"a\x1b[31mred":         `a\x1b[31mred`,
		"two\nlines\ttab":      `two\nlines\ttab`,
		"bad \xff utf-8":       `bad \xff utf-8`,
		"right\u202eleft":      `right\u202eleft`,
		"null\x00":             `null\x00`,
	} {
		require.Equal(t, want, Printable(in))
	}
}

func TestSheetAlignsAndEscapes(t *testing.T) {
	var out bytes.Buffer
	s := &Sheet{out: &out}
	s.Facts("name", "x\x1b", "empty", "", "longer name", "y")
	require.Equal(t, "name         x\\x1b\nlonger name  y\n", out.String())
}

func TestPrintableJSONIsTheSameJSON(t *testing.T) {
	for in, want := range map[string]string{
		"Größe 大小 😀":                      `"Größe 大小 😀"`,
		"a\u009b\x7fb":                    `"a\u009b\u007fb"`,
		"right\u202eleft\u2066\U000e0041": `"right\u202eleft\u2066\udb40\udc41"`,
		"two\nlines":                      `"two\nlines"`,
	} {
		text, err := json.Marshal(in)
		require.NoError(t, err)
		escaped := printableJSON(text)
		require.Equal(t, want, string(escaped))
		var back string
		require.NoError(t, json.Unmarshal(escaped, &back))
		require.Equal(t, in, back)
	}
}
