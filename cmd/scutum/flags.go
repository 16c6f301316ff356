package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
			return usageError(cmd, errors.New(areMissing(missing)))
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
	completeFlag(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// errNoUser is the error of a flag that says something of the --user before it.
var errNoUser = errors.New("is for the --user before it, and there is none")

// flagError says what is wrong with a flag, in words of the program's users.
func flagError(cmd *cobra.Command, err error) error {
	var number *strconv.NumError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, errNoUser) && errors.As(err, &invalid):
		err = fmt.Errorf("--%s %w", invalid.GetFlag().Name, errNoUser)
	case errors.As(err, &number):
		why := "it is not a whole number"
		if errors.Is(err, strconv.ErrRange) {
			why = "the number is too great"
		}
		err = errors.New(strings.Replace(err.Error(), number.Error(), why, 1))
	case strings.HasPrefix(err.Error(), "unknown shorthand flag"):
		err = fmt.Errorf("%w; where a file is meant, write ./ before its name", err)
	}
	return usageError(cmd, err)
}

// refuseEmpty refuses flags without a value, such as --out "$OUT" where that is
// not set: the command would do as if they were not there.
func refuseEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			err = usageError(cmd, errors.New("--"+f.Name+" is empty"))
		}
	})
	return err
}
