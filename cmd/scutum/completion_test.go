package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// TestEveryFlagIsCompleted finds a completion for the value of every flag of every
// command, and none for a flag that is not there.
func TestEveryFlagIsCompleted(t *testing.T) {
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
		require.NotErrorIs(t, cmd.ValidateArgs(nil), errNotCompleted)
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	root := rootCommand()
	completeFiles(root)
	check(root)
	require.Greater(t, count, 100)
}

// A command that completes a flag it does not have is found by the test above.
func TestNoSuchFlagToComplete(t *testing.T) {
	cmd := &cobra.Command{Use: "open", RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.Flags().String("owner", "", "")
	completeFlag(cmd, "owner", completeOwners)
	require.NoError(t, cmd.ValidateArgs(nil))
	completeFlag(cmd, "owners", completeOwners)
	err := cmd.ValidateArgs(nil)
	require.ErrorIs(t, err, errNotCompleted)
	require.True(t, strings.HasPrefix(err.Error(), "open: ") && strings.Contains(err.Error(), "'owners'"), err)
}
