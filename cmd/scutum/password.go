package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds what is read from a password file, in bytes.
const maxPassword = 4096

// A passwordSource says where a password comes from: a file, an environment
// variable, or the terminal. The command line is never one.
type passwordSource struct {
	prefix    string // of the flags, where a command takes several passwords
	file, env string
}

func (s *passwordSource) flags(cmd *cobra.Command) { s.flagsFor(cmd, "", "the password") }

// flagsFor adds the flags under names with a prefix, for the password that what
// describes.
func (s *passwordSource) flagsFor(cmd *cobra.Command, prefix, what string) {
	s.prefix = prefix
	cmd.Flags().StringVar(&s.file, prefix+"password-file", "", "read "+what+" from the first line of `FILE`")
	cmd.Flags().StringVar(&s.env, prefix+"password-env", "", "read "+what+" from the environment variable `VAR`")
}

func (s *passwordSource) fileFlag() string { return "--" + s.prefix + "password-file" }
func (s *passwordSource) envFlag() string  { return "--" + s.prefix + "password-env" }

// input is the file that the password is in.
func (s *passwordSource) input() file { return file{s.fileFlag(), s.file} }

// given reports whether the password is to come from elsewhere than the terminal.
func (s *passwordSource) given() bool { return s.file != "" || s.env != "" }

// read gets the password. On the terminal it asks with the prompt, and with
// twice it asks again and compares.
func (s *passwordSource) read(ctx context.Context, prompt string, twice bool) (string, error) {
	switch {
	case s.file != "" && s.env != "":
		return "", fmt.Errorf("password: %s and %s exclude each other", s.fileFlag(), s.envFlag())
	case s.file != "":
		return passwordFromFile(s.file)
	case s.env != "":
		password, ok := os.LookupEnv(s.env)
		if !ok {
			return "", fmt.Errorf("password: the environment variable %s is not set", s.env)
		}
		return password, nil
	}
	terminal, err := openTerminal()
	if err != nil {
		return "", fmt.Errorf("password: there is no terminal to ask on; use %s or %s", s.fileFlag(), s.envFlag())
	}
	defer terminal.Close()
	password, err := terminal.ask(ctx, prompt+": ")
	if err != nil || !twice {
		return password, err
	}
	again, err := terminal.ask(ctx, "the same again: ")
	if err == nil && again != password {
		err = errors.New("password: the two entries differ")
	}
	return password, err
}

// passwordFromFile takes the first line, so that a file made by an editor or by
// echo does what it looks like.
func passwordFromFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if len(line) > maxPassword {
		return "", fmt.Errorf("password: the first line of %s is longer than %d bytes", path, maxPassword)
	}
	return strings.TrimSuffix(line, "\r"), nil
}

// A terminal is the user's, wherever standard input and output go.
type terminal struct {
	in, out *os.File
}

func (t terminal) Close() {
	_ = t.in.Close()
	if t.out != t.in {
		_ = t.out.Close()
	}
}

// ask reads one line without echo. When ctx ends first, the terminal gets its
// echo back; the read itself ends with the process.
func (t terminal) ask(ctx context.Context, prompt string) (string, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	fmt.Fprint(t.out, prompt)
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		fmt.Fprintln(t.out)
		if a.err != nil {
			return "", fmt.Errorf("password: nothing was entered: %w", a.err)
		}
		return string(a.line), nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(t.out)
		return "", ctx.Err()
	}
}
