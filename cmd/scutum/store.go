package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// openStore opens the user's guardian store.
func openStore() (*guardian.Store, error) {
	dir, err := guardian.DefaultDir()
	if err != nil {
		return nil, err
	}
	return guardian.OpenStore(dir)
}

// readGuardians reads the guardians of these names.
func readGuardians(store *guardian.Store, names []string) ([]*guardian.Guardian, error) {
	var all []*guardian.Guardian
	for _, name := range names {
		g, err := store.Get(name)
		if err != nil {
			return nil, whichThereAre(err)
		}
		all = append(all, g)
	}
	return all, nil
}

// fitGuardians says which guardians may get access, or make what others have
// access to.
type fitGuardians struct{ expired bool }

func (f *fitGuardians) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.expired, "allow-expired", false, "accept guardians with expired certificates")
}

// check refuses those that are not fit. Whether to trust them was asked when they
// came into the store.
func (f *fitGuardians) check(guardians ...*guardian.Guardian) error {
	for _, g := range guardians {
		now := time.Now()
		if err := g.Check(now, guardian.CheckOptions{AllowUntrustedRoot: true, AllowExpired: true}); err != nil {
			return fmt.Errorf("guardian %q: %w", g.Name, err)
		}
		if !f.expired && now.After(g.Expires()) {
			return fmt.Errorf("guardian %q: it has expired, its certificates were valid until %s; --allow-expired accepts it", g.Name, cli.Moment(g.Expires()))
		}
	}
	return nil
}

// read opens the store, and reads guardians that may get access.
func (f *fitGuardians) read(names []string) (*guardian.Store, []*guardian.Guardian, error) {
	store, err := openStore()
	if err != nil {
		return nil, nil, err
	}
	guardians, err := readGuardians(store, names)
	if err != nil {
		return nil, nil, err
	}
	return store, guardians, f.check(guardians...)
}

// readOwner reads an owner guardian that may make what others have access to.
func (f *fitGuardians) readOwner(ctx context.Context, store *guardian.Store, name string, passphrase *cli.Password) (*guardian.Owner, error) {
	owner, err := readOwner(ctx, store, name, passphrase)
	if err != nil {
		return nil, err
	}
	return owner, f.check(&owner.Guardian)
}

// readOwner reads an owner guardian with its private keys. The terminal is asked
// for the passphrase only of one that is there.
func readOwner(ctx context.Context, store *guardian.Store, name string, passphrase *cli.Password) (*guardian.Owner, error) {
	if !passphrase.Given() {
		if o, err := store.Owner(name, ""); !errors.Is(err, signing.ErrPassword) {
			return o, whichThereAre(err)
		}
	}
	secret, err := passphrase.Read(ctx, "passphrase of owner guardian "+name, false)
	if err != nil {
		return nil, err
	}
	o, err := store.Owner(name, string(secret))
	if errors.Is(err, signing.ErrPassword) {
		return nil, fmt.Errorf("guardian %s: the passphrase is wrong, or the key files are damaged", name)
	}
	return o, whichThereAre(err)
}

// whichThereAre adds to the error about a guardian that is not in the store how
// to find those that are.
func whichThereAre(err error) error {
	if errors.Is(err, guardian.ErrNotFound) {
		err = fmt.Errorf(`%w; "scutum guardian list" names those that are`, err)
	}
	return err
}

// ownerWithKey finds the owner guardian whose signing or encryption key the
// certificate has, and gives its name.
func ownerWithKey(store *guardian.Store, cert *x509.Certificate) (string, error) {
	entries, err := store.List()
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Owner && hasKey(e.Guardian, cert) {
			return e.Name, nil
		}
	}
	return "", fmt.Errorf("no owner guardian in the store has the private key of %s, SHA-256 thumbprint %s: "+
		`only the owner can do this; "scutum guardian import" takes in keys that you have`, cert.Subject, signing.Thumbprint(cert))
}

// names are the guardians in the store, by which those in files are named.
type names struct {
	entries []guardian.Entry
	none    string // what is said of others
}

func readNames(store *guardian.Store) (names, error) {
	entries, err := store.List()
	return names{entries, "not in the store"}, err
}

// namesIfKnown is for commands that need the store for nothing else, and do
// without where there is none that can be read.
func namesIfKnown(cmd *cobra.Command) names {
	store, err := openStore()
	if err == nil {
		var n names
		if n, err = readNames(store); err == nil {
			return n
		}
	}
	cli.Warn(cmd, fmt.Sprintf("the names of guardians are not known: %v", err))
	return names{none: "name not known"}
}

// nameOf gives the name under which the key of a certificate is in the store, as
// List gives it; all of them, if it is there more than once. It is empty when the
// key is not in the store.
func nameOf(entries []guardian.Entry, cert *x509.Certificate) string {
	var names []string
	for _, e := range entries {
		if e.Err == nil && hasKey(e.Guardian, cert) {
			names = append(names, e.Name)
		}
	}
	return strings.Join(names, ", ")
}

// hasKey says whether the key of the certificate is one of the guardian's two.
// The certificates may have been renewed since.
func hasKey(g *guardian.Guardian, cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && (key.Equal(g.Signing.PublicKey) || key.Equal(g.Encryption.PublicKey))
}

// completeGuardians completes with the names of all guardians in the store.
func completeGuardians(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return namesInStore(func(guardian.Entry) bool { return true })
}

// completeOwners completes with the names of the owner guardians in the store.
func completeOwners(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return namesInStore(func(e guardian.Entry) bool { return e.Owner })
}

func namesInStore(wanted func(guardian.Entry) bool) ([]cobra.Completion, cobra.ShellCompDirective) {
	store, err := openStore()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	entries, err := store.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, e := range entries {
		if wanted(e) {
			names = append(names, e.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
