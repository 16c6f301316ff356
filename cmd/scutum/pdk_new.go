package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

type pdkNew struct {
	pdkSource
	owner             string
	guardians         []string
	existingVM, force bool
	passphrase        cli.Password
}

func pdkNewCommand() *cobra.Command {
	var o pdkNew
	cmd := &cobra.Command{
		Use:   "new OUT.pdk --owner NAME --guardian NAME... --policy POLICY {--vsc FILE[,RULE][,pin]... --answer-file FILE | --existing-vm}",
		Short: "Make a shielding data file",
		Long: `Make a shielding data file. Its secrets, the answer file and up to 256 other
files, 384 KiB together, open for the owner and the named guardians alone.

Each --vsc accepts templates of the same name and signer as the one whose catalog
FILE holds. RULE says which versions: equals, which is meant without one, greater
or greater-or-equal. With pin, no catalog but this one is accepted. Look at the
signers that the command shows: their thumbprints are what you trust.

With --existing-vm, the file is for shielding a virtual machine that exists:
there are no templates then, and no files.`,
		Example: `  scutum pdk new vm.pdk --owner Contoso --guardian Fabric --policy shielded --vsc server.vsc,greater-or-equal --answer-file unattend.xml
  scutum pdk new vm.pdk --owner Contoso --guardian Fabric --guardian "Second site" --policy encryption-supported --vsc ubuntu.vhdx,equals,pin --answer-file user-data --file host.key
  scutum pdk new old.pdk --owner Contoso --guardian Fabric --policy shielded --existing-vm --password-file secret`,
		Args: cli.ExactArgs("OUT.pdk"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return cli.UsageError(cmd, err)
			}
			facts, err := o.run(cmd, args[0])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	cmd.Flags().StringVar(&o.owner, "owner", "", "`NAME` of the owner guardian, whose keys are in the store")
	cmd.Flags().StringArrayVar(&o.guardians, "guardian", nil, "`NAME` of a guardian to grant access to; may be repeated")
	cmd.Flags().BoolVar(&o.existingVM, "existing-vm", false, "for shielding a virtual machine that exists")
	o.flags(cmd)
	o.passphrase.Flags(cmd, "password", "the owner's passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	required(cmd, "owner", "guardian", "policy")
	cli.CompleteFlag(cmd, "owner", completeOwners)
	cli.CompleteFlag(cmd, "guardian", completeGuardians)
	return cmd
}

// check refuses flags that do not go together.
func (o *pdkNew) check() error {
	if o.existingVM {
		if len(o.vsc) > 0 || o.answerFile != "" || len(o.files) > 0 {
			return errors.New("--existing-vm excludes --vsc, --answer-file and --file")
		}
		return o.pdkSource.check()
	}
	var missing []string
	if len(o.vsc) == 0 {
		missing = append(missing, "--vsc")
	}
	if o.answerFile == "" {
		missing = append(missing, "--answer-file")
	}
	if len(missing) > 0 {
		return errors.New(areMissing(missing) + ", or --existing-vm")
	}
	return o.pdkSource.check()
}

func (o *pdkNew) run(cmd *cobra.Command, out string) (*shieldingFacts, error) {
	if err := claim(o.force, []file{{"OUT.pdk", out}}, append(o.inputs(), passwordFile(&o.passphrase))...); err != nil {
		return nil, err
	}
	store, guardians, err := o.fit.read(o.guardians)
	if err != nil {
		return nil, err
	}
	options := pdk.Options{Kind: pdk.Template, Policy: pdk.Policy(o.policy)}
	if o.existingVM {
		options.Kind = pdk.ExistingVM
	}
	if options.Volumes, err = o.qualifiers(); err != nil {
		return nil, err
	}
	payload, err := o.payload()
	if err != nil {
		return nil, err
	}
	defer payload.Clear()
	options.Payload = *payload
	for _, text := range o.doubts(payload) {
		cli.Warn(cmd, text)
	}
	owner, err := o.fit.readOwner(cmd.Context(), store, o.owner, &o.passphrase)
	if err != nil {
		return nil, err
	}
	data, err := pdk.New(owner, guardians, options)
	if err != nil {
		return nil, err
	}
	d, err := pdk.Parse(data)
	if err != nil {
		return nil, err
	}
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	return factsOfShieldingData(out, d, known), atomicfile.WriteFile(out, data, 0o666, o.force)
}
