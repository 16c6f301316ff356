package main

import (
	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// passwordFlags adds the flags of a password under that name, for the password that what describes: it is never empty, and
// systemd may hand it over as the credential hgs-NAME.
func passwordFlags(cmd *cobra.Command, p *cli.Password, name, what string) {
	p.Credential, p.NotEmpty = "hgs-"+name, true
	p.Flags(cmd, name, what)
}
