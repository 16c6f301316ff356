package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// passwordFlags adds the flags of a password under that name, for the password that what describes: it is never empty, and
// systemd may hand it over as the credential hgs-NAME.
func passwordFlags(cmd *cobra.Command, p *cli.Password, name, what string) {
	p.Credential, p.NotEmpty = "hgs-"+name, true
	p.Flags(cmd, name, what)
}

// readFile reads a file of at most so many bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}
