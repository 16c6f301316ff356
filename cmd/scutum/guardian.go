package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

func guardianCommand() *cobra.Command {
	g := cli.Group("guardian", "Keep guardians: who may open shielding data",
		guardianNewCommand(),
		guardianImportCommand(),
		guardianExportCommand(),
		guardianListCommand(),
		guardianShowCommand(),
		guardianRemoveCommand(),
	)
	g.Long = `A guardian is a signing certificate and an encryption certificate under a name.
An owner guardian comes with the private keys: shielding data is made with it. A
fabric guardian is the public metadata of a host guardian service.

Guardians are kept in a folder: guardians in $SCUTUM_HOME, or else in scutum in
the user's configuration folder. The private keys are under a passphrase. There
is no way in without it: back up the folder, and remember the passphrase.`
	return g
}

// guardianFacts is a guardian in the output of every command.
type guardianFacts struct {
	Name         string             `json:"name"`
	Kind         string             `json:"kind"` // owner or fabric
	Signing      certificateFacts   `json:"signing"`
	Encryption   certificateFacts   `json:"encryption"`
	OtherSigning []certificateFacts `json:"otherSigning"`
	Problems     []string           `json:"problems"` // what speaks against using it now, trust apart
}

func factsOfGuardian(g *guardian.Guardian, owner bool) guardianFacts {
	f := guardianFacts{
		Name: g.Name, Kind: "fabric", Signing: factsOfCertificate(g.Signing), Encryption: factsOfCertificate(g.Encryption),
		OtherSigning: []certificateFacts{}, Problems: []string{},
	}
	if owner {
		f.Kind = "owner"
	}
	for _, c := range g.OtherSigning {
		f.OtherSigning = append(f.OtherSigning, factsOfCertificate(c))
	}
	if err := g.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true}); err != nil {
		f.Problems = problems(err)
	}
	return f
}

// kindOf is the kind of a guardian in the store.
func kindOf(e guardian.Entry) string {
	switch {
	case e.Err != nil:
		return "damaged"
	case e.Owner:
		return "owner"
	}
	return "fabric"
}

// problems gives what an error joins, a line each. Certificates have names with
// line feeds, if who makes them wants another line to show.
func problems(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []string{cli.Printable(err.Error())}
	}
	var all []string
	for _, e := range joined.Unwrap() {
		all = append(all, problems(e)...)
	}
	return all
}

func (f guardianFacts) text(s *cli.Sheet) {
	kind := "fabric, public metadata"
	if f.Kind == "owner" {
		kind = "owner, with its private keys"
	}
	pairs := []string{"guardian", f.Name, "kind", kind}
	pairs = append(pairs, f.Signing.pairs("signing")...)
	pairs = append(pairs, f.Encryption.pairs("encryption")...)
	for _, c := range f.OtherSigning {
		pairs = append(pairs, c.pairs("other signing")...)
	}
	s.Facts(pairs...)
	for _, p := range f.Problems {
		s.Line("Attention: " + p)
	}
}

// pairs are one of a guardian's certificates.
func (c certificateFacts) pairs(use string) []string {
	return []string{
		use, c.Subject + " (" + c.Key + "), valid " + c.NotBefore + " to " + c.NotAfter,
		"  thumbprint", "SHA-256 " + c.SHA256,
	}
}

func guardianListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the guardians in the store",
		Example: "  scutum guardian list\n  scutum guardian list --json",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			entries, err := store.List()
			if err != nil {
				return err
			}
			return listGuardians(cmd, entries)
		},
		ValidArgsFunction: cli.CompleteArguments(),
	}
	cli.JSONFlag(cmd)
	return cmd
}

