package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

type kpNew struct {
	owner      string
	guardians  []string
	fit        fitGuardians
	force      bool
	passphrase cli.Password
}

func kpNewCommand() *cobra.Command {
	var o kpNew
	cmd := &cobra.Command{
		Use:   "new OUT --owner NAME [--guardian NAME]...",
		Short: "Make a key protector, with a new transport key",
		Long: `Make a key protector, with a new transport key that is wrapped for the owner and for
the named guardians. Without one, the owner alone has access, and can give it to
others with "scutum kp grant".`,
		Example: `  scutum kp new vm.kp --owner Contoso --guardian Fabric
  scutum kp new vm.kp --owner Contoso --guardian Fabric --guardian "Second site" --password-file secret`,
		Args: cli.ExactArgs("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	cmd.Flags().StringVar(&o.owner, "owner", "", "`NAME` of the owner guardian, whose keys are in the store")
	cmd.Flags().StringArrayVar(&o.guardians, "guardian", nil, "`NAME` of a guardian to grant access to; may be repeated")
	o.fit.flags(cmd)
	o.passphrase.Flags(cmd, "password", "the owner's passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	required(cmd, "owner")
	cli.CompleteFlag(cmd, "owner", completeOwners)
	cli.CompleteFlag(cmd, "guardian", completeGuardians)
	return cmd
}

func (o *kpNew) run(ctx context.Context, out string) (*protectorFacts, error) {
	if err := claim(o.force, []file{{"OUT", out}}, passwordFile(&o.passphrase)); err != nil {
		return nil, err
	}
	store, guardians, err := o.fit.read(o.guardians)
	if err != nil {
		return nil, err
	}
	owner, err := o.fit.readOwner(ctx, store, o.owner, &o.passphrase)
	if err != nil {
		return nil, err
	}
	p, key, err := keyprotector.New(owner, guardians)
	if err != nil {
		return nil, err
	}
	key.Clear()
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	return factsOfProtector(out, p, known), atomicfile.WriteFile(out, p.Bytes(), 0o666, o.force)
}
