package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// forceFlag adds --force to a command that writes a file.
func forceFlag(cmd *cobra.Command, force *bool) {
	cmd.Flags().BoolVar(force, "force", false, "replace files that exist")
}

// free says whether a file may be written, before any work is put into it.
func free(path string, force bool) error {
	info, err := os.Stat(path)
	if err != nil || force && !info.IsDir() {
		return nil // what else may be wrong shows when it is written
	}
	return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
}

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
