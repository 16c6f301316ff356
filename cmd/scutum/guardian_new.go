package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

type guardianNew struct {
	keyType    string
	days       int
	force      bool
	passphrase cli.Password
}

// ownerKeys are the kinds of key that an owner guardian can be made with, and
// their bits.
var ownerKeys = map[string]int{string(signing.RSA2048): 2048, string(signing.RSA3072): 3072, string(signing.RSA4096): 4096}

func guardianNewCommand() *cobra.Command {
	var o guardianNew
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make an owner guardian, with new keys",
		Long: `Make an owner guardian: a signing and an encryption key with self-signed
certificates, kept in the store under a passphrase. Whoever has the keys and the
passphrase can open and change all shielding data of this owner; without them,
nobody can change it. Back up the folder of the store.`,
		Example: `  scutum guardian new Contoso
  scutum guardian new Contoso --key-type rsa4096 --days 730 --password-file secret`,
		Args: cli.ExactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			owner, err := o.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			facts := factsOfGuardian(&owner.Guardian, true)
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				facts.text(s)
				s.Line(`Its keys are in the store, under the passphrase. Give others its metadata: "scutum guardian export".`)
			})
		},
		ValidArgsFunction: cli.CompleteArguments(cli.CompleteNothing),
	}
	cmd.Flags().StringVar(&o.keyType, "key-type", string(signing.RSA2048), "`KIND` of both keys: rsa2048, rsa3072 or rsa4096")
	cmd.Flags().IntVar(&o.days, "days", 3650, "valid for this many `DAYS` from now on")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace a fabric guardian of that name")
	o.passphrase.Flags(cmd, "password", "the passphrase for the keys in the store")
	cli.JSONFlag(cmd)
	oneOf(cmd, "key-type", "rsa2048", "rsa3072", "rsa4096")
	return cmd
}

func (o *guardianNew) run(ctx context.Context, name string) (*guardian.Owner, error) {
	bits, ok := ownerKeys[o.keyType]
	switch {
	case !ok:
		return nil, fmt.Errorf("--key-type: %q is not one of rsa2048, rsa3072, rsa4096", o.keyType)
	case o.days < 1 || o.days > 36500:
		return nil, fmt.Errorf("--days: %d is not from 1 to 36500", o.days)
	}
	store, err := openStore()
	if err != nil {
		return nil, err
	}
	replace, err := replaces(store, name, o.force)
	if err != nil {
		return nil, err
	}
	passphrase, err := newPassphrase(ctx, name, &o.passphrase)
	if err != nil {
		return nil, err
	}
	owner, err := guardian.NewOwner(name, bits, time.Duration(o.days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return owner, store.AddOwner(owner, passphrase, replace)
}

// newPassphrase gets the passphrase that an owner's keys will be under.
func newPassphrase(ctx context.Context, name string, from *cli.Password) (string, error) {
	passphrase, err := from.Read(ctx, "passphrase for owner guardian "+name, true)
	if err == nil && len(passphrase) == 0 {
		err = fmt.Errorf("passphrase for owner guardian %s: it is empty, and would leave the private keys open to whoever gets the files", name)
	}
	return string(passphrase), err
}
