package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
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
			return usageError(cmd, errors.New(strings.Join(missing, " and ")+" is missing"))
		}
		return args(cmd, given)
	}
}
