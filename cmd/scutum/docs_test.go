package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentedCommands holds every command line in the documentation to the
// commands, flags and arguments that there are.
func TestDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	files = append(files, "../../README.md")
	count := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, line := range commandLines(string(text)) {
			count++
			cmd, args, err := rootCommand().Find(line)
			require.NoError(t, err, "%s: %q", file, line)
			require.False(t, cmd.HasSubCommands(), "%s: %q", file, line)
			require.NoError(t, cmd.ParseFlags(args), "%s: %q", file, line)
			require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), "%s: %q", file, line)
		}
	}
	require.Greater(t, count, 30)
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	shellWord  = regexp.MustCompile(`"([^"]*)"|\S+`)
)

// commandLines gives the arguments of each scutum command in the shell blocks of
// a document, without comments and redirections.
func commandLines(text string) [][]string {
	var all [][]string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			_, command, found := strings.Cut(" "+line, " scutum ")
			if !found {
				continue
			}
			var words []string
			for _, word := range shellWord.FindAllString(command, -1) {
				if word == "#" || word == ">" {
					break
				}
				words = append(words, strings.Trim(word, `"`))
			}
			all = append(all, words)
		}
	}
	return all
}
