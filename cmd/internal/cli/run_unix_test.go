//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A terminal that closes ends the work and not the process, which has files to
// clean up; however often it says so.
func TestHangupInterrupts(t *testing.T) {
	heard := make(chan os.Signal, 3) // so that a test run under nohup hears it as well
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	ctx, stop := interruptible(t.Context())
	defer stop()
	for range 3 {
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		<-ctx.Done()
	}
	require.Equal(t, ExitInterrupted, exitStatus(ctx, "scutum", t.Output(), errors.Join(errors.New("convert"), ctx.Err())))
}

func TestNohup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	_, stop := interruptible(context.Background())
	defer stop()
	require.True(t, signal.Ignored(syscall.SIGHUP))
}
