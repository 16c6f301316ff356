package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
)

// openInput opens a file to read it. A named pipe is refused: until somebody writes
// to it, opening it would wait, whatever key is pressed.
func openInput(path string) (*os.File, error) {
	if err := refusePipe(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// refusePipe refuses a pipe that has a name. One that the shell made, as for <(...),
// has a writer already, and goes by a name of the system's.
func refusePipe(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/") {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a named pipe: write what comes through it to a file first")}
	}
	return nil
}

// readFile reads a file of at most max bytes. Its errors name the file.
func readFile(path string, max int64) ([]byte, error) {
	f, err := openInput(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, fmt.Errorf("read %s: the file is empty", path)
	case int64(len(data)) > max:
		return nil, fmt.Errorf("read %s: the file is longer than %s%s", path, formatSize(max), knownKind(data))
	}
	return data, nil
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
	f, err := openInput(path)
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
