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
	"github.com/stretchr/testify/require"
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
