package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds what is read from a password file, in bytes.
const maxPassword = 4096

// A passwordSource says where a password comes from: a file, an environment variable, a credential of systemd, or the terminal.
// The command line is never one.
type passwordSource struct {
	name, file, env string
}

func (s *passwordSource) flags(cmd *cobra.Command, name, what string) {
	s.name = name
	cmd.Flags().StringVar(&s.file, name+"-file", "", "read "+what+" from the first line of `FILE`")
	cmd.Flags().StringVar(&s.env, name+"-env", "", "read "+what+" from the environment variable `VAR`")
}

// read gets the password. With twice, the terminal is asked again, and both must be the same.
func (s *passwordSource) read(what string, twice bool) ([]byte, error) {
	password, err := s.get(what, twice)
	if err == nil && len(password) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return password, nil
}

func (s *passwordSource) get(what string, twice bool) ([]byte, error) {
	switch credential := s.credential(); {
	case s.file != "" && s.env != "":
		return nil, fmt.Errorf("--%s-file and --%s-env exclude each other", s.name, s.name)
	case s.file != "":
		return firstLine(s.file)
	case s.env != "":
		password, ok := os.LookupEnv(s.env)
		if !ok {
			return nil, fmt.Errorf("the environment variable %s is not set", s.env)
		}
		return []byte(password), nil
	case credential != "":
		return firstLine(credential)
	}
	return s.ask(what, twice)
}

// credential is the file that systemd made for LoadCredential=hgs-passphrase, where there is one.
func (s *passwordSource) credential() string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, "hgs-"+s.name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func (s *passwordSource) ask(what string, twice bool) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil, fmt.Errorf("there is no terminal to ask on; use --%s-file or --%s-env", s.name, s.name)
	}
	prompt := func(text string) ([]byte, error) {
		fmt.Fprint(os.Stderr, text+": ")
		defer fmt.Fprintln(os.Stderr)
		return term.ReadPassword(fd)
	}
	password, err := prompt(what)
	if err != nil || !twice {
		return password, err
	}
	again, err := prompt("the same again")
	if err == nil && !bytes.Equal(again, password) {
		err = errors.New("the two entries differ")
	}
	return password, err
}

func firstLine(path string) ([]byte, error) {
	data, err := readFile(path, maxPassword)
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return []byte(strings.TrimSuffix(line, "\r")), nil
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
