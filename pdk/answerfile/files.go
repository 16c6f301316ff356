package answerfile

import (
	"regexp"
	"slices"
	"strings"
)

var inWindowsFiles = regexp.MustCompile(`(?i)` + regexp.QuoteMeta(WindowsFiles) + `\\([0-9a-z._-]+)`)

// Files names the files of the shielding data that an answer file by NewWindows wants beside it, each once.
func Files(file []byte) []string {
	var names []string
	for _, match := range inWindowsFiles.FindAllSubmatch(file, -1) {
		name := string(match[1])
		if !slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(other, name) }) {
			names = append(names, name)
		}
	}
	return names
}
