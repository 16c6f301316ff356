package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

func certCommand() *cobra.Command {
	return cli.Group("cert", "Make certificates to try things out with", certNewCommand())
}

type certNew struct {
	subject, keyType, pem string
	days                  int
	force, noPassword     bool
	password              cli.Password
}

func certNewCommand() *cobra.Command {
	var o certNew
	cmd := &cobra.Command{
		Use:   "new OUT.pfx --subject NAME",
		Short: "Make a lab certificate and its key",
		Long: `Make a self-signed certificate with its private key, as a PFX file under a
password. It is a lab certificate: good for trying things out, and nobody's word
for who the signer is. For a template that others rely on, use a certificate
that an authority of theirs has issued.`,
		Example: `  scutum cert new --subject "Contoso template signing" signer.pfx
  scutum cert new --subject Lab signer.pfx --pem signer.pem --password-file secret
  scutum cert new --subject Lab signer.pfx --key-type p384 --days 30 --password-env PFX_PASSWORD`,
		Args: cli.ExactArgs("OUT.pfx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := o.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			facts := struct {
				File        string           `json:"file"`
				PEM         string           `json:"pem,omitempty"`
				Certificate certificateFacts `json:"certificate"`
				Lab         bool             `json:"lab"`
			}{args[0], o.pem, factsOfCertificate(id.Certificate), true}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				c := facts.Certificate
				s.Facts("key and certificate", facts.File, "certificate alone", facts.PEM, "subject", c.Subject, "key", c.Key,
					"valid", c.NotBefore+" to "+c.NotAfter, "thumbprint", "SHA-256 "+c.SHA256)
				s.Line("This is a lab certificate: nobody but you vouches for it.")
			})
		},
	}
	cmd.Flags().StringVar(&o.subject, "subject", "", "common `NAME` of the certificate, without CN=")
	cmd.Flags().StringVar(&o.keyType, "key-type", string(signing.RSA2048), "`KIND` of key: rsa2048, rsa3072, rsa4096, p256 or p384")
	cmd.Flags().IntVar(&o.days, "days", 365, "valid for this many `DAYS` from now on")
	cmd.Flags().StringVar(&o.pem, "pem", "", "write the certificate alone to `OUT.pem`, for those who are to trust it")
	forceFlag(cmd, &o.force)
	o.password.Flags(cmd, "password", "the password")
	cmd.Flags().BoolVar(&o.noPassword, "no-password", false, "leave the key open to whoever gets the file")
	cli.JSONFlag(cmd)
	required(cmd, "subject")
	oneOf(cmd, "key-type", string(signing.RSA2048), string(signing.RSA3072), string(signing.RSA4096), string(signing.P256), string(signing.P384))
	return cmd
}

// run makes the key and writes the files, the one with the key readable for its
// owner only.
func (o *certNew) run(ctx context.Context, out string) (*signing.Identity, error) {
	kind, err := signing.ParseKeyKind(o.keyType)
	if err != nil {
		return nil, fmt.Errorf("--key-type: %w", err)
	}
	if o.days < 1 || o.days > 36500 {
		return nil, fmt.Errorf("--days: %d is not from 1 to 36500", o.days)
	}
	if err := claim(o.force, []file{{"OUT.pfx", out}, {"--pem", o.pem}}, passwordFile(&o.password)); err != nil {
		return nil, err
	}
	password, err := o.newPassword(ctx, out)
	if err != nil {
		return nil, err
	}
	id, err := signing.NewLabIdentity(o.subject, kind, time.Duration(o.days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	pfx, err := id.EncodePFX(password)
	if err != nil {
		return nil, err
	}
	if o.pem == "" {
		return id, atomicfile.WriteFile(out, pfx, 0o600, o.force)
	}
	f, err := atomicfile.Create(o.pem, o.force)
	if err != nil {
		return nil, err
	}
	defer f.Discard()
	if err := pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Raw}); err != nil {
		return nil, err
	}
	return id, o.save(out, pfx, f)
}

// save writes the PFX file, and gives the PEM file its name. The key comes
// first, and stays when the other fails: it may have replaced another.
func (o *certNew) save(out string, pfx []byte, pem *atomicfile.File) error {
	if err := pem.Sync(); err != nil {
		return err
	}
	if err := atomicfile.WriteFile(out, pfx, 0o600, o.force); err != nil {
		return err
	}
	if err := pem.Commit(); err != nil {
		return fmt.Errorf("%s is written, with the key and the certificate, but %s is not (%q does that): %v",
			out, o.pem, "openssl pkcs12 -in "+out+" -clcerts -nokeys -out "+o.pem, err)
	}
	return nil
}

// newPassword gets the password that the key will be under.
func (o *certNew) newPassword(ctx context.Context, out string) (string, error) {
	if o.noPassword {
		if o.password.Given() {
			return "", errors.New("password: --no-password excludes --password-file and --password-env")
		}
		return "", nil
	}
	password, err := o.password.Read(ctx, "password for "+out, true)
	if err == nil && len(password) == 0 {
		err = fmt.Errorf("password for %s: it is empty; with --no-password, whoever gets the file has the key", out)
	}
	return string(password), err
}
