package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// writeBackup writes a backup that appears whole or not at all.
func writeBackup(cmd *cobra.Command, path string, request hgsserver.BackupRequest) error {
	f, err := atomicfile.Create(path, false)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: a backup replaces no file, give it another name", err)
	}
	if err != nil {
		return err
	}
	defer f.Discard()
	body, err := stream(cmd, "POST", "/v1/backup", request)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(f, body); err != nil {
		return fmt.Errorf("the backup broke off: %w", err)
	}
	return f.Commit()
}

func showProblems(s *cli.Sheet, problems []hgsserver.Problem) {
	for _, p := range problems {
		s.Line("! " + p.What)
		s.Line("    to do: " + p.Remedy)
	}
}

// verdict is cli.ErrNo where hosts cannot attest or get keys.
func verdict(problems []hgsserver.Problem) error {
	for _, p := range problems {
		if p.Fatal {
			return cli.ErrNo
		}
	}
	return nil
}

func statusCommand() *cobra.Command {
	return cli.Leaf("status", "Say how the service is", "hgs status", func(cmd *cobra.Command, _ []string) error {
		var st hgsserver.Status
		if err := ask(cmd, "GET", "/v1/status", nil, &st); err != nil {
			return err
		}
		return cli.Report(cmd, st, func(s *cli.Sheet) {
			s.Facts("service", st.Name, "mode", st.Mode, "TPM hosts", strconv.Itoa(st.Hosts), "host keys", strconv.Itoa(st.HostKeys),
				"policies added", strconv.Itoa(st.Policies), "certificates", strconv.Itoa(st.Certificates), "attestation signers", strconv.Itoa(st.Signers),
				"deny before", cli.Moment(st.DenyBefore), "last backup", backupText(st.LastBackup),
				"audit log", fmt.Sprintf("up to entry %d, %x", st.Audit.Sequence, st.Audit.Hash))
			showProblems(s, st.Problems)
		})
	})
}

func showSettings(cmd *cobra.Command, c hgsserver.Settings) error {
	var at hgsserver.Status
	if err := ask(cmd, "GET", "/v1/status", nil, &at); err != nil {
		return err
	}
	return cli.Report(cmd, c, func(s *cli.Sheet) {
		s.Facts(append([]string{"name", c.Name, "mode", c.Mode, "certificate lifetime", lifetimeText(c.CertificateSeconds), "offline unwraps", strconv.FormatUint(uint64(c.MaxOfflineUnwraps), 10),
			"deny before", cli.Moment(c.DenyBefore), "audit retention", retentionText(c.AuditRetentionDays)}, listeningFacts(c.Listening, &at)...)...)
	})
}

func changeSettings(cmd *cobra.Command, change hgsserver.SettingsChange) error {
	var c hgsserver.Settings
	if err := ask(cmd, "PATCH", "/v1/config", change, &c); err != nil {
		return err
	}
	return showSettings(cmd, c)
}

// lifetimeText is how long a health certificate holds.
func lifetimeText(seconds int) string {
	if seconds == 0 {
		return health.Lifetime.String()
	}
	return (time.Duration(seconds) * time.Second).String()
}

func backupText(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return cli.Moment(at)
}

const forever = "forever"

func retentionText(days int) string {
	if days == 0 {
		return forever
	}
	return strconv.Itoa(days) + "d"
}

// parseRetention reads a number of days, such as 400d, or forever, which is 0.
func parseRetention(text string) (int, error) {
	if text == forever {
		return 0, nil
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n > 0 {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%q is no number of days, such as 400d, and not %s", text, forever)
}

func modeCommand() *cobra.Command {
	cmd := cli.Leaf("mode [MODE]", "Show the mode, or switch between tpm and hostkey; what belongs to the other mode is kept", "hgs mode\n  hgs mode hostkey",
		func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return changeSettings(cmd, hgsserver.SettingsChange{Mode: &args[0]})
			}
			var c hgsserver.Settings
			if err := ask(cmd, "GET", "/v1/config", nil, &c); err != nil {
				return err
			}
			return cli.Report(cmd, map[string]string{"mode": c.Mode}, func(s *cli.Sheet) { s.Facts("mode", c.Mode) })
		})
	cmd.ValidArgsFunction = cli.CompleteArguments(oneOf(modes...))
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return cli.ExactArgs("MODE")(cmd, args)
	}
	return cmd
}

