package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

type guardianImport struct {
	untrustedRoot, expired, force bool
	thumbprint                    string
	signing, encryption           string // PFX files of an owner
	pfx, passphrase               cli.Password
}

func guardianImportCommand() *cobra.Command {
	var o guardianImport
	cmd := &cobra.Command{
		Use:   "import NAME {FILE | URL | --signing S.pfx --encryption E.pfx}",
		Short: "Take in the metadata of a fabric, or the keys of an owner",
		Long: `Take in a fabric guardian: the metadata of a host guardian service, from a file or
from the address of the service. Its signatures prove only that it is one piece;
whose it is, its thumbprints say. Compare them with what the fabric's people tell
you by another way. On a terminal the command shows them and asks. Elsewhere,
certificates that no trusted root vouches for need --thumbprint or
--allow-untrusted-root.

With --signing and --encryption, take in an owner guardian: keys and certificates
that exist. In the store they are under the passphrase of --password-file,
--password-env or the prompt.`,
		Example: `  scutum guardian import Fabric http://hgs.fabric.example
  scutum guardian import Fabric metadata.xml --thumbprint 6f0c...e2
  scutum guardian import Fabric metadata.xml --allow-untrusted-root
  scutum guardian import Contoso --signing s.pfx --encryption e.pfx --pfx-password-file old --password-file new`,
		Args: o.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.run(cmd, args)
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				facts.text(s)
				s.Line("It is in the store.")
			})
		},
		ValidArgsFunction: cli.CompleteArguments(completeGuardians, cli.FilesNamed("FILE.xml")),
	}
	cmd.Flags().BoolVar(&o.untrustedRoot, "allow-untrusted-root", false, "trust certificates that no trusted root vouches for")
	cmd.Flags().BoolVar(&o.expired, "allow-expired", false, "accept expired certificates")
	cmd.Flags().StringVar(&o.thumbprint, "thumbprint", "", "`SHA256` of the signing certificate, as the fabric's people told you; it counts as trust")
	cmd.Flags().StringVar(&o.signing, "signing", "", "an owner's signing key and certificate, from `S.pfx`")
	cmd.Flags().StringVar(&o.encryption, "encryption", "", "an owner's encryption key and certificate, from `E.pfx`")
	o.pfx.Flags(cmd, "pfx-password", "the password of both PFX files")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace a fabric guardian of that name")
	o.passphrase.Flags(cmd, "password", "the passphrase for the keys in the store")
	cli.JSONFlag(cmd)
	return cmd
}

func (o *guardianImport) args(cmd *cobra.Command, args []string) error {
	if (o.signing == "") != (o.encryption == "") {
		return cli.UsageError(cmd, errors.New("--signing and --encryption go together"))
	}
	if o.signing == "" {
		if o.passphrase.Given() || o.pfx.Given() {
			return cli.UsageError(cmd, errors.New("a passphrase is for the keys of --signing and --encryption"))
		}
		return cli.ExactArgs("NAME", "FILE or URL")(cmd, args)
	}
	if o.thumbprint != "" || o.untrustedRoot {
		return cli.UsageError(cmd, errors.New("--thumbprint and --allow-untrusted-root are for metadata, not for keys of your own"))
	}
	return cli.ExactArgs("NAME")(cmd, args)
}

func (o *guardianImport) run(cmd *cobra.Command, args []string) (facts guardianFacts, err error) {
	expected, err := parseThumbprint(o.thumbprint)
	if err != nil {
		return facts, fmt.Errorf("--thumbprint: %w", err)
	}
	store, err := openStore()
	if err != nil {
		return facts, err
	}
	replace, err := replaces(store, args[0], o.force)
	if err != nil {
		return facts, err
	}
	if o.signing != "" {
		owner, err := o.owner(cmd.Context(), store, args[0], replace)
		if err != nil {
			return facts, err
		}
		return factsOfGuardian(&owner.Guardian, true), nil
	}
	if err := cli.RefusePipe(args[1]); err != nil {
		return facts, err
	}
	metadata, err := guardian.Load(cmd.Context(), args[1])
	if err != nil {
		return facts, err
	}
	g, err := understood(guardian.ParseMetadata(metadata))(args[1], metadata)
	if err != nil {
		return facts, err
	}
	g.Name = args[0]
	if err := o.trust(cmd, g, expected); err != nil {
		return facts, err
	}
	g, err = store.Add(args[0], metadata, replace)
	if err != nil {
		return facts, err
	}
	return factsOfGuardian(g, false), nil
}

