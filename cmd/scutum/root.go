package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// run executes one command line, until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := interruptible(ctx)
	defer stop()

	root := rootCommand()
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) { // a shell asks
		completeFiles(root)
		withoutBackticks(root)
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return exitStatus(ctx, errOut, root.ExecuteContext(ctx))
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

func rootCommand() *cobra.Command {
	root := group("scutum", "Sign template disks, and make shielding data that only named fabrics open",
		templateCommand(),
		vscCommand(),
		certCommand(),
		guardianCommand(),
		kpCommand(),
		pdkCommand(),
		answerfileCommand(),
		fskCommand(),
		recoveryCommand(),
		vhdxCommand(),
		versionCommand(),
		completionCommand(),
	)
	root.Long = `Scutum signs the template disks of shielded virtual machines: it hashes every
sector of every partition, signs the hashes, and stores them in the VHDX. Anyone
can then prove that not one byte has changed since.

It keeps guardians, owners with their keys and fabrics without, and makes
shielding data files: which signed templates may be used, and secrets that only
the owner and the named fabrics can open.

Exit status: 0 success, 1 the answer is "no" (a check failed), 2 bad usage or
bad input, 130 interrupted.`
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return refuseEmpty(cmd) }
	versionFlag(root)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	// Commands that only hold others are runnable, to refuse; their usage line is no use.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(),
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(helpCommand())
	return root
}

// group makes a command that only holds others. Without a subcommand, or with
// one that does not exist, it is bad usage.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				cmd.SetOut(cmd.ErrOrStderr())
				_ = cmd.Help()
				return usageError(cmd, errors.New("a command is missing"))
			}
			err := fmt.Errorf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
			}
			return usageError(cmd, err)
		},
		SuggestionsMinimumDistance: 2,
	}
	g.AddCommand(commands...)
	return g
}

// helpCommand is cobra's, but for refusing a command that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  scutum help template sign",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError(cmd, fmt.Errorf("there is no command %q", strings.Join(args, " ")))
			}
			return about.Help()
		},
	}
}

// exactArgs wants one argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return nil
	}
}
