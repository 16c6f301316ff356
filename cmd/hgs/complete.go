package main

import (
	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
)

var modes = []cobra.Completion{hgsserver.ModeTPM, hgsserver.ModeHostKey}

// oneOf completes one of some values, and no file names.
func oneOf(values ...cobra.Completion) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

func completeValues(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	cli.CompleteFlag(cmd, flag, oneOf(values...))
}

// switchable are the built-in policies that are not locked.
func switchable() (names []cobra.Completion) {
	for _, p := range policy.BuiltIn() {
		if !p.Locked {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Says))
		}
	}
	return names
}
