// Command hgs runs a Host Guardian Service and administers it. It reads flags, asks the service over its socket, and prints what
// it answered; it decides nothing about hosts and keys itself.
package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() {
	os.Exit(cli.Run(context.Background(), rootCommand(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The folder of a service, and its socket, where nothing else is said.
const (
	defaultDir = "/var/lib/hgs"
	dirEnv     = "HGS_DIR"
)

func rootCommand() *cobra.Command {
	root := cli.Program("hgs", "Run a Host Guardian Service, and administer it", version,
		initCommand(), serveCommand(), statusCommand(), modeCommand(), configCommand(), hostCommand(), hostKeyCommand(),
		policyCommand(), certCommand(), signerCommand(), reportCommand(), backupCommand(), restoreCommand(), checkCommand(),
		diagnoseCommand(), clearCommand())
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
