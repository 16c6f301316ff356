package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation/platform"
	"github.com/scutum-project/scutum/signing"
)

func hostRow(h hgsserver.HostInfo) []string {
	said := "by its endorsement certificate"
	if !h.Certificate {
		said = "policy version v1: by its key alone, without a certificate"
	}
	return []string{h.Name, h.Identifier, said, h.TPM}
}

// A hostSource says what a host is registered by: one of the files.
type hostSource struct {
	identifier, certificate, key string
	policyVersion                string
	force                        bool
}

func hostCommand() *cobra.Command {
	var source hostSource
	addHost := cli.Leaf("add NAME", "Register a host by its TPM: by its platform identifier FILE.xml, and then NAME may be that file",
		"hgs host add host1.xml\n  hgs host add host1 --certificate ek.pem\n  hgs host add host2.xml --policy-version v1",
		func(cmd *cobra.Command, args []string) error {
			n, err := source.read(cmd, args[0])
			if err != nil {
				return err
			}
			return add(cmd, "/v1/hosts", n, hostRow)
		})
	flags := addHost.Flags()
	flags.StringVar(&source.identifier, "identifier", "", "the platform identifier of the host, in `FILE` (XML)")
	flags.StringVar(&source.certificate, "certificate", "", "the endorsement certificate, and after it its issuers, in `FILE` (PEM or DER)")
	flags.StringVar(&source.key, "key", "", "the endorsement key alone, in `FILE` (TPM2B_PUBLIC); needs --policy-version v1")
	flags.StringVar(&source.policyVersion, "policy-version", hgsserver.PolicyV2, "v2 demands an endorsement certificate by a trusted maker; "+
		"v1 takes the key alone, and nobody vouches that it is in a TPM")
	completeValues(addHost, "policy-version", hgsserver.PolicyV1, hgsserver.PolicyV2)
	flags.BoolVar(&source.force, "force", false, "as --policy-version v1")
	roots := cli.Group("root", "Trust the makers of TPMs",
		cli.Leaf("add FILE", "Trust the maker of TPMs whose certificate is in a file", "hgs host root add maker.pem", func(cmd *cobra.Command, args []string) error {
			return addCertificate(cmd, "/v1/roots", args[0])
		}),
		listCommand("host root", "List the makers of TPMs that are trusted", "/v1/roots", certificateRow),
		namedCommand("remove THUMBPRINT", "No longer trust a maker of TPMs", "hgs host root remove 0123...", "DELETE", "/v1/roots", "is removed"))
	return cli.Group("host", "Register hosts by their TPM", addHost,
		listCommand("host", "List the hosts that are registered by their TPM", "/v1/hosts", hostRow),
		namedCommand("remove NAME", "Take a host away", "hgs host remove host1", "DELETE", "/v1/hosts", "is removed"), roots)
}

// read gives what the service is asked to register. Where no file is named, the argument is one, and names the host.
func (s *hostSource) read(cmd *cobra.Command, arg string) (*hgsserver.NewHost, error) {
	given := 0
	for _, file := range []string{s.identifier, s.certificate, s.key} {
		if file != "" {
			given++
		}
	}
	if given > 1 {
		return nil, cli.UsageError(cmd, errors.New("give one of --identifier, --certificate and --key"))
	}
	n := &hgsserver.NewHost{Name: arg, PolicyVersion: s.policyVersion}
	if s.force {
		n.PolicyVersion = hgsserver.PolicyV1
	}
	switch {
	case s.key != "":
		data, err := cli.ReadFile(s.key, signing.MaxKeyFile)
		n.Key = data
		return n, err
	case s.certificate != "":
		certificates, err := readCertificates(s.certificate)
		if err != nil {
			return nil, err
		}
		n.Certificate = certificates[0].Raw
		for _, c := range certificates[1:] {
			n.Intermediates = append(n.Intermediates, c.Raw)
		}
		return n, nil
	}
	path := s.identifier
	if path == "" {
		path = arg
	}
	data, err := cli.ReadFile(path, platform.MaxIdentifier)
	if err != nil {
		if s.identifier == "" {
			err = fmt.Errorf("%w: give the platform identifier of the host, or its name with --identifier, --certificate or --key", err)
		}
		return nil, err
	}
	id, err := platform.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.identifier == "" {
		n.Name = id.Host
	}
	if id.Certificate == nil || n.PolicyVersion == hgsserver.PolicyV1 {
		n.Key = id.Key.Bytes()
		return n, nil
	}
	n.Certificate = id.Certificate.Raw
	for _, issuer := range id.Issuers {
		n.Intermediates = append(n.Intermediates, issuer.Raw)
	}
	return n, nil
}
