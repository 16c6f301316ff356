//go:build unix

package cli

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestNoDumps(t *testing.T) {
	var limit syscall.Rlimit
	root := &cobra.Command{Use: "p", RunE: func(*cobra.Command, []string) error { return syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) }}
	limit.Cur, limit.Max = 1, 1
	require.Equal(t, ExitOK, Run(t.Context(), root, nil, strings.NewReader(""), io.Discard, io.Discard))
	require.Zero(t, limit)
}
