package cli

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// extensions are those under which files of a kind also go.
var extensions = map[string][]string{
	"vhdx": {"vhdx", "avhdx"},
	"pfx":  {"pfx", "p12"},
	"pem":  {"pem", "crt", "cer"},
}

// Complete makes a program complete all that it has. Run does so when a shell asks.
func Complete(root *cobra.Command) {
	completeFiles(root)
	withoutBackticks(root)
}

// completeFiles has shells complete files the way the help names them: FILE.pdk
// with *.pdk, DIR with folders, FILE with any file.
func completeFiles(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		value, _ := pflag.UnquoteUsage(f)
		if _, set := cmd.GetFlagCompletionFunc(f.Name); set || f.NoOptDefVal != "" {
			return
		}
		CompleteFlag(cmd, f.Name, FilesNamed(value))
	})
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !cmd.HasSubCommands() {
		var each []cobra.CompletionFunc
		for _, word := range strings.Fields(cmd.Use)[1:] {
			if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "(") {
				break
			}
			each = append(each, FilesNamed(strings.Trim(word, "[]")))
		}
		cmd.ValidArgsFunction = CompleteArguments(each...)
	}
	for _, sub := range cmd.Commands() {
		completeFiles(sub)
	}
}

// FilesNamed completes what the help gives that name, FILE.vsc|DISK.vhdx say. What
// is no file is not completed.
func FilesNamed(name string) cobra.CompletionFunc {
	switch {
	case name == "DIR":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case slices.Contains([]string{"FILE", "IN", "OUT", "DISK"}, name), strings.HasPrefix(name, "FILE["):
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	}
	var all []cobra.Completion
	for part := range strings.SplitSeq(name, "|") {
		ext := strings.TrimPrefix(path.Ext(part), ".")
		if ext == "" || strings.ToLower(ext) != ext || strings.HasSuffix(part, "...") {
			return CompleteNothing
		}
		if also, known := extensions[ext]; known {
			all = append(all, also...)
		} else {
			all = append(all, ext)
		}
	}
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveFilterFileExt)
}

// withoutBackticks takes the marks out of the descriptions of flags that tell
// the help the name of their value. Shells show the descriptions as they are.
func withoutBackticks(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, sub := range cmd.Commands() {
		withoutBackticks(sub)
	}
}

// CompleteArguments completes the first argument with the first function, and so
// on. Where there is none, it completes file names.
func CompleteArguments(each ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case len(args) >= len(each):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case each[len(args)] == nil:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return each[len(args)](cmd, args, begun)
	}
}

// ErrNotCompleted is the error of a command that completes a flag it does not have.
var ErrNotCompleted = errors.New("its flags cannot be completed")

// CompleteFlag completes the value of a flag. A command without that flag is
// wrong, and says so to whoever uses it.
func CompleteFlag(cmd *cobra.Command, flag string, with cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, with); err != nil {
		cmd.Args = func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s: %w: %w", cmd.CommandPath(), ErrNotCompleted, err)
		}
	}
}

// CompleteNothing is for names that are new.
func CompleteNothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}
