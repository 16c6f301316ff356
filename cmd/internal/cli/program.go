package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Program makes the root command of a program, with --version and the commands
// version and completion. The version is what the linker set, if it did.
func Program(name, short, version string, commands ...*cobra.Command) *cobra.Command {
	root := Group(name, short, append(commands, completionCommand(name), versionCommand(name, version))...)
	versionFlag(root, version)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return refuseEmpty(cmd) }
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(FlagError)
	// Commands that only hold others are runnable, to refuse; their usage line is no use.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(),
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(helpCommand(name))
	return root
}

// Group makes a command that only holds others. Without a subcommand, or with
// one that does not exist, it is bad usage.
func Group(name, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				cmd.SetOut(cmd.ErrOrStderr())
				_ = cmd.Help()
				return UsageError(cmd, errors.New("a command is missing"))
			}
			err := fmt.Errorf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
			}
			return UsageError(cmd, err)
		},
		SuggestionsMinimumDistance: 2,
	}
	g.AddCommand(commands...)
	return g
}

// Leaf makes a command that prints facts, with --json. What follows its name in
// use are the names of its arguments: "add NAME".
func Leaf(use, short, example string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: "  " + example, Args: ExactArgs(strings.Fields(use)[1:]...), RunE: run}
	JSONFlag(cmd)
	return cmd
}

// ExactArgs wants one argument for each name.
func ExactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return UsageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return UsageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return nil
	}
}

// UsageError says which command was used wrongly, how, and where help is.
func UsageError(cmd *cobra.Command, err error) error {
	what := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	if what == "" {
		what = "usage"
	}
	return fmt.Errorf("%s: %w; see %q", what, err, cmd.CommandPath()+" --help")
}

// FlagError says what is wrong with a flag, in words of the program's users.
func FlagError(cmd *cobra.Command, err error) error {
	var number *strconv.NumError
	switch {
	case errors.As(err, &number):
		why := "it is not a whole number"
		if errors.Is(err, strconv.ErrRange) {
			why = "the number is too great"
		}
		err = errors.New(strings.Replace(err.Error(), number.Error(), why, 1))
	case strings.HasPrefix(err.Error(), "unknown shorthand flag"):
		err = fmt.Errorf("%w; where a file is meant, write ./ before its name", err)
	}
	return UsageError(cmd, err)
}

// refuseEmpty refuses flags without a value, such as --out "$OUT" where that is
// not set: the command would do as if they were not there.
func refuseEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			err = UsageError(cmd, errors.New("--"+f.Name+" is empty"))
		}
	})
	return err
}

// helpCommand is cobra's, but for refusing a command that does not exist.
func helpCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  " + program + " help version",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return UsageError(cmd, fmt.Errorf("there is no command %q", strings.Join(args, " ")))
			}
			return about.Help()
		},
	}
}
