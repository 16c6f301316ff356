// Package clitest is what the tests of the commands have in common. No command
// imports it.
package clitest

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// Exits is the command of sessions `exits STATUS PROGRAM ARGUMENT...`: the program
// must end with that exit status, and not by a panic.
func Exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") { // a panic ends with status 2, as bad input does
		ts.Fatalf("the program panicked")
	}
}

// Help holds every command of a program to a description and examples.
func Help(t *testing.T, cmd *cobra.Command) {
	require.NotEmpty(t, cmd.Short, cmd.CommandPath())
	if !cmd.HasSubCommands() {
		require.Contains(t, cmd.Example, cmd.CommandPath(), cmd.CommandPath())
	}
	for _, sub := range cmd.Commands() {
		Help(t, sub)
	}
}

// Completion finds a completion for the value of every flag of every command of a
// program, and none for a flag that is not there. At least so many must be found.
func Completion(t *testing.T, root *cobra.Command, atLeast int) {
	count := 0
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.NoOptDefVal == "" { // it takes a value
				count++
				with, found := cmd.GetFlagCompletionFunc(f.Name)
				require.True(t, found && with != nil, "%s --%s", cmd.CommandPath(), f.Name)
			}
		})
		require.NotErrorIs(t, cmd.ValidateArgs(nil), cli.ErrNotCompleted)
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	cli.Complete(root)
	check(root)
	require.GreaterOrEqual(t, count, atLeast)
}
