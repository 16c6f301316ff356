package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
)

// readFile reads a file of at most max bytes. Its errors name the file, and say of
// one that is too long what it is, where that is known.
func readFile(path string, max int64) ([]byte, error) {
	data, err := cli.ReadFile(path, max)
	if long := (*cli.TooLongError)(nil); errors.As(err, &long) {
		return nil, fmt.Errorf("read %s: the file is longer than %s%s", path, formatSize(max), knownKind(long.Begin))
	}
	return data, err
}

// readCatalog reads the signed catalog of a .vsc file, or of the disk that
// carries one.
func readCatalog(path string) (*signing.Signed, error) {
	head, err := readHead(path)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(head, []byte("vhdxfile")) { // MS-VHDX section 2.2.1
		d, err := vhdx.OpenAlone(path)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return named(signing.Embedded(d))(path)
	}
	der, err := readFile(path, signing.MaxSize)
	if err != nil {
		return nil, err
	}
	return understood(signing.Parse(der))(path, der)
}

// readHead reads the first eight bytes of a file, or what there is of them.
func readHead(path string) ([]byte, error) {
	f, err := cli.OpenInput(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 8)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// named gives the error of a call the name of the file that the call was about.
func named[T any](value T, err error) func(path string) (T, error) {
	return func(path string) (T, error) {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return value, err
	}
}

// readCertificates reads the certificates of a PEM or a DER file.
func readCertificates(path string) ([]*x509.Certificate, error) {
	data, err := readFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	certificates, err := signing.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return certificates, nil
}
