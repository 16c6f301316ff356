package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

type pdkEdit struct {
	pdkSource
	grant, revoke []string
	removeVSC     []int
	removeFile    []string
	out           string
	before        fs.FileInfo // of the file that is changed in its place
	force         bool
	passphrase    cli.Password
}

func pdkEditCommand() *cobra.Command {
	var o pdkEdit
	cmd := &cobra.Command{
		Use:   "edit FILE.pdk",
		Short: "Change a shielding data file, as its owner",
		Long: `Change a shielding data file and sign it anew, with its owner's keys, which are
found in the guardian store. The file is replaced in one step, or stays as it is
and the changed one goes to --out.

Qualifiers are added with --vsc, as in "scutum pdk new", and removed by the number
that "scutum pdk show" gives. A --file takes the place of one of the same name.

GUARDIAN of --revoke is a name in the store, or the SHA-256 thumbprint of one of
its certificates. With it go those that it vouched for. The secrets are then
encrypted anew, under a new key, so that who is revoked learns nothing of what
comes later. A copy of the file from before still opens for all who could open it
then: change the secrets themselves where that matters.`,
		Example: `  scutum pdk edit vm.pdk --policy shielded
  scutum pdk edit vm.pdk --revoke "Old fabric" --grant "New fabric" --password-file secret
  scutum pdk edit vm.pdk --remove-vsc 1 --vsc server2.vsc,greater-or-equal
  scutum pdk edit vm.pdk --answer-file unattend.xml --file rdp.pfx --remove-file old.pfx --out new.pdk`,
		Args: cli.ExactArgs("FILE.pdk"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return cli.UsageError(cmd, err)
			}
			facts, err := o.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringArrayVar(&o.grant, "grant", nil, "give access to the guardian `NAME`; may be repeated")
	cmd.Flags().StringArrayVar(&o.revoke, "revoke", nil, "take access from this `GUARDIAN`; may be repeated")
	cmd.Flags().IntSliceVar(&o.removeVSC, "remove-vsc", nil, "remove the qualifier of this `NUMBER`; may be repeated")
	cmd.Flags().StringArrayVar(&o.removeFile, "remove-file", nil, "remove the file of this `NAME`; may be repeated")
	cmd.Flags().StringVar(&o.out, "out", "", "write the changed file to `FILE`, and leave the old one as it is")
	o.passphrase.Flags(cmd, "password", "the owner's passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	cli.CompleteFlag(cmd, "grant", completeGuardians)
	cli.CompleteFlag(cmd, "revoke", completeGuardians)
	return cmd
}

func (o *pdkEdit) check() error {
	if o.policy == "" && len(o.vsc)+len(o.files)+len(o.grant)+len(o.revoke)+len(o.removeVSC)+len(o.removeFile) == 0 && o.answerFile == "" {
		return errors.New("there is nothing to change: say what, with --policy, --grant, --revoke, --vsc, --remove-vsc, --answer-file, --file or --remove-file")
	}
	return o.pdkSource.check()
}

// editFacts is the changed file, and who lost access.
type editFacts struct {
	*shieldingFacts
	Revoked []wrappingFacts `json:"revoked"`
}

func (f *editFacts) text(s *cli.Sheet) {
	f.shieldingFacts.text(s)
	textOfLost(s, f.Revoked)
	if len(f.Revoked) > 0 {
		s.Line("The secrets are encrypted anew. Who was revoked and kept the old file can still open that.")
	}
}

func (o *pdkEdit) run(ctx context.Context, path string) (*editFacts, error) {
	if err := o.claim(path); err != nil {
		return nil, err
	}
	store, err := openStore()
	if err != nil {
		return nil, err
	}
	d, err := readShieldingData(path)
	if err != nil {
		return nil, err
	}
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	before := factsOfShieldingData(path, d, known)
	change, err := o.change(store, path, d)
	if err != nil {
		return nil, err
	}
	added, err := o.payload()
	if err != nil {
		return nil, err
	}
	defer added.Clear()
	name, err := ownerWithKey(store, d.Signer)
	if err != nil {
		return nil, err
	}
	owner, err := readOwner(ctx, store, name, &o.passphrase)
	if err != nil {
		return nil, err
	}
	if o.answerFile != "" || len(o.files)+len(o.removeFile) > 0 {
		if change.Payload, err = o.editPayload(owner, path, d, added); err != nil {
			return nil, err
		}
		defer change.Payload.Clear()
	}
	data, err := d.Edit(owner, *change)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d, err = pdk.Parse(data); err != nil {
		return nil, err
	}
	to := path
	if o.out != "" {
		to = o.out
	}
	after := factsOfShieldingData(to, d, known)
	return &editFacts{after, lostAccess(before.Access, after.Access)}, saveChange(path, o.out, o.before, data, o.force)
}

// claim says whether the changed file may be written, and is none of those that
// go into it.
func (o *pdkEdit) claim(path string) error {
	inputs := append(o.inputs(), passwordFile(&o.passphrase))
	if o.out == "" {
		var err error
		if o.before, err = changeable(path); err != nil {
			return err
		}
		return claim(true, []file{{"FILE.pdk", path}}, inputs...)
	}
	return claim(o.force, []file{{"--out", o.out}}, append(inputs, file{"FILE.pdk", path})...)
}

// change makes the change out of the flags, but for the secrets.
func (o *pdkEdit) change(store *guardian.Store, path string, d *pdk.ShieldingData) (*pdk.Change, error) {
	var (
		c   pdk.Change
		err error
	)
	if o.policy != "" {
		policy := pdk.Policy(o.policy)
		c.Policy = &policy
	}
	if len(o.vsc)+len(o.removeVSC) > 0 {
		volumes, err := o.volumes(d.Volumes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.Volumes = &volumes
	}
	if c.Revoke, err = o.revoked(store, path, d); err != nil {
		return nil, err
	}
	if c.Grant, err = readGuardians(store, o.grant); err != nil {
		return nil, err
	}
	return &c, o.fit.check(c.Grant...)
}

// volumes removes qualifiers by their numbers, and adds new ones.
func (o *pdkEdit) volumes(volumes []pdk.Qualifier) ([]pdk.Qualifier, error) {
	var rest []pdk.Qualifier
	for i, q := range volumes {
		if !slices.Contains(o.removeVSC, i+1) {
			rest = append(rest, q)
		}
	}
	for _, number := range o.removeVSC {
		if number < 1 || number > len(volumes) {
			return nil, fmt.Errorf("--remove-vsc: there is no qualifier %d; \"scutum pdk show\" numbers them", number)
		}
	}
	added, err := o.qualifiers()
	for _, q := range added {
		if slices.ContainsFunc(rest, func(other pdk.Qualifier) bool { return sameQualifier(q, other) }) {
			return nil, fmt.Errorf("--vsc: there is a qualifier already for %s %s, %s, of that signer", q.Name, q.Version, q.Rule)
		}
	}
	return append(rest, added...), err
}

// revoked says whose access ends, or gives nil when nobody's does.
func (o *pdkEdit) revoked(store *guardian.Store, path string, d *pdk.ShieldingData) (func(keyprotector.WrappingInfo) bool, error) {
	if len(o.revoke) == 0 {
		return nil, nil
	}
	var all []func(keyprotector.WrappingInfo) bool
	for _, name := range o.revoke {
		match, err := wrappingsOf(store, name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(d.KeyProtector.Wrappings(), match) {
			return nil, fmt.Errorf("%s: %s has no access that could be revoked", path, name)
		}
		all = append(all, match)
	}
	return func(w keyprotector.WrappingInfo) bool {
		return slices.ContainsFunc(all, func(match func(keyprotector.WrappingInfo) bool) bool { return match(w) })
	}, nil
}

// editPayload opens the secrets, removes files, and adds or replaces others.
func (o *pdkEdit) editPayload(owner *guardian.Owner, path string, d *pdk.ShieldingData, added *pdk.Payload) (*pdk.Payload, error) {
	key, err := decrypter(owner)
	if err != nil {
		return nil, err
	}
	p, err := named(d.Open(key))(path)
	if err != nil {
		return nil, err
	}
	for _, name := range o.removeFile {
		at := sameName(p.Files, name)
		if at < 0 {
			err := fmt.Errorf("%s: there is no file %q to remove", path, name)
			if p.AnswerFile != nil && strings.EqualFold(p.AnswerFile.Name, name) {
				err = fmt.Errorf("%s: %s is the answer file, which can be replaced with --answer-file and not removed", path, name)
			}
			p.Clear()
			return nil, err
		}
		clear(p.Files[at].Content)
		p.Files = slices.Delete(p.Files, at, at+1)
	}
	if added.AnswerFile != nil {
		if p.AnswerFile != nil {
			clear(p.AnswerFile.Content)
		}
		p.AnswerFile = added.AnswerFile
	}
	for _, f := range added.Files {
		if at := sameName(p.Files, f.Name); at >= 0 {
			clear(p.Files[at].Content)
			p.Files[at] = f
			continue
		}
		p.Files = append(p.Files, f)
	}
	return p, nil
}
