package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/signing"
)

// A signerSource says which certificate and key to sign with.
type signerSource struct {
	cert, key string
	password  passwordSource
}

func (s *signerSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.cert, "cert", "", "sign with the certificate in `FILE`: PFX, or PEM together with --key")
	cmd.Flags().StringVar(&s.key, "key", "", "take the private key from this PEM `FILE`")
	s.password.flags(cmd)
}

// inputs are the files that load reads.
func (s *signerSource) inputs() []file {
	return []file{{"--cert", s.cert}, {"--key", s.key}, s.password.input()}
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
	if isPEM(cert) {
		return nil, fmt.Errorf("%s is a PEM file: name that of its private key with --key", s.cert)
	}
	var password string
	if s.password.given() {
		if password, err = s.password.read(ctx, "", false); err != nil {
			return nil, err
		}
	}
	id, err := signing.LoadPFX(cert, password)
	if errors.Is(err, signing.ErrPassword) && !s.password.given() {
		if password, err = s.password.read(ctx, "password of "+s.cert, false); err != nil {
			return nil, err
		}
		id, err = signing.LoadPFX(cert, password)
	}
	return named(id, err)(s.cert)
}
