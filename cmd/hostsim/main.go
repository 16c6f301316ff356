// Command hostsim is a simulated guarded host: each command starts it, with a measured boot into its TPM, does one thing, and
// stops it. It reads flags and prints; what a host does is in package hostsim.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hostsim"
	"github.com/scutum-project/scutum/hostsim/measuredboot"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() {
	os.Exit(cli.Run(context.Background(), rootCommand(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The folder of a host, where nothing else is said.
const (
	defaultDir = "/var/lib/hostsim"
	dirEnv     = "HOSTSIM_DIR"
)

func rootCommand() *cobra.Command {
	root := cli.Program("hostsim", "Simulate a guarded host", version,
		initCommand(), configCommand(), identifierCommand(), baselineCommand(), hostKeyCommand(), attestCommand(), rollCommand(), profilesCommand())
	root.Long = `Hostsim is a simulated guarded host: it has a TPM, starts with a measured boot,
proves to a Host Guardian Service that it is healthy, and gets keys from it.

Init makes one. Every other command starts it, does its work, and stops it; the
software TPM runs meanwhile. With --boot it starts in another way than a healthy
host does; "hostsim profiles" lists them.

Exit status: 0 success, 1 the answer is "no" (the service refused), 2 bad usage
or bad input, 130 interrupted.`
	dir := os.Getenv(dirEnv)
	if dir == "" {
		dir = defaultDir
	}
	root.PersistentFlags().String("dir", dir, "the folder `DIR` of the host; also $"+dirEnv)
	return root
}

func dirOf(cmd *cobra.Command) string {
	dir, _ := cmd.Flags().GetString("dir")
	return dir
}

// booted makes a command that works with the host that was started.
func booted(use, short, example string, run func(cmd *cobra.Command, host *hostsim.Running, args []string) error) *cobra.Command {
	var boot string
	cmd := cli.Leaf(use, short, example, func(cmd *cobra.Command, args []string) (err error) {
		profile, err := measuredboot.Find(boot)
		if err != nil {
			return cli.UsageError(cmd, err)
		}
		host, err := hostsim.Open(dirOf(cmd))
		if err != nil {
			return err
		}
		running, err := host.Boot(cmd.Context(), profile)
		if err != nil {
			return err
		}
		defer func() {
			if failed := running.Close(); failed != nil {
				err = errors.Join(err, failed)
			}
		}()
		return run(cmd, running, args)
	})
	cmd.Flags().StringVar(&boot, "boot", measuredboot.Profiles()[0].Name, "start the host in the way `PROFILE`; \"hostsim profiles\" lists them")
	cli.CompleteFlag(cmd, "boot", completeProfile)
	return cmd
}

func completeProfile(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for _, p := range measuredboot.Profiles() {
		all = append(all, cobra.CompletionWithDesc(p.Name, p.Says))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// writer makes a command that writes one file of the host's.
func writer(use, short, example string, make func(cmd *cobra.Command, host *hostsim.Running) ([]byte, error)) *cobra.Command {
	var force bool
	cmd := booted(use, short, example, func(cmd *cobra.Command, host *hostsim.Running, args []string) error {
		data, err := make(cmd, host)
		if err != nil {
			return err
		}
		if err := atomicfile.WriteFile(args[0], data, 0o644, force); err != nil {
			return err
		}
		facts := struct {
			Host string `json:"host"`
			File string `json:"file"`
		}{host.Config().Name, args[0]}
		return cli.Report(cmd, facts, func(s *cli.Sheet) { s.Facts("host", facts.Host, "file", facts.File) })
	})
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return cmd
}

func profilesCommand() *cobra.Command {
	return cli.Leaf("profiles", "List the ways to start a host", "hostsim profiles", func(cmd *cobra.Command, _ []string) error {
		type profile struct {
			Name string `json:"name"`
			Says string `json:"says"`
		}
		var all []profile
		for _, p := range measuredboot.Profiles() {
			all = append(all, profile{p.Name, p.Says})
		}
		return cli.Report(cmd, all, func(s *cli.Sheet) {
			var rows [][]string
			for _, p := range all {
				rows = append(rows, []string{p.Name, p.Says})
			}
			s.Table(rows...)
		})
	})
}
