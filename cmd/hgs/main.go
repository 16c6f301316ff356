// Command hgs runs a Host Guardian Service and administers it. It reads flags, asks the service, and prints what it
// answered; it decides nothing about hosts and keys itself.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
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
		here(initCommand()), here(serveCommand()), statusCommand(), modeCommand(), configCommand(), hostCommand(), hostKeyCommand(),
		policyCommand(), certCommand(), signerCommand(), reportCommand(), backupCommand(), here(restoreCommand()), checkCommand(),
		diagnoseCommand(), here(clearCommand()), adminCommand(), here(passphraseCommand()))
	root.Long = `Hgs is a Host Guardian Service: hosts prove to it that they are healthy, by their
TPM or by a registered key, and get the keys of shielded virtual machines.

Init makes one, serve runs it; passphrase, restore and clear work on one that is
stopped. All other commands ask the one that runs: over the socket in its folder, or
with --server over TLS.

Exit status: 0 success, 1 the answer is "no" (a check failed), 2 bad usage or
bad input, 130 interrupted.`
	dir := os.Getenv(dirEnv)
	if dir == "" {
		dir = defaultDir
	}
	root.PersistentFlags().String("dir", dir, "the folder `DIR` of the service; also $"+dirEnv)
	root.PersistentFlags().String("socket", "", "ask over the socket `PATH`, such as the reviewers', instead of the one in the folder")
	remoteFlags(root)
	return root
}

func dirOf(cmd *cobra.Command) string {
	dir, _ := cmd.Flags().GetString("dir")
	return dir
}
