// Command hgs runs a Host Guardian Service and administers it. It reads flags, asks the service over its socket, and prints what
// it answered; it decides nothing about hosts and keys itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/hgsserver"
)

// version is set by the linker; see the Makefile.
var version = ""

// Exit statuses; 130 is what shells report for a program that Ctrl-C ended.
const (
	exitOK          = 0
	exitNo          = 1
	exitBad         = 2
	exitInterrupted = 130
)

// errNo ends a command whose printed answer was "no".
var errNo = errors.New("the answer is no")

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line, until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return exitStatus(ctx, errOut, root.ExecuteContext(ctx))
}

func exitStatus(ctx context.Context, errOut io.Writer, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitNo
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "hgs: interrupted")
		return exitInterrupted
	}
	prefix := "hgs: " // further lines are indented: what a file says must not look like another error
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(errOut, "%s%s\n", prefix, printable(strings.TrimRight(line, "\n")))
		prefix = "  "
	}
	return exitBad
}

// The folder of a service, and its socket, where nothing else is said.
const (
	defaultDir = "/var/lib/hgs"
	dirEnv     = "HGS_DIR"
)

func rootCommand() *cobra.Command {
	root := group("hgs", "Run a Host Guardian Service, and administer it",
		initCommand(), serveCommand(), statusCommand(), modeCommand(), configCommand(), hostCommand(), hostKeyCommand(),
		policyCommand(), certCommand(), signerCommand(), reportCommand(), backupCommand(), restoreCommand(), checkCommand(),
		diagnoseCommand(), clearCommand(), versionCommand())
	root.Long = `Hgs is a Host Guardian Service: hosts prove to it that they are healthy, by their
TPM or by a registered key, and get the keys of shielded virtual machines.

Init makes one, serve runs it; all other commands ask the one that runs, over the
socket in its folder.

Exit status: 0 success, 1 the answer is "no" (a check failed), 2 bad usage or
bad input, 130 interrupted.`
	dir := os.Getenv(dirEnv)
	if dir == "" {
		dir = defaultDir
	}
	root.PersistentFlags().String("dir", dir, "the folder `DIR` of the service; also $"+dirEnv)
	root.PersistentFlags().String("socket", "", "ask over the socket `PATH`, such as the reviewers', instead of the one in the folder")
	versionFlag(root)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(usageError)
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

func dirOf(cmd *cobra.Command) string {
	dir, _ := cmd.Flags().GetString("dir")
	return dir
}

func client(cmd *cobra.Command) *hgsserver.Client {
	socket, _ := cmd.Flags().GetString("socket")
	if socket == "" {
		socket = filepath.Join(dirOf(cmd), hgsserver.SocketFile)
	}
	return hgsserver.NewClient(socket)
}

// group makes a command that only holds others. Without a subcommand, or with one that does not exist, it is bad usage.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2}
	g.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError(cmd, errors.New("a command is missing"))
		}
		return usageError(cmd, fmt.Errorf("there is no command %q", args[0]))
	}
	g.AddCommand(commands...)
	return g
}

// leaf makes a command with arguments of those names, and --json.
func leaf(use, short, example string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	names := strings.Fields(use)[1:]
	cmd := &cobra.Command{Use: use, Short: short, Example: "  " + example, RunE: run}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return nil
	}
	jsonFlag(cmd)
	return cmd
}

// usageError says which command was used wrongly, how, and where help is.
func usageError(cmd *cobra.Command, err error) error {
	what := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "hgs"), " ")
	if what == "" {
		what = "usage"
	}
	return fmt.Errorf("%s: %w; see %q", what, err, cmd.CommandPath()+" --help")
}
