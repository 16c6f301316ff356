package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// required makes flags mandatory. Their absence is bad usage.
func required(cmd *cobra.Command, names ...string) {
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		var missing []string
		for _, name := range names {
			if !cmd.Flags().Changed(name) {
				missing = append(missing, "--"+name)
			}
		}
		if len(missing) > 0 {
			return cli.UsageError(cmd, errors.New(areMissing(missing)))
		}
		return args(cmd, given)
	}
}

// areMissing says of flags that they are missing.
func areMissing(flags []string) string {
	last := len(flags) - 1
	if last == 0 {
		return flags[0] + " is missing"
	}
	return strings.Join(flags[:last], ", ") + " and " + flags[last] + " are missing"
}

// oneOf completes the value of a flag with those that it may have.
func oneOf(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	cli.CompleteFlag(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// errNoUser is the error of a flag that says something of the --user before it.
var errNoUser = errors.New("is for the --user before it, and there is none")

// flagError says what is wrong with a flag, in words of the program's users.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.Is(err, errNoUser) && errors.As(err, &invalid) {
		return cli.UsageError(cmd, fmt.Errorf("--%s %w", invalid.GetFlag().Name, errNoUser))
	}
	return cli.FlagError(cmd, err)
}
