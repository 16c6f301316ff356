package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hostsim"
	"github.com/scutum-project/scutum/hostsim/attest"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A release is what came of asking for a key.
type release struct {
	Host              string     `json:"host"`
	Service           string     `json:"service,omitempty"`
	Released          bool       `json:"released"`
	ShieldingData     string     `json:"shieldingData,omitempty"` // its identifier
	Protector         string     `json:"protector"`               // SHA-256, as the service's report has it
	Owner             string     `json:"owner"`
	HealthCertificate *time.Time `json:"healthCertificateUntil,omitempty"`
	OfflineUnwraps    uint32     `json:"offlineUnwraps"`
	NewProtector      string     `json:"newProtector,omitempty"` // SHA-256
	Out               string     `json:"out,omitempty"`
	Error             string     `json:"error,omitempty"`
	Reason            string     `json:"reason,omitempty"`
}

func rollCommand() *cobra.Command {
	var out string
	var force, asIs bool
	cmd := booted("roll FILE", "Get the key of a key protector, or of a shielding data file, from the service",
		"hostsim roll --dir host1 vm.kp --out vm.kp --force\n  hostsim roll --dir host1 web.pdk",
		func(cmd *cobra.Command, host *hostsim.Running, args []string) error {
			protector, r, err := readProtector(args[0])
			if err != nil {
				return err
			}
			if _, err := os.Lstat(out); out != "" && err == nil && !force { // before the service does its work
				return fmt.Errorf("%s: %w", out, os.ErrExist)
			}
			r.Host = host.Config().Name
			released, health, err := host.Release(cmd.Context(), protector, asIs)
			if refused(err, r) {
				return errors.Join(showRelease(cmd, r), cli.ErrNo)
			}
			if err != nil {
				return err
			}
			defer released.Keys.Clear()
			if out != "" {
				if err := atomicfile.WriteFile(out, released.Protector, 0o644, force); err != nil {
					return err
				}
			}
			until := health.Ends().UTC()
			r.Released, r.Service, r.HealthCertificate, r.Out = true, health.Server, &until, out
			r.OfflineUnwraps, r.NewProtector = released.Keys.MaxOfflineUnwraps, digest(released.Protector)
			return showRelease(cmd, r)
		})
	cmd.Flags().StringVar(&out, "out", "", "write the new key protector to `FILE`; from then on, it is the one to use")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file of --out if it exists")
	cmd.Flags().BoolVar(&asIs, "no-attest", false, "send the health certificate that is there, whether or not it still holds")
	return cmd
}

// readProtector reads a key protector, or that of shielding data, whose owner signed them.
func readProtector(path string) (*keyprotector.Protector, *release, error) {
	data, err := cli.ReadFile(path, pdk.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	var protector *keyprotector.Protector
	r := &release{}
	if data[0] == 0x30 { // a DER sequence; a protector begins with its length, which has no such byte
		shielded, err := pdk.Parse(data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		protector, r.ShieldingData = shielded.KeyProtector, shielded.ID.String()
	} else if protector, err = keyprotector.Parse(data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Protector, r.Owner = digest(protector.Bytes()), protector.Owner().Signing.Subject.CommonName
	return protector, r, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// refused says whether a service refused, and takes why. Where the host attested anew because of the one, both are told.
func refused(err error, r *release) bool {
	key, health := (*kps.Error)(nil), (*attest.Refusal)(nil)
	if errors.As(err, &key) {
		r.Error, r.Reason = string(key.Code), key.Message
	}
	if errors.As(err, &health) {
		if r.Error != "" {
			r.Error, r.Reason = r.Error+", "+string(health.Reply.Name)+"ErrorReply", r.Reason+"; attesting anew: "+health.Reason()
		} else {
			r.Error, r.Reason = string(health.Reply.Name)+"ErrorReply", health.Reason()
		}
		r.Service = health.Server
	}
	return r.Error != ""
}

func showRelease(cmd *cobra.Command, r *release) error {
	return cli.Report(cmd, r, func(s *cli.Sheet) {
		outcome := "released"
		if !r.Released {
			outcome = "refused with " + r.Error
		}
		facts := []string{"host", r.Host, "service", r.Service, "shielding data", r.ShieldingData, "key protector", r.Protector, "owner", r.Owner,
			"outcome", outcome, "reason", r.Reason}
		if r.Released {
			facts = append(facts, "health certificate until", cli.Moment(*r.HealthCertificate), "offline unwraps", strconv.FormatUint(uint64(r.OfflineUnwraps), 10),
				"new key protector", r.NewProtector, "written to", r.Out)
		}
		s.Facts(facts...)
	})
}
