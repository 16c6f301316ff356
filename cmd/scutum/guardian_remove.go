package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
)

func guardianRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a guardian out of the store, with its private keys",
		Long: `Take a guardian out of the store. With an owner go its private keys: what only
they open, or change, stays closed for good, unless they are in a backup. On a
terminal the command asks; elsewhere it wants --force.`,
		Example: "  scutum guardian remove \"Old fabric\"\n  scutum guardian remove Contoso --force",
		Args:    cli.ExactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			entry, err := find(store, args[0])
			if errors.Is(err, guardian.ErrNotFound) && force { // what an interrupted command left of it goes all the same
				return whichThereAre(store.Remove(args[0]))
			}
			if err != nil {
				return err
			}
			if !force {
				err = askToRemove(cmd.Context(), cli.OnTerminal(cmd), entry)
			}
			if err != nil {
				return err
			}
			if err := store.Remove(entry.Name); err != nil {
				return err
			}
			facts := struct {
				Name    string `json:"name"`
				Kind    string `json:"kind"`
				Removed bool   `json:"removed"`
			}{entry.Name, kindOf(entry), true}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Line(fmt.Sprintf("Guardian %q is removed from the store.", entry.Name))
				if entry.Owner {
					s.Line("Its private keys are gone: " + lost + ".")
				}
			})
		},
		ValidArgsFunction: cli.CompleteArguments(completeGuardians),
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove it without asking")
	cli.JSONFlag(cmd)
	return cmd
}

// lost is what goes with an owner's private keys.
const lost = "without a backup of them nobody can change its shielding data and key protectors any more, " +
	"or open them as the owner, or unprotect recovery keys"

func askToRemove(ctx context.Context, onTerminal bool, entry guardian.Entry) error {
	if !onTerminal {
		return fmt.Errorf("guardian %q is not removed: there is no terminal to ask on; --force removes it without asking", entry.Name)
	}
	yes, err := cli.Confirm(ctx, func(s *cli.Sheet) {
		switch {
		case entry.Err != nil:
			s.Line("It is damaged, and may be an owner with private keys: " + entry.Err.Error())
		case entry.Owner:
			factsOfGuardian(entry.Guardian, true).text(s)
			s.Line("With it go its private keys: " + lost + ".")
		default:
			factsOfGuardian(entry.Guardian, false).text(s)
		}
	}, fmt.Sprintf("Remove guardian %q?", entry.Name))
	if err == nil && !yes {
		err = cli.ErrNo
	}
	return err
}
