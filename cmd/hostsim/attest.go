package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hostsim"
	"github.com/scutum-project/scutum/hostsim/attest"
)

// An attestation is what came of one.
type attestation struct {
	Host        string     `json:"host"`
	Service     string     `json:"service"`
	Mode        string     `json:"mode"`
	Healthy     bool       `json:"healthy"`
	Registered  string     `json:"registered,omitempty"`  // the name in the health certificate
	Certificate string     `json:"certificate,omitempty"` // SHA-256
	Until       *time.Time `json:"until,omitempty"`
	Error       string     `json:"error,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Failed      []string   `json:"failed,omitempty"` // policies
}

func attestCommand() *cobra.Command {
	return booted("attest", "Prove to the service that the host is healthy, and keep its health certificate",
		"hostsim attest --dir host1\n  hostsim attest --dir host1 --boot debugger", func(cmd *cobra.Command, host *hostsim.Running, _ []string) error {
			health, err := host.Attest(cmd.Context())
			if refusal := (*attest.Refusal)(nil); errors.As(err, &refusal) {
				return errors.Join(showRefusal(cmd, host, refusal), cli.ErrNo)
			}
			if err != nil {
				return err
			}
			a := attested(host, health)
			return cli.Report(cmd, a, func(s *cli.Sheet) {
				s.Facts("host", a.Host, "service", a.Service, "mode", a.Mode, "outcome", "healthy", "registered as", a.Registered,
					"health certificate", a.Certificate, "until", cli.Moment(*a.Until))
			})
		})
}

func attested(host *hostsim.Running, health *hostsim.Health) attestation {
	sum, until := sha256.Sum256(health.Certificate), health.Ends().UTC()
	return attestation{
		Host: host.Config().Name, Service: health.Server, Mode: health.Mode.String(), Healthy: true, Registered: health.Subject(),
		Certificate: hex.EncodeToString(sum[:]), Until: &until,
	}
}

func showRefusal(cmd *cobra.Command, host *hostsim.Running, refusal *attest.Refusal) error {
	a := attestation{
		Host: host.Config().Name, Service: refusal.Server, Mode: refusal.Mode.String(), Error: string(refusal.Reply.Name) + "ErrorReply",
		Reason: refusal.Reason(), Failed: refusal.Failed(),
	}
	return cli.Report(cmd, a, func(s *cli.Sheet) {
		s.Facts("host", a.Host, "service", a.Service, "mode", a.Mode, "outcome", "refused with "+a.Error, "reason", a.Reason)
	})
}
