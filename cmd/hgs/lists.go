package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/signing"
)

// listCommand shows what the service has at a path.
func listCommand[T any](of, short, path string, row func(T) []string) *cobra.Command {
	return cli.Leaf("list", short, "hgs "+of+" list", func(cmd *cobra.Command, _ []string) error {
		var list []T
		if err := ask(cmd, "GET", path, nil, &list); err != nil {
			return err
		}
		return cli.Report(cmd, cli.OrEmpty(list), func(s *cli.Sheet) {
			var rows [][]string
			for _, entry := range list {
				rows = append(rows, row(entry))
			}
			s.Table(rows...)
		})
	})
}

// namedCommand does something to what the service has under a name.
func namedCommand(use, short, example, method, path, said string) *cobra.Command {
	return cli.Leaf(use, short, example, func(cmd *cobra.Command, args []string) error {
		if err := ask(cmd, method, path, hgsserver.Named{Name: args[0]}, nil); err != nil {
			return err
		}
		return cli.Report(cmd, hgsserver.Named{Name: args[0]}, func(s *cli.Sheet) { s.Line(args[0] + " " + said + ".") })
	})
}

// add sends what is new and shows what the service made of it.
func add[T any](cmd *cobra.Command, path string, message any, row func(T) []string) error {
	var added T
	if err := ask(cmd, "POST", path, message, &added); err != nil {
		return err
	}
	return cli.Report(cmd, added, func(s *cli.Sheet) { s.Table(row(added)) })
}

func hostKeyRow(h hgsserver.HostInfo) []string { return []string{h.Name, h.Identifier} }

func policyRow(p hgsserver.PolicyInfo) []string {
	state := "disabled"
	if p.Enabled {
		state = "enabled"
	}
	if p.Locked {
		state += ", locked"
	}
	if p.Says != "" {
		return []string{p.Name, p.Kind, state, p.GUID + "  " + p.Says}
	}
	return []string{p.Name, p.Kind, state, p.Digest}
}

func certificateRow(c hgsserver.CertificateInfo) []string {
	primary := ""
	if c.Primary {
		primary = "primary"
	}
	return []string{c.Thumbprint, c.Use, primary, "until " + cli.Moment(c.Expires), c.Subject}
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	data, err := cli.ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	certificates, err := signing.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certificates, nil
}

// addCertificate sends the one certificate in a file.
func addCertificate(cmd *cobra.Command, path, file string) error {
	certificates, err := readCertificates(file)
	if err != nil {
		return err
	}
	if len(certificates) != 1 {
		return fmt.Errorf("%s has %d certificates: give a file with one", file, len(certificates))
	}
	return add(cmd, path, hgsserver.NewCertificate{Certificate: certificates[0].Raw}, certificateRow)
}

func hostKeyCommand() *cobra.Command {
	return cli.Group("hostkey", "Register hosts by a key",
		cli.Leaf("add NAME FILE", "Register a host by the public key, or the certificate, in a file", "hgs hostkey add host1 host1.pem",
			func(cmd *cobra.Command, args []string) error {
				key, err := readPublicKey(args[1])
				if err != nil {
					return err
				}
				return add(cmd, "/v1/hostkeys", hgsserver.NewHostKey{Name: args[0], Key: key}, hostKeyRow)
			}),
		listCommand("hostkey", "List the hosts that are registered by a key", "/v1/hostkeys", hostKeyRow),
		namedCommand("remove NAME", "Take a host's key away", "hgs hostkey remove host1", "DELETE", "/v1/hostkeys", "is removed"))
}

// readPublicKey gives the SubjectPublicKeyInfo in a file that has a public key or a certificate, in PEM or DER.
func readPublicKey(path string) ([]byte, error) {
	data, err := cli.ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil && block.Type == "PUBLIC KEY" {
		return block.Bytes, nil
	}
	if certificates, err := signing.ParseCertificates(data); err == nil {
		return certificates[0].RawSubjectPublicKeyInfo, nil
	}
	if _, err := x509.ParsePKIXPublicKey(data); err != nil {
		return nil, fmt.Errorf("%s has neither a public key nor a certificate", path)
	}
	return data, nil
}

func policyCommand() *cobra.Command {
	files := map[policy.Kind]*string{policy.Baseline: new(string), policy.CI: new(string), policy.DumpKey: new(string)}
	addPolicy := cli.Leaf("add NAME", "Add a policy that hosts may meet", "hgs policy add rack1 --baseline host1.tcglog", func(cmd *cobra.Command, args []string) error {
		n := hgsserver.NewPolicy{Name: args[0]}
		given := 0
		path := ""
		for kind, file := range files {
			if *file != "" {
				given, path, n.Kind = given+1, *file, kind
			}
		}
		if given != 1 {
			return cli.UsageError(cmd, errors.New("give one of --baseline, --ci and --dump-key"))
		}
		var err error
		if n.File, err = cli.ReadFile(path, policy.MaxFile); err != nil {
			return err
		}
		return add(cmd, "/v1/policies", n, policyRow)
	})
	addPolicy.Flags().StringVar(files[policy.Baseline], "baseline", "", "the boot log of a reference host, in `FILE` (.tcglog)")
	addPolicy.Flags().StringVar(files[policy.CI], "ci", "", "a compiled code integrity policy, in `FILE` (.p7b, .bin or .cip)")
	addPolicy.Flags().StringVar(files[policy.DumpKey], "dump-key", "", "the public key to which crash dumps are encrypted, in `FILE`")
	return cli.Group("policy", "Say what hosts have to meet in TPM mode", addPolicy,
		listCommand("policy", "List all policies", "/v1/policies", policyRow),
		stateCommand("enable", true), stateCommand("disable", false),
		namedCommand("remove NAME", "Take a policy away", "hgs policy remove rack1", "DELETE", "/v1/policies", "is removed"))
}

func stateCommand(verb string, on bool) *cobra.Command {
	cmd := cli.Leaf(verb+" NAME", "Make a policy "+verb+"d", "hgs policy "+verb+" Hgs_NoHibernation", func(cmd *cobra.Command, args []string) error {
		state := hgsserver.PolicyState{Name: args[0], Enabled: on}
		if err := ask(cmd, "PATCH", "/v1/policies", state, nil); err != nil {
			return err
		}
		return cli.Report(cmd, state, func(s *cli.Sheet) { s.Line(args[0] + " is " + verb + "d.") })
	})
	cmd.ValidArgsFunction = cli.CompleteArguments(oneOf(switchable()...))
	return cmd
}
