package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// A kpChange is what grant and revoke have in common.
type kpChange struct {
	out        string
	fit        fitGuardians // of grant alone
	before     fs.FileInfo  // of the file that is changed
	force      bool
	passphrase cli.Password
}

func (o *kpChange) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.out, "out", "", "write the changed key protector to `FILE`, and leave the old one as it is")
	o.passphrase.Flags(cmd, "password", "the owner's passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
}

func kpGrantCommand() *cobra.Command {
	var o kpChange
	cmd := &cobra.Command{
		Use:   "grant FILE GUARDIAN",
		Short: "Give a guardian access to a key protector",
		Long: `Give a guardian access to a key protector, with its owner's keys, which are found
in the store. The transport key stays the same. So do all others who have access:
the command shows them, look at them.`,
		Example: "  scutum kp grant vm.kp \"Second site\"\n  scutum kp grant vm.kp \"Second site\" --out new.kp",
		Args:    cli.ExactArgs("FILE", "GUARDIAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.grant(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
		ValidArgsFunction: cli.CompleteArguments(nil, completeGuardians),
	}
	o.fit.flags(cmd)
	o.flags(cmd)
	return cmd
}

func (o *kpChange) grant(ctx context.Context, path, name string) (*protectorFacts, error) {
	store, p, err := o.open(path, "scutum pdk edit --grant")
	if err != nil {
		return nil, err
	}
	g, err := store.Get(name)
	if err != nil {
		return nil, err
	}
	if err := o.fit.check(g); err != nil {
		return nil, err
	}
	owner, err := o.owner(ctx, store, p)
	if err != nil {
		return nil, err
	}
	granted, err := named(p.Grant(owner, g))(path)
	if err != nil {
		return nil, err
	}
	return o.save(path, granted, store)
}

type revokeFacts struct {
	Revoked []wrappingFacts `json:"revoked"` // the guardian, and those whom it vouched for
	*protectorFacts
}

func kpRevokeCommand() *cobra.Command {
	var o kpChange
	cmd := &cobra.Command{
		Use:   "revoke FILE GUARDIAN",
		Short: "Take access to a key protector from a guardian",
		Long: `Take access to a key protector from a guardian, and from those whom it vouched
for, with the owner's keys, which are found in the store. GUARDIAN is a name in
the store, or the SHA-256 thumbprint of one of its certificates.

The key protector gets a new transport key. What was encrypted under the old one
has to be encrypted again under the new one. A revoked guardian who kept the old
file can still open that, and what is under its key. Of a shielding data file,
"scutum pdk edit --revoke" does all of this.`,
		Example: "  scutum kp revoke vm.kp \"Old fabric\"\n  scutum kp revoke vm.kp \"Old fabric\" --out new.kp",
		Args:    cli.ExactArgs("FILE", "GUARDIAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.revoke(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
		ValidArgsFunction: cli.CompleteArguments(nil, completeGuardians),
	}
	o.flags(cmd)
	return cmd
}

func (f *revokeFacts) text(s *cli.Sheet) {
	f.protectorFacts.text(s)
	textOfLost(s, f.Revoked)
	s.Line("The transport key is a new one: what was encrypted under the old one has to be encrypted again.")
	s.Line("A revoked guardian who kept the old file can still open it, and what is encrypted under its key.")
}

func (o *kpChange) revoke(ctx context.Context, path, name string) (*revokeFacts, error) {
	store, p, err := o.open(path, "scutum pdk edit --revoke")
	if err != nil {
		return nil, err
	}
	revoked, err := wrappingsOf(store, name)
	if err != nil {
		return nil, err
	}
	owner, err := o.owner(ctx, store, p)
	if err != nil {
		return nil, err
	}
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	before := factsOfProtector(path, p, known)
	rest, key, err := p.Revoke(owner, revoked)
	if _, err = named(rest, err)(path); err != nil {
		return nil, err
	}
	key.Clear()
	after, err := o.save(path, rest, store)
	if err != nil {
		return nil, err
	}
	return &revokeFacts{lostAccess(before.Access, after.Access), after}, nil
}

// wrappingsOf says which wrappings are a guardian's, which is named as in the
// store or by a thumbprint.
func wrappingsOf(store *guardian.Store, name string) (func(keyprotector.WrappingInfo) bool, error) {
	g, err := store.Get(name)
	if errors.Is(err, guardian.ErrNotFound) {
		if thumbprint, notOne := parseThumbprint(name); notOne == nil && thumbprint != "" {
			return func(w keyprotector.WrappingInfo) bool {
				return signing.Thumbprint(w.Signing) == thumbprint || signing.Thumbprint(w.Encryption) == thumbprint
			}, nil
		}
		return nil, fmt.Errorf("%w; one that is not can be named by the thumbprint of its certificate", err)
	}
	if err != nil {
		return nil, err
	}
	return func(w keyprotector.WrappingInfo) bool { return w.IsFor(g) }, nil
}

// lostAccess gives those whose access ended. Somebody else may have got their number.
func lostAccess(before, after []wrappingFacts) []wrappingFacts {
	return cli.OrEmpty(slices.DeleteFunc(slices.Clone(before), func(w wrappingFacts) bool {
		return slices.ContainsFunc(after, func(a wrappingFacts) bool { return a.Signing == w.Signing && a.Encryption == w.Encryption })
	}))
}

func textOfLost(s *cli.Sheet, lost []wrappingFacts) {
	for _, w := range lost {
		who := w.who()
		if w.Guardian == "" {
			who = w.Signing.Subject + ", " + who
		}
		s.Line("No more access: " + who + ".")
	}
}

// open reads what is to be changed, before anybody is asked for a passphrase.
func (o *kpChange) open(path, edit string) (*guardian.Store, *keyprotector.Protector, error) {
	if err := claim(o.force, []file{{"--out", o.out}}, file{"FILE", path}, passwordFile(&o.passphrase)); err != nil {
		return nil, nil, err
	}
	store, err := openStore()
	if err != nil {
		return nil, nil, err
	}
	if o.before, err = changeable(path); err != nil {
		return nil, nil, err
	}
	p, err := readProtector(path, edit)
	return store, p, err
}

// owner finds the owner of the key protector in the store, and reads its keys.
func (o *kpChange) owner(ctx context.Context, store *guardian.Store, p *keyprotector.Protector) (*guardian.Owner, error) {
	name, err := ownerWithKey(store, p.Owner().Signing)
	if err != nil {
		return nil, err
	}
	return readOwner(ctx, store, name, &o.passphrase)
}

func (o *kpChange) save(path string, p *keyprotector.Protector, store *guardian.Store) (*protectorFacts, error) {
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	facts := factsOfProtector(path, p, known)
	if o.out != "" {
		facts.File = o.out
	}
	return facts, saveChange(path, o.out, o.before, p.Bytes(), o.force)
}
