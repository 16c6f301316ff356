package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
)

// A signerSource says which certificate and key to sign with.
type signerSource struct {
	cert, key string
	password  cli.Password
}

func (s *signerSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.cert, "cert", "", "sign with the certificate in `FILE`: PFX, or PEM together with --key")
	cmd.Flags().StringVar(&s.key, "key", "", "take the private key from this PEM `FILE`")
	s.password.Flags(cmd, "password", "the password")
}

// inputs are the files that load reads.
func (s *signerSource) inputs() []file {
	return []file{{"--cert", s.cert}, {"--key", s.key}, passwordFile(&s.password)}
}

// load reads certificate and key. The terminal is asked only for the password
// of a PFX file that has one.
func (s *signerSource) load(ctx context.Context) (*signing.Identity, error) {
	cert, err := readFile(s.cert, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	if s.key != "" {
		key, err := readFile(s.key, signing.MaxKeyFile)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		return named(signing.LoadPEM(cert, key))(s.cert + " and " + s.key)
	}
	if signing.IsPEM(cert) {
		return nil, fmt.Errorf("%s is a PEM file: name that of its private key with --key", s.cert)
	}
	id, _, err := loadPFX(ctx, s.cert, cert, &s.password)
	return id, err
}

// loadPFX reads the PFX file at path from its content, and gives its password.
// The terminal is asked only for one that has a password.
func loadPFX(ctx context.Context, path string, pfx []byte, source *cli.Password) (*signing.Identity, string, error) {
	what := "password of " + path
	var password []byte
	var err error
	if source.Given() {
		if password, err = source.Read(ctx, what, false); err != nil {
			return nil, "", err
		}
	}
	id, err := signing.LoadPFX(pfx, string(password))
	if errors.Is(err, signing.ErrPassword) && !source.Given() {
		if password, err = source.Read(ctx, what, false); err != nil {
			return nil, "", err
		}
		id, err = signing.LoadPFX(pfx, string(password))
	}
	id, err = named(id, err)(path)
	return id, string(password), err
}