func configCommand() *cobra.Command {
	show := cli.Leaf("show", "Show the settings", "hgs config show", func(cmd *cobra.Command, _ []string) error {
		var c hgsserver.Settings
		if err := ask(cmd, "GET", "/v1/config", nil, &c); err != nil {
			return err
		}
		return showSettings(cmd, c)
	})
	var name, retention string
	var unwraps uint32
	var lifetime time.Duration
	var listening listeningFlags
	set := cli.Leaf("set", "Change settings", `hgs config set --max-offline-unwraps 10
  hgs config set --listen :443 --tls-cert /etc/hgs/tls.pem --tls-key /etc/hgs/tls.key
  hgs config set --admin-listen 192.0.2.1:8443 --admin-cert /etc/hgs/admin.pem --admin-key /etc/hgs/admin.key
  hgs config set --metrics off`, func(cmd *cobra.Command, _ []string) error {
		var change hgsserver.SettingsChange
		if cmd.Flags().Changed("name") {
			change.Name = &name
		}
		if cmd.Flags().Changed("max-offline-unwraps") {
			change.MaxOfflineUnwraps = &unwraps
		}
		if cmd.Flags().Changed("certificate-lifetime") {
			if lifetime < health.MinLifetime || lifetime > health.Lifetime || lifetime%time.Second != 0 {
				return cli.UsageError(cmd, fmt.Errorf("a health certificate holds for %v to %v, in whole seconds, not %v", health.MinLifetime, health.Lifetime, lifetime))
			}
			seconds := int(lifetime / time.Second)
			change.CertificateSeconds = &seconds
		}
		if retention != "" {
			days, err := parseRetention(retention)
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			change.AuditRetentionDays = &days
		}
		var err error
		if change.Listening, err = listening.toKeep(cmd); err != nil {
			return err
		}
		if change == (hgsserver.SettingsChange{}) {
			return cli.UsageError(cmd, fmt.Errorf("say what to set: --name, --max-offline-unwraps, --listen or another flag is missing"))
		}
		if err = changeSettings(cmd, change); err == nil && change.Listening != nil {
			startAgain(cmd)
		}
		return err
	})
	set.Flags().StringVar(&name, "name", "", "the `NAME` of the service")
	set.Flags().Uint32Var(&unwraps, "max-offline-unwraps", 0, "how often hosts may use a key again without asking; 0 allows no caching")
	set.Flags().DurationVar(&lifetime, "certificate-lifetime", 0, "how long health certificates hold that are issued from now on: a `TIME` such as 2h, at most 8h")
	set.Flags().StringVar(&retention, "audit-retention", "", "how long entries of the audit log are kept, such as `400d`, or forever; "+
		"older ones are removed at once and then every day: see hgs report --export")
	listening.add(set)
	return cli.Group("config", "Show and change the settings", show, set)
}

func checkCommand() *cobra.Command {
	return cli.Leaf("check", "Check that the audit log is whole and that hosts can attest and get keys", "hgs check", func(cmd *cobra.Command, _ []string) error {
		var c hgsserver.Check
		if err := ask(cmd, "GET", "/v1/check", nil, &c); err != nil {
			return err
		}
		err := cli.Report(cmd, c, func(s *cli.Sheet) {
			showLog(s, &c)
			showProblems(s, c.Problems)
		})
		if err == nil && c.Altered != "" {
			err = cli.ErrNo
		}
		if err == nil {
			err = verdict(c.Problems)
		}
		return err
	})
}