func listGuardians(cmd *cobra.Command, entries []guardian.Entry) error {
	type damaged struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	}
	facts := struct {
		Guardians []guardianFacts `json:"guardians"`
		Damaged   []damaged       `json:"damaged"`
	}{[]guardianFacts{}, []damaged{}}
	rows := [][]string{{"GUARDIAN", "KIND", "VALID UNTIL", "SIGNING CERTIFICATE, SHA-256"}}
	for _, e := range entries {
		if e.Err != nil {
			facts.Damaged = append(facts.Damaged, damaged{e.Name, e.Err.Error()})
			rows = append(rows, []string{e.Name, "damaged"})
			continue
		}
		f := factsOfGuardian(e.Guardian, e.Owner)
		facts.Guardians = append(facts.Guardians, f)
		rows = append(rows, []string{f.Name, f.Kind, cli.Moment(e.Guardian.Expires()), f.Signing.SHA256})
	}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		if len(entries) == 0 {
			s.Line(`There is no guardian yet: "scutum guardian new" makes an owner, "scutum guardian import" takes in a fabric.`)
			return
		}
		s.Table(rows...)
		for _, g := range facts.Guardians {
			for _, p := range g.Problems {
				s.Line("Attention: " + g.Name + ": " + p)
			}
		}
		for _, d := range facts.Damaged {
			s.Line("Attention: " + d.Name + ": " + d.Error)
		}
	})
}

func guardianShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a guardian, its certificates and their thumbprints",
		Example: "  scutum guardian show Contoso\n  scutum guardian show Contoso --json",
		Args:    cli.ExactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			entry, err := find(store, args[0])
			if err != nil {
				return err
			}
			if entry.Err != nil {
				return entry.Err
			}
			facts := factsOfGuardian(entry.Guardian, entry.Owner)
			return cli.Report(cmd, facts, facts.text)
		},
		ValidArgsFunction: cli.CompleteArguments(completeGuardians),
	}
	cli.JSONFlag(cmd)
	return cmd
}

// find finds a guardian in the store, also one that is damaged.
func find(store *guardian.Store, name string) (guardian.Entry, error) {
	entries, err := store.List()
	if err != nil {
		return guardian.Entry{}, err
	}
	for _, e := range entries {
		if strings.EqualFold(e.Name, name) {
			return e, nil
		}
	}
	return guardian.Entry{}, whichThereAre(fmt.Errorf("guardian %q: %w", name, guardian.ErrNotFound))
}

// replaces says whether a new guardian takes the place of one in the store. An
// error says that it must not: never that of an owner, whose keys would be lost.
func replaces(store *guardian.Store, name string, force bool) (bool, error) {
	entry, err := find(store, name)
	switch {
	case errors.Is(err, guardian.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case entry.Err != nil:
		return false, fmt.Errorf("guardian %q is in the store already, and damaged: put it back from a backup, or remove it: %w", entry.Name, entry.Err)
	case entry.Owner:
		return false, fmt.Errorf("guardian %q is in the store already, an owner with private keys: use another name, or remove it first", entry.Name)
	case !force:
		return false, fmt.Errorf("guardian %q is in the store already: use another name; --force replaces it", entry.Name)
	}
	return true, nil
}

func guardianExportCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "export NAME FILE.xml",
		Short: "Write a guardian's public metadata to a file",
		Long: `Write the public metadata of a guardian, for others to import: certificates and
signatures, and nothing secret. The private keys of an owner stay in the store.`,
		Example: "  scutum guardian export Contoso contoso.xml",
		Args:    cli.ExactArgs("NAME", "FILE.xml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			if err := claim(force, []file{{"FILE.xml", args[1]}}); err != nil {
				return err
			}
			metadata, err := store.Metadata(args[0])
			if err != nil {
				return whichThereAre(err)
			}
			g, err := guardian.ParseMetadata(metadata)
			if err != nil {
				return err
			}
			if err := atomicfile.WriteFile(args[1], metadata, 0o666, force); err != nil {
				return err
			}
			facts := struct {
				File       string           `json:"file"`
				Name       string           `json:"name"`
				Signing    certificateFacts `json:"signing"`
				Encryption certificateFacts `json:"encryption"`
			}{args[1], args[0], factsOfCertificate(g.Signing), factsOfCertificate(g.Encryption)}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts(append(append([]string{"metadata", facts.File}, facts.Signing.pairs("signing")...), facts.Encryption.pairs("encryption")...)...)
				s.Line("Tell those who import it the thumbprints by another way: they prove that it is this file.")
			})
		},
		ValidArgsFunction: cli.CompleteArguments(completeGuardians, cli.FilesNamed("FILE.xml")),
	}
	forceFlag(cmd, &force)
	cli.JSONFlag(cmd)
	return cmd
}
