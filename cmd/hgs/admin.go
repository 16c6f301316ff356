package main

import (
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
)

func adminRow(a hgsserver.AdminInfo) []string {
	return []string{a.Name, a.Role.String(), a.Thumbprint, "until " + cli.Moment(a.Expires), a.Subject}
}

func adminCommand() *cobra.Command {
	var role string
	add := cli.Leaf("add NAME FILE.pem", "Let somebody administer, or review, the service over TLS by the client certificate in a file",
		"hgs admin add alice alice.pem --role administrator", func(cmd *cobra.Command, args []string) error {
			n := hgsserver.NewAdmin{Name: args[0], Role: new(hgsserver.Role)}
			if role == "" {
				return cli.UsageError(cmd, errors.New("--role is missing: administrator, or reviewer, who reads and changes nothing"))
			}
			if err := n.Role.UnmarshalText([]byte(role)); err != nil {
				return cli.UsageError(cmd, err)
			}
			certificates, err := readCertificates(args[1])
			if err != nil {
				return err
			}
			n.Certificate = certificates[0].Raw // its issuers do not matter
			return add(cmd, "/v1/admins", n, adminRow)
		})
	add.Flags().StringVar(&role, "role", "", "administrator, or reviewer, who reads and changes nothing")
	completeValues(add, "role", hgsserver.Administrator.String(), hgsserver.Reviewer.String())
	return cli.Group("admin", "Say who administers and reviews the service over TLS", add,
		listCommand("admin", "List who administers and reviews the service over TLS", "/v1/admins", adminRow),
		namedCommand("remove NAME", "Take somebody's access away, at once", "hgs admin remove alice", "DELETE", "/v1/admins", "has no access over TLS any more"))
}

func passphraseCommand() *cobra.Command {
	var old, next cli.Password
	cmd := cli.Leaf("passphrase", "Put the state of a stopped service under another passphrase",
		"hgs passphrase --dir /var/lib/hgs --passphrase-file old --new-passphrase-file new", func(cmd *cobra.Command, _ []string) error {
			secret, err := old.Read(cmd.Context(), "the passphrase of the service", false)
			if err != nil {
				return err
			}
			defer clear(secret)
			another, err := next.Read(cmd.Context(), "the new passphrase", true)
			if err != nil {
				return err
			}
			defer clear(another)
			by := ""
			if u, err := user.Current(); err == nil {
				by = u.Username
			}
			if err := hgsserver.SetPassphrase(dirOf(cmd), secret, another, by); err != nil {
				return withRemedy(err)
			}
			return cli.Report(cmd, map[string]string{"dir": dirOf(cmd)}, func(s *cli.Sheet) {
				s.Line(fmt.Sprintf("The state in %s opens with the new passphrase alone. Backups, and what else was copied before, do as before.", dirOf(cmd)))
			})
		})
	cmd.Long = `Put the state of a stopped service under another passphrase.

All of it is written again under a new key, beside the old file, which it replaces
when it is whole: there must be room for both. Ended at any time, the state opens
with the old passphrase or with the new one.`
	passwordFlags(cmd, &old, "passphrase", "the passphrase of the service")
	next.NotEmpty = true
	next.Flags(cmd, "new-passphrase", "the new passphrase")
	return cmd
}
