package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses; 130 is what shells report for a program that Ctrl-C ended.
const (
	exitOK          = 0
	exitNo          = 1
	exitBad         = 2
	exitInterrupted = 130
)

// errNo ends a command whose printed answer was "no".
var errNo = errors.New("the answer is no")

// exitStatus prints err, unless everything was said already, and turns it into
// the exit status.
func exitStatus(ctx context.Context, errOut io.Writer, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitNo
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "scutum: interrupted")
		return exitInterrupted
	}
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w; --force replaces it", err)
	}
	prefix := "scutum: " // further lines are indented: what a file says must not look like another error
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(errOut, "%s%s\n", prefix, printable(strings.TrimRight(line, "\n")))
		prefix = "  "
	}
	return exitBad
}

// usageError says which command was used wrongly, how, and where help is.
func usageError(cmd *cobra.Command, err error) error {
	what := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "scutum"), " ")
	if what == "" {
		what = "usage"
	}
	return fmt.Errorf("%s: %w; see %q", what, err, cmd.CommandPath()+" --help")
}
