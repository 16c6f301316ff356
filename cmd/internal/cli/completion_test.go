package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// A command that completes a flag it does not have is found by clitest.Completion.
func TestNoSuchFlagToComplete(t *testing.T) {
	cmd := &cobra.Command{Use: "open", RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.Flags().String("owner", "", "")
	CompleteFlag(cmd, "owner", CompleteNothing)
	require.NoError(t, cmd.ValidateArgs(nil))
	CompleteFlag(cmd, "owners", CompleteNothing)
	err := cmd.ValidateArgs(nil)
	require.ErrorIs(t, err, ErrNotCompleted)
	require.True(t, strings.HasPrefix(err.Error(), "open: ") && strings.Contains(err.Error(), "'owners'"), err)
}
