package main

import (
	"crypto/x509"
	"errors"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/signing"
)

func certCommand() *cobra.Command {
	n := hgsserver.NewCertificate{}
	var password cli.Password
	addCert := cli.Leaf("add PFX", "Add a certificate with its key; with --primary, it takes the place of the one before", "hgs cert add new.pfx --use signing --primary",
		func(cmd *cobra.Command, args []string) error {
			secret, err := password.Read(cmd.Context(), "the password of "+args[0], false)
			if err != nil {
				return err
			}
			id, err := loadPFX(args[0], secret)
			if err != nil {
				return err
			}
			return addIdentity(cmd, n, id)
		})
	addCert.Flags().StringVar(&n.Use, "use", "", "what it is for: signing or encryption")
	addCert.Flags().BoolVar(&n.Primary, "primary", false, "make it the primary one")
	completeValues(addCert, "use", hgsserver.UseSigning, hgsserver.UseEncryption)
	passwordFlags(addCert, &password, "password", "the password of the PFX file")
	return cli.Group("cert", "Look after the certificates of the key protection service", addCert, newCertCommand(),
		listCommand("cert", "List the certificates", "/v1/certs", certificateRow),
		namedCommand("primary THUMBPRINT", "Make a certificate the primary one for its use", "hgs cert primary 01234567", "PATCH", "/v1/certs", "is primary"),
		removeCertCommand())
}

func removeCertCommand() *cobra.Command {
	var n hgsserver.CertificateRemoval
	cmd := cli.Leaf("remove THUMBPRINT", "Take a certificate away: keys that are wrapped for it alone are lost", "hgs cert remove 01234567",
		func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			if err := ask(cmd, "DELETE", "/v1/certs", n, nil); err != nil {
				return err
			}
			return cli.Report(cmd, hgsserver.Named{Name: n.Name}, func(s *cli.Sheet) { s.Line(n.Name + " is removed.") })
		})
	cmd.Flags().BoolVar(&n.Force, "force", false, "remove one for encryption, too")
	return cmd
}

// newCertCommand makes certificates as init --generate does.
func newCertCommand() *cobra.Command {
	var n hgsserver.NewCertificate
	cmd := cli.Leaf("new", "Make a self-signed certificate with its key, as init --generate does, and add it", "hgs cert new --use encryption --primary",
		func(cmd *cobra.Command, _ []string) error {
			if n.Use != hgsserver.UseSigning && n.Use != hgsserver.UseEncryption {
				return cli.UsageError(cmd, errors.New("--use is signing or encryption"))
			}
			var settings hgsserver.Settings
			if err := ask(cmd, "GET", "/v1/config", nil, &settings); err != nil {
				return err
			}
			id, encryption, err := firstCertificates(cmd.Context(), settings.Name, true, "", "", nil)
			if err != nil {
				return err
			}
			if n.Use == hgsserver.UseEncryption {
				id = encryption
			}
			return addIdentity(cmd, n, id)
		})
	cmd.Flags().StringVar(&n.Use, "use", "", "what it is for: signing or encryption")
	cmd.Flags().BoolVar(&n.Primary, "primary", false, "make it the primary one")
	completeValues(cmd, "use", hgsserver.UseSigning, hgsserver.UseEncryption)
	return cmd
}

// addIdentity sends a certificate with its key to the service.
func addIdentity(cmd *cobra.Command, n hgsserver.NewCertificate, id *signing.Identity) error {
	n.Certificate = id.Certificate.Raw
	for _, c := range id.Chain {
		n.Chain = append(n.Chain, c.Raw)
	}
	var err error
	if n.Key, err = x509.MarshalPKCS8PrivateKey(id.Key); err != nil {
		return err
	}
	defer clear(n.Key)
	return add(cmd, "/v1/certs", n, certificateRow)
}
