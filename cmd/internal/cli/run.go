package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses; 130 is what shells report for a program that Ctrl-C ended.
const (
	ExitOK          = 0
	ExitNo          = 1
	ExitBad         = 2
	ExitInterrupted = 130
)

// ErrNo ends a command whose printed answer was "no".
var ErrNo = errors.New("the answer is no")

// Run executes one command line of a program, until ctx ends, prints the error
// that it ended with, and returns the exit status. That a file exists already is
// told with the --force of commands that have it. The process leaves no core dump
// from then on: its memory has secrets.
func Run(ctx context.Context, root *cobra.Command, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := interruptible(ctx)
	defer stop()
	if err := noDumps(); err != nil {
		return exitStatus(ctx, root.Name(), errOut, fmt.Errorf("switching off core dumps: %w", err))
	}
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		Complete(root)
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, fs.ErrExist) && cmd.Flags().Lookup("force") != nil {
		err = fmt.Errorf("%w; --force replaces it", err)
	}
	return exitStatus(ctx, root.Name(), errOut, err)
}

// interruptible makes a context that the first Ctrl-C ends, so that the work is
// stopped and cleaned up; a second one ends the process. A terminal that closes
// may say so twice and means it once; under nohup it says nothing.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	hangup := func() {}
	if !signal.Ignored(syscall.SIGHUP) {
		ctx, hangup = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, func() {
		stop()
		hangup()
	}
}

// exitStatus prints err, unless everything was said already, and turns it into
// the exit status.
func exitStatus(ctx context.Context, program string, errOut io.Writer, err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrNo):
		return ExitNo
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, program+": interrupted")
		return ExitInterrupted
	}
	prefix := program + ": " // further lines are indented: what a file says must not look like another error
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(errOut, "%s%s\n", prefix, Printable(strings.TrimRight(line, "\n")))
		prefix = "  "
	}
	return ExitBad
}
