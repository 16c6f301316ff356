package clitest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// DocumentedCommands holds every command line in the documentation to the
// commands, flags and arguments that a program has. root makes it. At least so
// many must be found.
func DocumentedCommands(t *testing.T, root func() *cobra.Command, atLeast int) {
	count := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, line := range commandLines(root().Name(), string(text)) {
			count++
			cmd, args, err := root().Find(line)
			require.NoError(t, err, "%s: %q", file, line)
			require.False(t, cmd.HasSubCommands(), "%s: %q", file, line)
			require.NoError(t, cmd.ParseFlags(args), "%s: %q", file, line)
			require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), "%s: %q", file, line)
		}
	}
	require.GreaterOrEqual(t, count, atLeast)
}

// NamedCommands holds the commands that documents name within a sentence or table,
// such as `scutum pdk edit --revoke`, to the commands and flags that a program
// has. root makes it. At least so many must be found.
func NamedCommands(t *testing.T, root func() *cobra.Command, atLeast int) {
	inlineCommand := regexp.MustCompile("`" + root().Name() + " ([^`]+)`")
	count := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, named := range inlineCommand.FindAllStringSubmatch(string(text), -1) {
			count++
			words := shellWord.FindAllString(named[1], -1)
			cmd, rest, err := root().Find(words)
			require.NoError(t, err, "%s: %q", file, named[1])
			require.False(t, cmd.HasSubCommands(), "%s: %q", file, named[1])
			for _, word := range rest {
				if flag, found := strings.CutPrefix(word, "--"); found {
					require.NotNil(t, cmd.Flags().Lookup(flag), "%s: %q", file, named[1])
				}
			}
		}
	}
	require.GreaterOrEqual(t, count, atLeast)
}

func documents(t *testing.T) []string {
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	return append(files, "../../README.md")
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	shellWord  = regexp.MustCompile(`"([^"]*)"|\S+`)
)

// commandLines gives the arguments of each command of a program in the shell blocks of
// a document, without comments and redirections.
func commandLines(program, text string) [][]string {
	var all [][]string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
			_, command, found := strings.Cut(" "+line, " "+program+" ")
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