// trust says whether the user trusts the guardian. The error shows its
// thumbprints.
func (o *guardianImport) trust(cmd *cobra.Command, g *guardian.Guardian, expected string) error {
	if got := signing.Thumbprint(g.Signing); expected != "" && got != expected {
		return refusal(g, fmt.Errorf("its signing certificate is another one than %s: this is not the guardian that you expect", expected), "")
	}
	said := o.untrustedRoot || expected != ""
	ask := !said && cli.OnTerminal(cmd)
	now, options := time.Now(), guardian.CheckOptions{AllowUntrustedRoot: said || ask, AllowExpired: o.expired}
	if err := g.Check(now, options); err != nil {
		return refusal(g, err, remedy(err))
	}
	if !ask {
		return nil
	}
	options.AllowUntrustedRoot = false
	unknown := g.Check(now, options)
	yes, err := cli.Confirm(cmd.Context(), func(s *cli.Sheet) {
		factsOfGuardian(g, false).text(s)
		if unknown != nil {
			s.Line("No trusted root vouches for these certificates: anybody can make them.")
		}
		s.Line("Compare the thumbprints with those that the fabric's people told you by another way.")
	}, fmt.Sprintf("Trust this guardian, under the name %q?", g.Name))
	if err == nil && !yes {
		err = cli.ErrNo
	}
	return err
}

// refusal says why a guardian is not imported, shows what it is, and says what
// to do.
func refusal(g *guardian.Guardian, why error, remedy string) error {
	lines := []string{fmt.Sprintf("guardian %q is not imported", g.Name)}
	lines = append(lines, problems(why)...)
	lines = append(lines, shown("signing", g.Signing), shown("encryption", g.Encryption))
	if remedy != "" {
		lines = append(lines, remedy)
	}
	return errors.New(strings.Join(lines, "\n"))
}

func shown(use string, c *x509.Certificate) string {
	return cli.Printable(fmt.Sprintf("%s certificate: %s, SHA-256 thumbprint %s", use, c.Subject, signing.Thumbprint(c)))
}

// remedy says what to do about a guardian that Check refuses.
func remedy(err error) string {
	var all []string
	if errors.Is(err, guardian.ErrUntrustedRoot) {
		all = append(all, "compare the thumbprints with those that the fabric's people told you by another way; "+
			"if they agree, import it with --thumbprint and that of the signing certificate, or with --allow-untrusted-root")
	}
	if errors.Is(err, guardian.ErrExpired) {
		all = append(all, "ask the fabric's people for metadata with new certificates, or import it with --allow-expired")
	}
	return strings.Join(all, "\n")
}

// parseThumbprint reads a SHA-256 thumbprint the way tools print it: with colons
// or spaces or without, in small letters or capitals.
func parseThumbprint(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	plain := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
	if raw, err := hex.DecodeString(plain); err != nil || len(raw) != 32 {
		return "", fmt.Errorf("%q is not the SHA-256 of a certificate, 64 hexadecimal digits", s)
	}
	return plain, nil
}

// owner takes an owner's keys into the store.
func (o *guardianImport) owner(ctx context.Context, store *guardian.Store, name string, replace bool) (*guardian.Owner, error) {
	signer, err := o.load(ctx, o.signing)
	if err != nil {
		return nil, err
	}
	encryption, err := o.load(ctx, o.encryption)
	if err != nil {
		return nil, err
	}
	owner, err := guardian.ImportOwner(name, signer, encryption)
	if err != nil {
		return nil, err
	}
	if err := owner.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true, AllowExpired: o.expired}); err != nil {
		return nil, refusal(&owner.Guardian, err, ownRemedy(err))
	}
	passphrase, err := newPassphrase(ctx, name, &o.passphrase)
	if err != nil {
		return nil, err
	}
	return owner, store.AddOwner(owner, passphrase, replace)
}

func ownRemedy(err error) string {
	if errors.Is(err, guardian.ErrExpired) {
		return "have certificates issued that are valid, or import these with --allow-expired"
	}
	return ""
}

func (o *guardianImport) load(ctx context.Context, path string) (*signing.Identity, error) {
	pfx, err := readFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	if signing.IsPEM(pfx) {
		return nil, fmt.Errorf("%s is a PEM file: join certificate and key to a PFX file, with openssl pkcs12 -export", path)
	}
	id, _, err := loadPFX(ctx, path, pfx, &o.pfx)
	return id, err
}
