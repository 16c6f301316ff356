package main

import (
	"encoding/pem"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
)

func signerCommand() *cobra.Command {
	show := cli.Leaf("show", "Print the certificates of this service's attestation signers, as PEM", "hgs signer show >signers.pem", func(cmd *cobra.Command, _ []string) error {
		var list, own []hgsserver.CertificateInfo
		if err := ask(cmd, "GET", "/v1/signers", nil, &list); err != nil {
			return err
		}
		for _, c := range list {
			if c.Use == "own" {
				own = append(own, c)
			}
		}
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return cli.Report(cmd, cli.OrEmpty(own), nil)
		}
		for _, c := range own {
			if err := pem.Encode(cmd.OutOrStdout(), &pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate}); err != nil {
				return err
			}
		}
		return nil
	})
	trust := cli.Leaf("trust FILE", "Accept the health certificates of another attestation signer", "hgs signer trust other.pem", func(cmd *cobra.Command, args []string) error {
		return addCertificate(cmd, "/v1/signers", args[0])
	})
	deny := cli.Leaf("deny-before TIME", "Accept no health certificate that was issued before a time (RFC 3339, or now), or with none accept all again",
		"hgs signer deny-before now\n  hgs signer deny-before none", func(cmd *cobra.Command, args []string) error {
			change, err := denyBefore(args[0])
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			return changeSettings(cmd, change)
		})
	return cli.Group("signer", "Say whose health certificates are accepted", show, trust, deny,
		listSigners(),
		namedCommand("distrust THUMBPRINT", "No longer accept an attestation signer that was trusted", "hgs signer distrust 0123...", "DELETE", "/v1/signers", "is no longer trusted"))
}

// denyBefore is what a time, now, or none asks for.
func denyBefore(text string) (hgsserver.SettingsChange, error) {
	switch text {
	case "now":
		return hgsserver.SettingsChange{DenyAllSoFar: true}, nil
	case "none":
		return hgsserver.SettingsChange{DenyBefore: &time.Time{}}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.IsZero() {
		return hgsserver.SettingsChange{}, fmt.Errorf("%q is not a time such as %s, nor now or none", text, time.Now().UTC().Format(time.RFC3339))
	}
	return hgsserver.SettingsChange{DenyBefore: &at}, nil
}

// listSigners also says which of the signers' certificates are denied.
func listSigners() *cobra.Command {
	return cli.Leaf("list", "List the attestation signers whose health certificates are accepted, and from when on they must be", "hgs signer list",
		func(cmd *cobra.Command, _ []string) error {
			var list []hgsserver.CertificateInfo
			if err := ask(cmd, "GET", "/v1/signers", nil, &list); err != nil {
				return err
			}
			var settings hgsserver.Settings
			if err := ask(cmd, "GET", "/v1/config", nil, &settings); err != nil {
				return err
			}
			return cli.Report(cmd, cli.OrEmpty(list), func(s *cli.Sheet) {
				var rows [][]string
				for _, c := range list {
					rows = append(rows, certificateRow(c))
				}
				s.Table(rows...)
				if !settings.DenyBefore.IsZero() {
					s.Line("Health certificates from before " + cli.Moment(settings.DenyBefore) + " are not accepted.")
				}
			})
		})
}
